"""The functions that write: `scalar`, `histogram`, `image`, `audio`, `text`, `write`, `graph` and `write_raw_pb`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tallyboard.core.errors import InvalidSummary
from tallyboard.core.proto import event_pb2 as pb
from tallyboard.core.summary import DataClass, Summary, as_tag, kind_of
from tallyboard.core.values import Message

from .defaults import building_graph, defaults, not_converted, recording, scope_name, step_number, tag_of
from .kinds import audio_of, histogram_of, image_of, number_of, strings_of, text_of
from .messages import value_of
from .writers import FileWriter

__all__ = ["audio", "graph", "histogram", "image", "scalar", "should_record_summaries", "text", "write", "write_raw_pb"]


@not_converted
def should_record_summaries() -> Any:
    """Whether something written now would be recorded: there is a default writer, and `record_if` lets it pass.

    Returns:
        A bool; in a `tf.function` a tensor.
    """
    tf = building_graph()
    if defaults.writer is None:
        return False if tf is None else tf.constant(False)
    condition = recording()
    return bool(condition) if tf is None else tf.cast(tf.convert_to_tensor(condition), tf.bool)


@not_converted
def scalar(name: str, data: Any, step: Any = None, description: str | None = None) -> Any:
    """Writes one number.

    Args:
        name: the summary's name; the name scopes in force come before it.
        data: a number, or an array or tensor of one element. Written as float32; NaN and infinity are kept.
        step: an integer, or a tensor or variable of one; the default step when absent.
        description: markdown shown beside it.

    Returns:
        Whether it was written: False without a default writer, or where `record_if` says no. In a `tf.function` this
        is a tensor, and the value is written whenever that runs.

    Raises:
        InvalidSummary: it is not one number, there is no step, or the function is compiled by XLA.
    """
    writer = defaults.writer
    if not isinstance(writer, FileWriter):
        return _nothing()
    tag = tag_of(name, "scalar_summary")
    tf = building_graph()
    if tf is not None:
        from .in_graph import record_number

        scope = scope_name(name, "scalar_summary")
        return record_number(tf, writer, tag, scope, data, description or "", step)
    if not recording():
        return False
    writer.put_number(tag, number_of(tag, data), description or "", step_number(step, "scalar", tag))
    return True


@not_converted
def histogram(name: str, data: Any, step: Any = None, buckets: Any = None, description: str | None = None) -> Any:
    """Writes how numbers are distributed, in buckets of equal width.

    Args:
        name: the summary's name; the name scopes in force come before it.
        data: real numbers of any shape. NaN and infinity are in no bucket, and counted in the description.
        step: an integer, or a tensor or variable of one; the default step when absent.
        buckets: how many; 30 when absent.
        description: markdown shown beside it.

    Returns:
        As `scalar`.

    Raises:
        InvalidSummary: they are no real numbers, there is no step, or the function is compiled by XLA.
    """
    return _emit("histogram", name, "histogram_summary", (data, buckets, description), histogram_of, step)


@not_converted
def image(name: str, data: Any, step: Any = None, max_outputs: Any = 3, description: str | None = None) -> Any:
    """Writes pictures.

    Args:
        name: the summary's name; the name scopes in force come before it.
        data: [k, height, width, channels]; 1 channel is grey, 2 grey and alpha, 3 RGB, 4 RGBA. Floats from 0 to 1, or
            integers up to their type's greatest; what is beyond is cut off, NaN is black.
        step: an integer, or a tensor or variable of one; the default step when absent.
        max_outputs: only so many of the k pictures are written, the first ones.
        description: markdown shown beside them.

    Returns:
        As `scalar`.

    Raises:
        InvalidSummary: they are no pictures, there is no step, or the function is compiled by XLA.
    """
    return _emit("image", name, "image_summary", (data, max_outputs, description), image_of, step, rank=4)


@not_converted
def audio(
    name: str,
    data: Any,
    sample_rate: Any,
    step: Any = None,
    max_outputs: Any = 3,
    encoding: str | None = None,
    description: str | None = None,
) -> Any:
    """Writes sounds, as WAV of 16 bits a sample.

    Args:
        name: the summary's name; the name scopes in force come before it.
        data: [k, frames, channels], floats from -1 to 1; what is beyond is cut off.
        sample_rate: samples a second.
        step: an integer, or a tensor or variable of one; the default step when absent.
        max_outputs: only so many of the k clips are written, the first ones.
        encoding: "wav", or None for the same.
        description: markdown shown beside them.

    Returns:
        As `scalar`.

    Raises:
        InvalidSummary: it is no sound, there is no step, or the function is compiled by XLA.
    """
    if encoding not in (None, "wav"):
        raise InvalidSummary(f"audio({name!r}): Unknown encoding: {encoding!r}; only 'wav' is there")
    inputs = (data, sample_rate, max_outputs, description)
    return _emit("audio", name, "audio_summary", inputs, audio_of, step, rank=3)


@not_converted
def text(name: str, data: Any, step: Any = None, description: str | None = None) -> Any:
    """Writes markdown text.

    Args:
        name: the summary's name; the name scopes in force come before it.
        data: a string, or an array, lists or a tensor of strings; up to two dimensions are shown as a table.
        step: an integer, or a tensor or variable of one; the default step when absent.
        description: markdown shown beside it.

    Returns:
        As `scalar`.

    Raises:
        InvalidSummary: it is no text, there is no step, or the function is compiled by XLA.
    """
    return _emit("text", name, "text_summary", (data, description), text_of, step)


@not_converted
def write(tag: Any, tensor: Any, step: Any = None, metadata: Any = None, name: str | None = None) -> Any:
    """Writes a tensor, for summaries of a kind of your own.

    Args:
        tag: the summary's tag, as it is; `summary_scope` gives one.
        tensor: an array or tensor of numbers or strings; or a function that gives it, called only when it is recorded.
        step: an integer, or a tensor or variable of one; the default step when absent.
        metadata: a `SummaryMetadata` message, TensorBoard's or another's, or the bytes of one.
        name: a name for the operation, in a `tf.function`.

    Returns:
        As `scalar`.

    Raises:
        InvalidSummary: it holds neither numbers nor strings, the metadata are none, there is no step, or the function
            is compiled by XLA.
    """
    writer = defaults.writer
    if not isinstance(writer, FileWriter):
        return _nothing()
    if hasattr(tag, "numpy"):
        tag = tag.numpy()
    label = as_tag(tag.decode() if isinstance(tag, bytes) else tag, "write")
    described = _metadata(metadata, label)

    def build(tag: str, data: Any) -> Summary:
        return Summary(tag, described.plugin_data.plugin_name, DataClass.TENSOR, value_of(tag, data, described))

    return _write(writer, "write", label, (name, "write_summary"), (tensor,), build, step)


def _metadata(metadata: Any, tag: str) -> pb.SummaryMetadata:
    from google.protobuf.message import DecodeError

    data = b"" if metadata is None else getattr(metadata, "SerializeToString", lambda: metadata)()
    try:
        return pb.SummaryMetadata.FromString(data)
    except (DecodeError, TypeError):
        raise InvalidSummary(
            f"write({tag!r}): expected metadata to be a SummaryMetadata message or its bytes, got {kind_of(metadata)}"
        ) from None


@not_converted
def write_raw_pb(tensor: Any, step: Any = None, name: str | None = None) -> Any:
    """Writes `Summary` messages.

    Args:
        tensor: the bytes of one or, as an array or tensor of strings, of several; or the message itself.
        step: an integer, or a tensor or variable of one; the default step when absent.
        name: a name for the operation, in a `tf.function`.

    Returns:
        As `scalar`.

    Raises:
        InvalidSummary: they are none, there is no step, or the function is compiled by XLA.
    """
    writer = defaults.writer
    if not isinstance(writer, FileWriter):
        return _nothing()
    data = tensor.SerializeToString() if hasattr(tensor, "SerializeToString") else tensor
    return _write(writer, "write_raw_pb", "summary", (name, "write_raw_pb"), (data,), _raw, step)


def _raw(tag: str, data: Any) -> Summary:
    from google.protobuf.message import DecodeError

    merged = pb.Summary()
    try:
        for message in strings_of(data, "write_raw_pb").ravel():
            merged.MergeFromString(message)
    except DecodeError as error:
        raise InvalidSummary(f"write_raw_pb: the bytes are no Summary message ({error})") from None
    return Summary(tag, "summary", DataClass.BLOBS, Message("summary", merged.SerializeToString()))


@not_converted
def graph(graph_data: Any) -> Any:
    """Writes a graph. A run has one; the latest is shown.

    Args:
        graph_data: a `tf.Graph`, the graph of a concrete function, or a `GraphDef` message.

    Returns:
        Whether it was written: False without a default writer, or where `record_if` says no.

    Raises:
        InvalidSummary: it is none, or the call stands in a `tf.function`.
    """
    if building_graph() is not None:
        raise InvalidSummary("graph() cannot be invoked inside a graph context; call it outside of the tf.function")
    writer = defaults.writer
    if not isinstance(writer, FileWriter) or not recording():
        return False
    if hasattr(graph_data, "as_graph_def"):
        message = graph_data.as_graph_def(add_shapes=True)
    elif type(graph_data).__name__ == "GraphDef":
        message = graph_data
    else:
        raise InvalidSummary(
            f"graph: expected a tf.Graph or a GraphDef message, got {kind_of(graph_data)}; pass "
            "function.get_concrete_function(...).graph"
        )
    data = Message("graph_def", message.SerializeToString())
    writer.put(Summary("__run_graph__", "graphs", DataClass.BLOBS, data), 0)
    return True


# The way of all of them ---------------------------------------------------------------------------------------------


def _emit(
    call: str,
    name: str,
    default: str,
    inputs: tuple[Any, ...],
    build: Callable[..., Summary],
    step: Any,
    rank: int | None = None,
) -> Any:
    """Writes a summary whose tag is its name below the scopes in force."""
    writer = defaults.writer
    if not isinstance(writer, FileWriter):
        return _nothing()
    tag = tag_of(name, default)
    return _write(writer, call, tag, (name, default), inputs, build, step, rank)


def _write(
    writer: FileWriter,
    call: str,
    tag: str,
    names: tuple[str | None, str],
    inputs: tuple[Any, ...],
    build: Callable[..., Summary],
    step: Any,
    rank: int | None = None,
) -> Any:
    """Writes now, or whenever the graph runs that is being built."""
    tf = building_graph()
    if tf is not None:
        from .in_graph import record

        return record(tf, writer, call, tag, scope_name(*names), inputs, build, step, rank)
    if not recording():
        return False
    number = step_number(step, call, tag)
    if callable(inputs[0]) and not hasattr(inputs[0], "shape"):
        inputs = (inputs[0](), *inputs[1:])
    writer.put(build(tag, *inputs), number)
    return True


def _nothing() -> Any:
    tf = building_graph()
    return False if tf is None else tf.constant(False)
