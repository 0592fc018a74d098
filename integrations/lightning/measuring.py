"""What `TallyboardMonitor` measures of one fit: gradients and weights, rates, times, and what modules give out.

Everything is computed where the tensors are and read when it has come, so that no step waits for a device.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tallyboard.core.writer import SummaryWriter

from ..torch.activations import Looking, Planned
from ..torch.armed import Armed, Found
from ..torch.histograms import Background, Histograms
from ..torch.late import Late, Number, Numbers, read
from ..torch.leaves import leaves
from ..torch.named import Named, dense
from ..torch.norms import norms_of
from ..torch.rates import rates_of

__all__ = ["Measuring", "Wanted", "samples"]

MAX_WAITING = 64  # steps whose numbers have not come: then they are waited for
FETCH = "train_dataloader_next"  # how the actions end that fetch a batch, as Lightning's profilers are told of them


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is measured.

    Attributes:
        every: steps between two that are looked at closely.
        activations: looks at what modules give out.
        histograms: steps between two whose weights and gradients become histograms; 0 for none.
        loss: sums up the losses of a step, as `train/loss`, unless the module logs that itself.
    """

    every: int = 50
    activations: bool = True
    histograms: int = 0
    loss: bool = False


@dataclass(slots=True)
class _Slot:
    """One optimizer, and what is under way of its step."""

    suffix: str
    fresh: bool = True
    named: Named | None = None
    armed: Armed | None = None
    histograms: Histograms | None = None


@dataclass(slots=True)
class _Step:
    """Numbers on their way to the writer."""

    number: int
    wall_time: float
    values: dict[str, Number] = field(default_factory=dict[str, Number])
    parts: list[Armed | Looking] = field(default_factory=list["Armed | Looking"])
    numbers: Numbers | None = None
    losses: list[Late] = field(default_factory=list[Late])

    def ready(self) -> bool:
        late = [value for value in (*self.values.values(), *self.losses) if isinstance(value, Late)]
        return all(value.ready() for value in late) and (self.numbers is None or self.numbers.ready())


def samples(batch: Any) -> int:
    """The size of a batch: the first size of the first tensor in it."""
    first = batch if isinstance(batch, Tensor) else next((tensor for _, tensor in leaves(batch)), None)
    return int(first.shape[0]) if first is not None and first.dim() else 0


class Measuring:
    """One fit, from its first batch to its last. Its methods are called by the callback's hooks."""

    def __init__(self, trainer: Any, module: nn.Module, writer: SummaryWriter, wanted: Wanted) -> None:
        self.writer = writer
        self.logged: Callable[[str], bool] = lambda _: False  # whether the module logs this tag itself
        self._trainer, self._module, self._wanted = trainer, module, wanted
        self._slots: dict[int, _Slot] = {}
        self._queue: deque[_Step] = deque()
        self._planned: Planned | None = None
        self._looking: Looking | None = None
        self._background = Background(self._fails)
        self._failed: Exception | None = None
        self._notes: list[str] = []
        self._settings: set[str] = set()  # tags of momentum and weight decay that were not always 0
        self._losses: list[Late] = []
        self._pending: _Step | None = None  # what the optimizers' steps in this batch have left
        self._given: dict[str, Number] = {}
        # times since the last step that was logged, in seconds
        self._began: float | None = None
        self._fetching: float | None = None
        self._waited = self._spent = 0.0
        self._samples = self._steps = 0
        self._stack = contextlib.ExitStack()
        self._clips = _clips(trainer, module)
        for place, optimizer in enumerate(trainer.optimizers):
            self._slots[id(optimizer)] = _Slot(f"/optimizer{place}" if place else "")
            self._stack.callback(optimizer.register_step_post_hook(self._stepped).remove)
        self._listen(trainer.profiler)

    def _fails(self, error: Exception) -> None:
        self._failed = error

    def _listen(self, profiler: Any) -> None:
        """Hears when the trainer begins and ends to wait for a batch, of which it tells its profiler."""
        start, stop = profiler.start, profiler.stop

        def starts(action: str) -> None:
            if action.endswith(FETCH):
                self._fetching = time.perf_counter()
            start(action)

        def stops(action: str) -> None:
            stop(action)
            if self._fetching is not None and action.endswith(FETCH):
                self._waited += time.perf_counter() - self._fetching
                self._began = self._fetching if self._began is None else self._began
                self._fetching = None

        profiler.start, profiler.stop = starts, stops

        def restore() -> None:
            for name, ours in (("start", starts), ("stop", stops)):
                if vars(profiler).get(name) is ours:
                    delattr(profiler, name)

        self._stack.callback(restore)

    # ---- one batch

    @property
    def step(self) -> int:
        """The step that Lightning logs at: batches after which the optimizers stepped."""
        return int(getattr(self._trainer.fit_loop.epoch_loop, "_batches_that_stepped", self._trainer.global_step))

    def _due(self, every: int) -> bool:
        return bool(every) and (self.step + 1) % every == 0

    def batch_begins(self, batch: Any) -> None:
        """A batch is about to be trained with."""
        self._began = time.perf_counter() if self._began is None else self._began
        self._samples += samples(batch)
        first = any(slot.fresh for slot in self._slots.values())
        if self._wanted.activations and self._looking is None and (first or self._due(self._wanted.every)):
            looking = Looking(self._module, values=True, finite=False, fails=self._fails, known=self._planned)
            self._looking, self._planned = looking, looking.planned

    def backward_begins(self) -> None:
        """The forward pass of the batch is over."""
        if self._looking is not None and not self._looking.ended:
            self._looking.end()

    def step_begins(self, optimizer: Optimizer) -> None:
        """Gradients are there, and not clipped yet."""
        slot = self._slots.get(id(optimizer))
        if slot is None:
            return
        if slot.fresh or self._due(self._wanted.every):
            slot.armed = Armed(self._module, optimizer, slot.suffix, slot.named)
            slot.named = slot.armed.named
        if self._wanted.histograms and (slot.fresh or self._due(self._wanted.histograms)):
            slot.histograms = Histograms(self._module, optimizer, slot.named)
            slot.named = slot.histograms.named

    def _stepped(self, optimizer: Optimizer, *_: object) -> None:
        """The optimizer has made its step; called by its own hook."""
        try:
            self._take(optimizer)
        except Exception as error:  # whatever it is, training goes on
            self._fails(error)

    def _take(self, optimizer: Optimizer) -> None:
        slot = self._slots[id(optimizer)]
        armed, slot.armed = slot.armed, None
        histograms, slot.histograms = slot.histograms, None
        slot.fresh = False
        step = self._pending = self._pending or _Step(self.step, time.time())
        if self._due(self._trainer.log_every_n_steps):
            self._rates(optimizer, slot.suffix, step)
        if armed is not None:
            with torch.no_grad():
                armed.step_made()
                if self._clips:
                    norms = norms_of(_gradients(optimizer))
                    step.values[f"gradients/norm_clipped{slot.suffix}"] = Late(torch.linalg.vector_norm(norms))
            step.parts.append(armed)
        if histograms is not None:
            histograms.step_made()
            self._background.write(histograms, self.writer, step.number, step.wall_time)

    def _rates(self, optimizer: Optimizer, suffix: str, step: _Step) -> None:
        for end, value in rates_of(optimizer).items():
            name, *group = end.split("/", 1)
            tag = "/".join([f"train/{name}{suffix}", *group])
            if name != "lr" and tag not in self._settings:
                if not isinstance(value, Late) and not value:
                    continue
                self._settings.add(tag)
            step.values[tag] = value

    def log(self, values: dict[str, Number]) -> None:
        """Takes values of the user's for the step under way, or for the latest one between two batches."""
        if self._began is None and self._queue:
            self._queue[-1].values.update(values)
        else:
            self._given.update(values)

    def batch_ends(self, outputs: Any) -> None:
        """The batch was trained with; where it made a step, that is on its way to the writer now."""
        self.backward_begins()
        if self._wanted.loss:
            loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
            if isinstance(loss, Tensor) and loss.numel() == 1:
                self._losses.append(Late(loss))
        now = time.perf_counter()
        self._spent += now - (now if self._began is None else self._began)
        self._began = None
        step, self._pending = self._pending, None
        if step is None:
            return
        self._steps += 1
        if self._looking is not None:
            step.parts.append(self._looking)
            self._looking = None
        losses, self._losses = self._losses, []
        if self._due(self._trainer.log_every_n_steps):
            step.losses = losses
            step.values |= self._times()
            step.values["trainer/global_step"] = float(self._trainer.global_step)
        step.values |= self._given
        self._given = {}
        tensors = [tensor for part in step.parts for tensor in part.tensors]
        if tensors:
            step.numbers = Numbers(tensors)
        for part in step.parts:
            part.tensors = []
        if step.values or step.parts or step.losses:
            self._queue.append(step)
        self.write(keep=1)

    def _times(self) -> dict[str, Number]:
        """Means over the steps since the last that was logged. What is done between batches is left out."""
        steps, spent, waited, count = self._steps, self._spent, self._waited, self._samples
        self._steps = self._samples = 0
        self._spent = self._waited = 0.0
        if not spent:
            return {}
        times: dict[str, Number] = {
            "time/step_ms": 1000 * spent / steps,
            "time/data_wait_ms": 1000 * waited / steps,
            "time/data_wait_share": min(waited / spent, 1.0),
        }
        if count:
            times["time/samples_per_second"] = count / spent
        return times

    # ---- what is written

    def write(self, *, keep: int, wait: bool = False) -> None:
        """Writes the steps whose numbers have come, in order.

        Args:
            keep: so many of the latest stay.
            wait: for numbers that have not come.
        """
        while len(self._queue) > keep and (wait or len(self._queue) > MAX_WAITING or self._queue[0].ready()):
            self._write(self._queue.popleft())
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed

    def _write(self, step: _Step) -> None:
        add, at = self.writer.add_scalar, (step.number, step.wall_time)
        for tag, value in step.values.items():
            add(tag, read(value), *at)
        if step.losses and not self.logged("train/loss"):
            add("train/loss", sum(loss.read() for loss in step.losses), *at)
        if step.numbers is None:
            return
        found, numbers = Found(), iter(step.numbers.read())
        for part in step.parts:
            part.found(numbers, found)
            self._note(part.notes, step.number)
        for tag, value in found.points.items():
            add(tag, value, *at)
        for tag, text in found.words.items():
            self.writer.add_text(tag, text, *at)

    def _note(self, text: str, number: int) -> None:
        """Writes what is said of all that is measured, once, as a list that grows."""
        if text and text not in self._notes:
            self._notes.append(text)
            self.writer.add_text("auto_log/notes", "\n".join(f"- {note}" for note in self._notes), number)

    def close(self) -> None:
        """Takes all hooks off, and writes what is on its way."""
        self._stack.close()
        if self._looking is not None:
            self._looking.end()
        self.write(keep=0, wait=True)
        for tag, value in self._given.items():  # of a step that never came
            self.writer.add_scalar(tag, read(value), self.step)
        self._background.wait()


def _gradients(optimizer: Optimizer) -> list[Tensor]:
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    return [gradient for one in parameters if (gradient := dense(one.grad)) is not None]


def _clips(trainer: Any, module: nn.Module) -> bool:
    """Whether gradients are clipped: as the trainer was told, or by a method of the module's own."""
    own: Any = getattr(type(module), "configure_gradient_clipping", None)
    return trainer.gradient_clip_val is not None or not str(getattr(own, "__module__", "")).endswith(".core.module")
