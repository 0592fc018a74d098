"""Who may import whom. import-linter keeps the layers of pyproject.toml; the rules it can't say are here."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("core", "integrations", "viewer")
CORE_MAY_USE = {*sys.stdlib_module_names, "numpy", "google", "tallyboard"}
MEDIA = {"PIL", "isal", "matplotlib"}  # the extra `media`: only where a picture is made, never to import core
MEDIA |= {"watchfiles"}  # of the extra `viewer`: only where a logdir is followed
TRACES = {  # of the extra `profile`: its classes are msgspec's, so these files are imported only when a trace is read
    "core/profiles/chrome.py": {"ijson", "msgspec"},
    "core/profiles/columns.py": {"msgspec"},
}


def modules(room: str) -> list[Path]:
    """The Python files of a room that a person wrote."""
    return [path for path in sorted((ROOT / room).rglob("*.py")) if is_ours(path)]


def is_ours(path: Path) -> bool:
    return "_pb2" not in path.name and not {"web", "static", "node_modules"}.intersection(path.parts)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(level, module) of every import in the file: level 0 is absolute, 1 is `from .x`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""


def test_layers_hold() -> None:
    """The contracts of [tool.importlinter] are kept, read through the committed links."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", "import importlinter.cli as c; raise SystemExit(c.lint_imports(no_cache=True))"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_core_needs_only_numpy_and_protobuf() -> None:
    """core imports the standard library, numpy, google.protobuf and itself; in functions also some extras."""
    strangers = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules("core")
        for level, name in imports(path)
        if level == 0
        and name.partition(".")[0] not in CORE_MAY_USE | MEDIA | TRACES.get(str(path.relative_to(ROOT)), set())
    }
    at_import = {
        f"{path.relative_to(ROOT)}: {ast.unparse(node)}"
        for path in modules("core")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom) and MEDIA & set(ast.unparse(node).replace(".", " ").split())
    }
    assert at_import == set()
    assert strangers == set()


def test_nothing_imports_the_readers_of_json_traces() -> None:
    """They are imported inside functions only, but for each other: core is there without the extra `profile`."""
    at_import = {
        f"{path.relative_to(ROOT)}: {ast.unparse(node)}"
        for path in modules("core")
        if str(path.relative_to(ROOT)) not in TRACES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        and {Path(name).stem for name in TRACES} & set(ast.unparse(node).replace(".", " ").split())
        and path.parent == ROOT / "core" / "profiles"
    }
    assert at_import == set()


@pytest.mark.parametrize("room", ROOMS)
def test_relative_inside_a_room_absolute_across(room: str) -> None:
    """Inside a room imports are relative and never leave it; the other rooms are imported by their full names.

    A file has two paths, its own and the one through src/tallyboard, and a type checker that met it by both would
    take its classes for different ones.
    """
    wrong: list[str] = []
    for path in modules(room):
        depth = len(path.relative_to(ROOT / room).parts)
        for level, name in imports(path):
            inside = name == f"tallyboard.{room}" or name.startswith(f"tallyboard.{room}.")
            if level > depth or (level == 0 and inside):
                wrong.append(f"{path.relative_to(ROOT)}: {'.' * level}{name}")
    assert wrong == []


def test_links_make_one_package() -> None:
    """The rooms appear under src/tallyboard by relative links, so that any clone and any tool sees the package."""
    for room in ROOMS:
        link = ROOT / "src" / "tallyboard" / room
        assert link.is_symlink()
        assert link.readlink().as_posix() == f"../../{room}"
