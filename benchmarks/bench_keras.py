"""What the callback adds to a `fit` of Keras, ours and Keras's own, on each backend; and what its import adds.

    python benchmarks/bench_keras.py [--rounds=9] [jax] [tensorflow] [torch]

Each line has the milliseconds that a `fit` of three epochs takes longer than without a callback, median over rounds in
which the three run in turn. A model is compiled before. Keras's own callback needs TensorFlow and TensorBoard.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

BACKENDS = ("jax", "tensorflow", "torch")
WANTED = 3
CASES: dict[str, dict[str, Any]] = {
    'update_freq="epoch"': {},
    "update_freq=1": {"update_freq": 1},
    "histogram_freq=1": {"histogram_freq": 1},
}
EPOCHS = 3


def models() -> dict[str, Callable[[], Any]]:
    """Small models, by name; each takes what `data` gives."""
    import keras
    from keras import layers

    def mlp() -> Any:
        return keras.Sequential([
            keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(128, "relu"), layers.Dense(64, "relu"),
            layers.Dense(10),
        ])  # fmt: skip

    def cnn() -> Any:
        return keras.Sequential([
            keras.Input((8, 8, 1)), layers.Conv2D(16, 3, activation="relu"), layers.Conv2D(32, 3, activation="relu"),
            layers.GlobalAveragePooling2D(), layers.Dense(10),
        ])  # fmt: skip

    return {"MLP": mlp, "CNN": cnn}


def measure(rounds: int) -> None:
    """Prints the lines of the backend of this process."""
    import keras
    import numpy as np

    from tallyboard.integrations.keras import TallyboardCallback

    random = np.random.default_rng(0)
    x, y = random.random((1600, 8, 8, 1), dtype="float32"), random.integers(0, 10, 1600)
    for name, make in models().items():
        keras.utils.set_random_seed(0)
        model = make()
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])

        def fit(make_callback: Callable[[str], Any] | None, model: Any = model) -> float:
            folder = tempfile.mkdtemp()
            callbacks = [] if make_callback is None else [make_callback(folder)]
            start = time.perf_counter()
            model.fit(
                x, y, batch_size=32, epochs=EPOCHS, validation_data=(x[:320], y[:320]), verbose=0, callbacks=callbacks
            )
            took = time.perf_counter() - start
            shutil.rmtree(folder)
            return 1000 * took

        for case, arguments in CASES.items():
            sides: dict[str, Callable[[str], Any] | None] = {
                "plain": None,
                "ours": lambda folder, more=arguments: TallyboardCallback(folder, write_graph=False, **more),
                "peer": lambda folder, more=arguments: keras.callbacks.TensorBoard(folder, write_graph=False, **more),
                "ours, graph": lambda folder, more=arguments: TallyboardCallback(folder, **more),
                "peer, graph": lambda folder, more=arguments: keras.callbacks.TensorBoard(folder, **more),
            }
            print(line(f"{keras.backend.backend()} {name} {case}", run(sides, fit, rounds)), flush=True)


def run(
    sides: dict[str, Callable[[str], Any] | None], fit: Callable[[Callable[[str], Any] | None], float], rounds: int
) -> dict[str, list[float]]:
    """The times of each side, round by round; the first round is not counted."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            took = fit(sides[name])
            if turn:
                times[name].append(took)
    return times


def line(title: str, times: dict[str, list[float]]) -> str:
    """Overheads over the plain `fit` of the same round, and how they compare."""
    plain = times["plain"]
    over = {
        name: statistics.median(a - b for a, b in zip(taken, plain, strict=True))
        for name, taken in times.items()
        if name != "plain"
    }
    told = "  ".join(f"{name} {took:+7.1f}" for name, took in over.items())
    ratio = over["peer"] / over["ours"] if over["ours"] > 0 else float("inf")
    verdict = "met" if ratio >= WANTED else "NOT MET"
    alone = f"{title:<38} plain {statistics.median(plain):7.1f} ms"
    return f"{alone}  {told}  peer/ours {ratio:5.1f} (wanted {WANTED}: {verdict})"


def imports(rounds: int = 5) -> str:
    """What the import of our callback adds to that of Keras: the median of some processes."""
    program = (
        "import time, keras; t = time.perf_counter(); "
        "import tallyboard.integrations.keras; print(1000 * (time.perf_counter() - t))"
    )
    taken = [
        float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
        for _ in range(rounds)
    ]
    return f"import of the callback after keras: {statistics.median(taken):.0f} ms (wanted: below 50)"


def main() -> None:
    """Measures each backend in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("backends", nargs="*", default=list(BACKENDS))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--here", action="store_true", help="in this process, on the backend of KERAS_BACKEND")
    given = parser.parse_args()
    if given.here:
        measure(given.rounds)
        return
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors")
    for backend in given.backends:
        env = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run([sys.executable, __file__, "--here", f"--rounds={given.rounds}"], env=env, check=True)
    print(imports())


if __name__ == "__main__":
    main()
