"""What a training reported must be what the viewer serves: the check behind `digits.py --once`."""

from __future__ import annotations

import json
import sys
import time
import urllib.request

import numpy as np

PATIENCE = 15.0
"""Seconds after which a point that is not there counts as lost."""

Series = dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]
"""Steps and values of each (run, tag)."""


def as_series(run: str, rate: float, history: dict[str, list[float]], batches: int) -> Series:
    """The callback's points, from what Keras itself kept."""
    epochs = np.arange(len(history["loss"]))
    found: Series = {(f"{run}/train", "epoch_learning_rate"): (epochs, np.full(len(epochs), rate, np.float32))}
    for metric in ("loss", "accuracy"):
        validation = np.array(history[f"val_{metric}"], np.float32)
        found[f"{run}/train", f"epoch_{metric}"] = (epochs, np.array(history[metric], np.float32))
        found[f"{run}/validation", f"epoch_{metric}"] = (epochs, validation)
        found[f"{run}/validation", f"evaluation_{metric}_vs_iterations"] = (
            (epochs + 1) * batches,
            validation,
        )
    return found


def as_points(values: dict[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values, as scalars are stored."""
    return np.array([*values]), np.array([*values.values()], np.float32)


def check(url: str, name: str, expected: Series) -> int:
    """Compares the viewer's points with `expected`, prints a table, and gives the exit code."""
    wanted = {key: len(steps) for key, (steps, _) in expected.items()}
    deadline = time.monotonic() + PATIENCE
    while (served := count_points(url, name)) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    if served != wanted:
        wrong = {key: (served.get(key, 0), n) for key, n in wanted.items() if served.get(key, 0) != n}
        print(
            f"Not all points arrived. (served, written) points of each series that differs: {wrong}",
            file=sys.stderr,
        )
        print(f"Series that nobody wrote: {sorted(set(served) - set(wanted))}", file=sys.stderr)
        return 1
    found = fetch(url, list(expected))
    if wrong := [key for key in expected if not all(map(np.array_equal, found[key], expected[key]))]:
        print(
            f"These series were served with other steps or values than the training reported: {wrong}",
            file=sys.stderr,
        )
        return 1
    print(f"{'run':34} {'loss':>8} {'accuracy':>9}")
    for run in dict.fromkeys(run for run, _ in expected):
        loss, accuracy = (found[run, f"epoch_{metric}"][1][-1] for metric in ("loss", "accuracy"))
        print(f"{run:34} {loss:8.4f} {accuracy:9.1%}")
    print(f"All {sum(wanted.values())} points of {len(wanted)} series arrived, equal to what the training reported.")
    return 0


def count_points(url: str, name: str) -> dict[tuple[str, str], int]:
    index = json.loads(request(f"{url}api/runs"))
    runs = [run["name"] for run in index["runs"]]
    counts = {
        (runs[at], tag): points for tag, series in index["series"].get("scalars", {}).items() for at, points in series
    }
    return {key: points for key, points in counts.items() if key[0].startswith(f"{name}/")}


def fetch(url: str, keys: list[tuple[str, str]]) -> Series:
    """Reads series as the page does: a JSON header with the place of each column, then the columns."""
    body = {"series": [{"run": run, "tag": tag, "since": 0} for run, tag in keys]}
    frame = request(f"{url}api/scalars", json.dumps(body).encode())
    if frame[:4] != b"TLY1":
        raise SystemExit(f"The viewer answered in an unknown format: {frame[:16]!r}")
    start = 8 + int.from_bytes(frame[4:8], "little")
    found: Series = {}
    for series in json.loads(frame[8:start])["series"]:
        columns = (series["step"], series["value"])
        steps, values = (np.frombuffer(frame, "<" + c["type"], series["n"], start + c["at"]) for c in columns)
        found[series["run"], series["tag"]] = (steps, values)
    return found


def request(url: str, body: bytes | None = None) -> bytes:
    """GET, or POST with a body; a proxy that the environment names is not for localhost."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=15) as answer:
        return answer.read()
