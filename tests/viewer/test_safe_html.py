"""Markdown of strangers becomes HTML that does nothing but show text."""

from __future__ import annotations

import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyboard.viewer.safe_html import from_markdown, sanitized

TAME = [
    "",
    "*what*",
    "a **b** `c`\n\n* x\n* y",
    "| a | b |\n|---|---|\n| 1 | <b>2</b> |",
    "```\ncode <x> & y\n```",
    "a & b &amp; c &lt; &#65; &nosuch; &copy; AT&T",
    '[y](http://a.b/c?d=e&f=g "tit\'le") ![alt](a.png)',
    "line  \nbreak\n\n---\n\n# H1\n## H2",
    "> quote\n\n1. one\n2. two",
    "<div><p>a</p></div>",
    "text <!-- c --> more x < y > z",
    "<a href='//x.y/z'>r</a> <a href='mailto:a@b'>m</a>",
    "é ü 漢 \u202e \"quotes\" 'single'",
    "<?php x ?>",
]
HOSTILE = [
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "<img src=x onerror=alert(1)>",
    "<a href='data:text/html,x' title=t>q</a>",
    '<a href="java\nscript:alert(1)">z</a>',
    "<a href=' &#1; javascript:alert(1)'>z</a>",
    "<a href='java&#115;cript&colon;alert(1)'>z</a>",
    "<svg><p>a</p></svg><math><mi/></math>",
    "<style>p{}</style><iframe src=x></iframe>",
    "<p style='position:fixed' onclick=x>unclosed <em>x",
    "<table><tr><td align=left>1</td></tr></table></div>",
    "<!DOCTYPE html><base href=//evil><form action=//evil><input>",
    "<<p>script>alert(1)<</p>/script>",
    "<textarea><img src=x onerror=alert(1)></textarea><noscript><p title='</noscript><img src=x onerror=y>'>",
]


class Page(HTMLParser):
    """What a browser would make of it: elements with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


ALLOWED = {"a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "li", "ol", "p"} | {
    *("pre", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul")
}


def is_harmless(html: str) -> bool:
    for tag, attributes in Page(html).found:
        if tag not in ALLOWED:
            return False
        for name, value in attributes:
            if name not in {"a": ("href", "title"), "img": ("src", "title", "alt")}.get(tag, ()):
                return False
            bare = "".join(sign for sign in value or "" if sign > " " and sign.isprintable()).lower()
            if name in ("href", "src") and bare.startswith(("javascript:", "data:", "vbscript:", "file:")):
                return False
    return True


@pytest.mark.parametrize("text", TAME)
def test_it_is_what_tensorboard_shows(text: str) -> None:
    """Text that means no harm is rendered to the letter as TensorBoard renders it."""
    plugin_util = pytest.importorskip("tensorboard.plugin_util")

    assert from_markdown(text) == plugin_util.markdown_to_safe_html(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_element_beyond_the_list(text: str) -> None:
    """Scripts, handlers, frames, styles and addresses that run something come out as text, or not at all."""
    assert is_harmless(from_markdown(text))
    assert is_harmless(sanitized(text))


@given(st.lists(st.sampled_from([*HOSTILE, *TAME, "<", ">", '"', "'", "&", "a", " ", "\n", "=", "/", "\0"])))
def test_whatever_is_put_together(parts: list[str]) -> None:
    """Pieces of markup in any order, cut anywhere, are as harmless."""
    text = "".join(parts)
    assert is_harmless(sanitized(text[: len(text) * 2 // 3]))


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where markdown is not installed, the text is shown as it is."""
    from_markdown.cache_clear()
    monkeypatch.setitem(sys.modules, "markdown", None)

    assert from_markdown("*a* <b>\n\nb & c") == "<p>*a* &lt;b&gt;</p>\n<p>b &amp; c</p>"
    from_markdown.cache_clear()
