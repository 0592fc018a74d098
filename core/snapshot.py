"""Runs of a store as a few arrays, and back: what a persistent index writes and maps. Knows no disk.

Points of all series stand one behind the other in three tables: `narrow` (step, wall time, float32 value), `wide`
(the same with float64) and `blob` (step, wall time, file, offset, length). One more table, `track`, says which rows
are whose. So ten thousand runs are some twenty arrays, and a series that was taken back is a view of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .tracks import NO_PLACES, Aside, Columns, Label, Run, Told, Track, Warned

__all__ = ["ARRAYS", "FORMAT", "Snapshot", "pack", "unpack"]

FORMAT: Final = 2  # goes up when an older snapshot must not be read any more

TABLES: Final = {
    "narrow": {"step": "<i8", "wall_time": "<f8", "value": "<f4"},
    "wide": {"step": "<i8", "wall_time": "<f8", "value": "<f8"},
    "blob": {"step": "<i8", "wall_time": "<f8", "file": "<i4", "offset": "<i8", "length": "<i4"},
}
_TRACK: Final = {
    "run": "<i4",
    "tag": "<i4",
    "plugin": "<i4",
    "table": "<i4",
    "start": "<i8",
    "count": "<i8",
    "generation": "<i8",
}
_ASIDE: Final = {"track": "<i8", "start": "<i8", "count": "<i8", "place": "<i8", "restart": "<i8", "restarts": "<i8"}
_RUN: Final = {"first": "<f8", "last": "<f8", "began": "<f8", "file_version": "<f8", "latest_step": "<i8"}
_WRITER: Final = {"run": "<i4", "number": "<i8", "news": "<f8", "ended": "<i4"}
_ENDED: Final = ("", "finished", "failed")
_LISTS: Final = {"places": "<i8", "restarts": "<i8"}
_OF_RUNS: Final = {"run": _RUN, "writer": _WRITER}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a store has of some runs.

    Attributes:
        meta: names and warnings, made of what JSON has: `format`, `runs`, `tags`, `plugins` (lists of text), `files`
            (for each run the paths of its blobs), `warnings` (run's index, kind, count, message) and `labels` (track's
            index, display name, description; of those that have one).
        arrays: one-dimensional arrays by name, such as `narrow_step`; `ARRAYS` has all names and dtypes. Those that
            are read back may be read-only, and memory-mapped.
    """

    meta: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


ARRAYS: Final[dict[str, str]] = {
    f"{table}_{name}": dtype
    for table, columns in {**TABLES, "track": _TRACK, "aside": _ASIDE, **_OF_RUNS, "list": _LISTS}.items()
    for name, dtype in columns.items()
}
"""The dtype of every array of a snapshot."""


class _Packer:
    """Collects the rows of every table."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Columns]] = {table: [] for table in TABLES}
        self.ends = dict.fromkeys(TABLES, 0)
        self.tracks: list[tuple[int, ...]] = []
        self.asides: list[tuple[int, ...]] = []
        self.lists: dict[str, list[NDArray[np.int64]]] = {"places": [], "restarts": []}
        self.labels: list[tuple[int, str, str]] = []
        self.tags: dict[str, int] = {}
        self.plugins: dict[str, int] = {}

    def add(self, table: str, columns: Columns) -> int:
        """Takes rows; returns where they start in their table."""
        start = self.ends[table]
        self.ends[table] += len(columns[0])
        self.rows[table].append(columns)
        return start

    def track(self, run: int, tag: str, track: Track) -> None:
        """Takes one track."""
        table = _table_of(track)
        columns = tuple(column[track.start : track.start + track.count] for column in track.columns)
        start = self.add(table, columns) if track.count else 0
        tag_at, plugin_at = (
            known.setdefault(name, len(known)) for known, name in ((self.tags, tag), (self.plugins, track.plugin))
        )
        entry = (run, tag_at, plugin_at, [*TABLES].index(table), start, track.count, track.generation)
        if (aside := track.aside) is not None:
            places, restarts = (sum(map(len, self.lists[name])) for name in ("places", "restarts"))
            start = self.add(table, aside.columns) if len(aside.places) else 0
            sizes = (len(self.tracks), start, len(aside.places), places, restarts, len(aside.restarts))
            self.asides.append(sizes)
            self.lists["places"].append(aside.places)
            self.lists["restarts"].append(aside.restarts)
        if track.label is not None:
            self.labels.append((len(self.tracks), track.label.display_name, track.label.description))
        self.tracks.append(entry)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array."""
        out: dict[str, NDArray[Any]] = {}
        for table, columns in TABLES.items():
            for i, (name, dtype) in enumerate(columns.items()):
                parts = [rows[i] for rows in self.rows[table]]
                out[f"{table}_{name}"] = np.concatenate([np.empty(0, dtype), *parts], dtype=dtype)
        for name, rows, fields in (("track", self.tracks, _TRACK), ("aside", self.asides, _ASIDE)):
            grid = np.array(rows, np.int64).reshape(-1, len(fields))
            for i, (field, dtype) in enumerate(fields.items()):
                out[f"{name}_{field}"] = grid[:, i].astype(dtype)
        for name, lists in self.lists.items():
            out[f"list_{name}"] = np.concatenate([NO_PLACES, *lists])
        return out


def _table_of(track: Track) -> str:
    if track.plugin != "scalars":
        return "blob"
    wide = any(len(columns) and columns[2].dtype.itemsize == 8 for columns in _column_sets(track))
    return "wide" if wide else "narrow"


def _column_sets(track: Track) -> list[Columns]:
    return [track.columns, track.aside.columns if track.aside is not None else ()]


def pack(runs: list[tuple[str, Run]]) -> Snapshot:
    """Copies these runs, whatever of them is published."""
    packer = _Packer()
    for i, (_, run) in enumerate(runs):
        for tag, track in run.all():
            packer.track(i, tag, track)
    arrays = packer.arrays()
    for name, dtype in _RUN.items():
        values = [getattr(run, name) for _, run in runs]
        arrays[f"run_{name}"] = np.array([np.nan if value is None else value for value in values], dtype)
    told = [
        (i, number, news, _ENDED.index(ended))
        for i, (_, run) in enumerate(runs)
        for number, (news, ended) in run.writers.items()
    ]
    for i, (name, dtype) in enumerate(_WRITER.items()):
        arrays[f"writer_{name}"] = np.array([row[i] for row in told], dtype)
    meta = {
        "format": FORMAT,
        "runs": [name for name, _ in runs],
        "tags": list(packer.tags),
        "plugins": list(packer.plugins),
        "files": [list(run.files) for _, run in runs],
        "warnings": [
            [i, warned.kind, warned.count, warned.message]
            for i, (_, run) in enumerate(runs)
            for warned in run.warned.values()
        ],
        "labels": packer.labels,
    }
    return Snapshot(meta, arrays)


def unpack(snapshot: Snapshot) -> list[tuple[str, Run]]:
    """The runs of a snapshot, their columns being views of its arrays.

    Raises:
        ValueError: its parts do not fit together.
    """
    try:
        _check(snapshot)
        return _unpacked(snapshot)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"a snapshot that does not fit together: {error!r}") from error


def _unpacked(snapshot: Snapshot) -> list[tuple[str, Run]]:
    meta, arrays = snapshot.meta, snapshot.arrays
    tables: list[Columns] = [tuple(arrays[f"{table}_{name}"] for name in columns) for table, columns in TABLES.items()]
    numbers = zip(*(arrays[f"run_{name}"].tolist() for name in _RUN), strict=True)
    runs: list[Run] = [
        Run(
            files=list(files),
            first=_known(first),
            last=_known(last),
            began=_known(began),
            file_version=version,
            latest_step=latest,
        )
        for files, (first, last, began, version, latest) in zip(meta["files"], numbers, strict=True)
    ]
    tracks = _tracks(snapshot, tables, runs)
    tables_of = arrays["track_table"]
    for at, start, count, place, restart, restarts in _rows(arrays, "aside", _ASIDE):
        columns = tuple(column[start : start + count] for column in tables[int(tables_of[at])])
        marks = arrays["list_restarts"][restart : restart + restarts]
        tracks[at].aside = Aside(arrays["list_places"][place : place + count], columns, marks)
    warnings: list[tuple[int, str, int, str]] = meta["warnings"]
    labels: list[tuple[int, str, str]] = meta["labels"]
    for at, display_name, description in labels:
        tracks[at].label = Label(str(display_name), str(description))  # a forged index may hold anything
    for at, number, news, ended in _rows(arrays, "writer", _WRITER):
        runs[at].writers[number] = Told(news, _ENDED[ended])
    for number, kind, count, message in warnings:
        runs[number].warned[kind] = Warned(kind, count, message)
    return list(zip(meta["runs"], runs, strict=True))


def _tracks(snapshot: Snapshot, tables: list[Columns], runs: list[Run]) -> list[Track]:
    """The tracks, handed to their runs."""
    meta, arrays = snapshot.meta, snapshot.arrays
    tags, plugins = meta["tags"], meta["plugins"]
    columns: dict[str, list[int]] = {name: arrays[f"track_{name}"].tolist() for name in _TRACK}
    numbers = (columns["start"], columns["count"], columns["generation"])
    kinds, where = map(plugins.__getitem__, columns["plugin"]), map(tables.__getitem__, columns["table"])
    tracks = list(map(Track, kinds, where, *numbers))
    names: list[str] = list(map(tags.__getitem__, columns["tag"]))
    of_run = arrays["track_run"]
    if not tracks:
        return tracks
    starts: list[int] = np.flatnonzero(np.append(True, of_run[1:] != of_run[:-1])).tolist()
    for start, end in zip(starts, [*starts[1:], len(tracks)], strict=True):  # ten thousand times: kept short
        run = runs[columns["run"][start]]
        fresh = dict(zip(names[start:end], tracks[start:end], strict=True))
        if not run.tracks and len(fresh) == end - start:
            run.tracks = fresh
            continue
        for name, track in zip(names[start:end], tracks[start:end], strict=True):
            if run.tracks.setdefault(name, track) is not track:
                run.others[track.plugin, name] = track
    return tracks


def _rows(arrays: dict[str, NDArray[Any]], table: str, fields: Iterable[str]) -> Iterable[tuple[int, ...]]:
    return zip(*(arrays[f"{table}_{name}"].tolist() for name in fields), strict=True)


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number


def _check(snapshot: Snapshot) -> None:
    """Whether every index of a snapshot stays within what it points into, so that no view is cut or reaches out."""
    meta, arrays = snapshot.meta, snapshot.arrays
    if meta["format"] != FORMAT:
        raise ValueError(f"a snapshot of format {meta['format']!r}; this is format {FORMAT}")
    for name, dtype in ARRAYS.items():
        if arrays[name].dtype != np.dtype(dtype) or arrays[name].ndim != 1:
            raise ValueError(f"a snapshot's {name} is {arrays[name].dtype} of shape {arrays[name].shape}")
    for group, fields in {**TABLES, "track": _TRACK, "aside": _ASIDE, **_OF_RUNS}.items():
        if len({len(arrays[f"{group}_{name}"]) for name in fields}) > 1:
            raise ValueError(f"a snapshot's columns of {group} have different lengths")
    track = {name: arrays[f"track_{name}"] for name in _TRACK}
    aside = {name: arrays[f"aside_{name}"] for name in _ASIDE}
    sizes = np.array([len(arrays[f"{table}_step"]) for table in TABLES])
    _within("track_table", track["table"], 1, len(TABLES))
    _within("track_run", track["run"], 1, len(meta["runs"]))
    _within("track_tag", track["tag"], 1, len(meta["tags"]))
    _within("track_plugin", track["plugin"], 1, len(meta["plugins"]))
    _within("track_start", track["start"], track["count"], sizes[track["table"]])
    _within("writer_run", arrays["writer_run"], 1, len(meta["runs"]))
    _within("writer_ended", arrays["writer_ended"], 1, len(_ENDED))
    _within("aside_track", aside["track"], 1, len(track["run"]))
    _within("aside_start", aside["start"], aside["count"], sizes[track["table"][aside["track"]]])
    _within("aside_place", aside["place"], aside["count"], len(arrays["list_places"]))
    _within("aside_restart", aside["restart"], aside["restarts"], len(arrays["list_restarts"]))
    for a, n, at in zip(aside["place"], aside["count"], aside["track"], strict=True):
        places = arrays["list_places"][a : a + n]
        if n and (places[0] < 0 or (np.diff(places) <= 0).any() or places[-1] >= n + track["count"][at]):
            raise ValueError("a snapshot's superseded values stand at places that do not exist")
    _check_blobs(meta, arrays, track, aside)


def _check_blobs(
    meta: dict[str, Any], arrays: dict[str, Any], track: dict[str, NDArray[Any]], aside: dict[str, NDArray[Any]]
) -> None:
    """Whether blobs, and nothing else, stand in their table, and name files that their run has."""
    scalar = np.array([plugin == "scalars" for plugin in meta["plugins"]], bool)
    blob = track["table"] == [*TABLES].index("blob")
    if len(blob) and bool((scalar[track["plugin"]] == blob).any()):
        raise ValueError("a snapshot has values in a table of another kind")
    known = [len(files) for files in meta["files"]]
    if len(known) != len(meta["runs"]):
        raise ValueError("a snapshot names the files of other runs than it has")
    of_aside = np.flatnonzero(blob[aside["track"]])
    spans = [
        *zip(track["run"][blob], track["start"][blob], track["count"][blob], strict=True),
        *zip(track["run"][aside["track"][of_aside]], aside["start"][of_aside], aside["count"][of_aside], strict=True),
    ]
    for run, start, count in spans:
        file = arrays["blob_file"][start : start + count]
        if count and (file.min() < 0 or file.max() >= known[run]):
            raise ValueError("a snapshot's blobs lie in files that it does not name")


def _within(name: str, start: NDArray[Any], count: Any, size: Any) -> None:
    # compared without a sum, which may be too large for its type
    if len(start) and bool(((start < 0) | (np.asarray(count) < 0) | (start > np.asarray(size) - count)).any()):
        raise ValueError(f"a snapshot's {name} leads beyond its end")
