"""What every request handler may ask for, kept in the application under one key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from .lines import Lines
from .listing import new_boot
from .reels import Reels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tallyboard.core.extremes import Extremes, Figures
    from tallyboard.core.facts import Fact, Facts
    from tallyboard.core.store import BlobRef, Store

    from .live import Hub
    from .sidecar import Sidecar
    from .trash import Trash


@dataclass(frozen=True, slots=True)
class Context:
    """The store, the hub of live streams, and what the page says about itself.

    Attributes:
        store: the only source of data; handlers open no files.
        hub: turns publishes of the store into server-sent events.
        logdir: the directory as the user typed it, for the page to show.
        title: the page's title.
        writable: whether anything may be changed through this server, which `--read_only` forbids.
        samples: how many values of a series TensorBoard's routes give at most, by plugin; 0 or absent for all.
        fetch: reads one record from where the reader found it; slow, so never in the event loop. Raises CorruptRecord
            where it is not there any more.
        locate: gives a run's directory, an absolute path or a URL.
        facts, extremes: what tables say of runs; both may take a while, so they are asked in other threads.
        encoded_facts, encoded_figures: each run's fact, and each tag's figures, as they were said last.
        sidecar: what people say of runs.
        trash: where deleted runs go; None where none may be deleted.
        boot: a token of this process. Versions count from 0 in every process, so a version kept by a
            browser (an ETag, a Last-Event-ID) means nothing without it.
        lines: smoothed series that were asked for.
        reels: videos that are being watched.
        cache: where layouts that took long are kept, as `cache_folder` takes it.
    """

    store: Store
    hub: Hub
    logdir: str
    title: str
    fetch: Callable[[BlobRef], bytes]
    locate: Callable[[str], str]
    facts: Facts
    extremes: Extremes
    sidecar: Sidecar
    trash: Trash | None
    writable: bool = True
    samples: Mapping[str, int] = field(default_factory=dict[str, int])
    encoded_facts: dict[str, tuple[Fact, bytes]] = field(default_factory=dict[str, "tuple[Fact, bytes]"])
    encoded_figures: dict[str, tuple[Figures, bytes]] = field(default_factory=dict[str, "tuple[Figures, bytes]"])
    boot: str = field(default_factory=new_boot)
    lines: Lines = field(default_factory=Lines)
    reels: Reels = field(default_factory=Reels)
    cache: str | None = "off"


CONTEXT = web.AppKey("context", Context)
