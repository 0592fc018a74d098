"""Marks in whatever profile is being recorded, by the frameworks that are loaded; none of them is imported for it."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Final

__all__ = ["DATA", "marked"]

DATA: Final = "tallyboard.data"
"""What the wait for a batch is called."""


@contextmanager
def marked(name: str) -> Generator[None]:
    """What happens inside is a span of this name in a profile of PyTorch's, JAX's or TensorFlow's, if one is recorded.

    Args:
        name: of the span.
    """
    with ExitStack() as stack:
        for span in _spans(name):
            try:
                stack.enter_context(span)
            except Exception:
                continue
        yield


def _spans(name: str) -> Iterator[AbstractContextManager[Any]]:
    modules = sys.modules
    try:
        torch: Any = modules.get("torch")
        if torch is not None and torch.autograd._profiler_enabled():
            yield torch.profiler.record_function(name)
        jax: Any = modules.get("jax.profiler")
        if jax is not None:
            yield jax.TraceAnnotation(name)
        tensorflow: Any = modules.get("tensorflow")
        if tensorflow is not None:
            yield tensorflow.profiler.experimental.Trace(name)
    except Exception:
        return
