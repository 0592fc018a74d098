"""From a listening socket to a running viewer, and back down at once when asked."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tallyboard.core.store import Store

from .app import make_app
from .indexing import Indexing, InTurn, Timed
from .records import Records

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Sequence

    from .indexing import Poller
    from .logdirs import Logdir
    from .porch import Porch

_PATIENCE = 0.25
"""Seconds an answer under way may take to finish once the server is asked to stop."""

_FAREWELL = 0.5
"""Seconds in all that reading threads have to come to their end, once all are asked to."""


async def serve(
    listener: socket.socket,
    logdirs: Sequence[Logdir],
    announce: Callable[[], None],
    *,
    porch: Porch | None = None,
    tls: ssl.SSLContext | None = None,
    cache: str | None = None,
    reload_interval: float | None = None,
    **shown: Any,
) -> None:
    """Serve logdirs on `listener` until SIGINT or SIGTERM.

    Args:
        listener: bound and listening; closed at the end.
        logdirs: need not exist yet.
        announce: called once connections are answered.
        porch: answers until now, and has connections to give over.
        tls: speaks HTTPS with this; None speaks HTTP.
        cache: the directory of the index, see `cache_folder`.
        reload_interval: seconds between two looks, 0 for one alone; None to hear of what happens.
        shown: the rest of what `make_app` takes.
    """
    # A peer that speaks no HTTP is no fault of ours; our own failures are logged by the guard.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    store = Store()
    records = Records(logdirs)
    if len(logdirs) > 1:
        store.expect(each.name for each in logdirs)
    turn = threading.Lock()
    opening = [partial(_open_reader, each, store, records, cache, reload_interval, turn) for each in logdirs]
    indexings = [Indexing(each) for each in opening]
    runner = web.AppRunner(
        make_app(
            store,
            logdirs={each.name: each.path for each in logdirs},
            fetch=records.fetch,
            locate=records.path,
            **shown,
        ),
        access_log=None,
        handle_signals=False,
        handler_cancellation=True,
        shutdown_timeout=_PATIENCE,
    )
    stopping = asyncio.Event()
    _on_signals(stopping.set)
    try:
        await runner.setup()
        await _take_over(runner, porch)
        await web.SockSite(runner, listener, ssl_context=tls).start()
        announce()
        for indexing in indexings:
            indexing.start()
        await stopping.wait()
    finally:
        await runner.cleanup()
        for indexing in indexings:
            indexing.stop(0)
        for indexing in indexings:
            indexing.stop(_FAREWELL / len(indexings))


async def _take_over(runner: web.AppRunner, porch: Porch | None) -> None:
    """Goes on with the connections that were made before the server was there."""
    if porch is None or runner.server is None:
        return
    loop = asyncio.get_running_loop()
    for guest in porch.leave():
        try:
            await loop.connect_accepted_socket(runner.server, guest)
        except OSError:  # it is gone
            guest.close()


def _open_reader(
    logdir: Logdir, store: Store, records: Records, cache: str | None, interval: float | None, turn: threading.Lock
) -> Poller:
    from tallyboard.core.follow import Follower
    from tallyboard.core.index import cache_folder
    from tallyboard.core.reader import LogdirReader

    reader = records.opened(LogdirReader(logdir.path, store, name=logdir.name, cache=cache_folder(cache)))
    poller = Follower(reader) if interval is None else Timed(reader, interval)
    return InTurn(poller, turn) if logdir.name else poller


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows, where Ctrl+C arrives as KeyboardInterrupt instead
            loop.add_signal_handler(number, stop)
