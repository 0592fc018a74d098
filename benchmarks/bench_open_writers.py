"""What writers cost that are merely open: memory, threads and open files of each, in fresh processes.

    python benchmarks/bench_open_writers.py

Each is given ten scalars and flushed. Ours are a thousand; of the peers, which hold a file and a thread each, fewer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

from peers import OURS, installed

__all__ = ["many"]

OPEN = {OURS: 1000}
FEWER = 100


def many(side: str) -> dict[str, float]:
    """What a fresh process with many open writers holds: kB of memory, threads and open files for each of them."""
    command = [sys.executable, __file__, side]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(told.strip().splitlines()[-1])


def held() -> dict[str, float]:
    """Memory in kB, threads and open files of this process."""
    with open("/proc/self/status") as file:
        status = dict(line.split(":", 1) for line in file)
    files = len(os.listdir("/proc/self/fd"))
    return {"memory": float(status["VmRSS"].split()[0]), "threads": float(status["Threads"]), "files": float(files)}


def hold(side: str) -> None:
    """Opens them, and prints what each holds."""
    peer = installed()[side]
    count = OPEN.get(side, FEWER)
    with tempfile.TemporaryDirectory() as folder:

        def opened(name: str) -> object:
            writer = peer.make(os.path.join(folder, name))
            for step in range(10):
                writer.add_scalar("train/metric_0", 0.5, step)
            writer.flush()
            return writer

        writers = [opened("first")]  # what all share is loaded before
        before = held()
        writers += [opened(str(i)) for i in range(count)]
        after = held()
        each = {key: (after[key] - before[key]) / count for key in before}
        print(json.dumps(each | {"of": count, "all threads": after["threads"]}))
        sys.stdout.flush()
        for writer in reversed(writers):  # tf.summary's defaults are a stack
            writer.close()  # type: ignore[attr-defined]


def main() -> None:
    """Prints what each side holds, or, told a side, what this process does."""
    if len(sys.argv) > 1:
        hold(sys.argv[1])
        return
    for side in installed():
        print(f"{side:<14}", {key: round(value, 2) for key, value in many(side).items()})


if __name__ == "__main__":
    main()
