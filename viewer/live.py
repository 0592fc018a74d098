"""News of the store as server-sent events.

The store publishes in its reader's thread, as often as it likes. A stream keeps one number, the version its
client has been told of, and asks the store what changed since only when the client has taken the previous
event. So a client that reads slowly gets fewer and larger-grained events, and never costs memory.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from .responses import dump_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from tallyboard.core.store import Store

KEEP_ALIVE = b": keep-alive\n\n"

TURN = 0.003
"""Seconds between the changes told to any two streams. Whoever hears of one asks for the new points: all at once, a
hundred clients would keep each other waiting, and the server busy with nothing else."""


class Hub:
    """Wakes every open stream when the store has published.

    Args:
        store: whose news to tell.
        gap: least seconds between two change events of one stream.
        keep_alive: seconds of silence after which a comment is sent.
    """

    def __init__(self, store: Store, *, gap: float = 0.1, keep_alive: float = 15.0) -> None:
        self._store = store
        self._gap = gap
        self._keep_alive = keep_alive
        self._streams: set[asyncio.Event] = set()
        self._closed = False
        self._lock = threading.Lock()
        self._wake_is_due = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._free = 0.0  # when the next change may be told, by the loop's clock
        self._sidecar = 0

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    def open(self) -> None:
        """Start listening to the store, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._unsubscribe = self._store.subscribe(self._published)

    def close(self) -> None:
        """Stop listening and end every stream."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        with self._lock:
            self._closed = True
        self._wake()

    def tell_sidecar(self, version: int) -> None:
        """Say in every stream that the sidecar has this version, unless that was said; in the event loop's thread."""
        if version > max(self._sidecar, 1):  # with the first one every process starts, and every page
            self._sidecar = version
            self._wake()

    def _published(self, _version: int) -> None:
        """Runs in the reader's thread: at most one wake-up is ever waiting in the loop."""
        with self._lock:
            if self._closed or self._wake_is_due or self._loop is None:
                return
            self._wake_is_due = True
            try:
                self._loop.call_soon_threadsafe(self._wake)
            except RuntimeError:  # the loop was closed without close(): nobody is left to be told
                self._closed = True

    def _wake(self) -> None:
        with self._lock:
            self._wake_is_due = False
        for news in self._streams:
            news.set()

    async def events(self, since: int | None = None, *, boot: str = "") -> AsyncGenerator[bytes]:
        """Yield encoded events: a hello, then changes and keep-alives, until the hub closes.

        Args:
            since: the version the client knows; it is told first what it missed, or that everything may have
                changed when this store never had that version. None: the client begins with the hello's
                version.
            boot: put before the version in each event's id.
        """
        news = asyncio.Event()
        self._streams.add(news)
        try:
            version = self._store.version
            yield _event("hello", f"{boot}-{version}", {"version": version, "state": self._store.state})
            sent = version if since is None else since
            told = 0
            if sent != version or self._sidecar:
                news.set()
            while not self._closed:
                if not await self._hears(news):
                    yield KEEP_ALIVE
                    continue
                await self._turn()
                news.clear()
                change = self._change(sent, told)
                if self._closed or change is None:
                    continue
                sent, told = change["version"], change.get("sidecar", told)
                yield _event("change", f"{boot}-{sent}", change)
                await asyncio.sleep(self._gap)
        finally:
            self._streams.discard(news)

    async def _turn(self) -> None:
        """Wait until it is this stream's turn; alone it always is."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._free)
        self._free = at + TURN
        if at > now:
            await asyncio.sleep(at - now)

    async def _hears(self, news: asyncio.Event) -> bool:
        try:
            async with asyncio.timeout(self._keep_alive):
                await news.wait()
        except TimeoutError:
            return False
        return True

    def _change(self, sent: int, told: int) -> dict[str, Any] | None:
        sidecar = {"sidecar": self._sidecar} if self._sidecar != told else {}
        version = self._store.version
        if sent == version:
            return {"version": version, "structure": False, "series": [], **sidecar} if sidecar else None
        if not 0 <= sent < version:
            return {"version": version, "structure": True, "series": None, **sidecar}
        changes = self._store.changes(sent)
        series = None
        if changes.series is not None:  # a generation is said where there is one: few runs are ever restarted
            series = [change if change[3] else change[:3] for change in changes.series]
        others = {"others": True} if changes.others else {}
        return {"version": changes.version, "structure": changes.structure, "series": series, **others, **sidecar}


def _event(name: str, number: str, data: dict[str, Any]) -> bytes:
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode(), number.encode(), dump_json(data))
