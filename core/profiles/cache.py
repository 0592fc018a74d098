"""Columns of profiles, kept in the user's cache directory so that the second look at a trace costs next to nothing.

A file a trace, by its path, a NumPy archive without pickles. It counts only for the bytes it was made of: the size and
the time of the trace stand in it. It lies where indexes lie (`index.cache_folder`), and never in a logdir.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..dataframes import Labels
from ..index import cache_folder
from .model import Events, Extras, Memory, Profile, Track
from .remote_traces import RemoteTrace

__all__ = ["SMALL", "Key", "keep", "kept", "key_of"]

SMALL: Final = 1 << 20
"""Bytes of a trace below which reading it is quick enough."""

_FORMAT: Final = 3  # grows when a reader or these columns change what they mean
_MOST: Final = 1 << 30  # bytes of all that is kept
_UNUSED: Final = 30 * 86400.0  # seconds
_COLUMNS: Final = ("start", "end", "name", "kind", "track", "device", "correlation", "external")
_FACTS: Final = ("source", "base", "worker", "rank", "world")


class Key(NamedTuple):
    """What columns are kept by.

    Attributes:
        name: a hash of the trace's path or URL.
        stamp: differs whenever the trace does; empty where nobody can tell, and nothing is kept.
    """

    name: str
    stamp: tuple[int | str, ...]


def key_of(trace: Path | RemoteTrace) -> Key:
    """The key of a trace as it is now.

    Raises:
        OSError: a file that cannot be asked.
    """
    if isinstance(trace, RemoteTrace):
        # a size alone proves nothing
        place, stamp = os.fsencode(trace.url), (trace.size or 0, trace.stamp) if trace.stamp else ()
    else:
        seen = trace.stat()
        place, stamp = os.fsencode(os.path.abspath(trace)), (seen.st_size, seen.st_mtime_ns)
    return Key(hashlib.sha256(place).hexdigest()[:32], stamp)


def _place(key: Key, folder: Path | None) -> Path | None:
    folder = folder or cache_folder()
    return None if folder is None or not key.stamp else folder / f"{key.name}.profile.npz"


def kept(trace: Path | RemoteTrace | Key, folder: Path | None = None) -> Profile | None:
    """The profile of a trace as it was kept; None where it was not, or the trace has changed since.

    Args:
        trace: the path of the file, the trace on a remote store, or its key.
        folder: where it was kept; by default the user's cache directory.
    """
    try:
        key = trace if isinstance(trace, Key) else key_of(trace)
        place = _place(key, folder)
        if place is None:
            return None
        with place.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            head: dict[str, Any] = json.loads(archive["head"].tobytes())
            if head["stamp"] != [_FORMAT, *key.stamp]:
                return None
            profile = _made(head, {name: archive[name] for name in archive.files if name != "head"})
        os.utime(place)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, RecursionError, BadZipFile):
        return None  # there is none, or it is damaged: reading the trace makes it anew
    return profile


def keep(trace: Path | RemoteTrace | Key, profile: Profile, folder: Path | None = None) -> bool:
    """Keeps the profile of a trace, and tells whether that could be done.

    Args:
        trace: the path of the file, the trace on a remote store, or its key.
        profile: what was read of it.
        folder: where; by default the user's cache directory.
    """
    try:
        key = trace if isinstance(trace, Key) else key_of(trace)
    except OSError:
        return False
    place = _place(key, folder)
    if place is None:
        return False
    half = place.with_name(f"{place.stem}.{os.getpid()}.part")
    try:
        head, arrays = _taken(profile)
        head["stamp"] = [_FORMAT, *key.stamp]
        place.parent.mkdir(parents=True, exist_ok=True)
        with half.open("wb") as file:
            columns: dict[str, Any] = {"head": np.frombuffer(json.dumps(head).encode(), np.uint8), **arrays}
            np.savez(file, **columns)
        half.replace(place)
        _tidy(place.parent)
    except (OSError, ValueError, TypeError):
        with suppress(OSError):
            half.unlink()
        return False
    return True


def _taken(profile: Profile) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    events, memory = profile.events, profile.allocations
    arrays: dict[str, NDArray[Any]] = {name: getattr(events, name) for name in _COLUMNS}
    arrays |= {f"memory.{one.name}": getattr(memory, one.name) for one in fields(memory)}
    texts: dict[str, list[str]] = {}
    for name in events.extras:
        rows, values = events.extras.sparse(name)
        arrays[f"rows.{name}"] = rows
        if isinstance(values, Labels):
            texts[name] = list(values.names)
            values = values.codes
        arrays[f"values.{name}"] = values
    head = {
        **{name: getattr(profile, name) for name in _FACTS},
        "devices": {str(number): dict(facts) for number, facts in profile.devices.items()},
        "options": dict(profile.options),
        "skipped": dict(profile.skipped),
        "names": list(events.names),
        "tracks": [[one.process, one.thread, one.name, one.process_name] for one in events.tracks],
        "texts": texts,
    }
    return head, arrays


def _made(head: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Profile:
    texts: dict[str, list[str]] = head["texts"]
    extras: dict[str, tuple[NDArray[np.int64], Any]] = {}
    for name, rows in arrays.items():
        if name.startswith("rows."):
            plain = name.removeprefix("rows.")
            values = arrays[f"values.{plain}"]
            extras[plain] = rows, Labels(values, texts[plain]) if plain in texts else values
    return Profile(
        **{name: head[name] for name in _FACTS},
        events=Events(
            **{name: arrays[name] for name in _COLUMNS},
            names=head["names"],
            tracks=[Track(*one) for one in head["tracks"]],
            extras=Extras(extras),
        ),
        allocations=Memory(**{one.name: arrays[f"memory.{one.name}"] for one in fields(Memory)}),
        devices={int(number): facts for number, facts in head["devices"].items()},
        options=head["options"],
        skipped=head["skipped"],
    )


def _tidy(folder: Path) -> None:
    """Keeps what is kept within its bounds, the oldest going first."""
    now, total = time.time(), 0
    found: list[tuple[float, int, Path]] = []
    with suppress(OSError):
        for path in folder.glob("*.profile.*"):
            seen = path.stat()
            found.append((seen.st_mtime, seen.st_size, path))
    for used, size, path in sorted(found, reverse=True):
        total += size
        if total > _MOST or now - used > _UNUSED:
            with suppress(OSError):
                path.unlink()
