"""The values that a reader gets: one class for each kind, whoever wrote them and in whatever form."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import CorruptRecord, MissingDependency
from .rebin import percentiles
from .remoteplace import whole_file

__all__ = ["Audio", "Curve", "Embedding", "HParams", "Histogram", "Image", "Mesh", "Tensor", "Text", "Value", "Video"]

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """What every value has.

    Attributes:
        step: an int64.
        wall_time: seconds since 1970.
    """

    step: int
    wall_time: float


_MAGIC = {
    b"\x89PNG": "image/png",
    b"GIF8": "image/gif",
    b"\xff\xd8\xff": "image/jpeg",
    b"BM": "image/bmp",
    b"<svg": "image/svg+xml",
    b"<?xml": "image/svg+xml",
}


@dataclass(frozen=True, slots=True, eq=False)
class Image(Value):
    """The pictures of one step: one, or as many as `tf.summary.image` was given.

    Attributes:
        width, height: in pixels, as the file says.
        pictures: each as it was encoded, PNG as a rule.
    """

    width: int
    height: int
    pictures: tuple[bytes, ...] = field(repr=False)

    @property
    def encoded(self) -> bytes:
        """The first picture as it was encoded.

        Raises:
            CorruptRecord: the file has none.
        """
        return self._picture(0)

    @property
    def content_type(self) -> str:
        """What the first picture's first bytes say that it is, such as `image/png`."""
        start = self.encoded[:16]
        if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
            return "image/webp"
        return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), "application/octet-stream")

    def array(self, index: int = 0) -> NDArray[Any]:
        """A picture's pixels, uint8 (uint16 if it has 16 bits), shape [height, width] or [height, width, channels].

        Args:
            index: which of the step's pictures.

        Raises:
            MissingDependency: Pillow is not installed (extra `media`).
            CorruptRecord: the file has no such picture, or it is damaged.
        """
        try:
            from PIL import Image as Pictures
        except ImportError as error:
            raise MissingDependency(
                "Image.array() needs Pillow, which is not installed; run: pip install 'tallyboard[media]', "
                "or take .encoded"
            ) from error
        try:
            with Pictures.open(io.BytesIO(self._picture(index))) as picture:
                array = np.asarray(picture.convert("RGBA") if picture.mode in ("P", "PA") else picture)
        except (OSError, SyntaxError, ValueError) as error:
            raise CorruptRecord(f"the picture of step {self.step} cannot be decoded: {error}") from None
        return array.astype(np.uint16) if array.dtype == np.int32 else array

    def _picture(self, index: int) -> bytes:
        try:
            return self.pictures[index]
        except IndexError:
            raise CorruptRecord(
                f"step {self.step} has no picture {index}; it has {len(self.pictures) or 'none'}"
            ) from None


@dataclass(frozen=True, slots=True, eq=False)
class Audio(Value):
    """The sounds of one step.

    Attributes:
        content_type: `audio/wav` as a rule.
        sample_rate: samples a second, as the file says; 0 where only the sound itself does.
        clips: each sound as it was encoded.
        labels: a text for each, mostly empty.
    """

    content_type: str
    sample_rate: float
    clips: tuple[bytes, ...] = field(repr=False)
    labels: tuple[str, ...] = ()

    @property
    def encoded(self) -> bytes:
        """The first sound as it was encoded.

        Raises:
            CorruptRecord: the file has none.
        """
        if not self.clips:
            raise CorruptRecord(f"step {self.step} has no sound")
        return self.clips[0]

    def array(self, index: int = 0) -> tuple[NDArray[np.float32], int]:
        """A sound's samples, float32 of shape [samples, channels] from -1 to 1, and the samples a second.

        Only WAV files of whole numbers, which is what all writers make; others are in `clips` for other libraries.

        Raises:
            CorruptRecord: it is no such file.
        """
        try:
            with wave.open(io.BytesIO(self.clips[index])) as file:
                width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
                raw = file.readframes(file.getnframes())
        except (wave.Error, EOFError, IndexError) as error:
            raise CorruptRecord(
                f"sound {index} of step {self.step} is no WAV file of whole numbers ({error}); "
                "decode .clips with a library that knows it"
            ) from None
        raw = raw[: len(raw) // (width * channels) * width * channels]
        if width == 1:
            numbers = ((np.frombuffer(raw, np.uint8).astype(np.float32) - 128) / 128).astype(np.float32)
        else:
            wide = np.zeros((len(raw) // width, 4), np.uint8)
            wide[:, 4 - width :] = np.frombuffer(raw, np.uint8).reshape(-1, width)
            numbers = (wide.reshape(-1).view("<i4") / 2.0**31).astype(np.float32)
        return numbers.reshape(-1, channels), rate


@dataclass(frozen=True, slots=True, eq=False)
class Text(Value):
    """A text, which is markdown by custom.

    Attributes:
        strings: all strings of the value, in order of the flattened array.
        shape: of that array: () for one string, (rows, columns) for a table.
    """

    strings: tuple[str, ...]
    shape: tuple[int, ...] = ()

    @property
    def value(self) -> str:
        """The strings as paragraphs of one text."""
        return "\n\n".join(self.strings)


@dataclass(frozen=True, slots=True, eq=False)
class Tensor(Value):
    """Numbers or strings (bytes in an object array) of any shape."""

    array: NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Histogram(Value):
    """A distribution in buckets.

    Attributes:
        edges: float64 of shape [k + 1]; bucket i goes from `edges[i]` to `edges[i + 1]`.
        counts: float64 of shape [k].
        min, max, num, sum, sum_squares: of the values themselves, which torch's form and ours have; `tf.summary`'s
            has none, and what cannot be told from its buckets (the sums) is None.

    Empty buckets at both ends are left out, and the outer edges are the smallest and the largest value, as TensorBoard
    has it: a writer of torch's form leaves them at ±1.8e308.
    """

    edges: F64 = field(repr=False)
    counts: F64 = field(repr=False)
    min: float
    max: float
    num: float
    sum: float | None = None
    sum_squares: float | None = None

    def __len__(self) -> int:
        return len(self.counts)

    def quantile(self, q: float) -> float:
        """The value below which the share `q` (0 to 1) of all values lies, as if each bucket were evenly filled."""
        return float(percentiles(self.edges, self.counts, (q,))[0])


@dataclass(frozen=True, slots=True, eq=False)
class Curve(Value):
    """A precision-recall curve, or a ROC curve that `add_roc_curve` wrote.

    Attributes:
        kind: "pr" or "roc".
        thresholds: float64 of shape [n], i / (n - 1) as a rule.
        true_positives, false_positives, true_negatives, false_negatives, precision, recall: of shape [n]; recall is
            the true positive rate.
        area: under the ROC curve, None where it was not written.
    """

    kind: str
    thresholds: F64 = field(repr=False)
    true_positives: NDArray[Any] = field(repr=False)
    false_positives: NDArray[Any] = field(repr=False)
    true_negatives: NDArray[Any] = field(repr=False)
    false_negatives: NDArray[Any] = field(repr=False)
    precision: NDArray[Any] = field(repr=False)
    recall: NDArray[Any] = field(repr=False)
    area: float | None = None

    @property
    def false_positive_rate(self) -> F64:
        """False positives over all negatives; 0 where there are none."""
        negatives = self.false_positives.astype(np.float64) + self.true_negatives
        return np.divide(self.false_positives, negatives, out=np.zeros(len(negatives)), where=negatives > 0)


@dataclass(frozen=True, slots=True, eq=False)
class Mesh(Value):
    """3D meshes or point clouds.

    Attributes:
        vertices: coordinates, shape [batch, n, 3].
        faces: the three vertices of each triangle, shape [batch, m, 3], or None.
        colors: red, green and blue from 0 to 255, shape [batch, n, 3], or None.
        config: names and settings of three.js classes.
    """

    vertices: NDArray[Any] = field(repr=False)
    faces: NDArray[Any] | None = field(repr=False)
    colors: NDArray[Any] | None = field(repr=False)
    config: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Video(Value):
    """A video that `add_video` was given as a file: its type, such as `video/mp4`, and the whole file."""

    content_type: str
    encoded: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class HParams:
    """The hyperparameters of a run and how it went.

    Attributes:
        values: text, bool and float by name.
        status: "success", "failure", "running" or "unknown"; "running" too where the end was never written.
        start_time, end_time: seconds since 1970, None where not written.
        group: the name of the session's group, or empty.
        metrics: last value of each metric that was announced; NaN where it was never logged.
    """

    values: dict[str, str | bool | float]
    status: str
    start_time: float | None
    end_time: float | None
    group: str
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """An embedding that the run's `projector_config.pbtxt` names. Its files are read when asked for.

    Attributes:
        name: as in the configuration.
        tensor_path, metadata_path, sprite_path: files, None where there is none.
        shape: (rows, columns), or () where the configuration has none.
        sprite_size: width and height of one picture in the sprite.
    """

    name: str
    tensor_path: str | None
    metadata_path: str | None
    sprite_path: str | None
    shape: tuple[int, ...] = ()
    sprite_size: tuple[int, ...] = ()

    def array(self) -> NDArray[np.float32]:
        """The vectors, float32 of shape [rows, columns].

        Raises:
            CorruptRecord: the file is missing, or is not what the configuration says.
        """
        if self.tensor_path is None:
            raise CorruptRecord(f"the embedding {self.name!r} has no tensor_path")
        try:
            data = whole_file(self.tensor_path)
            raw = len(self.shape) == 2 and len(data) == 4 * self.shape[0] * self.shape[1]
            try:  # text first, as TensorBoard: one digit, a point, another digit and a tab are four bytes as well
                rows = [line.split("\t") for line in data.decode().splitlines() if line]
                return np.array(rows, np.float32).reshape(self.shape or (len(rows), -1))
            except ValueError:
                if not raw:
                    raise
            return np.frombuffer(data, "<f4").reshape(self.shape)
        except (OSError, ValueError) as error:
            raise CorruptRecord(f"the embedding {self.name!r} cannot be read: {error}") from None

    def metadata(self) -> list[list[str]]:
        """The rows of the metadata file, a header included where there is one (with more than one column).

        Raises:
            CorruptRecord: it cannot be read.
        """
        if self.metadata_path is None:
            return []
        try:
            with io.TextIOWrapper(io.BytesIO(whole_file(self.metadata_path)), encoding="utf-8") as file:
                return [line.rstrip("\r\n").split("\t") for line in file]
        except (OSError, ValueError) as error:
            raise CorruptRecord(f"the metadata of {self.name!r} cannot be read: {error}") from None
