"""add_hparams: what TensorBoard's dashboard makes of it, which run it goes to, and how a run's status ends."""

from __future__ import annotations

import argparse
import enum
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.errors import InvalidSummary
from tallyboard.core.hparams import hparams_of

metadata = pytest.importorskip("tensorboard.plugins.hparams.metadata")
api = pytest.importorskip("tensorboard.plugins.hparams.api_pb2")
multiplexer_module = pytest.importorskip("tensorboard.backend.event_processing.plugin_event_multiplexer")
provider_module = pytest.importorskip("tensorboard.backend.event_processing.data_provider")


def session(run: Path) -> dict[str, Any]:
    """The hparams messages of a run by TensorBoard's parsers, as far as it looks at them: the first of a tag."""
    multiplexer = multiplexer_module.EventMultiplexer().AddRunsFromDirectory(str(run))
    multiplexer.Reload()
    contents = multiplexer.PluginRunToTagToContent("hparams").get(".", {})
    parsers = {
        metadata.EXPERIMENT_TAG: metadata.parse_experiment_plugin_data,
        metadata.SESSION_START_INFO_TAG: metadata.parse_session_start_info_plugin_data,
        metadata.SESSION_END_INFO_TAG: metadata.parse_session_end_info_plugin_data,
    }
    return {tag.rpartition("/")[2]: parsers[tag](content) for tag, content in contents.items()}


def hparams(run: Path) -> dict[str, Any]:
    """Hyperparameters of a run, as Python's own types."""
    start = session(run)["session_start_info"]
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}


def status(run: Path) -> str | None:
    """The status of a run, None while it has no end."""
    end = session(run).get("session_end_info")
    return None if end is None else api.Status.Name(end.status)


def test_equals_torch(tmp_path: Path) -> None:
    """For torch's types the three messages are torch's, but for the times, which torch leaves out."""
    torch_writer = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    values = {"lr": 0.1, "layers": 3, "name": "adam", "none": None}
    domains = {"lr": [0.1, 0.2], "name": ["adam", "sgd"]}
    with tb.SummaryWriter(tmp_path / "ours") as writer:
        writer.add_hparams(values, {"hp/acc": 0.5}, domains, global_step=3)
    with torch_writer(str(tmp_path / "torch")) as writer:
        writer.add_hparams(values, {"hp/acc": 0.5}, domains, run_name="x", global_step=3)

    ours, theirs = session(tmp_path / "ours"), session(tmp_path / "torch" / "x")

    assert ours["session_start_info"].start_time_secs > 1e9
    assert ours["session_end_info"].end_time_secs >= ours["session_start_info"].start_time_secs
    ours["session_start_info"].ClearField("start_time_secs")
    ours["session_end_info"].ClearField("end_time_secs")
    assert ours == theirs
    points = tb.read(tmp_path / "ours").scalars()[".", "hp/acc"]
    assert (points.step.tolist(), points.value.tolist()) == ([3], [0.5])


def test_equals_tensorboardx(tmp_path: Path) -> None:
    """For tensorboardX's types, bool and functions among them, the values are tensorboardX's; its places are taken."""
    x_writer = pytest.importorskip("tensorboardX").SummaryWriter
    for name, make in (("ours", tb.SummaryWriter), ("x", x_writer)):
        with make(str(tmp_path / name)) as writer:
            writer.add_hparams({"lr": 0.1, "bias": True, "name": "a", "act": len}, {"acc": 1}, "trial", 4)

    ours, theirs = (session(tmp_path / name / "trial") for name in ("ours", "x"))

    assert hparams(tmp_path / "ours" / "trial") == {"lr": 0.1, "bias": True, "name": "a", "act": "len"}
    assert ours["session_start_info"].hparams == theirs["session_start_info"].hparams
    assert ours["experiment"] == theirs["experiment"]
    assert tb.read(tmp_path / "ours").scalars()["trial", "acc"].step.tolist() == [4]


@dataclass
class Inner:
    rate: float = 0.5


@dataclass
class Outer:
    inner: Inner = field(default_factory=Inner)
    sizes: tuple[int, ...] = (1, 2)


class Kind(enum.Enum):
    RELU = 1


class Silent:
    def __str__(self) -> str:
        raise RuntimeError("none")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"b": True, "nb": np.bool_(False)}, {"b": True, "nb": False}),
        ({"i": np.int64(3), "f": np.float32(0.5), "a": np.array([2.0])}, {"i": 3.0, "f": 0.5, "a": 2.0}),
        ({"l": [1, "a", None, {"k": (2,)}], "e": []}, {"l": '[1, "a", null, {"k": [2]}]', "e": "[]"}),
        ({"o": {"lr": 0.1, "s": {"k": "v"}}, "n": None}, {"o/lr": 0.1, "o/s/k": "v"}),
        ({"x": float("nan"), "y": float("inf")}, {"x": "nan", "y": "inf"}),
        ({"x": np.arange(3), "big": 10**400}, {"x": "[0, 1, 2]", "big": "1" + "0" * 400}),
        ({"k": Kind.RELU, "p": Path("a/b"), "t": dict, 3: 1}, {"k": "RELU", "p": "a/b", "t": "dict", "3": 1.0}),
        (argparse.Namespace(lr=0.1, m=None), {"lr": 0.1}),
        (Outer(), {"inner/rate": 0.5, "sizes": "[1, 2]"}),
        ({}, {}),
    ],
)
def test_kinds_of_values(given: Any, kept: dict[str, Any], tmp_path: Path) -> None:
    """Any value that configurations hold is taken; what TensorBoard then reads of it is exactly this."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_hparams(given)

    got = hparams(tmp_path)
    assert got == kept
    assert {key: type(value) for key, value in got.items()} == {key: type(value) for key, value in kept.items()}


def test_tensors_of_torch(tmp_path: Path) -> None:
    """A tensor of one element is a number, whatever its type; one of bool stays bool."""
    torch = pytest.importorskip("torch")
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"h": torch.tensor(0.5, dtype=torch.bfloat16, requires_grad=True), "b": torch.tensor(True)})

    assert hparams(tmp_path) == {"h": 0.5, "b": True}


def test_runs_of_a_sweep(tmp_path: Path) -> None:
    """The first call is this run's; equal values add to it; others, and names, have runs of their own, found again."""
    with tb.SummaryWriter(tmp_path) as writer:
        for i in (0, 1, 2):
            writer.add_hparams({"lr": 0.1 * i}, {"acc": float(i)}, global_step=i)
        writer.add_hparams({"lr": 0.1}, {"acc": 9.0}, global_step=9)
        writer.add_hparams({"lr": 0.0}, {"acc": 7.0}, global_step=7)
        writer.add_hparams({"lr": 0.0}, {"acc": 5.0}, run_name="mine")

    got = {run: s.value.tolist() for (run, _), s in tb.read(tmp_path).scalars().items()}
    assert got == {".": [0.0, 7.0], "hparams_1": [1.0, 9.0], "hparams_2": [2.0], "mine": [5.0]}
    assert hparams(tmp_path / "hparams_2") == {"lr": 0.2}
    assert {run: status(tmp_path / run) for run in got} == dict.fromkeys(got, "STATUS_SUCCESS")


def test_next_process_takes_other_names(tmp_path: Path) -> None:
    """A second program in the same directory does not write other values into the sub-runs of the first."""
    for base in (1, 5):
        with tb.SummaryWriter(tmp_path) as writer:
            writer.add_hparams({"lr": 0}, {})
            writer.add_hparams({"lr": base}, {})

    assert hparams(tmp_path / "hparams_1") == {"lr": 1.0}
    assert hparams(tmp_path / "hparams_2") == {"lr": 5.0}


def test_timestamped_run_when_asked(tmp_path: Path) -> None:
    """mode='subrun' makes a run named by the time for each call, as torch does, and leaves this run alone."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"lr": 0.1}, {"acc": 1.0}, mode="subrun")
        writer.add_hparams({"lr": 0.1}, {"acc": 2.0}, mode="subrun")

    runs = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert [float(run) > 1e9 for run in runs] == [True, True]
    assert session(tmp_path) == {}


def test_dashboard(tmp_path: Path) -> None:
    """TensorBoard's hparams backend lists the sessions with their values, metrics and statuses."""
    backend = pytest.importorskip("tensorboard.plugins.hparams.backend_context")
    groups = pytest.importorskip("tensorboard.plugins.hparams.list_session_groups")
    base_plugin = pytest.importorskip("tensorboard.plugins.base_plugin")
    context = pytest.importorskip("tensorboard.context")
    with tb.SummaryWriter(tmp_path) as writer:
        for rate in (0.1, 0.2):
            writer.add_hparams({"lr": rate, "bias": rate > 0.1}, {"acc": 2 * rate})
    multiplexer = multiplexer_module.EventMultiplexer().AddRunsFromDirectory(str(tmp_path))
    multiplexer.Reload()
    provider = provider_module.MultiplexerDataProvider(multiplexer, str(tmp_path))
    ctx = backend.Context(base_plugin.TBContext(data_provider=provider))
    request = context.RequestContext()
    known = ctx.hparams_metadata(request, "")
    experiment = ctx.experiment_from_metadata(request, "", True, known, [])

    assert sorted(info.name for info in experiment.hparam_infos) == ["bias", "lr"]
    asked = api.ListSessionGroupsRequest(
        start_index=0, slice_size=10, allowed_statuses=list(api.Status.values()), include_metrics=True
    )
    asked.col_params.add(metric=api.MetricName(tag="acc"), order=api.ORDER_ASC)
    answer = groups.Handler(
        request_context=request,
        backend_context=ctx,
        experiment_id="",
        request=asked,
    ).run()
    rows = [
        (
            group.hparams["lr"].number_value,
            group.hparams["bias"].bool_value,
            round(group.metric_values[0].value, 6),
            [api.Status.Name(s.status) for s in group.sessions],
        )
        for group in answer.session_groups
    ]
    assert rows == [(0.1, False, 0.2, ["STATUS_SUCCESS"]), (0.2, True, 0.4, ["STATUS_SUCCESS"])]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([1], {}), "mapping"),
        (({"lr": 1}, [1]), "mapping"),
        (({"lr": 1}, {"acc": "x"}), "acc"),
        (({"a/b": 1, "a": {"b": 2}}, {}), "twice"),
        (({"": 1}, {}), "empty"),
        (({"lr": 1}, {}, {"momentum": [1]}), "momentum"),
        (({"lr": 1}, {}, {"lr": ["a"]}), "float"),
        (({"lr": "\ud800"}, {}), "UTF-8"),
        (({"a": {"silent": Silent()}}, {}), "'a/silent' has no text, its .*raises RuntimeError: none; pass a number"),
        (({"list": [Silent()]}, {}), "'list' has no text"),
        (({"lr": 1}, {}, None, "../out"), "outside"),
    ],
)
def test_refuses(arguments: Any, says: str, tmp_path: Path) -> None:
    """A wrong call names what is wrong and logs nothing; the writer stays usable."""
    with tb.SummaryWriter(tmp_path) as writer:
        with pytest.raises(tb.InvalidSummary, match=says):
            writer.add_hparams(*arguments)
        assert session(tmp_path) == {}
        writer.add_hparams({"lr": 1}, {"acc": 1})

    assert hparams(tmp_path) == {"lr": 1.0}


PROGRAM = """
import os, signal, sys
import tallyboard as tb

def train(how):
    writer = tb.SummaryWriter(sys.argv[1])
    writer.add_hparams({"lr": 0.1}, {"acc": 0.0})
    if how == "falls off the end":
        writer.add_scalar("loss", 0.5, 1)
    elif how == "kill -9":
        writer.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "raises":
        raise RuntimeError("diverged")
    elif how == "closes":
        writer.close()
    elif how == "is dropped":
        del writer
    elif how == "raises, closes in finally":
        try:
            raise RuntimeError("diverged")
        finally:
            writer.close()
    elif how == "closes while another failure is handled outside":
        writer.close()
    elif how == "raises in with":
        with writer:
            raise RuntimeError("diverged")
    elif how == "interrupted in with":
        with writer:
            raise KeyboardInterrupt
    elif how == "exits 1 in with":
        with writer:
            sys.exit(1)
    elif how == "exits 0 in with":
        with writer:
            sys.exit(0)
    elif how == "forks":
        child = os.fork()
        if child == 0:
            writer.add_scalar("child", 1.0, 1)
            writer.close()
            os._exit(0)
        os.waitpid(child, 0)
        writer.flush()
        os.kill(os.getpid(), signal.SIGKILL)

if "outside" in sys.argv[2]:
    try:
        import no_such_module
    except ImportError:
        train(sys.argv[2])
else:
    train(sys.argv[2])
"""


@pytest.mark.parametrize(
    ("how", "ends"),
    [
        ("falls off the end", "STATUS_SUCCESS"),
        ("closes", "STATUS_SUCCESS"),
        ("is dropped", "STATUS_SUCCESS"),
        ("closes while another failure is handled outside", "STATUS_SUCCESS"),
        ("exits 0 in with", "STATUS_SUCCESS"),
        ("raises", "STATUS_FAILURE"),
        ("raises, closes in finally", "STATUS_FAILURE"),
        ("raises in with", "STATUS_FAILURE"),
        ("interrupted in with", "STATUS_FAILURE"),
        ("exits 1 in with", "STATUS_FAILURE"),
        ("kill -9", None),
        ("forks", None),
    ],
)
def test_status_at_the_end(how: str, ends: str | None, tmp_path: Path) -> None:
    """A run that ended well has SUCCESS, one that an exception ended FAILURE, one that was killed no end; a child
    process ends nobody's run."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path), how], capture_output=True, text=True)

    assert ("RuntimeError" in done.stderr) == how.startswith("raises"), done.stderr
    assert (done.returncode == -signal.SIGKILL) == (ends is None), done.stderr
    assert hparams(tmp_path) == {"lr": 0.1}
    assert status(tmp_path) == ends


def test_running_has_no_end(tmp_path: Path) -> None:
    """While a run goes on it has no end; closing writes it once, however often the writer is used and closed again."""
    writer = tb.SummaryWriter(tmp_path)
    writer.add_hparams({"lr": 0.1})
    writer.flush()
    assert status(tmp_path) is None
    for step in range(3):
        writer.add_scalar("a", 1.0, step)
        writer.close()

    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    tags = [
        value.tag
        for path in sorted(tmp_path.iterdir())
        for event in loader.LegacyEventFileLoader(str(path)).Load()
        for value in event.summary.value
    ]
    assert tags.count("_hparams_/session_end_info") == 1
    assert status(tmp_path) == "STATUS_SUCCESS"


def test_json_of_lists_reads_back(tmp_path: Path) -> None:
    """A list kept as JSON is that list again when read, arrays and enum members within it too."""
    with tb.SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"l": [np.float32(0.5), Kind.RELU, [True, np.arange(2)]], "s": {3, 1}})

    got = hparams(tmp_path)
    assert json.loads(got["l"]) == [0.5, "RELU", [True, "[0, 1]"]]
    assert json.loads(got["s"]) == [1, 3]
    assert os.path.isdir(tmp_path)


def test_values_that_are_odd_objects() -> None:
    """A model without numbers yet is its text; what raises when it is looked at is an error that says so."""

    class Model:
        device = SimpleNamespace(type="meta")

        def __str__(self) -> str:
            return "a model"

    class Odd:
        @property
        def shape(self) -> Any:
            raise RuntimeError("none yet")

    assert hparams_of({"model": Model()}) == {"model": "a model"}
    with pytest.raises(InvalidSummary, match=r"'odd' has no text, its .*Odd raises RuntimeError: none yet; pass a num"):
        hparams_of({"odd": Odd()})
