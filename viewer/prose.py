"""Markdown for the page: as `safe_html` has it, with formulas marked, and within a bounded time.

The page inserts what comes from here as it is, so it is made of `safe_html`'s elements alone. Beyond its rules, links
lead to other sites only and open there, pictures of other sites become links (the page asks no other host for
anything), and what stands between `$` is kept from markdown and marked, for the page to set as a formula.

A few thousand brackets keep the library `markdown` busy for hours. Whatever is not short is therefore rendered by
another process, which can be ended.
"""

from __future__ import annotations

import atexit
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from secrets import token_hex
from typing import IO, Final, NamedTuple

from .safe_html import Cleaner, markdown_to_html

__all__ = ["LONGEST", "PATIENCE", "Prose", "plain", "prose", "serve"]

LONGEST: Final = 100_000
"""Characters of a text that are rendered."""

PATIENCE: Final = 5.0
"""Seconds that one text may take."""

_SHORT: Final = 600
_CODE: Final = (
    r"^(?P<fence>`{3,}|~{3,})[^\n]*\n(?:.*\n)*?(?P=fence)"
    r"|(?P<ticks>`+)(?!`)(?:(?!\n\n)[\s\S]){1,2000}?(?<!`)(?P=ticks)(?!`)"
)
_FORMULA: Final = (
    r"\\(?:.|\n)(?<!\\\()(?<!\\\[)"  # an escaped character, such as \$
    r"|\$\$(?P<display>(?:\\.|[^$\\]){1,5000})\$\$|\\\[(?P<bracket>(?:(?!\\[\[\]]|\n\n)[\s\S]){1,5000})\\\]"
    r"|\$(?![\s$])(?P<inline>(?:\\.|[^$\\\n]){1,500})(?<!\s)\$(?!\d)|\\\((?P<paren>(?:(?!\\[()]|\n\n)[\s\S]){1,2000})\\\)"
)
_PARTS: Final = re.compile(f"{_CODE}|{_FORMULA}", re.MULTILINE)


class Prose(NamedTuple):
    """HTML, and what is to be said beside it; empty where nothing is."""

    html: str
    problem: str = ""


def plain(text: str) -> str:
    """A text as it was written, as HTML."""
    from html import escape

    return f"<pre>{escape(text, quote=False)}</pre>" if text else ""


def prose(text: str, patience: float = PATIENCE) -> Prose:
    """Render markdown; what cannot be is shown as it was written, with the reason.

    Args:
        text: anything at all.
        patience: seconds it may take, where it is not short.
    """
    problem = ""
    if len(text) > LONGEST:
        problem = f"Only the first {LONGEST:,} of {len(text):,} characters are shown here; the raw text has them all."
        text = text[:LONGEST]
    html = _rendered(text) if len(text) <= _SHORT else _other.asked(text, patience)
    if html is None:
        why = "This text is too knotted to be shown as markdown, so it is shown as it was written."
        return Prose(plain(text), f"{why} {problem}".rstrip())
    return Prose(html, problem)


@lru_cache(1_024)
def _rendered(text: str) -> str | None:
    formulas: dict[str, tuple[str, str, bool]] = {}
    mark = f"tally{token_hex(8)}x"
    kept = _PARTS.sub(partial(_put_aside, formulas, mark), text)
    try:
        html = markdown_to_html(kept)
    except RecursionError:
        return None
    cleaner = _PageCleaner(re.compile(rf"{mark}\d+z"), formulas)
    cleaner.feed(html)
    cleaner.close()
    return cleaner.result()


def _put_aside(formulas: dict[str, tuple[str, str, bool]], mark: str, found: re.Match[str]) -> str:
    """A word that markdown leaves alone, in place of a formula."""
    display = found["display"] or found["bracket"]
    formula = display or found["inline"] or found["paren"]
    if found[0] == r"\$":
        return "$"
    if not formula or not formula.strip():
        return found[0]
    name = f"{mark}{len(formulas)}z"
    formulas[name] = (found[0], formula, bool(display))
    return name


class _PageCleaner(Cleaner):
    """Also marks the formulas: `<code class="tex">`, or `"tex display"`, with the formula as its text."""

    def __init__(self, marked: re.Pattern[str], formulas: dict[str, tuple[str, str, bool]]) -> None:
        super().__init__()
        self._marked = marked
        self._formulas = formulas

    def _source(self, text: str) -> str:
        return self._marked.sub(lambda found: self._formulas[found[0]][0], text)

    def _element(self, found: re.Match[str]) -> str:
        source, formula, display = self._formulas[found[0]]
        if self.is_open("code", "pre", "a"):
            return self.text(source)
        return f'<code class="tex{" display" * display}">{self.text(formula)}</code>'

    def handle_data(self, data: str) -> None:
        """Text, with its formulas."""
        self.put(self._marked.sub(self._element, self.text(data)))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keeps an element; of links those to other sites, of pictures a link to them."""
        restored = [(name, value and self._source(value)) for name, value in attrs]
        given = dict(reversed(restored))
        if tag not in ("a", "img"):
            super().handle_starttag(tag, restored)
            return
        address = given.get("href" if tag == "a" else "src") or ""
        name = self.text(given.get("alt") or address or "picture") if tag == "img" else ""
        leads = bool(re.match(r"(?:https?://|mailto:)", address, re.IGNORECASE))
        said = [
            (name, value) for name in ("href", "title") if (value := address if name == "href" else given.get(name))
        ]
        kept = self.attributes("a", said)
        if not leads:  # a place in this page, or one that only the text's writer knows
            self.put(f"<em>{name}</em>" if tag == "img" else "")
            return
        start = f'<a{kept} target="_blank" rel="noopener noreferrer nofollow">'
        if tag == "img":
            self.put(name if self.is_open("a") else f"{start}{name}</a>")
        elif not self.is_open("a"):
            self.put(start)
            self.opened("a")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """As if it were closed behind."""
        self.handle_starttag(tag, attrs)


class _Other:
    """A process that renders one text after another, for all threads; it starts when there is something to do."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def asked(self, text: str, patience: float) -> str | None:
        """HTML of `text`; None where that takes too long."""
        with self._turn:
            process = self._process
            if process is None or process.poll() is not None:
                process = self._process = _started()
            end = threading.Timer(patience, process.kill)
            end.start()
            try:
                return _answer(process, text)
            except (OSError, ValueError):  # it was ended, or ended itself
                self._end(process)
                return None
            finally:
                end.cancel()

    def close(self) -> None:
        """End the process, if there is one."""
        with self._turn:
            if self._process is not None:
                self._end(self._process)

    def _end(self, process: subprocess.Popen[str]) -> None:
        self._process = None
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def _started() -> subprocess.Popen[str]:
    line = [sys.executable, "-P", "-c", "from tallyboard.viewer.prose import serve; serve()"]
    return subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="ascii"
    )


def _answer(process: subprocess.Popen[str], text: str) -> str | None:
    asked, answers = process.stdin, process.stdout
    assert asked is not None
    assert answers is not None
    asked.write(f"{json.dumps(text)}\n")
    asked.flush()
    html = json.loads(answers.readline())
    return html if isinstance(html, str) else None


def serve(asked: IO[str] = sys.stdin, answer: Callable[[str], object] = sys.stdout.write) -> None:
    """Render each line of JSON that comes in, until no more come."""
    for line in asked:
        answer(f"{json.dumps(_rendered.__wrapped__(json.loads(line)))}\n")
        sys.stdout.flush()


_other = _Other()
atexit.register(_other.close)
