"""What a summary's value can be, besides one number (float) and strings (a tuple of UTF-8 bytes).

Values are captured: they share no memory with what the user may change afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Audio", "Group", "Histogram", "Image", "Later", "Message", "Tensor", "TensorTag", "Value"]


class TensorTag(str):
    """The tag of numbers that are written as tensors of float32, which is the form of `tf.summary.scalar`.

    Equal to itself only, so that it is no other key for the same tag in its usual form: keep it, and use it again.

    Attributes:
        description: markdown shown beside them.
    """

    description: str

    def __new__(cls, tag: str, description: str = "") -> Self:
        """A tag, checked before."""
        made = super().__new__(cls, tag)
        made.description = description
        return made

    __eq__ = object.__eq__
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """Numbers of any shape.

    Attributes:
        array: a copy of the user's, of a dtype that TensorBoard can read.
    """

    array: NDArray[Any]

    def __eq__(self, other: object) -> bool:
        import numpy as np

        return (
            isinstance(other, Tensor)
            and self.array.dtype == other.array.dtype
            and np.array_equal(self.array, other.array, equal_nan=self.array.dtype.kind in "fc")
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have none


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """A distribution in buckets, as TensorBoard's HistogramProto has it.

    Attributes:
        min, max, num, sum, sum_squares: of the values themselves.
        limits: right edge of each bucket, float64 of shape [k]; a bucket starts at the edge before.
        counts: values in each bucket, float64 of shape [k].
    """

    min: float
    max: float
    num: float
    sum: float
    sum_squares: float
    limits: NDArray[np.float64]
    counts: NDArray[np.float64]

    def __eq__(self, other: object) -> bool:
        import numpy as np

        if not isinstance(other, Histogram):
            return False
        mine = (self.min, self.max, self.num, self.sum, self.sum_squares)
        theirs = (other.min, other.max, other.num, other.sum, other.sum_squares)
        return (
            np.array_equal(mine, theirs, equal_nan=True)
            and np.array_equal(self.limits, other.limits)
            and np.array_equal(self.counts, other.counts)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have none


@dataclass(frozen=True, slots=True)
class Image:
    """An encoded picture: height and width in pixels; colorspace 1 grey, 2 grey + alpha, 3 RGB, 4 RGBA."""

    height: int
    width: int
    colorspace: int
    encoded: bytes


@dataclass(frozen=True, slots=True)
class Audio:
    """Encoded sound: samples a second, channels, and how many samples each channel has."""

    sample_rate: float
    channels: int
    frames: int
    encoded: bytes
    content_type: str = "audio/wav"


@dataclass(frozen=True, slots=True)
class Message:
    """A serialised message that an event carries as it is: a graph, what a run measured of one, a ready-made summary.

    `event` is a whole event, whose step and wall time are replaced.
    """

    field: Literal["graph_def", "tagged_run_metadata", "summary", "event"]
    data: bytes


@dataclass(frozen=True, slots=True)
class Later:
    """A value whose making takes long: made on the background thread.

    Attributes:
        make: gives the value. All that can go wrong with the user's arguments was checked before.
        nbytes: about how much memory it holds meanwhile.
    """

    make: Callable[[], Value]
    nbytes: int


Value = float | tuple[bytes, ...] | Tensor | Histogram | Image | Audio | Message | None
Group = tuple[tuple[str, ...], tuple[float, ...]]  # scalars that share an event: their tags, and as many values
