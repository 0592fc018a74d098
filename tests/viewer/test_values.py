"""POST /api/values and GET /api/blob: which values stay on disk, and their blobs, from files that real writers made."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.reader import LogdirReader
from tallyboard.core.record import frame
from tallyboard.core.store import Store
from tallyboard.viewer.records import Records
from tallyboard.viewer.values import media_type


class Read:
    """A logdir that was read once, and its server."""

    def __init__(self, logdir: Path, serve: Callable[..., Any]) -> None:
        self.records = Records(str(logdir))
        self.reader = self.records.opened(LogdirReader(logdir))
        self.reader.poll()
        self.served = serve(self.reader.store, logdir=str(logdir), fetch=self.records.fetch)

    def ask(self, plugin: str, *series: dict[str, Any], **more: Any) -> Any:
        answer = self.served.post("/api/values", json.dumps({"plugin": plugin, "series": series, **more}).encode())
        assert answer.status == 200, answer.body
        return answer.json()["series"]

    def blob(self, *of: Any) -> Any:
        return self.served.get(f"/api/blob?of={quote(json.dumps(of))}")


@pytest.fixture
def read(tmp_path: Path, serve: Callable[..., Any]) -> Callable[[], Read]:
    """Reads what was written and serves it."""
    return lambda: Read(tmp_path, serve)


def picture(grey: int) -> np.ndarray[Any, Any]:
    return np.full((3, 4, 5), grey, np.uint8)


def test_steps_come_from_where_they_are_known(tmp_path: Path, read: Callable[[], Read]) -> None:
    """All steps and times at first; from then on only what is new; a series that is not there has none."""
    with tb.SummaryWriter(tmp_path) as writer:
        for step in (3, 5, 2**40):
            writer.add_image("i", picture(step % 7), step, walltime=step + 0.25)
        writer.add_text("t", "one", 1, walltime=7)
    it = read()

    whole, none, other = it.ask("images", {"run": ".", "tag": "i"}, {"run": ".", "tag": "t"}, {"run": "x", "tag": "i"})
    assert whole == {"since": 0, "step": [3, 5, 2**40], "wall": [3.25, 5.25, 2**40 + 0.25], "generation": 0}
    assert none == other == {"since": 0, "step": [], "wall": [], "generation": 0}
    (rest,) = it.ask("images", {"run": ".", "tag": "i", "since": 2, "generation": 0, "wall": 5.25})
    assert rest == {"since": 2, "step": [2**40], "wall": [2**40 + 0.25], "generation": 0}
    assert it.ask("text", {"run": ".", "tag": "t/text_summary"}) == [
        {"since": 0, "step": [1], "wall": [7.0], "generation": 0}
    ]


@pytest.mark.parametrize(
    "known", [{"since": 2, "wall": 5.5}, {"since": 9, "wall": 3.25}, {"since": 2, "wall": 5.25, "generation": 1}]
)
def test_what_is_not_so_any_more_comes_whole(tmp_path: Path, read: Callable[[], Read], known: dict[str, Any]) -> None:
    """Whoever knows another series than the one that is there is given all of that."""
    with tb.SummaryWriter(tmp_path) as writer:
        for step in (3, 5, 8):
            writer.add_image("i", picture(step), step, walltime=step + 0.25)

    (found,) = read().ask("images", {"run": ".", "tag": "i", **known})
    assert (found["since"], found["step"]) == (0, [3, 5, 8])


def test_values_that_a_restart_voided(tmp_path: Path, read: Callable[[], Read]) -> None:
    """Left out, unless they are asked for; and their blobs are there."""
    for purge, grey in ((None, 10), (1, 20)):
        with tb.SummaryWriter(tmp_path, purge_step=purge, filename_suffix=str(grey)) as writer:
            for step in (0, 1):
                writer.add_image("i", picture(grey), step, walltime=grey + step)
    it = read()

    (standing,) = it.ask("images", {"run": ".", "tag": "i"})
    (all_of_them,) = it.ask("images", {"run": ".", "tag": "i"}, superseded=True)
    assert standing["wall"] == [10, 20, 21]
    assert all_of_them["wall"] == [10, 11, 20, 21]
    assert it.blob("images", ".", "i", 1, 11, 0).status == 200


def test_a_blob_is_what_was_written(tmp_path: Path, read: Callable[[], Read]) -> None:
    """A step's picture comes under its type, to be kept for ever and never run."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_image("i", picture(9), 4, walltime=1.5)
    it = read()

    answer = it.blob("images", ".", "i", 4, 1.5, 0)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox; frame-ancestors 'self'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in answer.headers["cache-control"]
    assert struct.unpack(">II", answer.body[16:24]) == (5, 4)
    rows = zlib.decompress(answer.body[answer.body.index(b"IDAT") + 4 :])
    assert rows[1:16] == bytes([9]) * 15
    for of in (
        ("images", ".", "i", 4, 1.5, 1),
        ("images", ".", "i", 4, 1.75, 0),
        ("images", ".", "i", 5, 1.5, 0),
        ("text", ".", "i", 4, 1.5, 0),
    ):
        assert it.blob(*of).status == 404


@pytest.mark.parametrize(
    "of",
    [
        "",
        "[]",
        "{}",
        "[1,2,3,4,5,6]",
        '["images","r","t","1",1,0]',
        '["images","r","t",1,1,true]',
        "[" * 1500,
        '["images","r","t",1e300,1,0]',
    ],
)
def test_a_bad_name_is_refused(serve: Callable[..., Any], of: str) -> None:
    """What is not the name of a blob gets a sentence, and no trace of the program."""
    answer = serve(Store()).get(f"/api/blob?of={quote(of)}")
    assert (answer.status, answer.json()) == (400, {"error": "of is not [plugin, run, tag, step, wall_time, number]"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"plugin":1,"series":[]}',
        b'{"plugin":"x","series":[{"run":"a"}]}',
        b'{"plugin":"x","series":[{"run":"a","tag":"b","since":-1}]}',
    ],
)
def test_a_bad_question_is_refused(serve: Callable[..., Any], body: bytes) -> None:
    """What is not a list of series gets a sentence that shows one."""
    answer = serve(Store()).post("/api/values", body)
    assert answer.status == 400
    assert answer.json()["error"].startswith("the body is not {plugin, series: [")


def test_a_file_that_went(tmp_path: Path, read: Callable[[], Read]) -> None:
    """A value whose file is gone is gone, said in one sentence."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_image("i", picture(1), 0, walltime=1)
    it = read()
    next(tmp_path.glob("events*")).unlink()

    answer = it.blob("images", ".", "i", 0, 1, 0)
    assert (answer.status, answer.json()) == (
        410,
        {"error": "The value cannot be read any more: its file is not what it was."},
    )


def test_times_that_are_no_numbers(tmp_path: Path, read: Callable[[], Read]) -> None:
    """A wall time that is NaN is said as 0, and found by that."""
    from tallyboard.core.summary import Event, text
    from tallyboard.core.wire import encode_event, encode_file_version

    events = encode_file_version(1.0), encode_event(Event(3, float("nan"), text("t", "words")))
    (tmp_path / "events.out.tfevents.1.x").write_bytes(b"".join(map(frame, events)))
    it = read()

    assert it.ask("text", {"run": ".", "tag": "t"}) == [{"since": 0, "step": [3], "wall": [0.0], "generation": 0}]
    assert it.blob("text", ".", "t", 3, 0, 0).body == b"words"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "application/octet-stream"),
        (b"<html><script>1</script>", "application/octet-stream"),
        (b"RIFF....WAVEfmt ", "audio/wav"),
        (b"RIFF....WEBPVP8 ", "image/webp"),
        (b"RIFF....AVI ", "application/octet-stream"),
        (b"\x00\x00\x00\x18ftypmp42", "video/mp4"),
        (b"", "application/octet-stream"),
    ],
)
def test_types_by_first_bytes(data: bytes, kind: str) -> None:
    """What a browser could run is never named as such; media are known by their first bytes."""
    assert media_type(data) == kind
