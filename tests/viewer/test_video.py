"""Videos as the page asks for them: in pieces, under a type that runs nothing, with what is known before playing."""

from __future__ import annotations

import io
import json
import random
import struct
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tallyboard as tb
from tallyboard.core.proto import event_pb2 as pb
from tallyboard.core.record import frame as framed
from tallyboard.viewer.films import NoFilm, examine, moves
from tallyboard.viewer.reels import BYTES_KEPT, Reels

from ..films import gif, greys, mp4, webm
from .boards import Answer, Board, viewer_on

FRAMES = greys(range(0, 250, 25))
MP4, WEBM, GIF = mp4(FRAMES), webm(FRAMES), gif(FRAMES)
HTML = b"<!doctype html><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def moving(kind: str) -> bytes:
    """Three frames of 200, 300 and 400 ms."""
    first, *others = map(Image.fromarray, FRAMES[:3])
    file = io.BytesIO()
    first.save(file, kind, save_all=True, append_images=others, duration=[200, 300, 400])
    return file.getvalue()


def gif_of_size(side: int) -> bytes:
    """A GIF of two frames that declares a size, and holds next to nothing."""
    image = b"," + struct.pack("<HHHHB", 0, 0, side, side, 0) + b"\x02\x02D\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes(6) + 2 * image + b";"


@pytest.mark.parametrize(
    ("data", "kind", "container", "codec"),
    [
        (MP4, "video/mp4", "MP4", "AV1"),
        (MP4.replace(b"ftypisom", b"ftypqt  "), "video/mp4", "QuickTime", "AV1"),
        (WEBM, "video/webm", "WebM", "VP8"),
        (webm(FRAMES, declared=False), "video/webm", "WebM", "VP8"),
        (GIF, "image/gif", "GIF", ""),
    ],
    ids=["mp4", "quicktime", "webm", "webm of a recorder", "gif"],
)
def test_size_length_and_frames_are_known_without_playing(data: bytes, kind: str, container: str, codec: str) -> None:
    """Ten frames of 64 x 48 pixels in a second, whether the file says so in front or only by its frames."""
    film = examine(data)
    assert (film.kind, film.container, film.codec) == (kind, container, codec)
    assert (film.width, film.height, film.frames, film.flaw) == (64, 48, 10, "")
    assert (film.seconds, film.rate) == (pytest.approx(1), pytest.approx(10))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_a_picture_that_moves_tells_how_long_each_frame_stays(kind: str) -> None:
    """GIF, PNG and WebP of three frames; one of a single frame does not move."""
    film = examine(moving(kind))
    assert film.delays == pytest.approx((0.2, 0.3, 0.4))
    assert moves(moving(kind))
    still = io.BytesIO()
    Image.fromarray(FRAMES[0]).save(still, kind)
    assert not moves(still.getvalue())


@pytest.mark.parametrize("make", [mp4, webm, gif])
def test_a_file_cut_in_the_middle_says_so(make: Callable[..., bytes]) -> None:
    """What is there may be shown, with that flaw; cut in its header, it is none."""
    data = make(FRAMES)
    assert examine(data[:-12]).flaw == "it ends in the middle"
    with pytest.raises(NoFilm, match=r"ends before|cut off"):
        examine(data[:40] if make is not gif else data[:8])


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (HTML, "an HTML page"),
        (SVG, "an SVG drawing"),
        (b"", "it is empty"),
        (MP4[:32], "an MP4 without an index"),
        (MP4.replace(b"vide", b"soun"), "a track of sound, and none of pictures"),
        (Image.new("L", (4, 4)).tobytes(), "something unknown"),
    ],
)
def test_what_is_no_video_is_named(data: bytes, name: str) -> None:
    """The sentence says what it is instead."""
    with pytest.raises(NoFilm, match=name):
        examine(data)


@pytest.mark.parametrize("whole", [MP4, WEBM, webm(FRAMES, declared=False), GIF, moving("PNG"), moving("WEBP")])
def test_damaged_files_never_do_worse_than_being_refused(whole: bytes) -> None:
    """Bytes changed and cut anywhere give an answer whose figures JSON can say, or NoFilm, no other error."""
    chance = random.Random(7)
    for _ in range(400):
        data = bytearray(whole[: chance.randrange(len(whole))] if chance.random() < 0.3 else whole)
        for _ in range(chance.randrange(1, 6)):
            if data:
                data[chance.randrange(len(data))] = chance.choice([0, 1, 127, 128, 255, chance.randrange(256)])
        try:
            film = examine(bytes(data))
        except NoFilm:
            continue
        json.dumps([film.seconds, film.rate, film.width, film.height, film.delays], allow_nan=False)


def test_kept_videos_have_a_bound() -> None:
    """What was asked for longest ago goes first, and what is larger than the bound is read each time."""
    reels, read = Reels(), []

    def reader(name: str, size: int) -> Callable[[], list[bytes]]:
        return lambda: [read.append(name) or bytes(size)]

    half = BYTES_KEPT // 2
    for name, size in [("a", half), ("b", half), ("a", half), ("c", half), ("a", half), ("b", half)]:
        assert len(reels.blobs(name, reader(name, size))[0]) == size
    assert read == ["a", "b", "c", "b"]
    for _ in range(2):
        reels.blobs("large", reader("large", BYTES_KEPT + 1))
    assert read[4:] == ["large", "large"]


# Routes -------------------------------------------------------------------------------------------------------------


def event_of(step: int, *values: pb.Summary.Value) -> bytes:
    return framed(pb.Event(wall_time=10.0 + step, step=step, summary=pb.Summary(value=values)).SerializeToString())


def as_torch(tag: str, data: bytes) -> pb.Summary.Value:
    """What torch's and tensorboardX's add_video write of a GIF."""
    return pb.Summary.Value(
        tag=tag, image=pb.Summary.Image(width=64, height=48, colorspace=3, encoded_image_string=data)
    )


def as_ours(tag: str, *strings: bytes) -> pb.Summary.Value:
    """Strings under the plugin `video`."""
    value = pb.Summary.Value(tag=tag)
    value.metadata.plugin_data.plugin_name = "video"
    value.tensor.dtype = 7
    value.tensor.tensor_shape.dim.add(size=len(strings))
    value.tensor.string_val.extend(strings)
    return value


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A run of ours, and one of odd files."""
    logdir = tmp_path_factory.mktemp("videos")
    with tb.SummaryWriter(logdir / "ours") as writer:
        writer.add_video("mp4", MP4, 1, walltime=11.0)
        writer.add_video("webm", WEBM, 1, walltime=11.0)
        writer.add_video("array", np.stack(FRAMES)[None], 1, fps=10, walltime=11.0, dataformats="NTHWC")
        writer.add_image("still", FRAMES[0], 1, walltime=11.0, dataformats="HWC")
    odd = [
        as_torch("torch", GIF),
        as_torch("bomb", gif_of_size(65_535)),
        as_torch("posing", HTML),
        as_ours("html", b"video/mp4", HTML),
        as_ours("svg", b"image/svg+xml", SVG),
        as_ours("cut", b"video/mp4", MP4[:-12]),
        as_ours("lying", b"text/html", WEBM),
        as_ours("one", b"video/mp4"),
    ]
    (logdir / "odd").mkdir()
    with open(logdir / "odd" / "events.out.tfevents.1.host", "wb") as file:
        file.write(framed(pb.Event(wall_time=9.0, file_version="brain.Event:2").SerializeToString()))
        file.write(event_of(1, *odd))
    with viewer_on(logdir) as started:
        yield started


Ask = Callable[..., tuple[Answer, Any]]


@pytest.fixture(scope="module")
def ask(board: Board) -> Ask:
    """Ask for a video or its facts: the answer, and its headers."""

    def asked(path: str, plugin: str, run: str, tag: str, n: int = 0, span: str = "") -> tuple[Answer, Any]:
        query = urllib.parse.urlencode({"of": json.dumps([plugin, run, tag, 1, 11.0, n])})
        request = urllib.request.Request(f"{board.url}{path}?{query}", headers={"Range": span} if span else {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers["Content-Type"], answer.read()), answer.headers
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers["Content-Type"], error.read()), error.headers

    return asked


def test_a_video_comes_whole_under_its_own_type(ask: Ask) -> None:
    """Byte by byte what was logged, in a sandbox, kept for good, whatever type its event claims."""
    for run, plugin, tag, data, kind in (
        ("ours", "video", "mp4", MP4, "video/mp4"),
        ("ours", "video", "webm", WEBM, "video/webm"),
        ("odd", "video", "lying", WEBM, "video/webm"),
        ("odd", "images", "torch", GIF, "image/gif"),
    ):
        answer, headers = ask("/api/video", plugin, run, tag)
        assert (answer.status, answer.type, answer.body) == (200, kind, data)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in headers["Content-Security-Policy"]
        assert "immutable" in headers["Cache-Control"]
        assert headers["Accept-Ranges"] == "bytes"


def test_a_video_comes_in_pieces(ask: Ask) -> None:
    """Ranges as browsers ask for them to seek: from, from to, the last so many; what is no single range gets all."""
    size = len(MP4)
    for span, start, end in (
        ("bytes=0-", 0, size),
        ("bytes=100-199", 100, 200),
        ("bytes=100-99999999", 100, size),
        ("bytes=-50", size - 50, size),
        ("bytes=-99999999", 0, size),
    ):
        answer, headers = ask("/api/video", "video", "ours", "mp4", span=span)
        assert (answer.status, answer.body) == (206, MP4[start:end])
        assert headers["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
    for span in ("bytes=5-4", "bytes=-", "bytes=0-1,4-5", "lines=0-1", "bytes=a-b"):
        assert ask("/api/video", "video", "ours", "mp4", span=span)[0].status == 200
    for span in (f"bytes={size}-", "bytes=-0"):
        answer, headers = ask("/api/video", "video", "ours", "mp4", span=span)
        assert (answer.status, headers["Content-Range"]) == (416, f"bytes */{size}")


def test_what_a_video_says_of_itself_is_an_answer(ask: Ask) -> None:
    """Size, length, frames and bytes; of an array, those of the GIF that was made of it."""
    facts = ask("/api/video/facts", "video", "ours", "mp4")[0].json()
    assert facts == {
        "type": "video/mp4",
        "container": "MP4",
        "width": 64,
        "height": 48,
        "seconds": 1.0,
        "frames": 10,
        "rate": 10.0,
        "codec": "AV1",
        "sound": False,
        "delays": [],
        "flaw": "",
        "bytes": len(MP4),
        "count": 1,
    }
    array = ask("/api/video/facts", "images", "ours", "array")[0].json()
    assert (array["container"], array["frames"], array["delays"]) == ("GIF", 10, [0.1] * 10)
    assert ask("/api/video/facts", "video", "odd", "cut")[0].json()["flaw"] == "it ends in the middle"


def test_what_poses_as_a_video_or_bursts_a_browser_is_not_sent(ask: Ask) -> None:
    """HTML, SVG, an event without a file and a GIF of 65,535 x 65,535 pixels: a status and a sentence, no byte more."""
    for plugin, tag, status, sentence in (
        ("video", "html", 422, "it is an HTML page, not an MP4, WebM or GIF"),
        ("video", "svg", 422, "it is an SVG drawing"),
        ("images", "posing", 422, "it is an HTML page"),
        ("video", "one", 422, "its event has 1 strings"),
        ("images", "bomb", 413, "its header declares 65535 x 65535 pixels"),
        ("video", "never", 404, "it is not there any more"),
    ):
        for path in ("/api/video", "/api/video/facts"):
            answer, _ = ask(path, plugin, "odd", tag)
            assert (answer.status, answer.type) == (status, "application/json")
            assert sentence in answer.json()["error"]
            assert b"script>" not in answer.body
    assert ask("/api/video", "video", "ours", "mp4", n=1)[0].status == 404


def test_pictures_that_move_are_told_from_those_that_do_not(board: Board) -> None:
    """By their bytes: a GIF of torch's and of ours moves; a still picture, HTML and what is not there do not."""
    wanted = {("odd", "torch"): True, ("ours", "array"): True, ("odd", "bomb"): True}
    wanted |= {("ours", "still"): False, ("odd", "posing"): False, ("ours", "never"): False}
    series = [{"run": run, "tag": tag} for run, tag in wanted]
    for _ in range(2):  # the second time as remembered
        assert board.post("/api/video/moving", {"series": series}).json() == {"moving": list(wanted.values())}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"series": 1}', b'{"series": [{"run": "a"}]}', b'{"series": ["a"]}'])
def test_questions_that_mean_nothing_are_refused(board: Board, body: bytes) -> None:
    """400, with the shape that was expected."""
    assert board.post("/api/video/moving", body).status == 400


@pytest.mark.parametrize(
    "of", ["", "[]", '["text","a","b",1,2,0]', '["video","a","b","c",2,0]', '["video",1,"b",1,2,0]']
)
def test_names_that_mean_nothing_are_refused(board: Board, of: str) -> None:
    """400 for a video and for its facts."""
    assert board.ask("/api/video", of=of).status == 400
    assert board.ask("/api/video/facts", of=of).status == 400
