"""The rule of tests/conftest.py, tried on small suites of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
SUITE = """
import pytest

def test_passes():
    pass

@pytest.mark.skip(reason="no such machine")
def test_skipped():
    pass

def test_leaves():
    pytest.skip("no such file")

@pytest.mark.xfail(reason="known")
def test_known():
    raise AssertionError
"""


def run_suite(folder: Path, skips: str, source: str = SUITE, **settings: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(CONFTEST, folder / "conftest.py")
    (folder / "skips.txt").write_text(skips)
    (folder / "test_it.py").write_text(source)
    env = {name: value for name, value in os.environ.items() if name not in ("CI", "TALLYBOARD_SESSION")}
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(folder)]
    return subprocess.run(
        [*command, str(folder)], env={**env, **settings}, cwd=folder, capture_output=True, text=True, timeout=300
    )


def test_unlisted_skip_fails_in_ci(tmp_path: Path) -> None:
    """A skip that nobody listed is a failure in CI, and the failure names the test and the skip's reason."""
    done = run_suite(tmp_path, "", CI="true")
    assert done.returncode == 1
    assert "1 failed, 1 passed, 1 xfailed, 1 error" in done.stdout
    assert "test_it.py::test_skipped was skipped in CI" in done.stdout
    assert "no such machine" in done.stdout
    assert "test_it.py::test_leaves was skipped in CI" in done.stdout
    assert "no such file" in done.stdout


def test_listed_skip_passes_in_ci_and_is_printed(tmp_path: Path) -> None:
    """A listed skip stays a skip, and the log prints its line with the reason and the count."""
    done = run_suite(tmp_path, "* | test_it.py::test_[sl]* | needs a bigger machine\n", CI="1")
    assert done.returncode == 0
    assert "test_it.py::test_[sl]*: needs a bigger machine (2 skipped)" in done.stdout


def test_listed_for_another_session_still_fails(tmp_path: Path) -> None:
    """A line holds in its own nox session only."""
    line = "no_tensorflow | test_it.py::* | TensorFlow is absent on purpose\n"
    assert run_suite(tmp_path, line, CI="true", TALLYBOARD_SESSION="tests").returncode == 1
    assert run_suite(tmp_path, line, CI="true", TALLYBOARD_SESSION="no_tensorflow").returncode == 0


def test_skipped_module_fails_in_ci(tmp_path: Path) -> None:
    """A module that skips itself while it is collected counts like a skipped test."""
    module = 'import pytest\npytest.importorskip("no_module_of_this_name")\ndef test_never():\n    pass\n'
    done = run_suite(tmp_path, "", module, CI="true")
    assert done.returncode != 0
    assert "test_it.py was skipped in CI" in done.stdout


@pytest.mark.parametrize("value", ["", "0", "false", "False"])
def test_outside_ci_a_skip_is_a_skip(tmp_path: Path, value: str) -> None:
    """Without CI, or with CI switched off, nothing changes."""
    done = run_suite(tmp_path, "", CI=value)
    assert done.returncode == 0
    assert "1 passed, 2 skipped, 1 xfailed" in done.stdout


def test_line_without_a_reason_is_refused(tmp_path: Path) -> None:
    """A line of the list that gives no reason stops the run and names the line."""
    done = run_suite(tmp_path, "# comment\n* | test_it.py::test_skipped\n", CI="true")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "line 2" in done.stderr
