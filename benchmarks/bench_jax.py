"""What logging costs a JAX training: beside the bare step, beside an empty callback, beside CLU's writer.

    python benchmarks/bench_jax.py [blocks] [step|call|jit|writers ...]

All is processor time of the whole process, where not said otherwise. Both sides of a block follow each other in an
order that chance gives, and what is told is the mean of the blocks with its 95 % interval. A bound is met, or not,
where all of the interval lies on its side, and else inconclusive.

`step`: a perceptron on batches of 256, watched by `auto_log` when nothing is due, in turns of ten steps, with a flush
at the end of each block; `call` is what watching takes of any step, of a call that does next to nothing, in its own
thread. `jit`: `log` and the empty `jax.debug.callback` are called once in each turn of a compiled loop with the same
numbers; the cost of a call is what a turn with it takes more than one without. `writers`: 20 floats a step; the writers
are closed within the time.
"""

from __future__ import annotations

import itertools
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from paired import Interval, blocks, load, verdict

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


def spent(compiled: Any) -> float:
    """Microseconds of processor time a turn, until all callbacks are through."""
    start = time.process_time()
    compiled(jnp.ones(8)).block_until_ready()
    jax.effects_barrier()
    return (time.process_time() - start) / TURNS * 1e6


def in_jit(count: int) -> None:
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
        sides = {"log": logged, "empty": empty, "log_buffer": buffered, "nothing": bare}
        for compiled in sides.values():
            spent(compiled)
        counts = [compiled._cache_size() for compiled in sides.values()]
        taken = blocks({name: (lambda c=c: spent(c)) for name, c in sides.items()}, count)
        later = [compiled._cache_size() for compiled in sides.values()]
    print(f"a turn of a compiled loop, {count} blocks of {TURNS}")
    for name, values in taken.items():
        print(f"  {name:<12} {Interval(values).text(' us')}")
    turns = zip(taken["log"], taken["empty"], taken["nothing"], strict=True)
    ratio = Interval([(ours - bare) / (empty - bare) for ours, empty, bare in turns])
    print(f"  log is {ratio.text(' x')} the empty callback; at most 1.3 x wanted: {verdict(ratio, most=1.3)}")
    value = Interval([a - n for a, n in zip(taken["log_buffer"], taken["nothing"], strict=True)])
    print(f"  log_buffer takes {value.text(' us')} a value; at most 2 us wanted: {verdict(value, most=2.0)}")
    print(
        f"  compiled {counts} times before, {later} after; unchanged wanted: {'met' if counts == later else 'NOT MET'}"
    )


def writers(count: int, steps: int = 300) -> None:
    """`write_scalars` of 20 values beside CLU's TensorFlow writer."""
    makers: dict[str, Callable[[str], Any]] = {"SummaryWriter": tbj.SummaryWriter}
    makers["create_default_writer"] = tbj.create_default_writer
    try:
        from clu.metric_writers import SummaryWriter as CluWriter

        makers["CLU SummaryWriter"] = CluWriter
    except ImportError:
        print("  CLU or TensorFlow is not installed: nothing to compare with")

    def side(make: Callable[[str], Any]) -> float:
        folder = tempfile.mkdtemp()
        start = time.process_time()
        writer = make(folder)
        for step in range(steps):
            writer.write_scalars(step, VALUES)
        writer.close()
        took = time.process_time() - start
        shutil.rmtree(folder)
        return took / steps * 1e6

    taken = blocks({name: (lambda m=m: side(m)) for name, m in makers.items()}, count)
    print(f"write_scalars of 20 values, {count} blocks of {steps}")
    for name, values in taken.items():
        print(f"  {name:<22} {Interval(values).text(' us')}")
    for name in list(makers)[:2]:
        if "CLU SummaryWriter" in taken:
            ratio = Interval([c / a for a, c in zip(taken[name], taken["CLU SummaryWriter"], strict=True)])
            print(f"  CLU takes {ratio.text(' x', 1)} of {name}; at least 10 x wanted: {verdict(ratio, least=10)}")


def steps(count: int, number: int = 10, turns: int = 6) -> None:
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

    def turn(function: Any) -> float:
        start = time.process_time()
        state = weights
        for _ in range(number):
            state, _ = function(state, batch)
        jax.block_until_ready(state)
        return time.process_time() - start

    folder = tempfile.mkdtemp()
    with tb.SummaryWriter(folder) as writer, tb.auto_log(step, writer=writer, every=10**9) as handle:
        both: dict[str, Any] = {"watched": handle, "alone": step}
        for one in both.values():
            turn(one)
        ratios: list[float] = []
        bare: list[float] = []
        for _ in range(count):
            taken = dict.fromkeys(both, 0.0)
            for _ in range(turns):
                for name in random.sample(list(both), 2):
                    taken[name] += turn(both[name])
            start = time.process_time()
            writer.flush()
            taken["watched"] += time.process_time() - start
            ratios.append(100 * (taken["watched"] / taken["alone"] - 1))
            bare.append(taken["alone"] / number / turns * 1e6)
    shutil.rmtree(folder)
    more = Interval(ratios)
    print(f"a step of training of {Interval(bare).median:.0f} us, {count} blocks of {turns} turns of {number} steps")
    print(f"  watched it takes {more.text(' %')} more; at most 2 % wanted: {verdict(more, most=2.0)}")


def calls(count: int, number: int = 1000) -> None:
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
        taken = blocks({"watched": lambda: run(handle), "alone": lambda: run(small)}, 2 * count)
    more = Interval([a - b for a, b in zip(taken["watched"], taken["alone"], strict=True)])
    print(f"a call that does nothing, {2 * count} blocks of {number}, its thread alone")
    print(f"  alone {Interval(taken['alone']).text(' us')}")
    print(f"  watched {more.text(' us')} more")
    shutil.rmtree(folder)


PARTS: dict[str, Callable[[int], None]] = {"step": steps, "call": calls, "jit": in_jit, "writers": writers}


def main() -> None:
    """Prints the comparisons."""
    given = sys.argv[1:]
    count = int(given.pop(0)) if given and given[0].isdigit() else 12
    print(f"JAX {jax.__version__}, {load()}")
    for name in given or PARTS:
        PARTS[name](count)
    print(load())


if __name__ == "__main__":
    main()
