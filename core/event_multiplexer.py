"""TensorBoard's EventMultiplexer, for scripts that were written for it: EventAccumulators by the names of runs."""

# ruff: noqa: N802  # the names are TensorBoard's

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import InvalidLogdir
from .event_accumulator import (
    AudioEvent,
    CompressedHistogramEvent,
    EventAccumulator,
    HistogramEvent,
    ImageEvent,
    ScalarEvent,
    TensorEvent,
)
from .event_files import event_paths

if TYPE_CHECKING:
    from .proto import event_pb2 as pb
    from .proto import graph_pb2

__all__ = ["EventMultiplexer"]


class EventMultiplexer:
    """Runs by name. Nothing is read before `Reload`.

    Args:
        run_path_map: the path of each run by its name.
        size_guidance, purge_orphaned_data: see `EventAccumulator`.
    """

    def __init__(
        self,
        run_path_map: Mapping[str, str] | None = None,
        size_guidance: Mapping[str, int] | None = None,
        purge_orphaned_data: bool = True,
    ) -> None:
        self.purge_orphaned_data = purge_orphaned_data
        self._size_guidance = size_guidance
        self._accumulators: dict[str, EventAccumulator] = {}
        self._paths: dict[str, str] = {}
        self._reloaded = False
        self._lock = threading.Lock()
        for run, path in (run_path_map or {}).items():
            self.AddRun(path, run)

    def AddRun(self, path: str | os.PathLike[str], name: str | None = None) -> EventMultiplexer:
        """Adds a run, or gives one of this name another path; it is read at once if `Reload` was called before.

        Args:
            path: its directory, or an event file.
            name: the path by default.
        """
        place = os.fspath(path)
        name = name or place
        with self._lock:
            if name in self._accumulators and self._paths[name] == place:
                return self
            run = EventAccumulator(place, self._size_guidance, purge_orphaned_data=self.purge_orphaned_data)
            self._accumulators[name], self._paths[name] = run, place
        if self._reloaded:
            run.Reload()
        return self

    def AddRunsFromDirectory(self, path: str | os.PathLike[str], name: str | None = None) -> EventMultiplexer:
        """Adds every directory below that has event files; where there is no such directory, nothing.

        Args:
            path: where to look.
            name: what goes before the runs' names.
        """
        for folder, folders, _ in os.walk(path):
            folders.sort()
            if event_paths(folder):
                below = os.path.relpath(folder, path)
                self.AddRun(folder, os.path.join(name, below) if name else below)
        return self

    def Reload(self) -> EventMultiplexer:
        """Reads what was not read yet of every run; a run whose directory is gone is forgotten."""
        self._reloaded = True
        with self._lock:
            runs = list(self._accumulators.items())
        for name, run in runs:
            try:
                run.Reload()
            except InvalidLogdir:
                with self._lock:
                    self._accumulators.pop(name, None)
            except OSError:
                continue  # not to be read now: the next call tries again
        return self

    def GetAccumulator(self, run: str) -> EventAccumulator:
        """The accumulator of a run.

        Raises:
            KeyError: there is no such run; so with all methods that take one.
        """
        with self._lock:
            return self._accumulators[run]

    def Runs(self) -> dict[str, dict[str, Any]]:
        """`Tags()` of every run."""
        with self._lock:
            runs = list(self._accumulators.items())
        return {name: run.Tags() for name, run in runs}

    def RunPaths(self) -> dict[str, str]:
        """The path of each run."""
        return self._paths

    def FirstEventTimestamp(self, run: str) -> float:
        """See `EventAccumulator`; so with all of the following."""
        return self.GetAccumulator(run).FirstEventTimestamp()

    def GetSourceWriter(self, run: str) -> str | None:
        """What wrote the run."""
        return self.GetAccumulator(run).GetSourceWriter()

    def Scalars(self, run: str, tag: str) -> list[ScalarEvent]:
        """The scalars of a tag."""
        return self.GetAccumulator(run).Scalars(tag)

    def Histograms(self, run: str, tag: str) -> list[HistogramEvent]:
        """The histograms of a tag."""
        return self.GetAccumulator(run).Histograms(tag)

    def CompressedHistograms(self, run: str, tag: str) -> list[CompressedHistogramEvent]:
        """The compressed histograms of a tag."""
        return self.GetAccumulator(run).CompressedHistograms(tag)

    def Images(self, run: str, tag: str) -> list[ImageEvent]:
        """The pictures of a tag."""
        return self.GetAccumulator(run).Images(tag)

    def Audio(self, run: str, tag: str) -> list[AudioEvent]:
        """The sounds of a tag."""
        return self.GetAccumulator(run).Audio(tag)

    def Tensors(self, run: str, tag: str) -> list[TensorEvent]:
        """The tensors of a tag."""
        return self.GetAccumulator(run).Tensors(tag)

    def Graph(self, run: str) -> graph_pb2.GraphDef:
        """The graph."""
        return self.GetAccumulator(run).Graph()

    def SerializedGraph(self, run: str) -> bytes | None:
        """The graph as bytes."""
        return self.GetAccumulator(run).SerializedGraph()

    def MetaGraph(self, run: str) -> graph_pb2.MetaGraphDef:
        """The metagraph."""
        return self.GetAccumulator(run).MetaGraph()

    def RunMetadata(self, run: str, tag: str) -> graph_pb2.RunMetadata:
        """What was measured of a step of the graph."""
        return self.GetAccumulator(run).RunMetadata(tag)

    def SummaryMetadata(self, run: str, tag: str) -> pb.SummaryMetadata:
        """What a tag's first value says of it."""
        return self.GetAccumulator(run).SummaryMetadata(tag)

    def PluginRunToTagToContent(self, plugin_name: str) -> dict[str, dict[str, bytes]]:
        """What a plugin keeps with its tags, of each run that has any."""
        with self._lock:
            runs = list(self._accumulators.items())
        return {name: run.PluginTagToContent(plugin_name) for name, run in runs if plugin_name in run.ActivePlugins()}

    def PluginAssets(self, plugin_name: str) -> dict[str, list[str]]:
        """Names of the files that a plugin keeps, of each run."""
        with self._lock:
            runs = list(self._accumulators.items())
        return {name: run.PluginAssets(plugin_name) for name, run in runs}

    def RetrievePluginAsset(self, run: str, plugin_name: str, asset_name: str) -> str:
        """The text of one of these files."""
        return self.GetAccumulator(run).RetrievePluginAsset(plugin_name, asset_name)
