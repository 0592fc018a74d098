"""Write what runs hold into a CSV, JSON or Parquet file."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from ..logdir import Logdir

_PATIENCE = 0.5  # seconds without a word before progress is shown
_PAUSE = 0.1  # seconds between two states of it
_WIDTH = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `tallyboard export`."""
    parser.add_argument("logdir", metavar="LOGDIR", help="directory that holds the runs")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="-",
        help="where to write; its ending (.csv, .json, .jsonl, .parquet) says the format; - for standard output, "
        "which is the default",
    )
    parser.add_argument(
        "--format", choices=("csv", "json", "jsonl", "parquet"), help="the format, where no name says it; else csv"
    )
    parser.add_argument("--run", metavar="REGEX", help="only runs in whose name the regular expression is found")
    parser.add_argument("--tag", metavar="REGEX", help="only tags in which it is found")
    parser.add_argument(
        "--kind",
        choices=("scalars", "text", "histograms", "hparams"),
        default="scalars",
        help="what to write; scalars by default",
    )
    parser.add_argument(
        "--wide", action="store_true", help="of scalars: a row for each run and step, a column for each tag"
    )
    parser.add_argument(
        "--superseded", action="store_true", help="with the points that a restart of the run took the place of"
    )


def run(arguments: argparse.Namespace) -> int:
    """Writes the file."""
    from ..export import export, format_of
    from ..logdir import read
    from ..rows import chunks

    to_stdout = arguments.output == "-"
    form = arguments.format or ("csv" if to_stdout else format_of(arguments.output))
    progress = Progress(sys.stderr)
    progress.show(f"reading {arguments.logdir}", None)
    try:
        runs = read(arguments.logdir, runs=arguments.run, tags=arguments.tag, superseded=arguments.superseded)
        progress.total = _rows(runs) if arguments.kind == "scalars" and not arguments.wide else None
        found = chunks(runs.values(), arguments.kind, arguments.wide)
        to = sys.stdout.buffer if to_stdout else arguments.output
        export(found, to, form, wide=arguments.wide, progress=progress.rows)
    finally:
        progress.end()
    return 0


def _rows(runs: Logdir) -> int:
    return sum(len(series) for run in runs.values() for series in run.scalars().values())


class Progress:
    """One line on a terminal: how far the writing is. Nothing where there is none, or where it does not take long."""

    def __init__(self, terminal: TextIO) -> None:
        self.total: int | None = None
        self._terminal = terminal if terminal.isatty() else None
        self._due = time.monotonic() + _PATIENCE
        self._shown = False

    def rows(self, count: int) -> None:
        """So many rows are written."""
        share = count / self.total if self.total else None
        self.show(f"{count:,} rows", share)

    def show(self, what: str, share: float | None) -> None:
        """Shows a line, if it is time for one, with a bar where the share (0 to 1) is known."""
        if self._terminal is None or time.monotonic() < self._due:
            return
        filled = round(_WIDTH * min(share or 0, 1))
        bar = "" if share is None else f"[{'#' * filled}{' ' * (_WIDTH - filled)}] {share:4.0%}  "
        plain = "".join(c if c.isprintable() else "?" for c in what)
        self._terminal.write(f"\r\x1b[K{bar}{plain[:60]}")
        self._terminal.flush()
        self._due = time.monotonic() + _PAUSE
        self._shown = True

    def end(self) -> None:
        """Takes the line away."""
        if self._terminal is not None and self._shown:
            self._terminal.write("\r\x1b[K")
            self._terminal.flush()
