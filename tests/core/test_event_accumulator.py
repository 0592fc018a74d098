"""EventAccumulator is TensorBoard's: the same results on files of every writer, by the same calls."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.core import event_accumulator as ours
from tallyboard.core.errors import InvalidLogdir
from tallyboard.core.event_files import EventFile
from tallyboard.core.event_multiplexer import EventMultiplexer
from tallyboard.core.record import frame
from tallyboard.core.summary import Event, scalar
from tallyboard.core.summary_iterator import summary_iterator
from tallyboard.core.wire import encode_event, encode_file_version, encode_group, encode_scalar

ROOT = Path(__file__).parents[2]
KINDS = ("Scalars", "Histograms", "CompressedHistograms", "Images", "Audio", "Tensors")
TAGS = dict(zip(KINDS, ("scalars", "histograms", "distributions", "images", "audio", "tensors"), strict=True))


def everything(writer: Any) -> None:
    """What torch's, tensorboardX's and our writer all can."""
    random = np.random.default_rng(0)
    for step in range(40):
        writer.add_scalar("loss", 1 / (step + 1), step)
        writer.add_histogram("h", random.normal(size=50) * (step + 1), step)
        if step % 5 == 0:
            writer.add_image("i", random.random((3, 4, 6)), step)
            writer.add_audio("a", random.random(30) - 0.5, step, sample_rate=8000)
            writer.add_text("t", f"text {step}", step)
            writer.add_pr_curve("pr", random.integers(0, 2, 20), random.random(20), step)
    writer.add_histogram("zeros", np.zeros(5), 1)
    writer.add_scalar("odd", float("nan"), 3)
    writer.add_hparams({"lr": 0.1}, {"m": 1.0})
    writer.close()


def by_torch(folder: Path) -> None:
    everything(pytest.importorskip("torch.utils.tensorboard").SummaryWriter(str(folder)))


def by_tensorboardx(folder: Path) -> None:
    pytest.importorskip("soundfile")  # its add_audio needs it
    everything(pytest.importorskip("tensorboardX").SummaryWriter(str(folder)))


def by_us(folder: Path) -> None:
    everything(tb.SummaryWriter(folder))


def by_tf_summary(folder: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    with tf.summary.create_file_writer(str(folder)).as_default():
        for step in range(30):
            tf.summary.scalar("loss", 1 / (step + 1), step)
            tf.summary.histogram("h", tf.range(10.0) * step, step)
            tf.summary.image("i", tf.zeros((2, 4, 4, 3)), step)
            tf.summary.audio("a", tf.zeros((1, 20, 1)), 8000, step)
            tf.summary.text("t", ["one", "two"], step)


def by_tensorflow_1(folder: Path) -> None:
    """A graph, a metagraph, measurements of a step, and old summaries, by TensorFlow 1's writer."""
    v1 = pytest.importorskip("tensorflow").compat.v1
    with v1.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        number = v1.placeholder(v1.float32, name="number")
        doubled = number * 2
        merged = v1.summary.merge([v1.summary.scalar("s", doubled), v1.summary.histogram("h", doubled)])
        writer = v1.summary.FileWriter(str(folder), graph)
        writer.add_meta_graph(v1.train.export_meta_graph())
        for step in range(5):
            writer.add_summary(session.run(merged, {number: float(step)}), step)
        measured = v1.RunMetadata()
        measured.step_stats.dev_stats.add(device="/cpu:0")
        writer.add_run_metadata(measured, "step 3", 3)
        writer.close()


def by_a_restarted_run(folder: Path) -> None:
    for purge, steps in ((None, range(20)), (12, range(12, 16))):
        with tb.SummaryWriter(folder, purge_step=purge) as writer:
            for step in steps:
                writer.add_scalar("loss", step + (0.5 if purge else 0), step)
                writer.add_histogram("h", np.arange(step + 1.0), step)
                writer.add_tensor("x", np.arange(2), step)


def by_the_first_version(folder: Path) -> None:
    """No file version, so that steps that go back tell of a restart; two tags, one of which goes back."""
    folder.mkdir(parents=True)
    events = [("a", 0), ("b", 0), ("a", 5), ("b", 5), ("a", 9), ("a", 3), ("b", 6), ("a", 4)]
    data = b"".join(frame(encode_event(Event(step, 100.0 + i, scalar(tag, i)))) for i, (tag, step) in enumerate(events))
    (folder / "events.out.tfevents.1.host").write_bytes(data)


def by_a_long_loop(folder: Path, version: bool = True) -> None:
    """Thousands of scalars, some of them several to an event, some with metadata; a restart, and steps that go back."""
    from tallyboard.core.proto import event_pb2 as pb

    folder.mkdir(parents=True)
    events = [encode_file_version(1.7e9)] if version else []
    steps = [*range(900), *range(700, 1_000), 3, 4]
    for i, step in enumerate(steps):
        if i == 900:
            log = pb.SessionLog(status=pb.SessionLog.START)
            events.append(pb.Event(step=step, wall_time=1.7e9, session_log=log).SerializeToString())
        events += [encode_scalar(tag, step, 1.7e9 + i / 3, i / 7) for tag in ("loss", "lr", "train/accuracy")]
        if i % 3 == 0:
            values = np.array([i, -i, i / 3], "<f4").tobytes()
            events.append(encode_group(("late", "loss", "late"), step, 1.7e9 + i, values)[0])
        if i % 400 == 5:
            event = pb.Event(step=step, wall_time=1.7e9 + i)
            value = event.summary.value.add(tag="told", simple_value=i)
            value.metadata.display_name = "Told"
            events += [event.SerializeToString(), encode_scalar("told", step, 1.7e9 + i, 1.0)]
    (folder / "events.out.tfevents.1.host").write_bytes(b"".join(map(frame, events)))


def by_a_long_loop_of_the_first_version(folder: Path) -> None:
    by_a_long_loop(folder, version=False)


WRITERS: dict[str, Callable[[Path], None]] = {
    "torch": by_torch,
    "tensorboardX": by_tensorboardx,
    "tallyboard": by_us,
    "tf.summary": by_tf_summary,
    "TensorFlow 1": by_tensorflow_1,
    "restarted": by_a_restarted_run,
    "first version": by_the_first_version,
    "long loop": by_a_long_loop,
    "long loop, first version": by_a_long_loop_of_the_first_version,
}


@pytest.fixture(scope="module", params=list(WRITERS))
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "run"
    WRITERS[request.param](folder)
    return folder


@pytest.fixture(scope="module")
def theirs() -> Any:
    return pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def plain(item: Any) -> Any:
    """Dataclasses and named tuples of both as the same tuples, messages as bytes, NaN as text."""
    if dataclasses.is_dataclass(item):
        return tuple(plain(getattr(item, field.name)) for field in dataclasses.fields(item))
    if hasattr(item, "SerializeToString"):
        return item.SerializeToString(deterministic=True)
    if isinstance(item, list | tuple):
        return tuple(plain(each) for each in item)
    return "nan" if isinstance(item, float) and item != item else item


def same(mine: Any, other: Any) -> None:
    """All that can be asked of both is the same."""
    assert mine.Tags() == other.Tags()
    for kind in KINDS:
        for tag in mine.Tags()[TAGS[kind]]:
            got, wanted = getattr(mine, kind)(tag), getattr(other, kind)(tag)
            assert [type(item).__name__ for item in got] == [type(item).__name__ for item in wanted]
            assert plain(got) == plain(wanted), (kind, tag)
    assert mine.FirstEventTimestamp() == other.FirstEventTimestamp()
    assert mine.GetSourceWriter() == other.GetSourceWriter()
    assert (mine.file_version, mine.most_recent_step) == (other.file_version, other.most_recent_step)
    assert {tag: plain(data) for tag, data in mine.summary_metadata.items()} == {
        tag: plain(data) for tag, data in other.summary_metadata.items()
    }
    for plugin in mine.ActivePlugins():
        assert mine.PluginTagToContent(plugin) == other.PluginTagToContent(plugin)
    for tag in mine.Tags()["run_metadata"]:
        assert plain(mine.RunMetadata(tag)) == plain(other.RunMetadata(tag))


GUIDANCE = (
    "STORE_EVERYTHING_SIZE_GUIDANCE",
    "DEFAULT_SIZE_GUIDANCE",
    {"scalars": 7, "histograms": 5, "distributions": 6, "images": 3, "audio": 2, "tensors": 4},
    {"scalars": 1},
)


@pytest.mark.parametrize("guidance", GUIDANCE, ids=str)
def test_results_are_tensorboards(written: Path, theirs: Any, guidance: Any) -> None:
    """Tags, values, samples, metadata and messages are TensorBoard's, on files of every writer."""
    asked = [getattr(module, guidance) if isinstance(guidance, str) else guidance for module in (ours, theirs)]
    assert asked[0] == asked[1]
    mine = ours.EventAccumulator(str(written), size_guidance=asked[0])
    other = theirs.EventAccumulator(str(written), size_guidance=asked[1])
    assert mine.Reload() is mine
    other.Reload()
    assert any(mine.Tags().values())
    same(mine, other)


def test_without_purging(written: Path, theirs: Any) -> None:
    """`purge_orphaned_data=False` keeps what a restart took the place of, as TensorBoard does."""
    kept = theirs.STORE_EVERYTHING_SIZE_GUIDANCE
    other = theirs.EventAccumulator(str(written), kept, purge_orphaned_data=False)
    same(ours.EventAccumulator(written, purge_orphaned_data=False).Reload(), other.Reload())


def test_one_file(written: Path, theirs: Any) -> None:
    """The path may be one event file."""
    path = sorted(str(path) for path in written.glob("*tfevents*"))[-1]
    other = theirs.EventAccumulator(path, theirs.STORE_EVERYTHING_SIZE_GUIDANCE)
    same(ours.EventAccumulator(path).Reload(), other.Reload())


def test_other_basis_points(theirs: Any, tmp_path: Path) -> None:
    """Histograms are compressed at any basis points to the same numbers, odd histograms too."""
    with tb.SummaryWriter(tmp_path) as writer:
        for step, bins in enumerate(("tensorflow", "fd", [0.0, 1.0, 5.0, 9.0])):
            writer.add_histogram("h", np.random.default_rng(step).gamma(2, size=500), step, bins=bins)  # type: ignore[arg-type]
        writer.add_histogram_raw("raw", 0.0, 3.0, 4, 6.0, 10.0, [0.0, 1.0, 2.0, 3.0], [2.0, 0.0, 0.0, 2.0], 9)
        writer.add_histogram_raw("none", 0.0, 0.0, 0, 0.0, 0.0, [1.0], [0.0], 9)
    points = (0, 100, 2500, 5000, 9999, 10000)
    mine = ours.EventAccumulator(tmp_path, compression_bps=points).Reload()
    other = theirs.EventAccumulator(str(tmp_path), theirs.STORE_EVERYTHING_SIZE_GUIDANCE, points).Reload()
    for tag in ("h", "raw", "none"):
        assert plain(mine.CompressedHistograms(tag)) == plain(other.CompressedHistograms(tag))


def test_graphs(theirs: Any, tmp_path: Path) -> None:
    """The graph, also out of a metagraph alone, has TensorBoard's nodes."""
    by_tensorflow_1(tmp_path)
    mine, other = ours.EventAccumulator(tmp_path).Reload(), theirs.EventAccumulator(str(tmp_path)).Reload()
    assert [node.name for node in mine.Graph().node] == [node.name for node in other.Graph().node]
    assert mine.SerializedGraph() == other._graph
    assert len(plain(mine.MetaGraph())) == len(plain(other.MetaGraph()))  # what is no field here is kept, behind
    assert plain(mine.MetaGraph().graph_def) == plain(mine.Graph())
    v1 = pytest.importorskip("tensorflow").compat.v1
    with v1.Graph().as_default() as graph:
        v1.placeholder(v1.float32, name="alone")
        writer = v1.summary.FileWriter(str(tmp_path / "meta"))
        writer.add_meta_graph(v1.train.export_meta_graph(graph=graph))
        writer.close()
    mine, other = (module.EventAccumulator(str(tmp_path / "meta")).Reload() for module in (ours, theirs))
    assert mine.Tags() == other.Tags()
    assert [node.name for node in mine.Graph().node] == [node.name for node in other.Graph().node] == ["alone"]


def test_what_is_not_there(theirs: Any, tmp_path: Path) -> None:
    """Unknown tags, plugins, graphs and assets raise what TensorBoard raises."""
    by_the_first_version(tmp_path / "run")
    both = [module.EventAccumulator(str(tmp_path / "run")).Reload() for module in (ours, theirs)]
    calls: list[tuple[Callable[[Any], Any], type[Exception]]] = [
        *(((lambda each, kind=kind: getattr(each, kind)("none")), KeyError) for kind in KINDS),
        (lambda each: each.Graph(), ValueError),
        (lambda each: each.MetaGraph(), ValueError),
        (lambda each: each.RunMetadata("none"), ValueError),
        (lambda each: each.SummaryMetadata("none"), KeyError),
        (lambda each: each.PluginTagToContent("none"), KeyError),
        (lambda each: each.RetrievePluginAsset("none", "none"), KeyError),
    ]
    for call, kind in calls:
        for each in both:
            with pytest.raises(kind):
                call(each)
    for module in (ours, theirs):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(ValueError, match="No event timestamp could be found"):
            module.EventAccumulator(str(tmp_path / "empty")).FirstEventTimestamp()
        with pytest.raises(ValueError, match="path must be a valid string"):
            module.EventAccumulator("")
    with pytest.raises(InvalidLogdir, match="cannot be read"):
        ours.EventAccumulator(tmp_path / "nowhere").Reload()


def test_assets(tmp_path: Path, theirs: Any) -> None:
    """Files that plugins keep are listed and read as by TensorBoard."""
    folder = tmp_path / "plugins" / "mine"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("hello")
    for module in (ours, theirs):
        found = module.EventAccumulator(str(tmp_path))
        assert found.PluginAssets("mine") == ["a.txt"]
        assert found.PluginAssets("other") == []
        assert found.RetrievePluginAsset("mine", "a.txt") == "hello"


def test_everything_is_kept_by_default(tmp_path: Path, theirs: Any) -> None:
    """Without size_guidance nothing is sampled away, where TensorBoard keeps one histogram; given, it is honoured."""
    with tb.SummaryWriter(tmp_path) as writer:
        for step in range(30):
            writer.add_histogram("h", np.arange(3.0), step)
            writer.add_scalar("s", step, step)
    mine = ours.EventAccumulator(tmp_path).Reload()
    assert [event.step for event in mine.Histograms("h")] == list(range(30))
    assert len(theirs.EventAccumulator(str(tmp_path)).Reload().Histograms("h")) == 1
    assert len(ours.EventAccumulator(tmp_path, {"histograms": 4}).Reload().Histograms("h")) == 4
    wall_time, step, value = mine.Scalars("s")[3]
    assert (wall_time, step, value) == (mine.Scalars("s")[3].wall_time, 3, 3.0)


def test_reload_reads_on(tmp_path: Path) -> None:
    """Every `Reload` reads what has come in any file of the directory, which TensorBoard does only with the newest."""
    one, two = (tb.SummaryWriter(tmp_path, filename_suffix=suffix) for suffix in (".1", ".2"))
    one.add_scalar("a", 1.0, 0)
    one.flush()
    found = ours.EventAccumulator(tmp_path)
    first = found.FirstEventTimestamp()
    assert found.Tags()["scalars"] == []
    assert [event.value for event in found.Reload().Scalars("a")] == [1.0]
    two.add_scalar("a", 2.0, 1)
    two.close()
    assert [event.value for event in found.Reload().Scalars("a")] == [1.0, 2.0]
    one.add_scalar("a", 3.0, 2)
    one.close()
    assert [event.value for event in found.Reload().Scalars("a")] == [1.0, 2.0, 3.0]
    assert [event.value for event in found.Reload().Scalars("a")] == [1.0, 2.0, 3.0]
    assert found.FirstEventTimestamp() == first


def records(steps: range) -> list[bytes]:
    head = frame(encode_file_version(1.0))
    return [head, *(frame(encode_event(Event(i, 1.0 + i, scalar("loss", i)))) for i in steps)]


def test_damage_is_passed_over(tmp_path: Path, theirs: Any) -> None:
    """Behind a damaged record, where TensorBoard ends, the others are read; a torn tail is read when it is whole."""
    parts = records(range(100))
    parts[50] = parts[50][:-6] + b"\x00\x00" + parts[50][-4:]
    path = tmp_path / "events.out.tfevents.1.host"
    whole = b"".join(parts)
    path.write_bytes(whole[:-3])
    found = ours.EventAccumulator(path).Reload()
    assert [event.step for event in found.Scalars("loss")] == [*range(49), *range(50, 99)]
    assert len(theirs.EventAccumulator(str(path)).Reload().Scalars("loss")) == 49
    path.write_bytes(whole)
    assert found.Reload().Scalars("loss")[-1].step == 99


@pytest.mark.parametrize("size", [100, 1000, 5000])
def test_records_at_the_ends_of_what_is_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """However the file is cut into reads, shorter than a record too, every event comes once and in order."""
    from tallyboard.core import event_files
    from tallyboard.core.summary import text

    monkeypatch.setattr(event_files, "READ_BYTES", size)
    events = [Event(i, 1.0, text("t", "x" * (i * 37 % 3000))) for i in range(60)]
    path = tmp_path / "f.tfevents"
    path.write_bytes(b"".join(frame(encode_event(event)) for event in events))
    assert [event.step for event in EventFile(path).load()] == list(range(60))


def test_summary_iterator(written: Path) -> None:
    """The events are those of TensorFlow's summary_iterator, byte for byte."""
    iterator = pytest.importorskip("tensorflow").compat.v1.train.summary_iterator
    for path in sorted(written.glob("*tfevents*")):
        got = [event.SerializeToString(deterministic=True) for event in summary_iterator(path)]
        wanted = [event.SerializeToString(deterministic=True) for event in iterator(str(path))]
        assert len(got) > 1
        assert got == wanted


def test_summary_iterator_of_nothing(tmp_path: Path) -> None:
    """A path that is no file is refused at the call."""
    with pytest.raises(InvalidLogdir, match="it is a directory; give one of its files"):
        summary_iterator(tmp_path)
    with pytest.raises(InvalidLogdir, match="it does not exist"):
        summary_iterator(tmp_path / "x")


def test_multiplexer(tmp_path: Path) -> None:
    """Runs of a directory have TensorBoard's names and results; what is gone is forgotten."""
    module = pytest.importorskip("tensorboard.backend.event_processing.event_multiplexer")
    for name in ("a", "b/c"):
        by_us(tmp_path / name)
    mine = EventMultiplexer().AddRunsFromDirectory(tmp_path).Reload()
    other = module.EventMultiplexer().AddRunsFromDirectory(str(tmp_path)).Reload()
    assert mine.RunPaths() == other.RunPaths()
    assert mine.Runs() == other.Runs()
    assert plain(mine.Scalars("b/c", "loss")) == plain(other.Scalars("b/c", "loss"))
    assert mine.PluginRunToTagToContent("pr_curves") == other.PluginRunToTagToContent("pr_curves")
    assert mine.GetSourceWriter("a") == other.GetSourceWriter("a")
    named = EventMultiplexer({"x": str(tmp_path / "a")}).Reload().AddRunsFromDirectory(tmp_path / "b", "y")
    assert {run: len(tags["scalars"]) for run, tags in named.Runs().items()} == {"x": 3, "y/c": 3}
    with pytest.raises(KeyError):
        mine.Scalars("none", "loss")


def test_light(tmp_path: Path) -> None:
    """Nothing of TensorBoard, TensorFlow or the viewer is imported for it."""
    program = """
import sys, tallyboard.core.event_accumulator, tallyboard.core.event_multiplexer, tallyboard.core.summary_iterator
print([name for name in ("tensorboard", "tensorflow", "torch", "aiohttp", "pandas") if name in sys.modules])
"""
    env = {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
