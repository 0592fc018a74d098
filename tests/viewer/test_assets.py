"""The page's files: found, typed, revalidated, and honest when they were never built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tallyboard.viewer.page import CONTENT_TYPES, locate


@pytest.fixture
def static(tmp_path: Path) -> Path:
    root = tmp_path / "static"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html><title>tallyboard</title>")
    (root / "icon.svg").write_text("<svg/>")
    (root / "assets" / "index-Bx_1-Yz0.js").write_bytes(b"export {};")
    (root / "assets" / "theme.js").write_bytes(b"1;")
    return root


@pytest.fixture
def page(serve: Any, store: Any, static: Path) -> Any:
    return serve(store, static=static)


def test_the_page_is_revalidated_on_every_visit(page: Any, static: Path) -> None:
    """index.html is never taken from a cache unasked; unchanged it is 304, changed it is sent."""
    first = page.get("/")
    assert (first.status, first.body) == (200, b"<!doctype html><title>tallyboard</title>")
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    assert first.headers["cache-control"] == "no-cache"

    again = page.get("/", If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")

    (static / "index.html").write_text("<!doctype html><title>tallyboarD</title>")  # of the same length
    assert page.get("/", If_None_Match=first.headers["etag"]).status == 200


def test_a_hashed_asset_is_kept_for_ever(page: Any) -> None:
    """A name that holds the content's hash never means other content; any other name may."""
    hashed, plain = page.get("/assets/index-Bx_1-Yz0.js"), page.get("/assets/theme.js")

    assert (hashed.status, hashed.body) == (200, b"export {};")
    assert hashed.headers["content-type"] == "text/javascript; charset=utf-8"
    assert hashed.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["cache-control"] == "no-cache"
    assert page.get("/assets/index-Bx_1-Yz0.js", If_None_Match=hashed.headers["etag"]).status == 304


def test_files_beside_the_page_are_served(page: Any) -> None:
    """The icon lies beside index.html."""
    icon = page.get("/icon.svg")
    assert (icon.status, icon.headers["content-type"], icon.body) == (200, "image/svg+xml", b"<svg/>")


def test_head_of_a_file(page: Any) -> None:
    """HEAD tells length and type, and sends nothing."""
    head = page.request("HEAD", "/assets/theme.js")
    assert (head.status, head.headers["content-length"], head.body) == (200, "2", b"")


def test_a_page_that_was_never_built_says_how_to(serve: Any, store: Any, tmp_path: Path) -> None:
    """Without the bundle, / names both ways to get it, and the data is served all the same."""
    served = serve(store, static=tmp_path / "nothing")
    answer = served.get("/")

    assert (answer.status, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert b"nox -s web" in answer.body
    assert b"TALLYBOARD_SKIP_WEB" in answer.body
    assert b"<script" not in answer.body
    assert served.get("/assets/index-12345678.js").status == 404
    assert served.get("/api/runs").status == 200


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "/", "a//b", "../secret.js", "assets/../../secret.js", "assets/..", "assets", "\0", "a\0.js",
     "assets\\theme.js", "C:\\secret.js", "/etc/passwd", ".hidden.js", "assets/.hidden.js", "notes.py", "x" * 5000,
     "\udcff.js", "loop.js", "out.js", "outside/secret.js"],
)  # fmt: skip
def test_locate_stays_inside(static: Path, name: str) -> None:
    """Whatever a path holds, only a regular file of a known type really below the folder is found."""
    for secret in (
        static.parent / "secret.js",
        static / ".hidden.js",
        static / "assets" / ".hidden.js",
        static / "notes.py",
    ):
        secret.write_text("secret")
    (static / "loop.js").symlink_to(static / "loop.js")
    (static / "out.js").symlink_to(static.parent / "secret.js")
    (static / "outside").symlink_to(static.parent)

    assert locate(static.resolve(), name) is None


def test_locate_finds_what_is_there(static: Path) -> None:
    """The same rule lets the page's own files through, a link among them included."""
    (static / "assets" / "alias.js").symlink_to(static / "assets" / "theme.js")
    root = static.resolve()

    assert locate(root, "index.html") == root / "index.html"
    assert locate(root, "assets/theme.js") == root / "assets" / "theme.js"
    assert locate(root, "assets/alias.js") == root / "assets" / "theme.js"


def test_every_text_type_names_its_charset() -> None:
    """A browser told not to sniff is told the charset too."""
    for suffix, content_type in CONTENT_TYPES.items():
        assert suffix.startswith(".")
        if content_type.startswith("text/"):
            assert content_type.endswith("; charset=utf-8")
