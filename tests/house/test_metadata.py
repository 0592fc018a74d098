"""What pyproject.toml promises, and the pins that keep its promises true."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import tallyboard

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
WANTED = [
    *("viewer", "torch", "tensorflow", "keras", "lightning", "jax"),
    *("huggingface", "accelerate", "ignite"),
    *("onnx", "media", "fast", "data", "remote", "notebook", "perfetto", "profile", "projector", "system", "all"),
]


def names(requirements: list[str]) -> set[str]:
    """The distributions that requirement lines name, normalised."""
    return {re.split(r"[\s\[<>=!~;]", line, maxsplit=1)[0].lower().replace("_", "-") for line in requirements}


def test_extras_are_the_documented_ones() -> None:
    """The extras are the documented ones, and each asks for something."""
    assert sorted(EXTRAS) == sorted(WANTED)
    assert all(EXTRAS.values())


def test_all_is_every_extra_but_tensorflow() -> None:
    """`tallyboard[all]` is the sum of the other extras, without TensorFlow."""
    (line,) = EXTRAS["all"]
    combined = re.fullmatch(r"tallyboard\[([a-z,]+)\]", line)
    assert combined
    assert combined[1].split(",") == sorted({*WANTED} - {"all", "tensorflow"})


def test_each_extra_names_its_own() -> None:
    """Server and system's news are only in `viewer`, which reads traces too; TensorFlow only in `tensorflow`."""
    assert names(EXTRAS["viewer"]) == {"aiohttp", "ijson", "markdown", "msgspec", "watchfiles"}
    assert names(EXTRAS["tensorflow"]) == {"tensorflow"}
    assert [extra for extra in EXTRAS if "tensorflow" in names(EXTRAS[extra])] == ["tensorflow"]
    assert [extra for extra in EXTRAS if "aiohttp" in names(EXTRAS[extra])] == ["viewer"]


def test_package_itself_stays_light() -> None:
    """Installing tallyboard alone brings numpy and protobuf."""
    assert names(PROJECT["project"]["dependencies"]) == {"numpy", "protobuf"}


def test_version_is_written_once() -> None:
    """The version stands in the facade, and the build reads it there."""
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "src/tallyboard/__init__.py"
    assert f"## {tallyboard.__version__}" in (ROOT / "CHANGELOG.md").read_text().replace("[", "").replace("]", "")


@pytest.mark.parametrize("group", sorted(PROJECT["dependency-groups"]))
def test_groups_are_pinned(group: str) -> None:
    """Every tool and framework that a nox session installs has its version in constraints.txt."""
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    lines = [line for line in PROJECT["dependency-groups"][group] if isinstance(line, str)]
    assert names(lines) - pinned == set()


def test_type_checker_looks_behind_the_links() -> None:
    """pyright is told each room by name, strict on core and viewer: from "src" alone it would not follow the links."""
    settings = PROJECT["tool"]["pyright"]
    rooms = {f"src/tallyboard/{room}" for room in ("core", "integrations", "viewer")}
    assert rooms <= set(settings["include"])
    assert rooms - set(settings["strict"]) == {"src/tallyboard/integrations"}
