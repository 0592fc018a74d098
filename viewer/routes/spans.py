"""`/api/spans`: the trace view and the flame graph of a profile. Every path has `?run=&trace=`; times are nanoseconds.

- `GET /api/spans?from=&to=&pixels=&tracks=&counters=&q=&regex=` -> what a window shows: see `span_windows`. `tracks` is
  "0,3:2" for all lanes of track 0 and the first two of 3; `counters` are ids; what `q` finds is marked.
- `GET /api/spans/tracks?begin=` -> JSON, the tracks from `begin` on, and with the first of them the ends of time, the
  steps and the counters.
- `GET /api/spans/one?row=` -> JSON, all that is known of an event.
- `GET /api/spans/search?q=&regex=&row=&near=&way=` -> JSON, how many events are found, their time, and one to look at.
- `GET /api/spans/sum?from=&to=&tracks=` -> JSON, what a selection adds up by name.
- `GET /api/spans/flame?by=host|device&stacks=&from=&to=&step=` -> JSON, the columns of a flame graph.

Each answer is below 200 KB. Failures are `{"error": sentence}`: 400 for what cannot be asked, 404, 422.
"""

from __future__ import annotations

import math
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from aiohttp import web

from ..context import CONTEXT
from ..profiles import NoProfile, answered, asked, profiles
from ..responses import dump_json, error
from ..span_facts import Counters, event_told, found_in, found_told, summed, tracks_told
from ..span_tree import Tree, flame, holders, tree
from ..span_windows import Asked, Windows, asked_tracks, framed
from ..spans import Timeline, Wholes, laid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tallyboard.core.profiles.model import Profile

    from ..profiles import Which

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

T = TypeVar("T")

MOST_PIXELS: Final = 8_192
_COUNTER_VALUES: Final = 2_000
_MOST_SEARCHED: Final = 1_000

routes = web.RouteTableDef()


class _Told:
    """What is known of the trace that a request names, each thing made once."""

    def __init__(self, request: web.Request) -> None:
        self._context = request.app[CONTEXT]
        self._request = request
        self._which: Which | None = None

    def _of(self, key: object, make: Callable[[Profile], T]) -> T:
        if self._which is None:
            self._which = asked(self._request)
        return profiles.derived(self._context, self._which, ("spans", key), make)

    @property
    def line(self) -> Timeline:
        return self._of("line", laid)

    @property
    def windows(self) -> Windows:
        return self._of("windows", lambda _: Windows(self.line))

    @property
    def counters(self) -> Counters:
        return self._of("counters", Counters)

    @property
    def holder(self) -> Wholes:
        return self._of("holder", lambda _: holders(self.line))

    def tree(self, stacks: bool) -> Tree:
        return self._of(("tree", stacks), lambda _: tree(self.line, self.holder, stacks))

    def found(self, text: str, regex: bool) -> Any:
        return self._of(("found", text, regex), lambda profile: found_in(profile, text, regex))


def _checked(handler: Handler) -> Handler:
    """Answers 400 where a parameter is not what it should be."""

    @wraps(handler)
    async def checked(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ValueError as wrong:
            return error(400, f"{wrong}.")

    return checked


def _number(request: web.Request, name: str, usual: float | None = None) -> float:
    said = request.query.get(name)
    if said is None and usual is not None:
        return usual
    try:
        found = float(said or "")
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"{name} is a number, not {said!r}")
    return found


def _range(request: web.Request) -> tuple[float, float]:
    low, high = _number(request, "from"), _number(request, "to")
    if not low <= high:
        raise ValueError(f"from is before to, which {low:g} and {high:g} are not")
    return low, high


def _tracks(request: web.Request) -> tuple[tuple[int, int], ...]:
    said = request.query.get("tracks", "")
    try:
        return asked_tracks(said)
    except ValueError:
        raise ValueError(f"tracks are numbers with commas between them, not {said[:60]!r}") from None


def _search(request: web.Request) -> tuple[str, bool]:
    text = request.query.get("q", "")
    if len(text) > _MOST_SEARCHED:
        raise ValueError(f"{_MOST_SEARCHED:,} letters are the most that are searched for")
    return text, request.query.get("regex") == "1"


@routes.get("/api/spans")
@_checked
async def get_window(request: web.Request) -> web.StreamResponse:
    """What a window of time shows of tracks."""
    told, (low, high), tracks = _Told(request), _range(request), _tracks(request)
    pixels = min(max(int(_number(request, "pixels", 1_000)), 1), MOST_PIXELS)
    counters = list(filter(None, request.query.get("counters", "").split(",")))[:16]
    text, regex = _search(request)

    def answer() -> bytes:
        cut = told.windows.cut(Asked(low, high, pixels, tracks))
        bins = min(pixels, _COUNTER_VALUES // max(len(counters), 1), 512)
        curves = [(one, told.counters.of(one, cut.low, cut.high, bins)) for one in counters]
        found = told.found(text, regex).mask if text else None
        return framed(told.windows, cut, found, [(one, *curve) for one, curve in curves if curve is not None])

    return await answered(request, answer, "application/octet-stream")


@routes.get("/api/spans/tracks")
@_checked
async def get_tracks(request: web.Request) -> web.StreamResponse:
    """The tracks of a trace."""
    told, begin = _Told(request), max(0, int(_number(request, "begin", 0)))
    return await answered(request, lambda: dump_json(tracks_told(told.line, told.counters, begin)))


@routes.get("/api/spans/one")
@_checked
async def get_one(request: web.Request) -> web.StreamResponse:
    """One event."""
    told, row = _Told(request), int(_number(request, "row"))

    def answer() -> bytes:
        try:
            return dump_json(event_told(told.line, told.holder, row))
        except LookupError as missing:
            raise NoProfile(str(missing.args[0])) from None

    return await answered(request, answer)


@routes.get("/api/spans/search")
@_checked
async def get_found(request: web.Request) -> web.StreamResponse:
    """What a search finds."""
    told, (text, regex) = _Told(request), _search(request)
    near, way = _number(request, "near", -math.inf), int(_number(request, "way", 0))
    row = int(_number(request, "row")) if "row" in request.query else None
    if not text:
        raise ValueError("q says what to search for")
    return await answered(
        request, lambda: dump_json(found_told(told.line, told.found(text, regex), row, near, max(-1, min(1, way))))
    )


@routes.get("/api/spans/sum")
@_checked
async def get_sum(request: web.Request) -> web.StreamResponse:
    """What a selection adds up."""
    told, within = _Told(request), _range(request)
    tracks = None if request.query.get("tracks") == "all" else _tracks(request)

    def answer() -> bytes:
        line = told.line
        every = np.arange(len(line))
        chosen = every if tracks is None else every[np.isin(every, [track for track, _ in tracks])]
        return dump_json(summed(line, told.holder, told.counters, within, chosen))

    return await answered(request, answer)


@routes.get("/api/spans/flame")
@_checked
async def get_flame(request: web.Request) -> web.StreamResponse:
    """A flame graph."""
    told, by = _Told(request), request.query.get("by", "host")
    if by not in ("host", "device"):
        raise ValueError(f"by is host or device, not {by[:40]!r}")
    stacks = request.query.get("stacks") == "1"
    within = _range(request) if "from" in request.query else None
    step = int(_number(request, "step")) if "step" in request.query else None

    def answer() -> bytes:
        line, part = told.line, within
        if step is not None:
            steps = line.profile.steps
            if not 0 <= step < len(steps):
                raise NoProfile(f"the profile has no step {step}")
            part = (float(steps.window[step, 0]), float(steps.window[step, 1]))
        return dump_json(flame(line, told.tree(stacks), "device" if by == "device" else "host", part))

    return await answered(request, answer)
