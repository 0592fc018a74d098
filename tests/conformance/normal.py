"""What a logdir holds as plain JSON, read by TensorBoard's own loaders and by tallyboard: to be compared.

run -> tag -> [plugin, [[step, wall time, value], ...]], with the value

    scalars      the number
    text         strings of the flattened array
    images       width, height, and a digest of each picture
    audio        a digest of each sound
    histograms   rows of left edge, right edge and count as float32, empty ones left out
    hparams      the plugin's content as hexadecimal digits
    graphs       names of the nodes
    others       the shape and the flattened array of the tensor, whose plugin is `tensor` if it names none

NaN and infinity are strings.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

Normal = dict[str, dict[str, list[Any]]]


def digest(data: bytes) -> str:
    """Enough of a digest to tell one file from another."""
    return hashlib.sha256(data).hexdigest()[:16]


def plain(array: Any) -> Any:
    """An array, a list or a number as JSON has it."""
    array = np.asarray(array)
    if array.dtype.kind in "OSU":
        return [item if isinstance(item, str) else bytes(item).decode("utf-8", "replace") for item in array.ravel()]
    return [str(item) if item != item or item in (np.inf, -np.inf) else item for item in array.ravel().tolist()]


def buckets(rows: Any) -> list[list[float]]:
    """Rows of left, right and count as float32, without empty ones."""
    rows = np.asarray(rows, np.float32).reshape(-1, 3)
    return rows[rows[:, 2] > 0].tolist()


def by_tensorboard(logdir: Path) -> Normal:
    """By TensorBoard's event file loader, which brings old forms into today's, and its plugins' rules."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.util.tensor_util import make_ndarray

    out: Normal = {}
    for path in sorted(logdir.rglob("*tfevents*")):
        tags = out.setdefault(path.parent.relative_to(logdir).as_posix(), {})
        plugins: dict[str, str] = {}
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                plugin = plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
                if value.metadata.plugin_data.plugin_name == "graphs":
                    continue
                array = make_ndarray(value.tensor) if value.HasField("tensor") else None
                content = value.metadata.plugin_data.content
                point = [event.step, event.wall_time, _value(plugin, array, content)]
                tags.setdefault(value.tag, [plugin or "tensor", []])[1].append(point)
            if event.graph_def:
                names = [node.name for node in GraphDef.FromString(event.graph_def).node]
                tags["__run_graph__"] = ["graphs", [[event.step, event.wall_time, names]]]
    return out


def _value(plugin: str, array: Any, content: bytes) -> Any:
    if plugin == "hparams":
        return content.hex()
    if plugin == "scalars":
        return plain(array)[0]
    if plugin == "text":
        return plain(array)
    if plugin == "images":
        flat = array.ravel()
        return [int(flat[0]), int(flat[1]), *(digest(picture) for picture in flat[2:])]
    if plugin == "audio":
        return [digest(sound) for sound in (array[:, 0] if array.ndim == 2 else array)]
    if plugin == "histograms":
        return buckets(array)
    return [list(array.shape), plain(array)]


def by_us(logdir: Path) -> Normal:
    """By `tallyboard.read`."""
    import tallyboard as tb
    from tallyboard.core.unpack import array_of

    def typed(run: Any, kind: str, tag: str) -> Any:
        values: list[Any]
        if kind == "text":
            return [(text.step, text.wall_time, list(text.strings)) for text in run.text(tag)]
        if kind == "images":
            images = run.images(tag)
            return [(i.step, i.wall_time, [i.width, i.height, *map(digest, i.pictures)]) for i in images]
        if kind == "audio":
            return [(sound.step, sound.wall_time, list(map(digest, sound.clips))) for sound in run.audio(tag)]
        if kind == "histograms":
            found = run.histograms(tag)
            rows = [np.stack([h.edges[:-1], h.edges[1:], h.counts], 1) for h in found]
            return [(h.step, h.wall_time, buckets(each)) for h, each in zip(found, rows, strict=True)]
        if kind == "graph_tagged_run_metadata":
            values = [[[1], [plain([each.SerializeToString()])[0]]] for each in run.run_metadata(tag)]
            found = run.run_metadata(tag)
            return list(zip(found.step.tolist(), found.wall_time.tolist(), values, strict=True))
        messages = run.messages(kind, tag)
        if kind == "hparams":
            values = [message.metadata.plugin_data.content.hex() for message in messages]
        else:
            arrays = [array_of(message.tensor) for message in messages]
            values = [[list(array.shape), plain(array)] for array in arrays]
        return list(zip(messages.step.tolist(), messages.wall_time.tolist(), values, strict=True))

    out: Normal = {}
    for name, run in tb.read(logdir).items():
        tags = out[name] = {}
        for tag, series in run.scalars().items():
            points = zip(series.step.tolist(), series.wall_time.tolist(), plain(series.value), strict=True)
            tags[tag] = ["scalars", [list(point) for point in points]]
        stored = run._store.tags()
        for kind, found in stored.items():
            for tag in [tag for tag, runs in found.items() if name in runs and kind not in ("scalars", "graphs")]:
                tags[tag] = [kind, [list(point) for point in typed(run, kind, tag)]]
        if run.graph is not None:
            blobs = run._store.blobs("graphs", name, "__run_graph__")
            names = [node.name for node in run.graph.node]
            tags["__run_graph__"] = ["graphs", [[int(blobs.step[-1]), float(blobs.wall_time[-1]), names]]]
    return out
