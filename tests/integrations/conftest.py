"""What the tests of several adapters use. No framework is imported here: each may be alone on its machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb


class Log:
    """A writer into memory, and the (step, value) pairs of a tag that have reached it."""

    def __init__(self) -> None:
        self.sink = tb.MemorySink()
        self.writer = tb.SummaryWriter(sink=self.sink)

    def __getitem__(self, tag: str) -> list[tuple[int, float]]:
        self.writer.flush()
        events = [event for event in self.sink.events if event.summary.tag == tag]
        return [(event.step, float(event.summary.value)) for event in events]  # type: ignore[arg-type]  # scalars

    def tags(self) -> set[str]:
        """All tags so far."""
        self.writer.flush()
        return {event.summary.tag for event in self.sink.events}


@pytest.fixture
def log() -> Log:
    """A new log in memory."""
    return Log()


@pytest.fixture
def written() -> Callable[[Path], list[Any]]:
    """Reads back what a folder's event files hold, in order, with TensorBoard's own code.

    A point is (tag, step, metadata, dtype, shape, values); a graph is ("graph_def", step, GraphDef).
    """
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    from tensorboard.util import tensor_util

    def plain(value: Any) -> tuple[Any, ...]:
        kind, tensor = value.WhichOneof("value"), value.tensor
        if kind != "tensor":
            return None, None, getattr(value, kind)
        if tensor.dtype == 14:  # bfloat16, which NumPy has not
            return 14, tuple(dim.size for dim in tensor.tensor_shape.dim), tensor.tensor_content
        array = tensor_util.make_ndarray(tensor)
        return tensor.dtype, array.shape, array.tolist()

    def read(folder: Path) -> list[Any]:
        found: list[Any] = []
        for path in sorted(folder.glob("*tfevents*")):
            for event in loader.LegacyEventFileLoader(str(path)).Load():
                if event.HasField("graph_def"):
                    found.append(("graph_def", event.step, event.graph_def))
                found.extend((value.tag, event.step, value.metadata, *plain(value)) for value in event.summary.value)
        return found

    return read


@pytest.fixture
def told() -> Callable[[Path], dict[tuple[str, int], Any]]:
    """Numbers, texts and how many values histograms have, by tag and step, with TensorBoard's own code."""
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")

    def plain(value: Any) -> Any:
        if value.HasField("histo"):
            return value.histo.num
        return value.tensor.string_val[0] if value.HasField("tensor") else value.simple_value

    def read(folder: Path) -> dict[tuple[str, int], Any]:
        files = [loader.LegacyEventFileLoader(str(path)) for path in sorted(folder.glob("*tfevents*"))]
        events = [(event.step, value) for file in files for event in file.Load() for value in event.summary.value]
        wanted = ("histo", "tensor", "simple_value")
        return {(value.tag, step): plain(value) for step, value in events if value.WhichOneof("value") in wanted}

    return read
