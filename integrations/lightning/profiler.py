"""The profiler: for `Trainer(profiler=TallyboardProfiler())`, a profile of some steps and the time of each action."""

from __future__ import annotations

import os
import time
from typing import Any, ClassVar

import torch
from lightning_utilities.core.rank_zero import rank_zero_only

from tallyboard.core.errors import warn_once
from tallyboard.core.remote import is_remote
from tallyboard.core.writer import SummaryWriter

from ..torch.profiling import ONCE, profile, recorded_steps

__all__ = ["Profiling"]

STEP = "run_training_batch"
PREFIX = "[pl][profile]"  # as Lightning's own profiler calls its actions in a trace, which readers know
MOST_ROWS = 200


class Profiling:
    """Records steps of a training with `torch.profiler`, Lightning's actions among its spans, and times every action.

    The trace goes into the logger's directory, where the page, `tb.read_profile` and TensorBoard find it; so does a
    table, `profiler/<stage>`: how often each action ran, and its mean, longest and total time in milliseconds on the
    host's clock. `filename` with `dirpath` has Lightning write the table as text, too.

    Args:
        dirpath: a directory instead of the logger's.
        filename: of the text.
        steps: which steps of the training are recorded: `"once"` (a step passes, one warms up, three are recorded), a
            number of steps, how many pass, warm up and are recorded, or None for none.
        record_shapes: whether operators tell the shapes of their inputs.
        profile_memory: whether what is taken and given back is told.
        with_stack: whether operators tell the lines they were called from; costs most.

    Raises:
        InvalidSummary: `steps` is none of these.
    """

    _package: ClassVar[str]
    dirpath: Any
    _stage: str | None
    _local_rank: int | None

    def __init__(
        self,
        dirpath: str | os.PathLike[str] | None = None,
        filename: str | None = None,
        *,
        steps: str | int | tuple[int, int, int] | None = "once",
        record_shapes: bool = True,
        profile_memory: bool = True,
        with_stack: bool = False,
    ) -> None:
        self._times: dict[str, list[float]] = {}  # of each action: how often, in all, and the longest, in seconds
        self._begun: dict[str, float] = {}
        self._spans: dict[str, Any] = {}
        self._recording: profile | None = None
        self._wanted = ONCE if steps == "once" else recorded_steps(steps)
        self._left = sum(self._wanted or ())
        self._settings = {
            "record_shapes": record_shapes,
            "profile_memory": profile_memory,
            "with_stack": with_stack,
        }
        super().__init__(dirpath=dirpath, filename=filename)  # type: ignore[call-arg]  # Lightning's Profiler

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_recording": None, "_spans": {}, "_begun": {}}

    def start(self, action_name: str) -> None:
        """An action begins."""
        if (
            self._recording is None
            and self._left > 0
            and self._stage == "fit"
            and action_name.endswith("training_epoch")
        ):
            self._record()
        if self._recording is not None:
            span = self._spans[action_name] = torch.profiler.record_function(PREFIX + action_name)
            span.__enter__()
        self._begun[action_name] = time.perf_counter()

    def stop(self, action_name: str) -> None:
        """An action ends. One that never began, or that is still running elsewhere, is passed over."""
        began = self._begun.pop(action_name, None)
        if began is not None:
            took = time.perf_counter() - began
            times = self._times.setdefault(action_name, [0, 0.0, 0.0])
            times[0] += 1
            times[1] += took
            times[2] = max(times[2], took)
        if (span := self._spans.pop(action_name, None)) is not None:
            span.__exit__(None, None, None)
        if self._recording is not None and action_name == STEP:
            self._recording.step()
            self._left -= 1
            if self._left <= 0:
                self._close()

    def _stage_name(self) -> str:
        return str(getattr(self._stage, "value", self._stage or ""))

    def _record(self) -> None:
        folder = os.fspath(self.dirpath) if self.dirpath else ""
        if not folder or is_remote(folder):
            self._left = 0
            warn_once(
                ("profiler", "where"),
                "TallyboardProfiler: a profile needs a directory of this machine; give the Trainer a logger, or "
                f"dirpath, instead of {folder or 'none'!r}. Training goes on without it",
            )
            return
        assert self._wanted is not None
        self._recording = profile(folder, steps=self._wanted, **self._settings).__enter__()

    def _close(self) -> None:
        recording, self._recording = self._recording, None
        spans, self._spans = self._spans, {}
        for span in reversed(spans.values()):
            span.__exit__(None, None, None)
        if recording is not None:
            recording.__exit__()

    def summary(self) -> str:
        """The actions as text, those that took most time in all first; and as a table in the run, if there is one."""
        rows = self._rows()
        if not rows["action"]:
            return ""
        self._write(rows)
        lines = [f"{self._stage_name().upper()} Profiler Report".strip(), "", f"{'calls':>8} {'mean ms':>10} action"]
        for action, calls, mean in zip(rows["action"], rows["calls"], rows["mean ms"], strict=True):
            lines.append(f"{calls:>8} {mean:>10} {action.strip('`')}")
        self._times = {}
        return os.linesep.join(lines)

    def _rows(self) -> dict[str, list[Any]]:
        found = sorted(self._times.items(), key=lambda item: -item[1][1])[:MOST_ROWS]
        return {
            "action": [f"`{action}`" for action, _ in found],
            "calls": [int(times[0]) for _, times in found],
            "mean ms": [round(1000 * times[1] / times[0], 3) for _, times in found],
            "longest ms": [round(1000 * times[2], 3) for _, times in found],
            "total ms": [round(1000 * times[1], 3) for _, times in found],
        }

    def _write(self, rows: dict[str, list[Any]]) -> None:
        if rank_zero_only.rank > 0 or not self.dirpath or not os.path.isdir(self.dirpath):
            return
        try:
            with SummaryWriter(self.dirpath) as writer:
                writer.add_table(f"profiler/{self._stage_name() or 'actions'}", rows)
        except Exception as error:  # it must not reach the training
            warn_once(("profiler", "table"), f"TallyboardProfiler: the table was not written ({error})")

    def teardown(self, stage: str | None) -> None:
        """Writes a profile whose steps did not all come."""
        if getattr(self, "_recording", None) is not None:
            self._close()
        super().teardown(stage=stage)  # type: ignore[misc]  # Lightning's Profiler
