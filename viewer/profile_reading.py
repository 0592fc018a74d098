"""Reads a trace in a process of its own, so that the server answers others meanwhile and keeps its memory.

Parsing a large trace holds Python's lock for seconds. The child writes the columns where `core.profiles.cache` keeps
them, and the server loads these, which takes next to nothing. It ends when the server does: its input is closed then.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tallyboard.core.errors import CorruptRecord, InvalidLogdir, MissingDependency
from tallyboard.core.profiles.cache import Key, keep, kept, key_of
from tallyboard.core.profiles.reading import read_anew
from tallyboard.core.profiles.remote_traces import RemoteTrace, fetched

if TYPE_CHECKING:
    from tallyboard.core.profiles.model import Profile

__all__ = ["AT_ONCE", "Interrupted", "main", "profile_of"]

AT_ONCE: Final = 64 << 10
"""Bytes of a trace up to which it is read here: sooner than a process is started, and at most 66 MB when unpacked."""

_PROGRAM = "from tallyboard.viewer.profile_reading import main; main()"


class Interrupted(CorruptRecord):
    """Reading did not come to its end, which says nothing of the file: another time it may."""


_ERRORS: Final = {one.__name__: one for one in (CorruptRecord, Interrupted, MissingDependency)}


def profile_of(file: Path | RemoteTrace, folder: Path | None) -> Profile:
    """The profile in a file. Waits until it is read, and fetched before where it lies on a remote store.

    Args:
        file: the trace.
        folder: where its columns are kept; None keeps nothing.

    Raises:
        CorruptRecord: it is no trace.
        Interrupted: reading it failed.
        MissingDependency: it is JSON, and what reads it is not installed.
    """
    if isinstance(file, RemoteTrace):
        return _fetched(file, folder)
    try:
        if file.stat().st_size <= AT_ONCE:
            return read_anew(file)
        key = key_of(file)
    except OSError as error:
        raise CorruptRecord(f"{file.name} cannot be read: {error.strerror}") from None
    if folder is not None and (found := kept(key, folder)) is not None:
        return found
    profile = _read_by_child(file, key, folder)
    try:
        if key_of(file) == key:
            return profile
    except OSError:
        pass  # it is gone
    raise Interrupted(f"{file.name} changed while it was being read; it is read again when it is asked for")


def _fetched(trace: RemoteTrace, folder: Path | None) -> Profile:
    key = key_of(trace)
    if folder is not None and (found := kept(key, folder)) is not None:
        return found
    try:
        with fetched(trace, folder) as copy:
            try:
                if copy.stat().st_size > AT_ONCE:
                    return _read_by_child(copy, key if key.stamp else key_of(copy), folder if key.stamp else None)
                profile = read_anew(copy)
            except CorruptRecord as why:
                raise type(why)(str(why).replace(str(copy), trace.name)) from None
    except InvalidLogdir as why:
        raise CorruptRecord(str(why).replace(trace.url, trace.name)) from None
    except OSError as error:
        said = (error.strerror or str(error) or type(error).__name__).replace(trace.url, trace.name)
        raise Interrupted(f"{trace.name} cannot be fetched: {said}") from None
    if folder is not None:
        keep(key, profile, folder)
    return profile


def _read_by_child(file: Path, key: Key, folder: Path | None) -> Profile:
    with tempfile.TemporaryDirectory(prefix="tallyboard-") as passing:
        places = [place for place in (folder, Path(passing)) if place is not None]
        told = _told_by_child(file, places, key)
        if "error" in told:
            raise _ERRORS.get(told["error"], CorruptRecord)(told["says"])
        found = kept(key, places[int(told["place"])])
    if found is None:
        raise Interrupted(f"{file.name}: its columns are gone; it is read again when it is asked for")
    return found


def _told_by_child(file: Path, places: list[Path], key: Key) -> dict[str, Any]:
    line = [sys.executable, "-P", "-c", _PROGRAM, json.dumps(key), os.fspath(file), *map(os.fspath, places)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as child:
        try:
            assert child.stdout is not None
            said = child.stdout.read()
        finally:
            child.kill()
    try:
        return json.loads(said)
    except ValueError:
        why = "it needs more memory than there is" if child.returncode == -9 else "the process that read it ended"
        raise Interrupted(f"{file.name} could not be read: {why}") from None


def main() -> None:
    """The child: reads the trace that is its second argument, and keeps its columns in the first place that takes them.

    The first argument is the key that they are kept by, as JSON; the places follow the trace.

    Prints JSON: {"place": index of the place}, or {"error": name of the exception, "says": its text}.
    """
    threading.Thread(target=_end_with_server, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(5)
    name, stamp = json.loads(sys.argv[1])
    key, (file, *places) = Key(name, tuple(stamp)), map(Path, sys.argv[2:])
    try:
        profile = read_anew(file)
        taken = next((i for i, place in enumerate(places) if keep(key, profile, place)), None)
        if taken is None:
            told: dict[str, Any] = {"error": "Interrupted", "says": f"{file.name}: there is no room for its columns"}
        else:
            told = {"place": taken}
    except (CorruptRecord, MissingDependency) as error:
        told = {"error": type(error).__name__, "says": str(error)}
    except OSError as error:
        told = {"error": "Interrupted", "says": f"{file.name} cannot be read: {error.strerror}"}
    except MemoryError:
        told = {"error": "Interrupted", "says": f"{file.name} needs more memory than there is"}
    sys.stdout.write(json.dumps(told))
    sys.stdout.flush()


def _end_with_server() -> None:
    sys.stdin.buffer.read()
    os._exit(1)
