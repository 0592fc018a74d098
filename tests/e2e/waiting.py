"""Waiting for what a page comes to show."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from playwright.sync_api import Locator, Page

DEADLINE = 60.0
"""Seconds any wait may take: far more than any needs, on a machine however slow and busy."""

T = TypeVar("T")


def becomes(read: Callable[[], T], wanted: T) -> None:
    """Wait until what is read of the page is what is wanted: it may be the picture of a moment ago."""
    end = time.monotonic() + DEADLINE
    while (found := read()) != wanted:
        if time.monotonic() > end:
            assert found == wanted
        time.sleep(0.02)


def names(boxes: Locator) -> list[str]:
    """The accessible names of some boxes, all as they are at one moment."""
    found: list[str] = boxes.evaluate_all("boxes => boxes.map((box) => box.getAttribute('aria-label') ?? '')")
    return found


@contextmanager
def standing_clock(page: Page) -> Iterator[None]:
    """What a page tells apart by the time between two doings is one doing, however slow the machine is."""
    page.evaluate("() => { const now = performance.now(); performance.now = () => now; }")
    yield
    page.evaluate("() => { delete performance.now; }")


TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""What waits until all that has happened so far is drawn."""

KEEP_FRAMES = """(() => {
    const [ask, cancel, coming] = [window.requestAnimationFrame, window.cancelAnimationFrame, new Set()];
    window.requestAnimationFrame = (call) => {
        const id = ask((now) => {
            coming.delete(id);
            call(now);
        });
        coming.add(id);
        return id;
    };
    window.cancelAnimationFrame = (id) => {
        coming.delete(id);
        cancel(id);
    };
    window.allDrawn = async () => {
        for (let most = 1000; most > 0; most--) {
            await new Promise((done) => ask(done));
            if (coming.size === 0) return;
        }
    };
})()"""
"""A script that knows which frames a page has asked for: what is to be drawn may wait for more than the next one."""

KEEP_NOTES = """(() => {
    const later = window.setTimeout;
    const kept = (delay) => ([1500, 3000, 12_000].includes(delay) ? 600_000 : delay);
    window.setTimeout = (call, delay, ...more) => later(call, kept(delay), ...more);
})()"""
"""A script that has "Copied", "Undo" and the like stay: a busy machine may look away for as long as they are shown."""
