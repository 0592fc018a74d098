"""What every adapter keeps. The adapters are listed from the folder: a new one is tested without being named here."""

from __future__ import annotations

import inspect
import os
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import tallyboard.integrations as integrations
from tallyboard.core.errors import MissingDependency

ADAPTERS = sorted(module.name for module in pkgutil.iter_modules(integrations.__path__))
FRAMEWORKS = (
    *("accelerate", "flax", "ignite", "jax", "keras", "lightning", "lightning_utilities", "pytorch_lightning"),
    *("tensorflow", "torch", "transformers"),
)
EXTRAS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["optional-dependencies"]

NEED_NOTHING = {"openvino", "tf_summary"}  # a file that the standard library reads; TensorFlow only where it is there

each_adapter = pytest.mark.parametrize("name", ADAPTERS)


def imported(name: str) -> ModuleType:
    """The adapter; where its framework is not installed the test is skipped."""
    return pytest.importorskip(f"{integrations.__name__}.{name}", exc_type=MissingDependency)


def python(program: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env, timeout=400)


def test_some_are_there() -> None:
    """The list is not empty, else the tests below would pass on nothing."""
    assert {"jax", "keras", "lightning", "torch"} <= set(ADAPTERS)


def test_none_is_loaded_by_the_facade() -> None:
    """Using every name of the facade loads no adapter and no framework."""
    done = python(
        "import sys, tallyboard as tb\n"
        "for name in tb.__all__: getattr(tb, name)\n"
        "loaded = [n for n in sys.modules if n.startswith('tallyboard.integrations.')]\n"
        f"print(sorted(loaded), sorted(set({FRAMEWORKS!r}) & set(sys.modules)))"
    )
    assert done.stdout.strip() == "[] []", done.stderr


@each_adapter
def test_missing_framework(name: str) -> None:
    """Where no framework is installed an adapter is importable, or says which command installs what it needs."""
    done = python(
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({FRAMEWORKS!r}))\n"
        "from tallyboard.core.errors import MissingDependency\n"
        f"try: import tallyboard.integrations.{name}\n"
        "except MissingDependency as error: print(error)"
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.strip()
    assert said == "" or f"pip install 'tallyboard[{name}]'" in said


@pytest.mark.parametrize("name", sorted({*ADAPTERS} - NEED_NOTHING))
def test_extra(name: str) -> None:
    """Each adapter has an extra of its name, which `all` includes."""
    assert name in EXTRAS
    (everything,) = EXTRAS["all"]
    assert name in everything.partition("[")[2].rstrip("]").split(",")


@each_adapter
def test_public_names_are_documented(name: str) -> None:
    """A module says how it is used; every public name exists and has a docstring, its public methods too."""
    module = imported(name)
    assert module.__doc__
    assert "\n    " in module.__doc__, "no example of its use"
    assert module.__all__
    for public in module.__all__:
        value = getattr(module, public)
        assert inspect.getdoc(value), public
        if inspect.isclass(value):
            for method, function in vars(value).items():
                if inspect.isfunction(function) and not method.startswith("_"):
                    assert inspect.getdoc(getattr(value, method)), f"{public}.{method}"


@each_adapter
def test_watches_or_says_how(name: str) -> None:
    """An adapter takes models by `attach(model, writer, *, options)`, or tells what to use in its place."""
    module = imported(name)
    if not hasattr(module, "attach"):
        hint = getattr(module, "ATTACH_HINT", module.__all__[0])
        assert any(public in hint for public in module.__all__)
        return
    model, writer, *options = inspect.signature(module.attach).parameters.values()
    assert (model.name, writer.name) == ("model", "writer")
    assert all(option.kind is option.KEYWORD_ONLY for option in options)
    assert all(option.default is not option.empty for option in options)
    described = inspect.getdoc(module.attach) or ""
    assert all(f"{option.name}: " in described for option in options)
