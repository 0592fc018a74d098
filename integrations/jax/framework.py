"""JAX itself, imported here and nowhere else, so that one error says how to install it."""

from __future__ import annotations

from tallyboard.core.errors import MissingDependency

try:
    import jax
except ModuleNotFoundError as error:
    if error.name != "jax":  # jax is there, and something that it needs is not: its own text says what
        raise
    raise MissingDependency("tallyboard.integrations.jax needs JAX: pip install 'tallyboard[jax]'") from error

import jax.numpy as jnp

__all__ = ["jax", "jnp"]
