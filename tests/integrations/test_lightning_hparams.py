"""Hyperparameters of `TallyboardLogger` beside those of Lightning's TensorBoardLogger, as TensorBoard reads both."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import enum
import multiprocessing.context
import pickle
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

pl = pytest.importorskip("pytorch_lightning")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402
from tensorboard.plugins.hparams import plugin_data_pb2  # noqa: E402

import tallyboard as tb  # noqa: E402
from tallyboard.integrations.lightning import TallyboardLogger  # noqa: E402


class Act(enum.Enum):
    RELU = 1


@dataclasses.dataclass
class Nested:
    depth: int = 3


def told(logger: Any, name: str) -> Any:
    """What TensorBoard has of a run's hyperparameters: the message of this name, or None."""
    accumulator = EventAccumulator(logger.log_dir)
    accumulator.Reload()
    with contextlib.suppress(KeyError):
        content = accumulator.PluginTagToContent("hparams")[f"_hparams_/{name}"]
        return getattr(plugin_data_pb2.HParamsPluginData.FromString(content), name)
    return None


def values(logger: Any) -> dict[str, Any]:
    start = told(logger, "session_start_info")
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}


def scalars(logger: Any) -> dict[str, list[float]]:
    accumulator = EventAccumulator(logger.log_dir)
    accumulator.Reload()
    return {tag: [event.value for event in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}


def both(folder: Path, *calls: tuple[Any, ...], **options: Any) -> tuple[Any, Any]:
    """Our logger and the peer, after the same calls of log_hyperparams."""
    made = TallyboardLogger(folder / "ours", **options), pl.loggers.TensorBoardLogger(folder / "theirs", **options)
    for logger in made:
        for call in calls:
            logger.log_hyperparams(*call)
        logger.save()
        logger.finalize("success")
    return made


@pytest.fixture
def logger(tmp_path: Path) -> Iterator[Any]:
    """A logger in a new directory."""
    logger = TallyboardLogger(tmp_path)
    yield logger
    logger.finalize("success")


GIVEN: dict[str, Any] = {
    "flat": {"lr": 0.1, "depth": 3, "name": "net", "none": None, "layers": [1, 2], "act": Act.RELU, 5: "five"},
    "nested": {"model": {"width": 4, "parts": [{"a": 1}, {"a": 2}]}, "data": Nested(), "ns": argparse.Namespace(x=1)},
    "namespace": argparse.Namespace(lr=0.1, model={"act": "a|b"}),
    "numbers": {"f32": np.float32(0.5), "i64": np.int64(7), "tensor": torch.tensor([2.0]), "grid": torch.ones(2, 2)},
    "objects": {"cls": nn.Linear, "path": Path("a"), "empty": {}, "none": []},
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_same_hyperparameters_as_the_peer(given: Any, tmp_path: Path) -> None:
    """TensorBoard's hparams dashboard gets the peer's hyperparameters, by value, with the peer's metrics."""
    ours, theirs = both(tmp_path, (given,))
    assert values(ours) == values(theirs)
    assert told(ours, "experiment").metric_infos == told(theirs, "experiment").metric_infos
    assert scalars(ours) == scalars(theirs) == {"hp_metric": [-1.0]}


def test_booleans_stay_booleans(tmp_path: Path) -> None:
    """A boolean is one in the dashboard."""
    ours, theirs = both(tmp_path, ({"flag": True},))
    assert values(ours) == {"flag": True}
    assert told(ours, "session_start_info").hparams["flag"].WhichOneof("kind") == "bool_value"
    assert values(theirs) == {"flag": True}


OMEGACONF = """
lr: 0.1
model: {width: 4, double: "${model.width}", parts: [{a: 1}]}
layers: [1, 2]
"""


def test_omegaconf(tmp_path: Path) -> None:
    """An OmegaConf container is the peer's in the dashboard and in hparams.yaml, its interpolations resolved."""
    omegaconf = pytest.importorskip("omegaconf")
    config = omegaconf.OmegaConf.create(OMEGACONF)
    ours, theirs = both(tmp_path, (config,), ({"seed": 1},))
    assert values(theirs).items() - {("model/parts", "[{'a': 1}]")} == values(ours).items() - {("model/parts/0/a", 1.0)}
    wanted = {"lr": 0.1, "model/width": 4.0, "model/double": 4.0, "layers": "[1, 2]", "model/parts/0/a": 1.0}
    assert values(ours) == wanted
    texts = [Path(logger.log_dir, "hparams.yaml").read_text() for logger in (ours, theirs)]
    assert texts[0] == texts[1]
    assert "double: 4" in texts[0] or "double: ${model.width}" in texts[0]
    assert "seed: 1" in texts[0]
    assert type(ours.hparams) is type(theirs.hparams)


def test_omegaconf_that_cannot_be_resolved(tmp_path: Path) -> None:
    """A container with a missing value, or a reference to nothing, is written as far as it goes, and nothing raises."""
    omegaconf = pytest.importorskip("omegaconf")
    logger = TallyboardLogger(tmp_path)
    logger.log_hyperparams(omegaconf.OmegaConf.create({"missing": "???", "lr": 0.5}))
    logger.log_hyperparams(omegaconf.OmegaConf.create({"wrong": "${nowhere}"}))
    with pytest.warns(tb.TallyboardWarning, match=r"hparams.yaml has the texts .* 'nowhere'"):
        logger.save()
    logger.finalize("success")
    assert values(logger) == {"missing": "???", "lr": 0.5}
    assert "lr: 0.5" in Path(logger.log_dir, "hparams.yaml").read_text()


@pytest.mark.parametrize("metrics", [None, {"hp/accuracy": 0.5, "hp/loss": 2.0}, 0.25], ids=["none", "named", "one"])
def test_metrics_under_a_prefix(metrics: Any, tmp_path: Path) -> None:
    """The metrics that the dashboard looks for are scalars of the run, under a prefix too, where the peer's are not."""
    ours, theirs = both(tmp_path, ({"lr": 0.1}, metrics), prefix="p")

    def asked_for(logger: Any) -> list[str]:
        return [info.name.tag for info in told(logger, "experiment").metric_infos]

    assert scalars(ours) == scalars(theirs)
    assert asked_for(ours) == list(scalars(ours))
    assert [f"p-{tag}" for tag in asked_for(theirs)] == asked_for(ours)


@pytest.mark.parametrize(("status", "wanted"), [("success", "STATUS_SUCCESS"), ("failed", "STATUS_FAILURE")])
def test_status(status: str, wanted: str, tmp_path: Path) -> None:
    """The session ends with the training, well or not; until then it has no end, where the peer's has succeeded."""
    logger = TallyboardLogger(tmp_path)
    logger.log_hyperparams({"lr": 0.1})
    logger.experiment.flush()
    assert told(logger, "session_end_info") is None
    logger.finalize(status)
    end = told(logger, "session_end_info")
    assert type(end).DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number[end.status].name == wanted


def test_metrics_named_in_a_second_call(tmp_path: Path) -> None:
    """With default_hp_metric=False the dashboard is told of the metrics that a later call names, as with the peer."""
    ours, theirs = both(tmp_path, ({"lr": 0.1},), ({"lr": 0.1}, {"hp/acc": 0.0}), default_hp_metric=False)
    for logger in (ours, theirs):
        assert [info.name.tag for info in told(logger, "experiment").metric_infos] == ["hp/acc"]
        assert values(logger) == {"lr": 0.1}


def test_no_metrics_at_all(tmp_path: Path) -> None:
    """Hyperparameters without metrics are in the dashboard once something is logged; the peer has none."""
    logger = TallyboardLogger(tmp_path, default_hp_metric=False)
    logger.log_hyperparams({"lr": 0.1})
    logger.log_metrics({"loss": 1.0}, 1)
    logger.experiment.flush()
    assert values(logger) == {"lr": 0.1}
    logger.finalize("success")
    assert scalars(logger) == {"loss": [1.0]}


def test_more_hyperparameters_later(logger: Any) -> None:
    """Those of a later call join those known: our reader has all, TensorBoard the first, as with the peer."""
    logger.log_hyperparams({"lr": 0.1})
    logger.log_hyperparams({"width": 8}, {"acc": 0.5})
    logger.finalize("success")
    assert tb.read(logger.log_dir)["."].hparams.values == {"lr": 0.1, "width": 8.0}
    assert values(logger) == {"lr": 0.1}


def test_log_hyperparams(logger: Any) -> None:
    """Hyperparameters of every shape: merged, flattened in the text, whole in hparams.yaml, hp_metric as the peer."""
    logger.log_hyperparams(argparse.Namespace(lr=0.1, model={"width": 4, "act": "a|b\nc"}))
    logger.log_hyperparams({"data": Nested(), "cls": nn.Linear}, metrics={"hp/acc": 0.5}, step=4)
    logger.log_hyperparams(None)
    logger.save()
    logger.finalize("success")
    assert scalars(logger) == {"hp_metric": [-1.0, -1.0], "hp/acc": [0.5]}
    texts = tb.read(logger.log_dir).texts()[".", "hparams/text_summary"]
    rows = texts.value[-1].splitlines()[2:]
    assert rows == [
        "| lr | 0.1 |",
        "| model/width | 4 |",
        "| model/act | a\\|b c |",
        "| data/depth | 3 |",
        "| cls | <class 'torch.nn.modules.linear.Linear'> |",
    ]


@pytest.mark.parametrize("prefix", ["", "p"])
def test_hp_metric_outlasts_a_test(prefix: str, tmp_path: Path) -> None:
    """A second call, as `Trainer.test` makes one after the fit, puts no -1 over a value of hp_metric, but over a -1."""
    logger = TallyboardLogger(tmp_path, prefix=prefix)
    for metrics in ({}, {}, {"hp_metric": 0.25}, {"test": 1.0}):
        logger.log_hyperparams({"lr": 0.1})
        logger.log_metrics(metrics, 3)
    logger.log_hyperparams({"lr": 0.1})
    logger.finalize("success")
    name = f"{prefix}-hp_metric" if prefix else "hp_metric"
    assert scalars(logger)[name] == [-1.0, -1.0, -1.0, 0.25]
    assert [info.name.tag for info in told(logger, "experiment").metric_infos] == [name]
    assert values(logger) == {"lr": 0.1}


def test_no_default_hp_metric(tmp_path: Path) -> None:
    """With default_hp_metric=False no hp_metric is written."""
    logger = TallyboardLogger(tmp_path, default_hp_metric=False)
    logger.log_hyperparams({"lr": 0.1})
    logger.finalize("success")
    assert scalars(logger) == {}
    assert Path(logger.log_dir, "hparams.yaml").read_text() == "lr: 0.1\n"


def test_hparams_file_is_not_overwritten(tmp_path: Path) -> None:
    """A run that is resumed keeps the hparams.yaml it has."""
    folder = tmp_path / "lightning_logs" / "version_0"
    folder.mkdir(parents=True)
    (folder / "hparams.yaml").write_text("lr: 1.0\n")
    logger = TallyboardLogger(tmp_path, version=0)
    logger.log_hyperparams({"lr": 0.1})
    logger.save()
    logger.finalize("success")
    assert (folder / "hparams.yaml").read_text() == "lr: 1.0\n"


# ---- wrong ones


class Silent:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __reduce__(self) -> str:
        raise RuntimeError("no pickle")


BAD: dict[str, Mapping[str, Any]] = {
    "lock": {"lr": 0.1, "lock": threading.Lock()},
    "generator": {"lr": 0.1, "batches": (i for i in range(3))},
    "no text": {"lr": 0.1, "silent": Silent()},
    "surrogate": {"lr": 0.1, "text": "\ud800"},
    "no name": {"lr": 0.1, "": 3},
    "twice": {"lr": 0.1, "a/b": 1, "a": {"b": 2}},
}


@pytest.mark.parametrize("given", BAD.values(), ids=BAD)
def test_hyperparameters_that_cannot_be_written(given: Mapping[str, Any], tmp_path: Path) -> None:
    """What cannot be copied, represented or encoded stops no training; the others are written."""
    logger = TallyboardLogger(tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        logger.log_hyperparams(given)
        logger.save()
        logger.finalize("success")
    ours = [one for one in caught if issubclass(one.category, tb.TallyboardWarning)]
    assert all("TallyboardLogger" in str(one.message) for one in ours)
    assert values(logger)["lr"] == 0.1
    assert "lr: 0.1" in Path(logger.log_dir, "hparams.yaml").read_text()


def test_metrics_that_are_no_numbers(logger: Any) -> None:
    """Metrics that are no numbers are an error at the call."""
    with pytest.raises(tb.InvalidSummary, match="hp/acc"):
        logger.log_hyperparams({"lr": 0.1}, {"hp/acc": "good"})


def test_hparams_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes no hparams.yaml costs a warning."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pytorch_lightning.core.saving.save_hparams_to_yaml", full)
    logger = TallyboardLogger(tmp_path)
    logger.log_hyperparams({"lr": 0.1})
    logger.experiment.flush()
    with pytest.warns(tb.TallyboardWarning, match="hparams.yaml was not written .*No space left"):
        logger.save()
    logger.save()
    logger.finalize("success")


def test_started_processes_share_the_version(tmp_path: Path) -> None:
    """A logger that is sent to processes which are being started takes its version first; each would take its own."""
    logger = TallyboardLogger(tmp_path)
    multiprocessing.context.set_spawning_popen(object())
    try:
        sent = pickle.dumps(logger)
    finally:
        multiprocessing.context.set_spawning_popen(None)
    assert [pickle.loads(sent).version for _ in range(2)] == [0, 0]
    assert logger.version == 0
