"""Regular expressions of strangers are searched for a bounded time."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyboard.viewer import patterns
from tallyboard.viewer.patterns import LENGTH_MAX, TookTooLong, matching

TEXTS = ["loss", "loss/train", "val/loss", "höhe", "a" * 40, "", "x\ny", "\udcff"]


@pytest.mark.parametrize(
    "expression", ["loss", "los.*", "(?i)LOSS", "loss|val", "(los|va)+", "(a|b)*$", "h.he", "", "^$", ".*/"]
)
def test_it_finds_what_re_finds(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here or in another process, the texts that match at their start are found, in their order."""
    monkeypatch.setattr(patterns, "PATIENCE", 60.0)
    assert matching(expression, TEXTS) == [text for text in TEXTS if re.match(expression, text)]


@pytest.mark.filterwarnings("ignore::FutureWarning")  # some sets may mean something else one day
@given(st.text("ab.*+?|[]^$\\{}1,-", max_size=12))
def test_quick_ones_are_quick(expression: str) -> None:
    """Whatever is searched in this process ends soon, on the longest texts that it is given here."""
    if not patterns._is_quick(expression, False):
        return
    began = time.thread_time()
    with suppress(re.error):
        matching(expression, ["a" * 500, "ab" * 250, "a" * 499 + "!"])
    assert time.thread_time() - began < 10.0  # of work; one that explodes would take years


@pytest.mark.parametrize("expression", ["(a+)+$", "(a|aa)+$", "(.*)*b", "(?:a{1,30}){1,30}$"])
def test_what_explodes_is_given_up(expression: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search without an end is ended, and other threads go on meanwhile."""
    monkeypatch.setattr(patterns, "PATIENCE", 0.5)
    ticks: list[int] = []
    stop = threading.Event()
    run = subprocess.run

    def tick() -> None:
        while not stop.wait(0.01):
            ticks.append(len(ticks))

    def patient(*arguments: Any, **options: Any) -> Any:
        """As `run`, begun anew where this machine gave the other thread no time."""
        end = time.monotonic() + 60
        while True:
            try:
                return run(*arguments, **options)
            except subprocess.TimeoutExpired:
                if len(ticks) > 5 or time.monotonic() > end:
                    raise

    monkeypatch.setattr(patterns.subprocess, "run", patient)
    ticking = threading.Thread(target=tick)
    ticking.start()
    try:
        with pytest.raises(TookTooLong):
            matching(expression, ["a" * 60 + "!"])
    finally:
        stop.set()
        ticking.join()
    assert len(ticks) > 5


@pytest.mark.parametrize("expression", ["(", "[", "*", "a{2,1}", "a" * (LENGTH_MAX + 1), "(" * 5_000 + ")" * 5_000])
def test_what_is_none(expression: str) -> None:
    """No regular expression, or one that nobody typed, is `re.error`."""
    with pytest.raises(re.error):
        matching(expression, TEXTS)
