"""What the demo has for the ear, in motion, and in space: a scale, a film and a cloud, of NumPy alone."""

from __future__ import annotations

from typing import Any

import numpy as np

RATE = 8000
"""Samples of sound a second."""

TONES = 261.63 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16]) / 12)
"""C major from C4 on, in hertz: a tone for each digit."""

COLOURS = np.array(
    [
        [31, 119, 180],
        [255, 127, 14],
        [44, 160, 44],
        [214, 39, 40],
        [148, 103, 189],
        [140, 86, 75],
        [227, 119, 194],
        [127, 127, 127],
        [188, 189, 34],
        [23, 190, 207],
    ],
    np.uint8,
)
"""Red, green and blue of each digit."""


def as_scale(scores: Any, y: Any) -> Any:
    """What the network hears in ten digits, 0 to 9: each of its guesses is a tone, as loud as its score.

    Who knows the digits plays a clean scale; who does not, the same chord ten times.

    Args:
        scores: float[n, 10].
        y: what the digits are, integers of shape [n].

    Returns:
        Samples, float32[16000] from -1 to 1.
    """
    firsts = [int(np.argmax(y == digit)) for digit in range(10)]
    time = np.arange(RATE // 5) / RATE
    envelope = np.minimum(1, time / 0.01) * np.exp(-4 * time)
    tones = np.sin(2 * np.pi * TONES[:, None] * time) * envelope
    return (0.9 * scores[firsts] @ tones).ravel().astype(np.float32)


def as_cloud(scores: Any, y: Any) -> tuple[Any, Any]:
    """Each digit as a point in space, where the network sees it: the principal components of its log scores.

    Args:
        scores: float[n, 10].
        y: what the digits are, integers of shape [n].

    Returns:
        Places, float32[n, 3] within -1 and 1, and colours, uint8[n, 3]; equal colours are equal digits.
    """
    seen = np.log(np.asarray(scores, np.float64) + 1e-6)
    seen -= seen.mean(0)
    _, _, axes = np.linalg.svd(seen, full_matrices=False)
    axes = axes[:3] * np.sign(axes[:3, :1] + 1e-12)  # or the cloud would turn over between two looks
    places = seen @ axes.T
    return (places / (np.abs(places).max() or 1)).astype(np.float32), COLOURS[y]


def as_film(kernels: Any, seconds: float = 0.2) -> bytes:
    """How the first layer's filters came to be, an animated GIF: blue for negative weights, red for positive ones.

    Args:
        kernels: its weights after each epoch, float[t, 3, 3, 1, 16].
        seconds: how long each is seen.
    """
    weights = np.asarray(kernels)[:, :, :, 0]
    shades = np.rint(63 + 63 * weights / (np.abs(weights).max() or 1)).astype(np.uint8)
    frames = np.full((len(shades), 4, 40, 4, 40), 63, np.uint8)  # four by four filters, each 36 pixels and a margin
    for at in range(16):
        filters = shades[..., at].repeat(12, 1).repeat(12, 2)
        frames[:, at // 4, 2:38, at % 4, 2:38] = filters
    t = np.linspace(-1, 1, 128)[:, None]
    palette = np.where(t < 0, 255 + t * (255 - np.array([33, 102, 172])), 255 - t * (255 - np.array([178, 24, 43])))
    return _gif(frames.reshape(-1, 160, 160), palette.astype(np.uint8), round(100 * seconds))


def _gif(frames: Any, palette: Any, hundredths: int) -> bytes:
    """A GIF that is not compressed: https://www.w3.org/Graphics/GIF/spec-gif89a.txt, appendix F.

    Of 128 colours each pixel is a code of eight bits, as long as the table of codes is cleared in time.
    """
    height, width = frames.shape[1:]
    size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    parts = [b"GIF89a", size, b"\xf6\0\0", palette.tobytes(), b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"]
    for frame in frames:
        pixels = frame.ravel()
        padded = np.zeros(-(-len(pixels) // 100) * 100, np.uint8)
        padded[: len(pixels)] = pixels
        codes = np.insert(padded.reshape(-1, 100), 0, 128, axis=1).tobytes() + b"\x81"
        blocks = [codes[at : at + 255] for at in range(0, len(codes), 255)]
        parts += [b"!\xf9\x04\x04", hundredths.to_bytes(2, "little"), b"\0\0", b",\0\0\0\0", size, b"\0\x07"]
        parts += [bytes([len(block)]) + block for block in blocks] + [b"\0"]
    return b"".join([*parts, b";"])
