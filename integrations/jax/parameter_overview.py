"""Tables of parameters, by the names of `clu.parameter_overview`; for any tree of arrays, of any library.

from tallyboard.integrations.jax import parameter_overview

print(parameter_overview.get_parameter_overview(params))
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

from tallyboard.core.errors import InvalidSummary

from .framework import jax, jnp
from .logged import logger
from .trees import named_leaves

__all__ = [
    "ParamRow",
    "ParamRowWithSharding",
    "ParamRowWithStats",
    "ParamRowWithStatsAndSharding",
    "count_parameters",
    "get_parameter_overview",
    "get_parameter_rows",
    "log_parameter_overview",
    "make_table",
    "parameters_size",
]

_LINES = 80  # of a table that one entry of a log takes


@dataclasses.dataclass
class ParamRow:
    """What a parameter is: its path, shape, dtype, and how many numbers it has."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    size: int


@dataclasses.dataclass
class ParamRowWithSharding(ParamRow):
    """The same, and how it lies on devices."""

    sharding: tuple[Any, ...] | str


@dataclasses.dataclass
class ParamRowWithStats(ParamRow):
    """The same, and its mean and standard deviation."""

    mean: float
    std: float


@dataclasses.dataclass
class ParamRowWithStatsAndSharding(ParamRowWithStats):
    """All of these."""

    sharding: tuple[Any, ...] | str


def count_parameters(params: Any) -> int:
    """How many numbers a tree of arrays holds."""
    return sum(math.prod(leaf.shape) for _, leaf in named_leaves(params))


def parameters_size(params: Any) -> int:
    """How many bytes they take."""
    return sum(math.prod(leaf.shape) * jnp.dtype(leaf.dtype).itemsize for _, leaf in named_leaves(params))


def get_parameter_rows(params: Any, *, include_stats: bool | str = False) -> list[Any]:
    """A row for each parameter, ordered by name.

    Args:
        params: any tree of arrays: nested dicts, flax' (linen and nnx), haiku's, equinox'.
        include_stats: False for `ParamRow`, True for `ParamRowWithStats`, `"sharding"` for `ParamRowWithSharding`,
            `"global"` for `ParamRowWithStatsAndSharding`. Means and deviations are computed where the arrays lie, in
            one wait; of arrays that lie on several processes only `"global"` can tell them, called by all of these.

    Raises:
        InvalidSummary: it holds no arrays, or `include_stats` is none of these.
    """
    kinds: dict[Any, Any] = {
        False: ParamRow,
        True: ParamRowWithStats,
        "sharding": ParamRowWithSharding,
        "global": ParamRowWithStatsAndSharding,
    }
    if include_stats not in kinds:
        raise InvalidSummary(f"include_stats={include_stats!r}: expected False, True, 'sharding' or 'global'")
    leaves = sorted(named_leaves(params))
    stats: list[dict[str, Any]] = [{} for _ in leaves]
    if include_stats in (True, "global"):
        means, deviations = jax.device_get(_moments([leaf for _, leaf in leaves]))
        stats = [{"mean": float(m), "std": float(s)} for m, s in zip(means, deviations, strict=True)]
    rows: list[Any] = []
    for (name, leaf), more in zip(leaves, stats, strict=True):
        if include_stats in ("sharding", "global"):
            more["sharding"] = _sharding(leaf)
        plain = {"name": name, "shape": tuple(leaf.shape), "dtype": str(leaf.dtype), "size": math.prod(leaf.shape)}
        rows.append(kinds[include_stats](**plain, **more))
    return rows


@jax.jit
def _moments(leaves: Any) -> Any:
    return [jnp.mean(leaf) for leaf in leaves], [jnp.std(leaf) for leaf in leaves]


def _sharding(leaf: Any) -> tuple[Any, ...] | str:
    sharding = getattr(leaf, "sharding", None)
    if sharding is None:
        return ()
    return tuple(sharding.spec) if hasattr(sharding, "spec") else str(sharding)


def _cell(value: Any) -> str:
    """Whole numbers with commas, others with three digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.3}"


def make_table(
    rows: Sequence[Any],
    *,
    column_names: Sequence[str] | None = None,
    value_formatter: Callable[[Any], str] = _cell,
    max_lines: int | None = None,
) -> str:
    """Dataclasses as a table of characters.

    Args:
        rows: instances of one dataclass.
        column_names: its fields that are shown; all when absent.
        value_formatter: makes a value's text.
        max_lines: how long the table may be; the rest becomes `[...]`.

    Raises:
        InvalidSummary: they are no dataclasses, or not of one type.
    """
    if any(not dataclasses.is_dataclass(row) for row in rows) or len({type(row) for row in rows}) > 1:
        raise InvalidSummary("make_table: expected rows to be instances of one dataclass")
    if column_names is None:
        if not rows:
            return "(empty table)"
        column_names = [field.name for field in dataclasses.fields(rows[0])]
    columns = [[value_formatter(getattr(row, name)) for row in rows] for name in column_names]
    widths = [max(map(len, (name, *cells))) for name, cells in zip(column_names, columns, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "|" + "|".join(f" {cell:<{width}} " for cell, width in zip(cells, widths, strict=True)) + "|"

    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    lines = [rule, line([name.capitalize() for name in column_names]), rule]
    for cells in zip(*columns, strict=True):
        if max_lines and len(lines) >= max_lines - 3:
            lines.append("[...]")
            break
        lines.append(line(cells))
    return "\n".join([*lines, rule])


def get_parameter_overview(params: Any, *, include_stats: bool | str = True, max_lines: int | None = None) -> str:
    """A table of all parameters, and how many numbers and bytes they are.

    Args:
        params, include_stats: as of `get_parameter_rows`.
        max_lines: how long the table may be.

    Raises:
        InvalidSummary: as `get_parameter_rows`.
    """
    rows = get_parameter_rows(params, include_stats=include_stats)
    table = make_table(rows, max_lines=max_lines)
    return f"{table}\nTotal: {count_parameters(params):,} -- {parameters_size(params):,} bytes"


def log_parameter_overview(
    params: Any,
    *,
    include_stats: bool | str = True,
    max_lines: int | None = None,
    msg: str | None = None,
    jax_logging_process: int | None = None,
) -> None:
    """Writes that table into the program's log, at level INFO.

    Args:
        params, include_stats, max_lines: as of `get_parameter_overview`.
        msg: a line before it.
        jax_logging_process: the only process that writes it; every one when absent.

    Raises:
        InvalidSummary: as `get_parameter_rows`.
    """
    table = get_parameter_overview(params, include_stats=include_stats, max_lines=max_lines)
    if jax_logging_process not in (None, jax.process_index()) or not logger().isEnabledFor(logging.INFO):
        return
    lines = [*([msg] if msg else []), *table.split("\n")]
    for start in range(0, len(lines), _LINES):
        logger().info("\n%s", "\n".join(lines[start : start + _LINES]))
