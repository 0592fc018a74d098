"""One run as users have it: its tags, and the values behind them, fetched from disk when asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from html import escape
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from . import kinds, unpack
from .dataframes import Columns, RunTable
from .errors import CorruptRecord, InvalidSummary
from .reader import LogdirReader
from .remote import is_remote, joined
from .remoteplace import whole_file
from .rows import table_of
from .series import Series, extent
from .sessions import hparam_messages, last_session
from .store import BlobRef, Blobs, RunInfo, Warned, natural
from .unpack import Found
from .wire import decode_event

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from .graph import Graph
    from .proto import event_pb2 as pb
    from .proto import graph_pb2

__all__ = ["Run", "Values", "pattern"]

T = TypeVar("T", covariant=True)

GRAPH_TAG = "__run_graph__"
PROJECTOR = "projector_config.pbtxt"
_MESH_PARTS = ("VERTEX", "FACE", "COLOR")


def pattern(expression: str | re.Pattern[str], what: str) -> re.Pattern[str]:
    """A compiled regular expression.

    Raises:
        InvalidSummary: it is none.
    """
    try:
        return re.compile(expression)
    except (re.error, TypeError) as error:
        raise InvalidSummary(
            f"{what}={expression!r} is no regular expression ({error}); put \\ before what is meant as it stands"
        ) from None


class Values(Sequence[T], Generic[T]):
    """Values of one tag of one run. Each is fetched from disk when it is asked for, and not kept.

    Attributes:
        run, tag: which.
        step: int64 of shape [n].
        wall_time: seconds since 1970, float64 of shape [n].
    """

    def __init__(
        self,
        run: str,
        tag: str,
        step: NDArray[np.int64],
        wall_time: NDArray[np.float64],
        make: Callable[[int], T],
    ) -> None:
        self.run = run
        self.tag = tag
        self.step = step
        self.wall_time = wall_time
        self._make = make

    def __len__(self) -> int:
        return len(self.step)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: int | slice) -> T | list[T]:
        """A value by its position, or a list of them.

        Raises:
            CorruptRecord: its bytes are no longer there, or no longer what was found there.
        """
        if isinstance(index, slice):
            return [self._make(i) for i in range(*index.indices(len(self)))]
        return self._make(range(len(self))[index])

    def __iter__(self) -> Iterator[T]:
        return (self._make(i) for i in range(len(self)))

    def at(self, step: int) -> T:
        """The value of a step; of several the one written last.

        Raises:
            KeyError: there is none.
        """
        found = np.flatnonzero(self.step == step)
        if not len(found):
            raise KeyError(f"{self.tag!r} of run {self.run!r} has no step {step}; it has {extent(self.step)}")
        return self._make(int(found[-1]))

    def __repr__(self) -> str:
        return f"Values(run={self.run!r}, tag={self.tag!r}: {extent(self.step)})"


class Catalog:
    """What a reader's store has, run by run. Made anew when the store has changed."""

    def __init__(self, reader: LogdirReader) -> None:
        self.reader = reader
        self._version = -1
        self._infos: dict[str, RunInfo] = {}
        self._kinds: dict[bool, dict[str, dict[str, list[str]]]] = {}

    def infos(self) -> dict[str, RunInfo]:
        """Every run by its name, in natural order."""
        self._renew()
        return self._infos

    def kinds(self, run: str, superseded: bool = False) -> dict[str, list[str]]:
        """Tags of a run by kind; of those that restarts have left no value only where superseded ones are asked for."""
        self._renew()
        return self._kinds[superseded].get(run, {})

    def _renew(self) -> None:
        found = self.reader.store.overview()
        if found.version == self._version:
            return
        self._infos = {info.name: info for info in found.runs}
        self._kinds[False] = self._kinds[True] = _kinds_of(found.tags)
        if found.voided:
            both: dict[str, dict[str, dict[str, int]]] = {}
            for kind, tags in (*found.tags.items(), *found.voided.items()):
                for tag, counts in tags.items():
                    both.setdefault(kind, {}).setdefault(tag, {}).update(counts)
            self._kinds[True] = _kinds_of(both)
        self._version = found.version


def _kinds_of(counts: dict[str, dict[str, dict[str, int]]]) -> dict[str, dict[str, list[str]]]:
    """Tags by run and kind."""
    kinds_of: dict[str, dict[str, list[str]]] = {}
    for kind, tags in sorted(counts.items()):
        for tag in sorted(tags, key=natural):
            name = tag
            if kind == "mesh":
                name, _, part = tag.rpartition("_")
                if part != _MESH_PARTS[0]:
                    continue
            for run in tags[tag]:
                kinds_of.setdefault(run, {}).setdefault(kind, []).append(name)
    return kinds_of


@dataclass(frozen=True, slots=True)
class View:
    """What part of a logdir is looked at."""

    catalog: Catalog
    runs: tuple[re.Pattern[str], ...] = ()
    tags: tuple[re.Pattern[str], ...] = ()
    superseded: bool = False

    def shows(self, tag: str) -> bool:
        """Whether a tag is part of it."""
        return all(expression.search(tag) for expression in self.tags)

    def shows_run(self, name: str) -> bool:
        """Whether a run is part of it."""
        return all(expression.search(name) for expression in self.runs)


class Run(RunTable):
    """One run of a logdir. Made by `tb.read(logdir)[name]`."""

    def __init__(self, view: View, name: str) -> None:
        self.name = name
        self._view = view
        self._reader = view.catalog.reader
        self._store = self._reader.store

    # -- what there is

    @property
    def path(self) -> str:
        """The run's directory."""
        logdir = self._reader.logdir
        if is_remote(logdir):
            return logdir if self.name == "." else joined(logdir, self.name)
        return os.path.normpath(os.path.join(logdir, self.name))

    @property
    def tags(self) -> dict[str, list[str]]:
        """Tags by kind, in natural order: `scalars`, `images`, `text`, `histograms`, ..., as files name them.

        Meshes have one tag each here, not one for each of their parts.
        """
        found = self._view.catalog.kinds(self.name, self._view.superseded)
        shown = {kind: [tag for tag in tags if self._view.shows(tag)] for kind, tags in found.items()}
        return {kind: tags for kind, tags in shown.items() if tags}

    @property
    def warnings(self) -> tuple[Warned, ...]:
        """What was wrong with the run's files."""
        return self._info().warnings

    @property
    def first_wall_time(self) -> float | None:
        """The earliest wall time, in seconds since 1970."""
        return self._info().first_wall_time

    @property
    def last_wall_time(self) -> float | None:
        """The latest wall time, in seconds since 1970."""
        return self._info().last_wall_time

    def _info(self) -> RunInfo:
        return self._view.catalog.infos().get(self.name) or RunInfo(self.name, None, None, ())

    def __contains__(self, tag: object) -> bool:
        return any(tag in tags for tags in self.tags.values())

    def __getitem__(self, tag: str) -> Series | Values[Any]:
        """Whatever has this tag: a `Series` if there are scalars, else `Values` of its kind.

        Raises:
            KeyError: nothing has.
        """
        series = self._series(tag)
        if series is not None:
            return series
        for kind, tags in self.tags.items():
            if tag in tags:
                return self._typed(kind, tag)
        raise self._unknown("tag", tag, [tag for tags in self.tags.values() for tag in tags])

    def _unknown(self, what: str, tag: str, there: list[str]) -> KeyError:
        near = get_close_matches(tag, there, 3) or there[:3]
        known = f"; there is {', '.join(map(repr, near))}" if near else ""
        return KeyError(
            f"run {self.name!r} has no {what} {tag!r}{known}{', ...' if len(there) > len(near) > 0 else ''}"
        )

    # -- scalars

    def scalar(self, tag: str) -> Series:
        """One scalar.

        Raises:
            KeyError: there is none of this tag.
        """
        series = self._series(tag)
        if series is None:
            raise self._unknown("scalar", tag, self.tags.get("scalars", []))
        return series

    def scalars(self) -> dict[str, Series]:
        """Every scalar by its tag."""
        return {tag: self.scalar(tag) for tag in self.tags.get("scalars", [])}

    def _series(self, tag: str) -> Series | None:
        if not self._view.shows(tag):
            return None
        found = self._store.scalars(self.name, tag, superseded=self._view.superseded)
        if found is None:
            return None
        return Series(self.name, tag, found.step, found.wall_time, found.value, found.restarts)

    # -- everything else

    def images(self, tag: str) -> Values[kinds.Image]:
        """Pictures.

        Raises:
            KeyError: there are none of this tag; so with all of these methods.
        """
        return self._values("images", tag, unpack.image)

    def audio(self, tag: str) -> Values[kinds.Audio]:
        """Sounds."""
        return self._values("audio", tag, unpack.audio)

    def text(self, tag: str) -> Values[kinds.Text]:
        """Texts."""
        return self._values("text", tag, unpack.text)

    def tensors(self, tag: str, kind: str = "tensor") -> Values[kinds.Tensor]:
        """Tensors as they are.

        Args:
            tag: which.
            kind: the plugin they were written for: `tensor` by `add_tensor`, or any other whose values are tensors.
        """
        return self._values(kind, tag, unpack.tensor)

    def histograms(self, tag: str) -> Values[kinds.Histogram]:
        """Histograms."""
        return self._values("histograms", tag, unpack.histogram)

    def pr_curves(self, tag: str) -> Values[kinds.Curve]:
        """Precision-recall curves, and ROC curves."""
        return self._values("pr_curves", tag, unpack.curve)

    def videos(self, tag: str) -> Values[kinds.Video]:
        """Videos that were written as files; an animation made of arrays is an image."""
        return self._values("video", tag, unpack.video)

    def meshes(self, tag: str) -> Values[kinds.Mesh]:
        """Meshes and point clouds."""
        if tag not in self.tags.get("mesh", []):
            raise self._unknown("mesh", tag, self.tags.get("mesh", []))
        parts: dict[str, Values[tuple[NDArray[Any], dict[str, Any]]]] = {}
        for part in _MESH_PARTS:
            blobs = self._stored("mesh", f"{tag}_{part}")
            if blobs is not None:
                parts[part] = self._lazy("mesh", f"{tag}_{part}", blobs, unpack.mesh_part)
        whole = parts[_MESH_PARTS[0]]

        def make(i: int) -> kinds.Mesh:
            step = int(whole.step[i])
            points, config = whole[i]
            faces, colors = (
                parts[part].at(step)[0] if part in parts and bool((parts[part].step == step).any()) else None
                for part in _MESH_PARTS[1:]
            )
            return kinds.Mesh(step, float(whole.wall_time[i]), points, faces, colors, config)

        return Values(self.name, tag, whole.step, whole.wall_time, make)

    def run_metadata(self, tag: str) -> Values[graph_pb2.RunMetadata]:
        """What was measured of steps of the graph."""
        from .proto import graph_pb2

        def make(event: pb.Event) -> graph_pb2.RunMetadata:
            return _parsed(graph_pb2.RunMetadata(), event.tagged_run_metadata.run_metadata, f"the measurements {tag!r}")

        return self._events("graph_tagged_run_metadata", tag, make)

    def messages(self, kind: str, tag: str) -> Values[pb.Summary.Value]:
        """The summary messages of any kind as they stand in the file, for what has no class of its own."""
        return self._values(kind, tag, lambda found: found.value)

    def metadata(self, kind: str, tag: str) -> pb.SummaryMetadata:
        """What the tag's first value says of it: display name, description, plugin and its content.

        Of scalars nothing is kept.
        """
        return self._first(kind, tag)

    def _typed(self, kind: str, tag: str) -> Values[Any]:
        methods: dict[str, Callable[[str], Values[Any]]] = {
            "images": self.images,
            "audio": self.audio,
            "text": self.text,
            "tensor": self.tensors,
            "histograms": self.histograms,
            "pr_curves": self.pr_curves,
            "mesh": self.meshes,
            "video": self.videos,
            "graphs": self._graphs,
            "graph_tagged_run_metadata": self.run_metadata,
        }
        return methods[kind](tag) if kind in methods else self.messages(kind, tag)

    def _values(self, kind: str, tag: str, make: Callable[[Found], T]) -> Values[T]:
        blobs = self._stored(kind, tag) if self._view.shows(tag) else None
        if blobs is None:
            raise self._unknown(kind, tag, self.tags.get(kind, []))
        return self._lazy(kind, tag, blobs, make)

    def _events(self, kind: str, tag: str, make: Callable[[pb.Event], T]) -> Values[T]:
        """What is not in a summary but in the event itself."""
        blobs = self._stored(kind, tag) if self._view.shows(tag) else None
        if blobs is None:
            raise self._unknown(kind, tag, self.tags.get(kind, []))
        refs = blobs.ref
        return Values(
            self.name,
            tag,
            blobs.step,
            blobs.wall_time,
            lambda i: make(decode_event(self._reader.fetch(refs[i]))),
        )

    def _graphs(self, tag: str) -> Values[graph_pb2.GraphDef]:
        from .proto import graph_pb2

        def make(event: pb.Event) -> graph_pb2.GraphDef:
            return _parsed(graph_pb2.GraphDef(), event.graph_def, f"the graph of run {self.name!r}")

        return self._events("graphs", tag, make)

    def _stored(self, kind: str, tag: str) -> Blobs | None:
        return self._store.blobs(kind, self.name, tag, superseded=self._view.superseded)

    def _lazy(self, kind: str, tag: str, blobs: Blobs, make: Callable[[Found], T]) -> Values[T]:
        refs = blobs.ref
        seen: list[pb.SummaryMetadata] = []

        def one(i: int) -> T:
            value = self._fetch(refs[i], tag, _occurrence(refs, i))
            if not seen:
                try:
                    seen.append(self._first(kind, tag))
                except CorruptRecord:  # damaged since: most kinds can do without
                    seen.append(value.metadata)
            return make(Found(int(blobs.step[i]), float(blobs.wall_time[i]), value, seen[0]))

        return Values(self.name, tag, blobs.step, blobs.wall_time, one)

    def _first(self, kind: str, tag: str) -> pb.SummaryMetadata:
        blobs = self._stored(kind, tag)
        if blobs is None:
            raise self._unknown(kind, tag, self.tags.get(kind, []))
        return self._fetch(blobs.ref[0], tag, 0).metadata

    def _fetch(self, ref: BlobRef, tag: str, occurrence: int) -> pb.Summary.Value:
        event = decode_event(self._reader.fetch(ref))
        named = [value for value in event.summary.value if value.tag == tag]
        if occurrence >= len(named):
            raise CorruptRecord(f"{ref.path}: the record at {ref.offset} has no value of the tag {tag!r} any more")
        return named[occurrence]

    # -- of the run as a whole

    @property
    def hparams(self) -> kinds.HParams | None:
        """Hyperparameters, status, times and metrics; None where the run announced none.

        Of several sessions in one run the last counts. Metrics are the last values of the scalars that the run
        announced, from the run below that their group names, if it names one.
        """
        session = last_session(self._store, self._reader.fetch, self.name)
        if session is None:
            return None
        metrics: dict[str, float] = {}
        for _, data in hparam_messages(self._store, self._reader.fetch, self.name, "experiment"):
            for info in data.experiment.metric_infos:
                run = f"{self.name}/{info.name.group}" if info.name.group else self.name
                series = self._store.scalars(run.removeprefix("./"), info.name.tag)
                metrics[info.name.tag] = float(series.value[-1]) if series is not None else float("nan")
        return kinds.HParams(
            session.values, session.status or "running", session.start_time, session.end_time, session.group, metrics
        )

    @property
    def graph(self) -> graph_pb2.GraphDef | None:
        """The run's graph as a message, None where it has none.

        Raises:
            CorruptRecord: its bytes are no graph.
        """
        if self._store.blobs("graphs", self.name, GRAPH_TAG) is None:
            return None
        return self._graphs(GRAPH_TAG)[-1]

    def graphs(self) -> dict[str, Graph]:
        """Every graph of the run, the latest of each, as `tallyboard.core.graph` has them.

        Returns:
            The run's own graph under "", and by tag those of Keras models and of functions that TensorFlow traced. What
            was measured of a step is joined where it was logged.

        Raises:
            CorruptRecord: one of them cannot be read; the text names run and tag.
        """
        from .graph_files import function_graph, keras_graph
        from .graph_measured import measured_in, with_measures
        from .graph_read import graph_from_bytes

        found: dict[str, Graph] = {}
        for plugin, read in (("graph_run_metadata", function_graph), ("graph_run_metadata_graph", function_graph)):
            for tag in self.tags.get(plugin, []):
                found[tag] = read(self._one_string(plugin, tag), f"the graph {tag!r} of run {self.name!r}")
        for tag in self.tags.get("graph_keras_model", []):
            what = f"the Keras model {tag!r} of run {self.name!r}"
            found[tag] = keras_graph(self._one_string("graph_keras_model", tag), what)
        own = self._stored("graphs", GRAPH_TAG)
        if own is not None:
            data = decode_event(self._reader.fetch(own.ref[-1])).graph_def
            graph = graph_from_bytes(data, f"the graph of run {self.name!r}")
            records = self.tags.get("graph_tagged_run_metadata", [])
            found[""] = with_measures(graph, measured_in(self.run_metadata(records[-1])[-1])) if records else graph
        return found

    def _one_string(self, plugin: str, tag: str) -> bytes:
        strings = self.messages(plugin, tag)[-1].tensor.string_val
        if not strings:
            raise CorruptRecord(f"{plugin} {tag!r} of run {self.name!r} holds no bytes")
        return strings[0]

    @property
    def embeddings(self) -> dict[str, kinds.Embedding]:
        """Embeddings by name, as the run's `projector_config.pbtxt` lists them; of a remote run none are read.

        Raises:
            CorruptRecord: that file is no projector configuration.
        """
        from google.protobuf import text_format

        from .proto import projector_pb2

        config = projector_pb2.ProjectorConfig()
        try:
            text = whole_file(joined(self.path, PROJECTOR)).decode()
            text_format.Parse(text, config, allow_unknown_field=True)
        except OSError:
            return {}
        except (text_format.ParseError, UnicodeDecodeError) as error:
            raise CorruptRecord(f"{PROJECTOR} of run {self.name!r} is no projector configuration: {error}") from None

        def place(path: str) -> str | None:
            return joined(self.path, path) if path else None

        return {
            entry.tensor_name: kinds.Embedding(
                entry.tensor_name,
                place(entry.tensor_path),
                place(entry.metadata_path),
                place(entry.sprite.image_path),
                tuple(entry.tensor_shape),
                tuple(entry.sprite.single_image_dim),
            )
            for entry in config.embeddings
        }

    # -- as tables

    def _table(self, kind: str, wide: bool) -> Columns:
        columns = table_of([self], kind, wide)
        return {name: column for name, column in columns.items() if name != "run"}

    def __repr__(self) -> str:
        return f"Run({self.name!r}: {self._counts()})"

    def _repr_html_(self) -> str:
        return f"<b>{escape(self.name)}</b>: {escape(self._counts())}"

    def _counts(self) -> str:
        return ", ".join(f"{len(tags)} {kind}" for kind, tags in self.tags.items()) or "nothing"


M = TypeVar("M", bound="Message")


def _parsed(message: M, data: bytes, what: str) -> M:
    from google.protobuf.message import DecodeError

    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise CorruptRecord(f"{what} cannot be decoded: {error}") from None
    return message


def _occurrence(refs: Sequence[BlobRef], i: int) -> int:
    """Which of an event's values of one tag this is: as many as come before it from the same place."""
    same = 0
    while same < i and refs[i - same - 1] == refs[i]:
        same += 1
    return same
