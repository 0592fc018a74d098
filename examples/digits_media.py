"""What the demo logs beside scalars: something for each kind of summary there is, made from the training itself."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from digits_senses import RATE, as_cloud, as_film, as_scale

import tallyboard as tb

if TYPE_CHECKING:
    from pathlib import Path

DIGITS = [str(digit) for digit in range(10)]
SHOWN = 40
"""Digits in a picture of samples."""

EVERY = 2
"""Epochs between two looks: pictures of each would show little that is new."""


POINTS = {"material": {"cls": "PointsMaterial", "size": 0.05, "vertexColors": True}}
"""How the cloud of digits is drawn."""


class DigitsMedia(keras.callbacks.Callback):
    """Logs all that is no scalar: weights, pictures, curves, texts, a scale, a film, a cloud, an embedding.

    Args:
        logdir: the run's directory: weights go to its `train`, what is said of unseen digits to its `validation`.
        hparams: what is to be compared between runs.
        x, y: unseen digits, float32 of shape [n, 64] from 0 to 1, and what they are, integers of shape [n].
    """

    def __init__(self, logdir: Path, hparams: dict[str, Any], x: Any, y: Any) -> None:
        super().__init__()
        self.logdir, self.hparams, self.x, self.y = logdir, hparams, x, y
        self.seen = 0
        self.kernels: list[Any] = []
        self.recognised: dict[int, float] = {}
        """The share of unseen digits that were recognised, by step, as logged."""
        self.pictures = (x.reshape(-1, 1, 8, 8) * 255).clip(0, 255).astype(np.uint8)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras calls it so
        self.files = ExitStack()
        self.train = self.files.enter_context(tb.SummaryWriter(self.logdir / "train"))
        self.validation = self.files.enter_context(tb.SummaryWriter(self.logdir / "validation"))
        self.first, features = self.model.layers[1], self.model.layers[-2]
        self.kernels = [np.asarray(self.first.weights[0])]
        self.inside = keras.Model(self.model.inputs[0], [self.first.output, features.output, self.model.outputs[0]])
        self.compare(0, self.look(0))
        self.train.add_text("about", self.about(), 0)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras calls it so
        self.seen = epoch + 1
        self.kernels.append(np.asarray(self.first.weights[0]))
        if self.seen % EVERY == 0:
            self.look(self.seen)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  # Keras calls it so
        step = self.seen
        _, features, scores = map(np.asarray, self.inside(self.x, training=False))
        self.compare(step, scores)
        self.train.add_video("filters_learnt", as_film(self.kernels), step)
        said = [str(digit) for digit in scores.argmax(1)]
        rows = [list(row) for row in zip(map(str, self.y), said, strict=True)]
        self.validation.add_embedding(
            features, rows, self.pictures, step, tag="features", metadata_header=["digit", "taken for"]
        )
        self.files.close()

    def look(self, step: int) -> Any:
        """Logs how things stand; gives the scores of the unseen digits, float32 of shape [n, 10]."""
        for layer in self.model.layers:
            for weight in layer.weights:
                self.train.add_histogram(f"{layer.name}/{weight.name}", np.asarray(weight), step)
        maps, _, scores = map(np.asarray, self.inside(self.x, training=False))
        guess, log = scores.argmax(1), self.validation
        for digit in range(10):
            log.add_histogram(f"score/{digit}", scores[self.y == digit, digit], step)
            log.add_pr_curve(f"recognition/{digit}", self.y == digit, scores[:, digit], step)
        log.add_roc_curve("any_digit", np.eye(10)[self.y].ravel() == 1, scores.ravel(), step)
        log.add_confusion_matrix("confusion", self.y, guess, step, class_names=DIGITS)
        log.add_images("samples", self.pictures[:SHOWN], step)
        least = np.argsort(scores[np.arange(len(self.y)), self.y])[:SHOWN]
        log.add_images("hardest", self.pictures[least], step)
        first = np.moveaxis(maps[0], -1, 0)[:, None]
        log.add_images("feature_maps", (255 * first / (first.max() or 1)).clip(0, 255).astype(np.uint8), step)
        log.add_audio("scale", as_scale(scores, self.y), step, RATE)
        log.add_mesh("digits_in_space", *as_cloud(scores, self.y), config_dict=POINTS, global_step=step)
        log.add_text("hardest", self.mistakes(least, scores), step)
        return scores

    def compare(self, step: int, scores: Any) -> None:
        """Logs the hyperparameters and what came of them; the first time, what comes of them is announced so."""
        self.recognised[step] = float(np.mean(scores.argmax(1) == self.y))
        self.validation.add_hparams(self.hparams, {"recognised": self.recognised[step]}, global_step=step)

    def mistakes(self, at: Any, scores: Any) -> str:
        """A table, in Markdown, of the digits at these places: those that were recognised worst."""
        lines = ["| digit | taken for | its own score |", "| --- | --- | --- |"]
        rows = [(self.y[i], scores[i].argmax(), scores[i, self.y[i]]) for i in at[:10]]
        return "\n".join(lines + [f"| {digit} | {guess} | {score:.1%} |" for digit, guess, score in rows])

    def about(self) -> str:
        """The model and its settings, in Markdown."""
        settings = "\n".join(f"- **{name}**: `{value}`" for name, value in self.hparams.items())
        layers = "\n".join(f"| {layer.name} | {layer.count_params():,} |" for layer in self.model.layers)
        head = "# Handwritten digits\n\nA small network on pictures of 8 × 8 pixels."
        return f"{head}\n\n{settings}\n\n| layer | parameters |\n| --- | ---: |\n{layers}\n"
