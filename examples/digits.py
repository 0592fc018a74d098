"""Three learning rates on handwritten digits, watched while they learn. One of them is too high.

    pip install "tallyboard[viewer]" keras jax scikit-learn
    python examples/digits.py

Trains on scikit-learn's 1,797 digits with Keras on JAX, shows the runs in a browser, and serves them until
Ctrl+C. `--once` trains as fast as it can, checks over HTTP that every point arrived, and ends. The network
is never used.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import time
import webbrowser
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

os.environ["KERAS_BACKEND"] = "jax"  # read by Keras when it is imported

import keras
from digits_check import Series, as_points, as_series, check
from digits_media import DigitsMedia
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from tallyboard.integrations.keras import TallyboardCallback

if TYPE_CHECKING:
    from collections.abc import Iterator

LEARNING_RATES = (0.0003, 0.003, 0.1)
EPOCHS = 20
BATCH_SIZE = 64


def main() -> int:
    arguments = parse_arguments()
    name = unused_name(arguments.logdir)
    try:
        with viewer(arguments.logdir, arguments.port) as (process, url):
            print(f"Watch the runs learn at {url}", flush=True)
            if not arguments.once and has_browser():
                webbrowser.open(url)
            expected = train_all(arguments.logdir, name, pause=0 if arguments.once else 0.3)
            if arguments.once:
                return check(url, name, expected)
            print(f"Trained, and still to be seen at {url} (Ctrl+C to stop)", flush=True)
            return process.wait()
    except KeyboardInterrupt:
        return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train three digit classifiers and watch them learn.")
    parser.add_argument("--logdir", type=Path, default=Path("runs"), help="where the runs go (default: %(default)s)")
    parser.add_argument("--port", type=int, default=6006, help="the viewer's; another if busy (default: %(default)s)")
    parser.add_argument("--once", action="store_true", help="no browser: train, check that all points arrived, end")
    return parser.parse_args()


def train_all(logdir: Path, name: str, pause: float) -> Series:
    """Trains a model for each learning rate; gives what their histories say must be in the viewer."""
    pixels, digits = load_digits(return_X_y=True)
    x, x_val, y, y_val = train_test_split(pixels.astype("float32") / 16, digits, test_size=0.2, random_state=0)
    expected: Series = {}
    for rate in LEARNING_RATES:
        run = f"{name}/lr={rate}"
        settings = {"learning_rate": rate, "batch_size": BATCH_SIZE, "optimizer": "adam"}
        media = DigitsMedia(logdir / run, settings, x_val, y_val)
        slow_down = keras.callbacks.LambdaCallback(on_epoch_end=lambda _epoch, _logs: time.sleep(pause))
        history = make_model(rate).fit(
            x,
            y,
            validation_data=(x_val, y_val),
            epochs=EPOCHS,
            batch_size=BATCH_SIZE,
            verbose=0,
            callbacks=[TallyboardCallback(logdir / run, hparams=False), media, slow_down],  # the media tell them
        )
        print(f"{run}: {history.history['val_accuracy'][-1]:.1%} of unseen digits recognised", flush=True)
        expected |= as_series(run, rate, history.history, batches=-(-len(x) // BATCH_SIZE))
        expected[f"{run}/validation", "recognised"] = as_points(media.recognised)
    return expected


def make_model(learning_rate: float) -> keras.Model:
    keras.utils.set_random_seed(0)  # the same first weights for each rate
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Reshape((8, 8, 1)),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="first"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu", name="second"),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax", name="scores"),
        ]
    )
    model.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def unused_name(logdir: Path) -> str:
    """`digits`, or `digits-2` and so on: runs of an earlier demo stay as they are, beside the new ones."""
    names = ["digits", *(f"digits-{n}" for n in range(2, 1000))]
    return next(name for name in names if not (logdir / name).exists())


@contextmanager
def viewer(logdir: Path, port: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The viewer in a process of its own, with its address; it ends with the block."""
    port = port if is_free(port) else 0
    command = [sys.executable, "-m", "tallyboard.viewer", "--logdir", str(logdir), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = re.search(r"http://\S+/", process.stdout.readline())  # printed once it answers
            if address is None:
                raise SystemExit(f"The viewer did not start: it ended with code {process.wait()}.")
            yield process, address[0]
        finally:
            process.terminate()


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def has_browser() -> bool:
    return sys.platform in ("darwin", "win32") or any(name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY"))


if __name__ == "__main__":
    raise SystemExit(main())
