"""Embeddings as files, in the form that TensorBoard's projector reads.

`<run>/projector_config.pbtxt` names for each embedding its tensor, one line of metadata a row and a sprite: one
picture that holds a small one for each row. Source: projector_config.proto and projector_plugin.py of TensorBoard.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .arrays import as_array
from .errors import InvalidSummary, warn_once
from .remote import is_remote, joined
from .remote_uploads import send
from .summary import kind_of

__all__ = ["Embedding", "embedding", "folder_of", "save"]

CONFIG = "projector_config.pbtxt"
SPRITE_MAX = 8192  # pixels of a side; the projector refuses a larger sprite
_CALL = "add_embedding"


@dataclass(frozen=True, slots=True)
class Embedding:
    """What is written of an embedding.

    Attributes:
        name: the projector's name for it, `<tag>:<step>`.
        folder: where its files go, relative to the run's directory.
        matrix: float32, shape [rows, columns].
        metadata: the text of its TSV file, or None.
        sprite: pixels [height, width, channels] of uint8, and width and height of one picture; or None.
    """

    name: str
    folder: str
    matrix: NDArray[np.float32]
    metadata: str | None
    sprite: tuple[NDArray[np.uint8], tuple[int, int]] | None


def folder_of(tag: str, step: int) -> str:
    """Where an embedding's files go: torch's `<step in five digits>/<tag>`, what no file name may hold as `%xx`.

    Raises:
        InvalidSummary: the tag makes too long a file name.
    """
    name = "".join(f"%{ord(c):02x}" if c in "%/\\\0" else c for c in tag)
    if name in (".", ".."):
        name = name.replace(".", "%2e")
    if len(name.encode()) > 255:
        raise InvalidSummary(f"{_CALL}({tag[:20]!r}...): the tag is too long for a directory's name; shorten it")
    return f"{str(step).zfill(5)}/{name}"


def embedding(tag: str, step: int, mat: Any, metadata: Any, label_img: Any, metadata_header: Any) -> Embedding:
    """Checks the arguments of `add_embedding`, which see, and copies them.

    Raises:
        InvalidSummary: they are of the wrong shape, or do not fit together.
    """
    matrix = as_array(mat, f"{_CALL}({tag!r})", "mat", copy=False)
    if matrix.ndim != 2 or 0 in matrix.shape or matrix.dtype.kind == "c":
        raise InvalidSummary(
            f"{_CALL}({tag!r}): expected mat to be real numbers of shape [rows, columns], got shape "
            f"{tuple(matrix.shape)} of {matrix.dtype}; for one vector pass mat[None, :]"
        )
    with np.errstate(over="ignore"):
        numbers = np.array(matrix, "<f4", order="C")
    lines = None if metadata is None else _tsv(tag, len(numbers), metadata, metadata_header)
    sprite = None if label_img is None else _sprite(tag, len(numbers), label_img)
    return Embedding(f"{tag}:{str(step).zfill(5)}", folder_of(tag, step), numbers, lines, sprite)


def _tsv(tag: str, rows: int, metadata: Any, header: Any) -> str:
    """One line a row. The projector takes the first for a header if it has several columns, and only then."""
    if hasattr(metadata, "shape"):
        metadata = metadata.tolist()
    if isinstance(metadata, str) or not isinstance(metadata, Sequence):
        raise InvalidSummary(
            f"{_CALL}({tag!r}): expected metadata to be a list with one entry for each row of mat, got "
            f"{kind_of(cast('object', metadata))}"
        )
    entries = cast("Sequence[Any]", metadata)
    if len(entries) != rows:
        raise InvalidSummary(
            f"{_CALL}({tag!r}): mat has {rows} rows, metadata {len(entries)}; give one entry for each row"
        )
    names: list[str] = [] if header is None else [str(name) for name in header]
    if not names:
        return "\n".join([_cell(str(entry)) for entry in entries]) + "\n"
    for i, entry in enumerate(entries):
        if isinstance(entry, str) or not hasattr(entry, "__len__") or len(entry) != len(names):
            raise InvalidSummary(
                f"{_CALL}({tag!r}): metadata_header names {len(names)} columns, so each entry of metadata has "
                f"to be a list of as many; metadata[{i}] is {entry!r:.60}"
            )
    if len(names) == 1:  # a file of one column cannot have a header: it gets a second one, the row's number
        names, entries = [*names, "row"], [[*entry, i] for i, entry in enumerate(entries)]
    lines = ["\t".join(map(_cell, names))]
    lines += ["\t".join([_cell(str(item)) for item in entry]) for entry in entries]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """A text that stays in its cell, and on a line that the projector does not pass over as blank."""
    if "\t" in text or "\n" in text or "\r" in text:
        text = text.replace("\t", " ").replace("\n", " ").replace("\r", " ")
    return text if text.strip() else "(empty)"


def _sprite(tag: str, rows: int, label_img: Any) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Pictures in as many rows as columns, which the projector counts on; made smaller if the whole is too large."""
    pictures = as_array(label_img, f"{_CALL}({tag!r})", "label_img", copy=False)
    if pictures.ndim != 4 or 0 in pictures.shape or pictures.shape[1] not in (1, 3, 4):
        raise InvalidSummary(
            f"{_CALL}({tag!r}): expected label_img of shape [rows, 1, 3 or 4, height, width], got "
            f"{tuple(pictures.shape)}; move the channels with numpy.moveaxis"
        )
    if len(pictures) != rows:
        raise InvalidSummary(f"{_CALL}({tag!r}): mat has {rows} rows, label_img {len(pictures)}; give one for each row")
    count = math.isqrt(rows - 1) + 1
    room = SPRITE_MAX // count
    if room == 0:
        raise InvalidSummary(
            f"{_CALL}({tag!r}): {rows} pictures do not fit a sprite; leave label_img out, or log fewer rows"
        )
    if pictures.dtype.kind != "f":
        pictures = pictures * np.uint8(255) if pictures.dtype == bool else np.clip(pictures, 0, 255).astype(np.uint8)
    height, width = pictures.shape[2:]
    scale = min(1.0, room / max(height, width))
    if scale < 1.0:
        height, width = max(1, int(height * scale)), max(1, int(width * scale))
        pictures = _shrunk(_shrunk(pictures, 2, height), 3, width)
    channels = max(3, pictures.shape[1])
    canvas = np.zeros((count, height, count, width, channels), np.uint8)
    for row in range(count):
        part = np.moveaxis(pictures[row * count : (row + 1) * count], (0, 1, 2), (1, 3, 0))
        if part.dtype.kind == "f":
            with np.errstate(invalid="ignore"):
                part = np.nan_to_num(np.clip(part * np.float32(255), 0, 255)).astype(np.uint8)
        canvas[row, :, : part.shape[1]] = part
    return canvas.reshape(count * height, count * width, channels), (width, height)


def _shrunk(pictures: NDArray[Any], axis: int, size: int) -> NDArray[np.float32]:
    """Fewer pixels along an axis, each the mean of those in its place; still 0..1."""
    old = pictures.shape[axis]
    edges = np.arange(size) * old // size
    shape = [1] * pictures.ndim
    shape[axis] = size
    counts = np.diff(edges, append=old).reshape(shape)
    total = np.add.reduceat(pictures, edges, axis=axis, dtype=np.float32) / counts
    return (total / 255 if pictures.dtype == np.uint8 else total).astype(np.float32)


def save(log_dir: str, item: Embedding) -> None:
    """Writes an embedding's files, and then its entry into the run's configuration. Warns once where it cannot."""
    tensor = "tensors.bytes" if binary_is_safe(item.matrix) else "tensors.tsv"
    files: dict[str, bytes | memoryview] = {
        tensor: item.matrix.data if tensor.endswith("bytes") else _text(item.matrix)
    }
    if item.metadata is not None:
        files["metadata.tsv"] = item.metadata.encode("utf-8", "replace")
    if item.sprite is not None:
        from .png import encode

        files["sprite.png"] = encode(item.sprite[0])
    if is_remote(log_dir):
        _send(log_dir, item, files, tensor)
        return
    try:
        folder = os.path.join(log_dir, *item.folder.split("/", 1))
        os.makedirs(folder, exist_ok=True)
        for name, data in files.items():
            _replace(os.path.join(folder, name), data)
        _configure(log_dir, item, tensor)
    except OSError as error:
        warn_once(
            ("embedding", os.path.abspath(log_dir), error.errno),
            f"{log_dir}: the embedding {item.name!r} cannot be written ({type(error).__name__}: {error}). "
            "Training goes on without it.",
        )


def _send(log_dir: str, item: Embedding, files: dict[str, bytes | memoryview], tensor: str) -> None:
    """The same into a remote store, in the background; the configuration, which names the others, arrives last."""
    path = joined(log_dir, CONFIG)
    items = [(f"{item.folder}/{name}", bytes(data), memoryview(data).nbytes) for name, data in files.items()]
    whole = all(send(log_dir, *each) for each in items)
    if not whole or not send(log_dir, CONFIG, lambda old: _configured(path, old, item, tensor), 1024):
        warn_once(
            ("embedding", log_dir),
            f"{log_dir}: the embedding {item.name!r} was dropped, because too much already waits to be uploaded; "
            "training goes on without it",
        )


def binary_is_safe(matrix: NDArray[np.float32]) -> bool:
    """Whether TensorBoard will take the raw bytes for such.

    It reads any file as text first, and as bytes only when that text is not UTF-8; a line that is UTF-8 but no
    numbers fails instead. So the first line that is not empty has to be no UTF-8, which but for matrices of special
    numbers (zeros, powers of two) it is.
    """
    start = matrix.ravel()[:1024].tobytes().lstrip(b"\n").partition(b"\n")[0]
    try:
        start[:-4].decode() if len(start) >= 4096 else start.decode()
    except UnicodeDecodeError:
        return True
    return False


def _text(matrix: NDArray[np.float32]) -> bytes:
    """Numbers in the fewest digits that are read back the same as float32."""
    return "".join(["\t".join(map(str, row)) + "\n" for row in matrix]).encode()


def _replace(path: str, data: bytes | memoryview) -> None:
    """Writes a file whole: who reads it meanwhile finds the old one or the new one."""
    passing = f"{path}.{os.getpid()}.{time.monotonic_ns()}"
    try:
        with open(passing, "wb") as file:
            file.write(data)
        os.replace(passing, path)
    except OSError:
        if os.path.exists(passing):
            os.unlink(passing)
        raise


def _configure(log_dir: str, item: Embedding, tensor: str) -> None:
    path = os.path.join(log_dir, CONFIG)
    try:
        with open(path, "rb") as file:
            old = file.read()
    except FileNotFoundError:
        old = None
    _replace(path, _configured(path, old, item, tensor))


def _configured(path: str, old: bytes | None, item: Embedding, tensor: str) -> bytes:
    """The run's configuration with an embedding added, or in place of the one of its name; the others stay."""
    from google.protobuf import text_format

    from .proto import projector_pb2 as pb

    config = pb.ProjectorConfig()
    try:
        text_format.Parse((old or b"").decode(), config, allow_unknown_field=True)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        warn_once(("projector", path), f"{path}: it was no projector configuration ({error}); it is now")
        config = pb.ProjectorConfig()
    others = [entry for entry in config.embeddings if entry.tensor_name != item.name]
    del config.embeddings[:]
    config.embeddings.extend(others)
    entry = config.embeddings.add(tensor_name=item.name, tensor_path=f"{item.folder}/{tensor}")
    entry.tensor_shape.extend(item.matrix.shape)
    if item.metadata is not None:
        entry.metadata_path = f"{item.folder}/metadata.tsv"
    if item.sprite is not None:
        entry.sprite.image_path = f"{item.folder}/sprite.png"
        entry.sprite.single_image_dim.extend(item.sprite[1])
    return text_format.MessageToString(config).encode()
