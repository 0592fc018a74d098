"""A projector's configuration: which embeddings a run has, by its own word and by its checkpoint's."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tallyboard.core.proto.projector_pb2 import EmbeddingInfo, ProjectorConfig

    from .context import Context
    from .projector_files import Asset
    from .projector_variables import Held, Saved

__all__ = ["CONFIG", "Config", "Entry", "parsed", "root_of", "sentence", "with_tensors"]

CONFIG = "projector_config.pbtxt"

LONGEST_CONFIG = 16 << 20

MOST_TENSORS = 1_000
"""Tensors of a checkpoint that are listed besides those that the configuration names."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An embedding as its run's configuration names it.

    Attributes:
        run, name: which; of an entry without a name, its tensor's file name.
        folder: the configuration's directory.
        shape: the declared tensor_shape, or empty.
        tensor, metadata, bookmarks, sprite: paths as they are given, or empty.
        sprite_size: width and height of one picture, or empty.
        held: its vectors, where a checkpoint has them.
        lost: why it has none, where it names no file and no checkpoint has them.
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
    held: Held | None = None
    lost: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """A run's configuration.

    Attributes:
        entries: its embeddings by name, and those of its checkpoint.
        problems: what is wrong with it.
        message: all of it.
        folder: its directory.
        saved: its checkpoint.
        lost: why its checkpoint is not read, or empty.
    """

    entries: dict[str, Entry]
    problems: tuple[str, ...] = ()
    message: ProjectorConfig | None = None
    folder: str = ""
    saved: Saved | None = None
    lost: str = ""


def parsed(run: str, folder: str, asset: Asset) -> Config:
    """A configuration as its file has it.

    Raises:
        Unreadable: the file cannot be read.
    """
    from google.protobuf import text_format

    from tallyboard.core.proto import projector_pb2

    config = projector_pb2.ProjectorConfig()
    try:
        text_format.Parse(asset.read(LONGEST_CONFIG).decode(), config, allow_unknown_field=True)
    except (text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        what = str(error).partition("\n")[0][:200]
        return Config({}, (f"run {run!r}: its {CONFIG} is no projector configuration: {what}",))
    entries: dict[str, Entry] = {}
    for info in config.embeddings:
        entry = Entry(
            run,
            _name(info),
            folder,
            tuple(info.tensor_shape),
            info.tensor_path,
            info.metadata_path,
            info.bookmarks_path,
            info.sprite.image_path,
            tuple(info.sprite.single_image_dim),
        )
        entries.setdefault(entry.name, entry)
    return Config(entries, (), config, folder)


def with_tensors(run: str, bare: Config, found: Saved | None, lost: str) -> Config:
    """A configuration with what its checkpoint has, as TensorBoard adds it: every tensor of rows and columns.

    Args:
        run: whose it is.
        bare: as `parsed` gives it.
        found, lost: the checkpoint, or why there is none.
    """
    if bare.message is None:
        return bare
    if found is None:
        entries = {
            name: entry if entry.tensor else replace(entry, lost=f"it has no tensor_path, and {lost}")
            for name, entry in bare.entries.items()
        }
        return Config(entries, tuple(_problems(run, bare)), bare.message, bare.folder, None, lost)
    if found.of_keras:
        return _with_layers(run, bare, found)
    entries = {name: entry if entry.tensor else _with_tensor(entry, found) for name, entry in bare.entries.items()}
    nameless = entries.pop("", Entry(run, "", ""))
    others = [held for name, held in found.tensors.items() if name not in entries]
    for held in others[:MOST_TENSORS]:
        entries[held.name] = _of_tensor(run, bare, held, nameless.metadata, nameless.bookmarks)
    problems = list(_problems(run, bare, bool(entries)))
    if len(others) > MOST_TENSORS:
        problems.append(
            f"run {run!r}: its checkpoint has {len(others):,} tensors; the first {MOST_TENSORS:,} are listed"
        )
    return Config(entries, tuple(problems), _completed(bare.message, entries, found), bare.folder, found)


def _with_tensor(entry: Entry, found: Saved) -> Entry:
    held = found.tensors.get(entry.name)
    if held is None:
        return replace(entry, lost=f"checkpoint {found.place!r} has no rows and columns of numbers of this name")
    return replace(entry, held=held)


def _with_layers(run: str, bare: Config, found: Saved) -> Config:
    """Keras's callback names all layers alike, one after the other; each gets the metadata that is its own."""
    entries = {name: entry for name, entry in bare.entries.items() if entry.tensor}
    infos = [] if bare.message is None else [info for info in bare.message.embeddings if not info.tensor_path]
    for at, held in enumerate(found.tensors.values()):
        given = (infos[at].metadata_path, infos[at].bookmarks_path) if at < len(infos) else ("", "")
        entries.setdefault(held.name, _of_tensor(run, bare, held, *given))
    lost = () if found.tensors else (f"run {run!r}: weights {found.place!r} have no layer of embeddings",)
    return Config(entries, lost, bare.message, bare.folder, found)


def _of_tensor(run: str, bare: Config, held: Held, metadata: str, bookmarks: str) -> Entry:
    """A tensor that the configuration does not name."""
    return Entry(run, held.name, bare.folder, metadata=metadata, bookmarks=bookmarks, held=held)


def _completed(message: ProjectorConfig, entries: dict[str, Entry], found: Saved) -> ProjectorConfig:
    """The message with the tensors that were added, their shapes, and where they are."""
    told = type(message)()
    told.CopyFrom(message)
    told.model_checkpoint_path = told.model_checkpoint_path or found.full
    if told.embeddings and not _name(told.embeddings[0]):
        del told.embeddings[0]
    known = {_name(info): info for info in reversed(told.embeddings)}
    for entry in entries.values():
        if entry.held is None:
            continue
        info = known.get(entry.name)
        if info is None:
            info = told.embeddings.add(tensor_name=entry.name)
            info.metadata_path, info.bookmarks_path = entry.metadata, entry.bookmarks
        if not info.tensor_shape:
            info.tensor_shape.extend(entry.held.shape)
    return told


def _problems(run: str, bare: Config, some: bool = False) -> Iterator[str]:
    """What names and numbers of embeddings are wrong."""
    infos = list(bare.message.embeddings) if bare.message is not None else list["EmbeddingInfo"]()
    seen: dict[str, object] = {}
    twice = {
        name: None for name, info in ((_name(info), info) for info in infos) if seen.setdefault(name, info) != info
    }
    for name in twice:
        yield f"run {run!r}: its {CONFIG} names {name!r} twice; the first is shown"
    if not (infos or some):
        yield f"run {run!r}: its {CONFIG} names no embedding"


def _name(info: EmbeddingInfo) -> str:
    return info.tensor_name.removesuffix(":0") or os.path.basename(info.tensor_path)


def root_of(context: Context, run: str) -> str:
    """The logdir that a run lies in."""
    found = context.locate(run)
    while run not in ("", "."):
        run = os.path.dirname(run) or "."
        above = context.locate(run)
        if above != os.path.dirname(found):
            break
        found = above
    return found


def sentence(entry: Entry, what: str) -> str:
    """What is wrong with an embedding, with its run and name."""
    return f"run {entry.run!r}, embedding {entry.name!r}: {what}"
