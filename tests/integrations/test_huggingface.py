"""The Trainer's callback and Accelerate's tracker, on real trainings beside TensorBoard's own; graphs of the models."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tallyboard as tb

from .conftest import Log

os.environ["HF_HUB_OFFLINE"] = "1"
transformers = pytest.importorskip("transformers")
accelerate = pytest.importorskip("accelerate")

from accelerate.tracking import TensorBoardTracker  # noqa: E402
from transformers.integrations import TensorBoardCallback as TheirCallback  # noqa: E402

from tallyboard.integrations.accelerate import TallyboardTracker  # noqa: E402
from tallyboard.integrations.huggingface import TallyboardCallback, TensorBoardCallback  # noqa: E402
from tallyboard.integrations.torch.graph import graph  # noqa: E402

from .test_torch_graph import check_connected, flows, joined_weights, of_capture  # noqa: E402

Told = Callable[[Path], dict[tuple[str, int], Any]]


def tiny(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, num_labels=2
    )
    return transformers.BertForSequenceClassification(config)


def examples(count: int = 12) -> list[dict[str, Any]]:
    numbers = np.random.default_rng(0)
    return [{"input_ids": numbers.integers(0, 20, 6).tolist(), "labels": int(i % 2)} for i in range(count)]


def trainer(folder: Path, callbacks: list[Any], **options: Any) -> Any:
    arguments = transformers.TrainingArguments(
        **{
            "output_dir": str(folder),
            "per_device_train_batch_size": 4,
            "num_train_epochs": 2,
            "logging_steps": 1,
            "eval_strategy": "epoch",
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "use_cpu": True,
            "learning_rate": 0.01,
            **options,
        }
    )
    return transformers.Trainer(
        tiny(), arguments, train_dataset=examples(), eval_dataset=examples(4), callbacks=callbacks
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """One training with both callbacks, an evaluation after it, and the model."""
    folder = tmp_path_factory.mktemp("trainer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TENSORBOARD_LOGGING_DIR", str(folder / "theirs"))
        theirs = TheirCallback()
        patch.setenv("TENSORBOARD_LOGGING_DIR", str(folder / "ours"))
        done = trainer(folder, [theirs, TallyboardCallback()])
    done.train()
    done.evaluate()
    done.log({"test_score": 0.5, "note": "all well"})
    for callback in done.callback_handler.callbacks:
        if isinstance(callback, TheirCallback | TallyboardCallback):
            callback.tb_writer.close()
    return folder, done.model


def test_trainer_logs_what_tensorboards_callback_logs(trained: tuple[Path, Any], told: Told) -> None:
    """Tags, steps, values and texts of a training, and of what comes after it, are those of TensorBoardCallback."""
    folder, _ = trained
    ours, theirs = (told(folder / name) for name in ("ours", "theirs"))

    assert ours == theirs
    losses = [step for tag, step in ours if tag == "train/loss"]
    assert losses == [1, 2, 3, 4, 5, 6]
    assert {"train/learning_rate", "train/grad_norm", "train/epoch", "eval/loss", "test/score"} <= {t for t, _ in ours}
    assert ours["train/note/text_summary", 6] == b"all well"
    assert json.loads(ours["args/text_summary", 0])["learning_rate"] == 0.01
    assert json.loads(ours["model_config/text_summary", 0])["hidden_size"] == 8


def test_trainer_logs_its_setup_as_hyperparameters(trained: tuple[Path, Any]) -> None:
    """Beside the texts there are hyperparameters: those that are always told, and what was set."""
    folder, _ = trained
    values = tb.read(folder / "ours")["."].hparams.values

    assert values["learning_rate"] == 0.01
    assert values["per_device_train_batch_size"] == 4
    assert values["num_train_epochs"] == 2
    assert values["use_cpu"] is True
    assert not {name for name in values if name.endswith("_dir")}


def test_training_is_the_same_without(trained: tuple[Path, Any], tmp_path: Path) -> None:
    """The weights after a training with the callback are bit for bit those without it."""
    plain = trainer(tmp_path, [])
    plain.train()
    pairs = zip(plain.model.parameters(), trained[1].parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a directory it is one below `runs` of the output's; a user's writer stays open; both are refused."""
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    assert TensorBoardCallback is TallyboardCallback
    state = transformers.TrainerState(is_world_process_zero=True, global_step=3)
    arguments = transformers.TrainingArguments(output_dir=str(tmp_path), report_to="none")
    callback = TallyboardCallback()
    callback.on_log(arguments, state, None, {"loss": 1.0})
    callback.on_train_end(arguments, state, None)
    (place,) = (tmp_path / "runs").iterdir()
    assert tb.read(place)["."].scalar("train/loss").step.tolist() == [3]

    log = Log()
    mine = TallyboardCallback(log.writer)
    mine.on_log(arguments, state, None, {"loss": 2.0})
    mine.on_train_end(arguments, state, None)
    assert log.writer.file_writer is not None
    assert log["train/loss"] == [(3, 2.0)]
    with pytest.raises(TypeError, match="keep one"):
        TallyboardCallback(log.writer, logdir="runs")


def test_trials_of_a_search(tmp_path: Path) -> None:
    """Each trial of a search for hyperparameters has a directory of its own, and its parameters."""
    arguments = transformers.TrainingArguments(output_dir=str(tmp_path), report_to="none")
    callback = TallyboardCallback()
    for name, rate in (("one", 0.1), ("two", 0.2)):
        state = transformers.TrainerState(
            is_world_process_zero=True, is_hyper_param_search=True, trial_name=name, trial_params={"my_rate": rate}
        )
        callback.on_train_begin(arguments, state, None)
        callback.on_log(arguments, state, None, {"loss": rate})
        callback.on_train_end(arguments, state, None)
    runs = tb.read(tmp_path)
    found = {name.rpartition("/")[2]: runs[name].hparams.values["my_rate"] for name in runs.runs}
    assert found == {"one": 0.1, "two": 0.2}


def test_no_harm(tmp_path: Path) -> None:
    """Other processes than the main one write nothing; what is no number, or no place, is told of once."""
    arguments = transformers.TrainingArguments(output_dir=str(tmp_path), report_to="none")
    callback = TallyboardCallback(logdir=tmp_path / "run")
    other = transformers.TrainerState(is_world_process_zero=False)
    callback.on_train_begin(arguments, other, None)
    callback.on_log(arguments, other, None, {"loss": 1.0})
    callback.on_train_end(arguments, other, None)
    assert not list(tmp_path.iterdir())

    main = transformers.TrainerState(is_world_process_zero=True)
    with pytest.warns(tb.TallyboardWarning, match="confusion.*left out"):
        callback.on_log(arguments, main, None, {"confusion": [[1, 2], [3, 4]], "score": np.float32(2)})
    callback.on_train_end(arguments, main, None)
    assert tb.read(tmp_path / "run")["."].tags["scalars"] == ["train/score"]

    (tmp_path / "file").touch()
    broken = TallyboardCallback(logdir=tmp_path / "file")
    with pytest.warns(tb.TallyboardWarning, match="InvalidLogdir"):
        broken.on_train_begin(arguments, main, None)


def test_tracker_logs_what_tensorboards_tracker_logs(tmp_path: Path, told: Told) -> None:
    """A training with both trackers leaves the same tags, steps and values in both; and configuration and pictures."""
    ours = TallyboardTracker("run", tmp_path / "ours")
    theirs = TensorBoardTracker("run", tmp_path / "theirs")
    accelerator = accelerate.Accelerator(cpu=True, log_with=[ours, theirs], project_dir=str(tmp_path))
    accelerator.init_trackers("any", config={"lr": 0.1, "layers": 2})
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 1)
    layer, optimizer = accelerator.prepare(layer, torch.optim.SGD(layer.parameters(), lr=0.1))
    for step in range(1, 4):
        loss = (layer(torch.ones(2, 3)) - 1).square().mean()
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        accelerator.log({"loss": loss.detach(), "phase": f"step {step}", "both": {"a": step, "b": 2 * step}}, step=step)
    pictures = np.random.default_rng(0).random((2, 4, 5, 3))
    for tracker in accelerator.trackers:
        tracker.log_images({"seen": pictures}, step=3, dataformats="NHWC")
    assert accelerator.get_tracker("tallyboard", unwrap=True) is ours.writer
    accelerator.end_training()

    def found(folder: Path) -> dict[tuple[str, int], Any]:
        return {key: value for key, value in told(folder).items() if key[0] != "seen"}

    one, two = tmp_path / "ours" / "run", tmp_path / "theirs" / "run"
    assert found(one) == found(two)
    assert {("loss", 1), ("loss", 3), ("phase/text_summary", 2)} <= found(one).keys()
    assert found(one / "both_b") == found(two / "both_b") == {("both", step): 2.0 * step for step in (1, 2, 3)}
    shown = [np.asarray(tb.read(place)["."].images("seen").at(3).array()) for place in (one, two)]
    np.testing.assert_allclose(shown[0].astype(float), shown[1].astype(float), atol=1)
    assert tb.read(one)["."].hparams.values == {"lr": 0.1, "layers": 2}


def test_tracker_by_name(tmp_path: Path) -> None:
    """Registered with Accelerate it is found by its name, with the directory of the project."""
    tracking = pytest.importorskip("accelerate.tracking")
    tracking.register_tracker_class(TallyboardTracker)
    accelerator = accelerate.Accelerator(cpu=True, log_with="tallyboard", project_dir=str(tmp_path))
    accelerator.init_trackers("named")
    accelerator.log({"x": 1}, step=5)
    accelerator.end_training()
    assert tb.read(tmp_path)["named"].scalar("x").step.tolist() == [5]


def test_tracker_takes_more(tmp_path: Path) -> None:
    """Pictures of Pillow and of several sizes, tables, numbers in lists of one; what is none of these is told of."""
    pillow = pytest.importorskip("PIL.Image")
    accelerate.PartialState(cpu=True)
    tracker = TallyboardTracker(logging_dir=tmp_path)
    tracker.log({"one": [2.5], "settings": {"a": 1}}, step=1)
    with pytest.warns(tb.TallyboardWarning, match="'many'"):
        tracker.log({"many": [1, 2, 3]}, step=1)
    tracker.log_images({"same": [pillow.new("RGB", (4, 3)), pillow.new("RGB", (4, 3))]}, step=1)
    tracker.log_images({"sizes": [np.zeros((2, 2)), np.zeros((3, 5))]}, step=1)
    tracker.log_table("table", ["a", "b"], [[1, 2], [3, 4]], step=1)
    with pytest.raises(tb.InvalidSummary, match="got neither"):
        tracker.log_table("table")
    tracker.finish()

    run = tb.read(tmp_path)["."]
    assert run.scalar("one").value.tolist() == [2.5]
    assert run.tags["images"] == ["same", "sizes/0", "sizes/1"]
    assert run.images("sizes/1").at(1).array().shape[:2] == (3, 5)


IDS = (torch.arange(10).reshape(2, 5) * 7 + 1) % 20
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]])


def bert(layers: int) -> Any:
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=8
    )
    model = transformers.BertForSequenceClassification(config)
    return model, {"input_ids": IDS, "attention_mask": MASK, "labels": torch.tensor([0, 1])}


def gpt2(layers: int) -> Any:
    config = transformers.GPT2Config(vocab_size=20, n_embd=8, n_layer=layers, n_head=2, n_positions=16)
    return transformers.GPT2LMHeadModel(config), {"input_ids": IDS}


def llama(layers: int) -> Any:
    config = transformers.LlamaConfig(
        vocab_size=20, hidden_size=8, intermediate_size=8, num_hidden_layers=layers,
        num_attention_heads=2, num_key_value_heads=1,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config), {"input_ids": IDS}


def t5(layers: int) -> Any:
    config = transformers.T5Config(
        vocab_size=20, d_model=8, d_kv=4, d_ff=8, num_layers=layers, num_heads=2, decoder_start_token_id=0
    )
    return transformers.T5ForConditionalGeneration(config), {"input_ids": IDS, "decoder_input_ids": IDS[:, :3]}


MAKERS = {"bert": bert, "gpt2": gpt2, "llama": llama, "t5": t5}
each_model = pytest.mark.parametrize("name", MAKERS)


@each_model
def test_every_model_has_a_connected_graph(name: str) -> None:
    """With caches, masks and losses: connected, names unique, every weight told, every operation with its line."""
    model, given = MAKERS[name](2)
    found = graph(model, given, mode="capture")

    check_connected(found)
    outputs = {node.name for node in found.nodes if node.op == "Output"}
    assert "outputs/logits" in outputs
    assert ("outputs/loss" in outputs) == (name == "bert")
    assert any("past_key_values" in output for output in outputs) == (name != "bert")
    told = {one for node in found.nodes for one in str(node.attributes.get("weights", "")).split()}
    assert told == {path for path, _ in model.named_parameters()}
    assert all(node.source for node in found.nodes if node.op not in ("Input", "Output"))
    assert (found.notes != ()) == (name == "bert"), "it alone looks at values of its data: at those of the mask"


@each_model
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_flows_into_what_equals_torch_export(name: str) -> None:
    """Module by module, what depends on what is as in torch.export's graph. It takes no caches: they are off."""
    model, given = MAKERS[name](1)
    for part in model.modules():
        if hasattr(part, "config"):
            part.config.use_cache = False
    tied = joined_weights(model)
    captured, exported = (graph(model, given, mode=mode) for mode in ("capture", "export"))
    ours, theirs = (flows(found, of_capture(found), tied) for found in (captured, exported))

    assert ("<in>", "<out>") in ours
    assert ours == theirs
