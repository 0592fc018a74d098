"""Regular expressions of strangers, searched within a bounded time.

Python's `re` cannot be stopped and holds the interpreter meanwhile: `(a+)+$` on thirty letters would end the server for
everybody. Whatever may take long is therefore searched by another process, which can be ended.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PATIENCE", "TookTooLong", "matching", "spans"]

PATIENCE: Final = 5.0
"""Seconds that a search may take, the start of its process among them."""

LENGTH_MAX: Final = 10_000
"""Characters that an expression may have."""

_QUICK_LENGTH: Final = 500
_SEARCH: Final = """
import json, re, sys
expression, texts, anywhere = json.load(sys.stdin)
found = re.compile(expression)
matches = found.search if anywhere else found.match
json.dump([at for at, text in enumerate(texts) if matches(text)], sys.stdout)
"""

_SPANS: Final = """
import json, re, sys
expression, texts, ignore_case, most = json.load(sys.stdin)
found = re.compile(expression, re.IGNORECASE if ignore_case else 0)
answer = []
for text in texts:
    places = []
    for match in found.finditer(text):
        if match.end() > match.start():
            places.append(match.span())
        if len(places) == most:
            break
    answer.append(places)
json.dump(answer, sys.stdout)
"""


class TookTooLong(Exception):
    """The search took longer than anybody would wait for."""


def matching(expression: str, texts: Sequence[str], *, anywhere: bool = False) -> list[str]:
    """The texts in which the expression is found.

    Args:
        expression: as `re` has it.
        texts: any.
        anywhere: not at their start alone.

    Raises:
        re.error: it is no regular expression.
        TookTooLong: it was not found out within `PATIENCE`.
    """
    if len(expression) > LENGTH_MAX:
        raise re.error(f"longer than {LENGTH_MAX:,} characters")
    try:
        found = re.compile(expression)
    except (RecursionError, OverflowError) as error:
        raise re.error(str(error)) from None
    if _is_quick(expression, anywhere) and all(len(text) <= _QUICK_LENGTH for text in texts):
        return [text for text in texts if (found.search(text) if anywhere else found.match(text))]
    places: list[int] = _asked(_SEARCH, expression, list(texts), anywhere)
    return [texts[at] for at in places]


def spans(expression: str, texts: Sequence[str], *, ignore_case: bool, most: int) -> list[list[tuple[int, int]]]:
    """Where an expression is found in each text: starts and ends, of at most `most` places that are not empty.

    Args:
        expression: as `re` has it.
        texts: any.
        ignore_case: whether letters of either case are the same.
        most: places that are looked for in each.

    Raises:
        re.error: it is no regular expression.
        TookTooLong: it was not found out within `PATIENCE`.
    """
    if len(expression) > LENGTH_MAX:
        raise re.error(f"longer than {LENGTH_MAX:,} characters")
    try:
        re.compile(expression)
    except (RecursionError, OverflowError) as error:
        raise re.error(str(error)) from None
    found: list[list[list[int]]] = _asked(_SPANS, expression, list(texts), ignore_case, most)
    return [[(start, end) for start, end in places] for places in found]


def _asked(program: str, *question: Any) -> Any:
    """What a program of another process answers to the JSON that it is given.

    Raises:
        TookTooLong: nothing, within `PATIENCE`.
    """
    line = [sys.executable, "-I", "-S", "-c", program]
    try:
        done = subprocess.run(
            line, input=json.dumps(question), capture_output=True, text=True, timeout=PATIENCE, check=True
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):  # the latter out of memory, say
        raise TookTooLong(question[0]) from None
    return json.loads(done.stdout)


def _is_quick(expression: str, anywhere: bool) -> bool:
    """Whether a search can only take a time that grows with the square of a text's length: nothing is grouped, and at
    most two parts of the expression repeat, or one where it may begin anywhere."""
    return "(" not in expression and sum(map(expression.count, "*+{")) <= 2 - anywhere
