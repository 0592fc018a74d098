"""`--read_only`: nothing can be changed, and every question is still answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from tallyboard.core.store import Store
from tallyboard.viewer.access import Access
from tallyboard.viewer.app import make_app
from tallyboard.viewer.context import CONTEXT
from tallyboard.viewer.safety import guard, only_reads, reads

SENTENCE = {"error": "This viewer was started with --read_only: nothing can be changed through it."}

QUESTIONS = {
    "POST /api/curves",
    "POST /api/export",
    "POST /api/graph/read",
    "POST /api/histograms",
    "POST /api/hparams/correlation",
    "POST /api/hparams/importance",
    "POST /api/projector/neighbours",
    "POST /api/projector/pca",
    "POST /api/projector/tsne",
    "POST /api/projector/tsne/end",
    "POST /api/scalars",
    "POST /api/seeds",
    "POST /api/text",
    "POST /api/text/search",
    "POST /api/values",
    "POST /api/video/moving",
    "POST /data/plugin/hparams/experiment",
    "POST /data/plugin/hparams/metric_evals",
    "POST /data/plugin/hparams/session_groups",
    "POST /data/plugin/scalars/scalars_multirun",
    "POST /data/plugin/timeseries/timeSeries",
}
"""Routes that are asked by POST and change nothing; each is marked by `reads`."""


async def _change(_request: web.Request) -> web.Response:
    return web.Response(text="changed")


@reads
async def _ask(_request: web.Request) -> web.Response:
    return web.Response(text="answered")


def _app(access: Access, prefix: str = "") -> web.Application:
    """One route that changes something for each method, and one that only answers."""
    inner = web.Application()
    inner.router.add_post("/ask", _ask)
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        inner.router.add_route(method, "/change", _change)
    app = inner
    if prefix:
        app = web.Application()
        app.add_subapp(prefix, inner)
    app.middlewares.append(guard(access, prefix))
    return app


@pytest.mark.parametrize("prefix", ["", "/board"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_what_is_not_marked_is_closed(run_app: Callable[..., Any], method: str, prefix: str) -> None:
    """A route of any method but GET and HEAD is refused with one sentence, unless it says that it only reads."""
    closed, open_to_all = run_app(_app(Access(writable=False), prefix)), run_app(_app(Access(), prefix))
    json = {"Content-Type": "application/json"}

    answer = closed.request(method, f"{prefix}/change", b"{}", json)
    assert (answer.status, answer.json()) == (403, SENTENCE)
    assert closed.request("GET", f"{prefix}/change").body == b"changed"
    assert closed.request("POST", f"{prefix}/ask", b"{}", json).body == b"answered"
    assert open_to_all.request(method, f"{prefix}/change", b"{}", json).body == b"changed"


def test_a_token_is_asked_for_first(run_app: Callable[..., Any]) -> None:
    """Who is not known learns that the token is missing, and not how the server was started."""
    closed = run_app(_app(Access("a-token-of-some-length", writable=False)))
    json = {"Content-Type": "application/json"}

    assert closed.request("POST", "/change", b"{}", json).status == 401
    known = {**json, "Authorization": "Bearer a-token-of-some-length"}
    assert closed.request("POST", "/change", b"{}", known).status == 403


def test_which_routes_stay_open() -> None:
    """Every route that is asked by POST and stays open is named here, so that none is marked by mistake."""
    marked: set[str] = set()
    for route in make_app(Store(), logdir="runs").router.routes():
        if route.method not in ("GET", "HEAD") and route.resource is not None:
            assert isinstance(route, web.AbstractRoute)
            request = _Question(route.method, route.handler)
            if only_reads(request):  # type: ignore[arg-type]
                marked.add(f"{route.method} {route.resource.canonical}")
    assert marked == QUESTIONS


class _Question:
    """As much of a request as `only_reads` looks at."""

    def __init__(self, method: str, handler: Any) -> None:
        self.method = method
        self.match_info = self
        self.handler = handler


def test_the_command_says_so(command: Callable[..., Any]) -> None:
    """With the flag, handlers and the page know; points are served as ever."""
    viewer = command("--logdir", "runs", "--port", "0", "--read_only")
    viewer.wait_for_line()

    assert viewer.served.get("/api/runs").json()["writable"] is False
    assert viewer.served.post("/api/scalars", b'{"series": []}').status == 200
    assert viewer.served.post("/api/runs", b"{}").status in (403, 405)


def test_handlers_know() -> None:
    """`Context.writable` is what the flag said, for handlers that would write beside what they answer."""
    for writable in (True, False):
        assert make_app(Store(), logdir="runs", access=Access(writable=writable))[CONTEXT].writable is writable
