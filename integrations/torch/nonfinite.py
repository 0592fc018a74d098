"""What is said of a loss that is NaN or infinite, and which module made it so."""

from __future__ import annotations

import math

from tallyboard.core.errors import warn_once

from .armed import Found

__all__ = ["NAN", "Divergence"]

NAN = ("next", "trace", None)


class Divergence:
    """Whether the training has come to a loss that is not finite.

    `next`: the step after the one at which that is known is looked at module by module. `trace`: every step is, so that
    the module is named at the very step. None: nothing is said.

    Attributes:
        hunting: whether the step under way is to be looked at module by module.
    """

    def __init__(self, number: int, mode: str | None) -> None:
        self._number = number
        self._mode = mode
        self._diverged = self._named = False
        self.hunting = mode == "trace"

    def seen(self, step: int, loss: float | None, looked: bool, found: Found) -> bool:
        """Takes a step's loss and what was found of it; adds words to that.

        Args:
            step: its number.
            loss: None if it is not known.
            looked: whether the step was looked at module by module.
            found: what its numbers said.

        Returns:
            Whether the next step is to be looked at closely, because this is the first that is not finite.
        """
        if self._mode is None:
            return False
        finite = loss is None or math.isfinite(loss)
        if looked and not finite and not self._named:
            self._named = True
            self._name(step, found)
        first = not finite and not self._diverged
        self._diverged = not finite
        self._named = self._named and not finite
        if first:
            found.words["nonfinite/loss"] = f"The loss is {loss} at step {step}."
            later = "" if looked else " A step after it is looked at module by module, to name the one it comes from."
            self._warn("loss", f"the loss is {loss} at step {step}.{later}")
            self.hunting = True
        return first and not looked

    def looked(self) -> None:
        """A step was made that was looked at module by module."""
        self.hunting = self._mode == "trace"

    def _name(self, step: int, found: Found) -> None:
        if found.culprit is None:
            said = "every module gave a finite result: what comes after them, such as the loss function, did not"
        else:
            path, kind = found.culprit
            name = f"`{path}` ({kind})" if path else f"the model itself ({kind})"
            said = f"the first module whose result is not finite is {name}"
            own = [one for one in found.bad_weights if one.rpartition(".")[0] == path]
            if own:
                said += ", which has weights that are not: " + ", ".join(f"`{one}`" for one in own)
        found.words["nonfinite/module"] = f"At step {step} {said}."
        self._warn("module", f"at step {step} {said}.")

    def _warn(self, what: str, text: str) -> None:
        warn_once(("auto_log", what, self._number), f"auto_log: {text}")
