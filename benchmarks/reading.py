"""All that reading is measured by, beside TensorBoard's Rust data server, its EventAccumulator and tbparse.

    python benchmarks/reading.py [--rounds N] [--scale S] [--folder PATH] [PART ...]

Without a part, everything; the parts are the logdirs of logdirs.py, and `again` (the second start), `growth` (twice the
data), `growing` (memory while a file grows) and `point` (one more). Every side reads in a process of its own. Ours and
EventAccumulator are timed from a fresh reader to all columns, without imports; the server from its start until it has
finished its load cycle. `--scale` makes the logdirs smaller, `--folder` keeps them for the next time.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from logdirs import LOGDIRS, make
from peers import OURS
from table import Figure, Figures, Row, measure, show

ALL, DEFAULT, ACCUMULATOR, TBPARSE = "Rust all+CRC", "Rust default", "EventAccumulator", "tbparse"
SIDES = [OURS, ALL, DEFAULT, ACCUMULATOR, TBPARSE]
KEEP_ALL = ("--samples-per-plugin=scalars=all,histograms=all,images=all,tensors=all", "--checksum")
FOLLOWING = "following"
ROUNDS = 7
GROWTHS = 100
POINTS = 1_000_000


def resident() -> float:
    """Megabytes of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def read_ours(path: str, cache: str = "") -> Figures:
    """In a fresh process: what reading costs after the imports, and when there was something to show."""
    from tallyboard.core.reader import LogdirReader

    base, cpu, began = resident(), time.process_time(), time.perf_counter()
    reader = LogdirReader(path, cache=Path(cache) if cache else None)
    first: list[float] = []

    def published(_version: int) -> None:
        if not first and reader.store.overview().tags:
            first.append(time.perf_counter() - began)

    reader.store.subscribe(published)
    reader.poll()
    assert reader.store.overview().state == "ready"
    wall, spent = time.perf_counter() - began, time.process_time() - cpu
    if cache:
        reader.save()
    return {"cpu": spent, "wall": wall, "first": first[0], "memory": resident() - base, "all": resident()}


def read_accumulator(path: str) -> Figures:
    """EventAccumulator, one a run, keeping all."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    base, cpu, began = resident(), time.process_time(), time.perf_counter()
    size = dict.fromkeys(("scalars", "images", "histograms", "tensors"), 0)
    runs = [EventAccumulator(folder, size_guidance=size) for folder, _, files in os.walk(path) if files]
    for run in runs:
        run.Reload()
    wall, spent = time.perf_counter() - began, time.process_time() - cpu
    return {"cpu": spent, "wall": wall, "memory": resident() - base}


def read_tbparse(path: str) -> Figures:
    """tbparse's table of scalars."""
    from tbparse import SummaryReader

    base, cpu, began = resident(), time.process_time(), time.perf_counter()
    table = SummaryReader(path).scalars
    wall, spent = time.perf_counter() - began, time.process_time() - cpu
    return {"cpu": spent, "wall": wall, "memory": resident() - base, "rows": len(table)}


def follow_ours(path: str, points: str) -> Figures:
    """A file that grows while it is followed, a hundredth of it at a time: the most bytes a point from half way on."""
    from tallyboard.core.reader import LogdirReader

    whole = next(Path(path).glob("*tfevents*"))
    with tempfile.TemporaryDirectory() as folder, whole.open("rb") as source:
        grown = Path(folder) / whole.name
        base, cpu = resident(), time.process_time()
        reader = LogdirReader(folder, cache=None)
        step, most = -(-whole.stat().st_size // GROWTHS), 0.0
        for i in range(1, GROWTHS + 1):
            with grown.open("ab", buffering=0) as file:
                file.write(source.read(step))
            reader.poll()
            if i * 2 >= GROWTHS:
                most = max(most, (resident() - base) * 1e6 / (int(points) * i / GROWTHS))
        held = sum(sum(runs.values()) for runs in reader.store.tags()["scalars"].values())
        assert held == int(points), held
        return {"cpu": time.process_time() - cpu, "growing": most, "loaded": (resident() - base) * 1e6 / held}


CHILDREN: dict[str, Callable[..., Figures]] = {
    OURS: read_ours,
    FOLLOWING: follow_ours,
    ACCUMULATOR: read_accumulator,
    TBPARSE: read_tbparse,
}


def child(side: str, *arguments: str) -> Figures:
    """Has a fresh process read, and adds what the whole of it took."""
    began, before = time.perf_counter(), os.times()
    command = [sys.executable, __file__, "--child", side, *arguments]
    figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {**figures, "process": time.perf_counter() - began, "process cpu": cpu}


def rust(path: str, *flags: str) -> Figures:
    """The data server, from its start until it has read everything once."""
    from tensorboard_data_server import server_binary

    command = [server_binary(), f"--logdir={path}", "--port=0", "--die-after-stdin", "--reload=once", "--verbose"]
    began = time.perf_counter()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen([*command, *flags], text=True, **pipes) as server:
        assert server.stdout is not None
        assert any("Finished load cycle" in line for line in server.stdout)
        wall = time.perf_counter() - began
        stat = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
        pages = int(Path(f"/proc/{server.pid}/statm").read_text().split()[1])
        server.kill()
    cpu = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    return {"cpu": cpu, "wall": wall, "memory": memory, "process": wall, "process cpu": cpu}


def sides(path: Path, slow: bool) -> dict[str, Callable[[], Figures]]:
    """Everybody reading that logdir."""
    out: dict[str, Callable[[], Figures]] = {
        OURS: lambda: child(OURS, str(path)),
        ALL: lambda: rust(str(path), *KEEP_ALL),
        DEFAULT: lambda: rust(str(path)),
    }
    if slow:
        out[ACCUMULATOR] = lambda: child(ACCUMULATOR, str(path))
        if importlib.util.find_spec("tbparse"):
            out[TBPARSE] = lambda: child(TBPARSE, str(path))
    return out


WANTED: dict[str, list[Figure]] = {
    "one_run": [
        Figure("1 run x 1M scalars", "CPU s", "cpu", {ALL: 6, DEFAULT: 2.5, ACCUMULATOR: 40}),
        Figure("the same by the clock", "s", "wall", {ALL: 6, DEFAULT: 2.5, ACCUMULATOR: 40}),
        Figure("a whole process, imports included", "s", "process", {ALL: 2, DEFAULT: 1.2}),
        Figure("memory over the process's own (bytes a point)", "MB", "memory", most=24.0),
    ],
    "many_runs": [
        Figure("1,000 runs x 10 tags x 100 steps", "CPU s", "cpu", {ALL: 4, DEFAULT: 3, ACCUMULATOR: 35}),
        Figure("the same by the clock", "s", "wall", {ALL: 4, DEFAULT: 3, ACCUMULATOR: 35}),
        Figure("memory over the process's own", "MB", "memory"),
    ],
    "uneven": [Figure("1M scalars over 200 tags in random order", "CPU s", "cpu", {DEFAULT: 2})],
    "tensors": [Figure("1M scalars as TensorFlow 2 writes them", "CPU s", "cpu", {DEFAULT: 2})],
    "groups": [Figure("1M scalars in events of 20", "CPU s", "cpu", {DEFAULT: 2})],
    "blobs": [
        Figure("500 MB of histograms and images", "CPU s", "cpu", {ALL: 3}),
        Figure("all of the process in memory", "MB", "all", most=150.0),
    ],
    "very_many_runs": [
        Figure("10,000 runs x 5 tags x 20 steps", "CPU s", "cpu"),
        Figure("the same by the clock", "s", "wall", most=9.0),
        Figure("until there is something to show", "s", "first", most=1.0),
        Figure("memory over the process's own", "MB", "memory"),
    ],
}
SLOW = {"one_run", "many_runs"}


def logdir(name: str, folder: Path, scale: float, rounds: int) -> list[Row]:
    """The rows of one logdir."""
    found = measure(sides(make(name, folder, scale), name in SLOW), rounds, warm=False)
    rows: list[Row] = []
    for figure in WANTED[name]:
        kept = {side: figures for side, figures in found.items() if all(figure.key in one for one in figures)}
        rows.append(Row(figure, kept))
    return rows


def again(folder: Path, scale: float, rounds: int) -> list[Row]:
    """The second start, from the index that the first one kept."""
    rows: list[Row] = []
    for name in ("one_run", "many_runs", "very_many_runs"):
        path = make(name, folder, scale)
        with tempfile.TemporaryDirectory() as cache:
            child(OURS, str(path), cache)
            found = measure({OURS: lambda p=str(path), c=cache: child(OURS, p, c)}, rounds, warm=False)
        rows.append(Row(Figure(f"second start, {name}", "s", "wall", most=0.5), found))
    return rows


def growth(folder: Path, scale: float, rounds: int) -> list[Row]:
    """Twice the data: how many times the time and the memory."""
    small, large = (make("one_run", folder, scale * times) for times in (0.5, 1.0))
    found: list[Figures] = []
    for _ in range(rounds):
        a, b = child(OURS, str(small)), child(OURS, str(large))
        found.append({key: b[key] / a[key] for key in ("cpu", "memory")})
    both = {OURS: found}
    return [
        Row(Figure("twice the points: CPU time", "times", "cpu", most=2.3), both),
        Row(Figure("twice the points: memory", "times", "memory", most=2.2), both),
    ]


def growing(folder: Path, scale: float, rounds: int) -> list[Row]:
    """Memory while a file grows, by the point."""
    path, points = make("one_run", folder, scale), int(100_000 * scale) * 10
    found = measure({OURS: lambda: child(FOLLOWING, str(path), str(points))}, rounds, warm=False)
    return [
        Row(Figure("1M points in 100 growths, the most at once", "bytes a point", "growing", most=40.0), found),
        Row(Figure("the same, when all is there", "bytes a point", "loaded", most=40.0), found),
        Row(Figure("CPU time of all 100 growths", "CPU s", "cpu"), found),
    ]


def point(_folder: Path, _scale: float, rounds: int) -> list[Row]:
    """One more point in a store of many runs: offered, published, and asked for as news."""
    import numpy as np

    from tallyboard.core.store import Store

    def cost(runs: int) -> float:
        store, one = Store(), np.array([1.0])
        step = np.array([1])
        for run in range(runs):
            for tag in "abcde":
                store.offer_scalars(f"run{run}", tag, step, one, one)
        store.publish("ready")
        times: list[float] = []
        for i in range(300):
            began = time.perf_counter()
            store.offer_scalars("run7", "a", step + i, one + i, one)
            store.publish()
            assert store.changes(store.version - 1).series == [("run7", "a", i + 2, 0)]
            times.append(time.perf_counter() - began)
        return sorted(times)[150] * 1e6

    found: list[Figures] = [
        {"small": (a := cost(100)), "large": (b := cost(10_000)), "ratio": b / a} for _ in range(rounds)
    ]
    return [
        Row(Figure("one more point in a store of 100 runs", "us", "small"), {OURS: found}),
        Row(Figure("one more point in a store of 10,000 runs", "us", "large"), {OURS: found}),
        Row(Figure("the latter over the former", "times", "ratio", most=1.5), {OURS: found}),
    ]


PARTS: dict[str, Callable[[Path, float, int], list[Row]]] = {
    **{name: lambda folder, scale, rounds, name=name: logdir(name, folder, scale, rounds) for name in LOGDIRS},
    "again": again,
    "growth": growth,
    "growing": growing,
    "point": point,
}


def main() -> None:
    """Prints the table."""
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(CHILDREN[sys.argv[2]](*sys.argv[3:])))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="PART")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        parts = [
            (name, lambda part=PARTS[name]: part(folder, options.scale, options.rounds))
            for name in options.parts or PARTS
        ]
        show("Reading", SIDES, parts)


if __name__ == "__main__":
    main()
