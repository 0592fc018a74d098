"""The JAX writer in a real jitted training, read back by us and by TensorBoard."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core.errors import InvalidLogdir, InvalidSummary, TallyboardWarning
from tallyboard.core.sink import MemorySink
from tallyboard.integrations.jax import MetricWriter, SummaryWriter, create_default_writer

from ..ports import lasting_port

if TYPE_CHECKING:
    from pathlib import Path

STEPS = 20


@jax.jit
def train_step(weights: jax.Array, x: jax.Array, y: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    def loss_of(weights: jax.Array) -> jax.Array:
        return jnp.mean((x @ weights - y) ** 2)

    loss, gradient = jax.value_and_grad(loss_of)(weights)
    metrics = {"train/loss": loss, "train/gradient_norm": jnp.linalg.norm(gradient).astype(jnp.bfloat16)}
    return weights - 0.1 * gradient, metrics


def train(writer: MetricWriter | None) -> tuple[jax.Array, dict[str, list[tuple[int, float]]]]:
    """A linear regression; gives its weights and the metrics of each step."""
    x = jax.random.normal(jax.random.key(0), (64, 3))
    y = x @ jnp.array([1.0, -2.0, 0.5])
    weights, reported = jnp.zeros(3), {"train/loss": [], "train/gradient_norm": []}
    for step in range(STEPS):
        weights, metrics = train_step(weights, x, y)
        if writer is not None:
            writer.write_scalars(step, metrics)
        for name, value in metrics.items():
            reported[name].append((step, float(value)))
    return weights, reported


def scalars(logdir: Path, run: str = ".") -> dict[str, list[tuple[int, float]]]:
    return {
        tag: list(zip(series.step.tolist(), series.value.tolist(), strict=True))
        for (of_run, tag), series in tb.read(logdir).scalars().items()
        if of_run == run
    }


def seen_by_tensorboard(logdir: Path, plugin: str) -> dict[str, list[tuple[int, Any]]]:
    """Values of a plugin as the reader behind TensorBoard's dashboards has them."""
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    reader = EventAccumulator(str(logdir), size_guidance={"tensors": 0})
    reader.Reload()
    return {
        tag: [(e.step, make_ndarray(e.tensor_proto).item()) for e in reader.Tensors(tag)]
        for tag in reader.Tags()["tensors"]
        if reader.SummaryMetadata(tag).plugin_data.plugin_name == plugin
    }


def test_a_jitted_training_is_in_the_file_as_it_was(tmp_path: Path) -> None:
    """Tags, steps and values of a jitted training, bfloat16 among them, are read back exactly."""
    plain, _ = train(None)
    with create_default_writer(tmp_path) as writer:
        weights, reported = train(writer)
    assert weights.tobytes() == plain.tobytes()
    assert scalars(tmp_path) == reported
    assert seen_by_tensorboard(tmp_path, "scalars") == reported
    assert reported["train/loss"][-1][1] < reported["train/loss"][0][1]


def test_logging_recompiles_nothing(tmp_path: Path) -> None:
    """Writing the outputs of a jitted step leaves it compiled once."""
    with create_default_writer(tmp_path) as writer:
        train(writer)
    assert train_step._cache_size() == 1


def test_texts(tmp_path: Path) -> None:
    """Texts keep their tag, step and characters, for us and for TensorBoard."""
    written = {"notes": [(0, "# A *title*"), (3, "ünïcödé 🎛 \n\nsecond paragraph")], "empty": [(3, "")]}
    with create_default_writer(tmp_path) as writer:
        writer.write_texts(0, {"notes": written["notes"][0][1]})
        writer.write_texts(3, {"notes": written["notes"][1][1], "empty": ""})
    mine = {
        tag: list(zip(series.step.tolist(), series.value, strict=True))
        for (_, tag), series in tb.read(tmp_path).texts().items()
    }
    assert mine == written
    assert {
        tag: [(step, text.decode()) for step, text in points]
        for tag, points in seen_by_tensorboard(tmp_path, "text").items()
    } == written


if importlib.util.find_spec("tensorflow") is not None:

    def test_same_as_the_peer(tmp_path: Path) -> None:
        """`tf.summary`, which CLU's SummaryWriter calls for each name, leaves the same tags, steps and values."""
        import tensorflow as tf

        _, reported = train(None)
        peer = tf.summary.create_file_writer(str(tmp_path / "peer"))
        with peer.as_default():
            for name, points in reported.items():
                for step, value in points:
                    tf.summary.scalar(name, value, step=step)
            tf.summary.text("notes", "a text", step=2)
        peer.close()
        with create_default_writer(tmp_path / "ours") as writer:
            train(writer)
            writer.write_texts(2, {"notes": "a text"})
        for plugin in ("scalars", "text"):
            peers = seen_by_tensorboard(tmp_path / "peer", plugin)
            assert len(peers) > 0
            assert seen_by_tensorboard(tmp_path / "ours", plugin) == peers


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (3, 3.0),
        (True, 1.0),
        (0.1, float(np.float32(0.1))),
        (np.float64(0.1), float(np.float32(0.1))),
        (np.array([2.5]), 2.5),
        (jnp.float32(0.1), float(np.float32(0.1))),
        (jnp.bfloat16(1.5), 1.5),
        (jnp.array([[7]], jnp.int8), 7.0),
        (jax.device_put(jnp.float32(4), jax.devices()[0]), 4.0),
        (float("inf"), float("inf")),
    ],
    ids=repr,
)
def test_values_of_every_kind(tmp_path: Path, value: Any, written: float) -> None:
    """Python, NumPy and JAX numbers of one element arrive as the float32 nearest to them."""
    with create_default_writer(tmp_path) as writer:
        writer.write_scalars(1, {"x": value})
    assert scalars(tmp_path) == {"x": [(1, written)]}


def test_steps_of_every_kind() -> None:
    """A step may be an integer of Python, NumPy or JAX."""
    sink = MemorySink()
    with SummaryWriter("unused", sink=sink) as writer:
        for step in (1, np.int32(2), jnp.int32(3), np.array(4)):
            writer.write_scalars(step, {"x": 0.5})
    assert [event.step for event in sink.events] == [1, 2, 3, 4]


def test_events_of_a_call_share_a_wall_time() -> None:
    """All names of one call stand at one moment, in the order given."""
    sink = MemorySink()
    with SummaryWriter("unused", sink=sink) as writer:
        writer.write_scalars(0, {"b": 1, "a": 2})
    assert [event.summary.tag for event in sink.events] == ["b", "a"]
    assert sink.events[0].wall_time == sink.events[1].wall_time


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [("x", jnp.ones(3), "3 elements"), ("x", "0.5", "add_text"), ("", 1.0, "empty"), ("x", None, "NoneType")],
    ids=str,
)
def test_a_wrong_value_writes_nothing(name: str, value: Any, says: str) -> None:
    """A value that is not one number is an error at the call, and none of that call's metrics is written."""
    sink = MemorySink()
    writer = SummaryWriter("unused", sink=sink)
    with pytest.raises(InvalidSummary, match=says):
        writer.write_scalars(0, {"fine": 1.0, name: value})
    writer.close()
    assert sink.events == []


def test_a_tracer_is_named() -> None:
    """A call inside a jitted function says where it stands and what to do."""
    writer = SummaryWriter("unused", sink=MemorySink())

    @jax.jit
    def value(x: jax.Array) -> jax.Array:
        writer.write_scalars(0, {"x": x})
        return x

    @jax.jit
    def step(x: jax.Array) -> jax.Array:
        writer.write_scalars(x, {"x": 1.0})  # type: ignore[arg-type]  # the mistake that is tested
        return x

    with pytest.raises(InvalidSummary, match=r"write_scalars\('x'\): the value is a JAX tracer.*inside jit"):
        value(jnp.float32(1))
    with pytest.raises(InvalidSummary, match=r"write_scalars: the step is a JAX tracer"):
        step(jnp.int32(1))


def test_a_metric_written_twice_for_a_step() -> None:
    """A second value for a step breaks CLU's rule: it is kept, and one warning for the metric says so."""
    sink = MemorySink()
    writer = SummaryWriter("written-twice", sink=sink)
    writer.write_scalars(3, {"loss": 1.0})
    with warnings.catch_warnings(record=True, action="always") as caught:
        writer.write_scalars(3, {"loss": 2.0, "accuracy": 0.5})
        writer.write_scalars(3, {"loss": 3.0})
    [warning] = caught
    assert warning.category is TallyboardWarning
    assert str(warning.message).startswith("'loss' was written twice for step 3 in 'written-twice'")
    writer.write_texts(3, {"loss": "a text is another thing"})
    writer.close()
    assert [event.summary.value for event in sink.events if event.summary.tag == "loss"][:3] == [
        1.0,
        2.0,
        3.0,
    ]


def test_a_collection_is_a_run(tmp_path: Path) -> None:
    """`collection` names a sub-directory, so that its metrics are a run of their own."""
    with create_default_writer(tmp_path, collection="eval") as writer:
        writer.write_scalars(0, {"loss": 1.0})
    assert scalars(tmp_path, "eval") == {"loss": [(0, 1.0)]}


def test_nothing_written_no_file(tmp_path: Path) -> None:
    """A writer that is never used leaves no directory behind."""
    with create_default_writer(tmp_path / "run") as writer:
        writer.flush()
    assert not (tmp_path / "run").exists()


def test_flush_is_a_barrier(tmp_path: Path) -> None:
    """After `flush` everything written is readable while the writer stays open."""
    writer = create_default_writer(tmp_path)
    writer.write_scalars(0, {"loss": 1.0})
    writer.flush()
    assert scalars(tmp_path) == {"loss": [(0, 1.0)]}
    writer.close()


def test_logdir_is_a_file(tmp_path: Path) -> None:
    """A logdir that is a file is an error at once."""
    (tmp_path / "run").write_text("")
    with pytest.raises(InvalidLogdir, match="is a file"):
        create_default_writer(tmp_path / "run")


ONE_OF_TWO_PROCESSES = """
import sys, jax
logdir, port, index = sys.argv[1], sys.argv[2], int(sys.argv[3])
from tallyboard.integrations.jax import create_default_writer, log, log_to
writer = create_default_writer(logdir)  # before initialize: it must not start the backends
jax.distributed.initialize(f"localhost:{port}", num_processes=2, process_id=index)
with writer:
    writer.write_scalars(0, {"index": float(jax.process_index())})
    writer.write_texts(0, {"note": f"from {index}"})
    with log_to(writer):
        jax.jit(lambda: log("in_jit", index, 1))()
import tallyboard as tb
with tb.auto_log(jax.jit(lambda x: {"loss": x}), f"{logdir}_auto{index}", system=False, graph=False) as step:
    for number in range(2):
        step(number + 0.5)
    step.log(extra=1.0)
from tallyboard.integrations.jax.periodic_actions import ProfileAllHosts
profile = ProfileAllHosts(logdir=f"{logdir}_{index}", profile_duration_ms=100, first_profile=2, every_secs=None)
def halved(x): return x / 2
for step in range(4):
    jax.jit(halved)(float(step)).block_until_ready()
    assert profile(step) == (step == 2)
profile.join()
print(jax.process_index(), jax.process_count())
"""


def test_only_the_first_process_writes(tmp_path: Path) -> None:
    """Of two processes of one JAX program, that with index 0 writes, `auto_log` too, and the other leaves no file;
    each has a profile of `ProfileAllHosts`, with what it ran itself.
    """
    port = lasting_port()
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_OF_TWO_PROCESSES, str(tmp_path / "run"), str(port), str(index)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    for index, program in enumerate(programs):
        printed, errors = program.communicate(timeout=300)
        assert (program.returncode, printed) == (0, f"{index} 2\n"), errors
    assert scalars(tmp_path / "run") == {"in_jit": [(1, 0.0)], "index": [(0, 0.0)]}
    assert len(list((tmp_path / "run").iterdir())) == 1
    assert scalars(tmp_path / "run_auto0")["train/loss"] == [(1, 0.5), (2, 1.5)]
    assert not (tmp_path / "run_auto1").exists()
    for index in range(2):
        (profile,) = (tmp_path / f"run_{index}").rglob("*.xplane.pb")
        assert b"PjitFunction(halved)" in profile.read_bytes()


WITHOUT_JAX = """
import sys
from tallyboard.integrations.jax import create_default_writer
with create_default_writer(sys.argv[1]) as writer:
    writer.write_scalars(0, {"loss": 1.0})
print([name for name in ("jax", "tensorflow", "torch", "keras") if name in sys.modules])
"""


def test_no_framework_is_imported(tmp_path: Path) -> None:
    """The module and a writer of Python numbers load no framework, JAX included."""
    program = [sys.executable, "-c", WITHOUT_JAX, str(tmp_path)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    assert scalars(tmp_path) == {"loss": [(0, 1.0)]}
