"""A profile of PyTorch: from the file to its analyses, ours beside torch-tb-profiler 0.4.3's own code.

    python benchmarks/bench_profile.py TRACE [--rounds N] [--events N]

TRACE is a `*.pt.trace.json.gz` of PyTorch. Both sides read it and make the breakdown, the operators, the kernels and
the memory of each operator; the peer, where it is installed, by the class behind its pages, without its server. Then
ours alone on the same events repeated to a million, as JSON that is not packed: reading and analysing, the most memory
that the process had, and the second time, from the cache. Seconds are of the clock.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from peers import OURS
from table import Figure, Figures, Row, measure, show

PEER = "torch-tb-profiler"
ANALYSE = """
import json, resource, sys, time
import tallyboard as tb
began = time.perf_counter()
profile = tb.read_profile(sys.argv[1])
read = time.perf_counter() - began
profile.verdict(), profile.breakdown(), profile.operators(), profile.kernels(), profile.device_use()
profile.memory_by_operator()
whole = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"read": read, "whole": whole, "peak": peak, "events": len(profile.events)}))
"""


def ours(trace: Path) -> Figures:
    """Seconds from the file to the analyses."""
    import tallyboard as tb

    began = time.perf_counter()
    profile = tb.read_profile(trace)
    profile.verdict(), profile.breakdown(), profile.operators(), profile.kernels(), profile.device_use()
    profile.memory_by_operator()
    return {"seconds": time.perf_counter() - began}


def theirs(trace: Path) -> Figures:
    """Likewise of the peer."""
    from torch_tb_profiler.profiler.data import RunProfileData

    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        RunProfileData.parse("worker0", "1", str(trace), None)
    return {"seconds": time.perf_counter() - began}


def repeated(trace: Path, events: int, to: Path) -> None:
    """The events of a trace, again and again, each time later and with numbers of their own."""
    data = trace.read_bytes()
    found = json.loads(gzip.decompress(data) if trace.name.endswith(".gz") else data)
    rows = found.pop("traceEvents")
    times = [row["ts"] for row in rows if "ts" in row and row.get("ph") == "X"]
    span = max(times) - min(times) + 1_000_000
    with to.open("w") as out:
        out.write(json.dumps(found)[:-1] + ', "traceEvents": [')
        many = 0
        while many < events:
            turn = many // len(rows)
            for row in rows[: events - many]:
                row = {**row, "ts": row["ts"] + turn * span} if "ts" in row else row
                args = row.get("args")
                if turn and args and "correlation" in args:
                    row["args"] = {**args, "correlation": args["correlation"] + turn * 10_000_000}
                out.write(("," if many else "") + json.dumps(row, indent=1))
                many += 1
        out.write("]}")


def large(trace: Path, events: int) -> None:
    """Prints what a trace of many events costs, the first and the second time, each in a process of its own."""
    with tempfile.TemporaryDirectory() as room:
        path = Path(room) / "large.pt.trace.json"
        repeated(trace, events, path)
        env = {**os.environ, "TALLYBOARD_CACHE": str(Path(room) / "cache")}
        print(f"\n{events:,} events, {path.stat().st_size / 1e6:,.0f} MB")
        for name in ("first", "second"):
            done = subprocess.run([sys.executable, "-c", ANALYSE, str(path)], env=env, capture_output=True, check=True)
            told = json.loads(done.stdout)
            print(
                f"  {name + ' time':<12} read {told['read']:6.2f} s, with analyses {told['whole']:6.2f} s, "
                f"most memory {told['peak']:7,.0f} MB"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("trace", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=1_000_000)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ["TALLYBOARD_CACHE"] = "off"
    sides: dict[str, Any] = {OURS: lambda: ours(arguments.trace)}
    with contextlib.suppress(ImportError):
        import torch_tb_profiler  # noqa: F401

        sides[PEER] = lambda: theirs(arguments.trace)
    figure = Figure("from the file to its analyses", "s", "seconds", times={PEER: 20})

    def table() -> list[Row]:
        return [Row(figure, measure(sides, arguments.rounds))]

    show("A profile", list(sides), [(arguments.trace.name, table)])
    large(arguments.trace, arguments.events)


if __name__ == "__main__":
    main()
