"""Answers are packed when that is asked for and pays, and are the same once unpacked."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tallyboard.viewer import packing
from tallyboard.viewer.packing import chosen

Put = Callable[..., None]


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("GZIP;q=0.5, br", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0.0, deflate", None),
        ("gzip;q=much", None),
        ("br, deflate, *", None),
        ("gzip, deflate, br, zstd", "gzip"),
        (",;,;q=1", None),
    ],
)
def test_what_is_asked_for_decides(accepted: str, coding: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """gzip where it is taken, by its weight; nothing for codings that are not known."""
    monkeypatch.setattr(packing, "_ZSTD", None)
    assert chosen(accepted) == coding


class Reversed:
    """A compressor as zstandard's, which packs by turning bytes round."""

    def __init__(self, level: int) -> None:
        self.held = b""

    def compressobj(self) -> Reversed:
        return self

    def compress(self, data: bytes) -> bytes:
        self.held += data
        return b""

    def flush(self) -> bytes:
        return self.held[::-1]


def test_zstd_goes_first_where_there_is_one(put: Put, served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library for zstd is used for those who take it, and for them alone."""
    monkeypatch.setattr(packing, "_ZSTD", SimpleNamespace(ZstdCompressor=Reversed))
    for number in range(100):
        put(f"run{number}", "loss", [1.0])
    plain = served.get("/api/runs")
    packed = served.get("/api/runs", accept_encoding="gzip, deflate, br, zstd")
    assert (packed.headers["content-encoding"], packed.body[::-1]) == ("zstd", plain.body)
    assert served.get("/api/runs", accept_encoding="gzip").headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("isal", [True, False])
def test_json_is_packed_and_revalidated(put: Put, served: Any, isal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index comes as gzip, made by either library, with a weak ETag that is good for 304; unpacked it is equal."""
    if isal:
        pytest.importorskip("isal")
    else:
        monkeypatch.setattr(packing, "_ISAL", None)
    for number in range(2000):
        put(f"run{number}", "loss", [1.0])
    plain = served.get("/api/runs")
    packed = served.get("/api/runs", accept_encoding="gzip")
    assert "content-encoding" not in plain.headers
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(packed.body) == plain.body
    assert int(packed.headers["content-length"]) == len(packed.body) < len(plain.body) / 4
    assert packed.headers["etag"] == f"W/{plain.headers['etag']}"
    for etag in (packed.headers["etag"], plain.headers["etag"]):
        again = served.get("/api/runs", accept_encoding="gzip", if_none_match=etag)
        assert (again.status, again.body) == (304, b"")


def test_what_is_short_goes_as_it_is(put: Put, served: Any) -> None:
    """Below the length of a packet there is nothing to gain."""
    put("a", "loss", [1.0])
    answer = served.get("/api/runs", accept_encoding="gzip")
    assert len(answer.body) < packing.LEAST
    assert "content-encoding" not in answer.headers


def test_points_are_packed(put: Put, served: Any, decode_frame: Any) -> None:
    """A thousand points take less than half of their 20 kB."""
    put("a", "loss", np.random.default_rng(0).normal(size=1000).astype(np.float32))
    body = json.dumps({"series": [{"run": "a", "tag": "loss"}]}).encode()
    plain = served.post("/api/scalars", body)
    packed = served.post("/api/scalars", body, accept_encoding="gzip")
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 2


@pytest.mark.parametrize("forwarded", [True, False])
def test_a_long_answer_is_packed_only_for_the_way(put: Put, served: Any, forwarded: bool) -> None:
    """Two megabytes are packed piece by piece for who is elsewhere, and sent as they are on the same machine."""
    put("a", "loss", np.arange(100_000, dtype=np.float32))
    body = json.dumps({"series": [{"run": "a", "tag": "loss"}]}).encode()
    plain = served.post("/api/scalars", body)
    headers = {"x_forwarded_for": "192.0.2.1"} if forwarded else {}
    packed = served.post("/api/scalars", body, accept_encoding="gzip", **headers)
    assert packed.headers.get("content-encoding") == ("gzip" if forwarded else None)
    assert (zlib.decompress(packed.body, 31) if forwarded else packed.body) == plain.body


def test_an_event_stream_is_not_packed(put: Put, served: Any) -> None:
    """News go out as they come."""
    with served.events(accept_encoding="gzip") as stream:
        assert stream.next_named("hello").data["version"] == 0
        assert stream.answer.getheader("content-encoding") is None
