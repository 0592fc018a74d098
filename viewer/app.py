"""The application: safety around the routes found in `routes/`, and the page."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

from tallyboard.core.extremes import Extremes
from tallyboard.core.facts import Facts

from . import assets
from . import routes as api
from .access import Access
from .context import CONTEXT, Context
from .later import Later
from .listing import new_boot
from .live import Hub
from .packing import packing
from .page import STATIC
from .records import Records
from .safety import MAX_BODY, add_headers, guard
from .sidecar import Sidecar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from pathlib import Path

    from tallyboard.core.store import BlobRef, Store

    from .trash import Trash

SIDECAR_PAUSE = 2.0
"""Seconds between two looks at the sidecar while somebody has the page open."""


def make_app(
    store: Store,
    *,
    logdir: str,
    title: str = "tallyboard",
    static: Path = STATIC,
    keep_alive: float = 15.0,
    access: Access | None = None,
    prefix: str = "",
    samples: Mapping[str, int] | None = None,
    fetch: Callable[[BlobRef], bytes] | None = None,
    locate: Callable[[str], str] | None = None,
    sidecar: str = "auto",
    allow_delete: bool = False,
    logdirs: Mapping[str, str] | None = None,
    cache: str | None = "off",
    boot: str | None = None,
) -> web.Application:
    """Build the viewer's application.

    Args:
        store: what to show; somebody else keeps it up to date.
        logdir: its directory as the user typed it.
        title: the page's title.
        static: directory of the built page.
        keep_alive: seconds of silence after which an event stream sends a comment.
        access: whom it answers; by default everybody on this machine.
        prefix: of every path, such as `/board`, for a reverse proxy that passes it on; empty for none.
        samples: how many values of a series TensorBoard's routes give at most, by plugin.
        fetch: reads a record that the store refers to; without it, only scalars can be served.
        locate: gives a run's directory; by default the one of its name in the logdir.
        sidecar: where notes are kept, see `Sidecar`.
        allow_delete: whether runs may be moved to the trash.
        cache: where layouts that took long are kept: a directory, `off`, or None for the user's cache directory.
        boot: see `Context`; by default a new one.
        logdirs: where several lie, by the names that stand before their runs'; by default `logdir` alone.
    """
    access = access or Access()
    fetch = fetch or Records(logdir).fetch
    logdirs = logdirs or {"": logdir}
    app = _routed(static.resolve())
    app[CONTEXT] = Context(
        store,
        Hub(store, keep_alive=keep_alive),
        logdir,
        title,
        fetch,
        locate or Records(logdir).path,
        Facts(store, fetch),
        Extremes(store),
        *_changeable(logdirs, sidecar, access.writable, allow_delete),
        samples or {},
        cache=cache,
        boot=boot or new_boot(),
    )
    return _guarded(app, access, prefix)


def _routed(static: Path) -> web.Application:
    """What answers, with what goes on beside that as long as it does."""
    app = web.Application(client_max_size=MAX_BODY)
    app[assets.STATIC_DIR] = static
    for table in (*api.first(), assets.routes):
        app.add_routes(table)
    app.router.register_resource(Later(api.rest, api.module_of, api.of))
    app.cleanup_ctx.append(_hub_is_open)
    app.cleanup_ctx.append(_sidecar_is_watched)
    app.on_shutdown.append(_end_streams)
    return app


def _guarded(app: web.Application, access: Access, prefix: str) -> web.Application:
    """The application below its prefix, behind what every request and every answer has to pass."""
    outer = _below(prefix, app) if prefix else app
    outer.middlewares.append(guard(access, prefix))
    outer.middlewares.append(packing())
    outer.on_response_prepare.append(add_headers(access))
    return outer


def _below(prefix: str, app: web.Application) -> web.Application:
    outer = web.Application(client_max_size=MAX_BODY)
    outer.router.add_get(prefix, _to_folder)
    outer.add_subapp(prefix, app)
    return outer


def _changeable(
    logdirs: Mapping[str, str], sidecar: str, writable: bool, allow_delete: bool
) -> tuple[Sidecar, Trash | None, bool]:
    """What may be changed through the viewer: the notes, the trash if there is one, and whether anything may."""
    notes = Sidecar(list(logdirs.values()), sidecar, writable=writable)
    if not allow_delete:
        return notes, None, writable
    from .trash import Trash  # few need it, and the others start sooner

    return notes, Trash(logdirs), writable


async def _to_folder(request: web.Request) -> web.Response:
    """The page asks for everything relative to its address, which therefore has to end with a slash."""
    place = request.rel_url.with_path(f"{request.path}/", keep_query=True)
    return web.Response(status=308, headers={"Location": str(place)})


async def _hub_is_open(app: web.Application) -> AsyncGenerator[None]:
    app[CONTEXT].hub.open()
    yield
    app[CONTEXT].hub.close()


async def _sidecar_is_watched(app: web.Application) -> AsyncGenerator[None]:
    """Other viewers of the logdir change the file too, and people with an editor."""
    context = app[CONTEXT]

    async def watch() -> None:
        while True:
            await asyncio.sleep(SIDECAR_PAUSE)
            if context.hub.streams:
                context.hub.tell_sidecar((await asyncio.to_thread(context.sidecar.told)).version)

    watching = asyncio.create_task(watch())
    yield
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching


async def _end_streams(app: web.Application) -> None:
    app[CONTEXT].hub.close()
