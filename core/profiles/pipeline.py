"""The stages through which a batch comes to the device, and which of them is the slowest.

What is a stage: TensorFlow's iterators, by their path (`Iterator::Root::Prefetch::Map`), each with the time that it
took itself, without those it asked on its own thread; PyTorch's DataLoader, which loads in the training's own process
or waits for its workers; batches put together and pinned; spans of your own and of `tb.data`; copies to the device.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..dataframes import Columns, Labels, Table
from .model import Kind, Profile
from .nesting import parents
from .spans import clip, length, union

__all__ = ["PipelineTable", "input_pipeline"]

_COPY: Final = re.compile(r"Memcpy ?(HtoD|H2D)|MemcpyH2D", re.IGNORECASE)
_PAGEABLE: Final = re.compile(r"pageable", re.IGNORECASE)
_PREPARING: Final = re.compile(r"aten::(_?pin_memory|stack|_pin_memory)$|(EagerCopyToDevice|batched_device_put)$")

_ADVICE: Final = {
    "Generator": "it is a Python generator, which runs in one thread: load with operations of tf.data, or interleave "
    "several generators",
    "Map": "give map() num_parallel_calls=tf.data.AUTOTUNE, and map whole batches rather than examples",
    "ParallelMap": "make what is mapped cheaper, map whole batches, or cache() its results",
    "Batch": "give batch() num_parallel_calls=tf.data.AUTOTUNE",
    "Shuffle": "shuffle fewer examples at a time, or indices before anything is loaded",
    "TFRecord": "read several files at once: interleave(..., num_parallel_calls=tf.data.AUTOTUNE)",
    "Interleave": "give interleave() num_parallel_calls=tf.data.AUTOTUNE",
    "Filter": "filter once and keep the results, or filter before what is expensive",
    "in this process": "set num_workers of the DataLoader, so that batches are loaded in other processes while this "
    "one trains",
    "waiting for workers": "its workers do not keep up: set more num_workers or prefetch_factor, persistent_workers, "
    "or make a batch cheaper to load",
    "pageable copy": "set pin_memory of the DataLoader and copy with non_blocking=True",
}
"""What to do about a stage, by its last name."""


@dataclass(frozen=True, slots=True)
class PipelineTable(Table):
    """A row for each stage, the one with most time by itself first. Times are nanoseconds.

    Attributes:
        stage: its name, such as "Iterator::Root::Prefetch::Map".
        kind: "wait" for what the training waits in, "load" for what prepares a batch, "copy" for what brings it to
            the device.
        calls: int64.
        self_time: float64, without the stages inside it; of all threads together.
        total_time: with them.
        waited: of 0 to 1, the share of the time of steps in which the training waited for data.
        slowest: the stage to look at first, "" where there is none.
        advice: what to do about it, "" where nothing special is known.
    """

    stage: list[str]
    kind: list[str]
    calls: NDArray[np.int64]
    self_time: NDArray[np.float64]
    total_time: NDArray[np.float64]
    waited: float
    slowest: str
    advice: str

    def __len__(self) -> int:
        return len(self.stage)

    def _columns(self) -> Columns:
        return {name: getattr(self, name) for name in ("stage", "kind", "calls", "self_time", "total_time")}


def input_pipeline(profile: Profile) -> PipelineTable:
    """The stages through which batches came, within the steps that are no warm-up.

    Args:
        profile: the profile.
    """
    events = profile.events
    window = profile.steps.window[~profile.steps.warmup]
    low, high = (float(window[0, 0]), float(window[-1, 1])) if len(window) else (-np.inf, np.inf)
    names, code, kinds = _stages(profile)
    counted = (code >= 0) & (events.start < high) & (events.end > low)
    rows = np.flatnonzero(counted)
    holder = parents(profile, counted, counted)
    lasting = events.end - events.start
    own = lasting.copy()
    inner = rows[holder[rows] >= 0]
    np.subtract.at(own, holder[inner], lasting[inner])
    groups, which = np.unique(code[rows], return_inverse=True)
    self_time = np.bincount(which, own[rows], len(groups)).astype(np.float64)
    order: list[int] = np.argsort(-self_time, kind="stable").tolist()
    stages: list[str] = [names[int(groups[i])] for i in order]
    kind = [kinds[int(groups[i])] for i in order]
    waiting = events.of(Kind.DATALOAD)
    waits = union(events.start[waiting], events.end[waiting])
    whole = float((window[:, 1] - window[:, 0]).sum())
    waited = sum(length(clip(waits, float(one[0]), float(one[1]))) for one in window) / whole if whole else 0.0
    # who waits is not what is slow, unless nothing else is known
    slowest = next((name for name, what in zip(stages, kind, strict=True) if what != "wait"), next(iter(stages), ""))
    return PipelineTable(
        stage=stages,
        kind=kind,
        calls=np.bincount(which, minlength=len(groups))[order].astype(np.int64),
        self_time=self_time[order],
        total_time=np.bincount(which, lasting[rows], len(groups))[order].astype(np.float64),
        waited=waited,
        slowest=slowest,
        advice=_advice(slowest),
    )


def _advice(stage: str) -> str:
    last = re.sub(r"(\[\d+\])?(V\d+)?$", "", stage.rpartition("::")[2])
    return _ADVICE.get(last, _ADVICE.get(stage.rpartition(": ")[2], ""))


def _stages(profile: Profile) -> tuple[list[str], NDArray[np.int64], list[str]]:
    """The names of stages, for each event which it is, -1 for none, and what each stage is."""
    events = profile.events
    found: dict[str, int] = {}
    kinds: list[str] = []

    def number(name: str, kind: str) -> int:
        if name not in found:
            kinds.append(kind)
        return found.setdefault(name, len(found))

    of_name = np.full(len(events.names) + 1, -1, np.int64)
    for i, name in enumerate(events.names):
        if name.startswith("Iterator::"):
            of_name[i] = number(name, "load")
        elif _COPY.search(name):
            of_name[i] = number("pageable copy" if _PAGEABLE.search(name) else "copy to the device", "copy")
        elif _PREPARING.search(name):
            of_name[i] = number(name, "copy" if "device" in name.lower() else "load")
    code = of_name[events.name]
    waits = np.flatnonzero(events.of(Kind.DATALOAD))
    for row in waits.tolist():
        code[row] = number(*_waiting(events.name_of(row)))
    rows, labels = events.extras.sparse("long_name")
    if isinstance(labels, Labels):
        paths = [number(text, "load") if text.startswith("Iterator::") else -1 for text in labels.names]
        told = np.array([*paths, -1], np.int64)[labels.codes]
        code[rows] = np.where(told >= 0, told, code[rows])
    # puts together tensors of the model, too: a part of loading only inside of it
    stacking = events.named(lambda name: name == "aten::stack") & (code >= 0)
    if stacking.any():
        outside = parents(profile, events.of(Kind.DATALOAD), stacking) < 0
        code[stacking & outside] = -1
    return list(found), code, kinds


def _waiting(name: str) -> tuple[str, str]:
    """The stage that a span of waiting for data is, and its kind."""
    if "SingleProcessDataLoaderIter" in name:
        return "DataLoader: in this process", "load"
    if "MultiProcessingDataLoaderIter" in name:
        return "DataLoader: waiting for workers", "wait"
    return name, "wait"
