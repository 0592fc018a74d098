"""What logging costs a JAX training: beside the bare step, beside an empty callback, beside CLU's writer.

    python benchmarks/bench_jax.py [rounds]

`log` and the empty `jax.debug.callback` are called once in each turn of a compiled loop, with the same numbers; the
cost of a call is what a turn with it takes more than one without. `write_scalars` is given 20 floats a step; both
writers are closed within the time.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
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


def main() -> None:
    """Prints the comparisons."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    in_jit(rounds)
    writers(rounds)


if __name__ == "__main__":
    main()
