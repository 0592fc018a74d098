"""Traces made by hand, and where the recorded ones lie."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Write = Callable[..., Path]


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of recorded traces."""
    folder = Path(__file__).parents[3].parent / "shared" / "samples"
    if not folder.is_dir():
        pytest.skip("the recorded samples are not beside this checkout")
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a torch trace of events, each (name, category, start, length, thread, arguments), in microseconds."""
    pytest.importorskip("msgspec")
    pytest.importorskip("ijson")

    def write(*events: tuple[Any, ...], name: str = "worker0.1.pt.trace.json", **beside: Any) -> Path:
        rows = [
            {"ph": "X", "name": label, "cat": category, "ts": start, "dur": dur, "pid": 1, "tid": tid, "args": args}
            for label, category, start, dur, tid, args in events
        ]
        text = json.dumps({"schemaVersion": 1, **beside, "traceEvents": rows}).encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return path

    return write


def launch(start: float, number: int, dur: float = 1.0) -> tuple[Any, ...]:
    """A call that launches work."""
    return ("cudaLaunchKernel", "cuda_runtime", start, dur, 1, {"correlation": number})


def kernel(start: float, dur: float, number: int, name: str = "gemm", stream: int = 7, **more: Any) -> tuple[Any, ...]:
    """A kernel of device 0."""
    return (name, "kernel", start, dur, stream, {"device": 0, "stream": stream, "correlation": number, **more})


def step(number: int, start: float, dur: float) -> tuple[Any, ...]:
    """A step of torch's profiler."""
    return (f"ProfilerStep#{number}", "user_annotation", start, dur, 1, {})
