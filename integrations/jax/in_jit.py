"""Logging from within `jit`: `log` sends a value at once, `log_buffer` many of a loop together, neither waits.

The callbacks are unordered ones, which work under `grad`, `scan`, `vmap`, `pmap` and `shard_map`, where ordered ones
raise; each carries its step, by which the host restores the order (`arrivals`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tallyboard.core.errors import InvalidSummary, warn_once
from tallyboard.core.summary import as_tag, kind_of

from .arrivals import Arrivals, arrivals_of, current
from .framework import jax, jnp
from .statistics import Stats
from .trees import path_text

__all__ = ["LogBuffer", "log", "log_buffer"]


def log(tag: str, value: Any, step: Any, *, writer: Any = None) -> None:
    """Logs a number, from within a function that JAX compiles, or from outside.

        @jax.jit
        def train_step(state, batch):
            ...
            log("train/loss", loss, state.step)

    The device sends it to the host when it is there; training waits for nothing, and nothing compiles again. Under
    `grad` a value is that of the forward pass and takes no part in the gradient. Under `vmap` what is logged is the
    mean over what is mapped, at the step of the first; so it is under `pmap` and `shard_map` the mean over devices. Of
    several processes that with index 0 writes. What is never computed (a branch not taken) is not logged.

    Args:
        tag: its name.
        value: one number; or a tree of them (a dict, `Stats`), which become `<tag>/<path>` and cost one callback.
        step: an integer, traced or not.
        writer: where it goes, kept in the compiled function; by default what `log_to` names when it is sent.

    Raises:
        InvalidSummary: a value is not one real number, the step is no integer, or the tag is none.
    """
    tags, row = _row(tag, value)
    target = None if writer is None else arrivals_of(writer)
    _send(tags, target, row, _step(step, f"log({tag!r})"))


def _row(tag: str, value: Any) -> tuple[tuple[str, ...], Any]:
    """Tags, and a vector of float32 of as many values."""
    if isinstance(value, Stats):
        prefix = f"{tag}/" if tag else ""
        return tuple(prefix + name for name in value.names), jax.lax.stop_gradient(value.vector)
    if hasattr(value, "shape") or isinstance(value, bool | int | float):
        return (as_tag(tag, "log"),), _number(tag, value).reshape(1)
    leaves = jax.tree_util.tree_flatten_with_path(value)[0]
    if not leaves:
        raise InvalidSummary(f"log({tag!r}): expected one number or a tree of numbers, got {kind_of(value)}")
    tags = tuple(f"{tag}/{path_text(path)}" if tag else path_text(path) for path, _ in leaves)
    return tags, jnp.stack([_number(name, leaf) for name, (_, leaf) in zip(tags, leaves, strict=True)])


def _number(tag: str, value: Any) -> Any:
    if isinstance(value, str) or value is None:
        raise InvalidSummary(f"log({tag!r}): expected one number, got {kind_of(value)}")
    array = jnp.asarray(value)
    if array.size != 1 or jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise InvalidSummary(
            f"log({tag!r}): expected one real number, got {array.dtype} of shape {array.shape}; "
            "reduce it first, for example with .mean()"
        )
    return jax.lax.stop_gradient(array.reshape(()).astype(jnp.float32))


def _step(step: Any, call: str) -> Any:
    """The step as int32, or int64 where that is switched on."""
    array = jnp.asarray(step)
    if array.size != 1 or not jnp.issubdtype(array.dtype, jnp.integer):
        raise InvalidSummary(
            f"{call}: expected the step to be an integer, got {array.dtype} of shape {array.shape}; "
            "count steps, as TrainState.step does, and pass the number"
        )
    wide = array.dtype.itemsize == 8
    return jax.lax.stop_gradient(array.reshape(()).astype(jnp.int64 if wide else jnp.int32))


def _send(tags: tuple[str, ...], target: Arrivals | None, row: Any, step: Any) -> None:
    if not isinstance(row, jax.core.Tracer) and not isinstance(step, jax.core.Tracer):
        _arrived(target, "log", int(step), tags, np.asarray(row).tolist())
        return

    def received(packed: Any) -> None:
        words = np.asarray(packed)
        values = words[: len(tags)].view(np.float32).tolist()
        number = words[len(tags) :]
        _arrived(target, "log", int(number.view(np.int64 if len(number) == 2 else np.int32)[0]), tags, values)

    @jax.custom_batching.custom_vmap
    def send(row: Any, step: Any) -> None:
        # One operand costs half of what two do; integers, because a float that is no number may change its bits.
        number = jax.lax.bitcast_convert_type(step, jnp.int32).reshape(-1)
        packed = jnp.concatenate([jax.lax.bitcast_convert_type(row, jnp.int32), number])
        jax.debug.callback(received, packed, ordered=False)

    @send.def_vmap
    def lanes(size: int, batched: Sequence[Any], row: Any, step: Any) -> Any:
        del size
        send(row.mean(0) if batched[0] else row, step[0] if batched[1] else step)
        return None, None

    send(row, step)


def _arrived(target: Arrivals | None, call: str, step: int, tags: tuple[str, ...], values: list[float]) -> None:
    where = current() if target is None else target
    if where is not None:
        where.add(step, tags, values)
        return
    warn_once(
        ("jax.log", "nowhere"),
        f"{call}: no writer is there for {tags[0]!r}; run the compiled function inside `with log_to(writer):`, "
        f"or pass {call}(..., writer=writer)",
    )


# Loops --------------------------------------------------------------------------------------------------------------


@jax.tree_util.register_pytree_node_class
class LogBuffer:
    """Rows of numbers that a loop carries along, and sends to the host together; `log_buffer` makes one."""

    def __init__(self, names: tuple[str, ...], writer: Arrivals | None, rows: Any, steps: Any, count: Any) -> None:
        self.names = names
        self._target = writer
        self._rows, self._steps, self._count = rows, steps, count

    def tree_flatten(self) -> tuple[Any, Any]:
        """For JAX."""
        return (self._rows, self._steps, self._count), (self.names, self._target)

    @classmethod
    def tree_unflatten(cls, aux: Any, children: Any) -> LogBuffer:
        """For JAX."""
        return cls(*aux, *children)

    def add(self, step: Any, values: Mapping[str, Any]) -> LogBuffer:
        """The buffer with one more row; where it is full, without its oldest one.

        Args:
            step: an integer, traced or not.
            values: one number for each of the buffer's names.

        Raises:
            InvalidSummary: names are missing or unknown, a value is no number, or the step no integer.
        """
        if set(values) != set(self.names):
            raise InvalidSummary(
                f"log_buffer.add: expected a value for each of {', '.join(self.names)}, "
                f"got {', '.join(values) or 'none'}"
            )
        row = jnp.stack([_number(name, values[name]) for name in self.names])
        number = _step(step, "log_buffer.add").astype(self._steps.dtype)
        place = self._count % self._steps.shape[0]
        rows = jax.lax.dynamic_update_slice(self._rows, row[None], (place, jnp.zeros_like(place)))
        steps = jax.lax.dynamic_update_slice(self._steps, number[None], (place,))
        return LogBuffer(self.names, self._target, rows, steps, self._count + 1)

    def emit(self) -> LogBuffer:
        """Sends all rows to the host, in one callback, and gives the buffer without them."""
        if isinstance(self._rows, jax.core.Tracer) or isinstance(self._count, jax.core.Tracer):
            _emitter(self._received)(self._rows, self._steps, self._count)
        else:
            self._received(self._rows, self._steps, self._count)
        return LogBuffer(self.names, self._target, self._rows, self._steps, jnp.zeros_like(self._count))

    def _received(self, rows: Any, steps: Any, count: Any) -> None:
        rows, steps, number = np.asarray(rows), np.asarray(steps), int(count)
        size = len(steps)
        if number > size:
            warn_once(
                ("jax.log_buffer", self.names),
                f"log_buffer: {number} rows came before emit(), and it holds {size}: the first {number - size} "
                f"are lost; make it larger, log_buffer(..., size={number})",
            )
            rows, steps = np.roll(rows, -(number % size), axis=0), np.roll(steps, -(number % size))
        kept = min(number, size)
        for step, values in zip(steps[:kept].tolist(), rows[:kept].tolist(), strict=True):
            _arrived(self._target, "log_buffer", step, self.names, values)


def _emitter(received: Callable[..., None]) -> Callable[..., None]:
    @jax.custom_batching.custom_vmap
    def send(rows: Any, steps: Any, count: Any) -> None:
        jax.debug.callback(received, rows, steps, count, ordered=False)

    @send.def_vmap
    def lanes(size: int, batched: Sequence[Any], rows: Any, steps: Any, count: Any) -> Any:
        del size
        send(
            rows.mean(0) if batched[0] else rows,
            steps[0] if batched[1] else steps,
            count[0] if batched[2] else count,
        )
        return None, None

    return send


def log_buffer(names: Sequence[str], size: int, *, writer: Any = None) -> LogBuffer:
    """A buffer for the carry of `scan` or `fori_loop`: its rows go to the host together, once a call.

        def body(carry, batch):
            state, buffer = carry
            state, loss = update(state, batch)
            return (state, buffer.add(state.step, {"train/loss": loss})), None

        (state, buffer), _ = jax.lax.scan(body, (state, log_buffer(["train/loss"], 100)), batches)
        buffer.emit()

    Under `vmap` what is written is the mean over what is mapped, at the steps of the first.

    Args:
        names: tags of the numbers in a row.
        size: how many rows it holds between two calls of `emit`.
        writer: where they go, kept in the compiled function; by default what `log_to` names when they are sent.

    Raises:
        InvalidSummary: a name is none or there twice, or the size is no number above 0.
    """
    tags = tuple(as_tag(name, "log_buffer") for name in ([names] if isinstance(names, str) else names))
    if not tags or len(set(tags)) < len(tags):
        raise InvalidSummary(f"log_buffer: expected names, each once, got {list(tags)}")
    if not isinstance(size, int) or size < 1:
        raise InvalidSummary(f"log_buffer: expected size to be a number of rows, at least 1, got {size!r}")
    integers = jnp.asarray(0).dtype
    target = None if writer is None else arrivals_of(writer)
    rows = jnp.zeros((size, len(tags)), jnp.float32)
    return LogBuffer(tags, target, rows, jnp.zeros(size, integers), jnp.zeros((), integers))
