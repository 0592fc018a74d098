"""The embeddings of all runs: what their configurations name, read when somebody asks for it.

Vectors and metadata that were read are kept, up to `KEPT` bytes of them in all, while their files are the same.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tallyboard.core.remote import is_remote

from .pictures import NoPicture, look
from .projector_files import Asset, Unreadable, find
from .projector_tables import Column, Vectors, is_text, labels, vectors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tallyboard.core.proto.projector_pb2 import ProjectorConfig

    from .context import Context

__all__ = ["CONFIG", "EMBEDDINGS", "Embeddings", "Entry", "Read", "Unknown", "spread"]

CONFIG = "projector_config.pbtxt"

LONGEST_CONFIG = 16 << 20
LONGEST_VECTORS = 2 << 30
LONGEST_METADATA = 256 << 20
LONGEST_BOOKMARKS = 16 << 20
LONGEST_SPRITE = 128 << 20
MOST_PIXELS = 1 << 28
"""Pixels of a sprite that is sent, 16384 x 16384."""

KEPT = 256 << 20

_COUNTED = 64 << 20
"""Bytes of text whose lines are counted for the list alone."""


_OF_NUMBERS = b"0123456789+-.eEinfatyINFATY_\t\r\n "


class Unknown(Exception):
    """There is no such embedding, or it has no such thing; the text is for people."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An embedding as its run's configuration names it.

    Attributes:
        run, name: which; of an entry without a name, its tensor's file name.
        folder: the configuration's directory.
        shape: the declared tensor_shape, or empty.
        tensor, metadata, bookmarks, sprite: paths as they are given, or empty.
        sprite_size: width and height of one picture, or empty.
        checkpoint: whether its vectors are in a checkpoint of TensorFlow.
    """

    run: str
    name: str
    folder: str
    shape: tuple[int, ...] = ()
    tensor: str = ""
    metadata: str = ""
    bookmarks: str = ""
    sprite: str = ""
    sprite_size: tuple[int, ...] = ()
    checkpoint: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """A run's configuration: its embeddings by name, what is wrong with it, and all of it."""

    entries: dict[str, Entry]
    problems: tuple[str, ...] = ()
    message: ProjectorConfig | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """Vectors that were read, a token that differs whenever their file does, and which rows are finite."""

    vectors: Vectors
    generation: str
    finite: NDArray[np.bool_]


@dataclass(slots=True)
class _Kept:
    """What was read last, up to a number of bytes; the longest unused goes first."""

    room: int
    nbytes: int = 0
    items: OrderedDict[Any, tuple[Any, int]] = field(default_factory=OrderedDict[Any, "tuple[Any, int]"])

    def get(self, key: Any) -> Any:
        if key not in self.items:
            return None
        self.items.move_to_end(key)
        return self.items[key][0]

    def put(self, key: Any, value: Any, nbytes: int) -> None:
        if nbytes > self.room or key in self.items:
            return
        self.items[key] = (value, nbytes)
        self.nbytes += nbytes
        while self.nbytes > self.room:
            self.nbytes -= self.items.popitem(last=False)[1][1]


class Embeddings:
    """What the runs of a store have to project. May be asked by several threads; waits for the disk."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._configs: dict[str, tuple[Any, Config]] = {}
        self._kept = _Kept(KEPT)
        self._looked = _Kept(1 << 20)

    def listed(self, context: Context) -> list[dict[str, Any]]:
        """Every embedding of every run, as `/api/projector` tells it."""
        found: list[dict[str, Any]] = []
        for run in self.runs(context):
            config = self.config(context, run)
            if not config.entries:
                found.append(_told(Entry(run, "", ""), None, None, list(config.problems)))
            for at, entry in enumerate(config.entries.values()):
                found.append(self._described(entry, list(config.problems) if at == 0 else []))
        return found

    def runs(self, context: Context) -> list[str]:
        """The runs that have a configuration, in natural order."""
        return [
            run.name
            for run in context.store.overview().runs
            if any(asset.kind == "projector" and asset.path.endswith(CONFIG) for asset in run.assets)
        ]

    def config(self, context: Context, run: str) -> Config:
        """A run's configuration."""
        folder = context.locate(run)
        if is_remote(folder):
            return Config({}, (f"run {run!r}: embeddings of remote runs are not shown",))
        try:
            asset = find(folder, CONFIG)
            with self._lock:
                known = self._configs.get(run)
            if known is not None and known[0] == (asset.stamp, asset.base):
                return known[1]
            config = _parsed(run, folder, asset.read(LONGEST_CONFIG))
        except Unreadable as error:
            return Config({}, (f"run {run!r}: {error}",))
        with self._lock:
            self._configs[run] = ((asset.stamp, asset.base), config)
            if len(self._configs) > 10_000:
                self._configs.clear()
        return config

    def entry(self, context: Context, run: str, name: str) -> Entry:
        """An embedding.

        Raises:
            Unknown: there is none.
        """
        there = any(each.name == run for each in context.store.overview().runs)
        found = self.config(context, run).entries.get(name) if there else None
        if found is None:
            raise Unknown(f"run {run!r} has no embedding {name!r}")
        return found

    def read(self, entry: Entry) -> Read:
        """An embedding's vectors.

        Raises:
            Unknown: they cannot be read.
        """
        try:
            if not entry.tensor:
                raise Unreadable(_no_tensor())
            asset = find(entry.folder, entry.tensor)
            key = ("vectors", asset, entry.shape)
            with self._reading:  # of two that ask for the same, one reads
                found = self._kept.get(key)
                if found is None:
                    read = vectors(asset.read(LONGEST_VECTORS), entry.shape)
                    finite: NDArray[np.bool_] = np.array(np.isfinite(read.array).all(axis=1), np.bool_)
                    found = Read(read, _token(key), finite)
                    self._kept.put(key, found, found.vectors.array.nbytes)
        except Unreadable as error:
            raise Unknown(_sentence(entry, str(error))) from None
        return found

    def labels(self, entry: Entry) -> tuple[list[Column], list[str]]:
        """An embedding's metadata, and what is wrong with it; neither where it has none."""
        if not entry.metadata:
            return [], []
        try:
            asset = find(entry.folder, entry.metadata)
            key = ("labels", asset)
            with self._reading:
                found = self._kept.get(key)
                if found is None:
                    found = labels(asset.read(LONGEST_METADATA))
                    self._kept.put(key, found, 4 * asset.size)
        except Unreadable as error:
            return [], [_sentence(entry, f"its metadata is not there: {error}")]
        columns, problems = found
        return columns, [_sentence(entry, problem) for problem in problems]

    def problems(self, entry: Entry, found: Read) -> list[str]:
        """What is wrong with vectors that were read."""
        return [_sentence(entry, problem) for problem in found.vectors.problems]

    def sprite(self, entry: Entry) -> tuple[bytes, str]:
        """An embedding's sprite and its type.

        Raises:
            Unknown: there is none that a browser may be given.
        """
        try:
            if not entry.sprite:
                raise Unreadable("it has no sprite")
            data = find(entry.folder, entry.sprite).read(LONGEST_SPRITE)
            picture = look(data)
        except (Unreadable, NoPicture) as error:
            raise Unknown(_sentence(entry, f"its sprite: {error}")) from None
        if picture.pixels > MOST_PIXELS:
            what = f"its sprite declares {picture.width:,} x {picture.height:,} pixels, and is not sent"
            raise Unknown(_sentence(entry, what))
        return data, picture.kind

    def bookmarks(self, entry: Entry) -> bytes:
        """An embedding's bookmarks, JSON as they were saved.

        Raises:
            Unknown: there are none.
        """
        try:
            if not entry.bookmarks:
                raise Unreadable("it has no bookmarks")
            return find(entry.folder, entry.bookmarks).read(LONGEST_BOOKMARKS)
        except Unreadable as error:
            raise Unknown(_sentence(entry, f"its bookmarks: {error}")) from None

    def metadata(self, entry: Entry) -> bytes:
        """An embedding's metadata file.

        Raises:
            Unknown: there is none.
        """
        try:
            if not entry.metadata:
                raise Unreadable("it has none")
            return find(entry.folder, entry.metadata).read(LONGEST_METADATA)
        except Unreadable as error:
            raise Unknown(_sentence(entry, f"its metadata: {error}")) from None

    def _described(self, entry: Entry, problems: list[str]) -> dict[str, Any]:
        """An entry for the list: as much as a first look tells."""
        size = None
        try:
            if not entry.tensor:
                raise Unreadable(_no_tensor())
            size = self._size(entry, find(entry.folder, entry.tensor))
        except Unreadable as error:
            problems.append(_sentence(entry, str(error)))
        for kind, path in (("metadata", entry.metadata), ("bookmarks", entry.bookmarks)):
            try:
                if path:
                    find(entry.folder, path).check(LONGEST_METADATA if kind == "metadata" else LONGEST_BOOKMARKS)
            except Unreadable as error:
                problems.append(_sentence(entry, f"its {kind}: {error}"))
        sprite = self._sheet(entry, None if size is None else size[0], problems) if entry.sprite else None
        return _told(entry, size, sprite, problems)

    def _size(self, entry: Entry, asset: Asset) -> tuple[int, int] | None:
        """Rows and columns, as the file's size or its lines tell; None where only reading it would."""
        key = (asset, entry.shape)
        with self._lock:
            found = self._looked.get(key)
        if found is None:
            found = (_size(asset, entry.shape),)
            with self._lock:
                self._looked.put(key, found, 1_000)
        return found[0]

    def _sheet(self, entry: Entry, rows: int | None, problems: list[str]) -> dict[str, int] | None:
        """The sprite's measures; None and a problem where it is of no use."""
        try:
            asset = find(entry.folder, entry.sprite)
            with self._lock:
                picture = self._looked.get(asset)
            if picture is None:
                asset.check(LONGEST_SPRITE)
                picture = look(asset.start(LONGEST_SPRITE))
                with self._lock:
                    self._looked.put(asset, picture, 1_000)
        except (Unreadable, NoPicture) as error:
            problems.append(_sentence(entry, f"its sprite: {error}"))
            return None
        size = f"{picture.width:,} x {picture.height:,} pixels"
        if len(entry.sprite_size) != 2 or 0 in entry.sprite_size:
            problems.append(_sentence(entry, "its sprite has no single_image_dim: width and height of one picture"))
            return None
        if picture.pixels > MOST_PIXELS:
            problems.append(_sentence(entry, f"its sprite declares {size}, and is not shown"))
            return None
        width, height = entry.sprite_size
        across, down = picture.width // width, picture.height // height
        needed = 0 if rows is None else rows
        if across * down < needed:
            problems.append(
                _sentence(
                    entry, f"its sprite of {size} has {across * down:,} pictures of {width} x {height}, not {needed:,}"
                )
            )
        if picture.flaw:
            problems.append(_sentence(entry, f"its sprite: {picture.flaw}"))
        sheet = {"width": width, "height": height, "across": across, "down": down}
        return {**sheet, "pictures": min(across * down, needed or across * down)} if across and down else None


EMBEDDINGS: Final = Embeddings()
"""Those of this process, so that what one route has read another has too."""


def spread(rows: int, most: int) -> NDArray[np.uint32]:
    """Which of many rows stand for all: one of each of `most` equal parts, the same ones always.

    Args:
        rows: how many there are.
        most: how many are wanted, at least 1.
    """
    if rows <= most:
        return np.arange(rows, dtype=np.uint32)
    edges = np.arange(most + 1) * rows // most
    within = np.random.default_rng(rows).random(most)
    return (edges[:-1] + (within * np.diff(edges)).astype(np.int64)).astype(np.uint32)


def _parsed(run: str, folder: str, data: bytes) -> Config:
    from google.protobuf import text_format

    from tallyboard.core.proto import projector_pb2

    config = projector_pb2.ProjectorConfig()
    try:
        text_format.Parse(data.decode(), config, allow_unknown_field=True)
    except (text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        what = str(error).partition("\n")[0][:200]
        return Config({}, (f"run {run!r}: its {CONFIG} is no projector configuration: {what}",))
    entries: dict[str, Entry] = {}
    twice: list[str] = []
    for info in config.embeddings:
        name = info.tensor_name.removesuffix(":0") or os.path.basename(info.tensor_path)
        entry = Entry(
            run,
            name,
            folder,
            tuple(info.tensor_shape),
            info.tensor_path,
            info.metadata_path,
            info.bookmarks_path,
            info.sprite.image_path,
            tuple(info.sprite.single_image_dim),
            not info.tensor_path,
        )
        if entries.setdefault(name, entry) != entry:
            twice.append(name)
    problems = [f"run {run!r}: its {CONFIG} names {name!r} twice; the first is shown" for name in dict.fromkeys(twice)]
    if not entries:
        problems.append(f"run {run!r}: its {CONFIG} names no embedding")
    return Config(entries, tuple(problems), config)


def _no_tensor() -> str:
    return "it has no tensor_path, and checkpoints of TensorFlow are not read"


def _size(asset: Asset, shape: tuple[int, ...]) -> tuple[int, int] | None:
    asset.check(LONGEST_VECTORS)
    start = asset.start(1 << 16)
    declared = (shape[0], shape[1]) if len(shape) == 2 and 0 not in shape else None
    if not is_text(start, asset.size <= 1 << 16) or start.strip(_OF_NUMBERS):
        there = min(declared[0], asset.size // (4 * declared[1])) if declared else 0
        return (there, declared[1]) if declared and there else None
    if asset.size > _COUNTED:
        return declared if declared and asset.size >= 2 * declared[0] * declared[1] else None
    lines = [line for line in asset.read(_COUNTED).split(b"\n") if line.strip(b"\r")]
    return (len(lines), lines[0].count(b"\t") + 1) if lines else None


def _told(
    entry: Entry, size: tuple[int, int] | None, sprite: dict[str, int] | None, problems: Iterable[str]
) -> dict[str, Any]:
    return {
        "run": entry.run,
        "name": entry.name,
        "rows": None if size is None else size[0],
        "columns": None if size is None else size[1],
        "metadata": bool(entry.metadata),
        "sprite": sprite,
        "bookmarks": bool(entry.bookmarks),
        "problems": list(problems),
    }


def _sentence(entry: Entry, what: str) -> str:
    return f"run {entry.run!r}, embedding {entry.name!r}: {what}"


def _token(key: Any) -> str:
    return hashlib.blake2b(repr(key).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
