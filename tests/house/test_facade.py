"""`import tallyboard`: its names, and how little it loads."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import tallyboard

FACADE = Path(tallyboard.__file__)
HEAVY = ("aiohttp", "google.protobuf", "jax", "keras", "numpy", "pytorch_lightning", "tensorflow", "torch")


def loaded_after(statement: str) -> list[str]:
    """Names of all modules in a fresh interpreter after the statement."""
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    return json.loads(done.stdout.splitlines()[-1])


def test_names_are_listed_once_each_and_sorted() -> None:
    """`__all__`, the table of homes and the imports for type checkers hold the same names."""
    homes: dict[str, str] = vars(tallyboard)["_HOME"]
    typed: dict[str, str] = {}
    for node in ast.walk(ast.parse(FACADE.read_text())):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for statement in node.body:
                assert isinstance(statement, ast.ImportFrom)
                typed |= {str(alias.asname): str(statement.module) for alias in statement.names}
    assert tallyboard.__all__ == sorted(homes)
    assert typed == homes


def test_every_name_is_there_and_says_what_it_is() -> None:
    """Every public name resolves, has a docstring, and shows up in dir()."""
    for name in tallyboard.__all__:
        assert getattr(tallyboard, name).__doc__, name
        assert name in dir(tallyboard)


def test_import_loads_nothing_heavy() -> None:
    """`import tallyboard` loads no framework, no server, not even numpy, and none of its own rooms."""
    loaded = loaded_after("import tallyboard")
    assert [name for name in HEAVY if name in loaded] == []
    assert [name for name in loaded if name.startswith("tallyboard.")] == []


def test_writer_loads_no_framework_and_no_server() -> None:
    """`tallyboard.SummaryWriter` and `tallyboard.data` need numpy at most, and no peer of ours."""
    loaded = loaded_after("import tallyboard; tallyboard.SummaryWriter; tallyboard.data; tallyboard.read")
    unwanted = {*HEAVY, "tensorboard", "tensorboardX"} - {"numpy", "google.protobuf"}
    assert sorted(unwanted.intersection(loaded)) == []
    assert [name for name in loaded if name.startswith(("tallyboard.viewer", "tallyboard.integrations."))] == []


def test_auto_log_loads_no_framework_by_itself() -> None:
    """`tallyboard.auto_log` finds its adapter at the call; naming it imports no framework."""
    loaded = loaded_after("import tallyboard; tallyboard.auto_log")
    assert sorted(set(HEAVY).difference({"numpy", "google.protobuf"}).intersection(loaded)) == []
