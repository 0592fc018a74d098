"""Pictures one by one, as the page asks for them: under a type that runs nothing, and none that no browser bears."""

from __future__ import annotations

import io
import json
import struct
import urllib.parse
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tallyboard as tb
from tallyboard.core.proto import event_pb2 as pb
from tallyboard.core.record import frame as framed

from .boards import Answer, Board, viewer_on

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
PIXELS = np.arange(3 * 5 * 7, dtype=np.uint8).reshape(3, 5, 7)
"""Red, green and blue, each of 5 rows and 7 columns."""


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that declares a size, and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


def event_of(tag: str, step: int, data: bytes, width: int = 7, height: int = 5) -> bytes:
    """An event as torch's writer would have it, with any bytes for a picture."""
    image = pb.Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=data)
    value = pb.Summary.Value(tag=tag, image=image)
    return framed(pb.Event(wall_time=10.0 + step, step=step, summary=pb.Summary(value=[value])).SerializeToString())


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A run of good pictures and a run of odd ones."""
    logdir = tmp_path_factory.mktemp("pictures")
    with tb.SummaryWriter(logdir / "good") as writer:
        for step in (0, 1, 5):
            writer.add_image("rgb", PIXELS + step, step, walltime=100.5 + step)
    good = io.BytesIO()
    Image.fromarray(np.moveaxis(PIXELS, 0, 2)).save(good, "PNG")
    odd = {
        "svg": SVG,
        "html": b"<!doctype html><script>alert(1)</script>",
        "empty": b"",
        "cut": good.getvalue()[:-20],
        "bomb": png_of_size(100_000, 100_000),
        "large": png_of_size(10_000, 10_000),
        "long": png_of_size(40_000, 2),
    }
    (logdir / "odd").mkdir()
    with open(logdir / "odd" / "events.out.tfevents.1.host", "wb") as file:
        file.write(framed(pb.Event(wall_time=9.0, file_version="brain.Event:2").SerializeToString()))
        for tag, data in odd.items():
            file.write(event_of(tag, 3, data))
        file.write(event_of("lying", 3, good.getvalue(), 70, 50))
    with viewer_on(logdir) as started:
        yield started


@pytest.fixture(scope="module")
def picture(board: Board) -> Callable[..., tuple[Answer, Any]]:
    """Ask for a picture: the answer, and its headers."""

    def ask(run: str, tag: str, step: int, wall: float, n: int = 0, **more: str) -> tuple[Answer, Any]:
        query = urllib.parse.urlencode({"of": json.dumps([run, tag, step, wall, n]), **more})
        request = urllib.request.Request(f"{board.url}/api/picture?{query}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers["Content-Type"], answer.read()), answer.headers
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers["Content-Type"], error.read()), error.headers

    return ask


def test_every_step_is_there_with_the_pixels_that_were_logged(picture: Any) -> None:
    """Three steps, three pictures, each with exactly the numbers that were written for it."""
    for step in (0, 1, 5):
        answer, headers = picture("good", "rgb", step, 100.5 + step)
        assert (answer.status, answer.type, headers["Picture-Size"], headers["Picture-Count"]) == (
            200,
            "image/png",
            "7,5",
            "1",
        )
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.body))), np.moveaxis(PIXELS + step, 0, 2))
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "immutable" in headers["Cache-Control"]
        assert "Picture-Flaw" not in headers


def test_what_poses_as_a_picture_is_named_and_not_sent(picture: Any) -> None:
    """SVG, HTML and nothing at all are refused with a word for what they are."""
    for tag, name in {"svg": "an SVG drawing", "html": "an HTML page", "empty": "it is empty"}.items():
        answer, _ = picture("odd", tag, 3, 13.0)
        assert (answer.status, answer.type) == (422, "application/json")
        assert name in answer.json()["error"]
        assert b"script>" not in answer.body


def test_a_bomb_is_refused_by_its_header(picture: Any) -> None:
    """Ten billion pixels never go out; a hundred million only to one who insists; nor does a side that none draws."""
    answer, headers = picture("odd", "bomb", 3, 13.0)
    assert answer.status == 413
    assert "100000 x 100000 pixels" in answer.json()["error"]
    assert "67 million" in answer.json()["error"]
    assert "Picture-Possible" not in headers
    assert picture("odd", "bomb", 3, 13.0, large="1")[0].status == 413

    answer, headers = picture("odd", "large", 3, 13.0)
    assert (answer.status, headers["Picture-Possible"]) == (413, "1")
    answer, headers = picture("odd", "large", 3, 13.0, large="1")
    assert (answer.status, headers["Picture-Size"]) == (200, "10000,10000")

    answer, headers = picture("odd", "long", 3, 13.0, large="1")
    assert answer.status == 413
    assert "32767 on a side" in answer.json()["error"]


def test_flaws_are_told_beside_the_picture(picture: Any) -> None:
    """A picture cut off, and one whose event says another size, are sent with a word about it."""
    answer, headers = picture("odd", "cut", 3, 13.0)
    assert (answer.status, urllib.parse.unquote(headers["Picture-Flaw"])) == (200, "it ends in the middle")
    answer, headers = picture("odd", "lying", 3, 13.0)
    assert answer.status == 200
    assert urllib.parse.unquote(headers["Picture-Flaw"]) == "the event says 70 x 50 pixels, the picture is 7 x 5"


def test_a_picture_that_is_not_there_is_none(picture: Any, board: Board) -> None:
    """Another time, step, tag, run or number is answered with a sentence; so is an address that means nothing."""
    for wrong in [("good", "rgb", 0, 99.0), ("good", "rgb", 2, 100.5), ("good", "x", 0, 100.5), ("x", "rgb", 0, 100.5)]:
        assert picture(*wrong)[0].status == 404
    answer, headers = picture("good", "rgb", 0, 100.5, 1)
    assert (answer.status, headers["Picture-Count"]) == (404, "1")
    assert picture("good", "rgb", 0, 100.5, -1)[0].status == 404
    for of in ("", "[]", "[1,2,3,4,5]", '["a","b",1e99,1,0]', '["a","b",0,0,0.5]', '["a","b",NaN,0,0]', "[" * 9999):
        assert board.ask("/api/picture", of=of).status == 400
