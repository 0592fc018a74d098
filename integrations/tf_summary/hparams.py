"""Hyperparameters, as `tensorboard.plugins.hparams.api` has them.

    from tallyboard.integrations import tf_summary as summary
    from tallyboard.integrations.tf_summary import hparams as hp

    units = hp.HParam("units", hp.Discrete([16, 32]))
    with summary.create_file_writer("logs").as_default():
        hp.hparams_config(hparams=[units], metrics=[hp.Metric("accuracy")])
    with summary.create_file_writer("logs/run-0").as_default():
        hp.hparams({units: 16})
        summary.scalar("accuracy", 0.5, step=1)

`KerasCallback` is there as well; it imports Keras when it is first asked for. Source of the format: summary_v2.py and
metadata.py of TensorBoard's hparams plugin.
"""

from __future__ import annotations

import abc
import hashlib
import json
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tallyboard.core.errors import InvalidSummary
from tallyboard.core.hparams import hparams_of
from tallyboard.core.proto import event_pb2 as events
from tallyboard.core.proto import plugin_pb2 as pb
from tallyboard.core.summary import kind_of

from .defaults import not_converted
from .summaries import write_raw_pb

if TYPE_CHECKING:
    from .keras_callback import KerasCallback

__all__ = [
    "Discrete",
    "Domain",
    "HParam",
    "IntInterval",
    "KerasCallback",
    "Metric",
    "RealInterval",
    "hparams",
    "hparams_config",
    "hparams_config_pb",
    "hparams_pb",
]

Plain = bool | int | float | str
EXPERIMENT, START, END = (f"_hparams_/{name}" for name in ("experiment", "session_start_info", "session_end_info"))
_TYPES = {
    int: pb.DATA_TYPE_FLOAT64,
    float: pb.DATA_TYPE_FLOAT64,
    bool: pb.DATA_TYPE_BOOL,
    str: pb.DATA_TYPE_STRING,
}


def __getattr__(name: str) -> Any:
    if name == "KerasCallback":
        from .keras_callback import KerasCallback

        return KerasCallback
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# What is written ----------------------------------------------------------------------------------------------------


@not_converted
def hparams(hparams: Mapping[Any, Any], trial_id: str | None = None, start_time_secs: float | None = None) -> Any:
    """Writes the hyperparameters of one trial, to the default writer.

    Args:
        hparams: values by name, or by `HParam`: bool, int, float, str and NumPy's numbers; None is left out, anything
            else becomes text as `SummaryWriter.add_hparams` makes it.
        trial_id: trials of one id are shown as one; a hash of the hyperparameters when absent.
        start_time_secs: seconds since 1970; now when absent.

    Returns:
        Whether it was written: False without a default writer, or where `record_if` says no.

    Raises:
        InvalidSummary: it is no mapping, a name is there twice, or the id is no string.
    """
    return write_raw_pb(hparams_pb(hparams, trial_id, start_time_secs), step=0)


def hparams_pb(
    hparams: Mapping[Any, Any], trial_id: str | None = None, start_time_secs: float | None = None
) -> events.Summary:
    """The message that `hparams` writes.

    Args:
        hparams, trial_id, start_time_secs: see `hparams`.

    Returns:
        A `Summary`, with TensorBoard's fields, in a class of our own.

    Raises:
        InvalidSummary: it is no mapping, a name is there twice, or the id is no string.
    """
    values = _values(hparams)
    if trial_id is None:
        written = json.dumps(values, sort_keys=True, separators=(",", ":"))  # TensorBoard's way to one hash a trial
        trial_id = hashlib.sha256(written.encode()).hexdigest()
    elif not isinstance(trial_id, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidSummary(f"hparams: expected trial_id to be a string, got {kind_of(trial_id)}; use str()")
    start = pb.SessionStartInfo(
        group_name=trial_id, start_time_secs=time.time() if start_time_secs is None else start_time_secs
    )
    for name in sorted(values):
        value = values[name]
        if isinstance(value, bool):
            start.hparams[name].bool_value = value
        elif isinstance(value, str):
            start.hparams[name].string_value = value
        else:
            start.hparams[name].number_value = value
    return summary_pb(START, pb.HParamsPluginData(session_start_info=start))


def _values(hparams: Any) -> dict[str, Plain]:
    if not isinstance(hparams, Mapping):
        raise InvalidSummary(
            f"hparams: expected a mapping from names to values, got {kind_of(hparams)}; pass a dict such as "
            "{'lr': 0.1}"
        )
    out: dict[str, Plain] = {}
    for key, value in hparams.items():
        name = key if isinstance(key, str) else getattr(key, "name", None)
        if not isinstance(name, str):
            raise InvalidSummary(f"hparams: expected names or HParam objects as keys, got {kind_of(key)}")
        plain = value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value
        for one, as_one in ({name: plain} if type(plain) in (bool, int, str) else hparams_of({name: plain})).items():
            if one in out:
                raise InvalidSummary(f"hparams: multiple values specified for hparam {one!r}; keep one of them")
            out[one] = as_one
    return out


@not_converted
def hparams_config(hparams: Iterable[Any], metrics: Iterable[Any], time_created_secs: float | None = None) -> Any:
    """Writes which hyperparameters and metrics an experiment has, to the default writer: that of the top directory.

    Args:
        hparams: `HParam` objects.
        metrics: `Metric` objects.
        time_created_secs: seconds since 1970; now when absent.

    Returns:
        Whether it was written: False without a default writer, or where `record_if` says no.
    """
    return write_raw_pb(hparams_config_pb(hparams, metrics, time_created_secs), step=0)


def hparams_config_pb(
    hparams: Iterable[Any], metrics: Iterable[Any], time_created_secs: float | None = None
) -> events.Summary:
    """The message that `hparams_config` writes.

    Args:
        hparams, metrics, time_created_secs: see `hparams_config`.

    Returns:
        A `Summary`, with TensorBoard's fields, in a class of our own.
    """
    experiment = pb.Experiment(time_created_secs=time.time() if time_created_secs is None else time_created_secs)
    for hparam in hparams:
        info = experiment.hparam_infos.add(
            name=hparam.name, description=hparam.description, display_name=hparam.display_name
        )
        if hparam.domain is not None:
            hparam.domain.update_hparam_info(info)
    for metric in metrics:
        experiment.metric_infos.add().MergeFromString(metric.as_proto().SerializeToString())  # TensorBoard's own too
    return summary_pb(EXPERIMENT, pb.HParamsPluginData(experiment=experiment))


def summary_pb(tag: str, content: pb.HParamsPluginData) -> events.Summary:
    """A message whose plugin's content says everything, with a tensor of no numbers."""
    summary = events.Summary()
    value = summary.value.add(tag=tag)
    value.metadata.plugin_data.plugin_name = "hparams"
    value.metadata.plugin_data.content = content.SerializeToString()
    value.tensor.dtype = events.DT_FLOAT
    value.tensor.tensor_shape.dim.add(size=0)
    return summary


# What hyperparameters and metrics are ---------------------------------------------------------------------------------


class HParam:
    """A hyperparameter: its name, and the values it may take.

    Args:
        name: unique in an experiment.
        domain: the values.
        display_name: shown in place of the name.
        description: markdown.

    Raises:
        InvalidSummary: `domain` is no `Domain`.
    """

    def __init__(
        self,
        name: str,
        domain: Domain | None = None,
        display_name: str | None = None,
        description: str | None = None,
    ) -> None:
        if domain is not None and not isinstance(domain, Domain) and not hasattr(domain, "update_hparam_info"):
            raise InvalidSummary(
                f"HParam({name!r}): not a domain: {domain!r}; give Discrete, IntInterval or RealInterval"
            )
        self._name, self._domain = name, domain
        self._display_name, self._description = display_name, description

    def __str__(self) -> str:
        return f"<HParam {self._name!r}: {self._domain}>"

    def __repr__(self) -> str:
        return (
            f"HParam(name={self._name!r}, domain={self._domain!r}, display_name={self._display_name!r}, "
            f"description={self._description!r})"
        )

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    @property
    def domain(self) -> Domain | None:
        """The values it may take, if that was said."""
        return self._domain

    @property
    def display_name(self) -> str | None:
        """Shown in place of the name."""
        return self._display_name

    @property
    def description(self) -> str | None:
        """Markdown."""
        return self._description


class Domain(abc.ABC):
    """The values that a hyperparameter may take, all of one type: float, int, bool or str."""

    @property
    @abc.abstractmethod
    def dtype(self) -> type:
        """The values' type."""

    @abc.abstractmethod
    def sample_uniform(self, rng: Any = random) -> Any:
        """One of the values, each as likely.

        Args:
            rng: a `random.Random`.

        Raises:
            IndexError: there are none.
        """

    @abc.abstractmethod
    def update_hparam_info(self, hparam_info: Any) -> None:
        """Sets type and domain of an `HParamInfo` message."""


class _Interval(Domain):
    _type: type[int] | type[float]

    def __init__(self, min_value: Any = None, max_value: Any = None) -> None:
        for name, value in (("min_value", min_value), ("max_value", max_value)):
            if not isinstance(value, self._type):
                a = "an int" if self._type is int else "a float"
                raise _WrongType(f"{type(self).__name__}: {name} must be {a}: {value!r}")
        if min_value > max_value:
            raise InvalidSummary(f"{type(self).__name__}: {min_value!r} > {max_value!r}; swap them")
        self._min_value, self._max_value = min_value, max_value

    def __str__(self) -> str:
        return f"[{self._min_value}, {self._max_value}]"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._min_value!r}, {self._max_value!r})"

    @property
    def dtype(self) -> type:
        """The values' type."""
        return self._type

    @property
    def min_value(self) -> Any:
        """The least value."""
        return self._min_value

    @property
    def max_value(self) -> Any:
        """The greatest value."""
        return self._max_value

    def update_hparam_info(self, hparam_info: Any) -> None:
        """Sets type and domain of an `HParamInfo` message."""
        hparam_info.type = pb.DATA_TYPE_FLOAT64
        hparam_info.domain_interval.min_value = self._min_value
        hparam_info.domain_interval.max_value = self._max_value


class _WrongType(InvalidSummary, TypeError):
    """TensorBoard raises TypeError here."""


class IntInterval(_Interval):
    """All integers from `min_value` to `max_value`, both among them."""

    _type = int

    def sample_uniform(self, rng: Any = random) -> int:
        """One of the values, each as likely; `rng` is a `random.Random`."""
        return rng.randint(self._min_value, self._max_value)


class RealInterval(_Interval):
    """All real numbers from `min_value` to `max_value`, floats both."""

    _type = float

    def sample_uniform(self, rng: Any = random) -> float:
        """One of the values, each as likely; `rng` is a `random.Random`."""
        return rng.uniform(self._min_value, self._max_value)


class Discrete(Domain):
    """Some values of one type.

    Args:
        values: in any order.
        dtype: int, float, bool or str; that of the first value when absent.

    Raises:
        InvalidSummary: there are no values and no dtype, it is another type, or (a TypeError too) a value has another.
    """

    def __init__(self, values: Iterable[Any], dtype: type | None = None) -> None:
        self._values: list[Any] = list(values)
        if dtype is None:
            if not self._values:
                raise InvalidSummary("Discrete: Empty domain with no dtype specified; give dtype=int or another")
            dtype = type(self._values[0])
        if dtype not in _TYPES:
            raise InvalidSummary(f"Discrete: Unknown dtype: {dtype!r}; give int, float, bool or str")
        for value in self._values:
            if not isinstance(value, dtype):
                raise _WrongType(f"Discrete: dtype mismatch: not isinstance({value!r}, {dtype.__name__})")
        self._dtype = dtype
        self._values.sort()

    def __str__(self) -> str:
        return "{" + ", ".join(map(repr, self._values)) + "}"

    def __repr__(self) -> str:
        return f"Discrete({self._values!r})"

    @property
    def dtype(self) -> type:
        """The values' type."""
        return self._dtype

    @property
    def values(self) -> list[Any]:
        """The values, in ascending order."""
        return list(self._values)

    def sample_uniform(self, rng: Any = random) -> Any:
        """One of the values, each as likely; `rng` is a `random.Random`."""
        return rng.choice(self._values)

    def update_hparam_info(self, hparam_info: Any) -> None:
        """Sets type and domain of an `HParamInfo` message."""
        hparam_info.type = _TYPES[self._dtype]
        hparam_info.ClearField("domain_discrete")
        hparam_info.domain_discrete.extend(self._values)


class Metric:
    """A metric: the tag of a scalar, and where it is.

    Args:
        tag: the scalar's tag.
        group: the directory below the trial's that has it, such as `validation`; the trial's own when absent.
        display_name: shown in place of the tag.
        description: markdown.
        dataset_type: `Metric.TRAINING` or `Metric.VALIDATION`.

    Raises:
        InvalidSummary: `dataset_type` is something else.
    """

    TRAINING = pb.DATASET_TRAINING
    VALIDATION = pb.DATASET_VALIDATION

    def __init__(
        self,
        tag: str,
        group: str | None = None,
        display_name: str | None = None,
        description: str | None = None,
        dataset_type: int | None = None,
    ) -> None:
        if dataset_type not in (None, Metric.TRAINING, Metric.VALIDATION):
            raise InvalidSummary(
                f"Metric({tag!r}): invalid dataset type: {dataset_type!r}; use Metric.TRAINING or Metric.VALIDATION"
            )
        self._fields: Sequence[Any] = (tag, group, display_name, description, dataset_type)

    def as_proto(self) -> pb.MetricInfo:
        """The message that says so."""
        tag, group, display_name, description, dataset_type = self._fields
        return pb.MetricInfo(
            name=pb.MetricName(group=group, tag=tag),
            display_name=display_name,
            description=description,
            dataset_type=dataset_type,
        )
