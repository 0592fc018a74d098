"""The rule every test runs under: in CI a skip is a failure, unless tests/skips.txt lists it with its reason.

CI is where the environment variable CI is set (to anything but an empty text, 0 or false). Elsewhere a skip is a
skip. The session's name comes from TALLYBOARD_SESSION, which the noxfile sets.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Generator, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import pytest

IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")

# A busy machine is no fault of the code: what takes too long for a test has the test's own time limit. And where a
# change is judged, it is by the same examples each time; those who run the tests elsewhere search on.
hypothesis.settings.register_profile(
    "any machine",
    deadline=None,
    derandomize=IN_CI and "TALLYBOARD_FUZZ_SECONDS" not in os.environ,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("any machine")

LIST = Path(__file__).with_name("skips.txt")
DEMO_FILES = ("tests/examples/*", "tests/e2e/*demo*", "tests/e2e/*real_training*")
"""Those whose tests share one run of the demo."""


class AllowedSkip(NamedTuple):
    """One line of tests/skips.txt: in which nox session which tests may be skipped, and why."""

    session: str
    pattern: str
    reason: str


def read_allowed(text: str) -> list[AllowedSkip]:
    """Parse tests/skips.txt: `session | node id with wildcards | reason`, # starts a comment line."""
    entries: list[AllowedSkip] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("|", 2)]
        if len(fields) != 3 or not all(fields):
            raise pytest.UsageError(
                f"tests/skips.txt, line {number}: wanted `session | node id | reason`, got {line!r}"
            )
        entries.append(AllowedSkip(*fields))
    return entries


class SkipRule:
    """Turns skips that nobody listed into failures, and tells at the end which listed ones were used."""

    def __init__(self, allowed: list[AllowedSkip], session: str) -> None:
        self.allowed = [entry for entry in allowed if fnmatchcase(session, entry.session)]
        self.used: dict[AllowedSkip, int] = {}

    def judge(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        """Leave the skip if it is listed, else make it a failure that quotes the skip's own reason."""
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        if self.listed(report.nodeid):
            return
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped in CI, and tests/skips.txt does not list it.\n{why}"

    def listed(self, nodeid: str) -> AllowedSkip | None:
        """The line that allows a test or module to be skipped."""
        return next((entry for entry in self.allowed if fnmatchcase(nodeid, entry.pattern)), None)

    def count(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        """Count a skip that is allowed, in the process that prints the end."""
        if report.skipped and not hasattr(report, "wasxfail") and (entry := self.listed(report.nodeid)):
            self.used[entry] = self.used.get(entry, 0) + 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.count(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.count(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self.judge(report)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        self.judge(report)
        return report

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("skips that tests/skips.txt allows here")
        for entry in self.allowed:
            count = self.used.get(entry, 0)
            terminalreporter.line(f"{entry.pattern}: {entry.reason} ({count} skipped)")
        if not self.allowed:
            terminalreporter.line("none")


class OwnWarnings:
    """Fails the session for each TallyboardWarning that no test expected.

    `warn_once` swallows the exception that an "error" filter makes of a warning, as it must in a training run, so
    the filter alone would let a warning pass unseen.
    """

    def __init__(self) -> None:
        self.seen: list[str] = []

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, nodeid: str) -> None:
        if warning_message.category.__name__ == "TallyboardWarning":
            self.seen.append(f"{nodeid or 'outside the tests'}: {warning_message.message}")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.seen and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.seen:
            terminalreporter.section("warnings of tallyboard that no test expected: failures", red=True)
            for line in self.seen:
                terminalreporter.line(line)


def pytest_collection_finish() -> None:
    """What was imported by now stays: no later collection of garbage has to go through millions of its objects."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    os.environ["TALLYBOARD_CACHE"] = "off"  # tests leave nothing in the home of who runs them
    config.pluginmanager.register(OwnWarnings(), "own-warnings")
    if IN_CI:
        session = os.environ.get("TALLYBOARD_SESSION", "tests")
        rule = SkipRule(read_allowed(LIST.read_text(encoding="utf-8")), session)
        config.pluginmanager.register(rule, "skip-rule")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where processes share the tests, a file goes to one of them whole, and all that wait for the demo to one."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            return "the demo" if any(fnmatchcase(file, those) for those in DEMO_FILES) else file

    return ByFile(config, log)


class Demo:
    """`examples/digits.py --once` in an empty folder, as a stranger runs it, while another program holds port 6006."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._program: subprocess.Popen[str] | None = None
        self._done: subprocess.CompletedProcess[str] | None = None
        self._holder = socket.socket()

    @property
    def begun(self) -> bool:
        """Whether somebody has begun it."""
        return self._program is not None

    def start(self) -> None:
        """Begin it."""
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # somebody else holds it: as good
            self._holder.bind(("127.0.0.1", 6006))
            self._holder.listen()
        command = [sys.executable, str(Path(__file__).parents[1] / "examples" / "digits.py"), "--once"]
        self._program = subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def runs(self) -> bool:
        """Whether it has not come to its end."""
        return self._program is not None and self._program.poll() is None

    def finished(self) -> subprocess.CompletedProcess[str]:
        """Wait for its end, having begun it if nobody has; what it printed."""
        if self._program is None:
            self.start()
        if self._done is None and self._program is not None:
            printed, errors = self._program.communicate(timeout=900)
            self._done = subprocess.CompletedProcess(self._program.args, self._program.returncode, printed, errors)
        assert self._done is not None
        return self._done

    def end(self) -> None:
        """Let go of everything."""
        self._holder.close()
        if self._program is not None and self._done is None:
            self._program.kill()
            self._program.communicate()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo, run once for all tests that look at it or at what it leaves."""
    made = Demo(tmp_path_factory.mktemp("demo"))
    yield made
    made.end()
