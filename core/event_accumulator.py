"""TensorBoard's EventAccumulator, for scripts that were written for it: change one import.

    from tallyboard.core.event_accumulator import EventAccumulator

Methods, arguments and results are those of tensorboard.backend.event_processing.event_accumulator of TensorBoard 2.21.
What differs: everything is kept unless `size_guidance` says otherwise; all files of a directory are followed, not only
the newest; damaged records are passed over and what follows is read; values are named tuples, and messages are
tallyboard's own, with the same fields. New code is better served by `tallyboard.read`.
"""

# ruff: noqa: N802  # the names are TensorBoard's

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .event_files import EventFile, Scalars, event_paths
from .reservoir import Reservoir

if TYPE_CHECKING:
    from .proto import event_pb2 as pb
    from .proto import graph_pb2

__all__ = [
    "AUDIO",
    "COMPRESSED_HISTOGRAMS",
    "DEFAULT_SIZE_GUIDANCE",
    "GRAPH",
    "HISTOGRAMS",
    "IMAGES",
    "META_GRAPH",
    "NORMAL_HISTOGRAM_BPS",
    "RUN_METADATA",
    "SCALARS",
    "STORE_EVERYTHING_SIZE_GUIDANCE",
    "TENSORS",
    "AudioEvent",
    "CompressedHistogramEvent",
    "EventAccumulator",
    "HistogramEvent",
    "HistogramValue",
    "ImageEvent",
    "ScalarEvent",
    "TensorEvent",
]

COMPRESSED_HISTOGRAMS = "distributions"
HISTOGRAMS = "histograms"
IMAGES = "images"
AUDIO = "audio"
SCALARS = "scalars"
TENSORS = "tensors"
GRAPH = "graph"
META_GRAPH = "meta_graph"
RUN_METADATA = "run_metadata"

NORMAL_HISTOGRAM_BPS = (0, 668, 1587, 3085, 5000, 6915, 8413, 9332, 10000)
"""Hundredths of a percent at which a normal distribution has its median and 0.5, 1 and 1.5 standard deviations."""

DEFAULT_SIZE_GUIDANCE = {COMPRESSED_HISTOGRAMS: 500, IMAGES: 4, AUDIO: 4, SCALARS: 10000, HISTOGRAMS: 1, TENSORS: 10}
"""What TensorBoard keeps by default. Here it is kept only if given as `size_guidance`."""
STORE_EVERYTHING_SIZE_GUIDANCE = dict.fromkeys(DEFAULT_SIZE_GUIDANCE, 0)
"""Everything, which is the default here."""

LONGEST_WRITER = 128  # characters that TensorBoard takes for the name of a source writer


class ScalarEvent(NamedTuple):
    """A scalar: wall time in seconds since 1970, step, and its float."""

    wall_time: float
    step: int
    value: float


class HistogramValue(NamedTuple):
    """A histogram as written: sums of its values, right edge of each bucket, and how many values are in each."""

    min: float
    max: float
    num: float
    sum: float
    sum_squares: float
    bucket_limit: list[float]
    bucket: list[float]


class HistogramEvent(NamedTuple):
    """A histogram at a step."""

    wall_time: float
    step: int
    histogram_value: HistogramValue


class CompressedHistogramEvent(NamedTuple):
    """A histogram as pairs: basis points (hundredths of a percent), and the value that so many of its own lie below."""

    wall_time: float
    step: int
    compressed_histogram_values: list[tuple[float, float]]


class ImageEvent(NamedTuple):
    """A picture as it was encoded, and its size in pixels."""

    wall_time: float
    step: int
    encoded_image_string: bytes
    width: int
    height: int


class AudioEvent(NamedTuple):
    """A sound as it was encoded, its type, samples a second, and samples of each channel."""

    wall_time: float
    step: int
    encoded_audio_string: bytes
    content_type: str
    sample_rate: float
    length_frames: int


class TensorEvent(NamedTuple):
    """A tensor as its message; `tallyboard.core.unpack.array_of` makes an array of it."""

    wall_time: float
    step: int
    tensor_proto: pb.TensorProto


class EventAccumulator:
    """The events of one run, by tag. `Reload` reads what is there, and later what has come since.

    Args:
        path: a run's directory (the event files in it, none below it), or one event file.
        size_guidance: how many items of a tag are kept, by kind; 0 for all. Kinds that it leaves out have TensorBoard's
            default. None, or an empty one, keeps everything.
        compression_bps: the basis points of compressed histograms.
        purge_orphaned_data: drop what a restart of the run took the place of. As with TensorBoard, tensors are not
            dropped.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        size_guidance: Mapping[str, int] | None = None,
        compression_bps: Sequence[float] = NORMAL_HISTOGRAM_BPS,
        purge_orphaned_data: bool = True,
    ) -> None:
        if not os.fspath(path):
            raise ValueError("path must be a valid string")
        given = {**DEFAULT_SIZE_GUIDANCE, **size_guidance} if size_guidance else STORE_EVERYTHING_SIZE_GUIDANCE
        self.path = os.fspath(path)
        self.scalars = Reservoir[ScalarEvent](given[SCALARS])
        self.histograms = Reservoir[HistogramEvent](given[HISTOGRAMS])
        self.compressed_histograms = Reservoir[CompressedHistogramEvent](
            given[COMPRESSED_HISTOGRAMS], always_keep_last=False
        )
        self.images = Reservoir[ImageEvent](given[IMAGES])
        self.audios = Reservoir[AudioEvent](given[AUDIO])
        self.tensors = Reservoir[TensorEvent](given[TENSORS])
        self.accumulated_attrs = ("scalars", "histograms", "compressed_histograms", "images", "audios")
        self.summary_metadata: dict[str, pb.SummaryMetadata] = {}
        self.purge_orphaned_data = purge_orphaned_data
        self.most_recent_step = -1
        self.most_recent_wall_time = -1.0
        self.file_version: float | None = None
        self._compression_bps = tuple(compression_bps)
        self._plugins: dict[str, dict[str, bytes]] = {}
        self._first_event_timestamp: float | None = None
        self._source_writer: str | None = None
        self._graph: bytes | None = None
        self._graph_from_metagraph = False
        self._meta_graph: bytes | None = None
        self._tagged_metadata: dict[str, bytes] = {}
        self._files: dict[str, EventFile] = {}
        self._lock = threading.Lock()
        self._takes: dict[str, Callable[[str, float, int, Any], None]] = {
            "simple_value": self._take_scalar,
            "histo": self._take_histogram,
            "image": self._take_image,
            "audio": self._take_audio,
            "tensor": self._take_tensor,
        }

    # -- reading

    def Reload(self) -> EventAccumulator:
        """Reads what was not read yet, and returns itself.

        Raises:
            InvalidLogdir: there is no such file or directory.
        """
        with self._lock:
            for file in self._event_files():
                for piece in file.load_in_bulk():
                    if isinstance(piece, Scalars):
                        self._take_scalars(piece)
                    else:
                        self._process(piece)
        return self

    def _event_files(self) -> Iterator[EventFile]:
        for path in event_paths(self.path):
            file = self._files.get(path)
            if file is None:
                file = self._files[path] = EventFile(path)
            yield file

    def FirstEventTimestamp(self) -> float:
        """The wall time of the first event, which is read if nothing was yet.

        Raises:
            ValueError: there is no event.
        """
        if self._first_event_timestamp is None and not self._read_one():
            raise ValueError("No event timestamp could be found")
        assert self._first_event_timestamp is not None
        return self._first_event_timestamp

    def GetSourceWriter(self) -> str | None:
        """What the file says that wrote it, None where it says nothing. The first event is read if nothing was yet."""
        if self._source_writer is None:
            self._read_one()
        return self._source_writer

    def _read_one(self) -> bool:
        with self._lock:
            for file in self._event_files():
                for event in file.load():
                    self._process(event)
                    return True
        return False

    def _process(self, event: pb.Event) -> None:
        if self._first_event_timestamp is None:
            self._first_event_timestamp = event.wall_time
        if event.HasField("source_metadata"):
            writer = event.source_metadata.writer
            self._source_writer = writer if 0 < len(writer) <= LONGEST_WRITER else None
        what = event.WhichOneof("what")
        if what == "file_version":
            try:
                self.file_version = float(event.file_version.rpartition("brain.Event:")[2])
            except ValueError:
                self.file_version = -1.0
        if self.purge_orphaned_data:
            self._purge_superseded(event, what)
        if what == "graph_def":
            self._graph, self._graph_from_metagraph = event.graph_def, False
        elif what == "meta_graph_def":
            self._take_meta_graph(event.meta_graph_def)
        elif what == "tagged_run_metadata":
            self._tagged_metadata[event.tagged_run_metadata.tag] = event.tagged_run_metadata.run_metadata
        elif what == "summary":
            for value in event.summary.value:
                if value.HasField("metadata") and value.tag not in self.summary_metadata:
                    self._take_metadata(value.tag, value.metadata)
                kind = value.WhichOneof("value")
                take = self._takes.get(kind or "")
                if kind is not None and take is not None:
                    # the first tensor summaries had a node's name in place of a tag
                    tag = value.node_name if kind == "tensor" and not value.tag else value.tag
                    take(tag, event.wall_time, event.step, getattr(value, kind))

    def _take_scalars(self, found: Scalars) -> None:
        """Takes events of scalars, as `_process` would take one after the other."""
        if self._first_event_timestamp is None:
            self._first_event_timestamp = float(found.wall_time[0])
        if self.purge_orphaned_data and not (self.file_version and self.file_version >= 2):
            self._take_one_by_one(found)
            return
        order = np.argsort(found.tag, kind="stable")
        tag, wall_time, step, value = (
            column[order] for column in (found.tag, found.wall_time, found.step, found.value)
        )
        starts = np.flatnonzero(np.append(True, tag[1:] != tag[:-1]))
        bounds: list[tuple[int, int]] = list(zip(starts.tolist(), [*starts[1:].tolist(), len(tag)], strict=True))
        for start, end in sorted(bounds, key=lambda bound: int(order[bound[0]])):  # tags as they came
            columns = (column[start:end].tolist() for column in (wall_time, step, value))
            self.scalars.add_items(found.names[int(tag[start])], map(ScalarEvent, *columns), end - start)

    def _take_one_by_one(self, found: Scalars) -> None:
        """The same where steps that go back tell of a restart."""
        starts: list[int] = np.flatnonzero(np.append(True, found.row[1:] != found.row[:-1])).tolist()
        numbers: list[int] = found.tag.tolist()
        steps: list[int] = found.step.tolist()
        wall_time: list[float] = found.wall_time.tolist()
        value: list[float] = found.value.tolist()
        for start, end in zip(starts, [*starts[1:], len(numbers)], strict=True):
            names, step = [found.names[number] for number in numbers[start:end]], steps[start]
            if step < self.most_recent_step:
                for name in names:
                    self._purge(step, name)
            else:
                self.most_recent_step, self.most_recent_wall_time = step, wall_time[start]
            for name, one in zip(names, value[start:end], strict=True):
                self._take_scalar(name, wall_time[start], step, one)

    def _take_metadata(self, tag: str, metadata: pb.SummaryMetadata) -> None:
        self.summary_metadata[tag] = metadata
        plugin = metadata.plugin_data
        if plugin.plugin_name:
            self._plugins.setdefault(plugin.plugin_name, {})[tag] = plugin.content

    def _take_meta_graph(self, data: bytes) -> None:
        from .proto import graph_pb2

        self._meta_graph = data
        if self._graph is None or self._graph_from_metagraph:
            message = graph_pb2.MetaGraphDef.FromString(data)
            if message.HasField("graph_def"):
                self._graph, self._graph_from_metagraph = message.graph_def.SerializeToString(), True

    def _take_scalar(self, tag: str, wall_time: float, step: int, value: float) -> None:
        self.scalars.AddItem(tag, ScalarEvent(wall_time, step, value))

    def _take_tensor(self, tag: str, wall_time: float, step: int, value: pb.TensorProto) -> None:
        self.tensors.AddItem(tag, TensorEvent(wall_time, step, value))

    def _take_histogram(self, tag: str, wall_time: float, step: int, histo: pb.HistogramProto) -> None:
        sums = (histo.min, histo.max, histo.num, histo.sum, histo.sum_squares)
        value = HistogramValue(*sums, list(histo.bucket_limit), list(histo.bucket))
        self.histograms.AddItem(tag, HistogramEvent(wall_time, step, value))
        self.compressed_histograms.AddItem(
            tag,
            value,
            lambda full: CompressedHistogramEvent(wall_time, step, compressed(full, self._compression_bps)),
        )

    def _take_image(self, tag: str, wall_time: float, step: int, image: pb.Summary.Image) -> None:
        self.images.AddItem(tag, ImageEvent(wall_time, step, image.encoded_image_string, image.width, image.height))

    def _take_audio(self, tag: str, wall_time: float, step: int, audio: pb.Summary.Audio) -> None:
        described = (audio.content_type, audio.sample_rate, audio.length_frames)
        self.audios.AddItem(tag, AudioEvent(wall_time, step, audio.encoded_audio_string, *described))

    # -- restarts

    def _purge_superseded(self, event: pb.Event, what: str | None) -> None:
        """Drops what a restart voids: the session log tells, or in files of the first version steps that go back."""
        from .proto.event_pb2 import SessionLog

        if self.file_version and self.file_version >= 2:
            if what == "session_log" and event.session_log.status == SessionLog.START:
                self._purge(event.step, None)
        elif event.step < self.most_recent_step and what == "summary":
            for value in event.summary.value:
                self._purge(event.step, value.tag)
        else:
            self.most_recent_step, self.most_recent_wall_time = event.step, event.wall_time

    def _purge(self, step: int, tag: str | None) -> None:
        for reservoir in (self.scalars, self.histograms, self.compressed_histograms, self.images, self.audios):
            reservoir.FilterItems(lambda item: item.step < step, tag)

    # -- what there is

    def Tags(self) -> dict[str, Any]:
        """Tags by kind; of `graph` and `meta_graph` whether there is one."""
        return {
            IMAGES: self.images.Keys(),
            AUDIO: self.audios.Keys(),
            HISTOGRAMS: self.histograms.Keys(),
            SCALARS: self.scalars.Keys(),
            COMPRESSED_HISTOGRAMS: self.compressed_histograms.Keys(),
            TENSORS: self.tensors.Keys(),
            GRAPH: self._graph is not None,
            META_GRAPH: self._meta_graph is not None,
            RUN_METADATA: list(self._tagged_metadata),
        }

    def Scalars(self, tag: str) -> list[ScalarEvent]:
        """The scalars of a tag, those that are written as `simple_value`; `tf.summary`'s are in `Tensors`.

        Raises:
            KeyError: there is no such tag; so with all of these methods.
        """
        return self.scalars.Items(tag)

    def Histograms(self, tag: str) -> list[HistogramEvent]:
        """The histograms of a tag."""
        return self.histograms.Items(tag)

    def CompressedHistograms(self, tag: str) -> list[CompressedHistogramEvent]:
        """The histograms of a tag at the basis points asked for."""
        return self.compressed_histograms.Items(tag)

    def Images(self, tag: str) -> list[ImageEvent]:
        """The pictures of a tag."""
        return self.images.Items(tag)

    def Audio(self, tag: str) -> list[AudioEvent]:
        """The sounds of a tag."""
        return self.audios.Items(tag)

    def Tensors(self, tag: str) -> list[TensorEvent]:
        """The tensors of a tag, among them everything that `tf.summary` writes."""
        return self.tensors.Items(tag)

    def Graph(self) -> graph_pb2.GraphDef:
        """The run's graph, or the one in its metagraph.

        Raises:
            ValueError: there is neither.
        """
        from .proto import graph_pb2

        if self._graph is None:
            raise ValueError("There is no graph in this EventAccumulator")
        return graph_pb2.GraphDef.FromString(self._graph)

    def SerializedGraph(self) -> bytes | None:
        """The run's graph as bytes, None where there is none."""
        return self._graph

    def MetaGraph(self) -> graph_pb2.MetaGraphDef:
        """The run's metagraph. Only its graph is a field here; the rest is kept when it is serialised again.

        Raises:
            ValueError: there is none.
        """
        from .proto import graph_pb2

        if self._meta_graph is None:
            raise ValueError("There is no metagraph in this EventAccumulator")
        return graph_pb2.MetaGraphDef.FromString(self._meta_graph)

    def RunMetadata(self, tag: str) -> graph_pb2.RunMetadata:
        """What was measured of a step of the graph.

        Raises:
            ValueError: there is no such tag.
        """
        from .proto import graph_pb2

        if tag not in self._tagged_metadata:
            raise ValueError("There is no run metadata with this tag name")
        return graph_pb2.RunMetadata.FromString(self._tagged_metadata[tag])

    def SummaryMetadata(self, tag: str) -> pb.SummaryMetadata:
        """What the tag's first value says of it.

        Raises:
            KeyError: it says nothing.
        """
        return self.summary_metadata[tag]

    def AllSummaryMetadata(self) -> dict[str, pb.SummaryMetadata]:
        """`SummaryMetadata` of all tags that have one."""
        return dict(self.summary_metadata)

    def ActivePlugins(self) -> frozenset[str]:
        """The plugins that tags were written for."""
        return frozenset(self._plugins)

    def PluginTagToContent(self, plugin_name: str) -> dict[str, bytes]:
        """What a plugin keeps with each of its tags.

        Raises:
            KeyError: there is no tag of it.
        """
        if plugin_name not in self._plugins:
            raise KeyError(f"Plugin {plugin_name!r} could not be found.")
        return dict(self._plugins[plugin_name])

    def PluginAssets(self, plugin_name: str) -> list[str]:
        """Names of the files that a plugin keeps in the run's `plugins` directory; empty where there are none."""
        try:
            return os.listdir(os.path.join(self.path, "plugins", plugin_name))
        except OSError:
            return []

    def RetrievePluginAsset(self, plugin_name: str, asset_name: str) -> str:
        """The text of one of these files.

        Raises:
            KeyError: it cannot be read.
        """
        path = os.path.join(self.path, "plugins", plugin_name, asset_name)
        try:
            with open(path, encoding="utf-8") as file:
                return file.read()
        except (OSError, ValueError) as error:
            raise KeyError(f"Asset path {path} not found ({error})") from None


def compressed(histogram: HistogramValue, bps: Sequence[float]) -> list[tuple[float, float]]:
    """A histogram at some basis points of its distribution, evenly filled buckets assumed.

    Source of the formula: `compress_histogram_proto` of TensorBoard's compressor.py, after Histogram::Percentile of
    TensorFlow's histogram.cc.
    """
    if not histogram.num:
        return [(point, 0.0) for point in bps]
    bucket = np.array(histogram.bucket)
    weights = (bucket * bps[-1] / (bucket.sum() or 1.0)).cumsum()
    before = np.concatenate([[0.0], weights[:-1]])
    filled = np.flatnonzero(weights != before)
    out: list[tuple[float, float]] = []
    for point in bps:
        first = np.searchsorted(weights, point, side="right")
        place = int(np.searchsorted(filled, first))
        if place == len(filled):
            break
        i = int(filled[place])
        low, high = float(before[i]), float(weights[i])
        left = max(histogram.bucket_limit[i - 1], histogram.min) if low else histogram.min
        right = min(histogram.bucket_limit[i], histogram.max)
        out.append((point, left + (point - low) * float(right - left) / (high - low)))
    return out + [(point, histogram.max) for point in bps[len(out) :]]
