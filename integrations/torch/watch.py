"""One watched model: makes steps of what the hooks report, and writes them when their numbers have come."""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tallyboard.core.data import Data, current
from tallyboard.core.errors import warn_once
from tallyboard.core.summary import as_number
from tallyboard.core.writer import SummaryWriter

from . import hooks
from .activations import Looking, Planned
from .armed import Armed, Found
from .histograms import Background, Histograms
from .hooks import ModuleHook
from .late import Late, Number, Numbers, read, recording_a_graph
from .leaves import leaves
from .named import Named
from .nonfinite import Divergence
from .once import Once
from .parameters import Parameters
from .profiling import Recording

__all__ = ["Settings", "Watch"]

MAX_BACKWARDS = 4096  # without a step, after which their losses are dropped: nobody accumulates that many
MAX_WAITING = 64  # steps of other optimizers that wait for the first one's next step
MAX_GROUPS = 64  # groups of an optimizer whose settings are logged: some programs make one for each parameter
SETTINGS: Final = ("lr", "momentum", "weight_decay")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a `Watch` logs.

    Attributes:
        start_step: steps that a resumed run has made before.
        every: steps between two that are looked at closely.
        nan: when modules are looked at for a loss that is not finite: the `next` step, always (`trace`), or None.
        graph: draws the first training pass.
        hparams: logs what the optimizers were told, and these beside it, if they are some.
        histograms: steps between two whose weights and gradients become histograms; 0 for none.
        profile: steps to let pass, to warm up and to record, or None.
    """

    start_step: int = 0
    every: int = 50
    nan: str | None = "next"
    graph: bool = True
    hparams: bool | Mapping[str, object] = True
    histograms: int = 0
    profile: tuple[int, int, int] | None = None


@dataclass(slots=True)
class _Slot:
    """The place of one optimizer among those of a model.

    Attributes:
        steps: that were written.
        made: steps that were made, as far as is known: one that is still waiting may turn out to be skipped.
        again: whether the next step is to be looked at closely, whatever its number.
        draw: the same, for histograms.
        settings: those of its groups that were not always 0.
        named: what its parameters are called.
    """

    optimizer: weakref.ref[Optimizer]
    suffix: str
    steps: int
    made: int
    again: bool = True
    draw: bool = True
    settings: set[tuple[int, str]] = field(default_factory=set[tuple[int, str]])
    named: Named | None = None


@dataclass(slots=True)
class _Step:
    """A step that was made, on its way to the writer. Its number is not known before `skipped` is."""

    slot: _Slot
    wall_time: float
    losses: list[Late]
    others: dict[str, Number]
    skipped: Late | None
    given: dict[str, Number] = field(default_factory=dict)
    parts: list[Armed | Looking] = field(default_factory=list["Armed | Looking"])
    numbers: Numbers | None = None
    armed: bool = False
    histograms: Histograms | None = None

    def ready(self) -> bool:
        """Whether all its numbers have come."""
        if self.histograms is not None and not self.histograms.ready():
            return False
        if self.numbers is not None and not self.numbers.ready():
            return False
        for value in (*self.losses, *self.others.values(), *self.given.values(), self.skipped):
            if isinstance(value, Late) and not value.ready():
                return False
        return True


class _RootForward(ModuleHook):
    """The hook on the model, called when a forward pass begins."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not torch.compiler.is_compiling():  # traced into the compiled model, where Python's clock has no place
            self._watch.forward_begins(module, args, kwargs)


class _RootForwardEnd(ModuleHook):
    """The hook on the model, called when a forward pass that is looked at has ended."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __call__(self, module: nn.Module, args: Any, result: Any) -> None:  # noqa: ARG002
        self._watch.forward_ends(module)


def _guarded(hook: Callable[..., Any]) -> Callable[..., Any]:
    """A hook of a `Watch` from which no exception reaches the training; the first one is told in a warning."""

    @functools.wraps(hook)
    def run(self: Watch, *args: Any) -> Any:
        try:
            return hook(self, *args)
        except Exception as error:  # whatever it is, training goes on
            warn_once(
                ("auto_log", self.number),
                f"auto_log: a value could not be logged ({type(error).__name__}: {error}). "
                "Training goes on; further failures are not reported.",
            )
            return None

    return run


_numbers = itertools.count()


class Watch:
    """One watched model. Its methods are called by the hooks of hooks.py, in the thread that trains."""

    def __init__(
        self, model: nn.Module, writer: SummaryWriter, optimizers: list[Optimizer] | None, settings: Settings
    ) -> None:
        self.number = next(_numbers)
        self._model = weakref.ref(model, self._model_gone)
        self._writer = writer
        self._settings = settings
        self._given_optimizers = None if optimizers is None else [weakref.ref(one) for one in optimizers]
        self._slots: list[_Slot] = []
        self._slot_of: weakref.WeakKeyDictionary[Optimizer, _Slot] = weakref.WeakKeyDictionary()
        self._owned: weakref.WeakKeyDictionary[Optimizer, tuple[bool, int]] = weakref.WeakKeyDictionary()
        self._inner: weakref.WeakSet[Optimizer] = weakref.WeakSet()  # stepped by another optimizer's step
        self._parameters: Parameters | None = None  # looked up at the first backward: layers may still be added
        self._queue: deque[_Step] = deque()
        # of the step under way
        self._losses: list[Late] = []
        self._probe: tuple[Callable[[], Tensor | None], int] | None = None  # a parameter, its gradient's version
        self._stepping: weakref.ref[Optimizer] | None = None
        self._evaluated = self._evaluated_again = False  # the closure of the step being made
        self._armed: Armed | None = None
        self._histograms: Histograms | None = None
        self._background = Background(self._fails)
        self._lookings: list[Looking] = []
        self._planned: Planned | None = None
        self._notes: list[str] = []
        self._once = Once(settings.graph, settings.hparams)
        self._divergence = Divergence(self.number, settings.nan)
        self._recording = None if settings.profile is None else Recording(writer.log_dir, settings.profile)
        self._values: dict[str, Number] = {}  # from log()
        self._carried: dict[str, Number] = {}  # from log(), for a step that was skipped
        self._under_way = True
        # of its time
        self._ended: float | None = None
        self._idle_since: float | None = None
        self._idle = 0.0
        self._forwards = 0
        self._samples = 0
        self._loops: weakref.WeakKeyDictionary[Data[object], tuple[int, float]] = weakref.WeakKeyDictionary()
        self._wait_of_loop()
        self._hook = contextlib.ExitStack()
        with contextlib.suppress(RuntimeError):  # scripted modules take none: their waiting is seen with tb.data only
            self._hook.callback(model.register_forward_pre_hook(_RootForward(self), with_kwargs=True).remove)
        self._once.meets(model)
        self._attached = True
        hooks.join(self)
        atexit.register(self)  # runs before the writer's own end, which was registered before it

    # ---- what the hooks report

    @_guarded
    def forward_begins(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if module is not self._model():  # a replica of DataParallel shares the hook
            return
        self._forwards += 1
        if self._idle_since is not None:
            self._idle += time.perf_counter() - self._idle_since
            self._idle_since = None
        if torch.is_grad_enabled():
            self._under_way = True
            batch = _samples(args, kwargs)
            self._samples += batch
            self._look(module)
            if not self._once.written and not recording_a_graph() and not _is_tracing():
                self._draw(module, args, kwargs, batch)

    @_guarded
    def _draw(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], batch: int) -> None:
        self._once.forward_begins(module, args, kwargs, batch)

    @_guarded
    def _tell(self, optimizer: Optimizer, suffix: str) -> None:
        self._once.step_ends(self._model(), optimizer, suffix)

    @_guarded
    def _write_once(self, step: _Step, loss: float | None) -> bool:
        return self._once.write(self._writer, step.slot.steps, step.wall_time, loss)

    @_guarded
    def forward_ends(self, module: nn.Module) -> None:
        if module is self._model():
            for looking in self._lookings:
                if not looking.ended:
                    looking.end()

    @_guarded
    def backward_begins(self, loss: Tensor, inputs: Any) -> Callable[[], Tensor | None] | None:
        """For a loss of this model, a weak reference to a parameter that gets a gradient; else None."""
        if loss.numel() != 1 or loss.is_meta or recording_a_graph():
            return None
        if self._parameters is None:
            self._parameters = Parameters(self._model())
        reached = self._parameters.reached_by(loss, inputs)
        if reached is None:
            return None
        anew = self._gradients_were_dropped()
        if self._stepping is not None:
            self._evaluated_again = self._evaluated_again or (self._evaluated and anew)
            if self._evaluated_again:
                return None
        if anew:
            self._losses.clear()
        return reached

    @_guarded
    def backward_ends(self, loss: Tensor, reached: Callable[[], Tensor | None]) -> None:
        parameter = reached()
        gradient = None if parameter is None else parameter.grad
        self._probe = None if gradient is None else (reached, gradient._version)
        self._losses.append(Late(hooks.unscaled.get(loss, loss) if hooks.unscaled else loss))
        self._under_way = True
        if self._stepping is None:
            self._idle_since = time.perf_counter()
        else:
            self._evaluated = True
            for each in (self._armed, self._histograms):
                if each is not None:
                    each.look_at_gradients()
        if len(self._losses) > MAX_BACKWARDS:
            self._losses.clear()
            raise RuntimeError(f"{MAX_BACKWARDS} backward passes without a step of an optimizer; pass optimizer=")

    def _gradients_were_dropped(self) -> bool:
        """Whether the gradients of the losses so far were set to None or written over since the last backward."""
        if self._probe is None:
            return self._evaluated
        reached, version = self._probe
        parameter = reached()
        return parameter is None or parameter.grad is None or parameter.grad._version != version

    @_guarded
    def step_begins(self, optimizer: Optimizer) -> None:
        outer = None if self._stepping is None else self._stepping()
        if outer is optimizer:  # its step before this one ended in an exception
            self._inner.clear()
        elif outer is not None and self._owns(optimizer):
            self._inner.add(optimizer)
            return
        if self._owns(optimizer):
            self._stepping = weakref.ref(optimizer)
            self._evaluated = self._evaluated_again = False
            self._armed = self._histograms = None
            if recording_a_graph():
                return
            if self._is_due(slot := self._slot(optimizer)):
                self._armed = Armed(self._model(), optimizer, slot.suffix, slot.named)
                slot.named = self._armed.named
            apart = self._settings.histograms
            if apart and (slot.draw or (slot.made + 1) % apart == 0):
                self._histograms = Histograms(self._model(), optimizer, slot.named)
                slot.named = self._histograms.named

    @_guarded
    def step_ends(self, optimizer: Optimizer) -> None:
        if optimizer in self._inner or not self._owns(optimizer):
            return
        losses, self._losses = self._losses, []
        armed, self._armed = self._armed, None
        histograms, self._histograms = self._histograms, None
        self._stepping = self._probe = None
        self._evaluated = self._evaluated_again = self._under_way = False
        if recording_a_graph():
            return
        slot = self._slot(optimizer)
        skipped = getattr(optimizer, "found_inf", None)  # lent by GradScaler to optimizers that skip by themselves
        skipped = Late(skipped) if isinstance(skipped, Tensor) else None
        step = _Step(slot, time.time(), losses, self._rates(optimizer, slot), skipped)
        slot.made += 1
        self._finish_parts(step, armed)
        if histograms is not None:
            histograms.step_made()
            step.histograms, slot.draw = histograms, False
        if not self._once.written:
            self._once.end()
            self._tell(optimizer, slot.suffix)
        if slot is self._slots[0]:
            step.others.update(self._times())
            step.given, self._values = self._values, {}
        self._queue.append(step)
        if slot is self._slots[0] or len(self._queue) > MAX_WAITING:
            self._write_queue(keep=1)
        if self._recording is not None and slot is self._slots[0]:
            self._recording.step()
        self._idle_since = time.perf_counter()  # what was done here is no waiting for data

    # ---- what is looked at closely

    def _is_due(self, slot: _Slot) -> bool:
        """Whether the step under way is looked at closely: the first one, and each whose number `every` divides."""
        return slot.again or (slot.made + 1) % self._settings.every == 0

    @_guarded
    def _look(self, module: nn.Module) -> None:
        """Looks at the forward pass that begins, if it is to be: the first of the step, or while NaN is hunted all."""
        for failed in [looking for looking in self._lookings if not looking.ended]:
            failed.end()
            self._lookings.remove(failed)
        values = not self._lookings and (not self._slots or self._is_due(self._slots[0]))
        hunting = self._divergence.hunting and len(self._lookings) < MAX_WAITING
        if not (values or hunting) or recording_a_graph() or _is_tracing():
            return
        looking = Looking(module, values=values, finite=hunting, fails=self._fails, known=self._planned)
        self._planned = looking.planned
        self._lookings.append(looking)
        looking.until(module.register_forward_hook(_RootForwardEnd(self)))

    @_guarded
    def _fails(self, error: Exception) -> None:
        raise error

    @_guarded
    def _finish_parts(self, step: _Step, armed: Armed | None) -> None:
        """Begins to read what was looked at: of gradients and weights, and of modules."""
        lookings: list[Looking] = []
        if step.slot is self._slots[0]:
            lookings, self._lookings = self._lookings, []
        for looking in lookings:
            looking.end()
            if looking.finite:
                self._divergence.looked()
        if armed is not None:
            step.armed, step.slot.again = True, False
            with torch.no_grad():
                armed.step_made()
        parts: list[Armed | Looking] = [*([] if armed is None else [armed]), *lookings]
        if parts:
            step.numbers = Numbers([tensor for part in parts for tensor in part.tensors])
            step.parts = parts
        for part in parts:
            part.tensors = []

    # ---- whose optimizer it is

    def _owns(self, optimizer: Optimizer) -> bool:
        if self._given_optimizers is not None:
            return any(ref() is optimizer for ref in self._given_optimizers)
        owned, size_then = self._owned.get(optimizer, (False, -1))
        if owned:
            return True
        groups = optimizer.param_groups
        size = sum(len(group["params"]) for group in groups)
        if size != size_then:
            self._parameters = Parameters(self._model())
            owned = any(parameter in self._parameters for group in groups for parameter in group["params"])
            self._owned[optimizer] = (owned, size)
        return owned

    def _slot(self, optimizer: Optimizer) -> _Slot:
        """The slot of an optimizer: that of one which is gone, if there is such, so that its counting goes on."""
        if (slot := self._slot_of.get(optimizer)) is not None:
            return slot
        slot = next((slot for slot in self._slots if slot.optimizer() is None), None)
        if slot is None:
            suffix = f"/optimizer{len(self._slots)}" if self._slots else ""
            slot = _Slot(weakref.ref(optimizer), suffix, self._settings.start_step, self._settings.start_step)
            self._slots.append(slot)
        slot.optimizer = weakref.ref(optimizer)
        self._slot_of[optimizer] = slot
        return slot

    # ---- what is logged

    def _rates(self, optimizer: Optimizer, slot: _Slot) -> dict[str, Number]:
        """The settings of each group. Momentum and weight decay that have always been 0 are none."""
        groups = optimizer.param_groups
        rates: dict[str, Number] = {}
        for index, group in enumerate(groups[:MAX_GROUPS]):
            end = f"{slot.suffix}/group{index}" if len(groups) > 1 else slot.suffix
            for key in SETTINGS:
                value = group.get(key)
                if value is None and key == "momentum" and "betas" in group:
                    value = group["betas"][0]
                if value is None:
                    continue
                if key != "lr" and (index, key) not in slot.settings:
                    if not isinstance(value, Tensor) and not value:
                        continue
                    slot.settings.add((index, key))
                rates[f"train/{key}{end}"] = Late(value) if isinstance(value, Tensor) else float(value)
        return rates

    def _times(self) -> dict[str, Number]:
        now = time.perf_counter()
        ended, self._ended = self._ended, now
        wait: float | None = self._idle if self._forwards else None
        samples = self._samples
        self._idle, self._forwards, self._samples = 0.0, 0, 0
        exact = self._wait_of_loop()
        wait = wait if exact is None else exact
        if ended is None:
            return {}
        seconds = now - ended
        times: dict[str, Number] = {"time/step_ms": 1000 * seconds}
        if samples and seconds:
            times["time/samples_per_second"] = samples / seconds
        if wait is not None:
            times["time/data_wait_ms"] = 1000 * wait
            times["time/data_wait_share"] = min(wait / seconds, 1.0) if seconds else 0.0
        return times

    def _wait_of_loop(self) -> float | None:
        """Seconds that the measured loop waited since the last call; None if it handed out nothing since then."""
        loop = current()
        if loop is None:
            return None
        batches, waited = self._loops.get(loop, (0, 0.0))
        self._loops[loop] = (loop.batches, loop.wait_seconds)
        return loop.wait_seconds - waited if loop.batches != batches else None

    def log(self, values: Mapping[str, object]) -> None:
        """Takes values of the user's for the step under way, or for the latest one if none is."""
        captured: dict[str, Number] = {}
        for name, value in values.items():
            tag = name if "/" in name else f"train/{name}"
            single = isinstance(value, Tensor) and value.numel() == 1 and not value.is_complex() and not value.is_meta
            captured[tag] = Late(value) if single else as_number(tag, value, "handle.log")
        latest = None if self._under_way else next((s for s in reversed(self._queue) if s.slot is self._slots[0]), None)
        (self._values if latest is None else latest.given).update(captured)

    def _write_queue(self, *, keep: int, wait: bool = False) -> None:
        while len(self._queue) > keep and (wait or self._queue[0].ready()):
            self._write(self._queue.popleft())

    def _write(self, step: _Step) -> None:
        self._carried.update(step.given)
        slot = step.slot
        if step.skipped is not None and step.skipped.read():
            slot.made -= 1
            slot.again = slot.again or step.armed
            slot.draw = slot.draw or step.histograms is not None
            self._divergence.hunting |= any(isinstance(part, Looking) and part.finite for part in step.parts)
            return
        slot.steps += 1
        values: dict[str, Number] = {}
        if step.losses:
            values[f"train/loss{slot.suffix}"] = sum([loss.read() for loss in step.losses])
        values.update(step.others)
        if self._carried and slot is self._slots[0]:
            values.update(self._carried)
            self._carried = {}
        numbers = {tag: read(value) for tag, value in values.items()}
        loss = numbers.get(f"train/loss{slot.suffix}")
        if not self._once.written and slot is self._slots[0] and self._write_once(step, loss):
            del numbers["train/loss"]
        for tag, number in numbers.items():
            self._writer.add_scalar(tag, number, slot.steps, step.wall_time)
        self._write_found(step, loss)
        if step.histograms is not None:
            self._background.write(step.histograms, self._writer, slot.steps, step.wall_time)

    def _write_found(self, step: _Step, loss: float | None) -> None:
        found = Found()
        if step.numbers is not None:
            numbers = iter(step.numbers.read())
            for part in step.parts:
                part.found(numbers, found)
                self._note(part.notes)
        slot = step.slot
        looked = any(isinstance(part, Looking) and part.finite for part in step.parts)
        if self._divergence.seen(slot.steps, loss, looked, found):
            self._slots[0].again = True
        for tag, value in found.points.items():
            self._writer.add_scalar(tag, value, slot.steps, step.wall_time)
        for tag, text in found.words.items():
            self._writer.add_text(tag, text, slot.steps, step.wall_time)

    def _note(self, text: str) -> None:
        """Writes what is said of all that is logged, once, as a list that grows."""
        if text and text not in self._notes:
            self._notes.append(text)
            steps = self._slots[0].steps if self._slots else self._settings.start_step
            self._writer.add_text("auto_log/notes", "\n".join(f"- {note}" for note in self._notes), steps)

    # ---- the end

    def __call__(self) -> None:
        """Detaches: writes what is on its way, and leaves the model and torch as they were."""
        if not self._attached:
            return
        self._attached = False
        atexit.unregister(self)
        self._hook.close()
        for looking in self._lookings:
            looking.end()
        self._once.end()
        if self._recording is not None:
            self._recording.close()
        hooks.leave(self)
        with contextlib.suppress(ValueError):
            hooks.orphans.remove(self)
        self._finish()

    @_guarded
    def _finish(self) -> None:
        self._write_queue(keep=0, wait=True)
        self._background.wait()
        steps = self._slots[0].steps if self._slots else self._settings.start_step
        for tag, value in {**self._carried, **self._values}.items():  # of a step that never came
            self._writer.add_scalar(tag, read(value), steps + 1)
        if self._losses and not self._slots:
            raise RuntimeError("losses were found but no step of an optimizer of this model; pass optimizer=")

    def _model_gone(self, _: object) -> None:
        """Called while the model is being collected, perhaps inside the writer: it is not safe to write here."""
        if self._attached:
            hooks.leave(self)
            hooks.orphans.append(self)


def _is_tracing() -> bool:
    return torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]


def _samples(args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """The size of a batch: the first size of the first tensor that the model is called with."""
    first = args[0] if args else None
    if not isinstance(first, Tensor):
        first = next((tensor for _, tensor in leaves((args, kwargs))), None)
    return int(first.shape[0]) if first is not None and first.dim() else 0
