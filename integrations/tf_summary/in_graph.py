"""Summaries of a `tf.function`: values that exist only when the graph runs are handed over then.

Single numbers, which are most, need no Python for that: see handover.py. All else is handed over by a callback,
`tf.numpy_function`. Both are stateful operations: they run whenever the function does. The writer is the default one at
the time of tracing; the step is read at each run where it is a tensor or a `tf.Variable`. All that needs TensorFlow is
given its module; nothing here imports it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any

from tallyboard.core.errors import InvalidSummary, warn_once
from tallyboard.core.summary import Summary, as_number, as_step

from .defaults import recording, step_set
from .writers import FileWriter

__all__ = ["call_back", "record"]

Build = Callable[..., Summary]
_ORDER = "tallyboard"  # the collection of a graph that holds its last summary, which the next one waits for


def record(
    tf: Any,
    writer: FileWriter,
    call: str,
    tag: str,
    scope: str,
    inputs: tuple[Any, ...],
    build: Build,
    step: Any,
    rank: int | None,
) -> Any:
    """Adds to the graph what writes a summary whenever it runs.

    Args:
        tf: TensorFlow's module.
        writer: where to.
        call: the function called, for error texts.
        tag: of the summary.
        scope: the operations' name.
        inputs: the data, or a function that gives it; then arguments of `build` that may be tensors as well.
        build: makes the summary of the values.
        step: as the user gave it.
        rank: axes that the data must have; None for any.

    Returns:
        A tensor: whether the summary was written.

    Raises:
        InvalidSummary: XLA compiles the function, there is no step, or the data have other axes.
    """
    condition = _condition(tf)
    if condition is False:
        return tf.constant(False)
    refuse_xla(tf, f"{call}({tag!r})")
    number = _step(tf, step, call, tag)
    lazy = callable(inputs[0]) and not hasattr(inputs[0], "shape")

    def data_of(value: Any) -> Any:
        data = tf.convert_to_tensor(value)  # what the program holds now is kept, as TensorFlow keeps a constant
        _check_rank(data, rank, f"{call}({tag!r})")
        return data

    def write() -> Any:
        given = [data_of(inputs[0]()) if lazy else data, *inputs[1:]]
        tensors = {i: tf.convert_to_tensor(x) for i, x in enumerate(given) if tf.is_tensor(x) or _is_variable(x)}
        places = list(tensors)

        def act(number: Any, *values: Any) -> None:
            merged = list(given)
            for i, value in zip(places, values, strict=True):
                merged[i] = value
            writer.put(build(tag, *merged), int(number))

        return call_back(tf, act, number, *tensors.values(), call=f"{call}({tag!r})")

    with tf.name_scope(scope), _in_order(tf) as before:
        data = None if lazy else data_of(inputs[0])
        done = write() if condition is True else tf.cond(condition, write, lambda: tf.constant(False))
        before[:] = [done]
    return done


@contextlib.contextmanager
def _in_order(tf: Any) -> Generator[list[Any]]:
    """Lets operations wait for the summary before, which whoever adds one puts into the list."""
    before = tf.compat.v1.get_default_graph().get_collection_ref(_ORDER)
    with tf.control_dependencies(before[-1:]):
        yield before


def record_number(tf: Any, writer: FileWriter, tag: str, scope: str, data: Any, description: str, step: Any) -> Any:
    """Adds to the graph what writes a number whenever it runs: through a queue of TensorFlow's own, without Python.

    Args:
        tf: TensorFlow's module.
        writer: where to.
        tag: of the summary.
        scope: the operations' name.
        data: as the user gave it.
        description: of the summary.
        step: as the user gave it.

    Returns:
        A tensor: whether the number was written.

    Raises:
        InvalidSummary: XLA compiles the function, there is no step, or it is not one number.
    """
    condition = _condition(tf)
    if condition is False:
        return tf.constant(False)
    call = f"scalar({tag!r})"
    refuse_xla(tf, call)
    number = _step(tf, step, "scalar", tag)

    def write() -> Any:
        if value.shape.num_elements() != 1 or not _eager_outside(tf):
            return call_back(tf, act, number, value, call=call)
        row = writer.tensor_tag(tag, description)
        return writer.numbers(tf).enqueue(tf, row, number, tf.reshape(tf.cast(value, tf.float32), ()), writer)

    def act(at: Any, found: Any) -> None:
        writer.put_number(tag, as_number(tag, found, "scalar"), description, int(at))

    with tf.name_scope(scope), _in_order(tf) as before:
        value = tf.convert_to_tensor(data)
        _check_rank(value, 0, call)
        if not (value.dtype.is_floating or value.dtype.is_integer or value.dtype.is_bool):
            raise InvalidSummary(f"{call}: expected one real number, got a tensor of {value.dtype.name}")
        done = write() if condition is True else tf.cond(condition, write, lambda: tf.constant(False))
        before[:] = [done]
    return done


def _eager_outside(tf: Any) -> bool:
    with tf.init_scope():
        return tf.executing_eagerly()


def call_back(tf: Any, act: Callable[..., None], *tensors: Any, call: str = "flush") -> Any:
    """Adds an operation that calls `act` with the tensors' values, as arrays. What it raises becomes a warning."""
    refuse_xla(tf, call)

    def run(*values: Any) -> Any:
        import numpy as np

        try:
            act(*values)
        except Exception as error:
            warn_once(
                (call, type(error)),
                f"{call}: nothing was written, because {type(error).__name__}: {error}. Training goes on without it.",
            )
            return np.False_
        return np.True_

    with tf.device("CPU:0"), _in_order(tf):
        done = tf.numpy_function(run, [tf.stop_gradient(x) if x.dtype.is_floating else x for x in tensors], tf.bool)
    done.set_shape(())
    return done


def _check_rank(data: Any, rank: int | None, call: str) -> None:
    found = data.shape.rank
    if rank is None or found in (None, rank) or (rank == 0 and data.shape.num_elements() in (1, None)):
        return  # what is not known yet is looked at when it runs
    wanted = f"{rank} axes" if rank else "one number"
    raise InvalidSummary(f"{call}: expected data to be {wanted}, got a tensor of shape {data.shape}; reshape it first")


def _is_variable(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "assign")


def _condition(tf: Any) -> Any:
    """True or False where that is known now, else a tensor."""
    condition = recording()
    if tf.is_tensor(condition) or _is_variable(condition):
        condition = tf.cast(tf.convert_to_tensor(condition), tf.bool)
        static = tf.get_static_value(condition)
        return condition if static is None else bool(static)
    return bool(condition)


def _step(tf: Any, step: Any, call: str, tag: str) -> Any:
    step = step_set(step, call)
    if not (tf.is_tensor(step) or _is_variable(step)):
        return tf.constant(as_step(step, call, tag), tf.int64)
    number = tf.convert_to_tensor(step)
    if number.shape.num_elements() not in (1, None) or not number.dtype.is_integer:
        raise InvalidSummary(
            f"{call}({tag!r}): expected the step to be one integer, got a tensor of shape {number.shape} and dtype "
            f"{number.dtype.name}; use tf.cast(step, tf.int64)"
        )
    return tf.reshape(tf.cast(number, tf.int64), ())


def refuse_xla(tf: Any, call: str) -> None:
    """Checks that the function being traced is not one that XLA compiles, which cannot call back.

    Raises:
        InvalidSummary: it is.
    """
    graph = tf.compat.v1.get_default_graph()
    while graph is not None:
        context = getattr(graph, "_get_control_flow_context", lambda: None)()
        while context is not None:
            if context.IsXLAContext():
                raise InvalidSummary(
                    f"{call}: this function is compiled by XLA (jit_compile=True), which cannot hand values over while "
                    "it runs. Return the value and log it outside, or compile with jit_compile=False"
                )
            context = context.outer_context
        graph = getattr(graph, "outer_graph", None)
