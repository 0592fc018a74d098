"""Programs written for a peer run with nothing but the import changed, and what they log is what the peer's logs.

The programs are in tests/migration, each written after a pattern that is common in public code; the first part of a
file's name is the peer it was written for.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb

PROGRAMS = Path(__file__).parent / "migration"
PEERS = {"torch": "torch.utils.tensorboard", "tensorboardx": "tensorboardX"}
NAMES = sorted(path.stem for peer in PEERS for path in PROGRAMS.glob(f"{peer}_*.py"))

pytest.importorskip("torch.utils.tensorboard")
pytest.importorskip("tensorboardX")
loaders = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
tensor_util = pytest.importorskip("tensorboard.util.tensor_util")
graph_pb2 = pytest.importorskip("tensorboard.compat.proto.graph_pb2")
pillow = pytest.importorskip("PIL.Image")


def run(program: Path, folder: Path, peer: str | None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs a program in an empty folder, as it is or with our name for the peer's, and returns the folder."""
    text = program.read_text(encoding="utf-8")
    if peer is not None:
        changed = re.sub(rf"\bfrom {re.escape(peer)} import\b", "from tallyboard import", text)
        lines = [a for a, b in zip(text.splitlines(), changed.splitlines(), strict=True) if a != b]
        assert len(lines) == 1, "the import is all that may change, and it has to"
        assert "tallyboard" in changed
        text = changed
    folder.mkdir()
    with monkeypatch.context() as context:
        context.chdir(folder)
        exec(compile(text, str(program), "exec"), {"__name__": "__main__"})
    return folder


def runs(folder: Path) -> dict[str, list[Path]]:
    """The event files of each run; the time and the host in the default directory's name are left out."""
    out: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*tfevents*")):
        name = str(path.parent.relative_to(folder))
        name = re.sub(r"runs/[A-Z][a-z]{2}\d\d_\d\d-\d\d-\d\d_[^/]*?(?=_LR_|/|$)", "runs/NOW", name)
        out.setdefault(name, []).append(path)
    return out


def content(value: Any) -> Any:
    """A value to compare: pictures as their pixels, everything else as TensorBoard's arrays."""
    array = tensor_util.make_ndarray(value.tensor) if value.HasField("tensor") else None
    if value.metadata.plugin_data.plugin_name == "images" and array is not None:
        width, height, *pictures = array.tolist()
        return [int(width), int(height), *(frames(data) for data in pictures)]
    if array is not None and array.dtype.kind == "f":
        return [array.shape, [float(f"{number:.6g}") for number in array.ravel().tolist()]]
    return None if array is None else array.tolist()


def frames(data: bytes) -> Any:
    picture = pillow.open(io.BytesIO(data))
    out: list[Any] = []
    for i in range(getattr(picture, "n_frames", 1)):
        picture.seek(i)
        out.append(np.asarray(picture.convert("RGBA")).tolist())
    return out


def summaries(paths: list[Path], wall_times: bool = False) -> list[tuple[Any, ...]]:
    """Tag, step, plugin, its content and the value of every summary of a run, by TensorBoard's own reader."""
    out: list[tuple[Any, ...]] = []
    for path in paths:
        for event in loaders.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                plugin = value.metadata.plugin_data
                names = (value.metadata.display_name, value.metadata.summary_description)
                out.append((value.tag, event.step, plugin.plugin_name, names, content(value)))
                if wall_times:
                    out.append((value.tag, event.wall_time))
    return sorted(out, key=repr)


def graphs(paths: list[Path]) -> list[Any]:
    """Of each graph of a run: the weights in it by their paths in the model, and the shapes of what it puts out.

    torch names nodes by classes, ours by paths: `mode="jit"` is compared with torch's node by node in test_graph.py.
    """
    out: list[Any] = []
    for path in paths:
        for event in loaders.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "graphs":
                    graph = graph_pb2.GraphDef.FromString(tensor_util.make_ndarray(value.tensor).tolist()[0])
                    out.append((weights(graph), output_shapes(graph)))
    return out


def weights(graph: Any) -> list[str]:
    ours = [one for node in graph.node for one in node.attr["weights"].s.decode().split()]
    theirs = [
        ".".join([*re.findall(r"\[([^\]]*)\]", node.name), node.name.split("/")[-2]])
        for node in graph.node
        if node.op == "prim::GetAttr"
    ]
    return sorted({*ours, *theirs})


def output_shapes(graph: Any) -> list[list[int]]:
    """Of the nodes that the outputs read, which torch gives no shapes of their own where they are tensors of a list."""
    nodes = {node.name: node for node in graph.node}
    outputs = [node for node in graph.node if node.name.startswith(("output/", "outputs/"))]
    read = [nodes[node.input[0]] for node in outputs]
    return [[dim.size for dim in shape.dim] for node in read for shape in node.attr["_output_shapes"].list.shape]


@pytest.fixture(autouse=True)
def _own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The global writers of a program are not those of the next."""
    from tallyboard.core import peer_writers

    monkeypatch.setattr(peer_writers, "_the_writer", None)
    monkeypatch.setattr(importlib.import_module("tensorboardX.global_writer"), "_writer", None)


@pytest.fixture(scope="module")
def made() -> dict[str, tuple[Path, Path]]:
    """What the programs that ran so far have left."""
    return {}


@pytest.fixture
def both(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: dict[str, tuple[Path, Path]]
) -> tuple[Path, Path]:
    """Runs the program named, with our writer and with the peer's, once for all tests that look at what it leaves."""
    if request.param not in made:
        program = PROGRAMS / f"{request.param}.py"
        peer = PEERS[request.param.partition("_")[0]]
        ours = run(program, tmp_path / "ours", peer, monkeypatch)
        theirs = run(program, tmp_path / "theirs", None, monkeypatch)
        made[request.param] = ours, theirs
    return made[request.param]


SAME = [
    "torch_training_loop",
    "torch_pr_curve_per_class",
    "torch_markdown",
    "torch_with_comment",
    "torch_train_and_val",
    "torch_graph",
    "torch_figures",
    "torch_charts_and_shapes",
    "tensorboardx_global",
]


@pytest.mark.parametrize("both", SAME, indirect=True)
def test_the_same_runs_and_values(both: tuple[Path, Path]) -> None:
    """The runs have the names, and in each are the tags, steps, plugins and values, that the peer writes."""
    ours, theirs = map(runs, both)
    assert list(ours) == list(theirs)
    seen = 0
    for name in ours:
        mine, other = summaries(ours[name]), summaries(theirs[name])
        drawn = ("graphs", "graph_tagged_run_metadata")  # ours tells how long each node took
        assert [one for one in mine if one[2] not in drawn] == [one for one in other if one[2] not in drawn], name
        assert [one[:3] for one in mine] == [one[:3] for one in other]
        assert graphs(ours[name]) == graphs(theirs[name])
        seen += len(mine)
    assert seen > 0


@pytest.mark.parametrize("both", SAME, indirect=True)
def test_our_reader_reads_both_alike(both: tuple[Path, Path]) -> None:
    """Every scalar point of the peer's files and of ours is the same to our own reader."""

    def points(folder: Path) -> dict[Any, Any]:
        named = {path.parent: name for name, paths in runs(folder).items() for path in paths}
        return {
            (named[folder / run], tag): list(zip(series.step.tolist(), series.value.tolist(), strict=True))
            for (run, tag), series in tb.read(folder).scalars().items()
        }

    ours, theirs = map(points, both)
    assert ours == theirs


def test_every_program_is_run() -> None:
    """Each program of tests/migration for these peers is named in a test here."""
    text = Path(__file__).read_text()
    assert len(NAMES) >= 13
    assert [name for name in NAMES if f'"{name}"' not in text] == []


@pytest.mark.parametrize("both", ["torch_sweep"], indirect=True)
def test_a_sweep_without_second_runs(both: tuple[Path, Path]) -> None:
    """Each setting's hyperparameters and metrics are what torch writes, in the run itself instead of a second one."""
    ours, theirs = map(runs, both)
    again = {re.sub(r"/\d+\.\d+$", "", name): paths for name, paths in theirs.items() if re.search(r"/\d+\.\d+$", name)}
    assert list(ours) == [name for name in theirs if not re.search(r"/\d+\.\d+$", name)] == sorted(again)
    for name in ours:
        mine = [one for one in summaries(ours[name]) if not one[0].startswith("_hparams_")]
        other = [one for one in summaries(theirs[name] + again[name]) if not one[0].startswith("_hparams_")]
        assert mine == other
        assert settings(ours[name]) == settings(again[name])


def settings(paths: list[Path]) -> tuple[dict[str, Any], list[str]]:
    """Hyperparameters and names of metrics of a run; torch makes numbers of booleans, which are compared as such."""
    from tensorboard.plugins.hparams import plugin_data_pb2

    values: dict[str, Any] = {}
    metrics: list[str] = []
    for path in paths:
        for event in loaders.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                data = plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)
                if value.tag == "_hparams_/session_start_info":
                    hparams = data.session_start_info.hparams
                    values |= {key: getattr(one, one.WhichOneof("kind")) for key, one in hparams.items()}
                if value.tag == "_hparams_/experiment":
                    metrics += [info.name.tag for info in data.experiment.metric_infos]
    return values, sorted(metrics)


@pytest.mark.parametrize("both", ["torch_embedding", "tensorboardx_demo"], indirect=True)
def test_embeddings_are_the_same(both: tuple[Path, Path]) -> None:
    """The projector is given the same vectors, labels and pictures."""
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    def read(folder: Path) -> dict[str, Any]:
        out: dict[str, Any] = {}
        (place,) = folder.rglob("projector_config.pbtxt")
        for entry in text_format.Parse(place.read_text(), ProjectorConfig()).embeddings:
            tensor = place.parent / entry.tensor_path
            shape = tuple(entry.tensor_shape)
            numbers = np.fromfile(tensor, "<f4").reshape(shape) if tensor.suffix == ".bytes" else np.loadtxt(tensor)
            rows = [line.split("\t") for line in (place.parent / entry.metadata_path).read_text().splitlines()]
            picture = entry.sprite.image_path
            pixels = np.asarray(pillow.open(place.parent / picture).convert("RGB")).tolist() if picture else None
            dims = list(entry.sprite.single_image_dim)
            out[entry.tensor_name] = (numbers.astype(np.float32).tolist(), rows, pixels, dims)
        return out

    ours, theirs = map(read, both)
    assert ours == theirs
    assert len(ours) in (1, 3)


@pytest.mark.parametrize("both", ["tensorboardx_demo"], indirect=True)
def test_tensorboardx_demo(both: tuple[Path, Path]) -> None:
    """Everything that tensorboardX's usual demonstration logs is the same, but for what docs/differences.md names."""
    ours, theirs = map(runs, both)
    lines = {f"runs/demo/data_scalar_group_{key}": f"runs/demo/data/scalar_group/{key}" for key in ("xsinx", "xcosx")}
    again = [name for name in theirs if re.search(r"/\d+\.\d+$", name)]
    assert set(ours) == {"runs/demo", *lines}
    assert set(theirs) == {"runs/demo", *lines.values(), *again}
    assert len(again) == 1

    def comparable(paths: list[Path]) -> list[tuple[Any, ...]]:
        kept = [one for one in summaries(paths) if not one[0].startswith("_hparams_")]
        return [one for one in kept if one[2] != "audio"]  # rounded at another scale: test_media_sound.py

    for mine, other in lines.items():
        assert [one[1:] for one in comparable(ours[mine])] == [one[1:] for one in comparable(theirs[other])]
    mine = [(re.sub(r"[^-/\w.]", "_", one[0]), *one[1:]) for one in comparable(ours["runs/demo"])]  # its tags
    assert mine == comparable(theirs["runs/demo"] + theirs[again[0]])
    values, metrics = settings(ours["runs/demo"])
    assert (values, metrics) == settings(theirs[again[0]])
    assert values["fast"] is True


@pytest.mark.parametrize("program", ["tensorboardx_video"])
def test_video(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames that were given are in the GIF, whether or not there is the library that tensorboardX needs."""
    ours = run(PROGRAMS / f"{program}.py", tmp_path / "ours", "tensorboardX", monkeypatch)
    ((tag, step, plugin, _, value),) = summaries(runs(ours)["runs/video"])
    assert (tag, step, plugin, value[:2]) == ("wandering square", 3, "images", [16, 16])
    (pictures,) = value[2:]
    assert len(pictures) == 6
    for i, picture in enumerate(np.array(pictures)):
        lit = np.zeros((16, 16), int)
        lit[i : i + 5, i : i + 5] = 255
        assert (picture[..., 0] == lit).all(), i


@pytest.mark.parametrize("both", ["tensorboardx_not_on_disk"], indirect=True)
def test_not_on_disk(both: tuple[Path, Path]) -> None:
    """`write_to_disk=False` leaves no file, and `use_metadata` gives its step and time."""
    ours, theirs = both
    assert [path.parent.name for path in ours.rglob("*") if path.is_file()] == ["rank0"]
    name = "runs/rank0"
    assert summaries(runs(ours)[name], wall_times=True) == summaries(runs(theirs)[name], wall_times=True)


def test_nothing_of_the_peer_is_loaded(tmp_path: Path) -> None:
    """A program whose import was changed needs neither TensorBoard nor its peer."""
    import subprocess

    text = (PROGRAMS / "torch_sweep.py").read_text().replace("torch.utils.tensorboard", "tallyboard")
    program = (
        "import sys\n"
        "for name in ('tensorboard', 'tensorboardX', 'tensorflow', 'torch'): sys.modules[name] = None\n" + text
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(tb.read(tmp_path / "runs").runs) == 8
