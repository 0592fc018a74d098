"""What the callback adds to a `fit` of Keras, ours and Keras's own, on each backend; and what its import adds.

    python benchmarks/bench_keras.py [--seconds=9] [jax] [tensorflow] [torch]

A `fit` of three epochs, 30 batches each, runs without a callback, with ours and with Keras's own, in turns of random
order, for so many seconds of processor time a row. The model was compiled before; all fits call the same functions.

Columns have what a callback adds to the `fit` without one of the same turn, in milliseconds, the median with its 95 %
interval: of the clock, and of processor time of all threads, which other programs disturb less. Wanted is at most a
third of what Keras's own adds. That is met, or NOT MET, when the interval of what ours adds above that third lies below
zero, or above it; otherwise the noise is larger than the difference. The last columns need no difference: processor
time that the threads which call the hooks spend in them, in fits of their own.

Graphs, which are written once and not each epoch, are left out on both sides. Keras's own callback needs TensorFlow and
TensorBoard. Libraries compute in one thread each, whose time is work.
"""

from __future__ import annotations

import argparse
import functools
import gc
import math
import os
import random
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
IMPORT_WANTED = 50
CASES: dict[str, dict[str, Any]] = {
    'update_freq="epoch"': {},
    "update_freq=1": {"update_freq": 1},
    "histogram_freq=1": {"histogram_freq": 1},
}
EPOCHS, BATCHES, BATCH = 3, 30, 16
FEWEST = 6  # turns whose least and greatest enclose the median with 95 %

Make = Callable[[str], Any]
Times = dict[str, list[tuple[float, float]]]
"""Milliseconds of the clock and of the processors, by side, turn by turn."""


def models() -> dict[str, Callable[[], Any]]:
    """Small models, by name; each takes what `Training` gives."""
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


def batched(x: Any, y: Any) -> Any:
    """What `fit` takes: arrays; on TensorFlow a dataset, which Keras would make anew, and trace, in each `fit`."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return x, y
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)


class Training:
    """A compiled model with data, to be fitted again and again."""

    def __init__(self, make: Callable[[], Any]) -> None:
        import keras
        import numpy as np

        keras.utils.set_random_seed(0)
        numbers = np.random.default_rng(0)
        x = numbers.random((BATCHES * BATCH, 8, 8, 1), dtype="float32")
        y = numbers.integers(0, 10, len(x))
        self.data, self.validation = batched(x, y), batched(x[: 10 * BATCH], y[: 10 * BATCH])
        self.model = make()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile("adam", loss, metrics=["accuracy"])

    def fit(self, make: Make | None, spent: list[float] | None = None) -> tuple[float, float]:
        """Milliseconds of the clock and of the processors.

        Args:
            make: gives the callback that writes to a directory.
            spent: has the seconds added that are spent in each of its hooks.
        """
        folder = tempfile.mkdtemp()
        gc.collect()
        clock, processors = time.perf_counter(), time.process_time()
        callbacks = [] if make is None else [make(folder)]
        for callback in callbacks if spent is not None else ():
            watch(callback, spent if spent is not None else [])
        held: dict[str, Any] = {"validation_data": self.validation, "callbacks": callbacks, "verbose": 0}
        if isinstance(self.data, tuple):
            self.model.fit(*self.data, batch_size=BATCH, epochs=EPOCHS, **held)
        else:
            self.model.fit(self.data, epochs=EPOCHS, **held)
        taken = 1000 * (time.perf_counter() - clock), 1000 * (time.process_time() - processors)
        shutil.rmtree(folder)
        return taken


def watch(callback: Any, spent: list[float]) -> None:
    """Has the time of a callback's hooks taken, in whatever thread Keras calls them."""

    def taking(hook: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(hook)  # with the mark by which Keras knows a hook that does nothing
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.thread_time()
            try:
                return hook(*args, **kwargs)
            finally:
                spent.append(time.thread_time() - began)

        return timed

    for name in dir(callback):
        hook = getattr(callback, name) if name.startswith("on_") or name == "set_model" else None
        if callable(hook) and not getattr(hook, "_is_default", False):
            setattr(callback, name, taking(hook))


def measure(seconds: float) -> None:
    """Prints the rows of the backend of this process."""
    import keras

    from tallyboard.integrations.keras import TallyboardCallback

    one_thread(keras.backend.backend())
    for name, make in models().items():
        training = Training(make)
        for case, arguments in CASES.items():
            sides: dict[str, Make | None] = {
                "plain": None,
                "ours": lambda folder, more=arguments: TallyboardCallback(folder, write_graph=False, **more),
                "peer": lambda folder, more=arguments: keras.callbacks.TensorBoard(folder, write_graph=False, **more),
            }
            times = run(training, sides, seconds)
            hooks = [in_hooks(training, make) for make in sides.values() if make is not None]
            print(row(f"{keras.backend.backend()} {name} {case}", times, *hooks), flush=True)


def one_thread(backend: str) -> None:
    """Threads that wait for work by turning round take time of the processors that is no work."""
    if backend == "torch":
        import torch

        torch.set_num_threads(1)
    elif backend == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def run(training: Training, sides: dict[str, Make | None], seconds: float) -> Times:
    """The times of each side, turn by turn; the first turn, in which code is loaded and compiled, is not counted."""
    times: Times = {name: [] for name in sides}
    for make in sides.values():
        training.fit(make)
    gc.collect()
    gc.freeze()  # what the libraries hold need not be gone through before each fit
    names, until = list(sides), time.process_time() + seconds
    while time.process_time() < until:
        random.shuffle(names)
        for name in names:
            times[name].append(training.fit(sides[name]))
    return times


def in_hooks(training: Training, make: Make) -> float:
    """Milliseconds that a `fit` spends in a callback's hooks."""
    taken: list[float] = []
    for _ in range(3):
        spent: list[float] = []
        training.fit(make, spent)
        taken.append(1000 * sum(spent))
    return statistics.median(taken)


def median(numbers: list[float]) -> tuple[float, float, float]:
    """The median with its 95 % interval, by the binomial distribution of ranks."""
    ranked = sorted(numbers)
    apart = math.ceil(0.98 * math.sqrt(len(ranked)))
    least, most = max(0, len(ranked) // 2 - apart), min(len(ranked) - 1, (len(ranked) - 1) // 2 + apart)
    return statistics.median(ranked), ranked[least], ranked[most]


def compared(times: Times, kind: int) -> str:
    """What each side adds, and the verdict, by the clock (0) or the processors (1)."""
    plain, ours, peer = ([one[kind] for one in times[name]] for name in ("plain", "ours", "peer"))
    over = [[with_it - without for with_it, without in zip(side, plain, strict=True)] for side in (ours, peer)]
    _, least, most = median([mine - theirs / WANTED for mine, theirs in zip(*over, strict=True)])
    verdict = "met" if most < 0 else "NOT MET" if least > 0 else "inconclusive"
    told = "".join("{:+8.1f} {:<16}".format(a, f"[{b:+.1f} .. {c:+.1f}]") for a, b, c in map(median, over))
    return f"{told} {verdict if len(plain) >= FEWEST else 'inconclusive':<12}"


def row(title: str, times: Times, ours: float, peer: float) -> str:
    """A row of the table."""
    clock, processors = (statistics.median(one[kind] for one in times["plain"]) for kind in (0, 1))
    verdict = "met" if ours * WANTED <= peer else "NOT MET"
    return (
        f"{title:<31} {len(times['plain']):>5} |{clock:7.0f} {compared(times, 0)}|{processors:7.0f} "
        f"{compared(times, 1)}|{ours:7.1f} {peer:7.1f} {peer / ours:5.1f} {verdict}"
    )


def head() -> str:
    """The head of the table."""
    sides = f"{'plain':>7} {'ours':>8} {'':<16}{'peer':>8} {'':<16} {'at most 1/3':<12}"
    return (
        f"{'':<37} |{'the clock, ms':<{len(sides)}}|{'processors, ms':<{len(sides)}}|in hooks, ms\n"
        f"{'':<31} turns |{sides}|{sides}|{'ours':>7} {'peer':>7} ratio"
    )


def imports(backend: str, rounds: int = 7) -> str:
    """What the import of our callback adds to that of Keras: the median of some processes.

    They have bytecode, as an installed package has; one process makes it before, wherever that is switched off.
    """
    program = (
        "import time, keras; clock, processors = time.perf_counter(), time.process_time(); "
        "import tallyboard.integrations.keras; "
        "print(1000 * (time.perf_counter() - clock), 1000 * (time.process_time() - processors))"
    )
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env |= {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    taken: list[list[float]] = []
    for _ in range(rounds + 1):
        done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
        taken.append([float(number) for number in done.stdout.split()])
    clock, processors = ([one[kind] for one in taken[1:]] for kind in (0, 1))
    verdict = "met" if median(processors)[2] < IMPORT_WANTED else "NOT MET"
    told = ", ".join(
        "{:.0f} ms [{:.0f} .. {:.0f}] of {}".format(*median(numbers), what)
        for numbers, what in ((clock, "the clock"), (processors, "the processor"))
    )
    return f"import of the callback after keras ({backend}): {told} (wanted, of the processor: below 50): {verdict}"


def main() -> None:
    """Measures each backend in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("backends", nargs="*", default=list(BACKENDS))
    parser.add_argument("--seconds", type=float, default=9)
    parser.add_argument("--here", action="store_true", help="in this process, on the backend of KERAS_BACKEND")
    given = parser.parse_args()
    if given.here:
        measure(given.seconds)
        return
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors", head(), sep="\n", flush=True)
    for backend in given.backends:
        env = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run([sys.executable, __file__, "--here", f"--seconds={given.seconds}"], env=env, check=True)
    print(imports(given.backends[0]), f"load {os.getloadavg()[0]:.1f} at the end", sep="\n")


if __name__ == "__main__":
    main()
