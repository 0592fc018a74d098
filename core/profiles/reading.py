"""Finds traces and reads each by its format."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..errors import CorruptRecord, InvalidLogdir, MissingDependency
from ..index import cache_folder
from ..remote import is_remote, placed
from .cache import SMALL, keep, kept
from .files import is_trace, without_twins
from .model import Profile
from .remote_traces import RemoteTrace, fetched, find_remote

__all__ = ["find_profiles", "is_trace", "load", "read_anew", "read_profile"]

_FOLDERS: Final = 4  # how far below a directory its traces lie: plugins/profile/<time>/<host>


def find_profiles(path: str | os.PathLike[str]) -> list[Path] | list[RemoteTrace]:
    """The traces in a directory, or the one that a path is. JAX writes each profile twice: its XSpace is taken.

    Args:
        path: of a directory, looked into four levels deep, or of a file, whatever its name; or the URL of either.

    Raises:
        InvalidLogdir: there is no such path, or fsspec cannot serve the URL.
        MissingDependency: a library that the URL needs is not installed.
        OSError: a remote store does not answer, or refuses.
    """
    if is_remote(where := placed(path)):
        return find_remote(where, _FOLDERS)
    root = Path(where)
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise InvalidLogdir(
            f"read_profile({os.fspath(path)!r}): there is no such file or directory; give a trace's path"
        )
    found = [
        Path(folder) / name
        for folder, folders, names in os.walk(root)
        if len(Path(folder).relative_to(root).parts) <= _FOLDERS or folders.clear()
        for name in names
        if is_trace(name)
    ]
    once = without_twins(map(str, found))
    return sorted(one for one in found if str(one) in once)


def read_profile(path: str | os.PathLike[str]) -> Profile:
    """The profile in a trace: of `torch.profiler`, of TensorFlow, Keras or JAX, or a Chrome trace of any other tool.

    What was read of a trace of a megabyte or more is kept in the user's cache directory (`TALLYBOARD_CACHE=off` keeps
    nothing), so that it is there at once the next time.

    Args:
        path: of the file; or of a directory, such as a run's, of whose traces the newest by name is read; or the URL of
            either, such as `s3://bucket/runs/first`: what is there is fetched into the cache directory for as long as
            it is read, and what was read of it is kept, whatever its size, until the store has another.

    Raises:
        InvalidLogdir: there is no such path, no trace in the directory, or on a remote store one of more than 8 GiB.
        CorruptRecord: the file is no trace.
        MissingDependency: it is JSON, and the extra `profile` is not installed; or what the URL needs is not.
        OSError: a remote store does not answer, or refuses.
    """
    files = find_profiles(path)
    if not files:
        raise InvalidLogdir(
            f"read_profile({os.fspath(path)!r}): no trace is in there; wanted a file such as *.pt.trace.json.gz or "
            "*.xplane.pb, which torch.profiler and the profilers of TensorFlow and JAX write"
        )
    return load(files[-1])


def load(file: Path | RemoteTrace) -> Profile:
    """The profile in a file, or as it was kept when it was read before; see `read_profile`."""
    if isinstance(file, RemoteTrace):
        if (found := kept(file)) is None:
            with fetched(file, cache_folder()) as copy:
                found = read_anew(copy)
            keep(file, found)
        return found
    large = file.stat().st_size >= SMALL
    if large and (found := kept(file)) is not None:
        return found
    profile = read_anew(file)
    if large:
        keep(file, profile)
    return profile


def read_anew(file: Path) -> Profile:
    """The profile in a file, whatever is kept of it; see `read_profile`."""
    profile = _reader(file)(file)
    if not len(profile.events) and not len(profile.allocations):
        raise CorruptRecord(f"{file}: no event could be read; is it a trace?")
    return profile


def _reader(file: Path) -> Callable[[Path], Profile]:
    with file.open("rb") as stream:
        begin = stream.read(256).lstrip()
    if begin[:2] == b"\x1f\x8b" or begin[:1] in (b"{", b"["):
        try:
            from .chrome import read_chrome
        except ImportError as error:
            raise MissingDependency(
                f"read_profile({file.name!r}) needs {error.name}, which is not installed; "
                "run: pip install 'tallyboard[profile]'"
            ) from error
        return read_chrome
    from .xspace import read_xspace

    return read_xspace
