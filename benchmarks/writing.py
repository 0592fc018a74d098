"""All that writing is measured by, beside torch, tensorboardX, tf.summary and CLU: one table, in one run.

    python benchmarks/writing.py [--rounds N] [PART ...]

Without a part, everything; the parts are scalars, log, histogram, image, embedding, import, open. A dash stands for
what a peer cannot do; a peer that is not installed has no column. Figures of one call are means unless they say
otherwise. "End to end" is from the first call until `close` has returned and all is on disk.
"""

from __future__ import annotations

import argparse
import functools
import os
import time
from collections.abc import Callable
from typing import Any

import bench_add_scalar
import bench_embedding
import bench_histogram
import bench_image
import bench_import
import bench_log
import bench_open_writers
import numpy as np
from peers import CLU, OURS, TENSORFLOW, TORCH, XBOARD, Peer, installed
from table import Figure, Rounds, Row, measure, show

ROUNDS = 5
STEPS = 5  # of histograms, one after the other
NO_LOGS = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
IMPORTS = {
    OURS: "import tallyboard as tb; tb.SummaryWriter",
    TORCH: "from torch.utils.tensorboard import SummaryWriter",
    XBOARD: "from tensorboardX import SummaryWriter",
    TENSORFLOW: "import tensorflow as tf; tf.summary.scalar",
    CLU: "from clu.metric_writers import SummaryWriter",
}
FIRST = "import tempfile; w = SummaryWriter(tempfile.mkdtemp()); w.add_scalar('a', 1.0, 1); w.close()"
FIRSTS = {
    OURS: f"from tallyboard import SummaryWriter; {FIRST}",
    TORCH: f"{IMPORTS[TORCH]}; {FIRST}",
    XBOARD: f"{IMPORTS[XBOARD]}; {FIRST}",
}

Sides = dict[str, Peer]


def rows(rounds: Rounds, *figures: Figure) -> list[Row]:
    """The lines for what was measured together."""
    return [Row(figure, rounds) for figure in figures]


def scalars(sides: Sides, turns: int) -> list[Row]:
    """add_scalar, called as fast as may be and paced, and what it costs until it is on disk."""
    free = bench_add_scalar.clock_cost()

    def calls(run: Callable[..., Any], peer: Peer, number: int) -> dict[str, float]:
        took = np.maximum(run(peer.make, peer.calls(number)) - free, 0.001)
        return {"mean": float(took.mean()), "p50": float(np.median(took)), "p99": float(np.percentile(took, 99))}

    def each(run: Callable[..., Any], number: int) -> Rounds:
        return measure({n: functools.partial(calls, run, peer, number) for n, peer in sides.items()}, turns)

    def paced(make: Callable[[str], Any], steps: int) -> Any:
        return bench_add_scalar.paced(make, max(steps, 30))

    burst, slow = each(bench_add_scalar.burst, 50_000), each(paced, 100)

    def endured(peer: Peer) -> dict[str, float]:
        told = bench_add_scalar.endured(peer.make, peer.calls(200_000), 200_000)
        return {"s": told["seconds"] * 200_000, "rate": 1 / told["seconds"], "cpu": told["cpu"] * 1e6} | {
            "bytes": told["bytes"]
        }

    whole = measure({n: functools.partial(endured, peer) for n, peer in sides.items()}, turns)
    most = whole[TORCH][0]["bytes"] if TORCH in whole else 53.3
    return [
        *rows(
            burst,
            Figure("add_scalar, burst, mean", "us", "mean", {TORCH: 20}),
            Figure("add_scalar, burst, p50", "us", "p50", most=1),
            Figure("add_scalar, burst, p99", "us", "p99"),
        ),
        *rows(
            slow,
            Figure("add_scalar, paced, p50", "us", "p50", most=1),
            Figure("add_scalar, paced, p99", "us", "p99", most=50),
        ),
        *rows(
            whole,
            Figure("200k scalars, end to end", "s", "s", {TORCH: 15, XBOARD: 30}),
            Figure("200k scalars, end to end", "scalars/s", "rate", least=500_000, rate=True),
            Figure("a scalar, processor, all threads, less the loop", "us", "cpu", {TORCH: 10}),
            Figure("a scalar on disk, tag of 14 characters", "bytes", "bytes", most=most),
        ),
    ]


def log(sides: Sides, turns: int) -> list[Row]:
    """Twenty scalars of a step: one call of `log` where there is one, twenty of add_scalar else."""

    def run(peer: Peer) -> dict[str, float]:
        add = bench_log.log if peer.name in (OURS, CLU) else bench_log.each
        called, closed, size = bench_log.run(peer.make, add, peer.calls(2000))
        return {"called": called, "closed": closed, "bytes": size}

    taken = measure({n: functools.partial(run, peer) for n, peer in sides.items()}, turns)
    most = taken[TORCH][0]["bytes"] if TORCH in taken else None
    return rows(
        taken,
        Figure("20 scalars of a step, caller", "us", "called", {TORCH: 20}),
        Figure("20 scalars of a step, end to end", "us", "closed"),
        Figure("one of 20 scalars of a step on disk", "bytes", "bytes", most=most),
    )


def histograms(sides: Sides, turns: int) -> list[Row]:
    """One of a million numbers, and a hundred of ten thousand."""
    random = np.random.default_rng(0)
    lines: list[Row] = []
    for name, count, size, times in (("1M float32", 1, 1_000_000, 8), ("100 x 10k float32", 100, 10_000, 5)):
        arrays = [random.standard_normal(size).astype(np.float32) for _ in range(count)]

        def run(peer: Peer, arrays: list[Any] = arrays) -> dict[str, float]:
            some = arrays if peer.share >= 0.1 else arrays[: -(-len(arrays) // 10)]
            wall, cpu = time.perf_counter(), time.process_time()
            bench_histogram.burst(time.perf_counter, peer.make, some, STEPS)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            told = {"whole": wall * 1e3 / STEPS, "cpu": cpu * 1e3 / STEPS}
            told["caller"] = bench_histogram.caller(peer.make, some)
            return {key: figure * len(arrays) / len(some) for key, figure in told.items()}

        lines += rows(
            measure({n: functools.partial(run, peer) for n, peer in sides.items()}, turns),
            Figure(f"add_histogram, {name}, caller", "ms", "caller", {TORCH: times}),
            Figure(f"add_histogram, {name}, end to end", "ms", "whole", {TORCH: times}),
            Figure(f"add_histogram, {name}, processor, all threads", "ms", "cpu"),
        )
    return lines


def images(sides: Sides, turns: int) -> list[Row]:
    """Pictures of 3 x 1024 x 1024, with isal and without it."""
    ways = {"isal": bench_image.with_isal} if bench_image.has_isal() else {}
    ways["zlib"] = bench_image.without_isal
    lines: list[Row] = []
    for kind in ("photograph", "smooth", "plot"):
        picture = getattr(bench_image, kind)()
        photograph = kind == "photograph"

        def run(make: Callable[[str], Any], picture: Any = picture) -> dict[str, float]:
            call, whole, size = bench_image.logged(make, picture)
            return {"call": call, "whole": whole, "kB": size / 1000}

        makers = {
            **{f"{OURS} {way}": make for way, make in ways.items()},
            **{n: sides[n].make for n in list(sides)[1:]},
        }
        taken = measure(
            {n: functools.partial(run, make) for n, make in makers.items()}, min(turns, 3) if photograph else 1
        )
        for way in ways:
            rounds = {OURS: taken[f"{OURS} {way}"], **{n: taken[n] for n in list(sides)[1:]}}
            times = {TORCH: 5 if way == "isal" else 2} if photograph else {}
            most = taken[TORCH][0]["kB"] * 1.2 if photograph and TORCH in taken else None
            lines += rows(
                rounds,
                Figure(f"add_image, {kind}, {way}, caller", "ms", "call"),
                Figure(f"add_image, {kind}, {way}, end to end", "ms", "whole", times),
                Figure(f"add_image, {kind}, {way}, file", "kB", "kB", most=most),
            )
    return lines


def embedding(sides: Sides, turns: int) -> list[Row]:
    """10,000 vectors of 128."""
    matrix = np.random.default_rng(0).normal(size=(10_000, 128)).astype(np.float32)
    able = {n: peer for n, peer in sides.items() if n in (OURS, TORCH, XBOARD)}

    def run(peer: Peer) -> dict[str, float]:
        return {"ms": bench_embedding.once(peer.make, mat=matrix)}

    taken = measure({n: functools.partial(run, peer) for n, peer in able.items()}, min(turns, 3), warm=False)
    return rows(taken, Figure("add_embedding, 10k x 128, call and flush", "ms", "ms", {TORCH: 30}))


def imports(sides: Sides, turns: int) -> list[Row]:
    """Fresh interpreters that import a writer."""

    def fresh(codes: dict[str, str]) -> Rounds:
        runs = {n: functools.partial(bench_import.imported, codes[n]) for n in sides if n in codes}
        return measure(runs, min(turns, 3), warm=False)

    return [
        *rows(
            fresh(IMPORTS),
            Figure("import of the writer, fresh process, processor", "s", "cpu", most=0.3),
            Figure("import of the writer, fresh process, memory", "MB", "memory", most=50),
        ),
        *rows(
            fresh(FIRSTS),
            Figure("the same and a first scalar, closed, processor", "s", "cpu"),
            Figure("the same and a first scalar, closed, memory", "MB", "memory"),
        ),
    ]


def open_writers(sides: Sides, _turns: int) -> list[Row]:
    """A thousand of ours, a hundred of each peer's, in fresh processes."""
    taken = measure({n: functools.partial(bench_open_writers.many, n) for n in sides}, 1, warm=False)
    return rows(
        taken,
        Figure("an open writer (of 1,000; peers: of 100), memory", "kB", "memory", most=1000),
        Figure("an open writer, open files", "each", "files"),
        Figure("all open writers, threads of the process", "in all", "all threads", most=8),
    )


PARTS: dict[str, Callable[[Sides, int], list[Row]]] = {
    "scalars": scalars,
    "log": log,
    "histogram": histograms,
    "image": images,
    "embedding": embedding,
    "import": imports,
    "open": open_writers,
}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="what writing costs, beside its peers")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; all when left out")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each is measured")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    for name, value in NO_LOGS.items():
        os.environ.setdefault(name, value)
    sides = installed()
    parts = [(name, functools.partial(PARTS[name], sides, asked.rounds)) for name in asked.parts or PARTS]
    show("Writing, one run", list(sides), parts)


if __name__ == "__main__":
    main()
