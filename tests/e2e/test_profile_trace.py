"""The trace view and the flame graph: what was recorded is drawn, reached by keys and pointer, kept by the address."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .readable import check
from .waiting import becomes

HOSTILE = "<img src=x onerror=window.hit=1>"
TRACE = "dash=profiles&pfview=trace&pfrun=gpu"


NARROWER = """() => {
    const ends = (new URLSearchParams(location.hash.slice(1)).get("pfspan") ?? "0-9999").split("-").map(Number);
    return ends[1] - ends[0] < 950;
}"""


def trace() -> bytes:
    """Four steps of 1 ms on two threads and a stream; the second has a kernel with a name that is markup."""
    rows: list[dict[str, Any]] = []

    def add(name: str, category: str, start: float, length: float, tid: Any, **args: Any) -> None:
        pid = 0 if category == "kernel" else 1
        span = {"ph": "X", "cat": category, "name": name, "ts": start, "dur": length, "pid": pid, "tid": tid}
        rows.append({**span, "args": args})

    for number in range(4):
        at = 1000.0 * number
        add(f"ProfilerStep#{number}", "user_annotation", at, 1000, 1)
        add("aten::linear", "cpu_op", at + 100, 300, 1)
        add(
            "aten::addmm",
            "cpu_op",
            at + 150,
            200,
            1,
            **{"Input Dims": [[2, 3], [3, 4]], "Call stack": "net.py(3): f;a.py(1): g"},
        )
        add("cudaLaunchKernel", "cuda_runtime", at + 200, 20, 1, correlation=number + 1)
        kernel = HOSTILE if number == 1 else "gemm"
        add(kernel, "kernel", at + 300, 400, "stream 7", correlation=number + 1, device=0)
        for i in range(200):
            add("worker_tick", "cpu_op", at + 5 * i, 0.5, 2)
    return json.dumps({"schemaVersion": 1, "with_stack": 1, "traceEvents": rows}).encode()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    pytest.importorskip("msgspec")
    pytest.importorskip("ijson")
    logdir = tmp_path_factory.mktemp("traces")
    (logdir / "gpu").mkdir()
    (logdir / "gpu" / "worker0.1.pt.trace.json").write_bytes(trace())
    return serve_module(logdir)


def canvas(page: Page) -> Any:
    """The trace, once spans are on it."""
    drawn = page.locator("canvas[data-levels]:not([data-levels='0'])")
    drawn.wait_for(state="attached")
    return drawn


def window(page: Page) -> list[float]:
    """The time that is seen, in microseconds."""
    return [float(one) / 1e3 for one in (canvas(page).get_attribute("data-window") or "").split()]


def spot(page: Page, time: float, track: str, lane: int) -> tuple[float, float]:
    """Where in the window a time of a lane is, in microseconds."""
    box = page.get_by_role("application").bounding_box()
    head = page.get_by_role("button", name=re.compile(rf"^{track}: ")).bounding_box()
    assert box is not None
    assert head is not None
    low, high = window(page)
    side = 190 if box["width"] >= 640 else 0
    return box["x"] + side + (time - low) / (high - low) * (box["width"] - side), head["y"] + 10 + 18 * lane


def test_an_event_is_told_and_leads_to_what_it_launched(runs: Any, open_page: Callable[..., Page]) -> None:
    """A click tells all of an event; arrows go to what it launched; the address keeps event, window and search."""
    page = open_page(runs, TRACE, width=1440)
    panel = page.get_by_role("complementary", name="About the trace")
    becomes(lambda: window(page), [0, 4000])
    page.mouse.click(*spot(page, 2250, "thread 1", 2))
    expect(panel.get_by_role("heading", name="aten::addmm")).to_be_visible()
    facts = panel.locator("dl").inner_text().replace("\n", " ")
    assert "Duration 200 µs" in facts
    assert "By itself 180 µs" in facts
    assert "shapes [[2, 3], [3, 4]]" in facts
    expect(panel.locator("ol li")).to_have_text(["net.py(3): f", "a.py(1): g"])
    expect(panel.get_by_text("Launched 1 on the device, 400 µs")).to_be_visible()
    expect(page.get_by_role("application")).to_have_attribute("aria-label", re.compile("Looked at: aten::addmm"))
    page.keyboard.press("ArrowDown")
    expect(panel.get_by_role("heading", name="gemm")).to_be_visible()
    panel.get_by_role("button", name="cudaLaunchKernel").click()
    expect(panel.get_by_role("heading", name="cudaLaunchKernel")).to_be_visible()
    page.get_by_role("button", name="Step 1", exact=True).click()
    becomes(lambda: [round(one, -2) for one in window(page)], [1000, 2000])
    # a key zooms, and Back undoes it
    page.mouse.move(*spot(page, 1500, "stream 7", 0))
    page.keyboard.press("w")
    page.wait_for_function(NARROWER)
    page.go_back()
    becomes(lambda: [round(one, -2) for one in window(page)], [1000, 2000])
    # names are text, whatever stands in them
    page.mouse.click(*spot(page, 1500, "stream 7", 0))
    expect(panel.get_by_role("heading", name=HOSTILE)).to_be_visible()
    assert page.evaluate("window.hit") is None
    page.wait_for_function("() => location.hash.includes('pfevent=209')")  # the fifth event of the second step
    page.get_by_label("Find in the trace").fill("worker_t")
    expect(page.get_by_role("status").filter(has_text="found")).to_have_text("800 found, 400 µs")
    page.get_by_label("Find in the trace").press("Enter")
    expect(panel.get_by_role("heading", name="worker_tick")).to_be_visible()
    page.wait_for_function("() => !location.hash.includes('pfevent=209')")
    page.reload()
    expect(panel.get_by_role("heading", name="worker_tick")).to_be_visible()
    expect(page.get_by_label("Find in the trace")).to_have_value("worker_t")


def test_a_part_is_added_up_and_nothing_is_left_out(runs: Any, open_page: Callable[..., Page], axe: str) -> None:
    """Shift drag adds up what lies there by name; narrow spans are blocks that say how many they are."""
    page = open_page(runs, TRACE, width=1440, scheme="light")
    canvas(page)
    page.mouse.move(*spot(page, 4, "thread 2", 0))
    expect(page.get_by_role("tooltip")).to_contain_text(re.compile("events|worker_tick"))
    page.keyboard.down("Shift")
    page.mouse.move(*spot(page, 50, "stream 7", 0))
    page.mouse.down()
    page.mouse.move(*spot(page, 950, "thread 1", 2), steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    panel = page.get_by_role("complementary", name="About the trace")
    row = panel.get_by_role("row").filter(has_text="gemm")
    expect(row).to_contain_text("400 µs")
    expect(panel.get_by_text("of 2 tracks, 5 events")).to_be_visible()
    expect(panel.get_by_text("Device 0 busy")).to_have_text(re.compile("^Device 0 busy: 44"))
    check(page, axe, "a selection")
    group = page.get_by_role("button", name=re.compile("^Device 0"))
    group.click()
    expect(group).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_role("button", name=re.compile("^stream 7"))).to_have_count(0)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("W and S")


def test_a_small_screen(runs: Any, open_page: Callable[..., Page], axe: str) -> None:
    """At 390 pixels names stand above their tracks; the panel comes with an event, and goes again."""
    page = open_page(runs, TRACE, width=390, height=800, has_touch=True)
    canvas(page)
    panel = page.get_by_role("complementary", name="About the trace")
    expect(panel).to_have_count(0)
    x, y = spot(page, 2500, "stream 7", 1)
    page.touchscreen.tap(x, y)
    expect(panel.get_by_role("heading", name="gemm")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check(page, axe, "a small screen")
    panel.get_by_role("button", name="Close the panel").click()
    expect(panel).to_have_count(0)


def test_the_flame_graph(runs: Any, open_page: Callable[..., Page], axe: str) -> None:
    """Steps are one bar; a click makes a bar as wide as the picture; by device kernels are below their launches."""
    page = open_page(runs, "dash=profiles&pfview=flame&pfrun=gpu", width=1440)
    graph = page.get_by_role("application")
    where = page.get_by_role("navigation", name="Where the graph begins")
    expect(where).to_contain_text("4.4 ms, 100.0 % of all")
    box = graph.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 20, box["y"] + 30)
    expect(where).to_contain_text("Step")
    expect(where).to_contain_text("4 ms, 90.9 % of all")
    page.get_by_label("Find in the flame graph").fill("addmm")
    expect(page.get_by_role("status").filter(has_text="calls")).to_have_text("800 µs, 18.2 % of all, 4 calls")
    page.get_by_text("Device time").click()
    expect(where).to_contain_text("1.6 ms, 100.0 % of all")
    page.get_by_role("button", name="As a table").click()
    rows = page.get_by_role("region", name="Own times").get_by_role("row")
    expect(rows.nth(1)).to_contain_text("gemm")
    expect(rows.nth(1)).to_contain_text("75.0 %")
    check(page, axe, "a flame graph")
