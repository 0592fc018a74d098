"""The embeddings of all runs: what their configurations name, read when somebody asks for it.

Vectors and metadata that were read are kept, up to `KEPT` bytes of them in all, while their files are the same.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tallyboard.core.remote import is_remote

from .pictures import NoPicture, look
from .projector_config import CONFIG, Config, Entry, parsed, root_of, sentence, with_tensors
from .projector_files import Asset, Unreadable, find
from .projector_tables import Column, Vectors, is_text, labels, vectors
from .projector_variables import Held, Saved, saved

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .context import Context

__all__ = ["CONFIG", "EMBEDDINGS", "Embeddings", "Entry", "Read", "Unknown", "spread"]

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
        self._configs: dict[str, tuple[Asset, Config, Config]] = {}
        self._kept = _Kept(KEPT)
        self._looked = _Kept(8 << 20)

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
            bare = known[1] if known is not None and known[0] == asset else parsed(run, folder, asset)
        except Unreadable as error:
            return Config({}, (f"run {run!r}: {error}",))
        found, lost = self._saved(root_of(context, run), folder, bare)
        if known is not None and known[1] is bare and (known[2].saved, known[2].lost) == (found, lost):
            return known[2]
        config = with_tensors(run, bare, found, lost)
        with self._lock:
            self._configs[run] = (asset, bare, config)
            if len(self._configs) > 10_000:
                self._configs.clear()
        return config

    def _saved(self, root: str, folder: str, bare: Config) -> tuple[Saved | None, str]:
        """The checkpoint of a configuration, or why there is none."""
        if bare.message is None:
            return None, ""

        def kept(asset: Asset) -> Saved | None:
            with self._lock:
                return self._looked.get(("checkpoint", asset))

        wanted = not all(entry.tensor for entry in bare.entries.values()) or not bare.entries
        try:
            found = saved(root, folder, bare.message.model_checkpoint_path, wanted, kept)
        except Unreadable as error:
            return None, str(error)
        if found is None:
            return None, "no checkpoint was found with it" if wanted else ""
        with self._lock:
            self._looked.put(("checkpoint", found.index), found, 1_000 + 100 * len(found.tensors))
        return found, ""

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
            if entry.held is None and not entry.tensor:
                raise Unreadable(entry.lost)
            source = entry.held or find(entry.folder, entry.tensor)
            key = ("vectors", source.stamp() if isinstance(source, Held) else source, entry.shape)
            with self._reading:  # of two that ask for the same, one reads
                found = self._kept.get(key)
                if found is None:
                    if isinstance(source, Held):
                        read = source.read(LONGEST_VECTORS)
                    else:
                        read = vectors(source.read(LONGEST_VECTORS), entry.shape)
                    finite: NDArray[np.bool_] = np.array(np.isfinite(read.array).all(axis=1), np.bool_)
                    found = Read(read, _token(key), finite)
                    self._kept.put(key, found, found.vectors.array.nbytes)
        except Unreadable as error:
            raise Unknown(sentence(entry, str(error))) from None
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
            return [], [sentence(entry, f"its metadata is not there: {error}")]
        columns, problems = found
        return columns, [sentence(entry, problem) for problem in problems]

    def problems(self, entry: Entry, found: Read) -> list[str]:
        """What is wrong with vectors that were read."""
        return [sentence(entry, problem) for problem in found.vectors.problems]

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
            raise Unknown(sentence(entry, f"its sprite: {error}")) from None
        if picture.pixels > MOST_PIXELS:
            what = f"its sprite declares {picture.width:,} x {picture.height:,} pixels, and is not sent"
            raise Unknown(sentence(entry, what))
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
            raise Unknown(sentence(entry, f"its bookmarks: {error}")) from None

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
            raise Unknown(sentence(entry, f"its metadata: {error}")) from None

    def _described(self, entry: Entry, problems: list[str]) -> dict[str, Any]:
        """An entry for the list: as much as a first look tells."""
        size = None
        try:
            if entry.held is not None:
                size = entry.held.shape
            elif entry.tensor:
                size = self._size(entry, find(entry.folder, entry.tensor))
            else:
                raise Unreadable(entry.lost)
        except Unreadable as error:
            problems.append(sentence(entry, str(error)))
        for kind, path in (("metadata", entry.metadata), ("bookmarks", entry.bookmarks)):
            try:
                if path:
                    find(entry.folder, path).check(LONGEST_METADATA if kind == "metadata" else LONGEST_BOOKMARKS)
            except Unreadable as error:
                problems.append(sentence(entry, f"its {kind}: {error}"))
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
            problems.append(sentence(entry, f"its sprite: {error}"))
            return None
        size = f"{picture.width:,} x {picture.height:,} pixels"
        if len(entry.sprite_size) != 2 or 0 in entry.sprite_size:
            problems.append(sentence(entry, "its sprite has no single_image_dim: width and height of one picture"))
            return None
        if picture.pixels > MOST_PIXELS:
            problems.append(sentence(entry, f"its sprite declares {size}, and is not shown"))
            return None
        width, height = entry.sprite_size
        across, down = picture.width // width, picture.height // height
        needed = 0 if rows is None else rows
        if across * down < needed:
            problems.append(
                sentence(
                    entry, f"its sprite of {size} has {across * down:,} pictures of {width} x {height}, not {needed:,}"
                )
            )
        if picture.flaw:
            problems.append(sentence(entry, f"its sprite: {picture.flaw}"))
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
    entry: Entry, size: tuple[int, ...] | None, sprite: dict[str, int] | None, problems: Iterable[str]
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


def _token(key: Any) -> str:
    return hashlib.blake2b(repr(key).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
