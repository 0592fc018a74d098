"""Histograms of weights and gradients, of the steps for which they are wanted.

The thread that trains copies the numbers, on their way to the host where they are on a device, and waits for nothing.
Another thread takes the copies when they have come.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from torch import Tensor, nn
from torch.optim import Optimizer

from tallyboard.core.writer import SummaryWriter

from .late import Late
from .named import Named, dense

__all__ = ["Background", "Histograms"]


class Histograms:
    """The numbers of one step of one optimizer: weights before it, and gradients as it finds them."""

    def __init__(self, model: nn.Module | None, optimizer: Optimizer, known: Named | None = None) -> None:
        """Copies the weights, and the gradients that there are.

        Args:
            model: names the parameters.
            optimizer: about to make its step.
            known: `named` of an earlier step of this optimizer.
        """
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self.named = known if known is not None and known.are(parameters) else Named(model, optimizer)
        names = [name.replace(" ", "_") for name in self.named.names]
        self._parameters = [pair for pair in zip(names, parameters, strict=True) if pair[1].requires_grad]
        self._optimizer = optimizer
        self._weights = [(name, Late(weight)) for name, one in self._parameters if (weight := dense(one)) is not None]
        self.look_at_gradients()

    def look_at_gradients(self) -> None:
        """Copies the gradients as they are: when the step begins, and when its closure has made new ones."""
        found = [(name, gradient) for name, one in self._parameters if (gradient := dense(one.grad)) is not None]
        self._gradients = [(name, Late(gradient)) for name, gradient in found]
        scale = getattr(self._optimizer, "grad_scale", None)  # lent by GradScaler to optimizers that unscale themselves
        self._scale = Late(scale) if isinstance(scale, Tensor) else None

    def step_made(self) -> None:
        """Lets go of the optimizer and of what it moves."""
        self._parameters = []
        del self._optimizer

    def ready(self) -> bool:
        """Whether `write` would not wait for a device."""
        lates = [late for _, late in (*self._weights, *self._gradients)]
        return all(late.ready() for late in lates) and (self._scale is None or self._scale.ready())

    def write(self, writer: SummaryWriter, step: int, wall_time: float) -> None:
        """Writes them as `weights/histogram/<parameter>` and `gradients/histogram/<parameter>`."""
        scale = 1.0 if self._scale is None else self._scale.read()
        for name, late in self._weights:
            writer.add_histogram(f"weights/histogram/{name}", late.tensor(), step, walltime=wall_time)
        for name, late in self._gradients:
            gradient = late.tensor() if scale == 1.0 else late.tensor().float() / scale
            writer.add_histogram(f"gradients/histogram/{name}", gradient, step, walltime=wall_time)


class Background:
    """Writes the histograms of one step after those of the other, each in a thread of its own."""

    def __init__(self, fails: Callable[[Exception], None]) -> None:
        """Nothing runs yet.

        Args:
            fails: called, in that thread, with an exception.
        """
        self._fails = fails
        self._thread: threading.Thread | None = None

    def write(self, histograms: Histograms, writer: SummaryWriter, step: int, wall_time: float) -> None:
        """Begins to write, when those before are written: no more copies are held than those of two steps."""
        self.wait()

        def run() -> None:
            try:
                histograms.write(writer, step, wall_time)
            except Exception as error:  # whatever it is, training goes on
                self._fails(error)

        thread = threading.Thread(target=run, name="tallyboard histograms", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads, or the program is ending
            run()
        else:
            self._thread = thread

    def wait(self) -> None:
        """Returns when all is written."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
