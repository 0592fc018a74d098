"""Embeddings that lie in a model's checkpoint: of TensorFlow, or the weights that Keras 3 saves in its place.

Which checkpoint is meant, TensorBoard's projector tells: the configuration's `model_checkpoint_path`, or the latest one
that the file `checkpoint` names in the configuration's directory or the one above. Besides, here, a checkpoint that was
moved together with its configuration is found beside it; and where an embedding has no tensor otherwise, `train` below
the configuration is looked into, where the TensorBoard callback of Keras puts what `embeddings_freq` asks for.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import checkpoints, weights
from .projector_files import Asset, Unreadable, find
from .projector_tables import Vectors

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Held", "Saved", "saved"]

STATE = "checkpoint"
"""The file in which TensorFlow names the latest checkpoint of a directory."""

LONGEST_STATE = 1 << 20
KERAS = "train"
"""Where the callback of Keras saves embeddings, below its configuration."""

_LATEST = re.compile(rb'^\s*model_checkpoint_path\s*:\s*"((?:[^"\\\n]|\\.)*)"', re.MULTILINE)
_WEIGHTS = re.compile(r"keras_embedding\.ckpt-(\d{1,18})\.weights\.h5")
_SLOT = ".OPTIMIZER_SLOT"


@dataclass(frozen=True, slots=True)
class Held:
    """A tensor of rows and columns in a checkpoint.

    Attributes:
        name: as the checkpoint has it.
        shape: rows and columns.
        place: names the checkpoint within the logdir.
        index: the file that told of it.
        what: how it is stored.
    """

    name: str
    shape: tuple[int, ...]
    place: str
    index: Asset
    what: checkpoints.Variable | weights.Layer

    def read(self, most: int) -> Vectors:
        """Its numbers.

        Args:
            most: bytes that are read at most.

        Raises:
            Unreadable: it has more, or is damaged.
        """
        needed = max(4, getattr(self.what, "width", 4)) * self.shape[0] * self.shape[1]
        if needed > most:
            raise Unreadable(f"in {self.place!r} it has {needed:,} bytes; {most:,} are the most that are read")
        if not needed:
            raise Unreadable(f"in {self.place!r} it is empty")
        try:
            if isinstance(self.what, weights.Layer):
                self._within(self.index, self.what.at, self.what.size)
                return Vectors(weights.numbers(self.what, self.index.part))
            return Vectors(checkpoints.numbers(self.what, self._part))
        except Unreadable as error:
            raise Unreadable(f"in {self.place!r}: {error}") from None

    def stamp(self) -> tuple[object, ...]:
        """Differs whenever its numbers may differ."""
        if isinstance(self.what, weights.Layer):
            return (self.index, self.name)
        shards = sorted({piece.shard for piece in self.what.pieces})
        return (self.index, self.name, *(self._shard(shard) for shard in shards))

    def _shard(self, shard: int) -> Asset:
        shards = self.what.shards if isinstance(self.what, checkpoints.Variable) else 0
        return find(self.index.base, f"{self.place}.data-{shard:05d}-of-{shards:05d}")

    def _part(self, shard: int, at: int, count: int) -> bytes:
        asset = self._shard(shard)
        self._within(asset, at, count)
        return asset.part(at, count)

    @staticmethod
    def _within(asset: Asset, at: int, count: int) -> None:
        if at + count > asset.size:
            raise Unreadable(f"{asset.name!r} has {asset.size:,} bytes, and {at + count:,} would be needed")


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint.

    Attributes:
        place: its path within the logdir.
        full: its whole path.
        index: the file that told of it.
        of_keras: whether it holds Keras's weights, where layers have names and no paths.
        tensors: of rows and columns, by name.
    """

    place: str
    full: str
    index: Asset
    of_keras: bool
    tensors: dict[str, Held]


def saved(root: str, folder: str, said: str, wanted: bool, kept: Callable[[Asset], Saved | None]) -> Saved | None:
    """The checkpoint of a configuration; None where there is none.

    Args:
        root: the logdir, of which nothing outside is read.
        folder: the configuration's directory.
        said: its model_checkpoint_path, or empty.
        wanted: whether an embedding needs it; without, what Keras wrote is not looked for.
        kept: gives a checkpoint that was read before from the same index.

    Raises:
        Unreadable: the one that is meant cannot be read; the text says why.
    """
    place = _meant(root, folder, said) if said else None
    if place is None:
        if said and wanted:
            raise Unreadable(f"its model_checkpoint_path {said!r} is no checkpoint within the logdir")
        folders = [folder, os.path.dirname(folder), *([os.path.join(folder, KERAS)] if wanted else [])]
        place = next(filter(None, (_latest(root, each) for each in folders)), None)
    if place is not None:
        asset = find(root, f"{place}.index")
        return kept(asset) or _of_tensorflow(asset, place)
    asset = _of_callback(root, os.path.join(folder, KERAS)) if wanted else None
    return asset and (kept(asset) or _of_keras(asset))


def _meant(root: str, folder: str, said: str) -> str | None:
    """The checkpoint of a path, relative to the logdir: where it says, or of its name beside the configuration."""
    path = os.path.join(folder, os.path.expanduser(said))
    for each in (path, os.path.join(folder, os.path.basename(said))):
        place = _inside(root, each)
        if place is not None:
            if _there(root, f"{place}.index"):
                return place
            within = _latest(root, each)
            if within is not None:
                return within
    return None


def _latest(root: str, folder: str) -> str | None:
    """The checkpoint that a directory's state names as its latest."""
    place = _inside(root, os.path.join(folder, STATE))
    if place is None:
        return None
    try:
        found = _LATEST.search(find(root, place).read(LONGEST_STATE))
    except Unreadable:
        return None
    if found is None:
        return None
    said = re.sub(rb"\\(.)", rb"\1", found[1]).decode("utf-8", "surrogateescape")
    for each in (os.path.join(folder, said), os.path.join(folder, os.path.basename(said))):
        place = _inside(root, each)
        if place is not None and _there(root, f"{place}.index"):
            return place
    return None


def _of_callback(root: str, folder: str) -> Asset | None:
    """The latest weights that Keras's callback saved."""
    place = _inside(os.path.realpath(root), os.path.realpath(folder))
    try:
        names = os.listdir(folder) if place is not None else []
    except OSError:
        return None
    epochs = {int(match[1]): name for name in names if (match := _WEIGHTS.fullmatch(name))}
    return find(root, f"{place}/{epochs[max(epochs)]}") if epochs else None


def _inside(root: str, path: str) -> str | None:
    """A path relative to the logdir; None where it lies elsewhere. Links are looked at when it is opened."""
    try:
        place = os.path.relpath(path, root)
    except ValueError:
        return None
    return None if place.split(os.sep)[0] == os.pardir else place


def _there(root: str, place: str) -> bool:
    try:
        find(root, place)
    except Unreadable:
        return False
    return True


def _of_tensorflow(asset: Asset, place: str) -> Saved:
    full = os.path.join(asset.base, place)
    try:
        found = checkpoints.variables(asset.read(checkpoints.LONGEST_INDEX))
    except Unreadable as error:
        raise Unreadable(f"checkpoint {place!r}: {error}") from None
    tensors = {
        name: Held(name, variable.shape, place, asset, variable)
        for name, variable in sorted(found.items())
        if len(variable.shape) == 2 and _SLOT not in name
    }
    return Saved(place, full, asset, False, tensors)


def _of_keras(asset: Asset) -> Saved:
    try:
        found = weights.layers(asset.part)
    except Unreadable as error:
        raise Unreadable(f"weights {asset.name!r}: {error}") from None
    tensors: dict[str, Held] = {}
    for layer in found:
        name = layer.name if layer.name not in tensors else layer.path
        tensors[name] = Held(name, layer.shape, asset.name, asset, layer)
    return Saved(asset.name, os.path.join(asset.base, asset.name), asset, True, tensors)
