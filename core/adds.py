"""What the families of `add_*` methods share: a place to put a summary.

`SummaryWriter` is made of one class for each family (writer_media.py, writer_plots.py, ...), so that each file
holds what belongs together and none of them knows how events are written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .summary import Event, Summary

if TYPE_CHECKING:
    from .layouts import Layouts
    from .writer import SummaryWriter

__all__ = ["Adds"]


class Adds:
    """The base of every family of `add_*` methods."""

    log_dir: str
    _sub_runs: dict[str, SummaryWriter]

    def _put(self, summary: Summary, call: str, global_step: Any, step: Any, walltime: Any) -> None:
        """Writes a summary at a step and wall time as the user gave them.

        Args:
            summary: what to write.
            call: the method's name, for error texts.
            global_step, step: the two names of the step; one of them may be given.
            walltime: seconds since 1970, or None for now.

        Raises:
            InvalidSummary: the step or the wall time is none, or both names were given.
        """
        raise NotImplementedError

    def _when(self, call: str, tag: str, global_step: Any, step: Any, walltime: Any) -> tuple[int, float]:
        """The step and the wall time of a call, checked; see `_put` for the arguments."""
        raise NotImplementedError

    def write(self, event: Event) -> None:
        """Logs an event as it is."""
        raise NotImplementedError

    def flush(self) -> None:
        """Returns when everything that was logged before can be read by another process."""
        raise NotImplementedError

    def _layouts(self) -> Layouts:
        """All charts that this writer was told of."""
        raise NotImplementedError

    def _sub_run(self, name: str, call: str) -> SummaryWriter:
        """The writer of a run below this one's, made when first asked for.

        Args:
            name: the directory, relative to `log_dir`.
            call: the method's name, for error texts.

        Raises:
            InvalidSummary: the name leads out of `log_dir`.
        """
        raise NotImplementedError

    def _has_runs(self) -> bool:
        """Whether there is a directory for files and further runs: not so with a sink of the user's own."""
        raise NotImplementedError
