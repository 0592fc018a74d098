"""Print what a logdir holds: runs, tags, kinds, counts, steps, files, damage."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `tallyboard inspect`."""
    parser.add_argument("logdir", metavar="LOGDIR", help="directory that holds the runs")


def run(arguments: argparse.Namespace) -> int:
    """Prints it."""
    import sys

    from ..reader import read

    for name in read(arguments.logdir).runs:
        sys.stdout.write(f"{name}\n")
    return 0
