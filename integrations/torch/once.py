"""What is logged once: the graph, the parameters, what the optimizers were told, and where the program runs."""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tallyboard.core.environment import environment
from tallyboard.core.graph import Graph
from tallyboard.core.writer import SummaryWriter

from .capture import is_compiled
from .graph import tree_graph
from .groups import plain_name, unwrapped
from .hooks import ModuleHook
from .jit_graph import graph as jit_graph
from .likeness import Given, written_graph
from .ride import Ride

__all__ = ["Once", "hyperparameters", "parameter_rows"]

MOST_ROWS = 2000
MOST_GROUPS = 20
TREE = "The modules alone, without what flows between them: {}. `writer.add_graph(model, batch)` draws all of it."


class _RideEnd(ModuleHook):
    """The hook on the model, called when the pass that is drawn has ended, well or not."""

    def __init__(self, once: Once) -> None:
        self._once = once

    def __call__(self, module: nn.Module, args: Any, result: Any) -> None:  # noqa: ARG002
        try:
            self._once.forward_ends(result)
        except Exception as error:  # ours: the pass goes on
            self._once.give_up(error)


class Once:
    """What is logged once, from the first training pass to the first step that is written.

    Attributes:
        written: whether all of it is.
    """

    def __init__(self, graph: bool, hparams: bool | Mapping[str, object]) -> None:
        self.written = False
        self._wants_graph, self._hparams = graph, hparams
        self._graph: Graph | None = None
        self._why = "it was not called as a whole"
        self._ride: Ride | None = None
        self._hook: Any = None
        self._batch = 0
        self._rows: dict[str, list[object]] | None = None
        self._told: dict[str, object] = {}
        self._suffixes: set[str] = set()
        self._given: Given | None = None
        self._first: tuple[weakref.ref[nn.Module], Any, Any] | None = None
        self._given_up = False

    def meets(self, model: nn.Module) -> None:
        """Has a model that is compiled in place tell of its first pass: hooks on it are compiled, and say nothing."""
        call = vars(model).get("_compiled_call_impl")
        if call is None or not self._wants_graph:
            return

        def first(*args: Any, **kwargs: Any) -> Any:
            if torch.is_grad_enabled():
                self.end()
                self._keep(args, kwargs)
            return call(*args, **kwargs)

        model._compiled_call_impl = first
        self._first = (weakref.ref(model), first, call)

    def _keep(self, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        try:
            self._given = self._given or Given(arguments, named)
        except Exception as error:  # ours: the pass goes on
            self._why = f"it is compiled, and what it is called with cannot be told without data ({error})"

    def forward_begins(self, model: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any], batch: int) -> None:
        """Begins to draw a pass that records gradients, if none was drawn yet."""
        self.end()
        self._batch = self._batch or batch
        if not self._wants_graph or self._graph is not None or self._suffixes or self._given_up:
            return
        if compiled(model):
            self._keep(arguments, named)
        elif any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
            self._why = "it is scripted"
        else:
            self._ride = Ride(unwrapped(model), model, arguments, named)
            self._hook = model.register_forward_hook(_RideEnd(self), always_call=True)

    def forward_ends(self, result: Any) -> None:
        """Keeps the graph. A pass that failed is drawn at the next try; its hooks are left until then."""
        if self._ride is None:
            return
        self._ride.pause()
        if result is not None or sys.exc_info()[0] is None:  # else torch is walking over the hooks
            self._graph = self._ride.end(result)
            self.end()

    def give_up(self, error: Exception) -> None:
        """Draws no further pass, because drawing one failed."""
        self._why = f"drawing it failed ({type(error).__name__}: {error})"
        self._given_up = True
        self.end()

    def end(self) -> None:
        """Takes away what an earlier pass may have left."""
        ride, self._ride = self._ride, None
        hook, self._hook = self._hook, None
        if self._first is not None:
            (met, first, call), self._first = self._first, None
            model = met()
            if model is not None and vars(model).get("_compiled_call_impl") is first:
                model._compiled_call_impl = call
        if hook is not None:
            hook.remove()
        if ride is not None:
            with contextlib.suppress(Exception):
                ride.end()

    def step_ends(self, model: nn.Module | None, optimizer: Optimizer, suffix: str) -> None:
        """Asks an optimizer for its settings, once; and at the first step the model for its parameters."""
        if self.written or suffix in self._suffixes:
            return
        self._suffixes.add(suffix)
        prefix = f"{suffix.removeprefix('/')}/" if suffix else ""
        self._told |= {f"{prefix}{name}": value for name, value in hyperparameters(optimizer).items()}
        if suffix or model is None:
            return
        self._rows = parameter_rows(model)
        self._told = {"model": type(unwrapped(model)).__name__, **self._told}
        if self._wants_graph and self._graph is None:
            self._graph = self._unseen(unwrapped(model)) or tree_graph(unwrapped(model), TREE.format(self._why))

    def _unseen(self, model: nn.Module) -> Graph | None:
        """The graph of a model whose passes Python does not see: a compiled or a scripted one."""
        given, self._given = self._given, None
        try:
            if isinstance(model, torch.jit.ScriptModule):
                return jit_graph(model)
            if given is not None and not torch.compiler.is_compiling():
                return written_graph(model, given)
        except Exception as error:  # what it cannot do without data is no fault of the training
            self._why = f"it is compiled, and without data it cannot be called ({type(error).__name__}: {error})"[:500]
        return None

    def write(self, writer: SummaryWriter, step: int, wall_time: float, loss: float | None) -> bool:
        """Writes all of it, at the first step that is written.

        Returns:
            Whether the loss was written along, so that the table of hyperparameters has it as a metric.
        """
        self.written = True
        graph, self._graph = self._graph, None
        if graph is not None:
            writer.add_graph(graph, global_step=step, walltime=wall_time)
        if self._rows and self._rows["parameter"]:
            writer.add_table("auto_log/parameters", self._rows, step, walltime=wall_time)
        self._rows = None
        writer.add_table("auto_log/environment", environment_table(), step, walltime=wall_time)
        if self._hparams is False or writer._session.hparams is not None:  # pyright: ignore[reportPrivateUsage]
            return False
        found = dict(self._told)
        if self._batch:
            found["batch_size"] = self._batch
        given = {} if self._hparams is True else self._hparams
        metrics = {} if loss is None else {"train/loss": loss}
        writer.add_hparams({**found, **given}, metrics, global_step=step, walltime=wall_time)
        return loss is not None


def compiled(model: nn.Module) -> bool:
    """Whether a part of the model, or all of it, is compiled."""
    return any(
        is_compiled(module) or getattr(module, "_compiled_call_impl", None) is not None for module in model.modules()
    )


def parameter_rows(model: nn.Module) -> dict[str, list[object]]:
    """A table of all parameters, the largest 2,000 of them if there are more, in the model's order."""
    first: dict[int, str] = {}
    rows: list[tuple[str, Tensor]] = []
    for name, parameter in unwrapped(model).named_parameters(remove_duplicate=False):
        name = plain_name(name)
        known = first.setdefault(id(parameter), name)
        rows.append((f"`{name}`" if known == name else f"`{name}`, which is `{known}`", parameter))
    kept = sorted(range(len(rows)), key=lambda i: -rows[i][1].numel())[:MOST_ROWS]
    chosen = [rows[i] for i in sorted(kept)]
    counts = [0 if isinstance(one, nn.parameter.UninitializedParameter) else one.numel() for _, one in chosen]
    return {
        "parameter": [name for name, _ in chosen],
        "shape": [_shape(one) for _, one in chosen],
        "numbers": list(counts),
        "dtype": [str(one.dtype).removeprefix("torch.") for _, one in chosen],
        "device": [str(one.device) for _, one in chosen],
        "trained": ["yes" if one.requires_grad else "no" for _, one in chosen],
    }


def _shape(parameter: Tensor) -> str:
    if isinstance(parameter, nn.parameter.UninitializedParameter):
        return "not known yet"
    return " x ".join(str(size) for size in parameter.shape) or "one number"


def hyperparameters(optimizer: Optimizer) -> dict[str, object]:
    """What an optimizer was told: its class, the settings of its first group, and those of others that differ."""
    groups = [_settings(group) for group in optimizer.param_groups[:MOST_GROUPS]]
    found: dict[str, object] = {"optimizer": type(optimizer).__name__}
    found |= groups[0] if groups else {}
    for number, group in enumerate(groups[1:], 1):
        found |= {f"group{number}/{name}": value for name, value in group.items() if groups[0].get(name) != value}
    return found


def _settings(group: Mapping[str, Any]) -> dict[str, object]:
    settings: dict[str, object] = {}
    for name, value in group.items():
        if name in ("params", "initial_lr", "params_names", "param_names"):
            continue
        value = group.get("initial_lr", value) if name == "lr" else value
        if isinstance(value, Tensor):
            if value.device.type != "cpu" or value.numel() != 1:  # it would have to be waited for
                continue
            value = value.item()
        if isinstance(value, bool | int | float | str | tuple | list):
            settings[name] = list(value) if isinstance(value, tuple) else value
    return settings


def environment_table() -> dict[str, list[str]]:
    """Where the program runs."""
    found = environment()
    found["torch"] = str(torch.__version__)
    if torch.cuda.is_initialized():
        found["devices"] = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        found["cuda"] = str(torch.version.cuda or torch.version.hip)
    found["threads"] = str(torch.get_num_threads())
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
        found["rank"] = f"{distributed.get_rank()} of {distributed.get_world_size()}; the others write nothing"
    return {"what": list(found), "value": [f"`{value}`".replace("\n", " ") for value in found.values()]}
