"""The PNG encoder: whatever it writes, Pillow reads back exactly, with either deflate library."""

from __future__ import annotations

import io
import sys
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tallyboard.core import png

Image = pytest.importorskip("PIL.Image")
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def unfiltered(data: bytes) -> np.ndarray[Any, Any]:
    """Our own PNGs of any depth: Pillow halves the bits of all 16-bit pictures but grey ones."""
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    bits, channels = data[24], {0: 1, 4: 2, 2: 3, 6: 4}[data[25]]
    at, stream = 33, b""
    while data[at + 4 : at + 8] == b"IDAT":
        size = int.from_bytes(data[at : at + 4])
        stream += data[at + 8 : at + 8 + size]
        at += 12 + size
    rows = np.frombuffer(zlib.decompress(stream), np.uint8).reshape(height, -1)
    (kind,) = set(rows[:, 0].tolist())
    assert kind in (png.UP, png.AVERAGE)
    out = np.zeros((height + 1, rows.shape[1] - 1 + channels * bits // 8), np.uint8)  # with a row and a pixel of zeros
    step = channels * bits // 8
    for y, row in enumerate(rows[:, 1:], 1):
        for x in range(step, out.shape[1], step):
            left, above = out[y, x - step : x].astype(int), out[y - 1, x : x + step].astype(int)
            out[y, x : x + step] = row[x - step : x] + (above if kind == png.UP else (left + above) // 2)
    return np.ascontiguousarray(out[1:, step:]).view(">u2" if bits == 16 else "u1").reshape(height, width, channels)


PICTURES = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4)).flatmap(
    lambda shape: hnp.arrays(np.uint8, shape, elements=st.integers(0, 255))
)


@pytest.mark.parametrize("library", ["isal", "zlib"])
@given(picture=PICTURES)
@settings(max_examples=60, deadline=None)
def test_pillow_reads_every_mode_and_size(library: str, picture: Any) -> None:
    """Any size, 1 to 4 channels: the same mode, size and pixels, checksums checked."""
    if library == "isal":
        pytest.importorskip("isal")
    with pytest.MonkeyPatch.context() as patch:
        if library == "zlib":
            patch.setattr(png, "_deflate", lambda: png.deflate_runs)
        data = png.encode(picture)

    checked = Image.open(io.BytesIO(data))
    checked.verify()
    got = Image.open(io.BytesIO(data))
    assert got.mode == MODES[picture.shape[2]]
    assert np.array_equal(np.asarray(got).reshape(picture.shape), picture)
    assert np.array_equal(unfiltered(data), picture)


@given(
    picture=st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4)).flatmap(
        lambda shape: hnp.arrays(np.uint16, shape)
    )
)
@settings(max_examples=60, deadline=None)
def test_sixteen_bits(picture: Any) -> None:
    """uint16 is kept in 16 bits, grey of which Pillow reads too."""
    data = png.encode(picture)

    Image.open(io.BytesIO(data)).verify()
    assert np.array_equal(unfiltered(data), picture)
    if picture.shape[2] == 1:
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), picture[:, :, 0])


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_either_filter(channels: int, kind: Any) -> None:
    """Noise is stored less the mean of its neighbours, a drawing less what is above; both are read back exactly."""
    rng, depth = np.random.default_rng(7), np.iinfo(kind).bits
    noise = ((rng.normal(0.5, 0.1, (90, 700, channels)).clip(0, 1)) * (2**depth - 1)).astype(kind)
    drawing = np.full((90, 700, channels), 2**depth - 1, kind)
    drawing[:, 300:302] = 0

    for picture, expected in ((noise, png.AVERAGE), (drawing, png.UP)):
        data = png.encode(picture)
        stream = zlib.decompress(data[41 : 41 + int.from_bytes(data[33:37])])
        assert stream[0] == expected
        assert np.array_equal(unfiltered(data), picture)


def test_views_of_any_order() -> None:
    """Pixels that lie in memory in another order are written in theirs."""
    base = np.random.default_rng(0).integers(0, 256, (3, 8, 10), np.uint8)

    assert png.encode(base.transpose(1, 2, 0)) == png.encode(np.ascontiguousarray(base.transpose(1, 2, 0)))


@pytest.mark.parametrize("library", ["isal", "zlib"])
def test_photographs_are_not_much_larger_than_pillows(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 1.2 times the size that Pillow, and so torch, makes of real photographs, whole and reduced."""
    photographs = [Image.fromarray(one) for one in pytest.importorskip("sklearn.datasets").load_sample_images().images]
    if library == "isal":
        pytest.importorskip("isal")
    else:
        monkeypatch.setattr(png, "_deflate", lambda: png.deflate_runs)
    for picture in [*photographs, *(one.resize((320, 213)) for one in photographs)]:
        file = io.BytesIO()
        picture.save(file, format="PNG")
        assert len(png.encode(np.asarray(picture))) <= 1.2 * len(file.getvalue())


def test_without_isal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where isal is not installed, zlib of the standard library does it."""
    monkeypatch.setitem(sys.modules, "isal.igzip_lib", None)
    png._deflate.cache_clear()
    try:
        assert png._deflate() is png.deflate_runs
    finally:
        png._deflate.cache_clear()
