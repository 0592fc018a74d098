"""What logging costs a JAX training: beside the bare step, beside an empty callback, beside CLU's writer.

    python benchmarks/bench_jax.py [rounds]

`log` and the empty `jax.debug.callback` are called once in each turn of a compiled loop, with the same numbers; the
cost of a call is what a turn with it takes more than one without. `write_scalars` is given 20 floats a step; both
writers are closed within the time. The step is that of a perceptron on batches of 256; what auto_log takes of any step
is the difference that the second table shows.
"""

from __future__ import annotations

import itertools
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from side_by_side import compare, seconds

import tallyboard as tb
from tallyboard.integrations import jax as tbj

TURNS = 2000
VALUES = {f"train/metric_{i}": i * 0.5 for i in range(20)}


def loop(each: Callable[[Any, Any], None]) -> Any:
    """A compiled loop that does something small, and calls this once a turn."""

    def turn(x: Any, step: Any) -> Any:
        x = x * 0.999 + 1e-3
        each(x.sum(), step)
        return x, None

    return jax.jit(lambda x: jax.lax.scan(turn, x, jnp.arange(TURNS))[0])


def nothing(*_: object) -> None:
    """What an empty callback does."""


def timed(compiled: Any) -> float:
    """Microseconds a turn, until all callbacks are through."""

    def run() -> None:
        compiled(jnp.ones(8)).block_until_ready()
        jax.effects_barrier()

    return seconds(run) / TURNS * 1e6


def in_jit(rounds: int) -> None:
    """`log` beside an empty callback, and `log_buffer`."""
    bare = loop(nothing)
    empty = loop(lambda value, step: jax.debug.callback(nothing, value, step))
    logged = loop(lambda value, step: tbj.log("train/loss", value, step))

    @jax.jit
    def buffered(x: Any) -> Any:
        def turn(carry: Any, step: Any) -> Any:
            x, buffer = carry
            x = x * 0.999 + 1e-3
            return (x, buffer.add(step, {"train/loss": x.sum()})), None

        (x, buffer), _ = jax.lax.scan(turn, (x, tbj.log_buffer(["train/loss"], TURNS)), jnp.arange(TURNS))
        buffer.emit()
        return x

    with tb.SummaryWriter(sink=tb.MemorySink()) as writer, tbj.log_to(writer):
        sides = {"log": logged, "an empty jax.debug.callback": empty, "log_buffer": buffered, "nothing": bare}
        for compiled in sides.values():
            timed(compiled)
        taken = compare(
            "a turn of a compiled loop", "us", {n: (lambda c=c: timed(c)) for n, c in sides.items()}, rounds
        )
    print(taken.report({}))
    log, callback, buffer, base = (sorted(values)[len(values) // 2] for values in taken.rounds.values())
    print(f"  log is {(log - base) / (callback - base):.2f} x the empty callback (wanted: at most 1.3 x)")
    print(f"  a value of log_buffer costs {buffer - base:.2f} us (wanted: at most 2 us)")
    counts = [compiled._cache_size() for compiled in sides.values()]
    print(f"  compiled {counts} times (wanted: once each)")


def writers(rounds: int, steps: int = 300) -> None:
    """`write_scalars` of 20 values beside CLU's TensorFlow writer."""
    sides: dict[str, Callable[[str], Any]] = {"tallyboard SummaryWriter": tbj.SummaryWriter}
    sides["tallyboard default writer"] = tbj.create_default_writer
    try:
        from clu.metric_writers import SummaryWriter as CluWriter

        sides["CLU SummaryWriter"] = CluWriter
    except ImportError:
        print("  CLU or TensorFlow is not installed: nothing to compare with")

    def side(make: Callable[[str], Any]) -> float:
        folder = tempfile.mkdtemp()

        def run() -> None:
            writer = make(folder)
            for step in range(steps):
                writer.write_scalars(step, VALUES)
            writer.close()

        took = seconds(run)
        shutil.rmtree(folder)
        return took / steps * 1e6

    made = compare("write_scalars of 20 values", "us", {n: (lambda m=m: side(m)) for n, m in sides.items()}, rounds)
    print(made.report({"CLU SummaryWriter": 10}))


def steps(rounds: int, number: int = 200) -> None:
    """A step that `auto_log` watches, and nothing is due of, beside the same step alone: a perceptron on digits."""
    sizes = (64, 512, 512, 10)
    weights = [jnp.ones(shape) / shape[0] for shape in itertools.pairwise(sizes)]
    batch = jnp.ones((256, sizes[0])), jnp.ones((256, sizes[-1]))

    @jax.jit
    def step(weights: Any, batch: Any) -> Any:
        def loss_of(weights: Any) -> Any:
            x = batch[0]
            for one in weights:
                x = jnp.tanh(x @ one)
            return jnp.mean((x - batch[1]) ** 2)

        loss, gradient = jax.value_and_grad(loss_of)(weights)
        updated = jax.tree.map(lambda w, g: w - 0.01 * g, weights, gradient)
        return updated, {"loss": loss, "error": jnp.sqrt(loss)}

    def run(function: Any) -> float:
        state = weights

        def train() -> None:
            nonlocal state
            for _ in range(number):
                state, _ = function(state, batch)
            jax.block_until_ready(state)

        return seconds(train) / number * 1e6

    with tb.SummaryWriter(sink=tb.MemorySink()) as writer:
        handle = tb.auto_log(step, writer=writer, every=10**9)
        run(handle)
        sides = {"watched by auto_log": lambda: run(handle), "the step alone": lambda: run(step)}
        taken = compare("a step of training", "us", sides, rounds)
        print(taken.report({}))
        print(f"  watched it takes {100 / taken.ratio('the step alone') - 100:+.1f} % (wanted: at most 2 %)")
        handle.detach()


def calls(rounds: int, number: int = 2000) -> None:
    """What watching takes of any step: a call that does next to nothing, in the time of the calling thread alone."""
    small = jax.jit(lambda x: (x + 1.0, {"loss": x.sum(), "error": x.max()}))

    def run(function: Any) -> float:
        x = jnp.ones(8)
        start = time.thread_time()
        for _ in range(number):
            x, _ = function(x)
        return (time.thread_time() - start) / number * 1e6

    folder = tempfile.mkdtemp()
    with tb.SummaryWriter(folder) as writer, tb.auto_log(small, writer=writer, every=10**9) as handle:
        run(handle)
        sides = {"watched by auto_log": lambda: run(handle), "alone": lambda: run(small)}
        print(compare("a call that does nothing, CPU time of its thread", "us", sides, rounds).report({}))
    shutil.rmtree(folder)


def main() -> None:
    """Prints the comparisons."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    steps(rounds)
    calls(rounds)
    in_jit(rounds)
    writers(rounds)


if __name__ == "__main__":
    main()
