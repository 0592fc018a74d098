"""The checkpoints of a run as a table: where they lie and how good they are. Nothing of them is read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from tallyboard.core.remote import is_remote

__all__ = ["Checkpoints"]

MOST_METRICS = 12
MOST_ROWS = 200


class _Row(NamedTuple):
    saver: str
    step: int | None
    epoch: int | None
    metrics: dict[str, float]


class Checkpoints:
    """What is known of the checkpoints that Lightning's `ModelCheckpoint` has saved.

    Attributes:
        changed: whether there is something that was not written yet.
    """

    def __init__(self) -> None:
        self.changed = False
        self._rows: dict[str, _Row] = {}
        self._best: dict[str, str] = {}  # by callback
        self._last: dict[str, str] = {}
        self._monitored: list[str] = []

    def saved(self, callback: Any, latest: Mapping[str, float], prefix: str) -> None:
        """A checkpoint was saved.

        Args:
            callback: the `ModelCheckpoint`.
            latest: the metrics logged last, by tag.
            prefix: that all tags have.
        """
        saver = str(getattr(callback, "state_key", ""))
        best = self._best[saver] = str(getattr(callback, "best_model_path", "") or "")
        last = self._last[saver] = str(getattr(callback, "last_model_path", "") or "")
        newest = str(getattr(callback, "_last_checkpoint_saved", "") or best)
        scores = dict(getattr(callback, "best_k_models", None) or {})
        epoch = latest.get(f"{prefix}epoch")
        metrics = {tag: value for tag, value in latest.items() if tag != f"{prefix}epoch"}
        if monitor := getattr(callback, "monitor", None):
            tag = f"{prefix}{monitor}"
            self._monitored = list(dict.fromkeys([*self._monitored, tag]))
            told = {path: {tag: float(score)} for path, score in scores.items() if _is_here(score)}
            metrics = told.get(newest, {}) | metrics
            for path in scores.keys() - self._rows.keys():  # of the program that this one resumes
                self._rows[path] = _Row(saver, None, None, told.get(path, {}))
        step = int(getattr(callback, "_last_global_step_saved", 0) or 0)
        if newest:
            self._rows[newest] = _Row(saver, step, None if epoch is None else int(epoch), metrics)
        if getattr(callback, "save_top_k", -1) != -1:  # the others are about to be removed
            kept = {*scores, best, last, newest}
            self._rows = {path: row for path, row in self._rows.items() if row.saver != saver or path in kept}
        self.changed = True

    def removed(self) -> None:
        """Forgets those whose files are gone."""
        gone = [path for path in self._rows if not is_remote(path) and not os.path.exists(path)]
        for path in gone:
            del self._rows[path]
        self.changed = self.changed or bool(gone)

    def table(self, directory: str) -> tuple[dict[str, list[object]], int]:
        """All of them as columns, to be written now, and the step of the latest.

        Args:
            directory: of the run; paths inside it are told relative to it.
        """
        self.changed = False
        rows = dict(sorted(self._rows.items(), key=lambda item: item[1].step or 0)[-MOST_ROWS:])
        tags = list(dict.fromkeys(tag for row in rows.values() for tag in row.metrics))
        tags.sort(key=lambda tag: tag not in self._monitored)
        columns: dict[str, list[object]] = {
            "checkpoint": [f"`{_shown(path, directory)}`" for path in rows],
            "is": [self._what(path) for path in rows],
            "global step": [row.step for row in rows.values()],
            "epoch": [row.epoch for row in rows.values()],
        }
        columns |= {tag: [row.metrics.get(tag) for row in rows.values()] for tag in tags[:MOST_METRICS]}
        return columns, max((row.step or 0 for row in rows.values()), default=0)

    def _what(self, path: str) -> str:
        words = ("best", self._best), ("last", self._last)
        return " and ".join(word for word, of in words if path in of.values())


def _is_here(score: Any) -> bool:
    """Whether a number can be read without waiting for a device."""
    return score is not None and getattr(getattr(score, "device", None), "type", "cpu") == "cpu"


def _shown(path: str, directory: str) -> str:
    if is_remote(path) or is_remote(directory):
        return path
    inside = os.path.relpath(path, directory)
    return path if inside.startswith(os.pardir) else inside
