"""A table of session groups as a file: CSV, JSON or LaTeX, as TensorBoard's download writes them."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any, Final

__all__ = ["FORMATS", "table_of", "written"]

FORMATS: Final = {"json": "application/json", "csv": "text/csv", "latex": "application/x-latex"}

Table = tuple[list[str], list[list[Any]]]


def table_of(experiment: dict[str, Any], groups: list[dict[str, Any]], visible: list[bool]) -> Table:
    """A title for each hyperparameter and metric, and a row for each group.

    Args:
        experiment: as TensorBoard's JSON has it.
        groups: the same.
        visible: of each column, whether it is wanted; those behind the last are not.
    """
    hparams = [info["name"] for info in experiment["hparamInfos"]]
    metrics = [(info["name"]["group"], info["name"]["tag"]) for info in experiment["metricInfos"]]
    titles = [info["displayName"] or info["name"] for info in experiment["hparamInfos"]]
    titles += [info["displayName"] or info["name"]["tag"] for info in experiment["metricInfos"]]
    rows: list[list[Any]] = []
    for group in groups:
        values = {(each["name"]["group"], each["name"]["tag"]): each["value"] for each in group["metricValues"]}
        row = [group["hparams"].get(name, "") for name in hparams] + [values.get(metric) for metric in metrics]
        rows.append(_only(row, visible))
    return _only(titles, visible), rows


def _only(row: list[Any], visible: list[bool]) -> list[Any]:
    return [value for value, wanted in zip(row, visible, strict=False) if wanted]


def written(table: Table, form: str) -> str:
    """The table as text in one of `FORMATS`."""
    titles, rows = table
    if form == "json":
        return json.dumps({"header": titles, "rows": rows})
    if form == "csv":
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(titles)
        writer.writerows(rows)
        return out.getvalue()
    lines = [f"{' & '.join(map(_tex, row))} \\\\\n" for row in rows]
    begin = f"\\begin{{table}}[tbp]\n\\begin{{tabular}}{{{'l' * len(titles)}}}\n"
    head = f"{' & '.join(map(_tex, titles))} \\\\ \\hline\n"
    return f"{begin}{head}{''.join(lines)}\\hline\n\\end{{tabular}}\n\\end{{table}}\n"


def _tex(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"${value:d}$"
    if not isinstance(value, float):
        return str(value).replace("_", "\\_").replace("%", "\\%")
    if not math.isfinite(value):
        return "$\\mathrm{NaN}$" if math.isnan(value) else f"${'-' if value < 0 else '+'}\\infty$"
    coefficient, _, exponent = f"{value:.3g}".partition("e")
    return f"${coefficient}\\cdot 10^{{{int(exponent)}}}$" if exponent else f"${coefficient}$"
