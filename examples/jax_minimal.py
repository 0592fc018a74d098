"""JAX in ten lines: log a jitted training step, then `tallyboard --logdir runs`."""

import jax
import jax.numpy as jnp

from tallyboard.integrations.jax import create_default_writer

x = jax.random.normal(jax.random.key(0), (1000, 8))
y = x @ jnp.arange(8.0)


@jax.jit
def train_step(weights: jax.Array):
    loss, gradient = jax.value_and_grad(lambda w: jnp.mean((x @ w - y) ** 2))(weights)
    return weights - 0.05 * gradient, {"loss": loss, "gradient/norm": jnp.linalg.norm(gradient)}


weights = jnp.zeros(8)
with create_default_writer("runs/jax") as writer:
    writer.write_texts(0, {"notes": "A linear regression by **gradient descent**."})
    for step in range(100):
        weights, metrics = train_step(weights)
        writer.write_scalars(step, metrics)
