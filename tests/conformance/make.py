"""Makes the corpus: event files by real producers, and beside them what TensorBoard's own loaders read of each.

    python tests/conformance/make.py tests/conformance/corpus [PRODUCER ...]

Each folder `PRODUCER-VERSION` is a logdir, with `golden.json`: run -> tag -> plugin and values, in `normal.py`'s form.
What is there is replaced. A producer that is not installed is passed over, so that old versions can be made where they
are: `--read` writes the goldens of folders that are there, in an environment that has TensorBoard.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SOUND = np.sin(np.arange(40) / 3).astype(np.float32) * 0.5
PICTURE = (np.arange(3 * 4 * 5).reshape(3, 4, 5) * 4).astype(np.uint8)
NUMBERS = np.concatenate([np.linspace(-1, 1, 30), [2.0, 3.0, 3.0]]).astype(np.float32)


def torch_like(writer: Any, sound: bool) -> None:
    """What torch's and every tensorboardX's writer have."""
    for step in range(5):
        writer.add_scalar("train/loss", 1 / (step + 1), step)
    writer.add_scalar("odd", float("nan"), 7)
    writer.add_image("picture", PICTURE, 1)
    writer.add_histogram("histogram", NUMBERS, 2)
    writer.add_histogram("zeros", np.zeros(3), 2)
    writer.add_text("text", "some *text*, \u00e4\u00f6\u00fc", 3)
    writer.add_pr_curve("pr", np.array([0, 1, 1, 0]), np.array([0.1, 0.8, 0.6, 0.7]), 4, num_thresholds=5)
    if sound:
        writer.add_audio("sound", SOUND, 5, sample_rate=8000)
    with contextlib.suppress(AttributeError):  # the older ones have none
        writer.add_mesh("mesh", np.array([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]]), faces=np.array([[[0, 1, 2]]]))
        writer.add_hparams({"lr": 0.1, "name": "x", "flag": True}, {"score": 0.5})
    writer.close()


def torch(folder: Path) -> str:
    import torch
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder / "run"))
    writer.add_scalar("new style", 0.25, 1, new_style=True)
    writer.add_scalar("double", 0.1, 1, new_style=True, double_precision=True)
    writer.add_tensor("tensor", torch.arange(6).reshape(2, 3), 6)
    writer.add_custom_scalars({"losses": {"both": ["Multiline", ["train/loss"]]}})
    writer.add_graph(torch.nn.Linear(2, 1), torch.zeros(1, 2))
    torch_like(writer, sound=True)
    return torch.__version__.partition("+")[0]


def tensorboardx(folder: Path) -> str:
    import tensorboardX

    version = importlib.metadata.version("tensorboardX")
    writer = tensorboardX.SummaryWriter(str(folder / "run"))
    with contextlib.suppress(ImportError):
        import soundfile  # noqa: F401

        writer.add_audio("sound", SOUND, 5, sample_rate=8000)
    torch_like(writer, sound=False)
    return version


def tf_summary(folder: Path) -> str:
    import tensorflow as tf
    from tensorboard.plugins.hparams import api as hp

    with tf.summary.create_file_writer(str(folder / "run")).as_default():
        for step in range(5):
            tf.summary.scalar("train/loss", 1 / (step + 1), step, description="the *loss*")
        tf.summary.histogram("histogram", NUMBERS, 2, buckets=6)
        tf.summary.histogram("constant", [2.0, 2.0], 2)
        tf.summary.histogram("empty", [], 2)
        tf.summary.image("pictures", PICTURE.transpose(1, 2, 0)[None].repeat(2, 0), 1, max_outputs=2)
        tf.summary.audio("sound", SOUND[None, :, None], 8000, 5)
        tf.summary.text("table", [["a", "b"], ["c", "d"]], 3)
        tf.summary.write("of nobody's", tf.constant([1.0, 2.0]), 4)
        tf.summary.write(
            "of a plugin",
            tf.constant([[1, 2], [3, 4]], tf.int16),
            4,
            metadata=tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "mine", "content": b"\x00\xff"}),
        )
        hp.hparams({"lr": 0.1, "name": "x"})
    return tf.__version__


def tensorflow_1(folder: Path) -> str:
    import tensorflow as tf
    from tensorboard.plugins.pr_curve import summary as pr_curve

    v1 = tf.compat.v1
    with v1.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        number = v1.placeholder(v1.float32, name="number")
        image = v1.constant(PICTURE.transpose(1, 2, 0)[None])
        merged = v1.summary.merge(
            [
                v1.summary.scalar("scope/scalar", number * 2),
                v1.summary.histogram("histogram", tf.constant(NUMBERS) * number),
                v1.summary.image("picture", image),
                v1.summary.audio("sound", SOUND[None, :, None], 8000),
                v1.summary.text("text", tf.constant("words")),
                v1.summary.tensor_summary("tensor", tf.constant([1.5, 2.5])),
                pr_curve.op("pr", tf.constant([True, False]), tf.constant([0.9, 0.2]), num_thresholds=4),
            ]
        )
        writer = v1.summary.FileWriter(str(folder / "run"), graph)
        for step in range(3):
            writer.add_summary(session.run(merged, {number: float(step)}), step)
        writer.close()
    return f"{tf.__version__}"


def keras(folder: Path) -> str:
    import os

    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras as k

    k.utils.set_random_seed(0)
    model = k.Sequential([k.Input((2,)), k.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    x, y = np.ones((8, 2), np.float32), np.ones((8, 1), np.float32)
    callback = k.callbacks.TensorBoard(str(folder), histogram_freq=1, write_graph=False, profile_batch=0)
    model.fit(x, y, epochs=3, batch_size=4, validation_data=(x, y), verbose=0, callbacks=[callback])
    return k.__version__


def lightning(folder: Path) -> str:
    import pytorch_lightning as pl
    import torch as t

    class Model(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.save_hyperparameters({"lr": 0.1, "layers": [2, 1]})
            self.layer = t.nn.Linear(2, 1)

        def training_step(self, batch: Any, _: int) -> Any:
            loss = self.layer(batch).pow(2).mean()
            self.log("loss", loss, on_step=True, on_epoch=True)
            return loss

        def configure_optimizers(self) -> Any:
            return t.optim.SGD(self.parameters(), 0.1)

    pl.seed_everything(0, verbose=False)
    logger = pl.loggers.TensorBoardLogger(str(folder), name="run", version="v0", default_hp_metric=True)
    trainer = pl.Trainer(
        max_epochs=2,
        logger=logger,
        log_every_n_steps=1,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(Model(), t.utils.data.DataLoader(t.ones(4, 2), batch_size=2))
    return pl.__version__


def clu(folder: Path) -> str:
    from clu.metric_writers.summary_writer import SummaryWriter

    writer = SummaryWriter(str(folder / "run"))
    for step in range(4):
        writer.write_scalars(step, {"loss": 1 / (step + 1), "accuracy": step / 4})
    writer.write_texts(1, {"text": "words"})
    writer.write_images(1, {"picture": PICTURE.transpose(1, 2, 0)[None]})
    writer.write_histograms(2, {"histogram": NUMBERS}, num_buckets={"histogram": 5})
    writer.write_hparams({"lr": 0.1, "name": "x"})
    writer.close()
    return importlib.metadata.version("clu")


def tallyboard(folder: Path) -> str:
    import tallyboard as tb

    writer = tb.SummaryWriter(folder / "run")
    writer.log({"a": 1.0, "b": 2.0}, step=9)
    writer.add_tensor("tensor", np.arange(6.0).reshape(2, 3), 6)
    torch_like(writer, sound=True)
    return tb.__version__


PRODUCERS: dict[str, Callable[[Path], str]] = {
    "torch": torch,
    "tensorboardX": tensorboardx,
    "tf.summary": tf_summary,
    "tensorflow1": tensorflow_1,
    "keras": keras,
    "lightning": lightning,
    "clu": clu,
    "tallyboard": tallyboard,
}


def make(name: str, corpus: Path) -> Path:
    """Has a producer write its logdir, and gives the files names that say nothing of this machine."""
    fresh = corpus / f".{name}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    version = PRODUCERS[name](fresh)
    for path in sorted(fresh.rglob("*")):
        if path.is_file() and "tfevents" not in path.name:
            path.unlink()
    for folder in [fresh, *(path for path in sorted(fresh.rglob("*")) if path.is_dir())]:
        for i, path in enumerate(sorted(folder.glob("*tfevents*"))):
            ending = ".v2" if path.name.endswith(".v2") else ""
            path.rename(folder / f"events.out.tfevents.{1700000000 + i}.host{ending}")
    target = corpus / f"{name}-{version}"
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    return target


def main() -> None:
    """Makes what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("producers", nargs="*", default=[])
    parser.add_argument("--read", action="store_true", help="only write the goldens of what is there")
    arguments = parser.parse_args()
    corpus: Path = arguments.corpus
    if not arguments.read:
        for name in arguments.producers or PRODUCERS:
            try:
                print(make(name, corpus))
            except ImportError as error:
                print(f"{name}: passed over, {error}")
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        print("no TensorBoard here: run --read where it is")
        return
    sys.path.insert(0, str(Path(__file__).parent))
    from normal import by_tensorboard

    for folder in sorted(corpus.glob("[!.]*-*")):
        golden = by_tensorboard(folder)
        text = json.dumps(golden, indent=None, separators=(",", ":"), sort_keys=True).replace('},"', '},\n"')
        (folder / "golden.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
