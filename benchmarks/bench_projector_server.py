"""An embedding of 100,000 x 128 numbers, from the server to whoever draws it: ours beside TensorBoard's tensor route.

    python benchmarks/bench_projector_server.py [rounds]

Both servers run from start to end on the same logdir, and have read the tensor before the first round: as raw bytes,
which torch's writer does not write, and as text, which it does. Asked are the milliseconds until the first byte and
until the last one. Of ours alone: components and neighbours of all rows over the same connection, each time of another
question, so that none is kept, and the seconds of one core for t-SNE on 10,000 rows.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import numpy as np
from peers import OURS
from side_by_side import compare
from viewing import PATIENCE, PLAIN, commands, started

import tallyboard as tb
from tallyboard.viewer.projector_tsne import Settings, laid_out

ROWS, COLUMNS = 100_000, 128
LAID_OUT, ITERATIONS = 10_000, 60
NAME = "big:00000"


def make(logdir: Path, text: bool) -> None:
    """Writes one embedding, by our writer as bytes or as torch's would as text."""
    vectors = np.random.default_rng(0).standard_normal((ROWS, COLUMNS), np.float32)
    with tb.SummaryWriter(logdir / "run") as writer:
        writer.add_scalar("loss", 1.0, 0)
        if not text:
            writer.add_embedding(vectors, tag="big")
            return
    with (logdir / "run" / "big.tsv").open("w") as file:
        for row in vectors:
            file.write("\t".join(map(str, row)) + "\n")
    config = f'embeddings {{ tensor_name: "{NAME}" tensor_path: "big.tsv" }}'
    (logdir / "run" / "projector_config.pbtxt").write_text(config)


def asked(port: int, path: str, body: object = None) -> tuple[float, float, int]:
    """Milliseconds until the first and the last byte of an answer, and its bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    began = time.perf_counter()
    data = None if body is None else json.dumps(body).encode()
    connection.request("GET" if data is None else "POST", path, data, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read(1)
    first = time.perf_counter()
    size = 1 + len(answer.read())
    last = time.perf_counter()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status}")
    return 1000 * (first - began), 1000 * (last - began), size


def waited(ask: Callable[[], object]) -> None:
    """Until a server has the embedding; what the first answer costs is printed."""
    end = time.perf_counter() + PATIENCE
    while True:
        began = time.perf_counter()
        try:
            ask()
        except (RuntimeError, OSError):
            if time.perf_counter() > end:
                raise
            time.sleep(0.2)
        else:
            print(f"  its first answer took {time.perf_counter() - began:.2f} s")
            return


def served(rounds: int, text: bool) -> None:
    """One logdir, both servers."""
    kind = "text" if text else "bytes"
    with ExitStack() as stack:
        logdir = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make(logdir, text)
        starts = commands()
        mine = stack.enter_context(started(starts[OURS], logdir))
        peer = stack.enter_context(started(starts[PLAIN], logdir))
        mine.html(), peer.html()
        ours = f"/api/projector/vectors?run=run&name={NAME}&most={ROWS}"
        theirs = f"/data/plugin/projector/tensor?run=run&name={NAME}&num_rows={ROWS}"
        print(f"{ROWS:,} x {COLUMNS} as {kind}\n{OURS}:")
        waited(lambda: asked(mine.port, ours))
        print(f"{PLAIN}:")
        waited(lambda: asked(peer.port, theirs))
        for at, what in enumerate(("first byte", "last byte")):
            sides = {OURS: lambda at=at: asked(mine.port, ours)[at], PLAIN: lambda at=at: asked(peer.port, theirs)[at]}
            print(compare(f"tensor, {what}", "ms", sides, rounds).report({}), flush=True)
        if text:
            return
        number = count()
        question = {"run": "run", "name": NAME, "most": ROWS}
        alone = {
            "10 components": lambda: asked(
                mine.port, "/api/projector/pca", {**question, "components": 10, "most": ROWS + next(number)}
            ),
            "100 neighbours": lambda: asked(
                mine.port, "/api/projector/neighbours", {**question, "row": next(number), "k": 100}
            ),
        }
        for what, ask in alone.items():
            print(compare(f"{what} of all rows", "ms", {OURS: lambda ask=ask: ask()[1]}, rounds).report({}), flush=True)


def layout() -> None:
    """How much of one core t-SNE takes: until the first points, and an iteration."""
    rows = np.random.default_rng(0).standard_normal((LAID_OUT, COLUMNS), np.float32)
    told: list[tuple[int, float]] = []
    began = time.process_time()
    laid_out(rows, Settings(iterations=ITERATIONS), lambda done, *_: told.append((done, time.process_time() - began)))
    (first, start), (last, end) = told[0], told[-1]
    print(f"t-SNE of {LAID_OUT:,} rows: {start:.1f} s of one core until its iteration {first}")
    print(f"then {1000 * (end - start) / (last - first):.0f} ms an iteration")


if __name__ == "__main__":
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":  # as t-SNE's own process has it
        os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    layout()
    for text in (False, True):
        served(int(sys.argv[1]) if len(sys.argv) > 1 else 3, text)
