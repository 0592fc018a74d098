"""Print what a logdir holds: runs, tags, kinds, counts, steps, files, damage.

Exit code 1 means that a file is damaged or cannot be read. The shape of `--json` is in docs/commands.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import stat
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import InvalidLogdir
from ..remote import is_remote, placed

if TYPE_CHECKING:
    from ..audit import Audit
    from ..reader import LogdirReader
    from ..store import Store, Warned

EXIT_DAMAGED = 1
"""A file is damaged, or cannot be read."""

FORMAT = 1  # of the JSON; grows when a key changes its meaning or goes
_PATIENCE = 0.5  # seconds without a word before progress is shown
_PAUSE = 0.2  # seconds between two lines of it
_TENSORS = frozenset(("custom_scalars", "histograms", "hparams", "mesh", "pr_curves", "text"))
_BLOBS = ("images", "audio", "graph")


@dataclass(frozen=True, slots=True)
class SeriesReport:
    """A tag of a run."""

    tag: str
    plugin: str
    data_class: str
    count: int
    first_step: int
    last_step: int
    first_wall_time: float | None
    last_wall_time: float | None


@dataclass(frozen=True, slots=True)
class FileReport:
    """An event file: what `audit` found, or why it could not be read."""

    path: str
    audit: Audit | None
    error: str = ""


@dataclass(slots=True)
class RunReport:
    """A run with its tags and files."""

    name: str
    first_wall_time: float | None
    last_wall_time: float | None
    series: list[SeriesReport]
    files: list[FileReport] = field(default_factory=list[FileReport])
    warnings: tuple[Warned, ...] = ()

    @property
    def damaged(self) -> bool:
        """Whether something of it cannot be read."""
        return any(file.audit is None or file.audit.damage for file in self.files)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `tallyboard inspect`."""
    parser.add_argument("logdir", metavar="LOGDIR", help="directory that holds the runs, or one event file")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument("--run", type=_regex, metavar="REGEX", help="only runs in whose name this is found")
    parser.add_argument("--tag", type=_regex, metavar="REGEX", help="only tags in which this is found, and their runs")


def _regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None


def run(arguments: argparse.Namespace) -> int:
    """Reads the logdir, prints what it holds, and returns the exit code."""
    reports = inspect(arguments.logdir, arguments.run, arguments.tag)
    if arguments.json:
        json.dump(_as_json(arguments.logdir, reports), sys.stdout, indent=1, allow_nan=False)
        sys.stdout.write("\n")
    else:
        for line in _lines(arguments.logdir, reports, _Ink(sys.stdout)):
            sys.stdout.write(f"{line}\n")
    return EXIT_DAMAGED if any(report.damaged for report in reports) else 0


def inspect(logdir: str, run: re.Pattern[str] | None = None, tag: re.Pattern[str] | None = None) -> list[RunReport]:
    """What a logdir holds, by run.

    Args:
        logdir: a directory that holds event files, at any depth, or the URL of one; or one event file of this machine.
        run: found in the name of every run that is wanted.
        tag: found in every tag that is wanted; runs without one are left out.

    Raises:
        InvalidLogdir: there is no such directory.
    """
    from ..reader import LogdirReader

    logdir = placed(logdir)
    file = logdir if "tfevents" in os.path.basename(logdir) and os.path.isfile(logdir) else None
    reader = LogdirReader(os.path.dirname(os.path.abspath(file)) if file is not None else logdir)
    if reader.place.there() is None:
        kind = "is a file" if os.path.exists(logdir) else "does not exist"
        raise InvalidLogdir(f"{logdir!r} {kind}; give the directory that holds the event files")
    progress = _Progress(reader.store, sys.stderr)
    reader.poll(None if file is None else [os.path.abspath(file)])
    wanted: list[RunReport] = []
    series = _series(reader.store, tag)
    for info in reader.store.runs():
        own = series.get(info.name, [])
        if (run is None or run.search(info.name)) and (own or tag is None):
            wanted.append(RunReport(info.name, info.first_wall_time, info.last_wall_time, own, warnings=info.warnings))
    for report in wanted:
        progress.say(f"looking at the files of {report.name}")
        if file is not None:
            report.files = [_file(file, os.path.basename(file), report)]
        else:
            report.files = _fetched_files(reader, report) if is_remote(logdir) else _files(logdir, report)
    progress.end()
    return wanted


def _series(store: Store, wanted: re.Pattern[str] | None) -> dict[str, list[SeriesReport]]:
    """The tags of each run, by name and plugin."""
    out: dict[str, list[SeriesReport]] = {}
    for plugin, tags in store.tags().items():
        for tag, runs in tags.items():
            if wanted is not None and not wanted.search(tag):
                continue
            for run in runs:
                points = store.scalars(run, tag) if plugin == "scalars" else store.blobs(plugin, run, tag)
                if points is None or not len(points):
                    continue
                step, wall = points.step, points.wall_time
                out.setdefault(run, []).append(
                    SeriesReport(
                        tag,
                        plugin,
                        _data_class(plugin),
                        len(points),
                        int(step.min()),
                        int(step.max()),
                        float(wall.min()),
                        float(wall.max()),
                    )
                )
    for series in out.values():
        series.sort(key=lambda one: (one.tag, one.plugin))
    return out


def _data_class(plugin: str) -> str:
    """How TensorBoard keeps what a plugin shows."""
    if plugin == "scalars":
        return "scalar"
    return "blob_sequence" if plugin not in _TENSORS and plugin.startswith(_BLOBS) else "tensor"


def _files(logdir: str, report: RunReport) -> list[FileReport]:
    """The event files of a run. Where its reader had nothing to complain of, checksums are not computed again."""
    folder = logdir if report.name == "." else os.path.join(logdir, *report.name.split("/"))
    found: list[FileReport] = []
    try:
        names = sorted(name for name in os.listdir(folder) if "tfevents" in name)
    except OSError:
        return found
    for name in names:
        path = os.path.join(folder, name)
        place = name if report.name == "." else f"{report.name}/{name}"
        try:
            plain = stat.S_ISREG(os.stat(path).st_mode) and not name.endswith(".profile-empty")
        except OSError as error:
            found.append(FileReport(place, None, error.strerror or str(error)))
        else:
            found += [_file(path, place, report)] if plain else []
    return found


def _file(path: str, place: str, report: RunReport) -> FileReport:
    from ..audit import audit

    try:
        return FileReport(place, audit(path, every_byte=bool(report.warnings)))
    except OSError as error:
        return FileReport(place, None, error.strerror or str(error))


def _fetched_files(reader: LogdirReader, report: RunReport) -> list[FileReport]:
    """The same where the files are in a remote store: each is fetched, looked at, and let go."""
    from ..audit import audit
    from ..remoteplace import whole_file

    found: list[FileReport] = []
    for path in sorted(path for path, file in reader.files.items() if file.run == report.name):
        place = path.removeprefix(f"{reader.logdir}/")
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "copy")
            try:
                copy.write_bytes(whole_file(path))
                found.append(FileReport(place, audit(copy, every_byte=bool(report.warnings))))
            except OSError as error:
                found.append(FileReport(place, None, error.strerror or str(error)))
    return found


class _Progress:
    """One line on a terminal that says how far it is, from half a second on; gone when all is done."""

    def __init__(self, store: Store, terminal: TextIO) -> None:
        self._terminal = terminal if terminal.isatty() else None
        self._due = time.monotonic() + _PATIENCE
        self._shown = False
        if self._terminal is not None:
            store.subscribe(lambda _: self._count(store))

    def _count(self, store: Store) -> None:
        if time.monotonic() >= self._due:
            values = sum(count for tags in store.tags().values() for runs in tags.values() for count in runs.values())
            self.say(f"{_many(len(store.runs()), 'run')}, {_many(values, 'value')} read")

    def say(self, what: str) -> None:
        """Shows a line, if it is time for one."""
        if self._terminal is not None and time.monotonic() >= self._due:
            self._terminal.write(f"\r\x1b[K{_plain(what)[:78]}")
            self._terminal.flush()
            self._due = time.monotonic() + _PAUSE
            self._shown = True

    def end(self) -> None:
        """Takes the line away."""
        if self._terminal is not None and self._shown:
            self._terminal.write("\r\x1b[K")
            self._terminal.flush()


# -- for programs


def _as_json(logdir: str, reports: list[RunReport]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "logdir": logdir,
        "damaged": any(report.damaged for report in reports),
        "runs": [
            {
                "name": report.name,
                "first_wall_time": _finite(report.first_wall_time),
                "last_wall_time": _finite(report.last_wall_time),
                "series": [
                    asdict(one)
                    | {
                        "first_wall_time": _finite(one.first_wall_time),
                        "last_wall_time": _finite(one.last_wall_time),
                    }
                    for one in report.series
                ],
                "files": [_file_as_json(file) for file in report.files],
                "warnings": [asdict(warned) for warned in report.warnings],
            }
            for report in reports
        ],
    }


def _file_as_json(file: FileReport) -> dict[str, Any]:
    if file.audit is None:
        return {"path": file.path, "error": file.error}
    return {"path": file.path, "error": None, **asdict(file.audit)}


def _finite(seconds: float | None) -> float | None:
    return seconds if seconds is not None and abs(seconds) < float("inf") else None


# -- for people


class _Ink:
    """Colours, where the output is a terminal that wants them."""

    def __init__(self, out: TextIO) -> None:
        self._on = out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def bold(self, text: str) -> str:
        """Names of runs."""
        return f"\x1b[1m{text}\x1b[0m" if self._on else text

    def dim(self, text: str) -> str:
        """Heads of columns."""
        return f"\x1b[2m{text}\x1b[0m" if self._on else text

    def red(self, text: str) -> str:
        """Damage."""
        return f"\x1b[31m{text}\x1b[0m" if self._on else text


def _lines(logdir: str, reports: list[RunReport], ink: _Ink) -> list[str]:
    audits = [file.audit for report in reports for file in report.files if file.audit is not None]
    totals = [
        _many(len(reports), "run"),
        _many(sum(len(report.series) for report in reports), "series"),
        _many(sum(one.count for report in reports for one in report.series), "value"),
        f"{_many(len(audits), 'file')} of {_bytes(sum(one.size for one in audits))}",
    ]
    out = [f"{_plain(logdir)}: {', '.join(totals)}"]
    for report in reports:
        out += ["", ink.bold(_plain(report.name)) + _span(report.first_wall_time, report.last_wall_time)]
        rows = [
            (_plain(one.tag), one.plugin, one.data_class, f"{one.count:,}", _steps(one.first_step, one.last_step))
            for one in report.series
        ]
        out += _table(("tag", "kind", "class", "values", "steps"), rows, "<<<>>", ink)
        out += _table(("file", "size", "records", "writer"), [_file_row(file) for file in report.files], "<>><", ink)
        out += [ink.red(f"  {line}") for file in report.files for line in _damage(file)]
        out += [
            f"  unfinished: {_plain(_name(file))}: {file.audit.unfinished:,} bytes of a record that is not there yet"
            for file in report.files
            if file.audit is not None and file.audit.unfinished
        ]
        out += [f"  warning: {_plain(warned.message)} ({_many(warned.count, 'time')})" for warned in report.warnings]
    return out


def _file_row(file: FileReport) -> tuple[str, str, str, str]:
    name = _plain(_name(file))
    if file.audit is None:
        return name, "?", "?", "?"
    return name, _bytes(file.audit.size), f"{file.audit.records:,}", _plain(file.audit.writer) or "unknown"


def _damage(file: FileReport) -> list[str]:
    name = _plain(_name(file))
    if file.audit is None:
        return [f"unreadable: {name}: {file.error}"]
    said = {
        "no_record": "bytes that are no record",
        "bad_checksum": "a record whose checksum fails",
        "no_event": "a record that is no event",
    }
    return [f"damage: {name}: {one.length:,} bytes at {one.offset:,}: {said[one.what]}" for one in file.audit.damage]


def _name(file: FileReport) -> str:
    return file.path.rpartition("/")[2]


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]], align: str, ink: _Ink) -> list[str]:
    """Rows in columns as wide as their longest entry, with their heads; nothing for no rows."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    lines = [
        "  " + "  ".join(f"{text:{side}{width}}" for text, side, width in zip(row, align, widths, strict=True)).rstrip()
        for row in [heads, *rows]
    ]
    return [ink.dim(lines[0]), *lines[1:]]


def _span(first: float | None, last: float | None) -> str:
    if first is None or last is None:
        return ""
    return f"  {_when(first)} to {_when(last)}"


def _when(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return str(seconds)  # no date: NaN, or a number that some test wrote


def _steps(first: int, last: int) -> str:
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"


def _many(count: int, thing: str) -> str:
    plural = thing if thing.endswith("s") else f"{thing}s"
    return f"{count:,} {thing if count == 1 else plural}"


def _bytes(size: int) -> str:
    amount = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{size} {unit}" if unit == "bytes" else f"{amount:,.1f} {unit}"


def _plain(text: str) -> str:
    """Escapes what a terminal or a line reader would stumble over."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
