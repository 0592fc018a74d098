"""From a listening socket to a running viewer, and back down at once when asked."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

from tallyboard.core.store import Store

from .app import make_app
from .indexing import Indexing
from .records import Records

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from .access import Access
    from .indexing import Poller

_PATIENCE = 0.25
"""Seconds an answer under way may take to finish once the server is asked to stop."""


async def serve(
    listener: socket.socket,
    logdir: str,
    announce: Callable[[], None],
    *,
    title: str = "tallyboard",
    access: Access | None = None,
    prefix: str = "",
    tls: ssl.SSLContext | None = None,
    cache: str | None = None,
    sidecar: str = "auto",
) -> None:
    """Serve `logdir` on `listener` until SIGINT or SIGTERM.

    Args:
        listener: bound and listening; closed at the end.
        logdir: need not exist yet.
        announce: called once connections are answered.
        title, access, prefix, sidecar: see `make_app`.
        tls: speaks HTTPS with this; None speaks HTTP.
    """
    # A peer that speaks no HTTP is no fault of ours; our own failures are logged by the guard.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    store = Store()
    records = Records(logdir)
    indexing = Indexing(lambda: _open_reader(logdir, store, cache, records))
    runner = web.AppRunner(
        make_app(
            store,
            logdir=logdir,
            title=title,
            access=access,
            prefix=prefix,
            fetch=records.fetch,
            locate=records.path,
            sidecar=sidecar,
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
        await web.SockSite(runner, listener, ssl_context=tls).start()
        announce()
        indexing.start()
        await stopping.wait()
    finally:
        await runner.cleanup()
        indexing.stop()


def _open_reader(logdir: str, store: Store, cache: str | None, records: Records) -> Poller:
    from tallyboard.core.follow import Follower
    from tallyboard.core.index import cache_folder
    from tallyboard.core.reader import LogdirReader

    return Follower(records.opened(LogdirReader(logdir, store, cache=cache_folder(cache))))


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows, where Ctrl+C arrives as KeyboardInterrupt instead
            loop.add_signal_handler(number, stop)
