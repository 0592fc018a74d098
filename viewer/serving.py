"""From a listening socket to a running viewer, and back down at once when asked."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .app import make_app

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from .porch import Porch
    from .reading import Reading

_PATIENCE = 0.25
"""Seconds an answer under way may take to finish once the server is asked to stop."""


async def serve(
    listener: socket.socket,
    reading: Reading,
    announce: Callable[[], None],
    *,
    porch: Porch | None = None,
    tls: ssl.SSLContext | None = None,
    **shown: Any,
) -> None:
    """Serve what is read of logdirs on `listener` until SIGINT or SIGTERM.

    Args:
        listener: bound and listening; closed at the end.
        reading: has begun; somebody else ends it.
        announce: called once connections are answered.
        porch: answers until now, and has connections to give over.
        tls: speaks HTTPS with this; None speaks HTTP.
        **shown: the rest of what `make_app` takes.
    """
    # A peer that speaks no HTTP is no fault of ours; our own failures are logged by the guard.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    runner = web.AppRunner(
        make_app(
            reading.store,
            logdirs={each.name: each.path for each in reading.logdirs},
            fetch=reading.records.fetch,
            locate=reading.records.path,
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
        await stopping.wait()
    finally:
        await runner.cleanup()


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


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows, where Ctrl+C arrives as KeyboardInterrupt instead
            loop.add_signal_handler(number, stop)
