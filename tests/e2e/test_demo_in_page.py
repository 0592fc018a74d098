"""The demo as a stranger watches it: three learning rates, drawn while they train."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

DEMO = Path(__file__).parents[2] / "examples" / "digits.py"
EPOCHS = 20


def test_the_demo_is_seen(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """The page, open before the demo starts, ends with all curves of its six runs; they filter and zoom."""
    logdir = tmp_path / "runs"
    page = open_page(logdir)
    command = [sys.executable, str(DEMO), "--once", "--logdir", str(logdir), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        try:
            loss = chart(page, "epoch_loss")
            expect(loss.root).to_be_visible(timeout=300_000)
            seen_while_training = demo.poll() is None
            printed, errors = demo.communicate(timeout=300)
        finally:
            demo.kill()
    assert demo.returncode == 0, printed + errors
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
