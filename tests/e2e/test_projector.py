"""The projector: what torch's, TensorBoard's and our writers wrote, painted where NumPy says that it belongs."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

import tallyboard as tb

from .conftest import FLAGS, Viewer, find_chromium

SWIFTSHADER = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
RNG = np.random.default_rng(6)
CLASSES = ("ant", "bee", "cow")
HUES = ((0x21, 0x78, 0xFC), (0xEB, 0x95, 0x44), (0x43, 0xE4, 0x9A))  # the first three of the dark theme
CENTRES = np.array([[9, 0, 0, 0, 0, 1], [-6, 7, 0, 0, 1, 0], [-5, -8, 0, 1, 0, 0]], np.float32)
CLASS = np.arange(90) % 3
VECTORS = (CENTRES[CLASS] + RNG.normal(size=(90, 6))).astype(np.float32)
SIZES = np.arange(90) * 2
METADATA = [[CLASSES[kind], str(2 * i), f"{CLASSES[kind]} number {i}"] for i, kind in enumerate(CLASS)]
EVIL = "<img src=x onerror=window.hacked=1>"


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Chromium with WebGL, which it computes without a graphics card."""
    flags = [*(flag for flag in FLAGS if flag != "--disable-gpu"), *SWIFTSHADER]
    launched = playwright.chromium.launch(executable_path=find_chromium(), args=flags)
    yield launched
    launched.close()


def write_config(folder: Path, entries: str, files: dict[str, str | bytes]) -> None:
    folder.mkdir(parents=True)
    with tb.SummaryWriter(folder) as writer:
        writer.add_scalar("loss", 1.0, 0)
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "projector_config.pbtxt").write_text(entries, encoding="utf-8")


def tsv(rows: Any) -> str:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows)


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory, serve_module: Callable[..., Viewer]) -> Viewer:
    logdir = tmp_path_factory.mktemp("projector")
    with tb.SummaryWriter(logdir / "ours") as writer:
        writer.add_embedding(VECTORS, METADATA, step=3, tag="animals", metadata_header=["class", "size", "name"])
    with tb.SummaryWriter(logdir / "many") as writer:
        writer.add_embedding(RNG.normal(size=(3_000, 6)), tag="noise")
    red, blue = np.zeros((2, 3, 4, 4), np.uint8)
    red[0] = blue[2] = 255
    with tb.SummaryWriter(logdir / "pictured") as writer:
        pictures = np.stack([red if i % 2 else blue for i in range(4)])
        places = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]], np.float32)
        writer.add_embedding(places * (2, 1), ["one", "two", "three", "four"], pictures, tag="corners")
    odd = VECTORS.copy()
    odd[4, 2] = np.nan
    names = [EVIL, *(f"n{i}" for i in range(1, 60))]
    entry = 'embeddings {{ tensor_name: "odd" tensor_path: "t.bytes" tensor_shape: 90 tensor_shape: 6 {} }}'
    write_config(
        logdir / "hostile",
        entry.format('metadata_path: "m.tsv" sprite { image_path: "s.png" single_image_dim: 9 single_image_dim: 9 }'),
        {"t.bytes": odd.tobytes(), "m.tsv": "\n".join(names) + "\n", "s.png": png(27, 27)},
    )
    write_config(
        logdir / "tf",
        'embeddings { tensor_name: "words" tensor_path: "t.tsv" metadata_path: "m.tsv" }',
        {"t.tsv": tsv(VECTORS), "m.tsv": "class\tnumber\n" + tsv((CLASSES[c], i) for i, c in enumerate(CLASS))},
    )
    write_config(logdir / "broken", "embeddings { nonsense", {})
    return serve_module(logdir)


def png(width: int, height: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(file, "png")
    return file.getvalue()


def stage(page: Page) -> Any:
    return page.locator(".stage")


def show(page: Page, points: int) -> None:
    """Wait until so many points are painted."""
    expect(stage(page)).to_have_attribute("data-points", str(points))
    page.wait_for_function(
        "() => { const { matrix, frames } = document.querySelector('.stage').dataset; return matrix && frames > 0; }"
    )


def table(page: Page) -> list[dict[str, str]]:
    """The rows of the CSV that the page saves."""
    page.get_by_role("button", name="Download", exact=True).click()
    with page.expect_download() as saved:
        page.get_by_role("menuitem", name="CSV").click()
    return list(csv.DictReader(io.StringIO(Path(saved.value.path()).read_text(encoding="utf-8"))))


def coordinates(page: Page) -> Any:
    """float64 of shape [rows, 3]: where the projection puts the rows."""
    return np.array([[float(row[axis]) for axis in "xyz"] for row in table(page)])


def on_screen(page: Page, points: Any) -> Any:
    """Where points are in the stage, in pixels; shape [rows, 2]."""
    data = page.evaluate("() => ({ ...document.querySelector('.stage').dataset })")
    box = stage(page).bounding_box()
    fitted = (points - np.array(data["middle"].split(","), float)) * float(data["scale"])
    matrix = np.array(data["matrix"].split(","), float).reshape(4, 4).T
    clip = np.c_[fitted, np.ones(len(fitted))] @ matrix.T
    ndc = clip[:, :2] / clip[:, 3:]
    return (ndc * (1, -1) + 1) / 2 * (box["width"], box["height"])


PIXELS = """(places) => {
    const source = document.querySelector(".stage canvas.points");
    const copy = document.createElement("canvas");
    [copy.width, copy.height] = [source.width, source.height];
    const context = copy.getContext("2d");
    context.drawImage(source, 0, 0);
    const ratio = source.width / source.clientWidth;
    return places.map(([x, y]) => [...context.getImageData(Math.round(x * ratio), Math.round(y * ratio), 1, 1).data]);
}"""


def colours(page: Page, places: Any) -> Any:
    """Red, green and blue of these places of the painted points."""
    return np.array(page.evaluate(PIXELS, places.tolist()))[:, :3]


def principal(vectors: Any) -> tuple[Any, Any]:
    """Every row's principal components, and their shares of the variance."""
    centred = vectors.astype(float) - vectors.mean(0, dtype=float)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    return centred @ axes.T, values**2 / (values**2).sum()


def test_points_are_where_numpy_puts_them(viewer: Viewer, open_page: Callable[..., Page]) -> None:
    """The principal components and their shares are NumPy's, and in the middle of each point is its class's colour."""
    page = open_page(viewer, "dash=projector&pjrun=ours&pjflat=1")
    show(page, 90)

    expected, shares = principal(VECTORS)
    found = coordinates(page)
    for k in range(2):
        sign = np.sign(found[:, k] @ expected[:, k])
        np.testing.assert_allclose(found[:, k], sign * expected[:, k], atol=1e-3)
    options = page.get_by_label("Component along X").locator("option").all_inner_texts()
    assert options == [f"{i + 1}: {share * 100:.1f} %" for i, share in enumerate(shares)]
    painted = colours(page, on_screen(page, found))
    assert np.abs(painted.astype(int) - np.array(HUES)[CLASS]).max() < 12
    legend = page.get_by_role("region", name="Colours", exact=True).locator("li").all_inner_texts()
    assert [entry.split() for entry in legend] == [[name, "30"] for name in CLASSES]


def test_what_each_writer_wrote(tmp_path: Path, serve: Callable[..., Viewer], open_page: Callable[..., Page]) -> None:
    """The embedding of torch's writer, and one that TensorBoard's own call configured, are at the same places."""
    torch = pytest.importorskip("torch.utils.tensorboard")
    with torch.SummaryWriter(str(tmp_path / "torch")) as writer:
        writer.add_embedding(VECTORS, [row[0] for row in METADATA], global_step=3, tag="animals")
    projector = pytest.importorskip("tensorboard.plugins.projector")
    config = projector.ProjectorConfig()
    made = config.embeddings.add(tensor_name="words", tensor_path="t.tsv", metadata_path="m.tsv")
    assert made.tensor_name == "words"
    with tb.SummaryWriter(tmp_path / "tf") as writer:
        writer.add_scalar("loss", 1.0, 0)
    projector.visualize_embeddings(str(tmp_path / "tf"), config)
    (tmp_path / "tf" / "t.tsv").write_text(tsv(VECTORS), encoding="utf-8")
    (tmp_path / "tf" / "m.tsv").write_text(tsv([row[0]] for row in METADATA), encoding="utf-8")
    page = open_page(serve(tmp_path), "dash=projector&pjflat=1")

    expected, _ = principal(VECTORS)
    for label in ("tf · words", "torch · animals:00003"):
        page.get_by_label("Embedding").select_option(label=label)
        expect(stage(page)).to_have_attribute("aria-label", re.compile(re.escape(label.split(" · ")[1])))
        show(page, 90)
        found = coordinates(page)
        np.testing.assert_allclose(np.abs(found[:, :2]), np.abs(expected[:, :2]), atol=1e-3)
        painted = colours(page, on_screen(page, found))
        assert np.abs(painted.astype(int) - np.array(HUES)[CLASS]).max() < 12


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbours_are_numpys(viewer: Viewer, open_page: Callable[..., Page], metric: str) -> None:
    """A click on a point lists its metadata and its nearest others, in NumPy's order, and they can be isolated."""
    page = open_page(viewer, f"dash=projector&pjrun=ours&pjflat=1&pjk=7&pjlabel=name&pjmetric={metric}")
    show(page, 90)
    chosen = 12
    x, y = on_screen(page, coordinates(page))[chosen]
    box = stage(page).bounding_box()
    page.mouse.click(box["x"] + x, box["y"] + y)

    point = page.get_by_role("region", name="Chosen point", exact=True)
    row = int(re.search(r"Row (\d+)", point.inner_text()).group(1))  # type: ignore[union-attr]
    assert np.hypot(*(on_screen(page, coordinates(page))[row] - (x, y))) < 8
    assert point.locator("dd").all_inner_texts() == METADATA[row]
    away = VECTORS.astype(float) - VECTORS[row]
    distance = np.linalg.norm(away, axis=1)
    if metric == "cosine":
        unit = VECTORS / np.linalg.norm(VECTORS.astype(float), axis=1, keepdims=True)
        distance = 1 - unit @ unit[row]
    order = [i for i in np.argsort(distance, kind="stable") if i != row][:7]
    names = point.get_by_role("list", name="Nearest points").locator(".name")
    expect(names).to_have_text([METADATA[i][2] for i in order])
    shown = point.locator(".distance").all_inner_texts()
    np.testing.assert_allclose([float(text) for text in shown], distance[order], rtol=1e-3, atol=1e-6)
    point.get_by_role("button", name="Isolate these 8").click()
    show(page, 8)
    page.get_by_role("button", name="Bring all back").click()
    show(page, 90)


def test_search_box_and_legend(viewer: Viewer, open_page: Callable[..., Page]) -> None:
    """Texts and regexes find their rows, a box chooses the points inside, an entry of the legend lets its points stand
    out; what is found can be isolated; the address brings it back."""
    page = open_page(viewer, "dash=projector&pjrun=ours&pjflat=1&pjlabel=name")
    show(page, 90)
    places = on_screen(page, coordinates(page))
    status = page.get_by_role("region", name="Points", exact=True).get_by_role("status")
    page.get_by_label("Search points").fill("number 1")
    expect(status).to_have_text("11 found")
    page.get_by_role("button", name="Regex").click()
    page.get_by_label("Search points").fill("^bee .*[05]$")
    found = [row[2] for row in METADATA if re.match("bee .*[05]$", row[2])]
    expect(page.locator(".list .point .name")).to_have_text(found)
    page.get_by_role("button", name="Isolate", exact=True).click()
    show(page, len(found))
    page.get_by_role("button", name="Bring all back").click()
    page.get_by_label("Search points").fill("")
    show(page, 90)

    box = stage(page).bounding_box()
    cows = places[CLASS == 2]
    page.keyboard.down("Shift")
    page.mouse.move(*(cows.min(0) - 4 + (box["x"], box["y"])))
    page.mouse.down()
    page.mouse.move(*(cows.max(0) + 4 + (box["x"], box["y"])), steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    expect(status).to_have_text("30 chosen")
    expect(page.locator(".list .point .name").first).to_have_text("cow number 2")
    page.get_by_role("button", name="Clear the choice").click()
    page.get_by_role("region", name="Colours", exact=True).get_by_role("button", name="ant").click()
    page.wait_for_function("() => location.hash.includes('pjonly=ant')")
    page.reload()
    show(page, 90)
    expect(page.get_by_role("button", name="ant 30")).to_have_attribute("aria-pressed", "true")
    painted = colours(page, on_screen(page, coordinates(page)))
    same = np.abs(painted.astype(int) - np.array(HUES)[CLASS]).max(1) < 12
    assert same[CLASS == 0].all()


def test_turning_and_zooming(viewer: Viewer, open_page: Callable[..., Page]) -> None:
    """A drag turns the points, the wheel and keys zoom, 0 shows all again; nothing is painted while nothing changes."""
    page = open_page(viewer, "dash=projector&pjrun=ours")
    show(page, 90)
    first = stage(page).get_attribute("data-matrix")
    box = stage(page).bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 90, middle[1] + 20, steps=4)
    page.mouse.up()
    page.wait_for_function("() => location.hash.includes('pjview=')")
    turned = stage(page).get_attribute("data-matrix")
    assert turned != first
    expected = principal(VECTORS)[0]
    found = coordinates(page)
    np.testing.assert_allclose(np.abs(found), np.abs(expected[:, :3]), atol=1e-3)
    stage(page).focus()
    page.keyboard.press("+")
    page.wait_for_function("(was) => document.querySelector('.stage').dataset.matrix !== was", arg=turned)
    page.keyboard.press("0")
    page.wait_for_function("(was) => document.querySelector('.stage').dataset.matrix === was", arg=first)
    page.keyboard.press("b")
    show(page, 90)
    np.testing.assert_array_equal(coordinates(page)[:, 2], 0)
    frames = page.evaluate(
        """async () => {
            const read = () => Number(document.querySelector(".stage").dataset.frames);
            const frame = () => new Promise(requestAnimationFrame);
            let still = 0;
            for (let last = read(); still < 5; last = read()) {
                await frame();
                still = read() === last ? still + 1 : 0;
            }
            const before = read();
            for (let i = 0; i < 20; i++) await frame();
            return read() - before;
        }"""
    )
    assert frames == 0


def test_umap_in_the_browser(viewer: Viewer, open_page: Callable[..., Page]) -> None:
    """UMAP runs in a worker that the page's policy permits, ends, and keeps neighbours of one class together."""
    page = open_page(viewer, "dash=projector&pjrun=ours&pj=umap&pjflat=1")
    panel = page.get_by_role("region", name="Projection", exact=True)
    expect(panel.get_by_role("button", name="Run")).to_be_visible()
    show(page, 90)
    found = coordinates(page)
    pairs = np.linalg.norm(found[:, None] - found[None], axis=2) + np.eye(90) * 1e9
    assert (CLASS[pairs.argmin(1)] == CLASS).mean() > 0.95
    assert np.abs(np.abs(found[:, :2]) - np.abs(principal(VECTORS)[0][:, :2])).max() > 0.5


def test_umap_can_be_stopped(viewer: Viewer, open_page: Callable[..., Page]) -> None:
    """Of three thousand points it is stopped on its way, and can be run again."""
    page = open_page(viewer, "dash=projector&pjrun=many&pj=umap")
    panel = page.get_by_role("region", name="Projection", exact=True)
    panel.get_by_role("button", name="Stop").click()
    expect(panel.get_by_role("button", name="Run")).to_be_visible()
    expect(panel.get_by_role("progressbar")).to_have_count(0)
    panel.get_by_role("button", name="Run").click()
    panel.get_by_role("button", name="Stop").click()


def test_of_too_many_rows_a_sample_is_shown_by_its_numbers(
    tmp_path: Path, serve: Callable[..., Viewer], open_page: Callable[..., Page]
) -> None:
    """Of 120,000 rows 100,000 are shown, and both numbers; a point's number and texts are its row's in the file, and
    its neighbours those among all rows, those that are not shown among them. No vectors are fetched for that."""
    rows = 120_000
    vectors = np.stack([np.arange(rows), np.arange(rows) % 7], 1).astype(np.float32)
    with tb.SummaryWriter(tmp_path / "run") as writer:
        writer.add_embedding(vectors, [f"word {i}" for i in range(rows)], tag="long")
    page = open_page(serve(tmp_path))
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    page.evaluate("() => (location.hash = 'dash=projector&pjflat=1&pjk=9&pjmetric=euclidean')")
    show(page, 100_000)
    expect(page.locator(".bar .count")).to_contain_text("100,000 of 120,000 rows")
    page.get_by_label("Search points").fill("word 77777")
    listed = page.locator(".list .point .name")
    expect(listed).to_have_text(["word 77777"])
    listed.click()
    point = page.get_by_role("region", name="Chosen point", exact=True)
    expect(point).to_contain_text("Row 77,777")
    expect(point.locator("dd")).to_have_text(["word 77777"])
    distance = np.hypot(*(vectors.astype(float) - vectors[77_777]).T)
    near = [i for i in np.argsort(distance, kind="stable") if i != 77_777][:9]
    names = point.get_by_role("list", name="Nearest points").locator(".name")
    expect(names).to_have_count(9)
    found = names.all_inner_texts()
    assert found == [
        f"row {i:,} (not shown)" if "not shown" in text else f"word {i}" for i, text in zip(near, found, strict=True)
    ]
    shown = {int(text.split()[1]) for text in found if "not shown" not in text}
    assert 0 < len(shown) < 9
    assert not [url for url in fetched if "projector/vectors" in url]


def test_without_its_library_tsne_says_what_to_install(viewer: Viewer, open_page: Callable[..., Page]) -> None:
    """The panel has the server's line, and the other projections go on."""
    page = open_page(viewer, "dash=projector&pjrun=ours&pjflat=1")
    show(page, 90)
    said = "t-SNE needs openTSNE on the server: pip install 'tallyboard[projector]'"
    page.route("**/api/projector/tsne", lambda route: route.fulfill(status=501, json={"error": said}))
    ways = page.get_by_role("radiogroup", name="Projection")
    ways.get_by_text("t-SNE").click()
    alert = page.get_by_role("region", name="Projection", exact=True).get_by_role("alert")
    expect(alert).to_contain_text("pip install 'tallyboard[projector]'")
    ways.get_by_text("PCA").click()
    expect(alert).to_have_count(0)
    show(page, 90)


def test_axes_of_ones_own(viewer: Viewer, open_page: Callable[..., Page]) -> None:
    """An axis from one search's points to another's is the projection that NumPy computes; others are a dimension and a
    column of numbers."""
    page = open_page(viewer, "dash=projector&pjrun=ours&pj=axes&pjx=q:ant%0Acow&pjy=d4&pjz=c:size")
    show(page, 90)
    ant, cow = (VECTORS[kind == CLASS].mean(0, dtype=float) for kind in (0, 2))
    way = cow - ant
    expected = [(VECTORS - ant) @ way / (way @ way), VECTORS[:, 4], SIZES]
    for column, wanted in zip(coordinates(page).T, expected, strict=True):
        middle, half = (wanted.max() + wanted.min()) / 2, (wanted.max() - wanted.min()) / 2
        np.testing.assert_allclose(column, (wanted - middle) / half, atol=1e-4)


def test_pictures_are_painted_at_their_points(viewer: Viewer, open_page: Callable[..., Page]) -> None:
    """Each point of an embedding with a sprite is its own picture: red or blue, not tinted without groups."""
    page = open_page(viewer, "dash=projector&pjrun=pictured&pjname=corners:00000&pjflat=1&pjcolour=-")
    show(page, 4)
    page.wait_for_function("() => document.querySelector('.stage').dataset.pictures === '4'")
    painted = colours(page, on_screen(page, coordinates(page)))
    assert painted.tolist() == [[0, 0, 255], [255, 0, 0], [0, 0, 255], [255, 0, 0]]


def test_bad_inputs_are_named_and_the_rest_is_shown(viewer: Viewer, open_page: Callable[..., Page]) -> None:
    """NaN in a row, too few rows of metadata, a sprite too small and a broken configuration are told with the run;
    names with markup are text; the other points are there."""
    page = open_page(viewer, "dash=projector&pjrun=hostile&pjname=odd&pjflat=1&pjpoint=0")
    show(page, 89)
    problems = page.get_by_role("list", name="Problems")
    for text in ("90 rows have 60 rows of metadata", "not 90", "'hostile', embedding 'odd'", "run 'broken'"):
        expect(problems).to_contain_text(text)
    expect(page.get_by_text("1 row has no place here")).to_be_visible()
    expect(page.locator(".list .point .name").first).to_have_text(EVIL)
    expect(page.get_by_role("region", name="Chosen point", exact=True).locator("dd")).to_have_text(EVIL)
    page.get_by_label("Search points").fill("<img")
    expect(page.get_by_role("region", name="Points", exact=True).get_by_role("status")).to_have_text("1 found")
    assert page.evaluate("() => window.hacked") is None


def test_bookmarks(viewer: Viewer, open_page: Callable[..., Page], tmp_path: Path) -> None:
    """A view that was saved is shown again from its file: its components, columns and chosen row, as TensorBoard's."""
    page = open_page(viewer, "dash=projector&pjrun=ours&pjflat=1&pjpc=2&pjpc=4&pjpoint=7&pjcolour=size")
    show(page, 90)
    page.get_by_role("button", name="Bookmarks", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save", exact=True).click()
    download.value.save_as(tmp_path / "saved.json")
    [state] = json.loads((tmp_path / "saved.json").read_text(encoding="utf-8"))
    assert (state["selectedProjection"], state["pcaComponentDimensions"]) == ("pca", [1, 3])
    assert (state["selectedPoints"], state["selectedColorOptionName"]) == ([7], "size")
    state |= {
        "label": EVIL,
        "pcaComponentDimensions": [2, 0],
        "selectedPoints": [5],
        "selectedColorOptionName": "class",
    }
    (tmp_path / "changed.json").write_text(json.dumps([state, {"nonsense": 1}]), encoding="utf-8")
    page.get_by_label("Open a file").set_input_files(tmp_path / "changed.json")
    page.get_by_role("button", name=EVIL).click()
    expect(page.get_by_role("region", name="Chosen point", exact=True)).to_contain_text("Row 5")
    expect(page.get_by_label("Component along X")).to_have_value("3")
    expect(page.get_by_label("Component along Y")).to_have_value("1")
    expect(page.get_by_label("Colour by")).to_have_value("class")


def test_graphics_that_are_lost_or_not_there(viewer: Viewer, open_page: Callable[..., Page]) -> None:
    """A lost WebGL context is told and its picture comes back; without WebGL the lists work and a notice says why."""
    page = open_page(viewer, "dash=projector&pjrun=ours&pjflat=1")
    show(page, 90)
    places = on_screen(page, coordinates(page))
    page.evaluate(
        """() => {
            const context = document.querySelector("canvas.points").getContext("webgl2");
            window.loser = context.getExtension("WEBGL_lose_context");
            window.loser.loseContext();
        }"""
    )
    expect(page.get_by_role("alert").filter(has_text="took the graphics away")).to_be_visible()
    page.evaluate("() => window.loser.restoreContext()")
    expect(page.get_by_role("alert").filter(has_text="took the graphics away")).to_have_count(0)
    page.wait_for_function(f"(places) => ({PIXELS})(places).every(([r, g, b, a]) => a > 200)", arg=places.tolist())
    painted = colours(page, places)
    assert np.abs(painted.astype(int) - np.array(HUES)[CLASS]).max() < 12

    page.add_init_script(
        "const { prototype } = HTMLCanvasElement; const get = prototype.getContext; prototype.getContext = function"
        " (kind, ...more) { return kind.startsWith('webgl') ? null : get.call(this, kind, ...more); }"
    )
    page.reload()
    expect(page.get_by_role("alert").filter(has_text="no WebGL 2")).to_be_visible()
    page.get_by_label("Search points").fill("bee")
    expect(page.get_by_role("region", name="Points", exact=True).get_by_role("status")).to_have_text("30 found")
