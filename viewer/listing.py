"""What `/api/runs` says: which runs there are, and which series they hold. No server is needed to say it."""

from __future__ import annotations

import json
import math
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from tallyboard.core.profiles.files import traces

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tallyboard.core.store import Overview, RunInfo, Store

__all__ = ["Listing", "dump_json", "new_boot", "tag_of", "traces_of"]


def new_boot() -> str:
    """A token of this process, see `Context.boot`."""
    return token_hex(4)


def dump_json(data: Any) -> bytes:
    """Encode `data` as compact ASCII JSON.

    ASCII, because a run's name may hold bytes that are not UTF-8 (they arrive as lone surrogates): escaped,
    they survive the way to the page and back.

    Raises:
        ValueError: `data` holds NaN or an infinity, which JSON has no word for.
    """
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode("ascii")


def tag_of(boot: str, state: Store | Overview) -> str:
    """The ETag of the answer, without its quotes."""
    return f"{boot}-{state.version}-{state.state}"


class Listing:
    """The answer, as often as it is asked for.

    Args:
        store: gives the store, or None while there is none yet.
        logdir, title, writable, boot: as in `Context`.
    """

    def __init__(self, store: Callable[[], Store | None], logdir: str, title: str, writable: bool, boot: str) -> None:
        self._store = store
        self._about = {"logdir": logdir, "title": title, "writable": writable}
        self._boot = boot

    def when_read(self) -> tuple[bytes, str] | None:
        """The answer and its ETag once the logdir has been read for the first time; None before."""
        store = self._store()
        if store is None or store.state != "ready":
            return None
        overview = store.overview()
        return self.describe(overview), tag_of(self._boot, overview)

    def describe(self, overview: Overview) -> bytes:
        """Encode the answer; series name their run by its index in "runs", and their generation unless it is 0."""
        index = {run.name: at for at, run in enumerate(overview.runs)}
        series = _counted(overview.tags, index, overview.generations)
        configured = [[index[run.name], 1] for run in overview.runs if any(a.kind == "projector" for a in run.assets)]
        if configured:  # they are files beside those of events, and the page knows by this that there are some
            series["projector"] = {"projector_config.pbtxt": configured}
        profiled = [[index[run.name], many] for run in overview.runs if (many := len(traces_of(run)))]
        if profiled:
            series["profile"] = {"trace": profiled}
        answer: dict[str, Any] = {
            "version": overview.version,
            **self._about,
            "state": overview.state,
            "runs": [_said(run) for run in overview.runs],
            "series": series,
        }
        if overview.voided:
            answer["voided"] = _counted(overview.voided, index, overview.generations)
        return dump_json(answer)


def traces_of(run: RunInfo) -> list[str]:
    """The paths of a run's traces, each profile once."""
    return traces(asset.path for asset in run.assets if asset.kind in ("trace", "profile"))


def _said(run: RunInfo) -> dict[str, Any]:
    return {
        "name": run.name,
        "first_wall_time": _finite(run.first_wall_time),
        "last_wall_time": _finite(run.last_wall_time),
        "warnings": [
            {"kind": warned.kind, "count": warned.count, "message": warned.message} for warned in run.warnings
        ],
    }


def _counted(
    tags: Mapping[str, Mapping[str, Mapping[str, int]]],
    index: Mapping[str, int],
    generations: Mapping[tuple[str, str], int],
) -> dict[str, dict[str, list[list[int]]]]:
    """By plugin and tag: runs, how many points, and the generation where there is one."""

    def entries(plugin: str, tag: str, counts: Mapping[str, int]) -> list[list[int]]:
        """Those of a tag in the order of "runs", whatever the order in which they were found."""
        found: list[list[int]] = []
        for run, points in counts.items():
            generation = generations.get((run, tag), 0) if plugin == "scalars" else 0
            found.append([index[run], points, generation] if generation else [index[run], points])
        return sorted(found)

    return {plugin: {tag: entries(plugin, tag, counts) for tag, counts in of.items()} for plugin, of in tags.items()}


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
