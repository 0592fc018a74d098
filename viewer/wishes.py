"""What a request for scalars asks for: which series, from where on, in how many buckets, smoothed how."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast, get_args

from tallyboard.core.downsample import MOST_BUCKETS
from tallyboard.core.smoothing import Smoother

MOST_SERIES = 5_000
"""Series one request may name."""

Axis = Literal["step", "relative", "wall"]
_AXES = get_args(Axis)


@dataclass(slots=True)  # frozen ones take thrice as long to make, and a request may have thousands
class Span:
    """`count` buckets between `low` and `high` on an axis: steps, seconds since the first point, or wall times.

    None is where the series itself begins or ends. With `log` the buckets are of equal width by the axis' logarithm.
    """

    count: int
    low: float | None = None
    high: float | None = None
    x: Axis = "step"
    log: bool = False

    @property
    def whole(self) -> bool:
        return self.low is None and self.high is None


class Smoothing(NamedTuple):
    """A way to smooth; `x` is what "time" measures distance in."""

    kind: Smoother
    weight: float
    x: Axis = "step"


class Wanted(NamedTuple):
    """One series asked for, from the point with index `since` on, which is an index into that `generation`.

    `superseded` asks for the points that a restart has voided as well.
    """

    run: str
    tag: str
    since: int
    generation: int | None = None
    superseded: bool = False
    buckets: Span | None = None
    smooth: Smoothing | None = None


class BadRequest(Exception):
    """The body is not what /api/scalars takes; the text is for the client, `status` is the answer's."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


def parse(body: bytes) -> list[Wanted]:
    """Read the body of a request.

    Raises:
        BadRequest: it is not `{"series": [{"run": str, "tag": str, "since": int >= 0, "generation": int,
            "superseded": bool, "buckets": {...}, "smooth": {...}}, ...]}`, where all but run and tag may be left out,
            or names more than `MOST_SERIES` series.
    """
    try:
        asked: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("The request's body is not JSON.") from None
    series: Any = cast("dict[str, Any]", asked).get("series") if isinstance(asked, dict) else None
    if not isinstance(series, list):
        raise BadRequest('The request\'s body must be an object with a list "series".')
    entries = cast("list[Any]", series)
    if len(entries) > MOST_SERIES:
        sentence = f"At most {MOST_SERIES:,} series fit in one request; this one names {len(entries):,}."
        raise BadRequest(sentence, 413)
    return [_entry(f"series[{at}]", entry) for at, entry in enumerate(entries)]


def _entry(name: str, entry: Any) -> Wanted:
    if not isinstance(entry, dict):
        raise BadRequest(f'{name} must be an object with "run", "tag" and "since".')
    fields = cast("dict[str, Any]", entry)
    run, tag, since = fields.get("run"), fields.get("tag"), fields.get("since", 0)
    if not isinstance(run, str) or not isinstance(tag, str):
        raise BadRequest(f'{name} needs "run" and "tag", both text.')
    if not isinstance(since, int) or isinstance(since, bool) or since < 0:
        raise BadRequest(f'{name} has a "since" that is not an integer of 0 or more.')
    generation = fields.get("generation")
    if generation is not None and (not isinstance(generation, int) or isinstance(generation, bool)):
        raise BadRequest(f'{name} has a "generation" that is not an integer.')
    superseded = fields.get("superseded", False)
    if not isinstance(superseded, bool):
        raise BadRequest(f'{name} has a "superseded" that is neither true nor false.')
    buckets, smooth = fields.get("buckets"), fields.get("smooth")
    return Wanted(
        run,
        tag,
        since,
        generation,
        superseded,
        None if buckets is None else read_span(f'The "buckets" of {name}', buckets),
        None if smooth is None else read_smoothing(f'The "smooth" of {name}', smooth),
    )


def read_span(name: str, given: Any) -> Span:
    """Buckets as a client asked for them; `name` is what an error calls them."""
    if not isinstance(given, dict):
        raise BadRequest(f'{name} must be an object with "count", and perhaps "lo", "hi", "x" and "log".')
    fields = cast("dict[str, Any]", given)
    count = fields.get("count")
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_BUCKETS:
        raise BadRequest(f'{name} need a "count" from 1 to {MOST_BUCKETS:,}.')
    low, high = _end(name, "lo", fields), _end(name, "hi", fields)
    if low is not None and high is not None and low > high:
        raise BadRequest(f'{name} have a "lo" above their "hi".')
    log = fields.get("log", False)
    if not isinstance(log, bool):
        raise BadRequest(f'{name} have a "log" that is neither true nor false.')
    return Span(count, low, high, _axis(f'{name} have an "x"', fields), log)


def _end(name: str, key: str, fields: dict[str, Any]) -> float | None:
    end = fields.get(key)
    if end is None:
        return None
    if isinstance(end, int | float) and not isinstance(end, bool):
        try:
            number = float(end)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise BadRequest(f'{name} have a "{key}" that is neither null nor a finite number.')


def read_smoothing(name: str, given: Any) -> Smoothing:
    """Smoothing as a client asked for it; `name` is what an error calls it."""
    if not isinstance(given, dict):
        raise BadRequest(f'{name} must be an object with "kind" and "weight".')
    fields = cast("dict[str, Any]", given)
    kind, weight = fields.get("kind", "ema"), fields.get("weight")
    if kind not in get_args(Smoother):
        raise BadRequest(f'{name} has a "kind" that is none of {_listed(get_args(Smoother))}.')
    if not isinstance(weight, int | float) or isinstance(weight, bool) or not 0 <= weight <= 0.999:
        raise BadRequest(f'{name} has a "weight" that is not a number from 0 to 0.999.')
    return Smoothing(cast("Smoother", kind), float(weight), _axis(f'{name} has an "x"', fields))


def _axis(what: str, fields: dict[str, Any]) -> Axis:
    x = fields.get("x", "step")
    if x not in _AXES:
        raise BadRequest(f"{what} that is none of {_listed(_AXES)}.")
    return cast("Axis", x)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in names)
