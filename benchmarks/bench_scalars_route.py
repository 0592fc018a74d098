"""One answer with the points of a scalar: ours and TensorBoard's, from two servers on the same logdir.

    python benchmarks/bench_scalars_route.py [rounds]

Both servers run from start to end; a round asks each once, over one connection that stays open, in turn: `rounds` times
(3) for the long series, which takes TensorBoard many seconds, and four times as often for what is quick. TensorBoard is
told to keep a million points of a series; it has one answer for all views, ours has buckets for the whole and the
detail for a zoom, both smoothed. Bytes are those of the body, packed as each server packs for a browser.
"""

from __future__ import annotations

import gzip
import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np
from peers import OURS
from side_by_side import compare
from viewing import PATIENCE, PLAIN, commands, started

import tallyboard as tb

__all__ = ["Client", "main", "make"]

LONG, SHORT = 1_000_000, 1_000
ASK = {"Accept-Encoding": "gzip, deflate, br, zstd"}


@dataclass
class Client:
    """A connection that stays open, and the size of the last answer."""

    port: int
    size: int = 0
    _connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def ask(self, path: str, body: bytes | None = None) -> bytes:
        """One answer, whole."""
        headers = {**ASK, **({"Content-Type": "application/json"} if body else {})}
        self._connection.request("POST" if body else "GET", path, body, headers)
        answer = self._connection.getresponse()
        data = answer.read()
        self.size = len(data)
        return data if answer.status == 200 else b""

    def milliseconds(self, path: str, body: bytes | None = None) -> float:
        """How long one answer takes."""
        began = time.perf_counter()
        assert self.ask(path, body)
        return 1000 * (time.perf_counter() - began)


def make(logdir: Path) -> None:
    """Writes a run of a million points and one of a thousand."""
    for run, count in (("long", LONG), ("short", SHORT)):
        values = np.random.default_rng(0).normal(size=count).astype(np.float32).tolist()
        with tb.SummaryWriter(logdir / run) as writer:
            for step, value in enumerate(values):
                writer.add_scalar("loss", value, step)


def ours(run: str, **wishes: object) -> bytes:
    """The body of a request for one series."""
    return json.dumps({"series": [{"run": run, "tag": "loss", "since": 0, **wishes}]}).encode()


def theirs(run: str) -> str:
    """TensorBoard's path of one series."""
    return f"/data/plugin/scalars/scalars?run={quote(run)}&tag=loss"


def wait_for(complete: Callable[[], bool]) -> None:
    """Until a server has read the logdir."""
    end = time.perf_counter() + PATIENCE
    while not complete():
        if time.perf_counter() > end:
            raise TimeoutError("a server has not read the logdir")
        time.sleep(0.1)


def main(rounds: int) -> None:
    """Prints how long each answer takes, and how long it is."""
    starts = commands()
    with ExitStack() as stack:
        logdir = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make(logdir)
        mine = stack.enter_context(started(starts[OURS], logdir))
        peer = stack.enter_context(started([*starts[PLAIN], "--samples_per_plugin", f"scalars={LONG}"], logdir))
        mine.html(), peer.html()
        us, them = Client(mine.port), Client(peer.port)
        wait_for(lambda: json.loads(unpacked(us.ask("/api/runs")))["state"] == "ready")
        wait_for(lambda: loaded(them))

        smooth = {"kind": "ema", "weight": 0.6}
        zoom = {"count": 2048, "lo": LONG * 0.6, "hi": LONG * 0.62}
        buckets = ours("long", buckets={"count": 1024}, smooth=smooth)

        def both(title: str, run: str, body: bytes, rounds: int) -> float:
            sides = {
                OURS: lambda: us.milliseconds("/api/scalars", body),
                PLAIN: lambda: them.milliseconds(theirs(run)),
            }
            compared = compare(title, "ms an answer", sides, rounds)
            print(compared.report({PLAIN: 10} if run == "long" else {}))
            print(f"  bytes: {us.size:,} beside {them.size:,}   {them.size / us.size:6.1f} x ours\n", flush=True)
            return statistics.median(compared.rounds[PLAIN])

        both(f"{SHORT:,} points", "short", ours("short"), 4 * rounds)
        whole = both(f"{LONG:,} points, as a page shows them", "long", buckets, rounds)
        detail = {OURS: lambda: us.milliseconds("/api/scalars", ours("long", buckets=zoom, smooth=smooth))}
        zoomed = compare("a zoom into 2 % of these", "ms an answer", detail, 4 * rounds)
        print(zoomed.report({}))
        print(f"  bytes: {us.size:,} beside {them.size:,}, TensorBoard's one answer for all zooms", end="")
        print(f", which took {whole / statistics.median(zoomed.rounds[OURS]):.0f} times as long")


def loaded(client: Client) -> bool:
    """Whether TensorBoard has every point."""
    answer = client.ask(theirs("long"))
    return bool(answer) and len(json.loads(unpacked(answer))) == LONG


def unpacked(data: bytes) -> bytes:
    """Without gzip, where there was some."""
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
