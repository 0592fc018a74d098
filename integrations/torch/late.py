"""Numbers that are read when they have come, so that training waits for no device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["Late", "Number", "Numbers", "read", "recording_a_graph"]


class Late:
    """A number that is read later, so that nobody waits for its device.

    Where the device has events (CUDA, XPU) the copy to the host starts at once. Elsewhere the number is cloned in
    its place, since the program may overwrite it, and read when another step has gone by.
    """

    __slots__ = ("_copy", "_done")

    def __init__(self, value: Tensor) -> None:
        value = value.detach()
        device = None if value.device.type == "cpu" else getattr(torch, value.device.type, None)
        self._done = None
        if device is None or not hasattr(device, "Event"):
            self._copy = value.clone()
            return
        self._copy = value.to("cpu", non_blocking=True)  # into pinned memory, of which torch keeps a pool
        self._done = device.Event()
        self._done.record(device.current_stream(value.device))

    def ready(self) -> bool:
        """Whether `read` would not wait."""
        return self._done is None or self._done.query()

    def read(self) -> float:
        """The number, waited for if it must be."""
        if self._done is not None:
            self._done.synchronize()
        return float(self._copy)

    def tensor(self) -> Tensor:
        """The numbers of a tensor, which then is the reader's own."""
        if self._done is not None:
            self._done.synchronize()
        return self._copy

    def read_all(self) -> list[float]:
        """The numbers of a tensor of one dimension."""
        return self.tensor().tolist()


class Numbers:
    """Many numbers, read later and together: one copy for each device and dtype that they are of."""

    __slots__ = ("_copies", "_order")

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        """Takes tensors of one element each, or of several, which then are as many numbers in a row."""
        rows: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
        self._order: list[tuple[tuple[torch.device, torch.dtype], int]] = []
        for tensor in tensors:
            key = tensor.device, tensor.dtype
            rows.setdefault(key, []).append(tensor.detach().reshape(-1))
            self._order.append((key, tensor.numel()))
        self._copies = {key: Late(torch.cat(row)) for key, row in rows.items()}

    def ready(self) -> bool:
        """Whether `read` would not wait."""
        return all(copy.ready() for copy in self._copies.values())

    def read(self) -> list[float]:
        """The numbers, in order."""
        rows = {key: iter(copy.read_all()) for key, copy in self._copies.items()}
        return [float(next(rows[key])) for key, count in self._order for _ in range(count)]


Number = float | Late


def read(value: Number) -> float:
    """The number that `value` is or stands for."""
    return value.read() if isinstance(value, Late) else value


def recording_a_graph() -> bool:
    """Whether a CUDA graph is being recorded: a copy would become part of it, and waiting would break it."""
    return torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing()
