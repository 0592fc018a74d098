"""Values that say what kind of metric they are, for `write_values`; those of `clu.values` do as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Audio", "Histogram", "HyperParam", "Image", "PointCloud", "Scalar", "Summary", "Text", "Video"]


@dataclass(frozen=True)
class Scalar:
    """One number."""

    value: Any


@dataclass(frozen=True)
class Image:
    """Pictures, [N, H, W, C] or [H, W, C]."""

    value: Any


@dataclass(frozen=True)
class Video:
    """Moving pictures, [N, T, H, W, C] or [T, H, W, C]."""

    value: Any


@dataclass(frozen=True)
class Audio:
    """Sounds, [N, T, C], of `sample_rate` samples a second."""

    value: Any
    sample_rate: int


@dataclass(frozen=True)
class Text:
    """Markdown."""

    value: Any


@dataclass(frozen=True)
class Histogram:
    """Numbers, of which the distribution is written."""

    value: Any
    num_buckets: int | None = None


@dataclass(frozen=True)
class PointCloud:
    """Points, [N, 3] or [B, N, 3], and their colours, shaped alike."""

    value: Any
    colors: Any = None
    config: Any = None


@dataclass(frozen=True)
class HyperParam:
    """A hyperparameter."""

    value: Any


@dataclass(frozen=True)
class Summary:
    """Any tensor, with the metadata of its plugin."""

    value: Any
    metadata: Any = None
