"""The writer that stands on `tb.SummaryWriter`: every kind of metric as `tf.summary` writes it, without TensorFlow.

Source of the forms: clu/metric_writers/tf/summary_writer.py of CLU 0.0.12, which calls a function of `tf.summary` for
each name; `tf_summary` holds what those write.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallyboard.core.errors import InvalidLogdir, InvalidSummary, warn_once
from tallyboard.core.remote import is_remote
from tallyboard.core.summary import Event, Summary, as_number, as_tag, kind_of
from tallyboard.core.writer import SummaryWriter as EventWriter

from .interface import MetricWriter, concrete_step, is_first_process, refuse_tracer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tallyboard.core.sink import Sink

__all__ = ["SummaryWriter"]

_FLOATS = {float}


class SummaryWriter(MetricWriter):
    """Writes named metrics of a step, in one process of a distributed program: that with process index 0.

    Tags are the names as given, and values what `clu.metric_writers.SummaryWriter` writes for them; videos and point
    clouds, which that one drops, are written, too. CLU's rule on steps is kept: a metric is written at most once for a
    step. A second value is written all the same, and one `TallyboardWarning` for each metric says so.

    The file is opened by the first write, never by the other processes. A thread of the writer's own encodes and
    writes to disk; arrays on a device are waited for at the call, unless an `AsyncWriter` stands before this one.

    Args:
        logdir: the directory of the run, or its URL.
        sink: where to write instead of event files in `logdir`.

    Raises:
        InvalidLogdir: `logdir` is a file.
    """

    def __init__(self, logdir: str | os.PathLike[str], *, sink: Sink | None = None) -> None:
        self.logdir = os.fspath(logdir)
        if not is_remote(self.logdir) and Path(self.logdir).exists() and not Path(self.logdir).is_dir():
            raise InvalidLogdir(f"logdir={self.logdir!r} is a file; give the name of a directory")
        self._sink = sink
        self._writer: EventWriter | None = None
        self._last_step: dict[str, int] = {}
        self._last_other: dict[tuple[str, str], int] = {}

    @property
    def writer(self) -> EventWriter | None:
        """The `tb.SummaryWriter` of the same run, for everything else; None in processes that write nothing."""
        return self._open()

    def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Writes one number for each name, or nothing if one of them is wrong.

        Args:
            step: an integer of any library.
            scalars: Python, NumPy and JAX numbers of any dtype, bfloat16 included, with one element each.
                Arrays on a device are copied to the host together, in one wait.

        Raises:
            InvalidSummary: a name, a value or the step is not what it should be, or is a tracer: the call
                stands in a function that JAX transforms.
        """
        if (writer := self._open()) is None:
            return
        number = concrete_step(step, "write_scalars")
        values: dict[str, Any] = dict(scalars.items())
        if {*map(type, values.values())} != _FLOATS:
            for name, value in values.items():
                refuse_tracer(value, f"write_scalars({name!r})", "the value")
            for value in values.values():
                if hasattr(value, "copy_to_host_async"):
                    value.copy_to_host_async()
            values = {as_tag(name): as_number(name, value, "write_scalars") for name, value in values.items()}
        writer.log(values, number)
        last = self._last_step
        for name in values:
            if last.get(name) == number:
                self._say_twice("scalars", name, number)
            last[name] = number

    def write_summaries(self, step: int, values: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> None:
        """Writes tensors as they are, for plugins of one's own.

        Args:
            step: an integer of any library.
            values: arrays of numbers or strings by name, any shape.
            metadata: a `SummaryMetadata` message, TensorBoard's or another's, or the bytes of one, by the same names;
                or one for all.

        Raises:
            InvalidSummary: something in it is neither numbers nor strings, or the metadata are none.
        """
        if (writer := self._open()) is None:
            return
        number = concrete_step(step, "write_summaries")
        self._put_all(writer, number, [_raw(name, value, metadata) for name, value in values.items()])

    def write_images(self, step: int, images: Mapping[str, Any]) -> None:
        """Writes pictures, all of a batch under one tag.

        Args:
            step: an integer of any library.
            images: [N, H, W, C] or [H, W, C] by name, C of 1 (grey), 2 (grey and alpha), 3 (RGB) or 4; floats from 0
                to 1, or integers up to their type's greatest. What is beyond is cut off, NaN is black.

        Raises:
            InvalidSummary: they are no pictures.
        """
        from ..tf_summary.kinds import image_of

        if (writer := self._open()) is None:
            return
        number = concrete_step(step, "write_images")
        made: list[Summary] = []
        for name, value in images.items():
            refuse_tracer(value, f"write_images({name!r})", "the array")
            batch = _host(value)[None] if getattr(value, "ndim", 4) == 3 else value
            made.append(image_of(as_tag(name, "write_images"), batch, len(batch), None))
        self._put_all(writer, number, made)

    def write_videos(self, step: int, videos: Mapping[str, Any]) -> None:
        """Writes moving pictures, as animated GIFs of 4 frames a second; needs Pillow.

        Args:
            step: an integer of any library.
            videos: [N, T, H, W, C] or [T, H, W, C] by name, N videos of T frames side by side; floats from 0 to 1, or
                uint8.

        Raises:
            InvalidSummary: they are no videos.
            MissingDependency: Pillow is not installed.
        """
        from tallyboard.core.video import video

        if (writer := self._open()) is None:
            return
        number = concrete_step(step, "write_videos")
        made: list[Summary] = []
        for name, value in videos.items():
            refuse_tracer(value, f"write_videos({name!r})", "the array")
            made += video(name, value, 4, "THWC" if getattr(value, "ndim", 5) == 4 else "NTHWC")
        self._put_all(writer, number, made)

    def write_audios(self, step: int, audios: Mapping[str, Any], *, sample_rate: int) -> None:
        """Writes sounds, as WAV of 16 bits, all of a batch under one tag.

        Args:
            step: an integer of any library.
            audios: [N, T, C] by name, T samples of C channels each, floats from -1 to 1.
            sample_rate: samples a second of each channel.

        Raises:
            InvalidSummary: they are no sounds.
        """
        from ..tf_summary.kinds import audio_of

        if (writer := self._open()) is None:
            return
        number = concrete_step(step, "write_audios")
        made: list[Summary] = []
        for name, value in audios.items():
            refuse_tracer(value, f"write_audios({name!r})", "the array")
            count = len(value) if getattr(value, "ndim", 0) else 0
            made.append(audio_of(as_tag(name, "write_audios"), value, sample_rate, count, None))
        self._put_all(writer, number, made)

    def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
        """Writes one markdown text for each name, or nothing if one of them is wrong.

        Raises:
            InvalidSummary: a name, a text or the step is not what it should be.
        """
        from ..tf_summary.kinds import text_of

        if (writer := self._open()) is None:
            return
        number = concrete_step(step, "write_texts")
        for name, value in texts.items():
            refuse_tracer(value, f"write_texts({name!r})", "the value")
        made = [text_of(as_tag(name, "write_texts"), value, None) for name, value in texts.items()]
        self._put_all(writer, number, made)

    def write_histograms(
        self, step: int, arrays: Mapping[str, Any], num_buckets: Mapping[str, int] | None = None
    ) -> None:
        """Writes how numbers are distributed, in buckets of equal width.

        Args:
            step: an integer of any library.
            arrays: real numbers of any shape by name. NaN and infinity are in no bucket, and counted in the
                description.
            num_buckets: for some names how many buckets; 30 otherwise.

        Raises:
            InvalidSummary: they are no real numbers.
        """
        from ..tf_summary.kinds import histogram_of

        if (writer := self._open()) is None:
            return
        number = concrete_step(step, "write_histograms")
        made: list[Summary] = []
        for name, value in arrays.items():
            refuse_tracer(value, f"write_histograms({name!r})", "the array")
            buckets = None if num_buckets is None else num_buckets.get(name)
            made.append(histogram_of(as_tag(name, "write_histograms"), value, buckets or None, None))
        self._put_all(writer, number, made)

    def write_pointcloud(
        self,
        step: int,
        point_clouds: Mapping[str, Any],
        *,
        point_colors: Mapping[str, Any] | None = None,
        configs: Mapping[str, Any] | None = None,
    ) -> None:
        """Writes points in space.

        Args:
            step: an integer of any library.
            point_clouds: [N, 3] or [B, N, 3] by name.
            point_colors: red, green and blue from 0 to 255 of each point, shaped as these, for some names.
            configs: names and settings of three.js classes, for some names.

        Raises:
            InvalidSummary: a shape or a colour is wrong.
        """
        from tallyboard.core.tensors import mesh

        if (writer := self._open()) is None:
            return
        number = concrete_step(step, "write_pointcloud")
        made: list[Summary] = []
        for name, points in point_clouds.items():
            refuse_tracer(points, f"write_pointcloud({name!r})", "the array")
            made += mesh(name, points, (point_colors or {}).get(name), None, (configs or {}).get(name))
        self._put_all(writer, number, made)

    def write_hparams(self, hparams: Mapping[str, Any]) -> None:
        """Writes hyperparameters, once; when the writer is closed, also whether the run succeeded.

        Runs of equal hyperparameters are shown as one, as CLU has it.

        Args:
            hparams: values by name: bool, numbers, strings, None (the empty text), mappings and lists within
                (`outer.inner`, `layers.0`); anything else by its text.

        Raises:
            InvalidSummary: it is no mapping, or a value cannot be a text.
        """
        from tallyboard.core.summary import DataClass
        from tallyboard.core.values import Message

        from ..tf_summary.hparams import hparams_pb

        if (writer := self._open()) is None:
            return
        plain, kept = checked_hparams(hparams)
        message = Message("summary", hparams_pb(plain).SerializeToString())
        writer.write(Event(0, time.time(), Summary("_hparams_", "summary", DataClass.BLOBS, message)))
        writer._session.begin(kept, 0)  # pyright: ignore[reportPrivateUsage]

    def flush(self) -> None:
        """Returns when another process can read all that was written."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Flushes and closes the file. A later write opens another one."""
        if self._writer is not None:
            self._writer.close()

    def __repr__(self) -> str:
        return f"SummaryWriter({self.logdir!r})"

    def _open(self) -> EventWriter | None:
        """The writer of this process; None where another process writes.

        JAX is asked at the first write and not before: the question starts its backends, which
        `jax.distributed.initialize` must precede.
        """
        if self._writer is None and is_first_process():
            self._writer = EventWriter(self.logdir, sink=self._sink)
        return self._writer

    def _put_all(self, writer: EventWriter, step: int, summaries: Iterable[Summary]) -> None:
        now = time.time()
        for summary in summaries:
            key = (summary.plugin, summary.tag)
            if self._last_other.get(key) == step:
                self._say_twice(*key, step)
            self._last_other[key] = step
            writer.write(Event(step, now, summary))

    def _say_twice(self, plugin: str, tag: str, step: int) -> None:
        warn_once(
            ("jax", self.logdir, plugin, tag),
            f"{tag!r} was written twice for step {step} in {self.logdir!r}; "
            "both values are kept. Write a metric once for a step, or give the second one another name.",
        )


def _host(value: Any) -> Any:
    from tallyboard.core.arrays import as_array

    return as_array(value, "write_images", "the array", copy=False)


def checked_hparams(hparams: Any) -> tuple[dict[str, Any], dict[str, bool | float | str]]:
    """Hyperparameters by CLU's names: as they are, and as they are kept.

    Raises:
        InvalidSummary: it is no mapping, or a value cannot be a text.
    """
    from tallyboard.core.hparams import hparams_of

    plain = dict(_flat(hparams))
    try:
        return plain, hparams_of(plain)
    except InvalidSummary as error:
        raise InvalidSummary(str(error).replace("add_hparams", "write_hparams", 1)) from error.__cause__


def _flat(hparams: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values as CLU has them: of mappings and lists within, the names joined by dots."""
    if not hasattr(hparams, "items"):
        raise InvalidSummary(f"write_hparams: expected a mapping from names to values, got {kind_of(hparams)}")
    for key, value in hparams.items():
        name = f"{prefix}{key}"
        if isinstance(value, list | tuple):
            value = {str(i): item for i, item in enumerate(value)}
        if hasattr(value, "items"):
            yield from _flat(value, f"{name}.")
        else:
            refuse_tracer(value, f"write_hparams({name!r})", "the value")
            yield name, "" if value is None else value


def _raw(name: str, value: Any, metadata: Any) -> Summary:
    """The summary of one tensor, under what its metadata say."""
    from google.protobuf.message import DecodeError

    from tallyboard.core.proto import event_pb2 as pb
    from tallyboard.core.summary import DataClass

    from ..tf_summary.messages import value_of

    tag = as_tag(name, "write_summaries")
    refuse_tracer(value, f"write_summaries({tag!r})", "the value")
    given = metadata.get(name) if hasattr(metadata, "get") else metadata
    data: Any = b"" if given is None else getattr(given, "SerializeToString", lambda: given)()
    try:
        described = pb.SummaryMetadata.FromString(data)
    except (DecodeError, TypeError):
        raise InvalidSummary(
            f"write_summaries({tag!r}): expected metadata to be a SummaryMetadata message or its bytes, "
            f"got {kind_of(given)}"
        ) from None
    return Summary(tag, described.plugin_data.plugin_name, DataClass.TENSOR, value_of(tag, value, described))
