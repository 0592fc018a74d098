"""The writers that ours is measured beside, each with the methods that a benchmark calls.

What is not installed is left out. `tf.summary` is called eagerly, as its users do; CLU's writer takes many scalars in
one call, which `log` uses. `Peer.share` gives the slower ones a part of the work; reported is what all of it would
take.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tallyboard as tb

__all__ = ["CLU", "OURS", "TENSORFLOW", "TORCH", "XBOARD", "Peer", "installed"]

OURS, TORCH, XBOARD, TENSORFLOW, CLU = "tallyboard", "torch", "tensorboardX", "tf.summary", "CLU"


@dataclass(frozen=True)
class Peer:
    """A writer: its name, what makes it in a folder, and what part of the calls it is given."""

    name: str
    make: Callable[[str], Any]
    share: float = 1.0

    def calls(self, number: int) -> int:
        """How many of so many calls it shall make."""
        return max(1, int(number * self.share))


def installed() -> dict[str, Peer]:
    """Ours first, then the peers that can be imported."""
    found = {OURS: Peer(OURS, tb.SummaryWriter)}
    if _has("torch", "tensorboard"):
        from torch.utils.tensorboard import SummaryWriter as TorchWriter

        found[TORCH] = Peer(TORCH, TorchWriter, 0.25)
    if _has("tensorboardX"):
        from tensorboardX import SummaryWriter as XWriter

        found[XBOARD] = Peer(XBOARD, XWriter, 0.1)
    if _has("tensorflow"):
        found[TENSORFLOW] = Peer(TENSORFLOW, TensorFlowWriter, 0.01)
    if _has("clu", "tensorflow"):
        found[CLU] = Peer(CLU, CluWriter, 0.01)
    return found


def _has(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) for module in modules)


class TensorFlowWriter:
    """tf.summary's functions on one writer."""

    def __init__(self, folder: str) -> None:
        import tensorflow as tf

        self._summary = tf.summary
        self._writer = tf.summary.create_file_writer(folder)
        self._default = self._writer.as_default()
        self._default.__enter__()

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """One scalar."""
        self._summary.scalar(tag, value, step)

    def add_histogram(self, tag: str, values: Any, step: int) -> None:
        """In thirty buckets of one width, which are its default."""
        self._summary.histogram(tag, values, step)

    def add_image(self, tag: str, picture: Any, step: int) -> None:
        """A picture of [channels, height, width]."""
        self._summary.image(tag, picture.transpose(1, 2, 0)[None], step)

    def flush(self) -> None:
        """To the disk."""
        self._writer.flush()

    def close(self) -> None:
        """The end."""
        self._default.__exit__(None, None, None)
        self._writer.close()

    def __enter__(self) -> TensorFlowWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class CluWriter:
    """CLU's SummaryWriter, which stands on tf.summary."""

    def __init__(self, folder: str) -> None:
        from clu.metric_writers import SummaryWriter

        self._writer = SummaryWriter(folder)

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """One scalar, which is no more to it than several."""
        self._writer.write_scalars(step, {tag: value})

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Several scalars."""
        self._writer.write_scalars(step, values)

    def add_histogram(self, tag: str, values: Any, step: int) -> None:
        """In thirty buckets of one width."""
        self._writer.write_histograms(step, {tag: values})

    def add_image(self, tag: str, picture: Any, step: int) -> None:
        """A picture of [channels, height, width]."""
        self._writer.write_images(step, {tag: picture.transpose(1, 2, 0)[None]})

    def flush(self) -> None:
        """To the disk."""
        self._writer.flush()

    def close(self) -> None:
        """The end."""
        self._writer.close()

    def __enter__(self) -> CluWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
