"""How many streams of news a server has open, which nobody outside it can count."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .waiting import DEADLINE

COUNTING = """
import os, sys
from tallyboard.viewer import __main__, live

events = live.Hub.events

async def counted(self, *args, **kwargs):
    async for event in events(self, *args, **kwargs):
        with open(os.environ["COUNT"] + ".new", "w") as file:
            file.write(str(self.streams))
        os.replace(os.environ["COUNT"] + ".new", os.environ["COUNT"])
        yield event

live.Hub.events = counted
raise SystemExit(__main__.main(sys.argv[1:]))
"""


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Callable[..., Any]) -> Callable[..., Any]:
    """Start a server that keeps on disk how many streams were open when it last told of news."""
    monkeypatch.setenv("COUNT", str(tmp_path / "streams"))
    (tmp_path / "counting.py").write_text(COUNTING)
    return lambda logdir, port=0: serve(logdir, port, program=(str(tmp_path / "counting.py"),))


def streams(tmp_path: Path) -> int:
    return int((tmp_path / "streams").read_text())


def streams_become(tmp_path: Path, count: int, nudge: Callable[[], None]) -> None:
    """Wait until so many streams are open: they are counted when there is news, which `nudge` makes."""
    end = time.monotonic() + DEADLINE
    nudge()
    while streams(tmp_path) != count:
        assert time.monotonic() < end, f"{streams(tmp_path)} streams are open"
        time.sleep(0.05)
        nudge()
