"""Say of a profile whether the device is busy or what it waits for, with tables of where the time went.

PATH is a trace (`*.pt.trace.json[.gz]`, `*.xplane.pb`, any Chrome trace), a directory with traces, or the URL of
either, such as `s3://bucket/runs/first`. Of processes that trained together it says, last, who waits for whom.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..profiles.difference import Changes, Difference
    from ..profiles.model import Profile
    from ..profiles.ranks import CommunicationTable, Ranks, RankTable, StragglerTable
    from ..profiles.remote_traces import RemoteTrace

FORMAT = 1  # of the JSON; grows when a key changes its meaning or goes
_NAME = 60  # characters of a kernel's name that are printed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `tallyboard profile`."""
    parser.add_argument(
        "path", metavar="PATH", help="a trace, or a directory with traces, such as a run's; or a URL of either"
    )
    parser.add_argument("--top", type=int, default=10, metavar="N", help="rows of each table (default: 10)")
    parser.add_argument(
        "--against", metavar="PATH", help="tell what changed per step since this trace, or since those of a directory"
    )
    parser.add_argument("--json", action="store_true", help="print all of it as JSON, a line for each trace")
    parser.add_argument(
        "--compat", choices=["tb_plugin"], help="count the breakdown as torch-tb-profiler 0.4.3 did, its faults with it"
    )


def run(arguments: argparse.Namespace) -> int:
    """Prints what each trace says, and returns 0."""
    from ..errors import InvalidLogdir
    from ..profiles.ranks import ranks, together
    from ..profiles.reading import find_profiles, load

    files = find_profiles(arguments.path)
    if not files:
        raise InvalidLogdir(f"{arguments.path}: no trace is in there, such as *.pt.trace.json.gz or *.xplane.pb")
    if arguments.against is not None:
        return _compare(files, arguments)
    several: list[tuple[str, Profile]] = []
    for i, file in enumerate(files):
        profile = load(file)
        if profile.rank is not None and profile.world != 1:
            several.append((str(file.parent), profile))
        if arguments.json:
            sys.stdout.write(json.dumps(_facts(file, profile, arguments), allow_nan=False) + "\n")
        else:
            sys.stdout.write(("\n" if i else "") + "\n".join(_lines(file, profile, arguments)) + "\n")
    for profiles in together(several):
        found = ranks(profiles, arguments.compat)
        if arguments.json:
            sys.stdout.write(json.dumps(_facts_of_ranks(found), allow_nan=False) + "\n")
        else:
            sys.stdout.write("\n" + "\n".join(_lines_of_ranks(found, arguments.top)) + "\n")
    return 0


def _rows(table: RankTable | CommunicationTable | StragglerTable) -> list[dict[str, Any]]:
    """The rows of a table, what is not known as None."""
    columns = {
        name: getattr(column, "tolist", lambda column=column: column)() for name, column in table.columns().items()
    }
    return [
        {name: None if value != value else value for name, value in zip(columns, row, strict=True)}
        for row in zip(*columns.values(), strict=True)
    ]


def _facts_of_ranks(found: Ranks) -> dict[str, Any]:
    """Times in nanoseconds, as the tables have them."""
    return {
        "format": FORMAT,
        "workers": found.workers,
        "says": found.says,
        "collectives": len(found.collectives),
        "unmatched": found.unmatched,
        "ranks_ns": _rows(found.time),
        "operations_ns": _rows(found.operations),
        "stragglers": _rows(found.stragglers),
    }


def _lines_of_ranks(found: Ranks, top: int) -> list[str]:
    time, operations, late = found.time, found.operations, found.stragglers
    parts = (time.computing, time.overlap, time.communicating, time.other, time.transfer, time.waiting)
    each: dict[tuple[int, str], list[int]] = {}
    for i, key in enumerate(zip(time.rank.tolist(), time.worker, strict=True)):
        each.setdefault(key, []).append(i)
    lines = [f"{len(found.workers)} ranks", "", found.says, ""]
    head = ("rank", "worker", "computing, ms a step", "overlap", "communicating", "other", "transfer", "waiting")
    lines += _table(
        head,
        [(_rank(rank), worker, *(f"{part[rows].mean() / 1e6:,.3f}" for part in parts))
         for (rank, worker), rows in each.items()],
    )  # fmt: skip
    lines += ["", *_table(
        ("operation", "rank", "calls", "bytes", "time, ms", "transfer, ms", "bus, GB/s"),
        [(operations.operation[i], _rank(operations.rank[i]), f"{operations.calls[i]:,}", _known(operations.bytes[i]),
          f"{operations.time[i] / 1e6:,.3f}", f"{operations.transfer[i] / 1e6:,.3f}",
          _known(operations.bus_bandwidth[i] / 1e9, 2)) for i in range(min(top * len(found.workers), len(operations)))],
    )]  # fmt: skip
    lines += ["", *_table(
        ("rank", "worker", "came last", "of", "others waited, ms", "waited itself, ms"),
        [(_rank(late.rank[i]), late.worker[i], f"{late.last[i]:,}", f"{late.collectives[i]:,}",
          f"{late.caused[i] / 1e6:,.3f}", f"{late.waited[i] / 1e6:,.3f}") for i in range(min(top, len(late)))],
    )]  # fmt: skip
    return lines + [f"operations without a counterpart: {found.unmatched:,}"] * bool(found.unmatched)


def _rank(number: Any) -> str:
    return str(number) if number >= 0 else "?"


def _known(value: Any, digits: int = 0) -> str:
    return f"{value:,.{digits}f}" if value == value else "?"


def _compare(files: list[Path] | list[RemoteTrace], arguments: argparse.Namespace) -> int:
    """Prints what changed in each trace since its like among those of `--against`."""
    from ..errors import InvalidLogdir
    from ..profiles.reading import find_profiles, load

    others = find_profiles(arguments.against)
    if not others:
        raise InvalidLogdir(f"--against {arguments.against}: no trace is in there, such as *.pt.trace.json.gz")
    by_rank = {profile.rank: other for other in others for profile in (load(other),)} if len(others) > 1 else {}
    several: list[tuple[str, Profile]] = []
    for i, file in enumerate(files):
        profile = load(file)
        if profile.rank is not None and profile.world != 1:
            several.append((str(file.parent), profile))
        other = by_rank.get(profile.rank, others[-1])
        found = profile.compare(load(other))
        if arguments.json:
            sys.stdout.write(json.dumps(_changed(file, other, found, arguments.top), allow_nan=False) + "\n")
        else:
            sys.stdout.write(("\n" if i else "") + "\n".join(_changes(file, other, found, arguments.top)) + "\n")
    return 0


def _changed(file: Path | RemoteTrace, other: Path | RemoteTrace, found: Difference, top: int) -> dict[str, Any]:
    def both(table: Changes, i: int, measure: str, per: float = 1000.0) -> dict[str, float]:
        return {"base": float(table.base[measure][i]) / per, "now": float(table.now[measure][i]) / per}

    def rows(table: Changes, times: Sequence[str]) -> list[dict[str, Any]]:
        return [
            {"name": table.name[i], "status": table.status[i], "calls": both(table, i, "calls", 1.0),
             **{f"{measure}_us": both(table, i, measure) for measure in times}}
            for i in range(min(top, len(table)))
        ]  # fmt: skip

    return {
        "format": FORMAT,
        "file": str(file),
        "against": str(other),
        "says": found.says,
        "notes": list(found.notes),
        "certain": found.certain,
        "interval_us": None if found.interval is None else [end / 1000 for end in found.interval],
        "steps": {"base": found.base.counted, "now": found.now.counted},
        "verdict": {
            side: {"kind": one.verdict.kind, "degree": one.verdict.degree, "share": one.verdict.share}
            for side, one in (("base", found.base), ("now", found.now))
        },
        "breakdown_us": {name: both(found.parts, i, "time") for i, name in enumerate(found.parts.name)},
        "operators": rows(found.operators, ("host_self", "host_total", "device_self", "device_total")),
        "kernels": rows(found.kernels, ("total", "mean")),
    }


def _changes(file: Path | RemoteTrace, other: Path | RemoteTrace, found: Difference, top: int) -> list[str]:
    lines = [f"{file} against {other}", "", found.says, *found.notes, ""]
    parts = found.parts
    base, now = parts.base["time"].tolist(), parts.now["time"].tolist()
    shares = [f"{(after - before) / before:+.1%}" if before else "" for before, after in zip(base, now, strict=True)]
    lines += _table(
        ("time of a step", "before, ms", "now, ms", "change, ms", "share"),
        [(name, _ms(base[i]), _ms(now[i]), _ms(now[i] - base[i], "+"), shares[i]) for i, name in enumerate(parts.name)],
    )
    for title, table, measure in (
        ("operator", found.operators, found.operators.by),
        ("kernel", found.kernels, "total"),
    ):
        rows = [
            (f"{table.name[i][:_NAME]}{'' if table.status[i] == 'both' else f' ({table.status[i]})'}",
             *(f"{side['calls'][i]:,.10g}" for side in (table.base, table.now)),
             *(_ms(side[measure][i]) for side in (table.base, table.now)), _ms(table.change(measure)[i], "+"))
            for i in range(min(top, len(table)))
        ]  # fmt: skip
        if rows:
            time = f"{measure.replace('_', ' ')}, ms"
            head = (f"{title}, of a step", "calls before", "now", f"{time}, before", "now", "change")
            lines += ["", *_table(head, rows)]
    return lines


def _ms(nanoseconds: float, sign: str = "") -> str:
    return format(nanoseconds / 1e6, f"{sign},.3f")


def _facts(file: Path | RemoteTrace, profile: Profile, arguments: argparse.Namespace) -> dict[str, Any]:
    verdict = profile.verdict()
    operators, kernels = profile.operators(), profile.kernels()
    return {
        "format": FORMAT,
        "file": str(file),
        "source": profile.source,
        "worker": profile.worker,
        "rank": profile.rank,
        "verdict": {
            "kind": verdict.kind,
            "degree": verdict.degree,
            "share": verdict.share,
            "part": verdict.part,
            "whole": verdict.whole,
            "steps": verdict.counted,
            "left_out": verdict.left_out,
            "says": verdict.says,
            "advice": list(verdict.advice),
            "times_us": verdict.times,
        },
        "recommendations": [
            {"about": one.about, "evidence": one.evidence, "advice": one.advice, "share": one.share}
            for one in profile.recommendations()
        ],
        "breakdown_us": profile.breakdown(arguments.compat).mean(),
        "devices": [
            {"device": use.device, "utilisation": use.utilisation, "sm_efficiency": use.sm_efficiency,
             "occupancy": use.occupancy, "tensor_cores": use.tensor_cores}
            for use in profile.device_use()
        ],
        "operators": [
            {"name": operators.name[i], "calls": int(operators.calls[i]), "host_self_us": operators.host_self[i] / 1000,
             "device_self_us": operators.device_self[i] / 1000}
            for i in range(min(arguments.top, len(operators)))
        ],
        "kernels": [
            {"name": kernels.name[i], "calls": int(kernels.calls[i]), "total_us": kernels.total[i] / 1000}
            for i in range(min(arguments.top, len(kernels)))
        ],
        "skipped": dict(profile.skipped),
    }  # fmt: skip


def _lines(file: Path | RemoteTrace, profile: Profile, arguments: argparse.Namespace) -> list[str]:
    verdict = profile.verdict()
    who = "" if profile.rank is None else f", rank {profile.rank} of {profile.world or '?'}"
    lines = [f"{file}: {profile.source or 'trace'}, {len(profile.events):,} events{who}", "", verdict.says]
    lines += [*verdict.advice, *(str(one) for one in profile.recommendations() if str(one) not in verdict.advice), ""]
    mean = profile.breakdown(arguments.compat).mean()
    total = mean["total"] or 1.0
    lines += _table(
        ("time of a step", "ms", "share"),
        [(name, f"{value / 1000:,.3f}", f"{value / total:.1%}") for name, value in mean.items()],
    )
    for use in profile.device_use():
        told = [f"device {use.device}: {use.utilisation:.1%} busy"]
        told += [] if use.sm_efficiency is None else [f"SM efficiency {use.sm_efficiency:.1%}"]
        told += [] if use.occupancy is None else [f"occupancy {use.occupancy:.1f}%"]
        told += [] if use.tensor_cores is None else [f"tensor cores {use.tensor_cores:.1%} of kernels' time"]
        lines += ["", ", ".join(told)]
    operators, kernels = profile.operators(), profile.kernels()
    if len(operators):
        rows = [
            (operators.name[i][:_NAME], f"{operators.calls[i]:,}", f"{operators.host_self[i] / 1e6:,.3f}",
             f"{operators.host_total[i] / 1e6:,.3f}", f"{operators.device_self[i] / 1e6:,.3f}")
            for i in range(min(arguments.top, len(operators)))
        ]  # fmt: skip
        lines += ["", *_table(("operator", "calls", "host self, ms", "host total, ms", "device self, ms"), rows)]
    if len(kernels):
        rows = [
            (kernels.name[i][:_NAME], f"{kernels.calls[i]:,}", f"{kernels.total[i] / 1e6:,.3f}",
             f"{kernels.mean[i] / 1e3:,.1f}")
            for i in range(min(arguments.top, len(kernels)))
        ]  # fmt: skip
        lines += ["", *_table(("kernel", "calls", "total, ms", "mean, us"), rows)]
    if len(profile.allocations):
        curve = profile.memory()
        lines += ["", f"peak memory: {curve.peak / 2**20:,.1f} MiB" + ("" if curve.exact else ", from the begin on")]
    lines += [""] * bool(profile.skipped) + [f"could not be read: {what}: {n:,}" for what, n in profile.skipped.items()]
    return lines


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return [
        "  ".join(
            [cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))]
        )
        for cells in (head, *rows)
    ]
