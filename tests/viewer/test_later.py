"""Routes that are loaded when they are asked for: as good as the others, and no burden before."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from tallyboard.viewer.later import Later

UNLOADED = """
import sys
from tallyboard.core.store import Store
from tallyboard.viewer.app import make_app
app = make_app(Store(), logdir="runs")
def loaded():
    return sorted(name.removeprefix("tallyboard.viewer.routes.") for name in sys.modules if ".viewer.routes." in name)
print(loaded())
paths = {route.resource.canonical for route in app.router.routes()}
print("export" in loaded(), {"/api/export", "/api/runs", "/data/plugin/scalars/scalars"} <= paths)
"""


def test_what_no_first_picture_asks_is_not_loaded_before(command: Any) -> None:
    """A new application has loaded four modules of routes; whoever lists its routes has all of them."""
    code, out, err = command(program=("-c", UNLOADED)).finish()
    assert (code, out, err) == (0, "['live', 'notes', 'runs', 'scalars']\nTrue True\n", "")


@pytest.mark.parametrize("prefix", ["", "/board", "/a/b"])
def test_they_answer_like_the_others(serve: Any, store: Any, put: Any, prefix: str) -> None:
    """Found, unknown, or asked by the wrong method, with a prefix and without."""
    put("a", "loss", [1.0, 2.0])
    served = serve(store, prefix=prefix)

    assert served.get(f"{prefix}/data/runs").json() == ["a"]
    assert served.request("HEAD", f"{prefix}/data/runs").status == 200
    assert served.get(f"{prefix}/api/facts").json()["runs"]["a"]["last_step"] == 1
    wrong = served.post(f"{prefix}/api/facts", b"{}", Sec_Fetch_Site="same-origin")
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET, HEAD")
    for path in ("/api/nothing", "/data", "/api", "/data/plugin/scalars", "/x/y/z"):
        assert served.get(f"{prefix}{path}").status == 404
    first = served.post(f"{prefix}/api/runs", b"{}", Sec_Fetch_Site="same-origin")
    assert (first.status, first.headers["allow"]) == (405, "GET, HEAD")
    if prefix:
        assert served.get("/data/runs").status == 404


def test_they_are_loaded_once(run_app: Any) -> None:
    """However many ask, and whether any of them is found."""
    loads: list[int] = []
    table = web.RouteTableDef()

    @table.get("/late/{name}")
    async def late(request: web.Request) -> web.Response:
        return web.Response(text=request.match_info["name"])

    def load() -> list[web.RouteTableDef]:
        loads.append(1)
        return [table]

    app = web.Application()
    later = Later(load)
    app.router.register_resource(later)
    served = run_app(app)

    assert loads == []
    assert served.get("/nothing").status == 404
    assert served.get("/late/one").body == b"one"
    assert (served.get("/late/two").body, len(later), loads) == (b"two", 2, [1])


def test_one_dashboard_does_not_load_the_others(run_app: Any) -> None:
    """A path of a module's name loads that module once; all are loaded for a path that it has not."""
    loads: list[str] = []
    tables: dict[str, web.RouteTableDef] = {name: web.RouteTableDef() for name in ("one", "two")}

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=request.path)

    tables["one"].get("/one")(answer)
    tables["two"].get("/one/of/two")(answer)

    def of(*names: str) -> list[web.RouteTableDef]:
        loads.extend(names)
        return [tables[name] for name in names]

    app = web.Application()
    app.router.register_resource(Later(lambda: of(*tables), lambda path: "one" if path.startswith("/one") else "", of))
    served = run_app(app)

    assert [served.get("/one").body, served.get("/one").body, loads] == [b"/one", b"/one", ["one"]]
    assert served.post("/one", b"").status == 405
    assert [served.get("/one/of/two").body, served.get("/one").body] == [b"/one/of/two", b"/one"]
    assert loads == ["one", "one", "two"]
