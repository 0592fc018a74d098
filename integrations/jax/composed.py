"""Writers that stand before others: several at once, or in a thread of their own."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from tallyboard.core.errors import InvalidSummary, TallyboardError
from tallyboard.core.summary import as_tag, kind_of

from .interface import MetricWriter, concrete_step, refuse_tracer
from .writers import checked_hparams

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

__all__ = ["AsyncError", "AsyncMultiWriter", "AsyncWriter", "MultiWriter", "ensure_flushes"]


class AsyncError(TallyboardError):
    """Something that went wrong in the thread of an `AsyncWriter`, told at the next call; its cause says what."""


class _Forwarding(MetricWriter):
    """Every `write_*` as one call of `_forward(method, keyword arguments)`."""

    def _forward(self, method: str, given: dict[str, Any]) -> None:
        raise NotImplementedError

    def write_summaries(self, step: int, values: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> None:
        self._forward("write_summaries", {"step": step, "values": values, "metadata": metadata})

    def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        self._forward("write_scalars", {"step": step, "scalars": scalars})

    def write_images(self, step: int, images: Mapping[str, Any]) -> None:
        self._forward("write_images", {"step": step, "images": images})

    def write_videos(self, step: int, videos: Mapping[str, Any]) -> None:
        self._forward("write_videos", {"step": step, "videos": videos})

    def write_audios(self, step: int, audios: Mapping[str, Any], *, sample_rate: int) -> None:
        self._forward("write_audios", {"step": step, "audios": audios, "sample_rate": sample_rate})

    def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
        self._forward("write_texts", {"step": step, "texts": texts})

    def write_histograms(
        self, step: int, arrays: Mapping[str, Any], num_buckets: Mapping[str, int] | None = None
    ) -> None:
        self._forward("write_histograms", {"step": step, "arrays": arrays, "num_buckets": num_buckets})

    def write_pointcloud(
        self,
        step: int,
        point_clouds: Mapping[str, Any],
        *,
        point_colors: Mapping[str, Any] | None = None,
        configs: Mapping[str, Any] | None = None,
    ) -> None:
        given = {"step": step, "point_clouds": point_clouds, "point_colors": point_colors, "configs": configs}
        self._forward("write_pointcloud", given)

    def write_hparams(self, hparams: Mapping[str, Any]) -> None:
        self._forward("write_hparams", {"hparams": hparams})


class MultiWriter(_Forwarding):
    """Writes to several writers. One that fails does not keep the others from their share; its error comes after.

    Args:
        writers: ours or CLU's.
    """

    def __init__(self, writers: Sequence[Any]) -> None:
        self._writers = tuple(writers)

    @property
    def writers(self) -> tuple[Any, ...]:
        """The writers it stands before."""
        return self._writers

    def _forward(self, method: str, given: dict[str, Any]) -> None:
        failure: Exception | None = None
        for writer in self._writers:
            try:
                getattr(writer, method)(**given)
            except Exception as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def flush(self) -> None:
        self._forward("flush", {})

    def close(self) -> None:
        self._forward("close", {})


class AsyncWriter(_Forwarding):
    """Has a thread do what another writer does: reading values from a device among it, so that nobody waits.

    Order is kept, and arrays of NumPy are copied at the call. What is seen at once to be wrong raises at the call;
    what the thread meets raises `AsyncError` at the next one, or at `flush` and `close`.

    Args:
        writer: ours or CLU's.
        num_workers: more threads than one give up the order of calls.
    """

    def __init__(self, writer: Any, *, num_workers: int | None = 1) -> None:
        self._writer = writer
        self._workers = num_workers
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: deque[Future[None]] = deque()
        self._lock = threading.Lock()

    @property
    def wrapped(self) -> Any:
        """The writer that it stands before."""
        return self._writer

    def _forward(self, method: str, given: dict[str, Any]) -> None:
        kept = {name: _captured(value, f"{method}", name) for name, value in given.items()}
        with self._lock:
            finished = self._finished()
            self._submit(method, kept)
        _raise_first(finished)

    def _submit(self, method: str, given: dict[str, Any]) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="AsyncWriter")
        try:
            self._waiting.append(self._pool.submit(getattr(self._writer, method), **given))
        except RuntimeError:  # the interpreter is shutting down, and starts no more work
            getattr(self._writer, method)(**given)

    def _finished(self) -> list[Future[None]]:
        found: list[Future[None]] = []
        while self._waiting and self._waiting[0].done():
            found.append(self._waiting.popleft())
        return found

    def _settle(self) -> list[Future[None]]:
        """Waits for what was begun."""
        with self._lock:
            begun = list(self._waiting)
            self._waiting.clear()
        for future in begun:
            future.exception()
        return begun

    def flush(self) -> None:
        begun = self._settle()
        self._writer.flush()
        _raise_first(begun)

    def close(self) -> None:
        begun = self._settle()
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
        self._writer.close()
        _raise_first(begun)


def _raise_first(futures: list[Future[None]]) -> None:
    for future in futures:
        error = future.exception()
        if error is not None:
            raise AsyncError(
                f"{error} (raised in the thread of an AsyncWriter by an earlier call; "
                "create_default_writer(asynchronous=False) raises where the mistake is)"
            ) from error


def _captured(value: Any, method: str, argument: str) -> Any:
    """What the thread may keep: arrays that the caller can change are copied, tracers and names are looked at."""
    if argument == "step":
        return concrete_step(value, method)
    if argument == "hparams":
        checked_hparams(value)
    if argument in ("metadata", "num_buckets", "configs", "sample_rate"):
        return value
    if not hasattr(value, "items"):
        if value is None:
            return None
        raise InvalidSummary(f"{method}: expected a mapping from names to values, got {kind_of(value)}")
    if hasattr(value, "copy_to_host_async"):  # Stats: one array that nobody changes, read in the thread
        value.copy_to_host_async()
        return value
    kept: dict[str, Any] = {}
    for name, item in value.items():
        if type(item) is not float:
            if isinstance(item, np.ndarray):
                item = item.copy()
            elif not isinstance(item, str | int):
                refuse_tracer(item, f"{method}({name!r})", "the value")
                if hasattr(item, "copy_to_host_async"):
                    item.copy_to_host_async()
        kept[name if type(name) is str and name else as_tag(name, method)] = item
    return kept


class AsyncMultiWriter(MultiWriter):
    """Writes to several writers, each in a thread of its own.

    Args:
        writers: ours or CLU's.
        num_workers: as of `AsyncWriter`.
    """

    def __init__(self, writers: Sequence[Any], *, num_workers: int | None = 1) -> None:
        super().__init__([AsyncWriter(writer, num_workers=num_workers) for writer in writers])


@contextlib.contextmanager
def ensure_flushes(*writers: Any) -> Generator[Any]:
    """Flushes all these writers at the end of the block, however it ends; gives the first of them.

    Raises:
        InvalidSummary: none is given.
    """
    if not writers:
        raise InvalidSummary("ensure_flushes: expected at least one writer, got none")
    try:
        yield writers[0]
    finally:
        MultiWriter(writers).flush()
