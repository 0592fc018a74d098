"""News: points, runs and whole logdirs that come while the page is open, and servers that go."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from playwright.sync_api import Page, expect

import tallyboard as tb

from ..ports import lasting_port
from .waiting import becomes, names

WRITER = """
import sys, time
import tallyboard as tb

with tb.SummaryWriter(sys.argv[1]) as writer:
    for step, line in enumerate(sys.stdin):
        before = time.time()
        writer.add_scalar("loss", 1 / (step + 1), step)
        if line == "flush\\n":
            writer.flush()
            before = time.time()
        print(before, flush=True)
"""


class Trainer:
    """Another process that writes a point whenever it is told to."""

    def __init__(self, run: Path) -> None:
        command = [sys.executable, "-c", WRITER, str(run)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def write(self, *, flush: bool) -> float:
        """Have it write one point; returns when, by the clock: after the flush, or before a write without one."""
        to, back = self.process.stdin, self.process.stdout
        assert isinstance(to, IO) or to is not None
        assert back is not None
        to.write("flush\n" if flush else "write\n")
        to.flush()
        return float(back.readline())

    def close(self) -> int:
        self.process.communicate()
        return self.process.returncode


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[Trainer]:
    started = Trainer(tmp_path / "run")
    yield started
    assert started.close() == 0


# Notes the time of each change of the number of points on the screen, as the page itself sees it.
WATCH = """() => {
    const root = document.querySelector('.chart[data-tag="loss"]');
    window.seen = {};
    new MutationObserver(() => { window.seen[root.dataset.points] ??= Date.now() / 1000; })
        .observe(root, { attributes: true, attributeFilter: ["data-points"] });
}"""


@pytest.mark.parametrize("flush", [True, False], ids=["flushed", "unflushed"])
def test_a_point_is_on_the_screen_within_a_second(
    tmp_path: Path, open_page: Callable[..., Page], chart: Any, trainer: Trainer, flush: bool
) -> None:
    """Each of eight points of another process is drawn less than a second after its flush, or after its mere write.

    Eight in a row; where others kept the machine busy meanwhile, the row begins anew.
    """
    trainer.write(flush=True)
    page = open_page(tmp_path)
    loss = chart(page, "loss").wait(runs=1, points=1)
    page.evaluate(WATCH)
    delays: list[float] = []
    while len(delays) < 8 or max(delays[-8:]) >= 1.0:
        count = len(delays) + 2
        written = trainer.write(flush=flush)
        loss.wait(points=count)
        delays.append(page.evaluate(f"() => window.seen[{count}]") - written)
        assert len(delays) < 100, delays
    assert loss.domain[:2] == (0, len(delays))


def test_a_new_run_and_a_new_tag_show_up_by_themselves(
    tmp_path: Path, open_page: Callable[..., Page], chart: Any
) -> None:
    """A run that starts while the page is open joins the list and the charts; what was zoomed stays zoomed."""
    with tb.SummaryWriter(tmp_path / "first") as writer:
        for step in range(100):
            writer.add_scalar("loss", step, step)
    page = open_page(tmp_path)
    loss = chart(page, "loss").wait(runs=1)
    loss.drag((0.3, 0.5), (0.6, 0.5))
    zoomed = loss.wait_for_domain(lambda domain: domain[0] > 0)
    with tb.SummaryWriter(tmp_path / "second") as writer:
        for step in range(100):
            writer.add_scalar("loss", step, step)
            writer.add_scalar("accuracy", step, step)
    loss.wait(runs=2, points=200)
    chart(page, "accuracy").wait(runs=1, points=100)
    becomes(lambda: names(page.locator("aside li input")), ["first", "second"])
    assert loss.domain == zoomed


def test_a_run_written_anew_takes_the_place_of_the_old(
    tmp_path: Path, open_page: Callable[..., Page], chart: Any
) -> None:
    """When a run's directory goes it leaves the page; under the same name a new one shows its own points only."""
    for run in ("kept", "redone"):
        with tb.SummaryWriter(tmp_path / run) as writer:
            for step in range(10):
                writer.add_scalar("loss", 1, step)
    page = open_page(tmp_path, "smoothing=0")
    loss = chart(page, "loss").wait(runs=2, points=20)
    shutil.rmtree(tmp_path / "redone")
    loss.wait(runs=1, points=10)
    with tb.SummaryWriter(tmp_path / "redone") as writer:
        for step in range(12):
            writer.add_scalar("loss", 3, step)
    loss.wait(runs=2, points=22)
    assert loss.domain == pytest.approx((0, 11, 0.9, 3.1))
    assert loss.summary.endswith("3 at step 11")


def test_a_logdir_that_is_not_there_is_waited_for(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """The page says what it waits for and how to write there; when the logdir appears, so do its curves."""
    logdir = tmp_path / "runs"
    page = open_page(logdir)
    expect(page.get_by_role("heading", name=f"Waiting for {logdir}…")).to_be_visible()
    expect(page.locator("pre")).to_contain_text(f'tb.SummaryWriter("{logdir}/first")')
    with tb.SummaryWriter(logdir / "first") as writer:
        writer.add_scalar("loss", 0.5, 0)
    chart(page, "loss").wait(runs=1, points=1)
    expect(page.get_by_role("heading", name=re.compile("^Waiting"))).to_have_count(0)


def test_a_logdir_without_scalars_says_so(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """Runs that hold only text leave no empty cards; the first scalar takes the notice's place."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        writer.add_text("note", "nothing yet", 0)
        writer.flush()
        page = open_page(tmp_path)
        expect(page.get_by_role("heading", name="No scalars yet")).to_be_visible()
        writer.add_scalar("loss", 1, 0)
    chart(page, "loss").wait(runs=1, points=1)


def test_a_server_that_comes_back_is_found(
    tmp_path: Path, serve: Callable[..., Any], open_page: Callable[..., Page], chart: Any
) -> None:
    """Without its server the page keeps its curves and says so; with it again, it catches up by itself."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        writer.add_scalar("loss", 1, 0)
    port = lasting_port()
    viewer = serve(tmp_path, port)
    page = open_page(viewer)
    status = page.get_by_role("status")
    loss = chart(page, "loss").wait(points=1)
    expect(status).to_have_text("connected")

    viewer.stop()
    expect(status).to_have_text("offline")
    expect(page.get_by_role("alert").filter(has_text="The server does not answer")).to_be_visible()
    assert loss.points == 1

    with tb.SummaryWriter(tmp_path / "run") as writer:
        writer.add_scalar("loss", 2, 1)
    serve(tmp_path, port)
    loss.wait(points=2)
    expect(status).to_have_text("connected")
    expect(page.get_by_text("The server does not answer")).to_have_count(0)


def test_many_points_come_in_whole(tmp_path: Path, open_page: Callable[..., Page], chart: Any) -> None:
    """A million points in ten tags are all held, though the page opens while they are still being read."""
    with tb.SummaryWriter(tmp_path) as writer:
        for step in range(100_000):
            for number in range(10):
                writer.add_scalar(f"m/{number}", step % 1000, step)
    page = open_page(tmp_path, height=3000)
    assert [chart(page, f"m/{number}").wait(points=100_000).points for number in range(10)] == [100_000] * 10
