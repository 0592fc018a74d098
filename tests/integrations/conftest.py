"""What the tests of several adapters use. No framework is imported here: each may be alone on its machine."""

from __future__ import annotations

import pytest

import tallyboard as tb


class Log:
    """A writer into memory, and the (step, value) pairs of a tag that have reached it."""

    def __init__(self) -> None:
        self.sink = tb.MemorySink()
        self.writer = tb.SummaryWriter(sink=self.sink)

    def __getitem__(self, tag: str) -> list[tuple[int, float]]:
        self.writer.flush()
        events = [event for event in self.sink.events if event.summary.tag == tag]
        return [(event.step, float(event.summary.value)) for event in events]  # type: ignore[arg-type]  # scalars

    def tags(self) -> set[str]:
        """All tags so far."""
        self.writer.flush()
        return {event.summary.tag for event in self.sink.events}


@pytest.fixture
def log() -> Log:
    """A new log in memory."""
    return Log()
