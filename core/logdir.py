"""What users read a logdir with: every series of every run as columns, and all other values when asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from html import escape

import numpy as np
from numpy.typing import NDArray

from .dataframes import Columns, RunTable
from .errors import InvalidLogdir
from .index import cache_folder
from .reader import LogdirReader
from .remote import placed
from .rows import table_of
from .run import Catalog, Run, View, pattern
from .series import Series
from .store import Warned

__all__ = ["Logdir", "TextSeries", "read"]

WORTH_SAVING = 16 << 20  # bytes that had to be read, from which on `read` saves itself the work of the next time


@dataclass(frozen=True, slots=True)
class TextSeries:
    """Text over time: one string for each value, strings of a list joined as paragraphs."""

    step: NDArray[np.int64]
    wall_time: NDArray[np.float64]
    value: list[str]

    def __len__(self) -> int:
        return len(self.step)


class Logdir(RunTable, Mapping[str, Run]):
    """What a logdir held when it was read: its runs by name. `refresh` reads what has come since."""

    def __init__(self, reader: LogdirReader, view: View | None = None) -> None:
        self._reader = reader
        self._view = View(Catalog(reader)) if view is None else view

    def refresh(self) -> bool:
        """Reads what is new. Returns whether there was anything."""
        return self._reader.poll()

    def filter(self, runs: str | None = None, tags: str | None = None, superseded: bool | None = None) -> Logdir:
        """A part of it, which follows the same files.

        Args:
            runs: a regular expression; only runs in whose name it is found.
            tags: the same for tags.
            superseded: True to have points too that a restart of the run took the place of.

        Raises:
            InvalidSummary: an expression is none.
        """
        view = self._view
        if runs is not None:
            view = replace(view, runs=(*view.runs, pattern(runs, "runs")))
        if tags is not None:
            view = replace(view, tags=(*view.tags, pattern(tags, "tags")))
        if superseded is not None:
            view = replace(view, superseded=superseded)
        return Logdir(self._reader, view)

    @property
    def path(self) -> str:
        """The directory."""
        return self._reader.logdir

    @property
    def runs(self) -> list[str]:
        """Names of the runs, relative to the logdir, in natural order."""
        return [name for name in self._view.catalog.infos() if self._view.shows_run(name)]

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[str]:
        return iter(self.runs)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._view.catalog.infos() and self._view.shows_run(name)

    def __getitem__(self, name: str) -> Run:
        """A run by its name.

        Raises:
            KeyError: there is none of this name.
        """
        if name not in self:
            names = self.runs
            near = get_close_matches(name, names, 3) or names[:3]
            known = f"there is {', '.join(map(repr, near))}{', ...' if len(names) > len(near) else ''}"
            raise KeyError(f"no run {name!r} in {self.path}; {known if names else 'it has no runs'}")
        return Run(self._view, name)

    __eq__ = object.__eq__
    __hash__ = object.__hash__  # type: ignore[assignment]  # Mapping has none

    @property
    def warnings(self) -> dict[str, tuple[Warned, ...]]:
        """What was wrong with the files, by run; runs without trouble are left out."""
        return {run.name: run.warnings for run in self.values() if run.warnings}

    def tags(self) -> dict[str, list[str]]:
        """All tags by kind."""
        out: dict[str, dict[str, None]] = {}
        for run in self.values():
            for kind, tags in run.tags.items():
                out.setdefault(kind, {}).update(dict.fromkeys(tags))
        return {kind: list(tags) for kind, tags in sorted(out.items())}

    def scalars(self) -> dict[tuple[str, str], Series]:
        """Every scalar series, all of its points, by (run, tag)."""
        return {(run.name, tag): series for run in self.values() for tag, series in run.scalars().items()}

    def texts(self) -> dict[tuple[str, str], TextSeries]:
        """Every text series by (run, tag), read from disk now."""
        out: dict[tuple[str, str], TextSeries] = {}
        for run in self.values():
            for tag in run.tags.get("text", []):
                values = run.text(tag)
                out[run.name, tag] = TextSeries(values.step, values.wall_time, [value.value for value in values])
        return out

    def _table(self, kind: str, wide: bool) -> Columns:
        return table_of(self.values(), kind, wide)

    def __repr__(self) -> str:
        return f"Logdir({self.path!r}: {len(self)} run{'' if len(self) == 1 else 's'})"

    def _repr_html_(self) -> str:
        rows = "".join(f"<li>{escape(repr(self[name]))}</li>" for name in self.runs[:20])
        more = f"<li>and {len(self) - 20} more</li>" if len(self) > 20 else ""
        return f"<b>{escape(self.path)}</b><ul>{rows}{more}</ul>"


def read(
    logdir: str | os.PathLike[str],
    *,
    runs: str | None = None,
    tags: str | None = None,
    superseded: bool = False,
    cache: bool = True,
) -> Logdir:
    """Reads every run below a directory: all points, nothing sampled.

        runs = tb.read("runs")
        loss = runs["first"]["train/loss"]
        plt.plot(loss.step, loss.smooth(0.9).value)

    Scalars are in memory then; pictures and everything else stay on disk until asked for.

    Args:
        logdir: a directory that holds event files, at any depth, or the URL of one, such as `s3://bucket/runs`.
        runs: a regular expression; only runs in whose name it is found.
        tags: the same for tags.
        superseded: True to have points too that a restart of the run took the place of.
        cache: False to read all files even where the index has what is in them, and to save none. The index is the
            viewer's, in the user's cache directory.

    Raises:
        InvalidLogdir: there is no such directory, or the URL cannot be served.
        InvalidSummary: an expression is none.
        MissingDependency: a library that the URL needs is not installed.
        OSError: a remote store does not answer, or refuses.
    """
    path = placed(logdir)
    for expression, name in ((runs, "runs"), (tags, "tags")):
        if expression is not None:
            pattern(expression, name)  # before the reading
    reader = LogdirReader(path, cache=cache_folder() if cache else None)
    if reader.place.there() is None:
        kind = "is a file" if os.path.exists(path) else "does not exist"
        raise InvalidLogdir(f"read({path!r}): it {kind}; give the directory that holds the event files")
    reader.poll()
    if reader.unsaved >= WORTH_SAVING:
        reader.save()
    return Logdir(reader).filter(runs, tags, superseded)
