"""The writer that programs start with, and writing values that say what they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tallyboard.core.errors import InvalidSummary
from tallyboard.core.summary import kind_of

from .composed import AsyncMultiWriter, MultiWriter
from .logged import LoggingWriter
from .writers import SummaryWriter

__all__ = ["create_default_writer", "write_values"]


def create_default_writer(
    logdir: str | os.PathLike[str] | None = None,
    *,
    just_logging: bool = False,
    asynchronous: bool = True,
    collection: str | None = None,
) -> MultiWriter:
    """A writer to event files and to the program's log, under the name and with the arguments of CLU's function.

    Args:
        logdir: the directory of the run; None writes to the log alone.
        just_logging: likewise. The processes of a distributed program but the first write no files in any case.
        asynchronous: threads do the work, and wait for the device; otherwise the caller does.
        collection: a sub-directory of `logdir`, for metrics that are a run of their own, such as `"eval"`.

    Raises:
        InvalidLogdir: the directory is a file.
    """
    writers: list[Any] = [LoggingWriter(collection)]
    if logdir is not None and not just_logging:
        place = os.fspath(logdir) if collection is None else os.path.join(logdir, collection)  # a Path breaks URLs
        writers.append(SummaryWriter(place))
    return AsyncMultiWriter(writers) if asynchronous else MultiWriter(writers)


_METHODS = {
    "Image": "write_images",
    "Video": "write_videos",
    "Text": "write_texts",
    "Scalar": "write_scalars",
}


def write_values(writer: Any, step: int, metrics: Mapping[str, Any]) -> None:
    """Writes metrics of any kinds, each by the method for its kind, and as few calls as there are kinds.

    Args:
        writer: ours or CLU's.
        step: an integer of any library.
        metrics: by name, numbers or values of `tallyboard.integrations.jax.values` or of `clu.values`.

    Raises:
        InvalidSummary: something in it is neither.
    """
    calls: dict[tuple[str, Any], dict[str, Any]] = {}
    for name, value in metrics.items():
        method, more, plain = _kind(name, value)
        calls.setdefault((method, more), {})[name] = plain
    for (method, more), values in calls.items():
        if method == "write_hparams":
            writer.write_hparams(values)
        elif method == "write_histograms":
            buckets = {name: value.num_buckets for name, value in values.items() if value.num_buckets}
            writer.write_histograms(step, {name: value.value for name, value in values.items()}, buckets)
        elif method == "write_pointcloud":
            points = {name: value.value for name, value in values.items()}
            colors = {name: value.colors for name, value in values.items() if value.colors is not None}
            configs = {name: value.config for name, value in values.items() if value.config is not None}
            writer.write_pointcloud(step, points, point_colors=colors, configs=configs)
        elif method == "write_summaries":
            plain = {name: value.value for name, value in values.items()}
            metadata = {name: value.metadata for name, value in values.items() if value.metadata is not None}
            writer.write_summaries(step, plain, metadata)
        elif method == "write_audios":
            writer.write_audios(step, values, sample_rate=more)
        else:
            getattr(writer, method)(step, values)


def _kind(name: str, value: Any) -> tuple[str, Any, Any]:
    """The method for a value, what makes a call of its own, and what the call is given for it."""
    known = type(value).__module__ in ("clu.values", f"{__package__}.values")
    kind = type(value).__name__ if known else ""
    if kind in _METHODS:
        return _METHODS[kind], None, value.value
    if kind == "HyperParam":
        return "write_hparams", None, value.value
    if kind == "Audio":
        return "write_audios", int(value.sample_rate), value.value
    if kind in ("Histogram", "PointCloud", "Summary"):
        return (
            {"Histogram": "write_histograms", "PointCloud": "write_pointcloud"}.get(kind, "write_summaries"),
            None,
            value,
        )
    if isinstance(value, int | float | np.number) or (hasattr(value, "dtype") and np.size(value) == 1):
        return "write_scalars", None, value
    raise InvalidSummary(
        f"write_values: {name!r} is neither a number nor one of tallyboard.integrations.jax.values, "
        f"got {kind_of(value)}; wrap it, as in values.Histogram(array)"
    )
