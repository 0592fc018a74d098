"""`FileWriter`: what `SummaryWriter.file_writer` gives, for code that hands over protobuf messages of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from .errors import InvalidSummary
from .summary import DataClass, Event, Summary, kind_of
from .values import Message

if TYPE_CHECKING:
    from .writer import SummaryWriter

__all__ = ["FileWriter"]


class FileWriter:
    """Adds ready-made messages to a writer's file: those of TensorBoard, torch, tensorboardX or TensorFlow.

    What is added here goes the way of everything else: in order, and written in the background.
    """

    def __init__(self, writer: SummaryWriter) -> None:
        self._writer = writer

    def get_logdir(self) -> str:
        """The run's directory."""
        return self._writer.log_dir

    def add_event(self, event: Any, step: int | None = None, walltime: float | None = None) -> None:
        """Adds an `Event` message, at `step` if given and else at its own, at `walltime` or now.

        Raises:
            InvalidSummary: it is no message, or the step is no integer.
        """
        own = getattr(event, "step", None) if step is None else step
        self._add("event", event, "add_event", own, walltime)

    def add_summary(self, summary: Any, global_step: int | None = None, walltime: float | None = None) -> None:
        """Adds a `Summary` message, or the bytes of one.

        Raises:
            InvalidSummary: it is neither, or the step is no integer.
        """
        self._add("summary", summary, "add_summary", global_step, walltime)

    def add_graph(self, graph_profile: tuple[Any, Any], walltime: float | None = None) -> None:
        """Adds a `GraphDef` and a `RunMetadata` message.

        Raises:
            InvalidSummary: they are none.
        """
        graph, stats = graph_profile
        self._add("graph_def", graph, "add_graph", None, walltime)
        self._add("tagged_run_metadata", stats, "add_graph", None, walltime, tag="step1")

    def add_onnx_graph(self, graph: Any, walltime: float | None = None) -> None:
        """Adds a `GraphDef` message.

        Raises:
            InvalidSummary: it is none.
        """
        self._add("graph_def", graph, "add_onnx_graph", None, walltime)

    add_openvino_graph = add_onnx_graph

    def flush(self) -> None:
        """As the writer's."""
        self._writer.flush()

    def close(self) -> None:
        """As the writer's."""
        self._writer.close()

    def reopen(self) -> None:
        """Nothing needs doing: a closed writer opens another file when something is logged."""

    def _add(
        self,
        field: Literal["graph_def", "tagged_run_metadata", "summary", "event"],
        message: Any,
        call: str,
        step: Any,
        walltime: Any,
        tag: str = "",
    ) -> None:
        data = message if isinstance(message, bytes) else getattr(message, "SerializeToString", bytes)()
        if not isinstance(data, bytes) or not (data or hasattr(message, "SerializeToString")):
            raise InvalidSummary(f"file_writer.{call}: expected a protobuf message, got {kind_of(message)}")
        when = self._writer._when(call, tag or field, step, None, walltime)  # pyright: ignore[reportPrivateUsage]
        self._writer.write(Event(*when, Summary(tag or field, field, DataClass.BLOBS, Message(field, data))))
