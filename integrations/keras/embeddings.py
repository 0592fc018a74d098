"""Every Embedding layer of a model, for the projector, with what is known of its rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tallyboard.core.arrays import as_array
from tallyboard.core.errors import warn_once
from tallyboard.core.writer import SummaryWriter

from .values import snapshot

__all__ = ["check_metadata", "collect_embeddings"]


def _layers(model: Any) -> Iterator[Any]:
    """The Embedding layers, also those in other layers."""
    for layer in model._flatten_layers(include_self=False, recursive=True):
        if any(kind.__name__ == "Embedding" for kind in type(layer).__mro__):
            yield layer


def check_metadata(model: Any, metadata: str | Mapping[str, str] | None) -> None:
    """Checks that metadata is of layers that there are.

    Raises:
        ValueError: it is of others, or no layer embeds anything.
    """
    if not isinstance(metadata, Mapping):
        return
    known = [layer.name for layer in _layers(model)]
    if unknown := sorted(set(map(str, metadata)) - set(known)):
        there = ", ".join(map(repr, known)) if known else "none"
        raise ValueError(
            f"embeddings_metadata: no Embedding layer is called {', '.join(map(repr, unknown))}; there are {there}"
        )


def collect_embeddings(
    model: Any, metadata: str | Mapping[str, str] | None, folders: list[str]
) -> Callable[[SummaryWriter, int], None]:
    """Takes the vectors as they are now.

    Args:
        model: between two steps of its training.
        metadata: a file for all layers, or one by a layer's name.
        folders: where such a file may lie, if its name is relative.

    Returns:
        What writes them, for another thread.
    """
    taken = [(layer.name, snapshot(getattr(layer, "embeddings", None))) for layer in _layers(model) if layer.built]

    def write(writer: SummaryWriter, epoch: int) -> None:
        for name, copy in taken:
            file = metadata if isinstance(metadata, str) else (metadata or {}).get(name)
            vectors = as_array(copy, "TallyboardCallback", name, copy=False)
            labels, header = (None, None) if file is None else _labels(str(file), folders, len(vectors))
            writer.add_embedding(vectors, labels, global_step=epoch, tag=name, metadata_header=header)

    return write


def _labels(file: str, folders: list[str], rows: int) -> tuple[list[Any] | None, list[str] | None]:
    """A label for each row, or several below a header. Lines that are missing are empty, those too many left out."""
    found = next((path for folder in folders if (path := Path(folder, file)).is_file()), None)
    if found is None:
        warn_once(
            ("keras metadata", os.path.abspath(file)),
            f"embeddings_metadata: there is no file {file!r} in {', '.join(map(repr, folders))}; the vectors are "
            "written without it",
        )
        return None, None
    lines = found.read_text("utf-8", "replace").splitlines()
    header: list[str] | None = None
    entries: list[Any] = list(lines)
    if lines and "\t" in lines[0]:
        header = lines[0].split("\t")
        entries = [(line.split("\t") + [""] * len(header))[: len(header)] for line in lines[1:]]
    if len(entries) != rows:
        warn_once(
            ("keras metadata", str(found)),
            f"embeddings_metadata: {found} describes {len(entries)} rows, and there are {rows}; the rest has no label",
        )
    empty: Any = [""] * len(header) if header else ""
    return [*entries, *([empty] * rows)][:rows], header
