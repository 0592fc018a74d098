"""What the families of `add_*` methods share: a place to put a summary.

`SummaryWriter` is made of one class for each family (writer_media.py, writer_plots.py, ...), so that each file
holds what belongs together and none of them knows how events are written.
"""

from __future__ import annotations

from typing import Any

from .summary import Summary

__all__ = ["Adds"]


class Adds:
    """The base of every family of `add_*` methods."""

    log_dir: str

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
