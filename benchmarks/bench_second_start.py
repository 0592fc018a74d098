"""The second start of a logdir: from a fresh reader to the complete answer, with what the first start kept.

    python benchmarks/bench_second_start.py [scale]

`scale` makes the logdirs smaller; 1 is what the documentation quotes. The answer is complete when the store is ready
and has told all of its runs, tags and counts; the columns are there then. Beside each stand the start without an index,
and the bytes of event files that the second start read: none where the times of change prove that nothing did.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from side_by_side import compare, seconds

from tallyboard.core.places import LocalPlace
from tallyboard.core.reader import LogdirReader
from tallyboard.core.record import frame
from tallyboard.core.summary import Event, scalar
from tallyboard.core.wire import encode_event, encode_file_version

__all__ = ["CountingPlace", "second_start", "start"]

NAME = "events.out.tfevents.1700000000.bench.1.0"


class CountingPlace(LocalPlace):
    """Counts the bytes that are read of event files."""

    bytes_read = 0

    def read_at(self, path: str, offset: int, into: memoryview) -> int:
        """Bytes of a regular file."""
        count = super().read_at(path, offset, into)
        self.bytes_read += count
        return count


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of one call, of all threads: it says more than wall time on a machine that does other work as well."""
    began = time.process_time()
    work()
    return time.process_time() - began


def start(logdir: str, cache: str | None) -> LogdirReader:
    """A start with an index, or without, up to the complete answer."""
    reader = LogdirReader(logdir, place=CountingPlace(logdir), cache=None if cache is None else Path(cache))
    reader.poll()
    assert reader.store.overview().state == "ready"
    return reader


def second_start(title: str, logdir: str, rounds: int = 7) -> None:
    """Prints what the second start of a logdir costs beside the first."""
    with tempfile.TemporaryDirectory() as cache:
        assert start(logdir, cache).save()
        again = start(logdir, cache)
        assert isinstance(again.place, CountingPlace)
        for unit, clock in (("s, CPU", cpu_seconds), ("s", seconds)):
            sides: dict[str, Callable[[], float]] = {
                "second start": lambda clock=clock: clock(lambda: start(logdir, cache)),
                "start without the index": lambda clock=clock: clock(lambda: start(logdir, None)),
            }
            print(compare(title, unit, sides, rounds).report({}))
        size = sum(path.stat().st_size for path in Path(cache).iterdir())
        print(f"  {again.place.bytes_read:,} bytes read of {len(again.files):,} event files; the index has {size:,}\n")


def write(folder: Path, runs: int, tags: int, steps: int) -> None:
    """Runs of the same scalars."""
    events = (Event(i, 1.7e9 + i, scalar(f"train/metric_{t}", i / 2)) for i in range(steps) for t in range(tags))
    data = frame(encode_file_version(1.7e9)) + b"".join(frame(encode_event(event)) for event in events)
    for i in range(runs):
        (folder / f"run{i}").mkdir(parents=True)
        (folder / f"run{i}" / NAME).write_bytes(data)


def main(scale: float) -> None:
    """Prints the table."""
    for runs, tags, steps in ((1, 10, 100_000), (1_000, 10, 100), (10_000, 5, 20)):
        with tempfile.TemporaryDirectory() as logdir:
            write(
                Path(logdir),
                max(1, int(runs * scale)) if runs > 1 else 1,
                tags,
                int(steps * (scale if runs == 1 else 1)),
            )
            second_start(f"{runs:,} run{'s' if runs > 1 else ''} x {tags} tags x {steps:,} steps", logdir)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
