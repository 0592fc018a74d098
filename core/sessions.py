"""What the hparams plugin's records say of a run: its hyperparameters, when it started, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .errors import CorruptRecord
from .store import BlobRef, Store

__all__ = ["Fetch", "Session", "hparam_messages", "last_session"]

Fetch = Callable[[BlobRef], bytes]
"""Gives the bytes of a record; raises CorruptRecord where they are gone."""


@dataclass(frozen=True, slots=True)
class Session:
    """A run's last session.

    Attributes:
        values: text, bool and float by name, sorted.
        status: "success", "failure", "running" or "unknown"; None where no end was written.
        group: the name of the session's group, or empty.
        begun, ended: wall times of the records of its start and end, in seconds since 1970.
        start_time, end_time: what these say themselves, None where not written, as torch has it.
    """

    values: dict[str, str | bool | float]
    status: str | None
    group: str
    begun: float
    ended: float | None
    start_time: float | None
    end_time: float | None


def last_session(store: Store, fetch: Fetch, run: str) -> Session | None:
    """The last session of a run, of which at least the start can be read; None where there is none."""
    from .proto import plugin_pb2

    found = next(hparam_messages(store, fetch, run, "session_start_info"), None)
    if found is None:
        return None
    begun, message = found
    start = message.session_start_info
    values: dict[str, str | bool | float] = {}
    for name, value in sorted(start.hparams.items()):
        which = value.WhichOneof("kind")
        if which in ("string_value", "bool_value", "number_value"):
            values[name] = getattr(value, which)
    status = ended = end_time = None
    for when, data in hparam_messages(store, fetch, run, "session_end_info"):
        if when >= begun:
            end = data.session_end_info
            status = (
                plugin_pb2.Status.Name(end.status).removeprefix("STATUS_").lower() if end.status in range(4) else ""
            )
            ended, end_time = when, end.end_time_secs or None
            break
    return Session(values, status or None, start.group_name, begun, ended, start.start_time_secs or None, end_time)


def hparam_messages(store: Store, fetch: Fetch, run: str, name: str) -> Iterator[tuple[float, Any]]:
    """The plugin's messages of one kind with their wall times, the one written last first. Unreadable ones are left
    out: the reader has said so where it found them.
    """
    from google.protobuf.message import DecodeError

    from .proto import plugin_pb2
    from .wire import decode_event  # here, as a viewer answers its first question sooner without

    tag = f"_hparams_/{name}"
    blobs = store.blobs("hparams", run, tag)
    if blobs is None:
        return
    for at in reversed(range(len(blobs))):
        message = plugin_pb2.HParamsPluginData()
        try:
            event = decode_event(fetch(blobs.ref[at]))
            value = next(value for value in event.summary.value if value.tag == tag)
            message.ParseFromString(value.metadata.plugin_data.content)
        except (CorruptRecord, DecodeError, StopIteration):
            continue
        yield float(blobs.wall_time[at]), message
