"""Pictures in the page: the right ones at the right step, compared and measured; what poses as one is never run."""

from __future__ import annotations

import io
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

import tallyboard as tb
from tallyboard.core.proto import event_pb2 as pb
from tallyboard.core.record import frame as framed

from .waiting import becomes

CORPUS = Path(__file__).parents[1] / "conformance" / "corpus"
PICTURE = (np.arange(3 * 4 * 5).reshape(3, 4, 5) * 4).astype(np.uint8)
"""What the files of tests/conformance/corpus have as their picture, [3, 4, 5]; see make.py there."""
STEPS = 25
"""More than the ten that TensorBoard keeps."""
NAME = "<img src=x onerror=window.hit=1>"

PIXEL = """async (figure, [x, y]) => {
    const shown = figure.querySelector("img, canvas");
    if (shown.decode) await shown.decode();
    const canvas = document.createElement("canvas");
    canvas.width = shown.naturalWidth ?? shown.width;
    canvas.height = shown.naturalHeight ?? shown.height;
    const pen = canvas.getContext("2d");
    pen.drawImage(shown, 0, 0);
    return [...pen.getImageData(x, y, 1, 1).data];
}"""


def solid(*colour: int, height: int = 6, width: int = 8) -> np.ndarray[Any, Any]:
    """A picture of one colour, [3, height, width]."""
    return np.broadcast_to(np.array(colour, np.uint8)[:, None, None], (3, height, width)).copy()


def png_of_size(width: int, height: int, data: bytes = zlib.compress(bytes(9))) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def encoded(pixels: np.ndarray[Any, Any]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.moveaxis(pixels, 0, 2))).save(out, "PNG")
    return out.getvalue()


def odd_run(folder: Path) -> None:
    """A run whose pictures are none, or lie; the last is good."""
    noise = np.random.default_rng(1).integers(0, 255, (3, 64, 64), np.uint8)
    odd = {
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="window.hit=1"><script>window.hit=1</script></svg>',
        "html": b"<!doctype html><script>window.hit=1</script>",
        "bomb": png_of_size(100_000, 100_000),
        "cut": encoded(noise)[:-2000],
        "damaged": encoded(noise)[:60] + bytes(500) + encoded(noise)[560:],
        "garbage": png_of_size(64, 64, b"no stream at all"),
        "lying": encoded(solid(10, 20, 30)),
        NAME: encoded(solid(1, 2, 3)),
    }
    folder.mkdir(parents=True)
    with open(folder / "events.out.tfevents.1.host", "wb") as file:
        file.write(framed(pb.Event(wall_time=9.0, file_version="brain.Event:2").SerializeToString()))
        for tag, data in odd.items():
            image = pb.Summary.Image(width=64, height=64, colorspace=3, encoded_image_string=data)
            summary = pb.Summary(value=[pb.Summary.Value(tag=f"odd/{tag}", image=image)])
            file.write(framed(pb.Event(wall_time=10.0, step=3, summary=summary).SerializeToString()))


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    """Runs by torch's SummaryWriter, by tf.summary and by ours, and one of odd pictures."""
    logdir = tmp_path_factory.mktemp("images")
    shutil.copytree(CORPUS / "torch-2.13.0" / "run", logdir / "torch")
    shutil.copytree(CORPUS / "tf.summary-2.21.0" / "run", logdir / "tf")
    with tb.SummaryWriter(logdir / "first") as first:
        for step in range(STEPS):
            first.add_image("samples", solid(10 * step, 255 - 10 * step, step), step)
    with tb.SummaryWriter(logdir / "ours") as ours:
        for step in range(STEPS):
            ours.add_image("samples", solid(200, 10 * step, 7), step)
        deep = np.zeros((1, 4, 4), np.uint16)
        deep[0, 1, 2] = 40_000
        ours.add_image("sixteen", deep, 0)
        clear = np.zeros((4, 4, 4), np.uint8)
        clear[:, :2] = [[[255]], [[0]], [[0]], [[255]]] * np.ones((4, 2, 4), np.uint8)
        ours.add_image("clear", clear, 0)
        ours.add_video("moving", np.stack([solid(255, 0, 0), solid(0, 0, 255)])[None], 0)
        boxed = ours.add_image_with_boxes
        boxed("boxed", solid(0, 0, 0, height=40, width=40), np.array([[10, 10, 30, 30]]), 0)
    odd_run(logdir / "odd")
    return serve_module(logdir)


def figure(page: Page, tag: str, run: str, n: int = 0) -> Locator:
    return page.locator(f'figure[data-tag="{tag}"][data-run="{run}"][data-n="{n}"]')


def shown(page: Page, tag: str, run: str, n: int = 0, step: int | None = None) -> Locator:
    """The picture, scrolled to, once it is shown at a step."""
    page.wait_for_function(
        """([tag, run, n, step]) => {
            const cards = [...document.querySelectorAll("[data-card]")];
            cards.find((card) => card.dataset.card === tag)?.scrollIntoView({ block: "nearest" });
            const one = [...document.querySelectorAll("figure")].find(({ dataset }) =>
                dataset.tag === tag && dataset.run === run && dataset.n === String(n));
            const image = one?.querySelector("img, canvas");
            return one?.dataset.state === "shown" && image && (step === null || image.dataset.step === String(step));
        }""",
        arg=[tag, run, n, step],
    )
    return figure(page, tag, run, n).first


def pixel(tile: Locator, x: int, y: int) -> list[int]:
    found: list[int] = tile.evaluate(PIXEL, [x, y])
    return found


def test_one_slider_moves_the_pictures_of_all_runs(board: Any, open_page: Callable[..., Page]) -> None:
    """Every one of 25 steps is there, with the colours that two runs were given for that very step."""
    page = open_page(board, "dash=images&runs=first|ours&tags=samples")
    assert pixel(shown(page, "samples", "first", step=24), 3, 3) == [240, 15, 24, 255]
    assert pixel(shown(page, "samples", "ours", step=24), 3, 3) == [200, 240, 7, 255]

    bar = page.get_by_role("group", name="Step of all pictures")
    bar.get_by_role("spinbutton").fill("11")
    bar.get_by_role("spinbutton").press("Enter")
    assert pixel(shown(page, "samples", "first", step=11), 3, 3) == [110, 145, 11, 255]
    assert pixel(shown(page, "samples", "ours", step=11), 3, 3) == [200, 110, 7, 255]

    page.locator("h2").first.click()
    page.locator("h2").first.click()
    page.keyboard.press(".")
    assert pixel(shown(page, "samples", "first", step=12), 3, 3) == [120, 135, 12, 255]
    page.wait_for_function("() => location.hash.includes('imat=12')")
    page.reload()
    assert pixel(shown(page, "samples", "ours", step=12), 3, 3) == [200, 120, 7, 255]


def test_pictures_of_torch_and_of_tf_summary(board: Any, open_page: Callable[..., Page]) -> None:
    """torch's SummaryWriter wrote one, and `tf.summary.image` two in one step: all are shown, pixel for pixel."""
    page = open_page(board, "dash=images&runs=^tf$|torch")
    for tag, run, n in (("picture", "torch", 0), ("pictures", "tf", 0), ("pictures", "tf", 1)):
        tile = shown(page, tag, run, n)
        for x, y in ((0, 0), (4, 3), (2, 1)):
            assert pixel(tile, x, y) == [*PICTURE[:, y, x].tolist(), 255]
    expect(page.locator('figure[data-tag="pictures"]')).to_have_count(2)


def test_steps_lie_along_and_each_card_may_have_its_own(board: Any, open_page: Callable[..., Page]) -> None:
    """A card of steps shows the last ones, each with its own colours; without the common slider each card has one."""
    page = open_page(board, "dash=images&runs=first&imby=steps")
    last = page.locator('figure[data-step="24"]')
    expect(last).to_have_attribute("data-state", "shown")
    assert pixel(last, 0, 0) == [240, 15, 24, 255]
    before = page.locator('figure[data-step="23"]')
    expect(before).to_have_attribute("data-state", "shown")
    assert pixel(before, 0, 0) == [230, 25, 23, 255]
    expect(page.locator('figure[data-step="0"]')).to_have_count(0)

    other = open_page(board, "dash=images&runs=first|ours&imsync=0")
    shown(other, "samples", "first", step=24)
    steps = other.get_by_role("group", name="Step of samples")
    steps.get_by_role("button", name="Previous step").click()
    assert pixel(shown(other, "samples", "first", step=23), 0, 0) == [230, 25, 23, 255]


def test_a_card_of_a_run_holds_its_tags(board: Any, open_page: Callable[..., Page]) -> None:
    """Pictures of many shapes in one card: all of them are shown, each with its own colours."""
    page = open_page(board, "dash=images&runs=ours&imby=runs&imat=3")
    card = page.get_by_role("group", name="ours", exact=True)
    expect(card.locator("figure[data-state=shown]")).to_have_count(5)
    assert pixel(figure(page, "samples", "ours"), 1, 1) == [200, 30, 7, 255]
    assert pixel(figure(page, "boxed", "ours"), 10, 20) == [255, 0, 0, 255]


def test_pictures_are_compared(board: Any, open_page: Callable[..., Page]) -> None:
    """The difference is exact, in pixels and in numbers; onion skin, swipe and side by side show both pictures."""
    page = open_page(board, "dash=images&runs=first|ours&tags=samples&imat=5")
    shown(page, "samples", "first", step=5).get_by_role("button").click()
    lens = page.get_by_role("dialog", name="Magnifier: samples")
    expect(lens.locator("img")).to_have_count(1)
    lens.get_by_text("Difference", exact=True).click()
    expect(lens.locator("canvas")).to_have_count(1)
    # first has 50, 205, 5 and ours 200, 50, 7
    becomes(lambda: pixel(lens, 1, 1), [150, 155, 2, 255])
    expect(lens.locator('[data-facts="apart"]')).to_contain_text(f"mean {307 / 3 / 255:.5g}")
    expect(lens.locator('[data-facts="apart"]')).to_contain_text(f"most {155 / 255:.5g}")
    expect(lens.locator('[data-facts="apart"]')).to_contain_text("100% of the pixels differ")

    for mode in ("Side by side", "Onion skin", "Swipe", "Flicker"):
        lens.get_by_text(mode, exact=True).click()
        expect(lens.locator("img")).to_have_count(2)
    page.wait_for_function("() => location.hash.includes('flicker')")

    page.keyboard.press("1")
    expect(lens.locator("img")).to_have_count(1)
    page.keyboard.press(".")
    expect(lens.locator("img")).to_have_attribute("data-step", "6")
    page.keyboard.press("Escape")
    expect(lens).to_have_count(0)
    shown(page, "samples", "first", step=6)  # the slider of all moved with it


def test_numbers_under_the_pointer_are_those_that_were_logged(board: Any, open_page: Callable[..., Page]) -> None:
    """Of a picture of 16 bits too; stretched from black to white its only bright pixel is white."""
    page = open_page(board, "dash=images&runs=ours&tags=sixteen")
    tile = shown(page, "sixteen", "ours")
    frame = tile.locator(".frame").bounding_box()
    assert frame is not None
    page.mouse.move(frame["x"] + frame["width"] * 2.5 / 4, frame["y"] + frame["height"] * 1.5 / 4)
    expect(tile.locator("output")).to_have_text("40000 40000 40000")
    page.mouse.move(frame["x"] + frame["width"] * 0.5 / 4, frame["y"] + frame["height"] * 1.5 / 4)
    expect(tile.locator("output")).to_have_text("0 0 0")

    stretched = open_page(board, "dash=images&runs=ours&tags=sixteen&imstretch=1")
    tile = shown(stretched, "sixteen", "ours")
    expect(tile.locator("canvas")).to_have_count(1)
    becomes(lambda: (pixel(tile, 2, 1), pixel(tile, 1, 1)), ([255, 255, 255, 255], [0, 0, 0, 255]))


def test_zoom_is_shared_and_brightness_changes_what_is_seen(board: Any, open_page: Callable[..., Page]) -> None:
    """Ctrl and the wheel over one picture zoom all; a brightness of 50% halves the colours on the screen."""
    page = open_page(board, "dash=images&runs=first|ours&tags=samples&imat=20&imbright=50")
    first, ours = shown(page, "samples", "first", step=20), shown(page, "samples", "ours", step=20)
    before = ours.locator(".frame").bounding_box()

    def seen() -> Any:
        screen = Image.open(io.BytesIO(first.locator(".frame").screenshot()))
        return screen.getpixel((20, 20))[:3]  # type: ignore[index]

    becomes(seen, pytest.approx((100, 27, 10), abs=1))

    first.locator(".pane").hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    page.wait_for_function(
        "([run, width]) => document.querySelector(`figure[data-run=${run}] .frame`).offsetWidth > 2.5 * width",
        arg=["ours", before and before["width"]],
    )
    page.get_by_role("button", name="Reset the zoom of all pictures").click()
    page.wait_for_function(
        "([run, width]) => document.querySelector(`figure[data-run=${run}] .frame`).offsetWidth < 1.1 * width",
        arg=["ours", before and before["width"]],
    )


def test_clear_moving_and_boxed_pictures(board: Any, open_page: Callable[..., Page]) -> None:
    """Where RGBA is clear the squares behind it are seen; a GIF is played by the browser; boxes are in the picture."""
    page = open_page(board, "dash=images&runs=ours")
    tile = shown(page, "clear", "ours")
    assert (pixel(tile, 0, 0), pixel(tile, 0, 3)[3]) == ([255, 0, 0, 255], 0)

    def below() -> Any:
        screen = Image.open(io.BytesIO(tile.locator(".frame").screenshot()))
        return {screen.getpixel((x, screen.height - 8))[:3] for x in range(40)}  # type: ignore[index]

    becomes(below, {(0x9A,) * 3, (0xCF,) * 3})

    moving = shown(page, "moving", "ours")
    expect(moving.locator("img")).to_have_attribute("data-kind", "image/gif")
    assert pixel(shown(page, "boxed", "ours"), 10, 20) == [255, 0, 0, 255]


def test_what_poses_as_a_picture_is_named_and_the_rest_lives(board: Any, open_page: Callable[..., Page]) -> None:
    """SVG, HTML, a bomb, and damaged files are named with run, tag and step; nothing of them, nor of names, is run."""
    page = open_page(board, "dash=images&runs=odd")
    said = {
        "svg": "an SVG drawing, which can hold scripts",
        "html": "an HTML page",
        "bomb": "100000 x 100000 pixels",
        "garbage": "its pixels cannot be unpacked",
    }
    for tag, sentence in said.items():
        card = page.get_by_role("group", name=f"odd/{tag}", exact=True)
        card.scroll_into_view_if_needed()
        note = card.get_by_role("note")
        expect(note).to_contain_text(sentence)
        expect(note).to_contain_text(f"run odd, tag odd/{tag}, step 3")
        expect(card.locator("img")).to_have_count(0)
    expect(
        page.get_by_role("group", name="odd/bomb", exact=True).get_by_role("button", name="Open it anyway")
    ).to_have_count(0)
    flaws = {
        "cut": "it ends in the middle",
        "damaged": "a checksum in it fails",
        "lying": "the event says 64 x 64 pixels, the picture is 8 x 6",
    }
    for tag, flaw in flaws.items():
        tile = shown(page, f"odd/{tag}", "odd")
        expect(tile.get_by_role("note")).to_contain_text(flaw)
    assert pixel(shown(page, f"odd/{NAME}", "odd"), 2, 2) == [1, 2, 3, 255]
    assert page.evaluate("() => window.hit") is None


def test_pictures_are_saved_as_shown_and_as_written(board: Any, open_page: Callable[..., Page]) -> None:
    """All of a step in one PNG; or in an archive the very bytes, whose pixels are those of the step."""
    page = open_page(board, "dash=images&runs=first|ours&tags=samples&imat=7")
    shown(page, "samples", "first", step=7)
    shown(page, "samples", "ours", step=7)

    def saved(kind: str) -> bytes:
        page.get_by_role("button", name="Download samples").click()
        with page.expect_download() as download:
            page.get_by_role("menuitem", name=kind).click()
        return Path(download.value.path()).read_bytes()

    archive = zipfile.ZipFile(io.BytesIO(saved("ZIP")))
    assert archive.testzip() is None
    names = archive.namelist()
    assert names == ["001-first-samples-7.png", "002-ours-samples-7.png"]
    colours = [Image.open(io.BytesIO(archive.read(name))).getpixel((0, 0)) for name in names]
    assert colours == [(70, 185, 7), (200, 70, 7)]
    sheet = Image.open(io.BytesIO(saved("PNG"))).convert("RGB")
    found = {sheet.getpixel((x, y)) for x in range(0, sheet.width, 4) for y in range(0, sheet.height, 4)}
    assert {(200, 70, 7), (70, 185, 7)} <= found


def test_only_what_is_near_is_fetched(tmp_path: Path, open_page: Callable[..., Page]) -> None:
    """Of a hundred tags the page asks for those in or near sight, and for the last ones when they are scrolled to."""
    with tb.SummaryWriter(tmp_path / "run") as writer:
        for tag in range(100):
            writer.add_image(f"{tag:03}", solid(tag, 0, 0), 0)
    page = open_page(tmp_path, "dash=images&columns=2")
    shown(page, "000", "run")
    page.wait_for_function("() => !document.querySelector('figure[data-state=waiting]')")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/picture" in request.url else None)
    page.reload()
    shown(page, "000", "run")
    page.wait_for_function("() => !document.querySelector('figure[data-state=waiting]')")
    assert 0 < len(asked) < 30
    assert pixel(shown(page, "099", "run"), 0, 0) == [99, 0, 0, 255]
    assert len(asked) < 100
