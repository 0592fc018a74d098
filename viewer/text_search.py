"""Searching all logged texts: a part at a time, so that no question takes long and the page can say how far it is."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tallyboard.core.errors import CorruptRecord
from tallyboard.core.unpack import array_of

from .patterns import PATIENCE, TookTooLong, spans
from .texts import source
from .values import finite, read_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .context import Context

__all__ = ["BadSearch", "Search", "search"]

_SECONDS: Final = 1.5
_HITS: Final = 200
_BATCH: Final = 1 << 20
"""Characters searched at a time."""
_MOST_IN_ONE: Final = 1_000
_BEFORE, _AFTER, _WIDEST = 60, 120, 300


class BadSearch(Exception):
    """The search cannot be made; the sentence is for the person who asked."""


class Search(NamedTuple):
    """What is searched for, and where.

    Attributes:
        pattern: a text, or with `regex` a regular expression as Python's `re` has it.
        regex, case: whether it is one, and whether the case of letters counts.
        runs: those that are searched.
        after: the run, tag and number of values that earlier answers had come to.
    """

    pattern: str
    regex: bool
    case: bool
    runs: frozenset[str]
    after: tuple[str, str, int]

    @classmethod
    def parsed(cls, body: bytes) -> Search:
        """Read the body of a request.

        Raises:
            BadSearch: it is none.
        """
        try:
            said: Any = json.loads(body)
            tag, run, place = said.get("after") or ("", "", 0)
            runs = frozenset(said["runs"])
            wanted = cls(said["pattern"], said.get("regex", False), said.get("case", False), runs, (tag, run, place))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise BadSearch("the body is not {pattern, regex, case, runs, after}") from None
        kinds = (type(wanted.pattern), type(wanted.regex), type(wanted.case), *map(type, wanted.after))
        if kinds != (str, bool, bool, str, str, int) or not wanted.pattern:
            raise BadSearch("the body is not {pattern, regex, case, runs, after}")
        return wanted


class _Text(NamedTuple):
    tag: str
    run: str
    place: int
    step: int
    wall: float
    text: str


def search(context: Context, wanted: Search) -> dict[str, Any]:
    """Hits in order of tag, run and step, how many texts were searched for them, and where to go on.

    Raises:
        BadSearch: the expression is none, or searching takes too long.
    """
    hits: list[dict[str, Any]] = []
    searched, unread = 0, 0
    end = time.monotonic() + _SECONDS
    batch: list[_Text] = []
    size = 0
    last: tuple[str, str, int] | None = None

    def look() -> None:
        nonlocal size
        hits.extend(_hits(wanted, batch))
        batch.clear()
        size = 0

    for tag, run, place, found in _texts(context, wanted):
        if last is not None and (len(hits) >= _HITS or time.monotonic() > end):
            look()
            return {"hits": hits, "searched": searched, "unread": unread, "next": last}
        searched += 1
        last = (tag, run, place + 1)
        if found is None:
            unread += 1
            continue
        batch.append(found)
        size += len(found.text)
        if size >= _BATCH or len(batch) >= _HITS:
            look()
    look()
    return {"hits": hits, "searched": searched, "unread": unread, "next": None}


def _texts(context: Context, wanted: Search) -> Iterator[tuple[str, str, int, _Text | None]]:
    """Every text from `after` on; None where it cannot be read."""
    tags = context.store.overview().tags.get("text", {})
    from_tag, from_run, from_place = wanted.after
    for tag in sorted(tags):
        for run in sorted(wanted.runs.intersection(tags[tag])):
            if (tag, run) < (from_tag, from_run):
                continue
            stored = context.store.blobs("text", run, tag)
            if stored is None:
                continue
            walls = finite(stored.wall_time)
            for place in range(from_place if (tag, run) == (from_tag, from_run) else 0, len(stored)):
                try:
                    array = array_of(read_value(context.fetch, stored.ref[place], tag).tensor)
                except CorruptRecord:
                    yield tag, run, place, None
                    continue
                text = source(array) if array.dtype == object else ""
                yield tag, run, place, _Text(tag, run, place, int(stored.step[place]), float(walls[place]), text)


def _hits(wanted: Search, batch: list[_Text]) -> list[dict[str, Any]]:
    if not batch:
        return []
    texts = [one.text for one in batch]
    try:
        if wanted.regex:
            found = spans(wanted.pattern, texts, ignore_case=not wanted.case, most=_MOST_IN_ONE)
        else:
            literal = re.compile(re.escape(wanted.pattern), 0 if wanted.case else re.IGNORECASE)
            found = [[match.span() for match in literal.finditer(text)][:_MOST_IN_ONE] for text in texts]
    except re.error as broken:
        raise BadSearch(f"That is no regular expression: {broken}.") from None
    except TookTooLong:
        raise BadSearch(f"The search was given up after {PATIENCE:g} seconds: the expression takes too long.") from None
    return [_hit(one, places) for one, places in zip(batch, found, strict=True) if places]


def _hit(one: _Text, places: list[tuple[int, int]]) -> dict[str, Any]:
    start, end = places[0]
    line = one.text.rfind("\n", 0, start) + 1
    before = one.text[max(line, start - _BEFORE) : start]
    match = one.text[start : min(end, start + _WIDEST)]
    return {
        "tag": one.tag,
        "run": one.run,
        "step": one.step,
        "wall": one.wall,
        "count": len(places),
        "before": before,
        "match": match,
        "after": one.text[end : end + _AFTER].split("\n", 1)[0],
    }
