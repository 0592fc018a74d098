"""Weights as pictures: a matrix as it lies, a convolution as its filters side by side."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["picture"]

MOST_TILES: Final = 32  # along a side
MOST_PIXELS: Final = 1024  # along a side; beyond, neighbours are put together
_GAP: Final = 1


def picture(weight: NDArray[Any]) -> NDArray[np.uint8] | None:
    """A weight as a picture, its least value black and its greatest white; None of a single number.

    Axes of one element are left out first. Of what remains, one axis is a row of pixels; two are a matrix, lying; of
    three or more (a convolution's: places, then inputs, then outputs) each filter is a tile. Filters of one or three
    inputs in the plane are grey or coloured tiles, at most 1,024 of them; others have a row of tiles for each output,
    one for each input, at most 32 of either.

    Args:
        weight: real numbers; what is not finite is black.

    Returns:
        [height, width, 1 or 3].
    """
    numbers = np.squeeze(_unit(np.asarray(weight, np.float32)))
    if numbers.ndim == 0:
        return None
    if numbers.ndim == 1:
        return _pixels(_smaller(numbers[None, :, None]))
    if numbers.ndim == 2:
        numbers = numbers.T if numbers.shape[0] > numbers.shape[1] else numbers
        return _pixels(_smaller(numbers[:, :, None]))
    return _pixels(_smaller(_tiled(_unit(np.asarray(weight, np.float32)))))


def _unit(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """From 0 to 1, the least to the greatest; grey where all are the same."""
    finite = np.isfinite(numbers)
    if not finite.any():
        return np.zeros_like(numbers)
    least, most = float(numbers[finite].min()), float(numbers[finite].max())
    if least == most:
        return np.where(finite, np.float32(0.5), np.float32(0))
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (numbers.astype(np.float64) - least) / (most - least)
    return np.where(finite, scaled, 0).astype(np.float32)


def _tiled(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Filters side by side: [..., inputs, outputs] as [height, width, 1 or 3]."""
    *places, inputs, outputs = numbers.shape
    if len(places) == 1:  # of a sequence: each filter is its places by its inputs
        tiles = np.moveaxis(numbers, -1, 0)[:, :, :, None]
        return _grid(tiles[: MOST_TILES**2], math.isqrt(min(outputs, MOST_TILES**2) - 1) + 1)
    if len(places) == 2 and inputs in (1, 3):
        tiles = np.moveaxis(numbers, -1, 0)
        return _grid(tiles[: MOST_TILES**2], math.isqrt(min(outputs, MOST_TILES**2) - 1) + 1)
    height, width = places[-2:]
    deep = numbers.reshape(-1, height, width, inputs, outputs)
    slices = np.moveaxis(deep, (4, 3, 0), (0, 1, 2))  # outputs, inputs, depth, height, width
    slices = slices.reshape(outputs, -1, height, width)[:MOST_TILES, :MOST_TILES]
    return _grid(slices.reshape(-1, height, width, 1), slices.shape[1])


def _grid(tiles: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """Tiles in rows, with a white line between them."""
    count, height, width, channels = tiles.shape
    rows = -(-count // columns)
    canvas = np.ones((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, channels), np.float32)
    for place, tile in enumerate(tiles):
        top, left = (place // columns) * (height + _GAP), (place % columns) * (width + _GAP)
        canvas[top : top + height, left : left + width] = tile
    return canvas


def _smaller(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """At most `MOST_PIXELS` along a side, each the mean of those in its place."""
    for axis in (0, 1):
        size = numbers.shape[axis]
        if size > MOST_PIXELS:
            edges = np.arange(MOST_PIXELS) * size // MOST_PIXELS
            shape = [1, 1, 1]
            shape[axis] = MOST_PIXELS
            counts = np.diff(edges, append=size).reshape(shape)
            numbers = (np.add.reduceat(numbers, edges, axis=axis) / counts).astype(np.float32)
    return numbers


def _pixels(numbers: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(numbers * 255).astype(np.uint8)
