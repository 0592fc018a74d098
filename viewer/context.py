"""What every request handler may ask for, kept in the application under one key."""

from __future__ import annotations

from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from tallyboard.core.store import Store

    from .live import Hub


def _new_boot() -> str:
    return token_hex(4)


@dataclass(frozen=True, slots=True)
class Context:
    """The store, the hub of live streams, and what the page says about itself.

    Attributes:
        store: the only source of data; handlers open no files.
        hub: turns publishes of the store into server-sent events.
        logdir: the directory as the user typed it, for the page to show.
        title: the page's title.
        writable: whether anything may be changed through this server, which `--read_only` forbids.
        boot: a token of this process. Versions count from 0 in every process, so a version kept by a
            browser (an ETag, a Last-Event-ID) means nothing without it.
    """

    store: Store
    hub: Hub
    logdir: str
    title: str
    writable: bool = True
    boot: str = field(default_factory=_new_boot)


CONTEXT = web.AppKey("context", Context)
