"""What users read a logdir with: every series of every run as columns."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidLogdir
from .reader import LogdirReader
from .store import Series, Warned

__all__ = ["Logdir", "TextSeries", "read"]


@dataclass(frozen=True, slots=True)
class TextSeries:
    """Text over time: one string for each value, strings of a list joined as paragraphs."""

    step: NDArray[np.int64]
    wall_time: NDArray[np.float64]
    value: list[str]

    def __len__(self) -> int:
        return len(self.step)


class Logdir:
    """What a logdir held when it was read. `refresh` reads what has come since."""

    def __init__(self, reader: LogdirReader) -> None:
        self._reader = reader

    def refresh(self) -> bool:
        """Reads what is new. Returns whether there was anything."""
        return self._reader.poll()

    @property
    def runs(self) -> list[str]:
        """Names of the runs, relative to the logdir, in natural order."""
        return [info.name for info in self._reader.store.runs()]

    @property
    def warnings(self) -> dict[str, tuple[Warned, ...]]:
        """What was wrong with the files, by run; runs without trouble are left out."""
        return {info.name: info.warnings for info in self._reader.store.runs() if info.warnings}

    def scalars(self) -> dict[tuple[str, str], Series]:
        """Every scalar series, all of its points, by (run, tag)."""
        store = self._reader.store
        tags = store.tags().get("scalars", {})
        pairs = [(run, tag) for tag, runs in tags.items() for run in runs]
        return {pair: series for pair in pairs if (series := store.scalars(*pair)) is not None}

    def texts(self) -> dict[tuple[str, str], TextSeries]:
        """Every text series by (run, tag), read from disk now."""
        from .legacy import texts_in
        from .wire import decode_event

        out: dict[tuple[str, str], TextSeries] = {}
        for tag, runs in self._reader.store.tags().get("text", {}).items():
            for run in runs:
                blobs = self._reader.store.blobs("text", run, tag)
                if blobs is None:
                    continue
                values: list[str] = []
                for ref in blobs.ref:
                    event = decode_event(self._reader.fetch(ref))
                    named = [value for value in event.summary.value if value.tag == tag]
                    values.append("\n\n".join(texts_in(named[0])) if named else "")
                out[run, tag] = TextSeries(blobs.step, blobs.wall_time, values)
        return out


def read(logdir: str | os.PathLike[str]) -> Logdir:
    """Reads every run below a directory: all points, nothing sampled.

        runs = tb.read("runs")
        loss = runs.scalars()["first", "train/loss"]
        plt.plot(loss.step, loss.value)

    Args:
        logdir: a directory that holds event files, at any depth.

    Raises:
        InvalidLogdir: there is no such directory.
    """
    path = os.fspath(logdir)
    if not os.path.isdir(path):
        kind = "is a file" if os.path.exists(path) else "does not exist"
        raise InvalidLogdir(f"read({path!r}): it {kind}; give the directory that holds the event files")
    reader = LogdirReader(path)
    reader.poll()
    return Logdir(reader)
