"""What tf.summary.scalar takes, and ours in its place: outside of functions, and ten of them in a tf.function.

    python benchmarks/bench_tf_summary.py [steps]

Needs TensorFlow. The first tables are of the caller's thread; the last has the CPU time of all threads, with the end of
the work (close) in it.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from side_by_side import compare

from tallyboard.integrations import tf_summary

TF = "tf.summary"
Loop = Callable[[Any, int], None]
NAMES = [f"train/metric_{i}" for i in range(10)]


def run(api: Any, loop: Loop, steps: int) -> tuple[float, float]:
    """Microseconds a step in the caller's thread, and of the processor with close."""
    folder = tempfile.mkdtemp()
    writer = api.create_file_writer(folder)
    with writer.as_default():
        loop(api, 2)  # traces the function
        cpu, start = time.process_time(), time.perf_counter()
        loop(api, steps)
        called = time.perf_counter() - start
    writer.close()
    spent = time.process_time() - cpu
    shutil.rmtree(folder)
    return called / steps * 1e6, spent / steps * 1e6


def loops() -> dict[str, Loop]:
    """The kinds of work; each function is traced anew for each writer."""
    import tensorflow as tf

    value = tf.constant(0.5)

    def python_float(api: Any, steps: int) -> None:
        for step in range(steps):
            api.scalar("train/loss", 0.5, step=step)

    def eager_tensor(api: Any, steps: int) -> None:
        for step in range(steps):
            api.scalar("train/loss", value, step=step)

    traced: dict[int, Any] = {}

    def in_function(api: Any, steps: int) -> None:
        key = id(api)
        if steps == 2 or key not in traced:

            @tf.function
            def train(x: Any, step: Any) -> None:
                for name in NAMES:
                    api.scalar(name, x, step=step)

            traced.clear()
            traced[key] = train
        train = traced[key]
        for step in range(steps):
            train(value, tf.constant(step, tf.int64))

    return {"a Python float": python_float, "an eager tensor": eager_tensor, "10 in a tf.function": in_function}


def main() -> None:
    """Prints the comparisons."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for name, loop in loops().items():
        apis = {"tallyboard, tf_summary": tf_summary, TF: tf.summary}
        taken: dict[str, list[tuple[float, float]]] = {side: [] for side in apis}

        def once(side: str, loop: Loop = loop, apis: Any = apis, taken: Any = taken) -> float:
            taken[side].append(run(apis[side], loop, steps))
            return taken[side][-1][0]

        result = compare(f"scalar, {name}, caller's thread", "us", {s: (lambda s=s: once(s)) for s in apis}, 3)
        print(result.report({}))
        result.title, result.unit = f"scalar, {name}, CPU of all threads with close", "us"
        result.rounds = {side: [row[1] for row in rows[1:]] for side, rows in taken.items()}
        print(result.report({}))


if __name__ == "__main__":
    main()
