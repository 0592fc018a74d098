"""A profile of PyTorch: from the file to its analyses, ours beside torch-tb-profiler 0.4.3's own code.

    python benchmarks/bench_profile.py TRACE [--rounds N] [--events N] [--xspace FILE]

Beside HolisticTraceAnalysis, where it is installed, ours makes what that makes: the time of devices by kinds of work,
idle time by its causes, and overlap. With `--xspace`, an `*.xplane.pb`, ours stands beside xprof: overview, input
pipeline, operators and XLA's operations.

TRACE is a `*.pt.trace.json.gz` of PyTorch. Both sides read it and make the breakdown, the operators, the kernels and
the memory of each operator; the peer, where it is installed, by the class behind its pages, without its server. Then
ours alone on the same events repeated to a million, as JSON that is not packed: reading and analysing, the most memory
that the process had, and the second time, from the cache. Seconds are of the clock.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import importlib
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


def ours_of_devices(trace: Path) -> Figures:
    """Seconds from the file to what HolisticTraceAnalysis says of devices."""
    import tallyboard as tb
    from tallyboard.core.profiles.idle import gaps, kinds_at_once, occupation

    began = time.perf_counter()
    profile = tb.read_profile(trace)
    occupation(profile), gaps(profile), kinds_at_once(profile), profile.kernels()
    return {"seconds": time.perf_counter() - began}


def hta(trace: Path) -> Figures:
    """Likewise of the peer."""
    from hta.trace_analysis import TraceAnalysis  # type: ignore[import-not-found]

    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        found = TraceAnalysis(trace_files={0: str(trace)}, trace_dir=str(trace.parent))
        found.get_temporal_breakdown(visualize=False)
        found.get_idle_time_breakdown(ranks=[0], visualize=False)
        found.get_gpu_kernel_breakdown(visualize=False)
        found.get_comm_comp_overlap(visualize=False)
    return {"seconds": time.perf_counter() - began}


def ours_of_xspace(file: Path) -> Figures:
    """Seconds from an XSpace to its analyses."""
    import tallyboard as tb

    began = time.perf_counter()
    profile = tb.read_profile(file)
    profile.verdict(), profile.input_pipeline(), profile.operators(), profile.hlo()
    return {"seconds": time.perf_counter() - began}


def xprof(file: Path) -> Figures:
    """Likewise of the peer, which writes beside the file: a copy."""
    from xprof.convert import raw_to_tool_data  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory() as room:
        copy = Path(room) / file.name
        copy.write_bytes(file.read_bytes())
        began = time.perf_counter()
        for tool in ("overview_page", "input_pipeline_analyzer", "framework_op_stats", "hlo_stats"):
            raw_to_tool_data.xspace_to_tool_data([str(copy)], tool, {})
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
    parser.add_argument("--xspace", type=Path, help="an *.xplane.pb, for the table beside xprof")
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
    beside(arguments)
    large(arguments.trace, arguments.events)


def beside(arguments: argparse.Namespace) -> None:
    """The tables beside the other peers, of those that are installed."""
    tables: list[tuple[str, str, Path, Any, Any]] = [
        ("HolisticTraceAnalysis", "hta.trace_analysis", arguments.trace, ours_of_devices, hta)
    ]
    if arguments.xspace:
        tables.append(("xprof", "xprof.convert.raw_to_tool_data", arguments.xspace, ours_of_xspace, xprof))
    for name, module, file, mine, its in tables:
        try:
            importlib.import_module(module)
        except ImportError as error:
            print(f"\n{name} is not measured: {error}")
            continue
        sides = {OURS: lambda mine=mine, file=file: mine(file), name: lambda its=its, file=file: its(file)}
        figure = Figure("from the file to its analyses", "s", "seconds")
        show(f"A profile, beside {name}", list(sides), [(file.name, lambda sides=sides, figure=figure: [
            Row(figure, measure(sides, arguments.rounds))
        ])])  # fmt: skip


if __name__ == "__main__":
    main()
