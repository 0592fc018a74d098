"""Traces as files to be kept, and as what viewers of Chrome traces read."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from tallyboard.core.errors import CorruptRecord, InvalidLogdir
from tallyboard.core.index import cache_folder
from tallyboard.core.profiles.model import Kind
from tallyboard.core.profiles.remote_traces import RemoteTrace, fetched

from .profiles import NoProfile, Which, profiles
from .projector_files import Unreadable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tallyboard.core.profiles.model import Profile

    from .context import Context
    from .projector_files import Asset

__all__ = ["Opened", "chrome_trace", "opened"]

_PIECE: Final = 1 << 20
_EVENTS: Final = 4_000
"""Events that are written at once."""


@dataclass(slots=True)
class Opened:
    """A file on its way to somebody.

    Attributes:
        name: what it is called there.
        pieces: its bytes.
        size: bytes, None where nobody knows yet.
    """

    name: str
    pieces: Generator[bytes]
    size: int | None = None

    def read(self) -> bytes:
        """The next piece, empty at the end.

        Raises:
            ConnectionError: the file has become shorter than was said: whoever gets it must not take it for whole.
        """
        return next(self.pieces, b"")

    def close(self) -> None:
        """Nothing more is wanted."""
        self.pieces.close()


def _whole(context: Context, asset: Asset | RemoteTrace) -> Opened:
    if isinstance(asset, RemoteTrace):
        with fetched(asset, cache_folder(context.cache)) as copy:
            return _sent(copy.open("rb", buffering=0), asset.name)  # open, it outlives its name
    return _sent(asset.open(), asset.parts[-1])


def _sent(file: BinaryIO, name: str) -> Opened:
    size = os.fstat(file.fileno()).st_size

    def pieces() -> Generator[bytes]:
        with file:
            left = size
            while left:
                piece = file.read(min(_PIECE, left))
                if not piece:
                    raise ConnectionResetError(f"{name} was cut while it was being sent")
                left -= len(piece)
                yield piece

    return Opened(name, pieces(), size)


def opened(context: Context, which: Which, chrome: bool = False) -> Opened:
    """The file of a trace.

    Args:
        context: of the application.
        which: the trace.
        chrome: whether a Chrome trace is wanted, whatever was recorded.

    Raises:
        NoProfile: there is no such trace.
        CorruptRecord, MissingDependency: it may not or cannot be read.
    """
    asset = profiles.file(context, which)
    name = which.trace.rpartition("/")[2]
    try:
        if not chrome or not name.endswith(".xplane.pb"):
            return _whole(context, asset)
        twin = Which(which.run, f"{which.trace.removesuffix('.xplane.pb')}.trace.json.gz")
        with suppress(Unreadable, NoProfile, CorruptRecord):
            return _whole(context, profiles.file(context, twin, beside=True))
    except Unreadable as why:
        raise CorruptRecord(f"run {which.run!r}: {why}") from None
    except InvalidLogdir as why:
        raise CorruptRecord(str(why)) from None
    except OSError as why:
        said = why.strerror or str(why) or type(why).__name__
        raise CorruptRecord(f"run {which.run!r}: {name} cannot be fetched: {said}") from None
    return Opened(f"{name.removesuffix('.xplane.pb')}.trace.json", chrome_trace(profiles.read(context, which)))


def chrome_trace(profile: Profile) -> Generator[bytes]:
    """A profile as the JSON of a Chrome trace, piece by piece: its spans, tracks and launches."""
    events = profile.events
    processes = {
        key: at for at, key in enumerate(dict.fromkeys((one.process, one.process_name) for one in events.tracks))
    }
    pids = [processes[one.process, one.process_name] for one in events.tracks]
    head: list[dict[str, Any]] = []
    for (process, name), pid in processes.items():
        head.append({"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name or str(process)}})
    for tid, track in enumerate(events.tracks):
        label = track.name or str(track.thread)
        head.append({"ph": "M", "name": "thread_name", "pid": pids[tid], "tid": tid, "args": {"name": label}})
    yield b'{"displayTimeUnit":"ns","traceEvents":[' + ",\n".join(map(json.dumps, head)).encode()
    order = np.argsort(events.start, kind="stable")
    for begin in range(0, len(order), _EVENTS):
        rows = [text for row in order[begin : begin + _EVENTS].tolist() for text in _event(profile, row, pids)]
        yield (",\n" if head or begin else "").encode() + ",\n".join(rows).encode()
    yield b"]}"


def _event(profile: Profile, row: int, pids: list[int]) -> Iterator[str]:
    events = profile.events
    tid = int(events.track[row])
    start, end = float(events.start[row]) / 1000, float(events.end[row]) / 1000
    place: dict[str, Any] = {"pid": pids[tid], "tid": tid}
    what = {"ph": "X", "cat": Kind(int(events.kind[row])).name.lower(), "name": events.name_of(row)}
    yield json.dumps({**what, **place, "ts": start, "dur": max(0.0, round(end - start, 6))})
    launcher = int(profile.launcher[row])
    if launcher >= 0:
        flow = {"cat": "launch", "name": "launch", "id": row}
        by = int(events.track[launcher])
        yield json.dumps({**flow, "ph": "s", "pid": pids[by], "tid": by, "ts": float(events.start[launcher]) / 1000})
        yield json.dumps({**flow, **place, "ph": "f", "bp": "e", "ts": start})
