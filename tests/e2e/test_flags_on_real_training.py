"""The command's arguments, each seen in the page: the curves of a real training, and what the argument makes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import trustme
from playwright.sync_api import Page, expect

import tallyboard as tb
from tallyboard.viewer.options import TOKEN

from .conftest import Viewer
from .training import ACCURACY, LOSS, MIDDLE, Training, near
from .waiting import becomes

STATE = f"smoothing=0&tags=^{LOSS}$"
SECRET = "0123456789abcdef-of-the-test"

Serve = Callable[..., Any]
Open = Callable[..., Page]


def learnt(page: Page, chart: Any, training: Training) -> Any:
    """The chart of losses, once it says of runs what they ended with."""
    loss = chart(page, LOSS).wait(runs=6, points=120)
    said = dict(re.findall(r"(digits/lr=[\d.]+/\w+): ([\d.e-]+) at step 19", loss.summary))
    assert len(said) >= 3
    assert all(near(text, float(training.of(LOSS)[run].value[-1])) for run, text in said.items())
    return loss


def elsewhere(viewer: Viewer, host: str, query: str = "") -> Viewer:
    """The same viewer by another of its names."""
    return Viewer(re.sub(r"//[^:/]+", f"//{host}", viewer.url) + query, viewer.process, viewer.log)


def menu_of(page: Page, run: str) -> Any:
    page.get_by_role("checkbox", name=run, exact=True).click(button="right")
    return page.get_by_role("menu", name=f"Menu of {run}")


def test_prefix_title_samples_and_read_only(training: Training, serve: Serve, open_page: Open, chart: Any) -> None:
    """The page lives below its prefix under its title and has every point, though TensorBoard's routes give five;
    nothing is to be changed, and it says why."""
    more = ("--path_prefix", "/board", "--window_title", "Night <run>", "--samples_per_plugin", "scalars=5")
    viewer = serve(training.logdir, more=(*more, "--read_only", "--allow_delete"))
    assert viewer.url.endswith("/board/")
    page = open_page(viewer, STATE)
    learnt(page, chart, training)
    expect(page).to_have_title("Night <run>")
    menu = menu_of(page, MIDDLE)
    expect(menu.get_by_role("menuitem", name="Rename")).to_be_disabled()
    expect(menu.get_by_role("menuitem", name="Move to the trash")).to_be_disabled()
    expect(menu).to_contain_text("--read_only")
    with urlopen(f"{viewer.url}data/plugin/scalars/scalars?run={MIDDLE}&tag={LOSS}") as answer:
        points = json.load(answer)
    series = training.of(LOSS)[MIDDLE]
    assert [step for _, step, _ in points] == [0, 5, 10, 14, 19]
    assert [value for *_, value in points] == [float(series.value[step]) for _, step, _ in points]


@pytest.mark.parametrize("way", ["spec", "positional"])
def test_several_logdirs(training: Training, serve: Serve, open_page: Open, chart: Any, way: str) -> None:
    """Two folders of the training stand side by side, the runs of each below its name."""
    slow, fast = (training.logdir / "digits" / f"lr={rate}" for rate in ("0.0003", "0.003"))
    more = ("--logdir_spec", f"slow:{slow},fast:{fast}") if way == "spec" else (str(slow), str(fast))
    page = open_page(serve(None, more=more), STATE)
    loss = chart(page, LOSS).wait(runs=4, points=80)
    names = (
        {"slow": "0.0003", "fast": "0.003"} if way == "spec" else {f"lr={rate}": rate for rate in ("0.0003", "0.003")}
    )
    for name, rate in names.items():
        said = re.search(rf"\b{re.escape(name)}/validation: ([\d.e-]+) at step 19", loss.summary)
        assert said is not None, loss.summary
        assert near(said[1], float(training.of(LOSS)[f"digits/lr={rate}/validation"].value[-1]))


def test_beyond_this_machine_a_token_opens(
    training: Training, serve: Serve, open_page: Open, chart: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On all addresses nobody sees a run without the token, and with it the page is as ever; --no_token lets all in."""
    open_to_all = serve(training.logdir, more=("--bind_all", "--no_token"))
    learnt(open_page(elsewhere(open_to_all, "localhost"), STATE), chart, training)
    monkeypatch.setenv(TOKEN, SECRET)
    locked = serve(training.logdir, more=("--bind_all",))
    page = open_page(elsewhere(locked, "localhost"), STATE)
    expect(page.locator("body")).to_contain_text("token")
    assert LOSS not in page.locator("body").inner_text()
    page = open_page(elsewhere(locked, "localhost", f"?token={SECRET}"), STATE)
    learnt(page, chart, training)
    assert SECRET not in page.url


def test_names_and_certificates(training: Training, tmp_path: Path, serve: Serve, open_page: Open, chart: Any) -> None:
    """A name it was told of is answered to, another one is not; with a certificate the page comes by HTTPS."""
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    certified = ("--certfile", str(tmp_path / "both.pem"), "--keyfile", str(tmp_path / "both.pem"))
    viewer = serve(training.logdir, more=("--host", "127.0.0.1", "--allow_host", "board.localhost", *certified))
    assert viewer.url.startswith("https://127.0.0.1:")
    page = open_page(elsewhere(viewer, "board.localhost"), STATE, ignore_https_errors=True)
    learnt(page, chart, training)
    page = open_page(elsewhere(viewer, "other.localhost"), STATE, ignore_https_errors=True)
    expect(page.locator("body")).to_contain_text("does not answer to that name")


def test_where_it_is_kept(training: Training, tmp_path: Path, serve: Serve, open_page: Open, chart: Any) -> None:
    """With a sidecar elsewhere a title is kept there and the logdir stays as it was; a second viewer that starts from
    the cache shows it beside the same values; switched off, nothing can be changed."""
    kept = tmp_path / "kept.json"
    before = sorted(training.logdir.rglob("*"))
    more = ("--sidecar", str(kept), "--cache", str(tmp_path / "cache"))
    page = open_page(serve(training.logdir, more=more), STATE)
    learnt(page, chart, training)
    menu = menu_of(page, MIDDLE)
    expect(menu).to_contain_text(str(kept))
    menu.get_by_role("menuitem", name="Rename").click()
    page.get_by_label("Title").fill("the middle one")
    page.keyboard.press("Enter")
    becomes(
        lambda: kept.exists() and json.loads(kept.read_text())["sections"]["runs"],
        {MIDDLE: {"title": "the middle one"}},
    )
    assert sorted(training.logdir.rglob("*")) == before
    again = open_page(serve(training.logdir, more=more), STATE)
    loss = chart(again, LOSS).wait(runs=6, points=120)
    expect(again.locator("aside").get_by_text("the middle one")).to_be_visible()
    found = re.search(r"the middle one: ([\d.e-]+) at step 19", loss.summary)
    assert found is not None
    assert near(found[1], float(training.of(LOSS)[MIDDLE].value[-1]))

    off = open_page(serve(training.logdir, more=("--sidecar", "off")), STATE)
    learnt(off, chart, training)
    expect(menu_of(off, MIDDLE).get_by_role("menuitem", name="Rename")).to_be_disabled()


def test_the_interval_and_the_trash(own: Training, serve: Serve, open_page: Open, chart: Any) -> None:
    """With --reload_interval 0 the page stays as it was when all was read, while another viewer draws what comes;
    without --allow_delete no run can go."""
    still = open_page(serve(own.logdir, more=("--reload_interval", "0")), STATE)
    growing = open_page(serve(own.logdir, more=("--reload_interval", "0.3")), STATE)
    for page in (still, growing):
        learnt(page, chart, own)
    with tb.SummaryWriter(own.logdir / "digits" / "later") as writer:
        writer.add_scalar(LOSS, 0.5, 0)
    chart(growing, LOSS).wait(runs=7, points=121)
    still.reload()
    learnt(still, chart, own)
    menu = menu_of(still, MIDDLE)
    expect(menu.get_by_role("menuitem", name="Move to the trash")).to_be_disabled()
    expect(menu).to_contain_text("--allow-delete")
    assert own.of(ACCURACY, "later") == {}
