"""Logdirs that are no local directories: URLs such as `s3://bucket/run`, reached through fsspec.

Which library serves a URL, and with which settings (endpoints, credentials), is fsspec's business: its configuration
files and `FSSPEC_*` variables, and those of the libraries behind it. See fsspec's documentation, "Configuration".
"""

from __future__ import annotations

import importlib
import os
import re
from typing import Any

from .errors import InvalidLogdir, MissingDependency

__all__ = ["check_url", "filesystem", "is_remote", "joined", "placed", "store_of"]

_URL = re.compile(r"[A-Za-z][\w+.-]*(::[A-Za-z][\w+.-]*)*://")
_LOCAL = re.compile(r"(file|local)://")
_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
    "adl": "adlfs",
    "oss": "ossfs",
    "oci": "ocifs",
    "hf": "huggingface_hub",
    "http": "aiohttp",
    "https": "aiohttp",
    "sftp": "paramiko",
    "ssh": "paramiko",
    "hdfs": "pyarrow",
    "smb": "smbprotocol",
}
FLAT = frozenset(("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "oci"))
"""Stores of objects, which know no directories: making one would at most make a bucket, which is not ours to do."""


def is_remote(log_dir: str) -> bool:
    """Whether this is a URL that fsspec is asked for."""
    return _URL.match(log_dir) is not None and _LOCAL.match(log_dir) is None


def placed(log_dir: str | os.PathLike[str]) -> str:
    """A logdir as text; a `file://` URL as the local path that it is."""
    path = os.fspath(log_dir)
    local = _LOCAL.match(path)
    return path if local is None else path[local.end() :]


def joined(log_dir: str, name: str) -> str:
    """What lies below a logdir of either kind; `name` is relative."""
    if is_remote(log_dir):
        return f"{log_dir.rstrip('/')}/{name.replace(os.sep, '/')}"
    return os.path.join(log_dir, name)


def store_of(url: str) -> str:
    """The part of a URL that says who serves it, such as `s3`."""
    return url.partition("://")[0]


def check_url(url: str, *, writing: bool) -> None:
    """Checks, without going near a network, that a URL can be served.

    Raises:
        InvalidLogdir: it names no place, fsspec knows no such scheme, or nothing can be written there.
        MissingDependency: fsspec, or the library that it needs for this scheme, is not installed.
    """
    scheme, _, rest = url.partition("://")
    if "\0" in url or not rest.strip("/"):
        raise InvalidLogdir(f"{url!r} names no place; give one such as '{scheme}://bucket/runs/first'")
    if writing and scheme in ("http", "https"):
        raise InvalidLogdir(
            f"{url!r}: over HTTP a logdir can be read, not written; give the store's own URL, as s3://…"
        )
    package = _PACKAGES.get(scheme.split("::")[0], "")
    needed = " ".join(["pip install 'tallyboard[remote]'", *([package] if package else [])])
    try:
        fsspec: Any = importlib.import_module("fsspec")
    except ImportError:
        raise MissingDependency(f"{url!r}: fsspec is not installed, which serves remote logdirs: {needed}") from None
    for part in scheme.split("::"):
        try:
            fsspec.get_filesystem_class(part)
        except ValueError:
            raise InvalidLogdir(f"{url!r}: fsspec knows no {part!r}://; give a local path or another URL") from None
        except ImportError as error:
            raise MissingDependency(f"{url!r}: {error}; {needed}") from None


def filesystem(url: str) -> tuple[Any, str]:
    """The file system that serves a URL, an instance of this process's own, and the path that it knows it by.

    Raises:
        Exception: whatever the library behind it raises, without credentials for instance.
    """
    core: Any = importlib.import_module("fsspec.core")
    return core.url_to_fs(url)
