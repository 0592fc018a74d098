"""Trees of arrays into a run: distributions and norms by path, vectors for the projector; sharded arrays in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tallyboard.core.arrays import as_array
from tallyboard.core.errors import warn_once
from tallyboard.core.histogram import default_bins
from tallyboard.core.summary import as_step

from .framework import jax, jnp
from .graphs import event_writer
from .interface import refuse_tracer
from .statistics import Stats, stats
from .trees import named_leaves

__all__ = ["add_embedding", "pieces", "write_params"]


def write_params(
    writer: Any,
    tree: Any,
    step: int,
    *,
    tag: str = "weights",
    histograms: bool = True,
    norms: bool = True,
    depth: int | None = None,
) -> None:
    """Writes how the arrays of a tree are distributed, and their norms.

        write_params(writer, state.params, step)
        write_params(writer, gradients, step, tag="gradients")

    - `<tag>/histogram/<path>` of each array, in torch's buckets, the path joined by dots. Of an array that lies on
      several devices each part is copied to the host once and alone, and counted there;
    - `<tag>/norm`, Euclidean, `<tag>/norm/<module>` and `<tag>/nonfinite`, computed where the arrays lie.

    Arrays that lie on several processes: all of these call it, that with index 0 writes, and the histograms are of its
    part.

    Args:
        writer: a `tb.SummaryWriter`, or ours of this package.
        tree: dicts, flax (linen and nnx), haiku, equinox.
        step: the step.
        tag: what the tags begin with.
        histograms, norms: which of both.
        depth: as of `stats`.

    Raises:
        InvalidSummary: there are no arrays in the tree, it holds tracers, or the step is no integer.
    """
    number = as_step(step, "write_params")
    leaves = named_leaves(tree, "write_params")
    for name, leaf in leaves:
        refuse_tracer(leaf, f"write_params({name!r})", "the array")
    target = event_writer(writer, "write_params")
    if norms:
        floats = {name: leaf for name, leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.inexact)}
        found = _norms(floats, depth) if floats else None  # also where nothing is written: all processes compute it
        if target is not None and found is not None:
            target.log({name.replace("weights", tag, 1): value for name, value in found.items()}, number)
    if target is None or not histograms:
        return
    for name, leaf in leaves:
        if leaf.size and not jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            _count(target, f"{tag}/histogram/{name.replace('/', '.')}", leaf, number)


def _norms(leaves: dict[str, Any], depth: int | None) -> Stats:
    return jax.jit(lambda leaves: stats(params=leaves, depth=depth))(leaves)


def pieces(array: Any) -> Iterator[tuple[Any, NDArray[Any]]]:
    """The parts of an array that lie apart on devices of this process, each once: where in it, and its numbers."""
    shards = getattr(array, "addressable_shards", None)
    if not shards or len(shards) == 1:
        yield ..., as_array(array, "write_params", "the array", copy=False)
        return
    seen: set[str] = set()
    for shard in shards:
        if str(shard.index) not in seen:
            seen.add(str(shard.index))
            yield shard.index, as_array(shard.data, "write_params", "the array", copy=False)


def _count(writer: Any, tag: str, leaf: Any, step: int) -> None:
    """A histogram; of what lies in several pieces they are counted one after the other, and summed."""
    if len(getattr(leaf, "addressable_shards", ())) <= 1 or getattr(leaf, "is_fully_replicated", False):
        shards = getattr(leaf, "addressable_shards", None)
        writer.add_histogram(tag, shards[0].data if shards else leaf, step)
        return
    if not leaf.is_fully_addressable:
        warn_once(
            ("write_params", "part"), "write_params: histograms of arrays on several processes are of this one's part"
        )
    edges = np.asarray(default_bins())
    counts = np.zeros(len(edges) + 1, np.int64)  # with what lies below the first edge, and above the last
    least, most, total, squares, number = np.inf, -np.inf, 0.0, 0.0, 0
    for _, part in pieces(leaf):
        values = part.reshape(-1).astype(np.float64)
        values = values[np.isfinite(values)]
        if values.size:
            counts[1:-1] += np.histogram(values, edges)[0]
            counts[0] += int((values < edges[0]).sum())
            counts[-1] += int((values > edges[-1]).sum())
            least, most = min(least, float(values.min())), max(most, float(values.max()))
            total, squares, number = total + float(values.sum()), squares + float(values @ values), number + values.size
    if number:
        limits = np.concatenate(([min(least, edges[0])], edges, [max(most, edges[-1])]))
        used = np.flatnonzero(counts)
        start, end = int(used[0]), int(used[-1]) + 1
        kept = np.concatenate(([0], counts[start:end]))  # the empty bucket says where the first one begins
        writer.add_histogram_raw(tag, least, most, number, total, squares, limits[start : end + 1], kept, step)


def add_embedding(
    writer: Any,
    mat: Any,
    metadata: Sequence[Any] | None = None,
    label_img: Any = None,
    step: int = 0,
    tag: str = "default",
    metadata_header: Sequence[str] | None = None,
) -> None:
    """Writes vectors for the projector; see `tb.SummaryWriter.add_embedding`.

    Args:
        writer: a `tb.SummaryWriter`, or ours of this package.
        mat: one vector a row, shape [N, D]; one that lies on several devices is put together on the host.
        metadata, label_img, tag, metadata_header: as there.
        step: the step.

    Raises:
        InvalidSummary: as there.
    """
    refuse_tracer(mat, "add_embedding", "mat")
    target = event_writer(writer, "add_embedding")
    if target is not None:
        target.add_embedding(mat, metadata, label_img, step, tag, metadata_header)
