"""The demo as a stranger watches it: three learning rates, drawn while they train."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

EPOCHS = 20
ALIVE = {
    "histograms": (".card canvas", 2),
    "images": ("figure[data-state=shown]", 3),
    "text": (".card .prose", 2),
    "audio": (".clip[data-state=shown] canvas", 3),
    "curves": (".card path[data-run]", 3),
    "hparams": (".row", 3),
    "video": (".clip[data-state=shown] canvas", 3),
    "meshes": ("[data-mesh=digits_in_space][data-state=shown]", 3),
    "projector": ("[data-points='360'] canvas", 1),
}
"""By dashboard: what only its data puts there, and how many of it at least; three runs have one each of most."""


def test_the_demo_is_seen(tmp_path: Path, demo: Any, open_page: Callable[..., Page], chart: Any) -> None:
    """The page, open before the demo starts, ends with all curves of its six runs, and with something in every tab."""
    if demo.begun:  # by tests that came before, without a page
        demo = type(demo)(tmp_path)
    page = open_page(demo.folder / "runs")
    demo.start()
    loss = chart(page, "epoch_loss")
    expect(loss.root).to_be_visible(timeout=300_000)
    seen_while_training = demo.runs()
    done = demo.finished()
    demo.end()
    assert done.returncode == 0, done.stdout + done.stderr
    assert seen_while_training, "the first curve came only when the demo was over"

    loss.wait(runs=6, points=6 * EPOCHS)
    page.get_by_label("Filter runs").fill("validation$")
    loss.wait(runs=3, points=3 * EPOCHS)
    whole = loss.domain
    loss.drag((0.4, 0.3), (0.7, 0.7))
    left, right, *_ = loss.wait_for_domain(lambda domain: domain[0] > whole[0])
    assert right < whole[1]
    assert left < right
    loss.root.dblclick()
    loss.wait_for_domain(lambda domain: domain == whole)
    for dashboard, (shown, least) in ALIVE.items():
        page.evaluate("(dash) => { location.hash = `dash=${dash}`; }", dashboard)
        expect(page.locator(shown).nth(least - 1)).to_be_visible()
