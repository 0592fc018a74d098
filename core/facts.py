"""What a table of runs says of each: its hyperparameters, how far it has come, and whether it still runs.

Nobody writes down that a training has died, and few write down that it ended, so a status is a conclusion. The rules:

1. A recorded end (the hparams plugin's session end) says "finished" or "failed". It is void once the run has values
   that are more than `SILENCE` later: somebody went on with it. So does the mark that a writer leaves at the end of its
   file when it is closed (a SessionLog of status STOP; its message tells a failure), the latest of several; but not
   while another writer of the run, which left none, has news that are later, or recent as in rule 3.
2. Torch's `add_hparams`, and Lightning with it, writes an end together with the start, whenever it is called. Such an
   end counts only if nothing came after it and something came before it: then the call stood at the training's end.
   The run below, named by the time, that torch writes it to holds nothing else, and is finished.
3. Without an end, a run whose last news are younger than `SILENCE`, or than `GAPS` times the pause that is usual
   between its values, is "running".
4. Otherwise it is "stalled": it stopped, and nothing says that it was done.

News are the wall time of its last value, and growth that was seen while the logdir was followed, for programs whose
wall times are not the clock's.
"""

from __future__ import annotations

import math
import operator
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from .remote import is_remote
from .sessions import Fetch, Session, last_session
from .store import Standing, Store

__all__ = ["AT_ONCE", "GAPS", "SILENCE", "Fact", "Facts", "Gathered", "Status"]

Status = Literal["running", "finished", "stalled", "failed"]
Plain = bool | float | str

SILENCE: Final = 300.0
"""Seconds without news after which a run is no longer taken to run."""
GAPS: Final = 10.0
"""Times the usual pause between its values that a run may be silent, where that is longer."""
AT_ONCE: Final = 16
"""Runs of a remote store whose hyperparameters are fetched side by side."""
LONGEST_TEXT: Final = 1_000
"""Characters of a hyperparameter's text that are told."""

_TOGETHER = 1.0  # seconds within which a start and an end were written by one call
_RECENT_POINTS = 101
_BY_TIME = re.compile(r"(.+)/\d{9,10}\.\d+")  # what torch's add_hparams calls a run: str(time.time())


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of one run.

    Attributes:
        status: see this module's rules.
        started, ended: wall times of its first and last value, in seconds since 1970; None where it has none, or where
            they are not finite.
        hparams: by name, sorted; numbers that are not finite are the text that JavaScript has for them.
        last_step: the greatest of its series' last steps; None where it has no series.
        hparams_of: the run above whose hyperparameters these are; None for its own.
    """

    status: Status
    started: float | None
    ended: float | None
    hparams: dict[str, Plain]
    last_step: int | None
    hparams_of: str | None = None


@dataclass(frozen=True, slots=True)
class Gathered:
    """The facts of all runs in the order in which they were found.

    Attributes:
        version: of the store.
        runs: by name. A fact that did not change is the same object as before.
        pending: runs whose hyperparameters were not read yet, because time was up.
    """

    version: int
    runs: dict[str, Fact]
    pending: int


@dataclass(slots=True)
class _Kept:
    standing: Standing
    session: Session | None = None
    known: bool = False  # whether the session was read
    gap: float | None = None
    values: dict[str, Plain] | None = None
    above: str | None = None  # the run above, if torch may have made this one for it
    fact: Fact | None = None
    basis: tuple[object, ...] = ()  # what the fact was concluded from, if time alone does not change it


class Facts:
    """Gathers facts of a store's runs, anew only for those that changed. May be asked by any thread.

    Args:
        store: whose runs.
        fetch: reads a record, for hyperparameters; without it, nobody has any.
        clock: seconds since 1970.
    """

    def __init__(self, store: Store, fetch: Fetch | None = None, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._version = -1
        self._kept: dict[str, _Kept] = {}

    def gather(self, patience: float = math.inf) -> Gathered:
        """Everything as it is now.

        Args:
            patience: seconds after which hyperparameters that were not read yet are left for the next time.
        """
        with self._lock:
            names = self._catch_up()
            pending = self._read_sessions(time.monotonic() + patience)
            joined = self._join(names)
            now = self._clock()
            facts = {name: self._fact(name, joined, now) for name in names}
            return Gathered(self._version, facts, pending)

    def _catch_up(self) -> list[str]:
        self._version, names, changed = self._store.changed_runs(self._version)
        for standing in changed:
            kept = self._kept.get(standing.name)
            if kept is None or kept.standing.sessions != standing.sessions:
                match = _BY_TIME.fullmatch(standing.name)
                above = None if match is None else match[1]
                self._kept[standing.name] = _Kept(standing, known=standing.sessions is None, above=above)
            else:
                kept.standing, kept.gap = standing, None
        if len(self._kept) > len(names):
            there = set(names)
            self._kept = {name: kept for name, kept in self._kept.items() if name in there}
        return names

    def _read_sessions(self, until: float) -> int:
        unknown = [(name, kept) for name, kept in self._kept.items() if not kept.known]
        far = [(name, kept) for name, kept in unknown if self._is_far(name)]
        near = [(name, kept) for name, kept in unknown if not self._is_far(name)] if far else unknown
        for done, (name, kept) in enumerate(near):
            if time.monotonic() >= until:
                return len(unknown) - done
            _know(kept, self._session_of(name))
        return self._read_far(far, until) if far else 0

    def _read_far(self, far: list[tuple[str, _Kept]], until: float) -> int:
        """Those of a remote store, where one waits for each answer: several at once."""
        waiting = iter(far)
        left = len(far)
        running: dict[Future[Session | None], _Kept] = {}
        with ThreadPoolExecutor(min(AT_ONCE, left), "tallyboard-facts") as pool:
            while True:
                while len(running) < AT_ONCE and time.monotonic() < until and (one := next(waiting, None)):
                    running[pool.submit(self._session_of, one[0])] = one[1]
                if not running:
                    return left
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    _know(running.pop(future), future.result())
                    left -= 1

    def _session_of(self, name: str) -> Session | None:
        return None if self._fetch is None else last_session(self._store, self._fetch, name)

    def _is_far(self, name: str) -> bool:
        blobs = self._store.blobs("hparams", name, "_hparams_/session_start_info")
        return blobs is not None and is_remote(blobs.ref[0].path)

    def _join(self, names: list[str]) -> dict[str, str]:
        """Which run below, named by the time, has the hyperparameters of a run that has none of its own.

        Of several such runs the hyperparameters have to be the same: otherwise nobody knows which are the run's.
        """
        below: dict[str, list[str]] = {}
        for name in names:
            kept = self._kept[name]
            if kept.above is not None and kept.session is not None:
                above = self._kept.get(kept.above)
                if above is not None and above.session is None:
                    below.setdefault(kept.above, []).append(name)
        joined: dict[str, str] = {}
        for run, subs in below.items():
            last = max(subs, key=_stamp)
            if all(self._kept[sub].values == self._kept[last].values for sub in subs):
                joined[run] = last
        return joined

    def _fact(self, name: str, joined: dict[str, str], now: float) -> Fact:
        kept = self._kept[name]
        sub = self._kept[joined[name]] if name in joined else None
        above = kept.above if kept.above in joined else None
        basis = (kept.standing, kept.session, None if sub is None else sub.session, above)
        if kept.fact is not None and kept.basis and all(map(operator.is_, basis, kept.basis)):
            return kept.fact
        standing = kept.standing
        fact = Fact(
            self._status(kept, sub, above is not None, now),
            _finite(standing.first),
            _finite(standing.last),
            (kept.values if sub is None else sub.values) or {},
            standing.last_step,
            above,
        )
        if kept.fact is not None and kept.fact == fact:
            fact = kept.fact  # the same object says that nothing changed
        kept.fact = fact
        waiting = fact.status == "running" or (standing.last is not None and standing.last > now)
        kept.basis = () if waiting else basis
        return fact

    def _status(self, kept: _Kept, sub: _Kept | None, beside: bool, now: float) -> Status:
        standing = kept.standing
        if (end := self._end(kept, sub, beside, now)) is not None:
            return end
        last = standing.last if standing.last is not None and standing.last <= now + SILENCE else -math.inf
        silent = now - max(last, standing.grew)
        return "running" if self._is_recent(kept, silent) else "stalled"

    def _end(self, kept: _Kept, sub: _Kept | None, beside: bool, now: float) -> Status | None:
        """How a run ended, by its own records, those below it, or the marks of its writers."""
        recorded = _recorded_end(kept, sub, beside)
        marks = [(writer.news, writer.ended) for writer in kept.standing.writers if writer.ended]
        if not marks:
            return recorded
        # a time to come is none of the clock's, and says nothing of when that was
        going = [writer.news for writer in kept.standing.writers if not writer.ended and writer.news <= now + SILENCE]
        newest = max(going, default=-math.inf)
        ends = [] if newest > max(marks)[0] or self._is_recent(kept, now - newest) else marks
        if recorded is not None:
            session = kept.session if sub is None else sub.session
            assert session is not None
            assert session.ended is not None
            if newest <= session.ended + _TOGETHER:
                ends = [*ends, (session.ended, recorded)]
        if not ends:
            return None
        return "failed" if max(ends)[1] == "failed" else "finished"

    def _is_recent(self, kept: _Kept, silent: float) -> bool:
        """Whether so many seconds of silence are what a run that goes on may have."""
        if silent <= SILENCE:
            return True
        standing = kept.standing
        span = (standing.last or 0.0) - (standing.first or 0.0)
        if not standing.longest or silent > GAPS * span:
            return False
        if kept.gap is None:
            kept.gap = self._usual_gap(standing)
        return silent <= GAPS * kept.gap

    def _usual_gap(self, standing: Standing) -> float:
        """The median pause between the last values of its longest series, in seconds; 0 where it has none."""
        series = self._store.scalars(standing.name, standing.longest)
        if series is None:
            return 0.0
        pauses = np.diff(series.wall_time[-_RECENT_POINTS:])
        pauses = pauses[np.isfinite(pauses) & (pauses > 0)]
        return float(np.median(pauses)) if len(pauses) else 0.0


def _recorded_end(kept: _Kept, sub: _Kept | None, beside: bool) -> Status | None:
    """How a run ended by its own records, or by those that torch wrote below it; None where they do not say."""
    standing, session = kept.standing, kept.session
    alone = beside or kept.above is not None
    if session is None and sub is not None and sub.session is not None:
        session, alone = replace(sub.session, end_time=None), False  # that run has ended; this one maybe
    if session is None or session.ended is None or session.status not in ("success", "failure"):
        return None
    if not _counts(session, standing, alone):
        return None
    return "finished" if session.status == "success" else "failed"


def _counts(session: Session, standing: Standing, alone: bool) -> bool:
    """Whether the end that a session recorded is the end of a run that has come so far."""
    assert session.ended is not None
    last = session.ended if standing.last is None else standing.last
    if session.end_time is not None:
        return last <= session.ended + SILENCE
    if alone:
        return True
    first = session.begun if standing.first is None else standing.first
    return last <= session.ended + _TOGETHER and first < session.begun - _TOGETHER


def _know(kept: _Kept, session: Session | None) -> None:
    kept.session, kept.known = session, True
    kept.values = None if session is None else _plain(session.values)


def _stamp(name: str) -> float:
    return float(name.rpartition("/")[2])


def _plain(values: dict[str, str | bool | float]) -> dict[str, Plain]:
    out: dict[str, Plain] = {}
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            out[name] = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        elif isinstance(value, str) and len(value) > LONGEST_TEXT:
            out[name] = f"{value[: LONGEST_TEXT - 1]}…"
        else:
            out[name] = value
    return out


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
