"""Meshes in the page: the right faces in the right colours from where one looks; what does not fit is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, Playwright, expect

import tallyboard as tb
from tallyboard.core.proto import event_pb2 as pb
from tallyboard.core.proto.plugin_pb2 import MeshPluginData
from tallyboard.core.record import frame as framed

from .conftest import FLAGS, find_chromium
from .waiting import becomes

GL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
"""WebGL by the processor: these stand in place of `--disable-gpu`."""

NAME = "<img src=x onerror=window.hit=1>"
CONFIG = {"__proto__": {"hit": 1}, "material": {"cls": "ShaderMaterial", "onBeforeCompile": "window.hit = 1"}}


def cube() -> tuple[Any, Any]:
    """Vertices [24, 3] and faces [12, 3] of a cube whose sides share no vertex: +x, -x, +y, -y, +z, -z."""
    vertices, faces = [], []
    for axis in range(3):
        for sign in (1, -1):
            start = len(vertices)
            for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                corner = np.zeros(3)
                corner[[axis, (axis + 1) % 3, (axis + 2) % 3]] = sign, a, b
                vertices.append(corner)
            faces += [[start, start + 1, start + 2], [start, start + 2, start + 3]]
    return np.array([vertices], np.float32), np.array([faces], np.int32)


VERTICES, FACES = cube()
SIDES = {0: [[200, 10, 20], [10, 200, 20], [30, 40, 220], [220, 210, 30], [200, 20, 210], [20, 190, 200]]}
SIDES[5] = [[255 - part for part in side] for side in SIDES[0]]
"""The colour of each side at each step."""


def colours(step: int) -> Any:
    return np.repeat(np.array([SIDES[step]], np.uint8), 4, axis=1)


def broken(folder: Path) -> None:
    """A cube whose last faces name vertices that are not there, in a mesh with markup for a name."""
    folder.mkdir()
    strange = FACES.copy()
    strange[0, :2] = 99
    holed = VERTICES.copy()
    holed[0, 20] = np.nan
    with open(folder / "events.out.tfevents.1.host", "wb") as file:
        file.write(framed(pb.Event(wall_time=9.0, file_version="brain.Event:2").SerializeToString()))
        for kind, end, array, dtype in (
            (1, "VERTEX", holed, 1),
            (2, "FACE", strange, 3),
            (3, "COLOR", colours(5)[:, :3], 4),
        ):
            about = MeshPluginData(name=NAME, content_type=kind, json_config=json.dumps(CONFIG), shape=array.shape)
            metadata = pb.SummaryMetadata()
            metadata.plugin_data.plugin_name, metadata.plugin_data.content = "mesh", about.SerializeToString()
            shape = pb.TensorShapeProto(dim=[pb.TensorShapeProto.Dim(size=size) for size in array.shape])
            tensor = pb.TensorProto(dtype=dtype, tensor_shape=shape, tensor_content=array.tobytes())
            value = pb.Summary.Value(tag=f"{NAME}_{end}", metadata=metadata, tensor=tensor)
            file.write(framed(pb.Event(wall_time=10.0, step=5, summary=pb.Summary(value=[value])).SerializeToString()))


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A Chromium that has WebGL, on any machine."""
    flags = [flag for flag in FLAGS if flag != "--disable-gpu"]
    launched = playwright.chromium.launch(executable_path=find_chromium(), args=[*flags, *GL])
    yield launched
    launched.close()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Any]) -> Any:
    logdir = tmp_path_factory.mktemp("meshes")
    torch = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    other = pytest.importorskip("tensorboardX").SummaryWriter
    for name, writer in (("ours", tb.SummaryWriter), ("torch", torch), ("x", other)):
        with writer(str(logdir / name)) as made:
            for step in SIDES:
                made.add_mesh("shape/cube", VERTICES, colors=colours(step), faces=FACES, global_step=step)
    tf = pytest.importorskip("tensorflow")
    mesh_summary = pytest.importorskip("tensorboard.plugins.mesh.summary_v2")
    with tf.summary.create_file_writer(str(logdir / "tf")).as_default():
        for step in SIDES:
            mesh_summary.mesh("shape/cube", VERTICES, FACES, colours(step), step=step)
    with tb.SummaryWriter(logdir / "batch") as writer:
        both = np.concatenate([VERTICES, VERTICES * 0.5])
        writer.add_mesh("two", both, np.concatenate([colours(0), colours(5)]), np.concatenate([FACES, FACES]))
    broken(logdir / "broken")
    return serve_module(logdir)


def state(**more: Any) -> str:
    """An address that looks straight at +z, in plain colours."""
    pose = json.dumps({"turn": 0, "tilt": 0, "zoom": 1, "at": [0, 0, 0]}, separators=(",", ":"))
    return "&".join(
        ["dash=meshes", "msshade=plain", f"mscam={pose}", *(f"{key}={value}" for key, value in more.items())]
    )


MIDDLE = """(canvas) => {
    const { data } = canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1);
    return [...data].slice(0, 3);
}"""

COVERED = """(canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) if (Math.abs(data[i] - data[0]) > 20) count++;
    return count;
}"""
"""How many pixels are not the background's."""


def body(page: Page, run: str) -> Locator:
    return page.locator(f'[data-run="{run}"]')


def middles(page: Page, *of: str) -> list[list[int]]:
    """The colour in the middle of each run's card."""
    return [canvas.evaluate(MIDDLE) if (canvas := body(page, run).locator("canvas")).count() else [] for run in of]


WRITERS = ("ours", "torch", "x", "tf")


def test_faces_have_their_colours_from_every_side(runs: Any, open_page: Callable[..., Page]) -> None:
    """In front is the side that looks there, in the colour of its step, for every writer; a turn of one turns all."""
    page = open_page(runs, state(runs="^(ours|torch|x|tf)$"))
    becomes(lambda: middles(page, *WRITERS), [SIDES[5][4]] * 4)
    for run in WRITERS:
        expect(body(page, run)).to_have_attribute("data-faces", "12")
    body(page, "torch").get_by_role("application").focus()
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    becomes(lambda: middles(page, *WRITERS), [SIDES[5][0]] * 4)
    page.keyboard.press(",")
    becomes(lambda: middles(page, *WRITERS), [SIDES[0][0]] * 4)
    for _ in range(9):
        page.keyboard.press("ArrowUp")
    becomes(lambda: middles(page, *WRITERS), [SIDES[0][2]] * 4)
    page.wait_for_function("() => decodeURIComponent(location.hash).includes('\"tilt\":90')")


def test_the_vertex_under_the_pointer_is_told(runs: Any, open_page: Callable[..., Page]) -> None:
    """Its number, place and colour; a drag then turns the mesh, and light changes its colour."""
    page = open_page(runs, state(runs="^ours$"))
    becomes(lambda: middles(page, "ours"), [SIDES[5][4]])
    canvas = body(page, "ours").locator("canvas")
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x + 20, y - 15)
    card = page.get_by_role("group", name="shape/cube · ours", exact=True)
    vertex = next(i for i in range(16, 20) if VERTICES[0, i].tolist() == [1, 1, 1])
    red, green, blue = SIDES[5][4]
    expect(card.locator("output.under")).to_contain_text(f"vertex {vertex} (1, 1, 1) · rgb({red}, {green}, {blue})")
    page.mouse.down()
    page.mouse.move(x + 20 - 180, y - 15, steps=3)
    page.mouse.up()
    becomes(lambda: middles(page, "ours"), [SIDES[5][0]])
    page.get_by_label("Shading").select_option("flat")
    becomes(lambda: middles(page, "ours") == [SIDES[5][0]], False)


def test_a_batch_is_leafed_through_and_saved(runs: Any, open_page: Callable[..., Page]) -> None:
    """Each mesh of a batch is drawn and saved; to one scale a mesh half as large is drawn half as large."""
    page = open_page(runs, state(runs="^batch$", msortho=1))
    becomes(lambda: middles(page, "batch"), [SIDES[0][4]])
    canvas = body(page, "batch").locator("canvas")
    large = canvas.evaluate(COVERED)
    page.get_by_role("button", name="Next mesh of the batch").click()
    becomes(lambda: middles(page, "batch"), [SIDES[5][4]])
    becomes(lambda: 0.23 < canvas.evaluate(COVERED) / large < 0.27, True)
    page.get_by_role("button", name="Download two · batch").click()
    with page.expect_download() as saving:
        page.get_by_role("menuitem", name="PLY").click()
    data = Path(saving.value.path()).read_bytes()
    head, _, rest = data.partition(b"end_header\n")
    assert b"element vertex 24\n" in head
    assert b"element face 12\n" in head
    rows = np.frombuffer(rest, np.dtype([("at", "<f4", 3), ("rgb", "u1", 3)]), 24)
    assert np.array_equal(rows["at"], VERTICES[0] * 0.5)
    assert np.array_equal(rows["rgb"], colours(5)[0])


def test_what_is_wrong_is_named_and_the_rest_drawn(runs: Any, open_page: Callable[..., Page]) -> None:
    """What does not fit is told with run, tag and step; no markup is run, and the sound faces are drawn."""
    page = open_page(runs, state(runs="^(broken|ours)$"))
    note = body(page, "broken").get_by_role("note")
    for said in (
        f"run broken, tag {NAME}_VERTEX, step 5",
        "2 of 12 faces name vertices that are not there (99, 99, 99, ...; there are 0 to 23)",
        "1 of 24 vertices have NaN or infinity in them",
        "there are 3 colours for 24 vertices",
        "__proto__",
        "material.cls is nothing known here (ShaderMaterial)",
    ):
        expect(note).to_contain_text(said)
    becomes(lambda: middles(page, "ours"), [SIDES[5][4]])
    drawn = body(page, "broken").locator("canvas[data-painted]")
    expect(drawn).to_be_visible()
    expect(body(page, "broken")).to_have_attribute("data-faces", "8")
    assert page.evaluate("() => [window.hit, {}.hit]") == [None, None]


KEEP_CONTEXTS = """(() => {
    const made = HTMLCanvasElement.prototype.getContext;
    window.contexts = [];
    HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
        const context = window.none && kind === "webgl2" ? null : made.call(this, kind, ...more);
        if (kind === "webgl2") window.contexts.push(context);
        return context;
    };
})()"""


def test_graphics_that_are_taken_away_come_back(runs: Any, open_page: Callable[..., Page]) -> None:
    """All cards share one context. When the browser takes it, they say so; when it is back they are drawn again."""
    page = open_page(runs, "dash=text")
    page.add_init_script(KEEP_CONTEXTS)
    page.goto(f"{runs.url}?#{state(runs='^(ours|torch)$')}")
    becomes(lambda: middles(page, "ours", "torch"), [SIDES[5][4]] * 2)
    page.evaluate(
        "() => { window.lost = window.contexts[0].getExtension('WEBGL_lose_context'); window.lost.loseContext(); }"
    )
    expect(body(page, "ours").get_by_role("note")).to_contain_text("took its 3D graphics away")
    page.evaluate("() => window.lost.restoreContext()")
    becomes(lambda: middles(page, "ours", "torch"), [SIDES[5][4]] * 2)
    assert page.evaluate("() => window.contexts.length") == 1


def test_without_webgl_the_numbers_stay(runs: Any, open_page: Callable[..., Page]) -> None:
    """A browser without WebGL says so on the card, which tells and saves the mesh all the same."""
    page = open_page(runs, "dash=text")
    page.add_init_script(f"{KEEP_CONTEXTS}; window.none = true;")
    page.goto(f"{runs.url}?#{state(runs='^ours$')}")
    expect(body(page, "ours").get_by_role("note")).to_contain_text("This browser has no WebGL")
    card = page.get_by_role("group", name="shape/cube · ours", exact=True)
    expect(card).to_contain_text("24 vertices · 12 faces")
    expect(card).to_contain_text("x -1 … 1")
