"""The build hook: when it builds the page, and with which Node.js."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    """hatch_build.py as a module."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a page that was built from its sources."""
    monkeypatch.delenv("TALLYBOARD_SKIP_WEB", raising=False)
    web = tmp_path / "viewer" / "web"
    (web / "src").mkdir(parents=True)
    (web / "package.json").write_text("{}")
    (web / "src" / "main.ts").write_text("export {};")
    static = tmp_path / "viewer" / "static"
    static.mkdir()
    (static / "index.html").write_text("<!doctype html>")
    return tmp_path


@pytest.fixture
def built(project: Path, hook: ModuleType) -> Path:
    page = hook.Page(project)
    page.stamp.write_text(page.inputs())
    return project


@pytest.mark.parametrize("version", ["v20.19.0", "v20.20.2", "v22.12.0", "v22.13.1", "v23.0.0", "v24.0.0\n"])
def test_node_that_vite_supports(hook: ModuleType, version: str) -> None:
    """20.19 and later 20.x, and everything from 22.12 on, is used."""
    assert hook.is_supported(version)


@pytest.mark.parametrize("version", ["v18.20.0", "v20.18.3", "v21.7.0", "v22.11.0", "", "nonsense"])
def test_node_that_vite_does_not_support(hook: ModuleType, version: str) -> None:
    """Older ones, the odd 21, and 22 before 12 are not used; the wheel's Node.js is."""
    assert not hook.is_supported(version)


def test_page_is_built_once(hook: ModuleType, built: Path) -> None:
    """A page made from the present sources is not built again."""
    assert not hook.Page(built).is_stale()


@pytest.mark.parametrize("missing", ["index.html", ".inputs-sha256"])
def test_page_is_built_when_missing(hook: ModuleType, built: Path, missing: str) -> None:
    """A missing page, or one of unknown origin, is built."""
    (built / "viewer" / "static" / missing).unlink()
    assert hook.Page(built).is_stale()


def test_page_is_built_when_a_source_changes(hook: ModuleType, built: Path) -> None:
    """A changed, new, renamed or removed source makes the page stale."""
    page = hook.Page(built)
    source = built / "viewer" / "web" / "src" / "main.ts"
    seen = {page.inputs()}
    source.write_text("export {}; // changed")
    seen.add(page.inputs())
    source.rename(source.with_name("other.ts"))
    seen.add(page.inputs())
    source.write_text("")
    seen.add(page.inputs())
    assert len(seen) == 4
    assert page.is_stale()


def test_installed_packages_are_no_sources(hook: ModuleType, built: Path) -> None:
    """What npm puts into node_modules does not make the page stale."""
    module = built / "viewer" / "web" / "node_modules" / "vite"
    module.mkdir(parents=True)
    (module / "package.json").write_text("{}")
    assert not hook.Page(built).is_stale()


def test_page_can_be_left_out(hook: ModuleType, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TALLYBOARD_SKIP_WEB=1 builds nothing, whatever is missing."""
    assert hook.Page(project).is_stale()
    monkeypatch.setenv("TALLYBOARD_SKIP_WEB", "1")
    assert not hook.Page(project).is_stale()


def test_sdist_brings_its_page(hook: ModuleType, built: Path) -> None:
    """In an unpacked sdist the page that came with it is used, even if a source file differs."""
    (built / "PKG-INFO").write_text("")
    (built / "viewer" / "web" / "src" / "main.ts").write_text("// line endings changed on the way")
    assert not hook.Page(built).is_stale()


def test_packages_are_installed_only_when_they_differ(hook: ModuleType, built: Path) -> None:
    """node_modules is left alone while it holds the lock file's versions; packages for other machines may lack."""
    web = built / "viewer" / "web"
    lock = {
        "": {},
        "node_modules/vite": {"version": "8.0.0"},
        "node_modules/bin-win": {"version": "1", "optional": True},
    }
    (web / "package-lock.json").write_text(json.dumps({"packages": lock}))
    page = hook.Page(built)
    assert not page.is_installed()
    present = web / "node_modules" / ".package-lock.json"
    present.parent.mkdir()
    present.write_text(json.dumps({"packages": {"node_modules/vite": {"version": "8.0.0"}}}))
    assert page.is_installed()
    present.write_text(json.dumps({"packages": {"node_modules/vite": {"version": "7.9.0"}}}))
    assert not page.is_installed()


def test_broken_build_says_what_to_do(hook: ModuleType, tmp_path: Path) -> None:
    """A tool that is not among the page's packages is named, with no traceback of ours."""
    (tmp_path / "viewer" / "web").mkdir(parents=True)
    with pytest.raises(hook.PageError, match="no package 'vite'"):
        hook.Page(tmp_path).tool("vite")
