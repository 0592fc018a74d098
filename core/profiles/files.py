"""What traces are called, and when they were recorded, by their paths alone: no file is opened here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

__all__ = ["is_trace", "recorded", "traces", "without_twins", "worker_of"]

_CHROME: Final = re.compile(r"(\.pt\.trace|\.trace|trace.*|\.pt)\.json(\.gz)?$")
_XSPACE: Final = ".xplane.pb"
_TWIN: Final = re.compile(r"\.trace\.json(\.gz)?$")
_END: Final = re.compile(r"(\.xplane\.pb|(\.pt)?\.trace\.json(\.gz)?|\.json(\.gz)?)$")
_COUNT: Final = re.compile(r"\.(\d{13}|\d{16}|\d{19})\.pt\.trace\.json(\.gz)?$")
_DAY: Final = re.compile(r"(?:^|/)(\d{4})_(\d\d)_(\d\d)_(\d\d)_(\d\d)_(\d\d)(?=/|$)")


def is_trace(name: str) -> bool:
    """Whether a file's name is one that producers of traces give: `*.pt.trace.json[.gz]`, `*.xplane.pb` and so on."""
    return name.endswith(_XSPACE) or (_CHROME.search(name) is not None and not name.startswith("perfetto_trace"))


def without_twins(paths: Iterable[str]) -> set[str]:
    """The paths of traces, but for second forms of one profile: JAX writes each twice, and its XSpace counts."""
    found = set(paths)
    twice = {path.removesuffix(_XSPACE) for path in found if path.endswith(_XSPACE)}
    return {path for path in found if _TWIN.sub("", path) not in twice}


def traces(paths: Iterable[str]) -> list[str]:
    """Those of the paths that are traces by their names, each profile once, in order."""
    return sorted(without_twins(path for path in paths if is_trace(re.split(r"[/\\]", path)[-1])))


def worker_of(name: str) -> str:
    """Who recorded a trace, by the file's name: `worker0` of torch's, the host of XSpaces."""
    return _END.sub("", _COUNT.sub("", name))


def recorded(path: str) -> float | None:
    """When a trace was recorded, by its path: seconds since 1970, None where it does not say.

    torch's handler counts milliseconds or nanoseconds in the file's name; XSpaces lie in a directory named by the
    recording machine's clock, which is taken as of this machine's time zone.
    """
    if (count := _COUNT.search(path)) is not None:
        return int(count[1]) / 10.0 ** (len(count[1]) - 10)
    if (day := _DAY.search(path)) is not None:
        try:
            return datetime.strptime("_".join(day.groups()), "%Y_%m_%d_%H_%M_%S").timestamp()
        except (ValueError, OverflowError):
            return None
    return None
