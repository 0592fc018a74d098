"""What TensorBoard's own code makes of an event file, and the same calls on our writer and a peer's."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb


@dataclass
class Seen:
    """One summary as TensorBoard has it after all its migrations.

    `array` is its tensor decoded by TensorBoard's `make_ndarray`; `written` the value as it stood in the file.
    """

    tag: str
    step: int
    wall_time: float
    plugin: str
    content: bytes
    display_name: str
    description: str
    array: Any
    written: Any


def seen(logdir: Path) -> list[Seen]:
    """Every summary of one run, in order, by TensorBoard's event file loaders."""
    loaders = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    util = pytest.importorskip("tensorboard.util.tensor_util")
    out: list[Seen] = []
    for path in sorted(logdir.glob("*tfevents*")):
        plain = [v for e in loaders.LegacyEventFileLoader(str(path)).Load() for v in e.summary.value]
        events = [(e, v) for e in loaders.EventFileLoader(str(path)).Load() for v in e.summary.value]
        for (event, value), written in zip(events, plain, strict=True):
            meta = value.metadata
            array = util.make_ndarray(value.tensor) if value.HasField("tensor") else None
            out.append(
                Seen(
                    value.tag,
                    event.step,
                    event.wall_time,
                    meta.plugin_data.plugin_name,
                    meta.plugin_data.content,
                    meta.display_name,
                    meta.summary_description,
                    array,
                    written,
                )
            )
    return out


@pytest.fixture
def seen_in() -> Callable[[Path], list[Seen]]:
    """`seen`, as a fixture."""
    return seen


@pytest.fixture
def side_by_side(tmp_path: Path) -> Callable[..., Sequence[list[Seen]]]:
    """Runs the same calls on our writer and on a peer's; what TensorBoard sees of each, ours first."""

    def run(log: Callable[[Any], object], peer: str = "torch.utils.tensorboard") -> Sequence[list[Seen]]:
        pytest.importorskip(peer)
        with tb.SummaryWriter(tmp_path / "ours") as writer:
            log(writer)
        with importlib.import_module(peer).SummaryWriter(str(tmp_path / "theirs")) as writer:
            log(writer)
        return seen(tmp_path / "ours"), seen(tmp_path / "theirs")

    return run


@pytest.fixture
def ours(tmp_path: Path) -> Callable[[Callable[[tb.SummaryWriter], object]], list[Seen]]:
    """Runs calls on our writer; what TensorBoard sees of them."""

    def run(log: Callable[[tb.SummaryWriter], object]) -> list[Seen]:
        with tb.SummaryWriter(tmp_path / "ours") as writer:
            log(writer)
        return seen(tmp_path / "ours")

    return run
