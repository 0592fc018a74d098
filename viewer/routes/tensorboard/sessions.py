"""What runs say of hyperparameters, and the experiment that they make together.

The rules are those of TensorBoard's hparams plugin: an experiment that a run announced is taken as it is, else one is
put together of all sessions' hyperparameters and of all scalars in their runs and below.
"""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .values import head, tags_of

if TYPE_CHECKING:
    from tallyboard.core.proto.plugin_pb2 import Experiment, HParamsPluginData, SessionEndInfo, SessionStartInfo

    from ...context import Context

__all__ = ["Metric", "Said", "experiment", "joined", "said_of_runs", "values_of"]

_TAGS: Final = {
    "_hparams_/experiment": "experiment",
    "_hparams_/session_start_info": "session_start_info",
    "_hparams_/session_end_info": "session_end_info",
}
_TYPES: Final = {float: "DATA_TYPE_FLOAT64", str: "DATA_TYPE_STRING", bool: "DATA_TYPE_BOOL"}


class Metric(NamedTuple):
    """A metric: a scalar's tag, and the run below a session's own, or empty."""

    group: str
    tag: str


class Said:
    """What one run said."""

    def __init__(self) -> None:
        self.experiment: Experiment | None = None
        self.start: SessionStartInfo | None = None
        self.end: SessionEndInfo | None = None


def said_of_runs(context: Context) -> dict[str, Said]:
    """What each run said, of those that said anything."""
    found: dict[str, Said] = {}
    for run, tag in tags_of(context, "hparams"):
        part = _TAGS.get(tag)
        data = None if part is None else _parsed(head(context, "hparams", run, tag).content)
        if data is None or data.WhichOneof("data") != part:
            continue
        said = found.setdefault(run, Said())
        if part == "experiment":
            said.experiment = data.experiment
        elif part == "session_start_info":
            said.start = data.session_start_info
        else:
            said.end = data.session_end_info
    return found


def _parsed(content: bytes) -> HParamsPluginData | None:
    from google.protobuf.message import DecodeError

    from tallyboard.core.proto.plugin_pb2 import HParamsPluginData

    try:
        return HParamsPluginData.FromString(content)
    except DecodeError:
        return None


def joined(session: str, group: str) -> str:
    """The run that has a session's metrics of a group."""
    return posixpath.join(session, group).rstrip("/") or "."


def values_of(start: SessionStartInfo) -> dict[str, str | bool | float]:
    """The hyperparameters of a session that are text, bools or numbers."""
    found: dict[str, str | bool | float] = {}
    for name, value in sorted(start.hparams.items()):
        kind = value.WhichOneof("kind")
        if kind in ("string_value", "bool_value", "number_value"):
            found[name] = getattr(value, kind)
    return found


def experiment(context: Context, said: dict[str, Said], *, metrics: bool) -> dict[str, Any]:
    """The experiment as TensorBoard's JSON has it; its hyperparameters in no order.

    Args:
        context: for the scalars.
        said: what runs said.
        metrics: whether they are wanted.
    """
    from google.protobuf import json_format

    from tallyboard.core.proto.plugin_pb2 import Experiment

    announced = next((each.experiment for each in said.values() if each.experiment is not None), None)
    found = json_format.MessageToDict(announced or Experiment(), always_print_fields_with_no_presence=True)
    if announced is None:
        found["hparamInfos"] = [info for info in map(_info, _by_name(said).items()) if info is not None]
        names = _metrics(context, {run for run, each in said.items() if each.start is not None})
        of_metrics = {"displayName": "", "description": "", "datasetType": "DATASET_UNKNOWN"}
        listed = [{"name": name._asdict(), **of_metrics} for name in names]
        found["metricInfos"] = listed if found["hparamInfos"] else []
    for info in found["hparamInfos"]:
        info.setdefault("differs", False)
    if not metrics:
        found["metricInfos"] = []
    return found


def _by_name(said: dict[str, Said]) -> dict[str, list[str | bool | float]]:
    found: dict[str, list[str | bool | float]] = {}
    for each in said.values():
        for name, value in values_of(each.start).items() if each.start is not None else ():
            found.setdefault(name, []).append(value)
    return found


def _info(named: tuple[str, list[str | bool | float]]) -> dict[str, Any] | None:
    """The type that fits all values of a hyperparameter, which ones there are, and whether they differ."""
    name, values = named
    kinds = {type(value) for value in values}
    info: dict[str, Any] = {"name": name, "displayName": "", "description": ""}
    if kinds == {float}:
        numbers = sorted(float(value) for value in values)
        interval = {"minValue": numbers[0], "maxValue": numbers[-1]}
        return {**info, "type": _TYPES[float], "domainInterval": interval, "differs": len(set(numbers)) > 1}
    if kinds == {bool}:
        return {**info, "type": _TYPES[bool], "domainDiscrete": sorted(set(values)), "differs": len(set(values)) > 1}
    words = sorted({value if isinstance(value, str) else json.dumps(value) for value in values})
    return {**info, "type": _TYPES[str], "domainDiscrete": words, "differs": len(words) > 1}


def _metrics(context: Context, sessions: set[str]) -> list[Metric]:
    """Every scalar of a session's run, or of one below it, sorted by tag and group."""
    found: set[Metric] = set()
    for run, tag in tags_of(context, "scalars"):
        above = run
        while above and above not in sessions:
            above = posixpath.dirname(above)
        if above:
            found.add(Metric(run[len(above) :].lstrip("/"), tag))
    return sorted(found, key=lambda metric: (metric.tag, metric.group))
