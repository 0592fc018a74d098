"""Whatever a projector's configuration names, nothing outside its directory is read, and nothing waits or fills up."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import pytest

from tallyboard.core.png import encode
from tallyboard.viewer import projector_files

from .boards import Board, viewer_on

SECRET = "31337\t42424\n27182\t81828\n"
WORDS = [b"31337", b"42424", b"27182", b"secret"]
KINDS = {"tensor": "tensor_path", "metadata": "metadata_path", "bookmarks": "bookmarks_path"}
ROUTES = {
    "tensor": ["/api/projector/vectors", "/data/plugin/projector/tensor"],
    "metadata": ["/api/projector/metadata", "/data/plugin/projector/metadata"],
    "bookmarks": ["/api/projector/bookmarks", "/data/plugin/projector/bookmarks"],
    "sprite": ["/api/projector/sprite", "/data/plugin/projector/sprite_image"],
}
PLACES = [
    "absolute",
    "up",
    "up and down",
    "link",
    "link to a folder",
    "pipe",
    "zero",
    "folder",
    "huge",
    "home",
    "itself",
]


def places(logdir: Path, kind: str) -> dict[str, str]:
    """What a configuration in `logdir/run` may name: text, or for sprites a picture, that lies outside."""
    outside = "secret.png" if kind == "sprite" else "secret.tsv"
    return {
        "absolute": str(logdir / "outside" / outside),
        "up": f"../outside/{outside}",
        "up and down": f"below/../../outside/{outside}",
        "link": f"link to {outside}",
        "link to a folder": f"folder link/{outside}",
        "pipe": "pipe",
        "zero": "zero",
        "folder": "below",
        "huge": "huge",
        "home": f"~/{outside}",
        "itself": ".",
    }


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "outside").mkdir()
    (folder / "outside" / "secret.tsv").write_text(SECRET)
    (folder / "outside" / "secret.png").write_bytes(encode(np.full((8, 8, 3), 77, np.uint8)))
    (folder / "outside" / "projector_config.txt").write_text('secret: "27182"')
    run = folder / "logs" / "run"
    (run / "below").mkdir(parents=True)
    (run / "good.tsv").write_text("1\t2\n3\t4\n")
    (run / "inside link").symlink_to("good.tsv")
    for name in ("secret.tsv", "secret.png"):
        (run / f"link to {name}").symlink_to(folder / "outside" / name)
    (run / "folder link").symlink_to(folder / "outside")
    (run / "zero").symlink_to("/dev/zero")
    os.mkfifo(run / "pipe")
    with (run / "huge").open("wb") as file:
        file.truncate(10 << 30)  # takes no room on the disk
    shape = "tensor_shape: 1000000 tensor_shape: 2560"
    lines: list[str] = []
    for kind in (*KINDS, "sprite"):
        for place, path in places(folder / "logs", kind).items():
            there = f"tensor_path: {json.dumps(path)} {shape}" if kind == "tensor" else 'tensor_path: "good.tsv"'
            if kind == "sprite":
                there += f" sprite {{ image_path: {json.dumps(path)} single_image_dim: 4 single_image_dim: 4 }}"
            elif kind != "tensor":
                there += f" {KINDS[kind]}: {json.dumps(path)}"
            lines.append(f'embeddings {{ tensor_name: "{kind} {place}" {there} }}')
    lines.append('embeddings { tensor_name: "inside" tensor_path: "inside link" }')
    lines.append(f'embeddings {{ tensor_name: "inside, absolute" tensor_path: "{run}/good.tsv" }}')
    (run / "projector_config.pbtxt").write_text("\n".join(lines))
    for name in ("linked", "piped", "long"):
        (folder / "logs" / name).mkdir()
    (folder / "logs" / "linked" / "projector_config.pbtxt").symlink_to(folder / "outside" / "projector_config.txt")
    os.mkfifo(folder / "logs" / "piped" / "projector_config.pbtxt")
    with (folder / "logs" / "long" / "projector_config.pbtxt").open("wb") as file:
        file.truncate(10 << 30)
    return folder / "logs"


@pytest.fixture(scope="module")
def board(logdir: Path) -> Iterator[Board]:
    home = os.environ.get("HOME")
    os.environ["HOME"] = str(logdir.parent / "outside")
    try:
        with viewer_on(logdir) as started:
            yield started
    finally:
        if home is None:
            del os.environ["HOME"]
        else:
            os.environ["HOME"] = home


def sent(board: Board, line: str) -> tuple[int, bytes, dict[str, str]]:
    """What the server says to bytes on a socket."""
    address = urlsplit(board.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=60) as peer:
        peer.sendall(f"GET {line} HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n\r\n".encode())
        answer = http.client.HTTPResponse(peer)
        answer.begin()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ROUTES)
def test_nothing_outside_is_read(board: Board, logdir: Path, kind: str, place: str) -> None:
    """By either route: no byte of what lies outside, no wait for a pipe, and no end of memory."""
    picture = (logdir.parent / "outside" / "secret.png").read_bytes()
    for route in ROUTES[kind]:
        status, body, _ = sent(board, f"{route}?run=run&name={quote(f'{kind} {place}')}")
        assert status == (200 if route == "/api/projector/metadata" else 404 if route.startswith("/api") else 400)
        assert not any(word in body for word in WORDS[:3])
        assert picture[-60:] not in body
        assert len(body) < 2_000


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ROUTES)
def test_what_is_not_read_is_named(board: Board, kind: str, place: str) -> None:
    """The list has a problem for each, with run and embedding."""
    (found,) = [
        each["problems"] for each in board.get("/api/projector")["embeddings"] if each["name"] == f"{kind} {place}"
    ]
    (problem,) = found
    assert problem.startswith(f"run 'run', embedding '{kind} {place}': ")


@pytest.mark.parametrize("name", ["inside", "inside, absolute"])
def test_links_and_absolute_paths_inside_are_followed(board: Board, name: str) -> None:
    """They leave nothing, and TensorBoard takes them."""
    status, body, _ = sent(board, f"/data/plugin/projector/tensor?run=run&name={quote(name)}")
    assert (status, np.frombuffer(body, "<f4").tolist()) == (200, [1, 2, 3, 4])


def test_a_configuration_that_lies_elsewhere_is_not_read(board: Board) -> None:
    """Nor one of gigabytes, nor a pipe, which makes no run; and no word of what lies elsewhere is told."""
    status, body, _ = sent(board, "/api/projector")
    found = {each["run"]: each["problems"] for each in json.loads(body)["embeddings"] if not each["name"]}
    config = "'projector_config.pbtxt'"
    assert (status, found) == (
        200,
        {
            "linked": [f"run 'linked': {config} is not in the directory of the configuration, and is not read"],
            "long": [f"run 'long': {config} has 10,737,418,240 bytes; 16,777,216 are the most that are read"],
        },
    )
    assert not any(word in body for word in WORDS[:3])


@pytest.mark.parametrize("run", ["../outside", "..", "/etc", "run/../../outside", "outside", "%00", "run%00"])
def test_a_run_is_one_that_the_store_has(board: Board, run: str) -> None:
    """What is asked for is a name, and no path."""
    for route in (route for routes in ROUTES.values() for route in routes):
        status, body, _ = sent(board, f"{route}?run={run}&name=secret")
        assert status in (400, 404)
        assert not any(word in body for word in WORDS[:3])


def test_a_page_posing_as_bookmarks_is_not_run(tmp_path: Path) -> None:
    """Its type is said to be JSON, and nobody may guess another."""
    (tmp_path / "good.tsv").write_text("1\t2\n")
    (tmp_path / "page").write_text("<script>alert(1)</script>")
    given = 'tensor_name: "x" tensor_path: "good.tsv" bookmarks_path: "page" metadata_path: "page"'
    (tmp_path / "projector_config.pbtxt").write_text(f"embeddings {{ {given} }}")
    with viewer_on(tmp_path) as board:
        for route in ROUTES["bookmarks"] + ROUTES["metadata"]:
            status, _, headers = sent(board, f"{route}?run=.&name=x")
            assert (status, headers["x-content-type-options"]) == (200, "nosniff")
            assert headers["content-type"].partition(";")[0] in ("application/json", "text/plain")


def test_a_link_that_comes_meanwhile_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its way was resolved, a folder becomes a link: it is not followed."""
    (tmp_path / "run" / "below").mkdir(parents=True)
    (tmp_path / "run" / "below" / "x.tsv").write_text("1\t2\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.tsv").write_text(SECRET)
    asset = projector_files.find(str(tmp_path / "run"), "below/x.tsv")
    assert asset.read(100) == b"1\t2\n"
    (tmp_path / "run" / "below" / "x.tsv").unlink()
    (tmp_path / "run" / "below").rmdir()
    (tmp_path / "run" / "below").symlink_to(tmp_path / "outside")
    with pytest.raises(projector_files.Unreadable):
        asset.read(100)


def test_text_deep_within_itself_is_a_problem(tmp_path: Path) -> None:
    """A configuration of a hundred thousand brackets fails no request."""
    (tmp_path / "projector_config.pbtxt").write_text("a { " * 100_000)
    with viewer_on(tmp_path) as board:
        found: Any = board.get("/api/projector")["embeddings"]
    assert [each["name"] for each in found] == [""]
    assert "is no projector configuration" in found[0]["problems"][0]
