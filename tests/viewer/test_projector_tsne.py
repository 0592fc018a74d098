"""t-SNE lays points out as well as scikit-learn's does, in a process of its own that ends when nobody wants it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tallyboard as tb
from tallyboard.viewer import projector_jobs, projector_tsne
from tallyboard.viewer.projector_jobs import Job, Jobs, Question
from tallyboard.viewer.projector_tsne import Settings, laid_out

from .boards import Board, viewer_on
from .test_projector import frame

pytest.importorskip("openTSNE")

RNG = np.random.default_rng(8)
CENTRES = RNG.standard_normal((4, 10)) * 9
CLASSES = np.arange(120) % 4
VECTORS = (CENTRES[CLASSES] + RNG.standard_normal((120, 10))).astype(np.float32)
HOLED = VECTORS.copy()
HOLED[7] = np.nan


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("laid out")
    with tb.SummaryWriter(folder / "run") as writer:
        writer.add_embedding(HOLED, tag="holed")
        writer.add_embedding(RNG.standard_normal((1000, 8)), tag="many")
    return folder


@pytest.fixture(scope="module")
def board(logdir: Path, cache: Path) -> Iterator[Board]:
    with viewer_on(logdir, "--cache", str(cache)) as started:
        yield started


def progress(board: Board, job: str, **query: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    answer = board.ask("/api/projector/tsne", job=job, **query)
    assert answer.status == 200, answer.body
    return frame(answer.body)


def until(condition: Any) -> Any:
    """Poll until something is true, and return it."""
    end = time.monotonic() + 120
    while not (found := condition()):
        assert time.monotonic() < end, "it never came true"
        threading.Event().wait(0.02)
    return found


def begin(board: Board, name: str, **settings: Any) -> str:
    answer = board.post("/api/projector/tsne", {"run": "run", "name": f"{name}:00000", **settings})
    assert answer.status == 200, answer.body
    return answer.json()["job"]


def ended(board: Board, job: str) -> tuple[dict[str, Any], dict[str, Any]]:
    def over() -> Any:
        found = progress(board, job)
        return found if found[0]["state"] not in ("waiting", "running") else None

    return until(over)


def purity(points: Any, classes: Any) -> float:
    """Share of points whose nearest neighbour is of their class."""
    far = ((points[:, None] - points) ** 2).sum(axis=2)
    np.fill_diagonal(far, np.inf)
    return float((classes[far.argmin(axis=1)] == classes).mean())


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_layout_keeps_neighbours_together(board: Board, dimensions: int) -> None:
    """Four heaps stay heaps; a row that is not finite has no place, and the same question is the same job."""
    job = begin(board, "holed", dimensions=dimensions, iterations=150)
    header, columns = ended(board, job)
    assert (header["state"], header["iteration"], header["iterations"]) == ("done", 150, 150)
    assert (header["rows"], header["shown"], header["nan_rows"], header["dimensions"]) == (120, 120, 1, dimensions)
    points = columns["points"][: 120 * dimensions].reshape(120, dimensions)
    assert np.flatnonzero(np.isnan(points).any(axis=1)).tolist() == [7]
    there = np.delete(np.arange(120), 7)
    assert purity(points[there], CLASSES[there]) == 1.0
    assert 0 < header["kl"] < 1
    assert begin(board, "holed", dimensions=dimensions, iterations=150) == job
    assert "points" not in progress(board, job, since=150)[1]


def test_a_layout_that_was_found_is_kept(board: Board, logdir: Path, cache: Path) -> None:
    """Another viewer gives it at once, the same to the last bit."""
    job = begin(board, "holed", dimensions=2, iterations=150)
    header, columns = ended(board, job)
    until(lambda: (cache / "tsne" / job).exists())
    with viewer_on(logdir, "--cache", str(cache)) as another:
        assert begin(another, "holed", dimensions=2, iterations=150) == job
        again, kept = progress(another, job)
    assert (again["state"], again["kl"]) == ("done", header["kl"])
    assert np.array_equal(kept["points"], columns["points"], equal_nan=True)


def test_a_layout_can_be_ended(board: Board) -> None:
    """Meanwhile the viewer answers; the next one's turn comes, and asking anew begins anew."""
    long = begin(board, "many", iterations=5_000)
    after = begin(board, "holed", iterations=55)
    until(lambda: progress(board, long)[0]["iteration"] > 0)
    assert board.get("/api/runs")["state"] == "ready"
    assert [progress(board, job)[0]["state"] for job in (long, after)] == ["running", "waiting"]
    assert board.post("/api/projector/tsne/end", {"job": long}).json() == {"state": "cancelled"}
    assert ended(board, after)[0]["state"] == "done"
    assert begin(board, "many", iterations=5_000) == long
    assert progress(board, long)[0]["state"] in ("waiting", "running")
    board.post("/api/projector/tsne/end", {"job": long})


def test_an_unknown_layout_is_none(board: Board) -> None:
    """404, for progress and for its end."""
    assert board.ask("/api/projector/tsne", job="../../etc/passwd").status == 404
    assert board.post("/api/projector/tsne/end", {"job": "x"}).status == 404


def a_job(seed: int, rows: Any = VECTORS, iterations: int = 5_000_000) -> Job:
    question = Question("token", 120, Settings(iterations=iterations, seed=seed))
    return Job(question, {}, rows, np.ones(len(rows), bool))


QUICK = """
import numpy as np
from tallyboard.viewer import projector_tsne

def laid_out(rows, settings, tell):
    for done in range(1, settings.iterations + 1):
        tell(done, 0.5, np.zeros((len(rows), settings.dimensions), np.float32))

projector_tsne.laid_out = laid_out
projector_tsne.main()
"""
"""In place of t-SNE, whose libraries take seconds to load."""


def test_a_layout_that_nobody_asks_for_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a minute of the clock, whether it runs or waits."""
    monkeypatch.setattr(projector_jobs, "_PROGRAM", QUICK)
    now = [0.0]
    jobs = Jobs(lambda: now[0])
    running, waiting = a_job(0), a_job(1)
    names = [jobs.start(job, "off") for job in (running, waiting)]
    until(lambda: running.iteration > 0)
    process = running.process
    assert process is not None
    now[0] = projector_jobs.PATIENCE + 1
    until(lambda: running.state == waiting.state == "cancelled")
    until(lambda: process.poll() is not None)
    assert [jobs.get(name).state for name in names] == ["cancelled", "cancelled"]  # pyright: ignore[reportOptionalMemberAccess]


def test_no_more_layouts_wait_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """One runs and eight wait; the next one is refused."""
    monkeypatch.setattr(projector_jobs, "_PROGRAM", QUICK)
    jobs = Jobs()
    names = [jobs.start(a_job(0), "off")]
    until(lambda: jobs.get(names[0]).state == "running")  # pyright: ignore[reportOptionalMemberAccess]
    names += [jobs.start(a_job(seed), "off") for seed in range(1, projector_jobs.MOST_WAITING + 1)]
    with pytest.raises(projector_jobs.Busy, match="8 layouts wait already"):
        jobs.start(a_job(99), "off")
    for name in reversed(names):
        jobs.end(name)


@pytest.mark.parametrize("heard", [True, False])
def test_a_process_that_dies_is_told(heard: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job has failed, and says so, whether or not the process lived to hear what it was asked."""
    monkeypatch.setattr(projector_jobs, "_PROGRAM", "raise SystemExit(3)")
    jobs, job = Jobs(), a_job(0)
    talk = jobs._talk

    def talk_later(job: Job, process: Any, rows: Any) -> None:
        if not heard:
            process.wait()
        talk(job, process, rows)

    monkeypatch.setattr(jobs, "_talk", talk_later)
    jobs.start(job, "off")
    until(lambda: job.over)
    assert (job.state, job.problem) == ("failed", "its process ended before it had an answer")


def test_a_kept_file_that_is_damaged_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layout is found anew."""
    monkeypatch.setattr(projector_jobs, "_PROGRAM", QUICK)
    job = a_job(0, iterations=50)
    (tmp_path / "tsne").mkdir()
    (tmp_path / "tsne" / job.question.job).write_bytes(b'{"iteration": 50, "kl": 1, "seconds": 1}\nshort')
    jobs = Jobs()
    jobs.start(job, str(tmp_path))
    until(lambda: job.over)
    assert (job.state, job.iteration) == ("done", 50)
    assert job.points is not None
    assert job.points.shape == (120, 2)


def test_the_process_ends_with_its_viewer() -> None:
    """Whatever it is busy with: its stdin is closed when the viewer is no more."""
    import json
    import subprocess
    import sys
    from dataclasses import asdict

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    line = [sys.executable, "-P", "-c", QUICK]
    process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert process.stdin is not None
    assert process.stdout is not None
    asked = {"rows": 120, "columns": 10, "settings": asdict(Settings(iterations=5_000_000))}
    process.stdin.write(json.dumps(asked).encode() + b"\n" + VECTORS.tobytes())
    process.stdin.flush()
    assert process.stdout.readline()
    process.stdin.close()
    assert process.wait(60) == 0
    process.stdout.close()


def points_of(rows: Any, settings: Settings) -> tuple[float, Any]:
    """The divergence at the end, and where points lie then."""
    told: list[tuple[int, float, Any]] = []
    laid_out(rows, settings, lambda *each: told.append(each))
    assert [done for done, *_ in told[-2:]] == [settings.iterations - 5, settings.iterations]
    return told[-1][1:]


def test_digits_stay_together() -> None:
    """Their neighbours are kept as well as by scikit-learn's, and the same seed gives the same points."""
    datasets = pytest.importorskip("sklearn.datasets")
    manifold = pytest.importorskip("sklearn.manifold")
    threads = pytest.importorskip("threadpoolctl")
    digits = datasets.load_digits().data[:300].astype(np.float32)
    with threads.threadpool_limits(1):  # more would wait for each other
        kl, points = points_of(digits, Settings(iterations=300))
        again = points_of(digits, Settings(iterations=300))
        theirs = manifold.TSNE(2, init="pca", max_iter=300, random_state=0).fit(digits)
    assert kl < theirs.kl_divergence_ + 0.05
    trust = [manifold.trustworthiness(digits, each, n_neighbors=10) for each in (points, theirs.embedding_)]
    assert trust[0] > trust[1] - 0.01
    assert again[0] == kl
    np.testing.assert_array_equal(again[1], points)


def test_many_points_in_the_plane_are_pushed_by_a_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four heaps are heaps with it, too."""
    monkeypatch.setattr(projector_tsne, "GRID", 100)
    _, points = points_of(VECTORS, Settings(iterations=60))
    assert purity(points, CLASSES) == 1.0


@pytest.mark.parametrize("rows", [np.ones((9, 3), np.float32), VECTORS[:4], VECTORS[:, :1]])
def test_few_and_equal_rows_are_laid_out(rows: Any) -> None:
    """Nothing divides by zero: all points have a place."""
    assert np.isfinite(points_of(rows, Settings(iterations=60))[1]).all()


def test_without_the_library_the_answer_says_what_to_install(
    logdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """501 and the line that installs it; components are there as ever."""
    hidden = 'import sys; sys.modules["openTSNE"] = None'
    (tmp_path / "sitecustomize.py").write_text(hidden, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with viewer_on(logdir) as bare:
        asked = {"run": "run", "name": "holed:00000"}
        answer = bare.post("/api/projector/tsne", asked)
        assert answer.status == 501
        said = "t-SNE needs openTSNE on the server: pip install 'tallyboard[projector]'"
        assert answer.json() == {"error": said}
        assert bare.post("/api/projector/pca", asked).status == 200
