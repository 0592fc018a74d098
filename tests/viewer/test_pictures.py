"""What is said of a picture before a browser decodes it."""

from __future__ import annotations

import io
import random
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tallyboard.viewer.pictures import NoPicture, look


def drawn(kind: str, mode: str = "RGB", size: tuple[int, int] = (37, 21), **how: Any) -> bytes:
    out = io.BytesIO()
    noise = Image.frombytes("L", size, random.Random(7).randbytes(size[0] * size[1]))
    (noise.convert("I").convert(mode) if mode == "I;16" else noise.convert(mode)).save(out, kind, **how)
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


FILES = {
    "png": (drawn("PNG"), "image/png"),
    "png16": (drawn("PNG", "I;16"), "image/png"),
    "png-palette": (drawn("PNG", "P"), "image/png"),
    "gif": (drawn("GIF", "P"), "image/gif"),
    "gif-frames": (drawn("GIF", "P", save_all=True, append_images=[Image.new("P", (37, 21), 3)]), "image/gif"),
    "jpeg": (drawn("JPEG"), "image/jpeg"),
    "jpeg-progressive": (drawn("JPEG", progressive=True, icc_profile=b"\xff\xc0" * 300), "image/jpeg"),
    "webp": (drawn("WEBP"), "image/webp"),
    "webp-lossless": (drawn("WEBP", lossless=True), "image/webp"),
    "webp-extended": (drawn("WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"), "image/webp"),
    "bmp": (drawn("BMP"), "image/bmp"),
}


@pytest.mark.parametrize("name", FILES)
def test_kind_and_size_are_those_that_another_decoder_finds(name: str) -> None:
    """Of every kind that is served, as Pillow wrote it: 37 x 21 pixels and nothing wrong."""
    data, kind = FILES[name]
    found = look(data)
    assert (found.kind, found.width, found.height, found.flaw) == (kind, 37, 21, "")


@pytest.mark.parametrize("name", FILES)
def test_a_picture_cut_off_is_found_out(name: str) -> None:
    """Without its last ten bytes each still has its size, and is said to end in the middle."""
    found = look(FILES[name][0][:-10])
    assert (found.width, found.height, found.flaw) == (37, 21, "it ends in the middle")


def test_the_size_declared_is_believed_not_the_length() -> None:
    """A PNG of 70 bytes that declares 100000 x 100000 pixels has ten billion of them."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(8))) + chunk(b"IEND", b"")
    assert look(bomb).pixels == 10**10


def test_a_changed_byte_is_found_out() -> None:
    """A PNG whose pixels are not those that were written has a checksum that fails."""
    data = bytearray(FILES["png"][0])
    data[len(data) // 2] ^= 1
    assert look(bytes(data)).flaw == "a checksum in it fails: it is damaged"


def test_a_frame_that_stands_out_over_its_gif_counts() -> None:
    """Browsers make room for a frame larger than the GIF says, so that is the size."""
    data = bytearray(drawn("GIF", "P"))
    data[6:10] = struct.pack("<HH", 1, 1)
    assert look(bytes(data)).pixels == 37 * 21


DRAWING = "an SVG drawing, which can hold scripts"
IMPOSTORS = {
    b"": "it is empty",
    b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>': DRAWING,
    b'\xef\xbb\xbf <?xml version="1.0"?><!-- --><svg onload="alert(1)"/>': DRAWING,
    b"<!DOCTYPE html><script>alert(1)</script>": "an HTML page",
    b"<?xml version='1.0'?><a/>": "an XML document",
    b"\0\0\0\x18ftypisom\0\0\2\0": "an MP4 video",
    b"\x1aE\xdf\xa3\x01\0": "a WebM video",
    b"RIFF\x24\0\0\0WAVEfmt ": "a sound",
    b"just words": "a text",
    b"BMW is a car": "something unknown",
    bytes(range(256)): "something unknown",
    b"\x89PNG\r\n\x1a\n": "it is a PNG without a header",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0": "it ends before its header does",
    b"GIF89a\1": "it ends before its header does",
    b"\xff\xd8\xff\xe0\0\x04\0\0": "it is a JPEG without a size",
    b"RIFF\x24\0\0\0WEBPVP8X": "it ends before its header does",
}


@pytest.mark.parametrize("data", IMPOSTORS, ids=lambda data: repr(data[:16]))
def test_what_is_no_picture_is_named(data: bytes) -> None:
    """Whatever poses as a picture is refused with the name of what it is."""
    with pytest.raises(NoPicture) as caught:
        look(data)
    assert IMPOSTORS[data] in str(caught.value) or (data.startswith(b"BM") and "ends" in str(caught.value))


@given(st.data())
def test_any_bytes_at_all_are_survived(data: st.DataObject) -> None:
    """Real pictures with bytes changed and cut anywhere, and noise, give an answer or NoPicture, no other error."""
    name = data.draw(st.sampled_from(sorted(FILES)))
    whole = bytearray(FILES[name][0])
    for _ in range(data.draw(st.integers(0, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    given_bytes = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    for one in (given_bytes, data.draw(st.binary(max_size=80))):
        try:
            found = look(one)
        except NoPicture:
            continue
        assert found.pixels > 0
