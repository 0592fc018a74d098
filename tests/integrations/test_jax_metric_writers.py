"""The family of metric writers: what CLU's own writer leaves behind ours does, kind by kind and value by value."""

from __future__ import annotations

import functools
import importlib.util
import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.errors import InvalidSummary, TallyboardWarning
from tallyboard.integrations import jax as metric_writers
from tallyboard.integrations.jax import values

random = np.random.default_rng(0)
IMAGES = random.random((2, 6, 5, 3)).astype(np.float32)
SOUND = (random.random((2, 100, 2)).astype(np.float32) * 2 - 1).round(3)
NUMBERS = random.normal(size=500).astype(np.float32)
METADATA = {"raw": b'\n\x08\n\x06custom"\x02\x08\x01'}


def write_everything(writer: Any) -> None:
    """One call of each kind that CLU's writer writes."""
    writer.write_hparams({"lr": 0.1, "model": {"units": [3, 4], "name": "mlp"}, "nesterov": True, "nothing": None})
    writer.write_scalars(0, {"train/loss": 0.5, "n": 3, "bf": jnp.bfloat16(1.5), "np": np.float64(0.1)})
    writer.write_scalars(np.int64(1), {"train/loss": jnp.float32(0.25)})
    writer.write_images(1, {"batch": IMAGES, "single": IMAGES[0], "grey": (IMAGES[..., :1] * 255).astype(np.uint8)})
    writer.write_images(2, {"batch": jnp.asarray(IMAGES)})
    writer.write_audios(1, {"sound": SOUND}, sample_rate=8000)
    writer.write_texts(1, {"note": "a *text* ü"})
    writer.write_histograms(1, {"w": NUMBERS, "few": NUMBERS, "same": np.ones(4)}, num_buckets={"few": 5})
    writer.write_histograms(2, {"w": jnp.asarray(NUMBERS), "empty": np.zeros(0)})
    writer.write_summaries(3, {"raw": np.arange(6.0).reshape(2, 3)}, METADATA)
    writer.flush()
    writer.close()


def decoded(point: tuple[Any, ...]) -> tuple[Any, ...]:
    """A point with its pictures as pixels: two encoders pack the same ones differently."""
    from PIL import Image

    tag, step, metadata, *rest = point
    plugin = metadata.plugin_data.plugin_name
    if plugin == "hparams":
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

        start = HParamsPluginData.FromString(metadata.plugin_data.content).session_start_info
        return tag, step, plugin, start.group_name, {name: str(value) for name, value in start.hparams.items()}
    if plugin == "images":
        width, height, *files = rest[-1]
        rest = [width, height, *(np.asarray(Image.open(io.BytesIO(file))).tolist() for file in files)]
    return tag, step, plugin, metadata.plugin_data.content, metadata.summary_description, *rest


if importlib.util.find_spec("clu") is not None and importlib.util.find_spec("tensorflow") is not None:

    def test_everything_is_clus(tmp_path: Path, written: Callable[[Path], list[Any]]) -> None:
        """Hyperparameters, scalars, images, sounds, texts, histograms and raw tensors: tag, step, plugin and values."""
        from clu import metric_writers as clu
        from tensorboard.backend.event_processing import event_file_loader

        write_everything(clu.SummaryWriter(str(tmp_path / "clu")))
        write_everything(metric_writers.AsyncMultiWriter([metric_writers.SummaryWriter(tmp_path / "ours")]))

        def seen(folder: str) -> list[Any]:
            points: list[Any] = []
            for path in sorted((tmp_path / folder).glob("*tfevents*")):
                for event in event_file_loader.EventFileLoader(str(path)).Load():  # each event in today's form
                    points += [plain(value, event.step) for value in event.summary.value]
            return [point for point in points if point[0] != "_hparams_/session_end_info"]

        def plain(value: Any, step: int) -> tuple[Any, ...]:
            from tensorboard.util.tensor_util import make_ndarray

            array = make_ndarray(value.tensor)
            return decoded((value.tag, step, value.metadata, array.dtype.name, array.shape, array.tolist()))

        ours, theirs = seen("ours"), seen("clu")
        assert len(theirs) > 15
        for one in theirs:
            assert one in ours
        assert len(ours) == len(theirs)

    def test_a_training_on_two_devices_is_clus(tmp_path: Path) -> None:
        """A data-parallel training of linen and optax on two devices: what CLU writes of its numbers is the same."""
        from clu import metric_writers as clu
        from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
        from tensorboard.util.tensor_util import make_ndarray

        env = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
        program = [sys.executable, "-c", TRAINING, str(tmp_path)]
        done = subprocess.run(program, capture_output=True, text=True, timeout=600, check=False, env=env)
        assert done.returncode == 0, done.stderr
        trained = json.loads(done.stdout)
        peer = clu.SummaryWriter(str(tmp_path / "clu"))
        for number, metrics in enumerate(trained["metrics"]):
            peer.write_scalars(number, metrics)
        peer.write_histograms(10, {"kernel": np.array(trained["kernel"], np.float32)})
        peer.close()
        seen = []
        for folder in ("clu", "ours"):
            reader = EventAccumulator(str(tmp_path / folder), size_guidance={"tensors": 0})
            reader.Reload()
            seen.append(
                {
                    tag: [(event.step, make_ndarray(event.tensor_proto).tolist()) for event in reader.Tensors(tag)]
                    for tag in reader.Tags()["tensors"]
                }
            )
        assert seen[0] == seen[1]
        losses = [value for _, value in seen[1]["train/loss"]]
        assert len(losses) == 10
        assert losses[-1] < losses[0] / 2

    def test_a_training_of_nnx_is_clus(tmp_path: Path) -> None:
        """The same training of nnx and optax, logged by CLU, by flax's own metrics logger, by our writer and by
        `auto_log`: TensorBoard reads the same tags, steps and values of all, and the same weights come out."""
        from clu import metric_writers as clu
        from flax.metrics import tensorboard as flaxs
        from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
        from tensorboard.util.tensor_util import make_ndarray

        weights = {}
        peer = clu.SummaryWriter(str(tmp_path / "clu"))
        weights["clu"] = train_nnx(peer.write_scalars, peer.write_histograms)
        peer.close()
        flax_writer = flaxs.SummaryWriter(str(tmp_path / "flax"))
        weights["flax"] = train_nnx(
            lambda step, metrics: [flax_writer.scalar(name, value, step) for name, value in metrics.items()],
            lambda step, arrays: None,
        )
        flax_writer.close()
        with metric_writers.create_default_writer(tmp_path / "ours") as ours:
            weights["ours"] = train_nnx(ours.write_scalars, ours.write_histograms)
        with tb.SummaryWriter(tmp_path / "auto") as writer:
            handles: list[Any] = []

            def attached(step: Any) -> Any:
                handles.append(tb.auto_log(step, writer=writer, start_step=-1, graph=False))
                return handles[0]

            weights["auto"] = train_nnx(lambda step, metrics: None, lambda step, arrays: None, attached)
            handles[0].detach()
        seen: dict[str, dict[str, Any]] = {}
        for folder in weights:
            reader = EventAccumulator(str(tmp_path / folder), size_guidance={"tensors": 0})
            reader.Reload()
            seen[folder] = {
                tag: [(event.step, make_ndarray(event.tensor_proto).tolist()) for event in reader.Tensors(tag)]
                for tag in reader.Tags()["tensors"]
            }
        scalars = {tag: seen["clu"][tag] for tag in ("train/loss", "train/norm", "train/rate")}
        assert [step for step, _ in scalars["train/loss"]] == list(range(6))
        assert len({value for _, value in scalars["train/rate"]}) == 6
        assert seen["ours"] == seen["clu"]
        assert set(seen["clu"]) == {*scalars, "layer/kernel", "layer/bias"}
        assert seen["flax"] == scalars
        assert {tag: seen["auto"][tag] for tag in scalars} == scalars
        assert len(set(weights.values())) == 1

    def test_tables_of_parameters_are_clus() -> None:
        """The overviews of nested dicts are CLU's, character by character, for every choice of columns."""
        from clu import parameter_overview as clu

        from tallyboard.integrations.jax import parameter_overview as ours

        params = {
            "encoder": {"kernel": random.normal(size=(300, 40)).astype(np.float32), "bias": np.zeros(40, np.float32)},
            "head": {"w": jnp.ones((40, 3), jnp.bfloat16)},
        }
        for stats in (True, False, "sharding", "global"):
            for lines in (None, 6):
                ours_said = ours.get_parameter_overview(params, include_stats=stats, max_lines=lines)
                assert ours_said == clu.get_parameter_overview(params, include_stats=stats, max_lines=lines)
        assert ours.count_parameters(params) == clu.count_parameters(params) == 12160

    def test_periodic_actions_are_due_when_clus_are() -> None:
        """For the same steps and times actions of both packages are done at the same calls."""
        from clu import periodic_actions as clu

        from tallyboard.integrations.jax import periodic_actions as ours

        times = np.cumsum(random.random(60)).tolist()
        for when in (
            {"every_steps": 7},
            {"every_secs": 3.0},
            {"on_steps": [1, 5, 60]},
            {"every_steps": 9, "every_secs": 2.0},
        ):
            done = []
            for package in (clu, ours):
                called: list[Any] = []
                action = package.PeriodicCallback(callback_fn=lambda step, t, c=called: c.append((step, t)), **when)  # type: ignore[attr-defined]
                triggered = [action(step, t) for step, t in enumerate(times, 1)]
                done.append((called, triggered))
            assert done[0] == done[1]
            assert done[0][0]

    def test_progress_is_clus() -> None:
        """`ReportProgress` writes the same steps a second at the same steps, into a writer of either package."""
        from clu import metric_writers as clu_writers
        from clu import periodic_actions as clu

        from tallyboard.integrations.jax import periodic_actions as ours

        assert clu_writers.MetricWriter is not None
        said = []
        for package in (clu, ours):
            memory = metric_writers.InMemoryWriter()
            report = package.ReportProgress(num_train_steps=30, every_steps=10, every_secs=None, writer=memory)  # type: ignore[attr-defined]
            for step in range(1, 31):
                report(step, step * 0.5)
            said.append(memory.scalars("steps_per_sec"))
        assert said[0] == said[1] == [(10, 2.0), (20, 2.0), (30, 2.0)]


def test_videos_and_point_clouds(tmp_path: Path) -> None:
    """What CLU's writers drop is written: a GIF of all frames, and meshes in TensorBoard's own form."""
    from PIL import Image

    points = random.random((4, 3)).astype(np.float32)
    with metric_writers.create_default_writer(tmp_path) as writer:
        writer.write_videos(2, {"clip": random.random((1, 3, 8, 8, 3)), "plain": random.random((2, 8, 8, 1))})
        writer.write_pointcloud(2, {"cloud": points}, point_colors={"cloud": np.full((4, 3), 7)})
    run = tb.read(tmp_path)["."]
    films = {tag: Image.open(io.BytesIO(run.images(tag).at(2).encoded)) for tag in ("clip", "plain")}
    assert {tag: getattr(film, "n_frames", 1) for tag, film in films.items()} == {"clip": 3, "plain": 2}
    from tensorboard.plugins.mesh import plugin_data_pb2

    events = [event for path in tmp_path.glob("*tfevents*") for event in tb_events(path)]
    contents = {value.tag: value for event in events for value in event.summary.value if "cloud" in value.tag}
    assert set(contents) == {"cloud_VERTEX", "cloud_COLOR"}
    said = plugin_data_pb2.MeshPluginData.FromString(contents["cloud_VERTEX"].metadata.plugin_data.content)
    assert (said.name, list(said.shape)) == ("cloud", [1, 4, 3])
    from tensorboard.util.tensor_util import make_ndarray

    assert make_ndarray(contents["cloud_VERTEX"].tensor)[0].tolist() == points.tolist()


def tb_events(path: Path) -> Any:
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    return LegacyEventFileLoader(str(path)).Load()


def test_hyperparameters_have_an_end(tmp_path: Path) -> None:
    """The run of a writer that was given hyperparameters succeeds when it is closed."""
    with metric_writers.create_default_writer(tmp_path) as writer:
        writer.write_hparams({"lr": 0.1, "net": {"units": 3}})
        writer.write_scalars(0, {"loss": 1.0})
    found = tb.read(tmp_path)["."].hparams
    assert found is not None
    assert (found.values, found.status) == ({"lr": 0.1, "net.units": 3.0}, "success")


def test_the_thread_waits_and_not_the_caller(tmp_path: Path) -> None:
    """`AsyncWriter` returns while another thread still waits for the value, and keeps the order of calls."""
    came, go = threading.Event(), threading.Event()

    class Slow(metric_writers.InMemoryWriter):
        def write_scalars(self, step: int, scalars: Any) -> None:
            came.set()
            assert go.wait(60)
            super().write_scalars(step, scalars)

    slow = Slow()
    writer = metric_writers.AsyncWriter(slow)
    changing = np.array([1.0])
    for step in range(3):
        changing[0] = step
        writer.write_scalars(step, {"x": changing})
    assert came.wait(60)
    assert slow.calls == []
    changing[0] = 99.0
    go.set()
    writer.flush()
    assert slow.scalars("x") == [(0, 0.0), (1, 1.0), (2, 2.0)]
    writer.close()
    assert slow.closed


def test_errors_of_the_thread_are_told() -> None:
    """What the thread meets raises at the next call or at flush, names the cure, and keeps nothing else back."""

    class Broken(metric_writers.InMemoryWriter):
        def write_texts(self, step: int, texts: Any) -> None:
            raise OSError("the disk is gone")

    broken, whole = Broken(), metric_writers.InMemoryWriter()
    writer = metric_writers.AsyncMultiWriter([broken, whole])
    writer.write_texts(0, {"a": "b"})
    with pytest.raises(metric_writers.AsyncError, match=r"the disk is gone .*asynchronous=False"):
        writer.flush()
    writer.write_scalars(1, {"x": 1.0})
    writer.close()
    assert broken.scalars("x") == whole.scalars("x") == [(1, 1.0)]
    assert [call for call, _ in whole.calls] == ["write_texts", "write_scalars"]


def test_mistakes_raise_at_the_call(tmp_path: Path) -> None:
    """What is wrong to see raises where it stands, in the asynchronous writer, too: steps, names, tracers, mappings."""
    writer = metric_writers.create_default_writer(tmp_path)
    with pytest.raises(InvalidSummary, match="expected the step to be an integer"):
        writer.write_scalars("one", {"x": 1.0})  # type: ignore[arg-type]  # the mistake that is tested
    with pytest.raises(InvalidSummary, match="the tag is empty"):
        writer.write_scalars(0, {"": 1.0})
    with pytest.raises(InvalidSummary, match="write_scalars: expected a mapping from names to values, got float"):
        writer.write_scalars(0, 0.5)  # type: ignore[arg-type]
    with pytest.raises(
        InvalidSummary, match=r"write_histograms\('w'\): the value is a JAX tracer.* log\(tag, value, step\)"
    ):
        jax.jit(lambda w: writer.write_histograms(0, {"w": w}))(jnp.ones(3))
    with (
        pytest.raises(InvalidSummary, match="ensure_flushes: expected at least one writer"),
        metric_writers.ensure_flushes(),
    ):
        pass
    with pytest.raises(InvalidSummary, match="expected metadata to be a SummaryMetadata message"):
        metric_writers.SummaryWriter(tmp_path).write_summaries(0, {"x": np.ones(2)}, {"x": b"\xff"})
    with pytest.raises(InvalidSummary, match="write_values: 'w' is neither a number nor"):
        metric_writers.write_values(writer, 0, {"w": np.ones(3)})
    writer.close()
    assert tb.read(tmp_path).scalars() == {}


def test_values_say_what_they_are(tmp_path: Path) -> None:
    """`write_values` gives each value to the method for its kind, with what belongs to it; CLU's, too."""
    memory = metric_writers.InMemoryWriter()
    given = {
        "loss": jnp.float32(0.5),
        "n": 3,
        "image": values.Image(IMAGES),
        "clip": values.Video(IMAGES[None]),
        "sound": values.Audio(SOUND, 8000),
        "note": values.Text("text"),
        "w": values.Histogram(NUMBERS, 5),
        "points": values.PointCloud(np.ones((2, 3)), np.zeros((2, 3))),
        "lr": values.HyperParam(0.1),
        "raw": values.Summary(np.ones(2), METADATA["raw"]),
        "also": values.Scalar(2.0),
    }
    if importlib.util.find_spec("clu") is not None:
        from clu import values as clu

        given["also"] = clu.Scalar(2.0)
    metric_writers.write_values(memory, 7, given)
    calls = dict(memory.calls)
    assert len(calls) == len(memory.calls) == 9
    assert {name: float(value) for name, value in calls["write_scalars"]["scalars"].items()} == {
        "loss": 0.5,
        "n": 3.0,
        "also": 2.0,
    }
    assert calls["write_audios"]["sample_rate"] == 8000
    assert calls["write_histograms"]["num_buckets"] == {"w": 5}
    assert calls["write_summaries"]["metadata"] == METADATA
    assert list(calls["write_pointcloud"]["point_colors"]) == ["points"]
    assert calls["write_hparams"]["hparams"] == {"lr": 0.1}


def test_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """`LoggingWriter` says each metric in the program's log, with step and collection; at a higher level nothing."""
    name = metric_writers.logged.logger().name  # type: ignore[attr-defined]
    writer = metric_writers.create_default_writer(collection="eval", just_logging=True, asynchronous=False)
    with caplog.at_level(logging.INFO, name):
        writer.write_scalars(7, {"loss": 0.123456789, "acc": jnp.float32(0.5)})
        writer.write_images(8, {"x": IMAGES})
        writer.write_histograms(9, {"h": np.array([0.0, 1.0, 1.0])}, {"h": 2})
        writer.write_hparams({"lr": 0.1})
    with caplog.at_level(logging.WARNING, name):
        writer.write_scalars(10, {"loss": 1.0})
    assert [record.getMessage() for record in caplog.records] == [
        "[7] collection=eval acc=0.5, loss=0.123457",
        "[8] collection=eval images: {'x': (2, 6, 5, 3)}",
        "[9] collection=eval histogram of h: 0..0.5: 1, 0.5..1: 2",
        "[hyperparameters] collection=eval {'lr': 0.1}",
    ]


def test_a_writer_of_ones_own() -> None:
    """A subclass of the interface takes part; a method that it leaves out warns once and is no error."""

    class Own(metric_writers.InMemoryWriter):
        write_pointcloud = metric_writers.MetricWriter.write_pointcloud

    own = Own()
    with metric_writers.ensure_flushes(own, metric_writers.InMemoryWriter()) as first:
        assert first is own
        metric_writers.MultiWriter([own]).write_texts(0, {"a": "b"})
        with pytest.warns(TallyboardWarning, match="Own writes no point clouds; they are left out"):
            own.write_pointcloud(0, {"p": np.ones((1, 3))})
    assert own.calls == [("write_texts", {"step": 0, "texts": {"a": "b"}})]
    with pytest.raises(TypeError, match="abstract"):
        metric_writers.MetricWriter()  # type: ignore[abstract]


def test_profile_marks_its_steps(tmp_path: Path) -> None:
    """The profile that the periodic action records has the steps it was asked for, by number, in the run."""
    pytest.importorskip("msgspec")
    from tallyboard.integrations.jax import periodic_actions

    double = jax.jit(lambda x: x * 2)
    profile = periodic_actions.Profile(
        logdir=tmp_path, num_profile_steps=3, profile_duration_ms=None, first_profile=2, every_secs=None
    )
    done = []
    for step in range(1, 9):
        double(jnp.ones(4)).block_until_ready()
        done.append(profile(step))
    assert done == [step == 2 for step in range(1, 9)]
    assert tb.read_profile(tmp_path).steps.name == ["3", "4", "5"]


def test_progress_tells_where_the_time_went() -> None:
    """`timed` shares are part of the message; what goes wrong in actions says what was wanted."""
    from tallyboard.integrations.jax import periodic_actions

    report = periodic_actions.ReportProgress(num_train_steps=4, every_steps=2, every_secs=None)
    for step in range(1, 5):
        with report.timed("eval", wait_jax_async_dispatch=step % 2 == 0):
            jnp.ones(3).sum()
        report(step)
    assert "100.0% (4/4), ETA: 0s (0s: " in report.message
    assert report.message.endswith("% eval)")
    with pytest.raises(ValueError, match="expected step 5, got 7"):
        report(7)
    with pytest.raises(ValueError, match="expected num_profile_steps or profile_duration_ms"):
        periodic_actions.Profile(logdir="x", num_profile_steps=None, profile_duration_ms=None)
    action = periodic_actions.PeriodicCallback(on_steps=[1, 2], callback_fn=lambda **k: 1 / 0, execute_async=True)
    with pytest.raises(InvalidSummary, match="was not called yet"):
        action.get_last_callback_result()
    action(1)
    with pytest.raises(ZeroDivisionError):
        action.get_last_callback_result().result(60)
    with pytest.raises(metric_writers.AsyncError, match="division by zero"):
        action(2)


@functools.cache
def of_nnx() -> tuple[Callable[[], tuple[Any, Any]], Any]:
    """A function that makes a model of nnx and optax' Adam with a falling rate for it, and a step, compiled once."""
    nnx, optax = pytest.importorskip("flax.nnx"), pytest.importorskip("optax")

    class Model(nnx.Module):  # type: ignore[misc,name-defined]
        def __init__(self, rngs: Any) -> None:
            self.layer = nnx.Linear(4, 1, rngs=rngs)

    tx = optax.inject_hyperparams(optax.adam)(optax.linear_schedule(0.1, 0.01, 10))
    x = jax.random.normal(jax.random.key(0), (16, 4))

    @nnx.jit
    def step(model: Any, optimizer: Any) -> Any:
        loss, gradient = nnx.value_and_grad(lambda m: ((m.layer(x) - x.sum(1, keepdims=True)) ** 2).mean())(model)
        optimizer.update(model, gradient)
        rate = optimizer.opt_state.hyperparams["learning_rate"][...]
        return {"train/loss": loss, "train/norm": optax.tree.norm(gradient), "train/rate": rate}

    def make() -> tuple[Any, Any]:
        model = Model(nnx.Rngs(0))
        return model, nnx.Optimizer(model, tx, wrt=nnx.Param)

    return make, step


def train_nnx(scalars: Any, histograms: Any, attached: Callable[[Any], Any] = lambda step: step) -> bytes:
    """Six steps of that training, its numbers given to functions; its weights."""
    make, step = of_nnx()
    model, optimizer = make()
    step = attached(step)
    for number in range(6):
        scalars(number, step(model, optimizer))
    arrays = {f"layer/{name}": getattr(model.layer, name)[...] for name in ("kernel", "bias")}
    histograms(6, arrays)
    return b"".join(np.asarray(array).tobytes() for array in arrays.values())


TRAINING = """
import json, sys
import jax, jax.numpy as jnp, numpy as np, optax
from flax import linen
from jax.sharding import NamedSharding, PartitionSpec as P
from tallyboard.integrations import jax as ours

assert jax.device_count() == 2
mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
net, tx = linen.Dense(1), optax.adam(0.1)
x = jax.device_put(jax.random.normal(jax.random.key(0), (16, 4)), NamedSharding(mesh, P("data")))
params = net.init(jax.random.key(1), x)
state = tx.init(params)

@jax.jit
def step(params, state):
    loss, gradient = jax.value_and_grad(lambda p: ((net.apply(p, x) - x.sum(1, keepdims=True)) ** 2).mean())(params)
    updates, state = tx.update(gradient, state)
    return optax.apply_updates(params, updates), state, {"train/loss": loss, "norm": optax.global_norm(gradient)}

found = []
with ours.create_default_writer(sys.argv[1] + "/ours") as writer:
    for number in range(10):
        params, state, metrics = step(params, state)
        writer.write_scalars(number, metrics)
        found.append(metrics)
    writer.write_histograms(10, {"kernel": params["params"]["kernel"]})
found = [{name: float(value) for name, value in metrics.items()} for metrics in found]
print(json.dumps({"metrics": found, "kernel": np.asarray(params["params"]["kernel"]).tolist()}))
"""

EVERYTHING = """
import sys
sys.path.insert(0, sys.argv[2])
import test_jax_metric_writers as here
from tallyboard.integrations.jax import create_default_writer, parameter_overview, periodic_actions
before = set(sys.modules)
here.write_everything(create_default_writer(sys.argv[1]))
print("tensorflow" in sys.modules, "clu" in sys.modules, "torch" in sys.modules)
"""


def test_no_tensorflow(tmp_path: Path) -> None:
    """Every kind of metric is written without TensorFlow, CLU or torch being imported."""
    program = [sys.executable, "-c", EVERYTHING, str(tmp_path), str(Path(__file__).parent)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, "False False False\n"), done.stderr
    assert len(tb.read(tmp_path)["."].histograms("w")) == 2
