"""The hparams api of `tf_summary` beside TensorBoard's: the same messages, domains, errors and callback."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.integrations import tf_summary as summary
from tallyboard.integrations.tf_summary import hparams as ours

theirs = pytest.importorskip("tensorboard.plugins.hparams.summary_v2")  # its api imports TensorFlow, this does not

Read = Callable[[Path], list[Any]]
BOTH = pytest.mark.parametrize("api", [ours, theirs], ids=["ours", "theirs"])


def message(found: Any) -> Any:
    """A summary of either as TensorBoard's messages, its content as well."""
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.plugins.hparams import plugin_data_pb2

    read = summary_pb2.Summary.FromString(found.SerializeToString())
    content = plugin_data_pb2.HParamsPluginData.FromString(read.value[0].metadata.plugin_data.content)
    read.value[0].metadata.plugin_data.content = b""
    return read, content


VALUES: dict[str, dict[str, Any]] = {
    "plain": {"lr": 0.1, "units": 16, "bool": True, "name": "adam", "off": False, "zero": 0},
    "numpy": {"lr": np.float32(0.1), "units": np.int64(3), "bool": np.bool_(True), "name": np.str_("x")},
    "none": {},
}


@pytest.mark.parametrize("trial", [None, "my trial"])
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_hparams_pb(values: dict[str, Any], trial: str | None) -> None:
    """Values, types, start and group, which is the same hash of the values, are TensorBoard's."""
    made = [message(api.hparams_pb(values, trial, start_time_secs=12.5)) for api in (ours, theirs)]
    assert made[0] == made[1]
    if values:
        assert len(made[0][1].session_start_info.hparams) == len(values)


def test_start_is_now() -> None:
    """Without a time that of the call is taken; TensorBoard says so too, and leaves out an experiment's."""
    for api in (ours, theirs):
        assert message(api.hparams_pb({"a": 1}))[1].session_start_info.start_time_secs > 1.7e9
    assert message(ours.hparams_config_pb([], []))[1].experiment.time_created_secs > 1.7e9


def test_more_values_than_tensorboard_takes() -> None:
    """Lists, None, enum members and NaN, which TensorBoard refuses or breaks on, are kept as text or left out."""
    found = message(ours.hparams_pb({"list": [1, 2], "none": None, "nan": float("nan"), "f": len}))[1]
    kept = {name: value.string_value for name, value in found.session_start_info.hparams.items()}
    assert kept == {"list": "[1, 2]", "nan": "nan", "f": "len"}


def test_hparam_objects_are_keys() -> None:
    """HParam objects stand for their names, TensorBoard's own among them."""
    made = [message(api.hparams_pb({api.HParam("lr"): 0.5, "units": 3}, start_time_secs=1)) for api in (ours, theirs)]
    made.append(message(ours.hparams_pb({theirs.HParam("lr"): 0.5, ours.HParam("units"): 3}, start_time_secs=1)))
    assert made[0] == made[1] == made[2]


def config(api: Any) -> Any:
    hparams = [
        api.HParam("lr", api.RealInterval(1e-4, 0.1), display_name="rate", description="*step*"),
        api.HParam("units", api.Discrete([32, 16])),
        api.HParam("depth", api.IntInterval(1, 4)),
        api.HParam("optimizer", api.Discrete(["sgd", "adam"])),
        api.HParam("bias", api.Discrete([True, False])),
        api.HParam("decay", api.Discrete([], dtype=float)),
        api.HParam("anything"),
    ]
    metrics = [
        api.Metric("epoch_accuracy", group="validation", display_name="accuracy", description="d"),
        api.Metric("loss", dataset_type=api.Metric.TRAINING),
        api.Metric("val_loss", dataset_type=api.Metric.VALIDATION),
    ]
    return hparams, metrics


def test_hparams_config_pb() -> None:
    """Names, domains, types and metrics are TensorBoard's; its own objects are taken too."""
    made = [message(api.hparams_config_pb(*config(api), time_created_secs=3.5)) for api in (ours, theirs)]
    made.append(message(ours.hparams_config_pb(*config(theirs), time_created_secs=3.5)))
    assert made[0] == made[1] == made[2]
    assert len(made[0][1].experiment.hparam_infos) == 7


def test_domains() -> None:
    """Domains print, tell their values and type, and draw the same samples as TensorBoard's."""
    for mine, other in zip(config(ours)[0], config(theirs)[0], strict=True):
        assert (str(mine), repr(mine)) == (str(other), repr(other))
        assert (mine.name, mine.display_name, mine.description) == (other.name, other.display_name, other.description)
        if mine.domain is None or mine.name == "decay":
            continue
        assert mine.domain.dtype is other.domain.dtype
        for name in ("values", "min_value", "max_value"):
            assert getattr(mine.domain, name, None) == getattr(other.domain, name, None)
        draws = [[one.domain.sample_uniform(random.Random(7)) for _ in range(5)] for one in (mine, other)]
        assert draws[0] == draws[1]
        assert isinstance(mine.domain.sample_uniform(), mine.domain.dtype)
    with pytest.raises(IndexError):
        ours.Discrete([], dtype=int).sample_uniform()


WRONG: dict[str, tuple[Callable[[Any], object], type[Exception], str]] = {
    "twice": (lambda api: api.hparams_pb({"a": 1, api.HParam("a"): 2}), ValueError, "multiple values"),
    "trial": (lambda api: api.hparams_pb({}, trial_id=3), Exception, "trial_id"),
    "domain": (lambda api: api.HParam("a", domain=[1, 2]), ValueError, "not a domain"),
    "int": (lambda api: api.IntInterval(0.5, 2), TypeError, "min_value must be an int"),
    "no int": (lambda api: api.IntInterval(0), TypeError, "max_value must be an int"),
    "float": (lambda api: api.RealInterval(0, 2.0), TypeError, "min_value must be a float"),
    "order": (lambda api: api.RealInterval(2.0, 1.0), ValueError, r"2\.0 > 1\.0"),
    "empty": (lambda api: api.Discrete([]), ValueError, "Empty domain"),
    "type": (lambda api: api.Discrete([None]), ValueError, "Unknown dtype"),
    "mixed": (lambda api: api.Discrete([1, "a"]), TypeError, "dtype mismatch"),
    "dataset": (lambda api: api.Metric("a", dataset_type=7), ValueError, "invalid dataset type"),
}


@BOTH
@pytest.mark.parametrize(("call", "kind", "text"), WRONG.values(), ids=WRONG)
def test_wrong_calls(api: Any, call: Callable[[Any], object], kind: type[Exception], text: str) -> None:
    """What TensorBoard refuses is refused, by an exception of the same kind that says the same, and a cure."""
    with pytest.raises(kind, match=text) as caught:
        call(api)
    if api is ours:
        assert isinstance(caught.value, tb.InvalidSummary)


def test_no_mapping() -> None:
    """Hyperparameters that are no mapping, and keys without a name, are refused with a cure."""
    with pytest.raises(tb.InvalidSummary, match="pass a dict"):
        ours.hparams_pb([("a", 1)])  # type: ignore[arg-type]
    with pytest.raises(tb.InvalidSummary, match="keys"):
        ours.hparams_pb({3: 1})


def test_written(tmp_path: Path, written: Read) -> None:
    """`hparams` and `hparams_config` write at step 0 under TensorBoard's tags, whatever the scope and default step."""
    writer = summary.create_file_writer(tmp_path)
    with writer.as_default(step=9), summary.name_scope("scope"):
        assert ours.hparams({"lr": 0.5}, trial_id="t", start_time_secs=1.0) is True
        assert ours.hparams_config(*config(ours), time_created_secs=2.0) is True
    assert ours.hparams({"lr": 0.5}) is False
    writer.close()
    found = written(tmp_path)
    assert [point[:2] for point in found] == [("_hparams_/session_start_info", 0), ("_hparams_/experiment", 0)]
    contents = [point[2].plugin_data.content for point in found]
    assert contents[0] == theirs.hparams_pb({"lr": 0.5}, "t", 1.0).value[0].metadata.plugin_data.content
    assert contents[1] == theirs.hparams_config_pb(*config(theirs), 2.0).value[0].metadata.plugin_data.content


def test_keras_callback(tmp_path: Path, written: Read) -> None:
    """The callback writes the hyperparameters when `fit` begins and success when it ends, and serves one `fit`."""
    keras = pytest.importorskip("keras")
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((4, 2)), np.ones((4, 1))
    callback = ours.KerasCallback(str(tmp_path), {ours.HParam("units"): 1, "lr": 0.5}, trial_id="mine")
    assert issubclass(ours.KerasCallback, keras.callbacks.Callback)
    model.fit(x, y, verbose=0, callbacks=[callback])
    (start_tag, _, start, *_), (end_tag, end_step, end, *_) = written(tmp_path)
    assert (start_tag, end_tag, end_step) == (metadata.SESSION_START_INFO_TAG, metadata.SESSION_END_INFO_TAG, 0)
    info = metadata.parse_session_start_info_plugin_data(start.plugin_data.content)
    assert (info.group_name, sorted(info.hparams)) == ("mine", ["lr", "units"])
    done = metadata.parse_session_end_info_plugin_data(end.plugin_data.content)
    assert done.status == plugin_data_pb2.SessionEndInfo(status=1).status
    assert done.end_time_secs >= info.start_time_secs
    with pytest.raises(tb.TallyboardError, match="cannot be reused"):
        model.fit(x, y, verbose=0, callbacks=[callback])
    for wrong in (None, 3):
        with pytest.raises(tb.InvalidSummary, match="writer"):
            ours.KerasCallback(wrong, {})
    with pytest.raises(tb.InvalidSummary, match="multiple values"):
        ours.KerasCallback(summary.create_noop_writer(), {"a": 1, ours.HParam("a"): 2})
