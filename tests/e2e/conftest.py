"""The page as a person meets it: the real server on a real logdir, seen through Chromium.

For a test that something shows up in the page, `open_page` and `chart` are all it takes::

    def test_losses_are_seen(tmp_path, open_page, chart):
        with tb.SummaryWriter(tmp_path / "run") as writer:
            writer.add_scalar("loss", 0.5, 0)
        page = open_page(tmp_path)
        chart(page, "loss").wait(runs=1, points=1)

Nothing here sleeps: every wait ends when the page says so, or fails at its deadline. When a test is over, a page that
raised an error, broke its own security policy or asked another host for anything fails that test.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import pytest
from playwright.sync_api import Browser, Locator, Page, Playwright, expect, sync_playwright
from playwright.sync_api import TimeoutError as PageTimeoutError

from tallyboard import viewer

from .slow import slowed
from .streams import counting  # noqa: F401 - a fixture
from .training import own, training  # noqa: F401 - fixtures
from .waiting import DEADLINE, KEEP_FRAMES, KEEP_NOTES
from .warm import Nursery, Sprout

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str:
    """The path of Chromium: what CHROMIUM names, else the first one on the PATH."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or pytest.fail("no Chromium on the PATH; on Debian: apt-get install chromium", pytrace=False)


T = TypeVar("T")

expect.set_options(timeout=DEADLINE * 1000)


HERE = Path(__file__).parent
_shared: dict[str, Any] = {}


def for_this_folder(request: pytest.FixtureRequest, name: str, make: Callable[[], AbstractContextManager[T]]) -> T:
    """What all tests of this folder share: it is made when the first one asks, and ends with the last of them."""
    if name not in _shared:
        folder = next(node for node in request.node.iter_parents() if node.path == HERE)
        context = make()
        _shared[name] = context.__enter__()

        def end() -> None:
            del _shared[name]
            context.__exit__(None, None, None)

        folder.addfinalizer(end)
    shared: T = _shared[name]
    return shared


@pytest.fixture(scope="module")
def playwright(request: pytest.FixtureRequest) -> Playwright:
    """Playwright, and no longer than for this folder: while it lives, no other test here can run an event loop."""
    return for_this_folder(request, "playwright", sync_playwright)


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest, playwright: Playwright) -> Browser:
    """One Chromium for the tests of this folder; each page gets a context of its own."""

    def launch() -> Browser:
        return slowed(playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS)))

    return for_this_folder(request, "browser", launch)


@dataclass
class Viewer:
    """A running server: its address, and the process behind it."""

    url: str
    process: subprocess.Popen[str] | Sprout
    log: IO[str]
    errors: str = ""

    def stop(self) -> str:
        """End it and return what it wrote to stderr; a second time it only returns that again."""
        if not self.log.closed:
            self.process.terminate()
            self.process.communicate(timeout=DEADLINE)
            self.log.seek(0)
            self.errors = self.log.read()
            self.log.close()
        return self.errors


def start_viewer(
    nursery: Nursery | None,
    logdir: Path | None,
    port: int = 0,
    program: tuple[str, ...] = (),
    more: tuple[str, ...] = (),
) -> Viewer:
    """Start the command on `logdir`, or a program in its place, and return once it has said where it is.

    logdir: None where `more` names it in another way.
    """
    if not (Path(viewer.__path__[0]) / "static" / "index.html").is_file():
        pytest.fail("the page is not built; in a clone: nox -s web", pytrace=False)
    log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it lives as long as the server
    arguments = [*(["--logdir", str(logdir)] if logdir else []), "--port", str(port), *more]
    process: subprocess.Popen[str] | Sprout
    if nursery is not None and not program:
        process = nursery.start(arguments, log)
    else:
        command = [sys.executable, *(program or ("-m", "tallyboard.viewer")), *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], DEADLINE)
    line = process.stdout.readline() if ready else ""
    found = re.search(r"https?://\S+/", line)
    started = Viewer(found.group() if found else "", process, log)
    if not found:
        pytest.fail(f"the viewer did not say where it is: {line!r}\n{started.stop()}")
    return started


@pytest.fixture(scope="module")
def nursery(request: pytest.FixtureRequest) -> Nursery | None:
    """What starts viewers at once, where the system can do that."""
    return for_this_folder(request, "nursery", Nursery) if hasattr(os, "pidfd_open") else None


def viewers(nursery: Nursery | None) -> Iterator[Callable[..., Viewer]]:
    """Yield what starts servers; afterwards end them all and fail if one wrote an error."""
    running: list[Viewer] = []

    def start(logdir: Path, port: int = 0, **more: Any) -> Viewer:
        running.append(start_viewer(nursery, logdir, port, **more))
        return running[-1]

    yield start
    errors = [started.stop() for started in running]
    assert errors == [""] * len(running)


@pytest.fixture
def serve(nursery: Nursery | None) -> Iterator[Callable[..., Viewer]]:
    """Start a server: `serve(logdir, port=0) -> Viewer`. It ends with the test, which fails if it wrote an error."""
    yield from viewers(nursery)


@pytest.fixture(scope="module")
def serve_module(nursery: Nursery | None) -> Iterator[Callable[..., Viewer]]:
    """As `serve`, for a logdir that all tests of a file read and none changes."""
    yield from viewers(nursery)


class Visit:
    """A page and what it must not do."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("console", self._hear)
        page.on("request", self._watch)

    def _hear(self, message: Any) -> None:
        # A request that failed is Chromium's note of something the page handles; tests stop servers on purpose.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(f"console: {message.text}")

    def _watch(self, request: Any) -> None:
        if not re.match(r"(blob:)?https?://(\w+\.)?localhost:\d+/", request.url):
            self.faults.append(f"asked {request.url}")


@pytest.fixture
def open_page(browser: Browser, serve: Callable[..., Viewer]) -> Iterator[Callable[..., Page]]:
    """Show a logdir: `open_page(logdir, state="", width=1280, height=900, scheme="dark", **context) -> Page`.

    logdir: the directory of the runs, served for as long as the test lasts, or the Viewer that serves it already.
    state: the address behind "#", such as "runs=lr&smoothing=0".
    width, height: of the window, in pixels.
    scheme: what the system prefers, "dark" or "light".
    context: anything else that Playwright's new_context takes.
    """
    visits: list[Visit] = []

    def show(
        logdir: Path | Viewer,
        state: str = "",
        *,
        width: int = 1280,
        height: int = 900,
        scheme: Any = "dark",
        **context: Any,
    ) -> Page:
        started = logdir if isinstance(logdir, Viewer) else serve(logdir)
        opened = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **context)
        opened.set_default_timeout(DEADLINE * 1000)
        opened.add_init_script(KEEP_NOTES)
        opened.add_init_script(KEEP_FRAMES)
        page = opened.new_page()
        visits.append(Visit(page))
        page.goto(f"{started.url}#{state}" if state else started.url)
        return page

    yield show
    for visit in visits:
        visit.page.context.close()
    assert [visit.faults for visit in visits] == [[]] * len(visits)


@dataclass(frozen=True)
class Chart:
    """The chart of one tag, read through the attributes that the page keeps for it.

    Its card has to be on the screen or near it: others hold no chart. `wait` scrolls to it.
    """

    page: Page
    tag: str

    @property
    def root(self) -> Locator:
        return self.page.locator(f'.chart[data-tag="{self.tag}"]')

    @property
    def card(self) -> Locator:
        return self.page.get_by_role("group", name=self.tag, exact=True)

    @property
    def runs(self) -> int:
        """Runs whose curves are drawn."""
        return int(self.root.get_attribute("data-runs") or 0)

    @property
    def points(self) -> int:
        """Points the chart holds, of all its runs."""
        return int(self.root.get_attribute("data-points") or 0)

    @property
    def domain(self) -> tuple[float, ...]:
        """What the axes show: x0, x1, y0, y1."""
        return tuple(map(float, (self.root.get_attribute("data-domain") or "").split(",")))

    @property
    def summary(self) -> str:
        """What the chart says to those who cannot see it: tag, runs, their last values."""
        return self.root.get_attribute("aria-label") or ""

    def wait(self, *, runs: int | None = None, points: int | None = None) -> Chart:
        """Scroll to the chart and wait until it draws exactly so many runs and holds exactly so many points."""
        wanted = {key: str(value) for key, value in (("runs", runs), ("points", points)) if value is not None}
        try:
            self.page.wait_for_function(SCROLL_AND_COMPARE, arg=[self.tag, wanted])
        except PageTimeoutError as error:
            state = self.page.evaluate(STATE, self.tag)
            raise AssertionError(f"waited for {self.tag} with {wanted or 'a drawing'}, last seen: {state}") from error
        return self

    def wait_for_domain(self, fits: Callable[[tuple[float, ...]], bool]) -> tuple[float, ...]:
        """Wait until the axes show what `fits` accepts, and return it."""
        end = time.monotonic() + DEADLINE
        while not fits(domain := self.domain):
            assert time.monotonic() < end, f"the axes still show {domain}"
            self.page.evaluate("() => new Promise(requestAnimationFrame)")
        return domain

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where in the window a place of the chart is; x and y count from 0 to 1, from the top left."""
        box = self.root.bounding_box()
        assert box is not None
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def hover(self, x: float, y: float) -> None:
        """Point to a place; returns when what is there is told, should the tooltip be there."""
        self.page.mouse.move(*self.place(x, y))
        self.page.evaluate("() => window.allDrawn?.()")

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag from one place to another, given as in `place`."""
        self.page.mouse.move(*self.place(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.place(*end), steps=5)
        self.page.mouse.up()

    def pixels_near(self, colour: str, distance: float = 60) -> int:
        """How many pixels of the drawn lines have about this colour ("rgb(r, g, b)")."""
        count: int = self.page.evaluate(COUNT_PIXELS, [self.tag, colour, distance])
        return count


# Scrolled to in every frame: cards above may still be coming, and push it away.
SCROLL_AND_COMPARE = """([tag, wanted]) => {
    const card = [...document.querySelectorAll(".card")].find((card) => card.getAttribute("aria-label") === tag);
    card?.scrollIntoView({ block: "nearest" });
    const shown = card?.querySelector(".chart")?.dataset;
    return shown?.domain !== undefined && Object.entries(wanted).every(([key, value]) => shown[key] === value);
}"""

STATE = """(tag) => {
    const chart = document.querySelector(`.chart[data-tag="${tag}"]`);
    return chart ? JSON.stringify(chart.dataset) : document.body.innerText.slice(0, 500);
}"""

COUNT_PIXELS = """([tag, colour, distance]) => {
    const canvas = document.querySelector(`.chart[data-tag="${tag}"] canvas`);
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const [r, g, b] = colour.match(/\\d+/g).map(Number);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) {
        const away = Math.hypot(data[i] - r, data[i + 1] - g, data[i + 2] - b);
        if (data[i + 3] > 128 && away < distance) count++;
    }
    return count;
}"""


@pytest.fixture
def chart() -> type[Chart]:
    """The chart of a tag: `chart(page, tag) -> Chart`, with .wait(), .runs, .points, .domain, .summary, .drag()."""
    return Chart


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core, at the version of package-lock.json."""
    path = Path(__file__).parents[2] / "viewer" / "web" / "node_modules" / "axe-core" / "axe.min.js"
    if not path.is_file():
        pytest.fail("axe-core is not installed; in viewer/web: npm ci --ignore-scripts", pytrace=False)
    return path.read_text(encoding="utf-8")
