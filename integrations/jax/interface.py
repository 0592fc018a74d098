"""`MetricWriter`, what every writer of this package is: CLU's interface, with point clouds."""

from __future__ import annotations

import abc
import sys
from typing import TYPE_CHECKING, Any, Self

from tallyboard.core.errors import InvalidSummary, warn_once
from tallyboard.core.summary import as_step

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

__all__ = ["MetricWriter", "concrete_step", "is_first_process", "refuse_tracer"]


class MetricWriter(abc.ABC):
    """Takes metrics by name, at a step. Writers stand on writers: see `MultiWriter` and `AsyncWriter`.

    Methods, arguments and axes are those of `clu.metric_writers.MetricWriter` 0.0.12, so that either may stand where
    the other is asked for. As a context manager it is closed at the end of the block.
    """

    @abc.abstractmethod
    def write_summaries(self, step: int, values: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> None:
        """Writes tensors as they are, for plugins of one's own.

        Args:
            step: an integer of any library.
            values: arrays of numbers or strings by name, any shape.
            metadata: a `SummaryMetadata` message, or the bytes of one, by the same names; or one for all.
        """

    @abc.abstractmethod
    def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Writes one number for each name.

        Args:
            step: an integer of any library.
            scalars: Python, NumPy and JAX numbers of any dtype, bfloat16 included, with one element each.
        """

    @abc.abstractmethod
    def write_images(self, step: int, images: Mapping[str, Any]) -> None:
        """Writes pictures.

        Args:
            step: an integer of any library.
            images: [N, H, W, C] or [H, W, C] by name; floats from 0 to 1, or integers up to their type's greatest.
        """

    @abc.abstractmethod
    def write_videos(self, step: int, videos: Mapping[str, Any]) -> None:
        """Writes moving pictures.

        Args:
            step: an integer of any library.
            videos: [N, T, H, W, C] or [T, H, W, C] by name, T frames each; floats from 0 to 1, or uint8.
        """

    @abc.abstractmethod
    def write_audios(self, step: int, audios: Mapping[str, Any], *, sample_rate: int) -> None:
        """Writes sounds.

        Args:
            step: an integer of any library.
            audios: [N, T, C] by name, T samples of C channels each, floats from -1 to 1.
            sample_rate: samples a second of each channel.
        """

    @abc.abstractmethod
    def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
        """Writes one markdown text for each name.

        Args:
            step: an integer of any library.
            texts: by name.
        """

    @abc.abstractmethod
    def write_histograms(
        self, step: int, arrays: Mapping[str, Any], num_buckets: Mapping[str, int] | None = None
    ) -> None:
        """Writes how numbers are distributed.

        Args:
            step: an integer of any library.
            arrays: real numbers of any shape by name.
            num_buckets: for some names how many buckets of equal width; 30 otherwise.
        """

    def write_pointcloud(
        self,
        step: int,  # noqa: ARG002
        point_clouds: Mapping[str, Any],  # noqa: ARG002
        *,
        point_colors: Mapping[str, Any] | None = None,  # noqa: ARG002
        configs: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> None:
        """Writes points in space. A writer without this method of its own leaves them out, and says so once.

        Args:
            step: an integer of any library.
            point_clouds: [N, 3] or [B, N, 3] by name.
            point_colors: red, green and blue from 0 to 255 of each point, shaped as these, for some names.
            configs: names and settings of three.js classes, for some names.
        """
        kind = type(self).__qualname__
        warn_once(("jax", "pointcloud", kind), f"{kind} writes no point clouds; they are left out")

    @abc.abstractmethod
    def write_hparams(self, hparams: Mapping[str, Any]) -> None:
        """Writes hyperparameters, once.

        Args:
            hparams: values by name; the names of mappings and lists within are joined by dots.
        """

    @abc.abstractmethod
    def flush(self) -> None:
        """Returns when another process can read all that was written."""

    @abc.abstractmethod
    def close(self) -> None:
        """Flushes, and lets go of what the writer holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def is_first_process() -> bool:
    """Whether this is the process of a distributed program that writes. Asking starts JAX's backends."""
    jax: Any = sys.modules.get("jax")
    return jax is None or jax.process_index() == 0


def concrete_step(step: object, call: str) -> int:
    """The step as Python's integer.

    Raises:
        InvalidSummary: it is none, or a tracer.
    """
    if type(step) is not int:
        refuse_tracer(step, call, "the step")
    return as_step(step, call)


def refuse_tracer(value: object, call: str, what: str) -> None:
    """Says what to do where a value is one that JAX computes with while it traces a function.

    Raises:
        InvalidSummary: it is.
    """
    jax: Any = sys.modules.get("jax")
    if jax is not None and isinstance(value, jax.core.Tracer):
        raise InvalidSummary(
            f"{call}: {what} is a JAX tracer, so the call stands inside jit, grad, vmap or scan, "
            "where there are no numbers yet; return the value from that function and write it outside, or use "
            "log(tag, value, step) of tallyboard.integrations.jax there"
        )
