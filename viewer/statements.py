"""What a sidecar may hold: how a change is merged into it, and what of a file written by others is shown.

| section | key | value |
| --- | --- | --- |
| runs | a run's name | title, note, tags, colour (#rrggbb), pinned, hidden; each may be left out |
| views | the view's name | hash: the page's address behind the #; saved: when, in seconds since 1970 |
| charts | an id | any object: what the page needs to draw it again |
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, Final, cast

__all__ = ["MOST_ENTRIES", "SECTIONS", "BadPatch", "merged", "parse_json", "permitted"]

MOST_ENTRIES: Final = 20_000
"""Entries of a section."""
MOST_DEPTH: Final = 32
LONGEST_NAME: Final = 10_000
LONGEST_TITLE: Final = 500
LONGEST_NOTE: Final = 50_000
LONGEST_TAG: Final = 100
MOST_TAGS: Final = 50
LONGEST_HASH: Final = 100_000
LARGEST_CHART: Final = 100_000
_COLOUR = re.compile(r"#[0-9a-f]{6}")


class BadPatch(Exception):
    """A change is none, or leads to what a sidecar may not hold; the text is for the client."""


def parse_json(data: bytes) -> Any:
    """What some bytes hold as strict JSON.

    Raises:
        ValueError: they hold none; or NaN, an infinity or a number as large, or more than 64 lists in one another.
    """
    try:
        parsed: Any = json.loads(data, parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _depth(parsed, 64) > 64:
        raise ValueError("nested too deeply")
    return parsed


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _no_number(digits)


def merged(sections: Any, change: Any) -> dict[str, Any]:
    """The sections after a JSON merge patch (RFC 7396); null removes, and an entry of a run that says nothing goes.

    Args:
        sections: as the file has them; only entries that the change touches are looked at.
        change: the patch.

    Raises:
        BadPatch: the change is no object of sections, or an entry that it touches is not permitted then.
    """
    if not isinstance(change, dict):
        raise BadPatch('The change must be an object of sections, such as {"runs": {…}}.')
    out: dict[str, Any] = dict(_object(sections))
    for section, entries in cast("dict[str, Any]", change).items():
        if section not in SECTIONS:
            raise BadPatch(f"There is no section {_short(section)}; there are {', '.join(SECTIONS)}.")
        if not isinstance(entries, dict):
            raise BadPatch(f'The section "{section}" must be an object, with null for each entry to remove.')
        there: dict[str, Any] = dict(_object(out.get(section)))
        for name, wanted in cast("dict[str, Any]", entries).items():
            if wanted is None:
                there.pop(name, None)
                continue
            _bound(section, name, wanted)
            value = _patched(there.get(name), wanted)
            if (wrong := SECTIONS[section](value)) is not None:
                raise BadPatch(f"{section}[{_short(name)}] {wrong}.")
            if section == "runs" and not value:
                there.pop(name, None)
            else:
                there[name] = value
        if len(there) > MOST_ENTRIES:
            raise BadPatch(f'The section "{section}" has room for {MOST_ENTRIES:,} entries.')
        out[section] = there
    return out


def permitted(sections: Any) -> dict[str, dict[str, Any]]:
    """What of a file's sections may be shown. Each section is there; fields that are not known are left out."""
    shown: dict[str, dict[str, Any]] = {}
    for section, wrong in SECTIONS.items():
        entries: dict[str, Any] = {}
        for name, value in _object(_object(sections).get(section)).items():
            if section == "runs":
                fields = _object(value)
                value = {field: fields[field] for field in _FIELDS if field in fields}
                value = {field: each for field, each in value.items() if _FIELDS[field](each) is None}
            elif section == "views":
                value = {field: each for field, each in _object(value).items() if field in _KNOWN["views"]}
            if value and len(name) <= LONGEST_NAME and wrong(value) is None:
                entries[name] = value
            if len(entries) == MOST_ENTRIES:
                break
        shown[section] = entries
    return shown


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _patched(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    out: dict[str, Any] = dict(_object(target))
    for name, value in cast("dict[str, Any]", patch).items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = _patched(out.get(name), value)
    return out


def _bound(section: str, name: str, value: Any) -> None:
    if not name or len(name) > LONGEST_NAME:
        raise BadPatch(f'A name in "{section}" must have 1 to {LONGEST_NAME:,} characters.')
    if _depth(value, MOST_DEPTH) > MOST_DEPTH:
        raise BadPatch(f"{section}[{_short(name)}] is nested too deeply.")
    known = _KNOWN.get(section)
    if known is not None and (unknown := _object(value).keys() - known):
        raise BadPatch(f"{section}[{_short(name)}] has no {_short(min(unknown))}, only {', '.join(known)}.")


def _depth(value: Any, limit: int) -> int:
    """How deep lists and objects are nested, or something above the limit; found without recursion."""
    depth, level = 0, [value]
    while level:
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner += cast("dict[str, Any]", each).values()
            elif isinstance(each, list):
                inner += cast("list[Any]", each)
        depth, level = depth + 1, inner
        if depth > limit:
            break
    return depth


# -- what is wrong with a value; None where nothing is


def _text(longest: int) -> Callable[[Any], str | None]:
    def wrong(value: Any) -> str | None:
        if isinstance(value, str) and 0 < len(value) <= longest:
            return None
        return f"must be text of 1 to {longest:,} characters, or null"

    return wrong


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false, or null"


def _colour(value: Any) -> str | None:
    fits = isinstance(value, str) and _COLOUR.fullmatch(value)
    return None if fits else 'must be a colour such as "#1f77b4", in small letters, or null'


def _tags(value: Any) -> str | None:
    tags = cast("list[Any]", value) if isinstance(value, list) else [None]
    good = all(isinstance(tag, str) and 0 < len(tag) <= LONGEST_TAG for tag in tags)
    if good and len(tags) <= MOST_TAGS and len(set(tags)) == len(tags):
        return None
    return f"must be a list of at most {MOST_TAGS} different texts of 1 to {LONGEST_TAG} characters, or null"


_FIELDS: Final[dict[str, Callable[[Any], str | None]]] = {
    "title": _text(LONGEST_TITLE),
    "note": _text(LONGEST_NOTE),
    "tags": _tags,
    "colour": _colour,
    "pinned": _flag,
    "hidden": _flag,
}


_KNOWN: Final = {"runs": tuple(_FIELDS), "views": ("hash", "saved")}


def _run(value: Any) -> str | None:
    if not isinstance(value, dict):
        return "must be an object, or null"
    for field, each in cast("dict[str, Any]", value).items():
        if field in _FIELDS and (wrong := _FIELDS[field](each)) is not None:
            return f'has a "{field}" that {wrong}'
    return None


def _view(value: Any) -> str | None:
    fields = _object(value)
    if not isinstance(fields.get("hash"), str) or len(fields["hash"]) > LONGEST_HASH:
        return f'needs a "hash", text of at most {LONGEST_HASH:,} characters'
    saved = fields.get("saved")
    if isinstance(saved, bool) or not isinstance(saved, int | float) or not 0 <= saved < 1e12:
        return 'needs "saved", seconds since 1970'
    return None


def _chart(value: Any) -> str | None:
    if not isinstance(value, dict):
        return "must be an object, or null"
    try:
        size = len(json.dumps(value, allow_nan=False))
    except (ValueError, RecursionError):
        return "holds what JSON has no word for"
    return None if size <= LARGEST_CHART else f"has more than {LARGEST_CHART:,} bytes"


SECTIONS: Final[dict[str, Callable[[Any], str | None]]] = {"runs": _run, "views": _view, "charts": _chart}


def _short(name: str) -> str:
    return json.dumps(name if len(name) <= 60 else f"{name[:59]}…")
