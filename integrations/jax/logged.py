"""Writers that keep metrics off the disk: in the program's log, or in memory."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from tallyboard.core.arrays import as_array
from tallyboard.core.summary import as_number

from .interface import MetricWriter, concrete_step

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["InMemoryWriter", "LoggingWriter", "logger"]

_BUCKETS = 30


def logger() -> logging.Logger:
    """Absl's logger in a program that has loaded it, as CLU's do, and `tallyboard.metrics` elsewhere."""
    return logging.getLogger("absl" if "absl.logging" in sys.modules else "tallyboard.metrics")


class LoggingWriter(MetricWriter):
    """Writes metrics into the program's log, at level INFO; where that is off, it costs nothing.

    The log is absl's if the program has loaded that, as in CLU, and else the logger `tallyboard.metrics`.

    Args:
        collection: a name that every line bears.
    """

    def __init__(self, collection: str | None = None) -> None:
        self._collection = f" collection={collection}" if collection else ""

    def write_summaries(self, step: int, values: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> None:
        del metadata
        self._shapes(step, "tensors", values)

    def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        if logger().isEnabledFor(logging.INFO):
            said = (f"{name}={_number(value)}" for name, value in sorted(scalars.items()))
            self._say(step, ", ".join(said))

    def write_images(self, step: int, images: Mapping[str, Any]) -> None:
        self._shapes(step, "images", images)

    def write_videos(self, step: int, videos: Mapping[str, Any]) -> None:
        self._shapes(step, "videos", videos)

    def write_audios(self, step: int, audios: Mapping[str, Any], *, sample_rate: int) -> None:
        del sample_rate
        self._shapes(step, "audios", audios)

    def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
        self._say(step, "texts: %s", dict(texts))

    def write_histograms(
        self, step: int, arrays: Mapping[str, Any], num_buckets: Mapping[str, int] | None = None
    ) -> None:
        if not logger().isEnabledFor(logging.INFO):
            return
        for name, value in arrays.items():
            values = as_array(value, f"write_histograms({name!r})", "the array", copy=False).ravel()
            values = values[np.isfinite(values)]
            if values.size:
                buckets = max(2, (num_buckets or {}).get(name) or _BUCKETS)
                counts, edges = np.histogram(values, bins=buckets if np.ptp(values) else 1)
                cells = ", ".join(
                    f"{low:.3g}..{high:.3g}: {n}" for low, high, n in zip(edges, edges[1:], counts, strict=False)
                )
                self._say(step, "histogram of %s: %s", name, cells)

    def write_pointcloud(
        self,
        step: int,
        point_clouds: Mapping[str, Any],
        *,
        point_colors: Mapping[str, Any] | None = None,
        configs: Mapping[str, Any] | None = None,
    ) -> None:
        del point_colors, configs
        self._shapes(step, "point clouds", point_clouds)

    def write_hparams(self, hparams: Mapping[str, Any]) -> None:
        logger().info("[hyperparameters]%s %s", self._collection, dict(hparams))

    def flush(self) -> None:
        for handler in logger().handlers:
            handler.flush()

    def close(self) -> None:
        self.flush()

    def _shapes(self, step: int, what: str, values: Mapping[str, Any]) -> None:
        self._say(step, "%s: %s", what, {name: tuple(np.shape(value)) for name, value in values.items()})

    def _say(self, step: int, message: str, *arguments: object) -> None:
        if logger().isEnabledFor(logging.INFO):
            if arguments:
                message = message % arguments
            logger().info("[%d]%s %s", concrete_step(step, "LoggingWriter"), self._collection, message)


def _number(value: Any) -> str:
    try:
        return f"{float(value):.6g}"
    except (TypeError, ValueError):
        return str(value)


class InMemoryWriter(MetricWriter):
    """Keeps what it is given: the test double of a writer.

    Attributes:
        calls: for each call the name of the method and its arguments by name, in order.
        closed: whether it was closed.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.closed = False

    def scalars(self, name: str) -> list[tuple[int, float]]:
        """The (step, value) pairs of one metric, in the order they came."""
        return [
            (concrete_step(given["step"], "InMemoryWriter"), as_number(name, given["scalars"][name]))
            for call, given in self.calls
            if call == "write_scalars" and name in given["scalars"]
        ]

    def write_summaries(self, step: int, values: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> None:
        self._keep("write_summaries", step=step, values=dict(values), metadata=metadata)

    def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        self._keep("write_scalars", step=step, scalars=dict(scalars))

    def write_images(self, step: int, images: Mapping[str, Any]) -> None:
        self._keep("write_images", step=step, images=dict(images))

    def write_videos(self, step: int, videos: Mapping[str, Any]) -> None:
        self._keep("write_videos", step=step, videos=dict(videos))

    def write_audios(self, step: int, audios: Mapping[str, Any], *, sample_rate: int) -> None:
        self._keep("write_audios", step=step, audios=dict(audios), sample_rate=sample_rate)

    def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
        self._keep("write_texts", step=step, texts=dict(texts))

    def write_histograms(
        self, step: int, arrays: Mapping[str, Any], num_buckets: Mapping[str, int] | None = None
    ) -> None:
        self._keep("write_histograms", step=step, arrays=dict(arrays), num_buckets=num_buckets)

    def write_pointcloud(
        self,
        step: int,
        point_clouds: Mapping[str, Any],
        *,
        point_colors: Mapping[str, Any] | None = None,
        configs: Mapping[str, Any] | None = None,
    ) -> None:
        given = {"step": step, "point_clouds": dict(point_clouds), "point_colors": point_colors, "configs": configs}
        self._keep("write_pointcloud", **given)

    def write_hparams(self, hparams: Mapping[str, Any]) -> None:
        self._keep("write_hparams", hparams=dict(hparams))

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def _keep(self, call: str, **given: Any) -> None:
        self.calls.append((call, given))
