"""The documents say what is there, and nothing that is not: names, commands, sessions, links, and every example."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tallyboard
from tallyboard.viewer.elsewhere import REASONS

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md", *DOCS]
COMMANDS = [*PAGES, ROOT / ".ci" / "run", ROOT / ".github" / "workflows" / "ci.yml"]
WITH_CODE = [page for page in PAGES if "```python\n" in page.read_text(encoding="utf-8")]


OPTION = r"(?<![\w-])--[a-z][\w-]*"
SUBCOMMANDS = sorted(path.stem.replace("_", "-") for path in (ROOT / "core" / "commands").glob("[!_]*.py"))


def options_of(*arguments: str) -> set[str]:
    """The options that `tallyboard ... --help` names."""
    command = [sys.executable, "-m", "tallyboard", *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "100"}
    told = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=300).stdout
    return set(re.findall(OPTION, told))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def sessions() -> dict[str, str]:
    """Name and docstring of every nox session, read from the source: nox is not installed here."""
    found: dict[str, str] = {}
    for node in ast.parse((ROOT / "noxfile.py").read_text()).body:
        if isinstance(node, ast.FunctionDef) and any("nox.session" in ast.unparse(d) for d in node.decorator_list):
            found[node.name] = ast.get_docstring(node) or ""
    return found


def all_docs() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in DOCS)


@pytest.mark.parametrize("name", tallyboard.__all__)
def test_public_name_is_documented(name: str) -> None:
    """Every public name stands in docs/ as code, with its prefix."""
    assert re.search(rf"`(tb|tallyboard)\.{name}\b", all_docs()), name


def test_writer_is_documented_whole() -> None:
    """Every public method and argument of SummaryWriter stands in docs/writing.md."""
    text = (ROOT / "docs" / "writing.md").read_text()
    methods = [name for name in vars(tallyboard.SummaryWriter) if not name.startswith("_")]
    parameters = tallyboard.SummaryWriter.__init__.__annotations__.keys() - {"return"}
    assert [name for name in [*methods, *sorted(parameters)] if f"`{name}" not in text] == []


def test_command_line_is_documented_whole() -> None:
    """Every option that `tallyboard --help` knows stands in docs/viewer.md, and no other but TensorBoard's that are
    said to be needless.
    """
    text = (ROOT / "docs" / "viewer.md").read_text()
    assert options_of("--help")
    assert options_of("--help") == set(re.findall(OPTION, text)) - REASONS.keys()


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_subcommand_is_documented_whole(name: str) -> None:
    """Every option of a subcommand stands in its section of docs/commands.md, and no other."""
    text = (ROOT / "docs" / "commands.md").read_text().partition(f"\n## `tallyboard {name}`\n")[2].partition("\n## ")[0]
    assert text
    assert options_of(name, "--help") - {"--help"} == set(re.findall(OPTION, text))


def test_sessions_are_documented() -> None:
    """Every nox session stands in the table of docs/development.md, and the table names no other."""
    text = (ROOT / "docs" / "development.md").read_text().partition("## Sessions")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(sessions())
    assert all(sessions().values())


@pytest.mark.parametrize("page", COMMANDS, ids=name_of)
def test_nox_commands_exist(page: Path) -> None:
    """Whatever is written as `nox -s NAME ...` names sessions that exist."""
    commands = re.findall(r"nox(?: --?[a-z-]+)*? -s ((?:\w+ ?)+)", page.read_text(encoding="utf-8"))
    named = {name for command in commands for name in command.split()} - {"NAME"}
    assert named <= set(sessions())


def test_the_two_commands_of_the_readme() -> None:
    """The README gives the two commands that a stranger needs."""
    text = (ROOT / "README.md").read_text()
    assert "pip install nox" in text
    assert "nox -s demo" in text
    assert "nox -s tests" in text


@pytest.mark.parametrize("framework", ["pytorch_lightning", "jax"])
def test_examples_of_ten_lines(framework: str) -> None:
    """What Lightning and JAX need is shown in the README in ten lines; that these run is tested with all others."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    found = [block for block in blocks if re.search(rf"^(import|from) {framework}\b", block, re.MULTILINE)]
    assert len(found) == 1
    assert len([line for line in found[0].splitlines() if line.strip()]) <= 10


def test_examples_are_listed() -> None:
    """Every example stands in the docs, and every example they name is there."""
    there = {f"examples/{path.name}" for path in (ROOT / "examples").glob("*.py")}
    assert set(re.findall(r"examples/\w+\.py", all_docs())) == there


def test_modules_of_core_are_listed() -> None:
    """Every module of core has its place in the table of docs/development.md, and the table names no other."""
    table = (ROOT / "docs" / "development.md").read_text().partition("| file of core |")[2].partition("\n\n")[0]
    there = {path.name for path in (ROOT / "core").glob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"`(\w+\.py)`", table)) == there


def test_extras_are_listed() -> None:
    """Every extra stands in the table of docs/quickstart.md."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "quickstart.md").read_text(), re.MULTILINE))
    assert listed == set(project["optional-dependencies"])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and image of a document leads to a file."""
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


ONE_BY_ONE = """
import os, sys, traceback

for program in sys.argv[1:]:
    os.chdir(os.path.dirname(program))
    try:
        with open(program, encoding="utf-8") as page:
            exec(compile(page.read(), program, "exec"), {"__name__": "__main__", "__file__": program})
    except BaseException:
        traceback.print_exc()
    else:
        print(program, flush=True)
"""
FRAMEWORK = re.compile(r"^(import|from) (jax|keras|torch)\b", re.MULTILINE)


def program_of(page: Path, folder: Path) -> Path:
    """A page's Python blocks, as a program in a folder of its own."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    program = folder / page.stem / "page.py"
    program.parent.mkdir()
    program.write_text("\n".join(blocks), encoding="utf-8")
    return program


def python(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-W", "error::UserWarning:tallyboard", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=800, check=False)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, tuple[bool, str]]:
    """Of each page with code, whether it ran to its end, and what it complained of.

    Those that load frameworks, which takes longer than all else they do, run in one process; the others run beside it.
    """
    folder = tmp_path_factory.mktemp("pages")
    programs = {page: program_of(page, folder) for page in WITH_CODE}
    large = {page: program for page, program in programs.items() if FRAMEWORK.search(program.read_text())}
    assert len(large) > 1
    found: dict[Path, tuple[bool, str]] = {}
    with ThreadPoolExecutor(1) as aside:
        all_large = aside.submit(python, "-c", ONE_BY_ONE, *large.values(), folder=folder)
        for page, program in programs.items():
            if page not in large:
                done = python(program, folder=program.parent)
                found[page] = done.returncode == 0, done.stderr
        done = all_large.result()
    for page, program in large.items():
        found[page] = done.returncode == 0 and str(program) in done.stdout.splitlines(), done.stderr
    return found


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_python_in_documents_runs(page: Path, ran: dict[Path, tuple[bool, str]]) -> None:
    """The Python blocks of a page run as they stand, one after the other in an empty folder, without a warning."""
    to_its_end, said = ran[page]
    assert to_its_end, said
    assert "TallyboardWarning" not in said
