"""Numbers that a `tf.function` hands over without waiting for Python: by a queue that a thread empties."""

from __future__ import annotations

import os
import threading
from typing import Any

from tallyboard.core.errors import warn_once
from tallyboard.core.values import TensorTag
from tallyboard.core.writer import SummaryWriter

__all__ = ["Numbers"]

INTERVAL = 0.1  # seconds between two looks at the queues
_KEPT = "tallyboard_writers"  # the collection of a graph that holds the writers which its operations need


class Numbers:
    """The queue of one writer: which tag, step, value and wall time.

    Args:
        tf: TensorFlow's module.
        writer: where the numbers go.
    """

    def __init__(self, tf: Any, writer: SummaryWriter) -> None:
        self._tf = tf
        self._writer = writer
        self._tags: list[TensorTag] = []
        self._places: dict[TensorTag, int] = {}
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._closed = False
        with tf.init_scope(), tf.device("CPU:0"):
            self._queue = tf.queue.FIFOQueue(-1, [tf.int64, tf.int64, tf.float32, tf.float64], [(), (), (), ()])
        _thread.serve(self)

    def enqueue(self, tf: Any, tag: TensorTag, step: Any, value: Any, keep: object) -> Any:
        """Adds to the graph what hands a number over.

        Args:
            tf: TensorFlow's module.
            tag: of the number.
            step, value: tensors without dimensions, of int64 and float32.
            keep: lives as long as the graph.

        Returns:
            A tensor that says True when it is done.
        """
        with self._lock:
            place = self._places.get(tag)
            if place is None:
                place = self._places[tag] = len(self._tags)
                self._tags.append(tag)
        graph = tf.compat.v1.get_default_graph()
        while graph is not None:
            kept = graph.get_collection_ref(_KEPT)
            if keep not in kept:
                kept.append(keep)
            graph = getattr(graph, "outer_graph", None)
        with tf.device("CPU:0"):
            row = [tf.constant(place, tf.int64), step, value, tf.timestamp()]
            with tf.control_dependencies([self._queue.enqueue(row)]):
                return tf.constant(True)

    def drain(self) -> None:
        """Writes what is in the queue. In a forked child that is the parent's, which writes it."""
        if self._pid != os.getpid():
            return
        with self._lock:
            try:
                with self._tf.init_scope():  # whatever graph is being built while the collector lets go of a writer
                    count = int(self._queue.size())
                    columns = self._queue.dequeue_many(count) if count else ()
                    places, steps, values, times = ([part.numpy().tolist() for part in columns]) or ([], [], [], [])
            except Exception as error:
                warn_once(
                    ("handover", type(error)),
                    f"{self._writer.log_dir}: numbers of a tf.function were not written, because "
                    f"{type(error).__name__}: {error}. Training goes on without them.",
                )
                return
            if count and self._closed:
                warn_once(
                    ("handover", self._lock),  # kept there, so that no other one is taken for it
                    f"{self._writer.log_dir}: {count} numbers of a tf.function were dropped, because their writer is "
                    "already closed; trace the function anew with another default writer",
                )
                return
            for place, step, value, wall_time in zip(places, steps, values, times, strict=True):
                self._writer.write_scalar(self._tags[place], value, step, wall_time)

    def close(self) -> None:
        """Writes what is in the queue; whatever comes later is dropped with a warning."""
        self.drain()
        self._closed = True

    def retire(self) -> None:
        """Writes what is in the queue, for the last time."""
        self.drain()
        _thread.dismiss(self)


class _Thread:
    """Looks into all queues of the process, again and again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: list[Numbers] = []
        self._running = False

    def serve(self, queue: Numbers) -> None:
        with self._lock:
            self._queues.append(queue)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="tallyboard-tf", daemon=True).start()

    def dismiss(self, queue: Numbers) -> None:
        with self._lock:
            self._queues = [other for other in self._queues if other is not queue]

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            with self._lock:
                queues = list(self._queues)
                if not queues:
                    self._running = False
                    return
            for queue in queues:
                queue.drain()
            queues.clear()
            pause.wait(INTERVAL)


_thread = _Thread()
