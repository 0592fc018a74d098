"""Hyperparameters: what a run was started with, as TensorBoard's hparams dashboard keeps it, and how it ended.

A session (one run) has three summaries without values, whose messages are in the plugin's content:
`_hparams_/experiment` names the hyperparameters and metrics, `_hparams_/session_start_info` has the values, and
`_hparams_/session_end_info` how it ended. Source: metadata.py, plugin_data.proto and api.proto of TensorBoard's
hparams plugin. TensorBoard keeps the first content of a tag, so that the end is written once, at the end: a
session without one is still running, or was killed.
"""

from __future__ import annotations

import enum
import json
import math
import numbers
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, cast

from .errors import InvalidSummary
from .summary import DataClass, Event, Summary, as_number, as_tag, cure_of, kind_of

__all__ = [
    "Plain",
    "Session",
    "ended_well",
    "failing",
    "hparams_of",
    "metrics_of",
    "passed_through",
    "session_end",
    "session_start",
]

Plain = bool | float | str
_CALL = "add_hparams"
_NO_FAILURE = (StopIteration, StopAsyncIteration, GeneratorExit)


def hparams_of(given: Any) -> dict[str, Plain]:
    """Hyperparameters as TensorBoard can keep them: bool, number or string, by name.

    Args:
        given: a mapping (names within one inside it are `outer/inner`), a dataclass, or a namespace such as
            argparse's. NumPy's numbers and arrays or tensors of one element are numbers. None is left out, as a
            hyperparameter that is not there. Lists and longer arrays become JSON, functions, classes and enum
            members their names, NaN and infinity (which break the dashboard as numbers) and all else their text.

    Raises:
        InvalidSummary: it is none of these, a name is empty or there twice, a value has no text or one that is no
            valid Unicode.
    """
    out: dict[str, Plain] = {}
    _flatten(_fields(given, "hparam_dict"), "", out)
    return out


def _fields(given: Any, argument: str) -> Mapping[Any, Any]:
    if isinstance(given, Mapping):
        return cast("Mapping[Any, Any]", given)
    fields: Any = getattr(given, "__dataclass_fields__", None)
    if fields is not None and not isinstance(given, type):
        return {name: getattr(given, name) for name in fields}
    if type(given).__name__ in ("Namespace", "SimpleNamespace"):
        return vars(given)
    raise InvalidSummary(
        f"{_CALL}: expected {argument} to be a mapping from names to values, got {kind_of(given)}; "
        "pass a dict such as {'lr': 0.1}"
    )


def _flatten(given: Mapping[Any, Any], prefix: str, out: dict[str, Plain]) -> None:
    for key, value in given.items():
        name = prefix + as_tag(key if isinstance(key, str) else str(key), _CALL)
        if value is None:
            continue
        if isinstance(value, Mapping) or hasattr(cast("object", value), "__dataclass_fields__"):
            _flatten(_fields(cast("object", value), name), f"{name}/", out)
            continue
        if name in out:
            raise InvalidSummary(f"{_CALL}: the hyperparameter {name!r} is there twice; rename one of them")
        try:
            cure = cure_of(value, "") if hasattr(value, "shape") else ""  # models have devices, too
            plain = "" if cure else _plain(value)
        except Exception as error:  # of the user's class
            raise InvalidSummary(
                f"{_CALL}: {name!r} has no text, its {kind_of(value)} raises {type(error).__name__}: {error}; "
                "pass a number or a string"
            ) from error
        if cure:
            raise InvalidSummary(f"{_CALL}: expected {name!r} to have a value, got {kind_of(value)}; {cure}")
        if isinstance(plain, str):
            try:
                plain.encode()
            except UnicodeEncodeError as error:
                raise InvalidSummary(
                    f"{_CALL}: the text of {name!r} cannot be written as UTF-8 ({error.reason}); remove that character"
                ) from None
        out[name] = plain


def _plain(value: Any) -> Plain:
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, bool | str):
        return bool(value) if isinstance(value, bool) else str(value)
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return _plain_array(value)
    if isinstance(value, numbers.Real):
        try:
            number = float(value)
        except OverflowError:
            return str(value)
        return number if math.isfinite(number) else str(number)
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        return json.dumps(items, default=_jsonable, ensure_ascii=False)
    if callable(value):
        name: object = getattr(value, "__name__", None)
        return name if isinstance(name, str) else str(value)
    return str(value)


def _plain_array(value: Any) -> Plain:
    from .arrays import as_array

    try:
        array = as_array(value, _CALL, "a hyperparameter", copy=False)
    except InvalidSummary:  # strings, dates and the like
        return str(value)
    return _plain(array.item()) if array.size == 1 else json.dumps(array.tolist(), default=str)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): item for key, item in cast("Mapping[Any, Any]", value).items()}
    return _plain(value)


def metrics_of(given: Any) -> dict[str, float]:
    """Metrics by tag; what is a mapping inside gives `outer/inner`.

    Raises:
        InvalidSummary: something is no number, or a name is empty or there twice.
    """
    out: dict[str, float] = {}

    def flatten(inner: Mapping[Any, Any], prefix: str) -> None:
        for key, value in inner.items():
            tag = prefix + as_tag(key, _CALL)
            if isinstance(value, Mapping):
                flatten(cast("Mapping[Any, Any]", value), f"{tag}/")
            elif tag in out:
                raise InvalidSummary(f"{_CALL}: the metric {tag!r} is there twice; rename one of them")
            else:
                out[tag] = as_number(tag, value, _CALL)

    flatten(_fields(given, "metric_dict"), "")
    return out


def session_start(
    hparams: Mapping[str, Plain],
    metrics: Sequence[str] | None,
    domains: Mapping[str, Sequence[Any]] | None,
    start: float,
) -> list[Summary]:
    """The summaries that open a session.

    Without metrics and domains nothing is said of the experiment, and TensorBoard then finds out itself: every scalar
    of the run is a metric (`_compute_experiment_from_runs` in backend_context.py of its plugin).

    Args:
        hparams: see `hparams_of`.
        metrics: their tags; None where nobody says which there are.
        domains: for some hyperparameters all the values that they take.
        start: seconds since 1970.

    Raises:
        InvalidSummary: a domain is of no hyperparameter, or has values of another type.
    """
    from .proto import plugin_pb2 as pb

    experiment, info = pb.HParamsPluginData(), pb.HParamsPluginData()
    experiment.experiment.SetInParent()
    info.session_start_info.start_time_secs = start
    plain_domains = _domains(hparams, domains)
    for name, value in hparams.items():
        _set(info.session_start_info.hparams[name], value)
        entry = experiment.experiment.hparam_infos.add(name=name, type=_TYPES[type(value)])  # type: ignore[arg-type]
        for item in plain_domains.get(name, ()):
            _set(entry.domain_discrete.values.add(), item)
    for tag in metrics or ():
        experiment.experiment.metric_infos.add().name.tag = tag
    contents = {"session_start_info": info}
    if metrics is not None or plain_domains:
        contents = {"experiment": experiment, **contents}
    return [_summary(name, message.SerializeToString()) for name, message in contents.items()]


_TYPES: dict[type, int] = {str: 1, bool: 2, float: 3}  # DATA_TYPE_STRING, _BOOL, _FLOAT64 of api.proto


def _domains(hparams: Mapping[str, Plain], domains: Any) -> dict[str, list[Plain]]:
    out: dict[str, list[Plain]] = {}
    for name, values in _fields(domains or {}, "hparam_domain_discrete").items():
        if name not in hparams:
            raise InvalidSummary(
                f"{_CALL}: hparam_domain_discrete names {name!r}, which hparam_dict has not; there are "
                f"{', '.join(map(repr, hparams)) or 'none'}"
            )
        plain = [_plain(value) for value in values] if isinstance(values, list | tuple | set | range) else []  # pyright: ignore[reportUnknownVariableType]
        wanted = type(hparams[name])
        if not plain or any(type(value) is not wanted for value in plain):
            raise InvalidSummary(
                f"{_CALL}: expected hparam_domain_discrete[{name!r}] to be a list of values of type "
                f"{wanted.__name__}, as in hparam_dict, got {values!r}"
            )
        out[name] = plain
    return out


def _set(message: Any, value: Plain) -> None:
    field = {str: "string_value", bool: "bool_value", float: "number_value"}[type(value)]
    setattr(message, field, value)


def _summary(name: str, content: bytes) -> Summary:
    return Summary(f"_hparams_/{name}", "hparams", DataClass.TENSOR, None, content=content)


def session_end(failed: bool, end: float) -> Summary:
    """The summary that says how a session ended, and when (seconds since 1970)."""
    from .proto import plugin_pb2 as pb

    message = pb.HParamsPluginData()
    message.session_end_info.status = pb.STATUS_FAILURE if failed else pb.STATUS_SUCCESS
    message.session_end_info.end_time_secs = end
    return _summary("session_end_info", message.SerializeToString())


class Session:
    """The session of a writer's own run: open from its first hyperparameters until the writer is closed.

    It knows no writer, so that it can still write its end when that is already gone.
    """

    def __init__(self) -> None:
        self.hparams: dict[str, Plain] | None = None
        self._step = 0
        self._open: list[int] = []  # the process in which it is open; a list, of which one thread alone can take it

    def begin(self, hparams: dict[str, Plain], step: int) -> None:
        """Says that the run has these hyperparameters; its end will be written at this step."""
        self.hparams, self._step, self._open = hparams, step, [os.getpid()]

    def end(self, write: Callable[[Event], None], failed: bool | None = None) -> None:
        """Writes the end, once, and in the process that wrote the start.

        Args:
            write: takes the event.
            failed: whether training did; None to find out.
        """
        try:
            if self._open.pop() != os.getpid():
                return
        except IndexError:
            return
        now = time.time()
        write(Event(self._step, now, session_end(failing() if failed is None else failed, now)))


def failing() -> bool:
    """Whether a writer that nobody closed is let go because of an exception.

    One is being handled, or has ended the program: the interpreter keeps that for debuggers (where it runs
    interactively that says nothing, because the session went on).
    """
    if sys.exc_info()[0] is not None:
        return True
    interactive = hasattr(sys, "ps1") or bool(sys.flags.interactive)
    return not interactive and getattr(sys, "last_type", None) is not None


def passed_through(frame: Any) -> bool:
    """Whether the exception that is being handled, if any, came through this frame: so a `finally` or `except` there.

    An exception handled further out (a program that falls back to another way of training) does not count.
    """
    error = sys.exc_info()[1]
    if error is None or isinstance(error, _NO_FAILURE) or ended_well(error):
        return False
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if trace.tb_frame is frame:
            return True
        trace = trace.tb_next
    return False


def ended_well(error: BaseException | None) -> bool:
    """Whether leaving a `with` by this exception is no failure: there is none, or it is `sys.exit(0)`."""
    return error is None or (isinstance(error, SystemExit) and error.code in (None, 0))
