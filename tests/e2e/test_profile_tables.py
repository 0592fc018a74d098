"""Tables, memory, ranks and comparisons of profiles in the page: what a person finds, opens, sorts, saves and sees."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from .readable import check
from .waiting import becomes

pytest.importorskip("msgspec")
pytest.importorskip("ijson")

MANY = 600


def trace(rank: int = 0, slow: float = 1.0, world: int = 1) -> str:
    """Two steps of 1,000 us: a module whose aten::mm launches gemm, an all-reduce that ends at 800, many operators."""
    events: list[dict[str, Any]] = []

    def add(name: str, category: str, start: float, dur: float, tid: int = 1, **args: Any) -> None:
        place = {"ts": start, "dur": dur, "pid": 1, "tid": tid}
        events.append({"ph": "X", "name": name, "cat": category, **place, "args": args})

    def memory(time: float, delta: int, address: int, total: int) -> None:
        args = {"Device Type": 1, "Device Id": 0, "Addr": address, "Bytes": delta, "Total Allocated": total}
        place = {"ts": time, "pid": 1, "tid": 1}
        events.append({"ph": "i", "name": "[memory]", **place, "args": {**args, "Total Reserved": 8 << 20}})

    add("train.py(1): main", "python_function", 0, 2000)
    for i, at in enumerate((0.0, 1000.0)):
        add(f"ProfilerStep#{i + 3}", "user_annotation", at, 1000)
        add("nn.Module: Linear_0", "python_function", at + 5, 60)
        add("aten::mm", "cpu_op", at + 10, 40, **{"Input Dims": [[2, 2]]})
        add("cudaLaunchKernel", "cuda_runtime", at + 12, 5, correlation=10 * i + 1)
        add("cudaLaunchKernel", "cuda_runtime", at + 30, 5, correlation=10 * i + 2)
        long = 300 * slow
        add("gemm_<b>x</b>", "kernel", at + 100, long, 7, device=0, correlation=10 * i + 1)
        name = "ncclDevKernel_AllReduce_Sum_f32_RING_LL(x)"
        add(name, "kernel", at + 100 + long, 700 - long, 8, device=0, correlation=10 * i + 2)
        memory(at + 20, 1 << 20, 1, 2 << 20)
        memory(at + 40, 2 << 20, 2, 4 << 20)
        memory(at + 500, -(2 << 20), 2, 2 << 20)
        memory(at + 600, -(1 << 20), 1, 1 << 20)
    for i in range(MANY):
        add(f"op{i:03}", "cpu_op", 80 + i, 0.5 + i / 10_000)
    gpu = {"id": 0, "name": "Handmade GPU", "totalGlobalMem": 16 << 20}
    spread = {"distributedInfo": {"rank": rank, "world_size": world}} if world > 1 else {}
    about = {"schemaVersion": 1, "with_stack": 1, "profile_memory": 1, "deviceProperties": [gpu]}
    return json.dumps({**about, **spread, "traceEvents": events})


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    logdir = tmp_path_factory.mktemp("tables")
    for run, traces in {
        "before": [trace(slow=1.5)],
        "now": [trace()],
        "ranks": [trace(rank, 1.0 + rank, 2) for rank in (0, 1)],
    }.items():
        (logdir / run).mkdir()
        for rank, text in enumerate(traces):
            (logdir / run / f"worker{rank}.1760000000000.pt.trace.json").write_text(text)
    return serve_module(logdir)


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def cells(row: Locator) -> list[str]:
    return [text.strip() for text in row.get_by_role("cell").all_inner_texts()]


def fits(page: Page) -> None:
    """On a narrow screen nothing makes the page wider than it is."""
    page.set_viewport_size({"width": 390, "height": 844})
    becomes(lambda: page.locator(".profiles").evaluate("one => one.getBoundingClientRect().right <= 390"), True)


def test_tables(runs: Any, open_page: Callable[..., Page], axe: str) -> None:
    """Rows are found, sorted and opened, by keys too; a row tells its stack and its kernel; all of them are saved."""
    page = open_page(runs, "dash=profiles&pfrun=now&pfview=operators", width=1440)
    table = page.get_by_role("table", name="operators")
    rows = table.locator(".body > .row:not(.more)")
    first = rows.first
    expect(first.get_by_role("rowheader")).to_contain_text("aten::mm")
    expect(first).to_contain_text("1.4 ms")  # gemm and the all-reduce, in both steps
    expect(page.get_by_text(f"{MANY + 1} rows")).to_be_visible()
    assert rows.count() < 80  # what is not seen is not there
    first.get_by_role("button").click()
    told = table.locator(".row.more")
    expect(told.get_by_role("list").filter(has_text="nn.Module: Linear_0").first).to_contain_text("train.py(1): main")
    expect(told).to_contain_text("gemm_<b>x</b>")
    assert "pfview=trace" in (told.get_by_role("link").get_attribute("href") or "")
    check(page, axe, "operators")
    page.keyboard.press("Enter")
    expect(told).to_have_count(0)
    page.keyboard.press("End")
    expect(page.locator(".label:focus")).to_contain_text("op000")
    page.get_by_role("columnheader", name="Host self").get_by_role("button").click()
    expect(rows.nth(1).get_by_role("rowheader")).to_contain_text("op599")
    page.get_by_label("Filter operators").fill("op59")
    expect(page.get_by_text(f"10 of {MANY + 1} rows")).to_be_visible()
    expect(table.locator(".foot")).to_contain_text("Sum of 10 found")
    page.get_by_role("button", name="Regular expression").click()
    page.get_by_label("Filter operators").fill("^OP5.[05]$")
    expect(page.get_by_text(f"20 of {MANY + 1} rows")).to_be_visible()
    expect(page).to_have_url(re.compile(r"pftables=[^&]*regex"))
    page.get_by_role("button", name="Save or copy the table").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Download CSV the whole table").click()
    with Path(download.value.path()).open() as file:
        assert len(list(csv.DictReader(file))) == MANY + 1
    tab(page, "Kernels")
    kernels = page.get_by_role("table", name="kernels").locator(".body > .row")
    expect(kernels.first).to_contain_text("ncclDevKernel")
    becomes(lambda: cells(kernels.nth(1))[:3], ["aten::mm", "2", "600 µs"])
    tab(page, "Modules")
    expect(page.get_by_role("treegrid", name="modules").locator(".body > .row")).to_contain_text("Linear_0")


def test_memory(runs: Any, open_page: Callable[..., Page], axe: str) -> None:
    """The peak and what was there then; another moment and another part by keys, which the address keeps."""
    page = open_page(runs, "dash=profiles&pfrun=now&pfview=memory", width=1440)
    expect(page.get_by_text(re.compile(r"Peak 4 MiB of 16 MiB \(25\.0 %\)"))).to_be_visible()
    rows = page.get_by_role("table", name="pieces of memory").locator(".body > .row")
    expect(rows).to_have_count(2)
    becomes(lambda: cells(rows.first)[:1], ["2 MiB"])
    curve = page.get_by_role("group", name=re.compile("Memory in use over time, with a peak of 4 MiB"))
    curve.focus()
    for _ in range(3):
        page.keyboard.press("+")
    expect(page.get_by_role("button", name="Show all of it")).to_be_visible()
    expect(page).to_have_url(re.compile("pfspan="))
    page.keyboard.press("0")
    expect(page.get_by_role("button", name="Show all of it")).to_have_count(0)
    box = curve.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 72 + (box["width"] - 84) * 0.275, box["y"] + 100)  # at 550 of 2,000 us
    expect(page.get_by_role("button", name="Back to the peak")).to_be_visible()
    expect(rows).to_have_count(1)
    page.get_by_role("radio", name="By operator").check(force=True)
    expect(page.get_by_role("table", name="memory by operator").locator(".body > .row").first).to_contain_text(
        "aten::mm"
    )
    check(page, axe, "memory")
    fits(page)


def test_two_profiles_are_compared(runs: Any, open_page: Callable[..., Page], axe: str) -> None:
    """What changed in a sentence, both verdicts, each part, operators and kernels; and the sides swapped."""
    page = open_page(runs, "dash=profiles&pfrun=now&pfview=diff&pfbase=before", width=1440)
    parts = page.get_by_role("table", name="Parts of a step, before and now")
    kernel = parts.get_by_role("row", name=re.compile("^Kernel"))
    expect(kernel).to_contain_text("0.450")
    expect(kernel).to_contain_text("−0.150")
    expect(page.get_by_role("region", name="Before: before")).to_contain_text("launch-bound")
    page.get_by_role("radio", name="Kernels").check(force=True)
    changed = page.get_by_role("table", name="changed kernels").locator(".body > .row")
    expect(changed.filter(has_text="gemm_<b>x</b>")).to_contain_text("−150 µs")
    check(page, axe, "comparison")
    fits(page)
    page.get_by_role("button", name="Swap sides").click()
    expect(kernel).to_contain_text("+0.150")
    expect(page).to_have_url(re.compile("pfrun=before.*pfbase=now"))


def test_ranks(runs: Any, open_page: Callable[..., Page], axe: str) -> None:
    """Who holds up the others, the parts of each rank's step, and what they said."""
    page = open_page(runs, "dash=profiles&pfrun=ranks&pfview=ranks", width=1440)
    expect(page.get_by_role("heading", name=re.compile("^Rank 1 holds up the others"))).to_be_visible()
    ranks = page.get_by_role("region", name="Where the time of each rank went").locator("tbody tr")
    expect(ranks).to_have_count(2)
    expect(ranks.first).to_contain_text("300 µs")  # what rank 0 waits
    page.get_by_role("button", name="Next step").click()
    expect(page.get_by_role("table", name="Step 3 of each rank")).to_be_visible()
    expect(page).to_have_url(re.compile("pfstep=3"))
    said = page.get_by_role("table", name="operations").locator(".body > .row")
    expect(said).to_have_count(2)
    expect(said.first).to_contain_text("all_reduce")
    check(page, axe, "ranks")
    fits(page)
