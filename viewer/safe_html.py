"""Markdown as HTML that no page needs to fear: TensorBoard's elements and attributes, everything else as text.

What is rendered are the descriptions and texts that a training wrote, and these may be anybody's. The rules are those
of TensorBoard's plugin_util.py, so that the `/data/` routes answer what it answers: tables and fenced code are known,
an element that is not on the list is shown as it was typed, an attribute that is not is left out, and addresses are
http, https, mailto or relative.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from functools import lru_cache
from html import escape, unescape
from html.parser import HTMLParser
from typing import Any, Final

__all__ = ["Cleaner", "from_markdown", "markdown_to_html", "sanitized"]

_ELEMENTS: Final = frozenset(
    (
        *("a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "li", "ol", "p"),
        *("pre", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
    )
)
_EMPTY: Final = frozenset(("br", "hr", "img"))
_ATTRIBUTES: Final = {"a": ("href", "title"), "img": ("src", "title", "alt")}
_ADDRESSES: Final = ("href", "src")
_SCHEMES: Final = ("http", "https", "mailto")
_SCHEME: Final = re.compile(r"([^:/?#]*):")
_UNSEEN: Final = re.compile(r"[\x00-\x20\x7f-\xa0\s]+")  # what browsers pass over in an address

_local = threading.local()


@lru_cache(4_096)
def from_markdown(text: str) -> str:
    """Render markdown; without the library `markdown`, as paragraphs of plain text."""
    return sanitized(markdown_to_html(text)) if text else ""


def markdown_to_html(text: str) -> str:
    """HTML of markdown, in which anything may stand; without the library `markdown`, paragraphs of plain text."""
    try:
        import markdown
    except ModuleNotFoundError:
        return "\n".join(f"<p>{escape(part, quote=False)}</p>" for part in re.split(r"\n{2,}", text.strip()))
    renderer: Any = getattr(_local, "markdown", None)
    if renderer is None:  # making one takes milliseconds, and no two threads may share it
        renderer = _local.markdown = markdown.Markdown(extensions=["tables", "fenced_code"])
    return str(renderer.reset().convert(text))


def sanitized(html: str) -> str:
    """HTML with the elements and attributes of the list, all closed; whatever else there is becomes text."""
    cleaner = Cleaner()
    cleaner.feed(html)
    cleaner.close()
    return cleaner.result()


class Cleaner(HTMLParser):
    """Keeps of the HTML that it is fed the elements and attributes of the list."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self._out: list[str] = []
        self._open: list[str] = []

    @staticmethod
    def text(data: str) -> str:
        """Text, in which nothing stays an element."""
        return escape(data, quote=False)

    @staticmethod
    def attributes(tag: str, attributes: Sequence[tuple[str, str | None]]) -> str:
        """The attributes that an element may have, quoted."""
        return _kept(tag, attributes)

    def put(self, html: str) -> None:
        """Adds what is harmless."""
        self._out.append(html)

    def opened(self, tag: str) -> None:
        """Notes an element that was put, to be closed."""
        self._open.append(tag)

    def is_open(self, *tags: str) -> bool:
        """Whether one of these elements is open."""
        return any(tag in self._open for tag in tags)

    def result(self) -> str:
        """What was kept."""
        return "".join(self._out) + "".join(f"</{name}>" for name in reversed(self._open))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keeps an element of the list."""
        if tag not in _ELEMENTS:
            self._out.append(escape(self.get_starttag_text() or "", quote=False))
            return
        self._out.append(f"<{tag}{_kept(tag, attrs)}>")
        if tag not in _EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element that is closed where it starts; one that has a content is no such."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Closes what is open; an end without a start is left out."""
        if tag not in _ELEMENTS:
            self._out.append(escape(f"</{tag}>", quote=False))
        elif tag in self._open:
            while (last := self._open.pop()) != tag:
                self._out.append(f"</{last}>")
            self._out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        """Text, in which nothing stays an element."""
        self._out.append(escape(data, quote=False))

    def handle_entityref(self, name: str) -> None:
        """A named character, if it is one."""
        known = f"&{name};"
        self._out.append(known if unescape(known) != known else f"&amp;{name};")

    def handle_charref(self, name: str) -> None:
        """A numbered character."""
        self._out.append(f"&#{name};")

    def handle_decl(self, decl: str) -> None:
        """Nothing: a document type has no place in a text."""

    def unknown_decl(self, data: str) -> None:
        """Nothing: neither has a section of character data."""

    def handle_comment(self, data: str) -> None:
        """Nothing: comments are not shown."""

    def handle_pi(self, data: str) -> None:
        """Nothing: no page of the web has processing instructions."""


def _kept(tag: str, attributes: Sequence[tuple[str, str | None]]) -> str:
    kept: dict[str, str] = {}
    for name, value in attributes:
        if name not in _ATTRIBUTES.get(tag, ()) or (name in _ADDRESSES and not _is_harmless(value or "")):
            continue
        kept.setdefault(name, value or "")  # of two, browsers take the first
    return "".join(f' {name}="{_quoted(value)}"' for name, value in kept.items())


def _quoted(value: str) -> str:
    return escape(value, quote=False).replace('"', "&quot;")


def _is_harmless(address: str) -> bool:
    """Whether an address leads to a web page, to a mailbox or to a place relative to this one."""
    scheme = _SCHEME.match(_UNSEEN.sub("", unescape(address)))
    return scheme is None or scheme[1].lower() in _SCHEMES
