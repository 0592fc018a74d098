"""docs/viewer.md names every route, flag, exit code, header field and limit; docs/viewer*.md every key and setting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from aiohttp import web

from tallyboard.core.store import Store
from tallyboard.viewer import __main__ as cli
from tallyboard.viewer import options, wishes
from tallyboard.viewer.app import make_app
from tallyboard.viewer.routes import live, scalars
from tallyboard.viewer.safety import MAX_BODY

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "viewer.md").read_text(encoding="utf-8")

ROUTES = sorted(
    f"{route.method} {route.resource.canonical}"
    for route in make_app(Store(), logdir="runs").router.routes()
    if isinstance(route, web.AbstractRoute) and route.resource is not None and route.method != "HEAD"
)
PAGES = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("viewer*.md")))
SOURCES = {
    f"{path.parent.name}/{path.name}": path.read_text(encoding="utf-8")  # each dashboard has a Toolbar.svelte
    for path in sorted((ROOT / "viewer" / "web" / "src").rglob("*"))
    if path.suffix in (".ts", ".svelte")
}
KEYS = sorted(
    {  # two dashboards may give a key each its own meaning
        key.replace("Mod+k", "Ctrl+K")
        for source in SOURCES.values()
        for listed in re.findall(r'\bkeys: \[((?:"[^"]*"(?:, )?)+)\]', source)
        for key in re.findall(r'"([^"]+)"', listed)
    }
) + sorted(
    f"g {key}"
    for name, source in SOURCES.items()
    if name.endswith("/about.ts")
    for key in re.findall(r'\bkey: "(.)"', source)
)
SETTINGS = sorted(
    {
        key
        for name in SOURCES
        if name != "app/setting.svelte.ts"
        for key in re.findall(r'\bsetting(?:<[^(]*>)?\(\s*"([^"]+)"', SOURCES[name])
    }
    | set(re.findall(r'"([^"]+)"', SOURCES["app/url.ts"].split("SAVED_KEYS")[1].split(");")[0]))
)
FLAGS = sorted(flag for action in cli.make_parser()._actions for flag in action.option_strings if flag != "-h")
EXIT_CODES = {name: value for name, value in vars(cli).items() if name.startswith("EXIT_")}


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_is_documented(route: str) -> None:
    """A route that docs/viewer.md does not name, with its method, does not ship."""
    assert f"`{route}`" in DOCS


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_is_documented(flag: str) -> None:
    """A flag has a row in the table of arguments."""
    assert re.search(rf"^\| `{flag}( [A-Z]+)?` \| ", DOCS, re.MULTILINE)


def test_every_exit_code_is_documented() -> None:
    """The table of exit codes holds each code once, and no other."""
    table = DOCS.split("| exit code | meaning |")[1].split("\n\n")[0]

    assert sorted(map(int, re.findall(r"^\| (\d+) \| ", table, re.MULTILINE))) == sorted(EXIT_CODES.values())


def test_keys_are_found() -> None:
    """The search sees how keys are given out: the two that every page has are among them."""
    assert {"/", "?"} <= set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_documented(key: str) -> None:
    """A key stands in the first column of a table in docs/viewer*.md, and no two actions have it."""
    assert re.search(rf"^\|[^|]*`{re.escape(key)}`[^|]*\| ", PAGES, re.MULTILINE)
    assert KEYS.count(key) == 1


@pytest.mark.parametrize("key", SETTINGS)
def test_every_setting_is_documented(key: str) -> None:
    """What the address may hold stands in the first column of a table in docs/viewer*.md."""
    assert re.search(rf"^\|[^|]*`{re.escape(key)}`[^|]*\| ", PAGES, re.MULTILINE)


def test_no_key_is_documented_that_is_not_there() -> None:
    """A key that goes leaves the table of docs/viewer-page.md too."""
    table = PAGES.split("| key | what it does |")[1].split("\n\n")[0]
    named = set(re.findall(r"`([^`]+)`", "".join(re.findall(r"^\|([^|]*)\|", table, re.MULTILINE))))
    assert named - {"Cmd"} <= set(KEYS)


def test_nothing_is_documented_that_is_not_there() -> None:
    """A route or flag that was removed leaves the document too."""
    assert sorted(set(re.findall(r"`((?:GET|POST|PATCH) /[^`]*)`", DOCS))) == ROUTES
    assert sorted(set(re.findall(r"^\| `(--[\w-]+)", DOCS, re.MULTILINE))) == FLAGS


def test_the_limits_are_those_of_the_code() -> None:
    """The numbers in the text are the numbers in force."""
    assert f"at most {wishes.MOST_SERIES:,} entries" in DOCS
    assert f"into 1 to {wishes.MOST_BUCKETS:,} buckets" in DOCS
    assert f"One answer holds {scalars.MOST_POINTS:,} points" in DOCS
    assert MAX_BODY == 1 << 20
    assert "A request's body may have 1 MiB" in DOCS
    assert f"port to listen on, {options.DEFAULT_PORT} unless given" in DOCS
    assert f"At most {live.MOST_STREAMS:,} event streams" in DOCS
    assert f"`{options.TOKEN}`" in DOCS
