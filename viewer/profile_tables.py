"""Which tables there are of a profile, and what is told of one of their rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tallyboard.core.dataframes import Labels
from tallyboard.core.profiles.memory import memory_devices
from tallyboard.core.profiles.model import DEVICE, Kind
from tallyboard.core.profiles.operators import operator_times
from tallyboard.core.profiles.origins import launching_operator, operator_stacks, python_parents

from .profile_sheets import BadQuestion, Field, Sheet, Tree, row_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tallyboard.core.profiles.model import Profile

__all__ = ["TABLES", "Keep", "asked_table", "device_of", "kept", "row_told", "sheet"]

_MOST_TOLD: Final = 30
"""Stacks, kernels and the like that are told of a row."""

_MOST_FRAMES: Final = 64
_MOST_LETTERS: Final = 400

Keep = Callable[[object, Callable[["Profile"], Any]], Any]
"""Gives what a function makes of the profile, kept under a key."""

Options = Mapping[str, str]


def kept(profile: Profile) -> Keep:
    """What keeps things beside a profile that nobody serves: in a dictionary."""
    known: dict[object, Any] = {}

    def keep(key: object, make: Callable[[Profile], Any]) -> Any:
        if key not in known:
            known[key] = make(profile)
        return known[key]

    return keep


def _has_device(profile: Profile) -> bool:
    return bool(profile.events.of(*DEVICE).any())


def _operators(profile: Profile, _keep: Keep, options: Options) -> Sheet:
    by = "shapes" if options.get("by") == "shapes" else "name"
    found = profile.operators(by)
    fields = [Field("name", "Operator", "text", found.name)]
    if by == "shapes":
        fields.append(Field("shapes", "Shapes of inputs", "text", found.shapes))
    fields += [
        Field("calls", "Calls", "count", found.calls, True),
        Field("host_self", "Host self", "time", found.host_self, True, "On the host, without what it called"),
        Field("host_total", "Host total", "time", found.host_total, False, "On the host, with the operators it called"),
    ]
    if _has_device(profile):
        fields += [
            Field(
                "device_self", "Device self", "time", found.device_self, True, "The work that its own calls launched"
            ),
            Field("device_total", "Device total", "time", found.device_total, False, "With what it called"),
            Field("tensor_cores", "Tensor cores", "share", found.tensor_cores, False, "Share of device self on them"),
            Field("eligible", "Eligible", "flag", found.eligible, False, "Could compute on tensor cores"),
        ]
    notes = ()
    if by == "shapes" and "shapes" not in profile.events.extras:
        notes = ("The trace has no shapes: record with record_shapes=True.",)
    usual = "-device_self" if found.device_self.any() else "-host_self"
    return Sheet(tuple(fields), None, usual, "The trace has no operators.", notes)


def _kernels(profile: Profile, keep: Keep, _options: Options) -> Sheet:
    found = profile.kernels()
    owners: Mapping[str, str] = keep("tables.owners", _owners)
    fields = [
        Field("name", "Kernel", "text", found.name),
        Field("operator", "Launched by", "text", [owners.get(name, "") for name in found.name], False,
              "The operator whose calls launched most of its time"),
        Field("calls", "Calls", "count", found.calls, True),
        Field("total", "Total", "time", found.total, True),
        Field("mean", "Mean", "time", found.mean),
        Field("shortest", "Min", "time", found.shortest),
        Field("longest", "Max", "time", found.longest),
    ]  # fmt: skip
    if not np.isnan(found.blocks_per_sm).all():
        fields.append(Field("blocks_per_sm", "Blocks/SM", "number", found.blocks_per_sm, False,
                            "Blocks per multiprocessor, weighed by time: below 1 some of them idle"))  # fmt: skip
    if not np.isnan(found.occupancy).all():
        fields.append(Field("occupancy", "Occupancy", "percent", found.occupancy, False, "Estimated, weighed by time"))
    fields += [
        Field("tensor_cores", "Tensor cores", "flag", found.tensor_cores, False, "Computes on them, by its name"),
        Field("communication", "Communication", "flag", found.communication),
    ]
    return Sheet(tuple(fields), None, "-total", "The trace has no kernels: nothing ran on a device.")


def _launched(profile: Profile) -> NDArray[np.int64]:
    return launching_operator(profile)


def _owners(profile: Profile) -> dict[str, str]:
    """By kernel the operator whose calls launched most of its time."""
    events = profile.events
    owner = _launched(profile)
    rows = np.flatnonzero(events.of(Kind.KERNEL, Kind.COMM_KERNEL) & (owner >= 0))
    pairs = events.name[rows].astype(np.int64) << 32 | events.name[owner[rows]]
    groups, which = np.unique(pairs, return_inverse=True)
    total = np.bincount(which, (events.end - events.start)[rows], len(groups))
    found: dict[str, str] = {}
    for at in np.argsort(total, kind="stable").tolist():
        pair = int(groups[at])
        found[events.names[pair >> 32]] = events.names[pair & 0xFFFFFFFF]
    return found


def device_of(profile: Profile, options: Options) -> int:
    """The device that memory is asked of: its number, or the first one that the trace tells of.

    Raises:
        BadQuestion: the trace tells nothing of it.
    """
    said = options.get("device", "")
    told = memory_devices(profile)
    if not said:
        return next((device for device in told if device >= 0), -1)
    if said.removeprefix("-").isdecimal() and len(said) < 8 and int(said) in told:
        return int(said)
    raise BadQuestion(f"device={said!r}: the trace tells of the memory of {', '.join(map(str, told)) or 'no device'}")


def _modules(profile: Profile, _keep: Keep, _options: Options) -> Sheet:
    found = profile.modules()
    fields = [
        Field("name", "Module", "text", found.name),
        Field("calls", "Calls", "count", found.calls),
        Field("host_total", "Host total", "time", found.host_total, False, "Forward on the host, with what it holds"),
        Field("host_self", "Host self", "time", found.host_self, True, "Without the modules inside it"),
    ]
    if _has_device(profile):
        fields += [
            Field("device_total", "Device total", "time", found.device_total, False, "The work that it launched"),
            Field("device_self", "Device self", "time", found.device_self, True, "Without the modules inside it"),
        ]
    if found.backward_host.any():
        fields.append(Field("backward_host", "Backward host", "time", found.backward_host, False, "Its backward pass"))
    if found.backward_device.any():
        fields.append(Field("backward_device", "Backward device", "time", found.backward_device))
    fields.append(Field("path", "Path", "text", found.path))
    empty = "The trace has no modules: of PyTorch record with with_stack=True; of XLA operations have no scopes in it."
    return Sheet(tuple(fields), Tree(found.parent, found.depth), "", empty)


def _hlo(profile: Profile, _keep: Keep, _options: Options) -> Sheet:
    found = profile.hlo()
    fields = [
        Field("operation", "Operation", "text", found.operation),
        Field("category", "Category", "text", found.category),
        Field("module", "Program", "text", found.module),
        Field("calls", "Calls", "count", found.calls, True),
        Field("self_time", "Self", "time", found.self_time, True, "Without the operations inside it, as of a loop"),
        Field("share", "Share", "share", found.share, True, "Self time by that of all"),
        Field("total_time", "Total", "time", found.total_time),
    ]
    if not np.isnan(found.flops).all():
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(found.self_time > 0, found.flops / found.self_time, np.nan)
        fields += [
            Field("flops", "FLOPs", "number", found.flops, True, "Of all calls, as the trace has them"),
            Field("rate", "GFLOP/s", "number", rate, False, "FLOPs by self time"),
        ]
    if not np.isnan(found.bytes).all():
        fields.append(Field("bytes", "Bytes", "bytes", found.bytes, True, "Read and written, of all calls"))
    if len(set(found.device.tolist())) > 1:
        fields.append(Field("device", "Device", "count", found.device))
    fields += [Field("scope", "Made by", "text", found.scope, False, "The framework's operation, with its scopes"),
               Field("source", "Source", "text", found.source)]  # fmt: skip
    return Sheet(tuple(fields), None, "-self_time", "The trace has no operations of XLA.")


_NO_ADDRESSES: Final = "The trace has no addresses of memory, so how long a piece was kept is not known."
_NO_MEMORY: Final = "The trace has no memory: record with profile_memory=True."


def _memory(profile: Profile, _keep: Keep, options: Options) -> Sheet:
    found = profile.memory_by_operator(device_of(profile, options))
    fields = (
        Field("name", "Operator", "text", found.name),
        Field("calls", "Calls", "count", found.calls, True, "Those that took or gave back any"),
        Field("self_increase", "Self increase", "bytes", found.self_increase, True,
              "Taken less given back, by it alone", True),
        Field("increase", "Increase", "bytes", found.increase, False, "With the operators it called", True),
        Field("self_count", "Self allocations", "count", found.self_count, True),
        Field("count", "Allocations", "count", found.count),
        Field("self_size", "Self taken", "bytes", found.self_size, True, "All that it took, given back or not"),
        Field("size", "Taken", "bytes", found.size),
    )  # fmt: skip
    return Sheet(fields, None, "-self_size", _NO_MEMORY)


def _lifetimes(profile: Profile, keep: Keep, options: Options) -> Sheet:
    device = device_of(profile, options)
    found = keep(("tables.lifetimes", device), lambda one: one.lifetimes(device))
    which = np.ones(len(found), bool)
    if said := options.get("at", ""):
        when = _moment(said)
        which = ~(found.taken > when) & ~(found.freed <= when)  # what is not known was there, or is there still
    rows = np.flatnonzero(which)
    names = [found.operator[row] for row in rows.tolist()]
    taken, freed = found.taken[rows], found.freed[rows]
    fields = (
        Field("operator", "Taken by", "text", names, False, "The innermost operator in which it was taken"),
        Field("size", "Size", "bytes", found.size[rows], True),
        Field("taken", "Taken at", "moment", taken, False, "Empty: before the recording began"),
        Field("freed", "Given back at", "moment", freed, False, "Empty: after the recording ended"),
        Field("kept", "Kept for", "time", freed - taken),
    )
    told = profile.allocations.address.any()
    empty = "No piece of memory that the trace tells of was there then." if told else _NO_ADDRESSES
    return Sheet(fields, None, "-size", empty)


def _moment(said: str) -> float:
    try:
        found = float(said)
    except ValueError:
        found = np.nan
    if not np.isfinite(found):
        raise BadQuestion(f"at={said!r} is no time in nanoseconds")
    return found


TABLES: Final[Mapping[str, Callable[[Profile, Keep, Options], Sheet]]] = {
    "operators": _operators,
    "kernels": _kernels,
    "modules": _modules,
    "hlo": _hlo,
    "memory": _memory,
    "lifetimes": _lifetimes,
}
"""Each table by its name."""

_OPTIONS: Final = ("by", "device", "at")


def asked_table(query: Mapping[str, str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Which table a query asks for, and how.

    Raises:
        BadQuestion: there is no such table.
    """
    name = query.get("table", "operators")
    if name not in TABLES:
        raise BadQuestion(f"table={name!r} is none of {', '.join(TABLES)}")
    by = query.get("by", "name")
    if by not in ("name", "shapes"):
        raise BadQuestion(f"by={by!r} is neither name nor shapes")
    return name, tuple((option, query[option]) for option in _OPTIONS if query.get(option))


def sheet(profile: Profile, keep: Keep, name: str, options: Options) -> Sheet:
    """A table of a profile.

    Args:
        profile: the profile.
        keep: what keeps its parts.
        name: one of `TABLES`.
        options: `by` of operators, "name" or "shapes"; `device` of memory; `at` of lifetimes, nanoseconds: what was
            there at that time.

    Raises:
        BadQuestion: an option is none.
    """
    return TABLES[name](profile, keep, options)


def row_told(profile: Profile, keep: Keep, name: str, table: Sheet, row: int) -> dict[str, Any]:
    """All of a row: its whole texts, and of an operator its stacks, kernels and shapes, of a kernel what launched it.

    Raises:
        BadQuestion: there is no such row.
    """
    texts = row_texts(table, row)
    found: dict[str, Any] = {"texts": texts}
    if name == "operators":
        found |= _operator_told(profile, keep, texts["name"], texts.get("shapes"))
    elif name == "kernels":
        found |= _kernel_told(profile, keep, texts["name"])
    return found


def _operator_told(profile: Profile, keep: Keep, name: str, shapes: str | None) -> dict[str, Any]:
    events = profile.events
    which = events.named(name.__eq__) & events.of(Kind.CPU_OP, Kind.COMM_OP, Kind.COMPILE)
    code, texts = _shapes(profile)
    if shapes is not None:
        which &= np.array([text == shapes for text in texts], bool)[code]
    times = keep("tables.times", operator_times)
    stacks = operator_stacks(profile, which, times, keep("tables.python", python_parents))
    owner = keep("tables.owner", _launched)
    work = np.flatnonzero((owner >= 0) & which[owner])
    return {
        "stacks": [
            {
                "frames": [_short(frame) for frame in stacks.stack[i][:_MOST_FRAMES]],
                "calls": int(stacks.calls[i]),
                "host_self": float(stacks.host_self[i]),
                "host_total": float(stacks.host_total[i]),
                "device_self": float(stacks.device_self[i]),
                "device_total": float(stacks.device_total[i]),
            }
            for i in range(min(_MOST_TOLD, len(stacks)))
        ],
        "more_stacks": max(0, len(stacks) - _MOST_TOLD),
        "kernels": _counted(profile, work, [events.names[int(code)] for code in events.name[work]]),
        "shapes": _counted(profile, np.flatnonzero(which), [texts[at] for at in code[which].tolist()])
        if shapes is None and len(texts) > 1
        else [],
    }


def _kernel_told(profile: Profile, keep: Keep, name: str) -> dict[str, Any]:
    events = profile.events
    owner = keep("tables.owner", _launched)
    rows = np.flatnonzero(events.named(name.__eq__) & events.of(Kind.KERNEL, Kind.COMM_KERNEL))
    names = [events.name_of(owner[row]) if owner[row] >= 0 else "" for row in rows.tolist()]
    return {"operators": _counted(profile, rows, names), "launches": _counted(profile, rows, _launches(profile, rows))}


_LAUNCH: Final = (("grid", "grid"), ("block", "block"), ("registers", "registers"), ("shared_memory", "shared memory"))


def _launches(profile: Profile, rows: NDArray[np.int64]) -> list[str]:
    """How each kernel was launched, as words."""
    events = profile.events
    parts: list[list[str]] = [[] for _ in rows.tolist()]
    for column, word in _LAUNCH:
        at, values = events.extras.sparse(column)
        if not len(at):
            continue
        place = np.minimum(np.searchsorted(at, rows), len(at) - 1)
        fits = at[place] == rows
        for i in np.flatnonzero(fits).tolist():
            where = int(place[i])
            value = values.names[int(values.codes[where])] if isinstance(values, Labels) else f"{values[where]:g}"
            parts[i].append(f"{word} {value}")
    return [", ".join(words) for words in parts]


def _shapes(profile: Profile) -> tuple[NDArray[np.int64], list[str]]:
    """For each event which of the shapes it has, and those; the first is of those that have none."""
    events = profile.events
    code = np.zeros(len(events), np.int64)
    at, labels = events.extras.sparse("shapes")
    if not isinstance(labels, Labels):
        return code, [""]
    code[at] = labels.codes + 1
    return code, ["", *labels.names]


def _counted(profile: Profile, rows: NDArray[np.int64], names: list[str]) -> list[dict[str, Any]]:
    """How often each name occurs and how long those took, the longest first; none where no name says anything."""
    calls: dict[str, int] = {}
    total: dict[str, float] = {}
    lasting = (profile.events.end - profile.events.start)[rows].tolist()
    for name, time in zip(names, lasting, strict=True):
        calls[name] = calls.get(name, 0) + 1
        total[name] = total.get(name, 0.0) + time
    if set(calls) <= {""}:
        return []
    most = sorted(calls, key=lambda name: -total[name])[:_MOST_TOLD]
    return [{"name": _short(name), "calls": calls[name], "total": total[name]} for name in most]


def _short(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1]}…"
