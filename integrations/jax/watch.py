"""What `auto_log` does around a step function: before a call, after it, and when values have come."""

from __future__ import annotations

import atexit
import functools
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tallyboard.core.data import current
from tallyboard.core.environment import environment
from tallyboard.core.errors import UnsupportedModel, warn_once
from tallyboard.core.remote import is_remote
from tallyboard.core.summary import as_number, kind_of
from tallyboard.core.writer import SummaryWriter as EventWriter

from .framework import jax, jnp
from .jaxpr_graph import graph_of
from .outputs import Place, batch_place, follow, metric_places, picker, rate_places, tag_of, weights_in
from .pauses import see_to
from .profiling import profile
from .statistics import Stats, stats
from .trees import is_module, named_leaves

__all__ = ["Settings", "Watch"]

_Waiting = tuple[int, float, tuple[float, ...], Sequence[str], Sequence[Any], bool]
"""Step, wall time, `_TIMES`, tags and values of a step, and whether one program gave them."""

_SAMPLED = 65_536  # weights from which on their move is computed from a sample
_WAITING = 1000  # steps whose values may be on their way, before the oldest is waited for
_ROWS = 2000
_TOGETHER = 32  # steps whose values are written together
_APART = 0.25  # seconds that they wait for it, where no further step comes, too
_TIMES = ("time/step_ms", "time/data_wait_ms", "time/data_wait_share", "time/samples_per_second")
_NEVER = 1 << 63
_arrays: set[type] = set()  # the classes of JAX's arrays that were met

_clock = time.perf_counter
_now = time.time


class Settings(NamedTuple):
    """What `attach` was told."""

    every: int
    start_step: int
    metrics: Callable[[Any], Mapping[str, Any]] | None
    params: Callable[[Any], Any] | None
    graph: bool
    hparams: Mapping[str, Any] | None
    profile: tuple[int, int] | None


class Watch:
    """The handle of `attach`; calling it detaches.

    Attributes:
        call: calls the step, or wraps one where a state was given.
    """

    def __init__(self, model: Any, writer: EventWriter, settings: Settings) -> None:
        self._writer = writer
        self._settings = settings
        self._steps: list[Step] = []
        self._function: Any = None
        if is_step(model):
            self._function = Step(model, writer, settings)
            self._steps.append(self._function)
            self.call: Callable[..., Any] = self._function
        else:
            self.call = self._call
            write_state(writer, model, settings)

    def _call(self, *arguments: Any, **keywords: Any) -> Any:
        """Where a state was given: takes the step, and gives the one to call."""
        if len(arguments) != 1 or keywords or not is_step(arguments[0]):
            raise UnsupportedModel(
                "auto_log was given a state: call the handle with the step function, train_step = handle(train_step), "
                f"and then that; got {', '.join(map(kind_of, arguments)) or 'nothing'}"
            )
        step = Step(arguments[0], self._writer, self._settings, parameters=False)
        self._steps.append(step)
        return step

    def log(self, values: Mapping[str, object]) -> None:
        """Logs numbers at the latest step, read when they have come."""
        checked = {name: value if _comes(value) else as_number(name, value, "log") for name, value in values.items()}
        step = self._steps[-1] if self._steps else None
        if step is None:
            for name, value in checked.items():
                self._writer.add_scalar(tag_of(name), value, self._settings.start_step)
        else:
            step.keep([(tag_of(name), value) for name, value in checked.items()])

    def __call__(self) -> None:
        for step in self._steps:
            step.end()


def is_step(thing: Any) -> bool:
    """Whether it is a function, compiled or not, and no module."""
    return (
        hasattr(thing, "lower")
        or hasattr(thing, "__code__")
        or isinstance(thing, functools.partial)
        or hasattr(thing, "__func__")
    )


def write_state(writer: EventWriter, state: Any, settings: Settings) -> None:
    """What a state tells before any step: its parameters, and where the program runs.

    Raises:
        UnsupportedModel: it holds no arrays.
    """
    params = settings.params(state) if settings.params is not None else getattr(state, "params", state)
    try:
        leaves = named_leaves(params)
    except Exception:
        raise UnsupportedModel(
            f"auto_log does not take a {kind_of(state)}: pass the step function, handle = tb.auto_log(train_step), and "
            "call the handle in its place; or what holds the weights, a TrainState or an nnx.Module, and then "
            "train_step = handle(train_step). What happens inside jit is logged with "
            "tallyboard.integrations.jax.log"
        ) from None
    write_once(writer, leaves, settings)


def write_once(writer: EventWriter, leaves: list[tuple[str, Any]], settings: Settings) -> None:
    """Tables of the parameters and of where the program runs, and hyperparameters that were given."""
    step = settings.start_step
    if leaves:
        kept = sorted(range(len(leaves)), key=lambda i: -leaves[i][1].size)[:_ROWS]
        chosen = [leaves[i] for i in sorted(kept)]
        table = {
            "parameter": [f"`{name}`" for name, _ in chosen],
            "shape": [" x ".join(map(str, leaf.shape)) or "one number" for _, leaf in chosen],
            "numbers": [int(leaf.size) for _, leaf in chosen],
            "dtype": [str(leaf.dtype) for _, leaf in chosen],
            "sharding": [_sharding(leaf) for _, leaf in chosen],
        }
        writer.add_table("auto_log/parameters", table, step)
    found = {**environment(), "jax": jax.__version__, "devices": ", ".join(map(str, jax.devices()[:16]))}
    if jax.process_count() > 1:
        found["process"] = f"{jax.process_index()} of {jax.process_count()}; the others write nothing"
    said = {"what": list(found), "value": [f"`{value}`".replace("\n", " ") for value in found.values()]}
    writer.add_table("auto_log/environment", said, step)
    if settings.hparams:
        writer.add_hparams(settings.hparams, {}, global_step=step)


def _sharding(leaf: Any) -> str:
    sharding = getattr(leaf, "sharding", None)
    spec = getattr(sharding, "spec", None)
    return str(spec) if spec is not None else "" if sharding is None else type(sharding).__name__


class Step:
    """A step function that logs itself. What fails in the logging ends that, with a warning, and not the training."""

    def __init__(self, function: Any, writer: EventWriter, settings: Settings, *, parameters: bool = True) -> None:
        self.__wrapped__ = function
        self._writer = writer
        self._settings = settings
        self._parameters = parameters
        self._number = self._due = settings.start_step
        self._ended = self._planned = self._bound = self._seen_to = False
        self._tags: tuple[str, ...] = ()
        self._pick: Callable[[Any], Sequence[Any]] = _none
        self._rates: list[Place] = []
        self._weights: Any = None
        self._batch: Any = None
        self._pending: deque[_Waiting] = deque()
        self._drained = 0.0
        self._lock = threading.RLock()  # a signal handler may flush in the midst of a drain
        self._sample: Any = None
        self._donated: bool | None = None
        self._rate: Any = None
        self._returned = 0.0  # when the latest call came back
        self._batches = 0
        self._size: Callable[[], int] | None = getattr(function, "_cache_size", None)
        self._at_once = self._size is not None and settings.metrics is None  # the values are one program's
        self._compiled = 0
        self._recording: profile | None = None
        atexit.register(_last, weakref.ref(self))

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Calls the function, and returns what it does."""
        if self._ended:
            return self.__wrapped__(*arguments, **keywords)
        began = _clock()
        if self._number >= self._due:
            try:
                self._before(arguments, keywords)
            except Exception as error:
                self._give_up(error)
        out = self.__wrapped__(*arguments, **keywords)
        if not self._ended:
            try:
                self._after(arguments, out, began)
            except Exception as error:
                self._give_up(error)
        return out

    def __getattr__(self, name: str) -> Any:
        """What the function has: `lower`, `trace` and so on."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)

    # Around a call --------------------------------------------------------------------------------------------------

    def _before(self, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        """Before the first call, and before each after which the weights are looked at."""
        if not self._planned:
            if self._inside((arguments, tuple(keywords.values()))):
                return
            if self._settings.profile is not None and self._recording is None:
                self._record(self._settings.profile)
            if self._settings.graph:
                self._draw(arguments, keywords)
        else:
            self._due += self._settings.every
            self._sample = _sampled(dict(named_leaves(self._weights[0](arguments))))

    def _after(self, arguments: tuple[Any, ...], out: Any, began: float) -> None:
        """Keeps what the step gave; what has come is written for many steps at once."""
        now, wall_time = _clock(), _now()
        number = self._number = self._number + 1
        if not self._planned and not self._plan(arguments, out):
            return
        times = self._times(began, now, arguments)
        tags, values = self._tags, self._pick(out)
        if self._rates or self._sample is not None or self._settings.metrics is not None:
            more = self._further(arguments, out)
            tags, values = (*tags, *(tag for tag, _ in more)), [*values, *(value for _, value in more)]
        self._pending.append((number, wall_time, times, tags, values, self._at_once))
        if self._size is not None and (count := self._size()) != self._compiled:
            self._compiled = count
            self._writer.write_scalar("jit/compilations", float(count), number, wall_time)
        if len(self._pending) >= _TOGETHER or now - self._drained > _APART:
            self._drain()
            self._drained = now
        if not self._seen_to:
            self._see_to()
        if self._recording is not None:
            self._recording.step()
            if self._recording.done:
                self._recording = None
        self._returned = _clock()

    def _times(self, began: float, now: float, arguments: Any) -> tuple[float, ...]:
        """How long the step took, from the end of the one before, and how much of it went by before the call."""
        loop: Any = current()
        returned, batches = self._returned, 0 if loop is None else loop.batches
        measured, self._batches = batches != self._batches, batches
        if not returned or now <= returned:
            return ()
        whole = now - returned
        waited = loop.last_wait if measured and loop is not None else began - returned
        if waited > whole:
            waited = whole
        if self._batch is None:
            return 1000 * whole, 1000 * waited, waited / whole
        return 1000 * whole, 1000 * waited, waited / whole, len(self._batch(arguments)) / whole

    def _further(self, arguments: Any, out: Any) -> list[tuple[str, Any]]:
        """What not every training has, or not every step: metrics of the user's choice, rates, moves of the weights."""
        values: list[tuple[str, Any]] = []
        if self._settings.metrics is not None:
            values += [(tag_of(name), value) for name, value in self._settings.metrics(out).items()]
        if self._rates:
            values += self._rates_now(arguments, out)
        if self._sample is not None:
            values.append(("", _moved(self._sample, dict(named_leaves(self._weights[1](arguments, out))))))
            self._sample = None
        return values

    def _rates_now(self, arguments: Any, out: Any) -> list[tuple[str, Any]]:
        """Learning rates; copies of them as long as the state may be given to the next step to be overwritten."""
        found = [(place.tag, _held(follow((arguments, out), place.path))) for place in self._rates]
        if self._donated is None and self._rate is not None:
            self._donated = bool(self._rate.is_deleted())
        self._rate = found[0][1] if hasattr(found[0][1], "is_deleted") else None
        if self._donated is False:
            return found
        copied: list[tuple[str, Any]] = []
        for tag, value in found:
            ready = not hasattr(value, "is_ready") or value.is_ready()
            copied.append((tag, _read(value) if ready else _copy(value)))
        return copied

    # Once -----------------------------------------------------------------------------------------------------------

    def _record(self, steps: tuple[int, int]) -> None:
        folder = self._writer.log_dir
        if not folder or is_remote(folder):
            warn_once(
                ("auto_log", "profile", folder),
                f"auto_log: a profile needs a directory of this machine, and the run has {folder or 'none'!r}",
            )
            return
        self._recording = profile(folder, steps=steps, first_step=self._settings.start_step + 1)
        self._recording.__enter__()

    def _inside(self, parts: tuple[Any, ...]) -> bool:
        """Whether this is a call that JAX traces; then nothing is logged, and a warning says why."""
        if not any(isinstance(leaf, jax.core.Tracer) for part in parts for leaf in _leaves(part)):
            return False
        self._ended = True
        warn_once(
            ("auto_log", "jit"),
            "auto_log: the step was called inside jit, scan or another transformation, where there is nothing to "
            "time and no number yet; nothing is logged of it. Give the outermost function to auto_log, and log "
            "from inside with tallyboard.integrations.jax.log",
        )
        return True

    def _draw(self, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        try:
            self._writer.add_graph(
                graph_of(self.__wrapped__, arguments, keywords, "auto_log", cost=False),
                step=self._settings.start_step,
            )
        except Exception as error:
            warn_once(("auto_log", "graph", str(error)), f"auto_log: no graph is drawn of the step: {error}")

    def _plan(self, arguments: tuple[Any, ...], out: Any) -> bool:
        """Looks for metrics and the rest in what the first call took and gave."""
        self._planned = True
        if self._inside((out,)):
            return False
        settings = self._settings
        notes: list[str] = []
        if settings.metrics is None:
            places, notes = metric_places(out, arguments)
            self._tags, self._pick = tuple(place.tag for place in places), picker(places)
            if not places:
                warn_once(
                    ("auto_log", "metrics"),
                    "auto_log: the step returned no scalar metrics; return them, as (state, {'loss': loss}), or say "
                    "where they are: auto_log(step, metrics=lambda out: {...})",
                )
        self._rates = rate_places(arguments, out)
        batch = batch_place(arguments, out)
        self._batch = None if batch is None else functools.partial(follow, path=batch)
        self._weights = self._weights_of(arguments, out)
        every, number = settings.every, self._number
        self._due = _NEVER if self._weights is None else every * -(-(number + 1) // every) - 1
        if self._parameters:
            leaves = named_leaves(self._weights[1](arguments, out)) if self._weights is not None else []
            write_once(self._writer, leaves, settings)
        if notes:
            self._writer.add_text("auto_log/notes", "\n".join(f"- {note}" for note in notes), settings.start_step)
        return True

    def _weights_of(self, arguments: tuple[Any, ...], out: Any) -> Any:
        params = self._settings.params
        found = weights_in(arguments, out)
        if params is not None:
            first = out[0] if type(out) is tuple else out
            alike = jax.tree_util.tree_structure(first) == jax.tree_util.tree_structure(arguments[0])
            found = (
                lambda given: params(given[0]),
                lambda given, out: params((out[0] if type(out) is tuple else out) if alike else given[0]),
            )
        if found is not None:
            try:
                named_leaves(found[1](arguments, out))
            except Exception:
                return None
        return found

    # Values that come later -----------------------------------------------------------------------------------------

    def keep(self, values: list[tuple[str, Any]]) -> None:
        """Takes numbers of the latest step, to be written when they have come."""
        self._pending.append((self._number, _now(), (), [tag for tag, _ in values], [v for _, v in values], False))
        if not self._seen_to:
            self._see_to()

    def _see_to(self) -> None:
        """Has what is kept written though no further step comes, and when the writer is flushed or closed."""
        self._seen_to = True
        if not self._bound:
            self._bound = True
            self._writer.before_flush(self._flushing)
            self._writer.before_close(self._closing)
        see_to(self)

    def look(self) -> float | None:
        """What the thread of `pauses` calls."""
        self._seen_to = False  # first, so that a step that comes from now on asks for another look
        if not self._pending:
            return None
        self._seen_to = True
        now = _clock()
        left = self._drained + _APART - now
        if left >= 0:
            return left
        self._flushing()
        self._drained = now
        return _APART

    def _drain(self, wait: bool = False) -> None:
        """Writes the steps whose values have come, in their order; or all."""
        pending = self._pending
        row: list[Any] = []
        with self._lock:
            while pending and (wait or len(pending) > _WAITING or _ready(pending[0])):
                _add(row, *pending.popleft())
            if row:
                self._writer.write_row(row)

    def _flushing(self) -> None:
        """Writes what has come, from whichever thread."""
        try:
            self._drain()
        except Exception as error:
            self._give_up(error)

    def _closing(self) -> None:
        """Writes what is on its way into a writer that is being closed."""
        self._bound = self._seen_to = False
        try:
            self._drain(wait=True)
        except Exception as error:
            self._give_up(error)

    def end(self) -> None:
        """Writes what is on its way; from then on the function alone is called."""
        if self._recording is not None:
            self._recording.__exit__()
            self._recording = None
        self._closing()
        self._ended = True
        self._rate = self._sample = None

    def _give_up(self, error: Exception) -> None:
        self._ended = True
        self._pending.clear()
        warn_once(
            ("auto_log", "jax", type(error), str(error)),
            f"auto_log: logging stopped at step {self._number}, training goes on: {type(error).__name__}: {error}",
        )


def _leaves(tree: Any) -> list[Any]:
    """The leaves of arguments; modules of nnx are no tree of every version of JAX, and hold no tracers outside."""
    parts = tree if isinstance(tree, tuple) else (tree,)
    return [leaf for part in parts if not is_module(part) for leaf in jax.tree_util.tree_leaves(part)]


def _comes(value: Any) -> bool:
    """Whether it is a number that may still be on its way; all else is looked at now."""
    return hasattr(value, "is_ready") and value.size == 1 and not jnp.iscomplexobj(value)


def _held(value: Any) -> Any:
    """The array; of a variable of nnx the one it holds."""
    get = getattr(value, "get_value", None)
    return value if get is None else get()


def _last(step: weakref.ref[Step]) -> None:
    """At the program's end, of a step that is still logged."""
    found = step()
    if found is not None:
        found.end()


def _none(_: Any) -> Sequence[Any]:
    return ()


def _add(
    row: list[Any], number: int, wall_time: float, times: tuple[float, ...], tags: Sequence[str], values: Any, _: bool
) -> None:
    """The numbers of a step, as the writer has them."""
    for tag, value in zip(_TIMES, times, strict=False):
        row += (tag, value, number, wall_time)
    for tag, value in zip(tags, values, strict=True):
        kind = type(value)
        if kind is float or kind in _arrays:
            row += (tag, _read(value, tag), number, wall_time)
        elif kind is Stats:
            for name, number_of in value.items():
                row += (name, number_of, number, wall_time)
        else:
            if isinstance(value, jax.Array):
                _arrays.add(kind)
            row += (tag, _read(value, tag), number, wall_time)


def _read(value: Any, tag: str = "train/lr") -> float:
    """The number of an array, without `float` of JAX's, which takes ten times as long."""
    if type(value) in _arrays or (hasattr(value, "is_ready") and hasattr(value, "__array__")):
        value = np.asarray(value)
    return float(value) if getattr(value, "ndim", 0) == 0 else as_number(tag, value)


def _ready(waiting: _Waiting) -> bool:
    """Whether all values of a step have come; those of one program come together."""
    for value in waiting[4]:
        array = value.vector if type(value) is Stats else value
        if type(array) in _arrays or hasattr(array, "is_ready"):
            if not array.is_ready():
                return False
            if waiting[5]:
                return True
    return True


@jax.jit
def _copy(value: Any) -> Any:
    return value + 0


@jax.jit
def _sampled(leaves: dict[str, Any]) -> dict[str, Any]:
    """Weights before a step: all of them, or evenly spaced ones of many."""
    many = sum(leaf.size for leaf in leaves.values()) > _SAMPLED
    return {name: _some(leaf, many) + 0 for name, leaf in leaves.items() if jnp.issubdtype(leaf.dtype, jnp.inexact)}


def _some(leaf: Any, many: bool) -> Any:
    if not many:
        return leaf
    return leaf.reshape(-1)[:: max(1, leaf.size // max(256, leaf.size // 100))]


@jax.jit
def _moved(before: dict[str, Any], leaves: dict[str, Any]) -> Stats:
    """Norms of the weights after a step, and how far it moved them."""
    many = sum(leaf.size for leaf in leaves.values()) > _SAMPLED
    whole = stats(params={name: leaves[name] for name in before})
    moves = {name: _some(leaves[name], many).astype(jnp.float32) - before[name] for name in before}
    ratios = stats(params=before, updates=moves)
    kept = [i for i, name in enumerate(ratios.names) if name.startswith("weights/update_ratio")]
    names = (*whole.names, *(ratios.names[i] for i in kept))
    return Stats(names, jnp.concatenate([whole.vector, ratios.vector[jnp.array(kept, int)]]))
