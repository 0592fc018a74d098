"""What changed between two profiles, as the page shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tallyboard.core.profiles.difference import kernel_changes, operator_changes

from .profile_sheets import BadQuestion, Field, Sheet

if TYPE_CHECKING:
    from tallyboard.core.profiles.difference import Changes, Difference, Side
    from tallyboard.core.profiles.model import Profile

    from .profile_sheets import Kind

__all__ = ["difference_told", "sheet"]


def difference_told(found: Difference) -> dict[str, Any]:
    """Sentences, both sides, and each part of a step; times are nanoseconds of a step."""
    parts = found.parts
    return {
        "says": found.says,
        "notes": list(found.notes),
        "certain": found.certain,
        "interval": list(found.interval) if found.interval is not None else None,
        "base": _side(found.base),
        "now": _side(found.now),
        "parts": [
            {"name": name, "base": float(parts.base["time"][i]), "now": float(parts.now["time"][i])}
            for i, name in enumerate(parts.name)
        ],
    }


def _side(side: Side) -> dict[str, Any]:
    verdict = side.verdict
    return {
        "worker": side.worker,
        "source": side.source,
        "rank": side.rank,
        "counted": side.counted,
        "step": side.step,
        "marked": side.marked,
        "verdict": {
            "kind": verdict.kind,
            "degree": verdict.degree,
            "share": verdict.share,
            "says": verdict.says,
        },
    }


_WORDS = {
    "device_self": "device self",
    "device_total": "device total",
    "host_self": "host self",
    "host_total": "host total",
    "total": "total",
    "mean": "mean",
}


def sheet(base: Profile, now: Profile, table: str, by: str) -> Sheet:
    """The table of operators or kernels with both sides.

    Args:
        base: the one that it is compared with.
        now: the one that is looked at.
        table: "operators" or "kernels".
        by: of operators "name" or "shapes".

    Raises:
        BadQuestion: there is no such table.
    """
    if by not in ("name", "shapes"):
        raise BadQuestion(f"by={by!r} is neither name nor shapes")
    if table == "operators":
        found = operator_changes(base, now, "shapes" if by == "shapes" else "name")
        host = ("host_self", "host_total")
        measures = ("device_self", *host, "device_total") if found.by == "device_self" else host
    elif table == "kernels":
        found = kernel_changes(base, now)
        measures = ("total", "mean")
    else:
        raise BadQuestion(f"table={table!r} is neither operators nor kernels")
    title = "Operator" if table == "operators" else "Kernel"
    fields = [Field("name", title, "text", found.name)]
    if by == "shapes" and table == "operators":
        fields.append(Field("shapes", "Shapes of inputs", "text", found.shapes))
    fields.append(Field("status", "There", "text", found.status, False, "On both sides, only now, or only before"))
    for measure in measures:
        fields += _measured(found, measure, "time", measure in ("device_self", "host_self", "total"))
    fields += _measured(found, "calls", "count", True)
    return Sheet(tuple(fields), None, f"~change_{found.by}", f"Neither of the two has {table}.")


def _measured(found: Changes, measure: str, kind: Kind, sums: bool) -> list[Field]:
    word = _WORDS.get(measure, measure)
    base, now, change = found.base[measure], found.now[measure], found.change(measure)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(base != 0, change / base, np.nan)
    fields = [
        Field(f"change_{measure}", f"Δ {word}", kind, change, sums, "Now less before, of a step", True),
        Field(f"share_{measure}", "Δ %", "share", share, False, f"Of {word} before", True),
        Field(f"base_{measure}", f"Before: {word}", kind, base, sums),
        Field(f"now_{measure}", f"Now: {word}", kind, now, sums),
    ]
    return fields if sums and measure != "calls" else [fields[0], *fields[2:]]
