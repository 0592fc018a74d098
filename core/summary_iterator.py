"""`tf.compat.v1.train.summary_iterator` without TensorFlow: the events of a file, one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .errors import InvalidLogdir
from .event_files import EventFile

if TYPE_CHECKING:
    from .proto import event_pb2 as pb

__all__ = ["summary_iterator"]


def summary_iterator(path: str | os.PathLike[str]) -> Iterator[pb.Event]:
    """The events of one event file, as messages with TensorFlow's field names.

        for event in summary_iterator("runs/first/events.out.tfevents.1700000000.host"):
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    print(event.step, value.tag, value.simple_value)

    Where TensorFlow stops at a damaged record, this goes on with the next sound one.

    Args:
        path: the file.

    Raises:
        InvalidLogdir: there is no such file.
    """
    place = os.fspath(path)
    if not os.path.isfile(place):
        kind = "is a directory; give one of its files" if os.path.isdir(place) else "does not exist"
        raise InvalidLogdir(f"summary_iterator({place!r}): it {kind}")
    return EventFile(place).load()
