"""Size, names and docstrings of the source files: the rules of CONTRIBUTING.md, made executable."""

from __future__ import annotations

import ast
import functools
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ("src", "core", "integrations", "viewer")
SOURCES = (".py", ".ts", ".svelte", ".css", ".proto")
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}
MAX_FILE = 600
MAX_FUNCTION = 50


@functools.cache
def tracked() -> list[Path]:
    """Every source file of the repository that is written by hand."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.fail(f"git ls-files: {listing.stderr}")
    paths = [ROOT / name for name in listing.stdout.split("\0") if name.endswith(SOURCES)]
    return [path for path in paths if path.is_file() and "_pb2" not in path.name]


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def python_files() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py"]


def package_files() -> list[Path]:
    return [path for path in python_files() if path.relative_to(ROOT).parts[0] in PACKAGE]


def length_without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, its docstring not counted: nobody shall save words to pass."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def test_something_is_checked() -> None:
    """The rules below look at files: each room has some."""
    rooms = {path.relative_to(ROOT).parts[0] for path in package_files()}
    assert rooms == set(PACKAGE)


def test_files_fit_in_the_head() -> None:
    """No source file is longer than 600 lines."""
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in tracked()}
    assert {name: size for name, size in sizes.items() if size > MAX_FILE} == {}


def test_functions_fit_on_a_screen() -> None:
    """No Python function is longer than 50 lines, its docstring not counted."""
    long: dict[str, int] = {}
    for path in python_files():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = length_without_docstring(node)
                if lines > MAX_FUNCTION:
                    long[f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"] = lines
    assert long == {}


def test_module_names_say_something() -> None:
    """No file or folder is named for nothing in particular."""
    vague = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if VAGUE_NAMES.intersection(path.relative_to(ROOT).with_suffix("").parts)
    ]
    assert vague == []


def test_every_module_says_what_it_holds() -> None:
    """Every module of the repository starts with a docstring."""
    silent = [str(path.relative_to(ROOT)) for path in python_files() if not ast.get_docstring(parsed(path))]
    assert silent == []


def test_public_things_say_what_they_do() -> None:
    """Every public class and function of the package, methods included, has a docstring.

    Methods that fill in a documented one of a base class are read there; the ones that __init__ explains are in the
    docstring of the class.
    """
    silent: list[str] = []
    for path in package_files():
        for node in parsed(path).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                public = not node.name.startswith("_")
                if public and not ast.get_docstring(node):
                    silent.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert silent == []


def test_tests_state_their_claim() -> None:
    """Every test function has a docstring: the claim that it checks."""
    silent: list[str] = []
    for path in python_files():
        if not path.name.startswith("test_"):
            continue
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
                continue
            if not ast.get_docstring(node):
                silent.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert silent == []
