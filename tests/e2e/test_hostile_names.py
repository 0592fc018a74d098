"""Names that mean to do harm, or only are odd: shown as text, whatever is in them, and the page goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, expect

from tallyboard.core.record import frame
from tallyboard.core.wire import encode_file_version, encode_group

HTML = "<img src=x onerror=window.harm=1>"
SCRIPT = "</script><script>window.harm=1</script>"
RTL = "safe\u202egnp.exe"
TAGS = (
    HTML,
    f"group/{SCRIPT}",
    f"{RTL}/loss",
    "../../etc/passwd",
    "nul\x00and\x07bell",
    "long/" + "x" * 10_000,
    "quote\"and'apostrophe`${1+1}{{1+1}}",
    "__proto__",
    "constructor/prototype",
    "100%/%2e%2e/?a=b#c&d",
    " leading and trailing ",
    "\U0001f600/emoji",
)
RUNS = (HTML, RTL, "__proto__", "a&only=b#c", "%2e%2e", "-rf", "toString")


def write(folder: Path, tags: tuple[str, ...]) -> None:
    """An event file as no well-meaning writer would make it: four steps of every tag."""
    folder.mkdir(parents=True)
    with open(folder / "events.out.tfevents.1700000000.host", "wb") as file:
        file.write(frame(encode_file_version(1.7e9)))
        for step in range(4):
            values = np.arange(len(tags), dtype=np.float32) + step
            file.write(frame(encode_group(list(tags), step, 1.7e9 + step, values.tobytes())[0]))


def test_names_are_only_text(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """Runs and tags of markup, control and direction marks, 10 kB, dots, and JavaScript's own names: all are drawn.

    Nothing of them runs, nothing leaves its place, the list and the cards bear the names as they are.
    """
    for run in RUNS:
        write(tmp_path / run, ("loss", HTML) if run != RUNS[0] else ("loss", *TAGS))
    page = open_page(tmp_path)
    chart(page, "loss").wait(runs=len(RUNS), points=4 * len(RUNS))
    boxes = page.locator("aside").get_by_role("checkbox")
    named = {box.get_attribute("aria-label") for box in boxes.all()}
    assert set(RUNS) <= named
    shown = page.evaluate(
        """async (tags) => {
            const seen = new Set();
            const end = performance.now() + 60_000;
            while (seen.size < tags.length && performance.now() < end) {
                for (const card of document.querySelectorAll(".card")) {
                    const label = card.getAttribute("aria-label");
                    if (tags.includes(label)) seen.add(label);
                }
                await new Promise(requestAnimationFrame);
            }
            return [...seen];
        }""",
        list(TAGS),
    )
    assert set(shown) == set(TAGS)
    assert page.evaluate("() => window.harm") is None
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")

    chart(page, HTML).wait(runs=len(RUNS))
    chart(page, HTML).hover(0.5, 0.5)
    expect(page.locator(".tip")).to_contain_text(HTML)
    page.get_by_label("Filter runs").fill("onerror")
    chart(page, HTML).wait(runs=1)
    assert page.evaluate("() => window.harm") is None


def test_addresses_that_make_no_sense(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """Whatever stands behind the "#", the page comes up with its usual settings and its charts."""
    write(tmp_path / "run", ("loss",))
    odd = "smoothing=NaN&x=%00&y=<b>&dash=../..&off=__proto__&runs=(((((&tags=%FF&fold=&wide=&only2=&=&&%"
    page = open_page(tmp_path, odd)
    expect(page.get_by_role("status").first).to_have_text("connected")
    page.evaluate("() => { location.hash = 'runs=(a+)+$&smoothing=1e999&smoother=__proto__' }")
    expect(page.get_by_role("status").first).to_have_text("connected")
    page.evaluate("() => { location.hash = '' }")
    chart(page, "loss").wait(runs=1, points=4)
