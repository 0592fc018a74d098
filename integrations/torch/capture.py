"""The graph of a PyTorch model from one call of it: each operation as Python says it, in the module that said it.

A `TorchFunctionMode` sees every public operation once, above autograd, so that `nn.LSTM` stays one node; hooks on
modules tell the scope. Tensors are told apart by identity, and held weakly: nothing is kept alive. Parameters and
buffers are no nodes; the operation that reads them names and counts them.

What Python does between operations is not seen: a branch or a loop is drawn as this call went through it, which
`Graph.notes` says where a value of the data was looked at.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from tallyboard.core.graph import Attribute, Graph, Node, Shape

from .flops import Flops
from .leaves import leaves

__all__ = [
    "BY_DATA",
    "TORCH",
    "CaptureFailed",
    "Draft",
    "Watching",
    "capture",
    "device_name",
    "is_compiled",
    "named_nodes",
]

_OURS = os.path.dirname(os.path.abspath(__file__))
TORCH = os.path.dirname(os.path.abspath(torch.__file__))
_READS = frozenset(
    ("__bool__", "__int__", "__float__", "__index__", "__complex__", "item", "tolist", "numpy", "__array__", "equal")
)
"""What looks at the data itself: the model may go another way with other data."""
_BY_DATA = frozenset(("nonzero", "argwhere", "masked_select", "unique", "unique_consecutive"))
"""What has as many results as the data gives it."""
_SAME = frozenset(("to", "contiguous", "float", "double", "half", "bfloat16", "type", "cpu", "cuda", "requires_grad_"))
"""What gives back its argument where there is nothing to do."""
_HIDDEN = frozenset(("detach_", "register_hook", "retain_grad", "data", "grad", "_base", "share_memory_", "pin_memory"))
BY_DATA = "This is the way that this batch went: the model looks at values of its data."
_LITERALS = (bool, int, float, str, type(None), torch.dtype, torch.device)
_TEXT = 200
_DEEPEST = 64


@dataclass
class Draft:
    """A node that has no name yet.

    Attributes:
        scope: modules that it lies in, joined by `/`.
        word: what it would be called there.
        inputs: the drafts that it reads, and which output of each.
    """

    scope: str
    word: str
    op: str
    inputs: list[tuple[Draft, int]] = field(default_factory=list["tuple[Draft, int]"])
    shapes: tuple[Shape | None, ...] = ()
    dtypes: tuple[str, ...] = ()
    device: str = ""
    attributes: dict[str, Attribute] = field(default_factory=dict[str, Attribute])
    module: str = ""
    source: str = ""
    parameters: int = 0
    flops: int = 0
    nanoseconds: int = 0


def capture(
    model: Any, arguments: tuple[Any, ...] = (), named: Mapping[str, Any] | None = None, *, flops: bool = True
) -> Graph:
    """Calls a model once, as it is, and returns what the call did.

    Args:
        model: a `torch.nn.Module`. Mode, gradients and random numbers are the caller's affair.
        arguments, named: what it is called with.
        flops: counts floating-point operations (`torch.utils.flop_counter`: of products, convolutions, attention).

    Raises:
        CaptureFailed: the model raised.
    """
    watching = Watching(model, flops)
    arguments, named = watching.given(arguments, dict(named or {}))
    try:
        with eager(), watching:
            result = model(*arguments, **named)
    except Exception as error:
        raise CaptureFailed(watching.failed, error) from error
    watching.result(result)
    return watching.graph()


class CaptureFailed(Exception):  # of this package alone: its text becomes a warning
    """The model raised; the text says in which module and line."""

    def __init__(self, module: str, error: Exception) -> None:
        where = "/".join(module.partition(":")[0].split(".")) if module else ""
        said = str(error).strip().partition("\n")[0][:_TEXT]
        super().__init__(f"{type(error).__name__} in {where or 'the model'} ({_raised_at(error)}): {said}")


def _raised_at(error: Exception) -> str:
    """The last line of the program's own that the error came through."""
    found, trace = "its first line", error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith((TORCH, _OURS)):
            found = f"{name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


@contextlib.contextmanager
def eager() -> Iterator[None]:
    """Compiled parts of a model run as they were written: what is inside is what is to be drawn."""
    if "torch._dynamo" not in sys.modules:  # nothing was compiled; it takes seconds to import
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


class Watching(TorchFunctionMode):
    """What is known while the model runs."""

    def __init__(self, model: torch.nn.Module, flops: bool) -> None:
        super().__init__()
        self._model = model
        self._paths = {id(module): _plain(path) for path, module in model.named_modules() if not is_compiled(module)}
        self._weights = {id(one): (_plain(name), one.numel()) for name, one in model.named_parameters()}
        self._buffers = {id(one): _plain(name) for name, one in model.named_buffers()}
        self._made: Any = WeakIdKeyDictionary()  # tensor -> the draft that made it, and which output it is
        self._drafts: list[Draft] = []
        self._outputs: list[Draft] = []
        self._scopes: list[tuple[str, str, list[tuple[Draft, int]]]] = []
        self._calls: dict[str, int] = {}
        self._thread = threading.get_ident()
        self._stack = contextlib.ExitStack()
        self._counter = Flops() if flops else None
        self._inside = False
        self._looked = False
        self.failed = ""

    def __enter__(self) -> Any:
        modules = [module for module in self._model.modules() if id(module) in self._paths]
        scripted = {id(module) for module in modules if isinstance(module, torch.jit.ScriptModule)}
        for module in modules:
            if id(module) not in scripted:
                enter = self._hook(self._enter_module)
                self._watch(module.register_forward_pre_hook(enter, prepend=True, with_kwargs=True))
                self._watch(module.register_forward_hook(self._hook(self._leave_module), always_call=True))
        if scripted:
            self._watch_all(scripted)
        if self._counter is not None:
            self._stack.enter_context(self._counter)
        return super().__enter__()

    def _hook(self, call: Callable[..., None]) -> Callable[..., None]:
        return call

    def _watch(self, hook: Any) -> None:
        self._stack.callback(hook.remove)

    def _watch_all(self, scripted: set[int]) -> None:
        """Scripted modules take no hooks of their own: those of the process tell of them."""
        from torch.nn.modules import module as every

        def enter(module: torch.nn.Module, arguments: Any) -> None:
            if id(module) in scripted:
                self._enter_module(module, arguments, {})

        def leave(module: torch.nn.Module, arguments: Any, named: Any, result: Any) -> None:
            if id(module) in scripted:
                if self._scopes:  # only this hook of the process is told of arguments by keyword
                    self._scopes[-1][2].extend(self._known(named))
                self._leave_module(module, arguments, result)

        self._stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", UserWarning)  # compiled modules warn of such hooks
        self._watch(every.register_module_forward_pre_hook(enter))
        last = every.register_module_forward_hook(leave, with_kwargs=True, always_call=True)
        self._watch(last)
        # Which torch forgets when the hook is removed, and then takes for a hook that is still there.
        self._stack.callback(getattr(every, "_global_forward_hooks_with_kwargs", {}).pop, last.id, None)

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._stack.close()

    # What goes in and comes out

    def given(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Draws the inputs. A tensor that is given twice becomes two, which share their memory."""
        seen: set[int] = set()
        arguments = tuple(_apart(one, seen) for one in arguments)
        named = {name: _apart(one, seen) for name, one in named.items()}
        self.draw_inputs(arguments, named)
        return arguments, named

    def draw_inputs(self, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """Draws the inputs as they are."""
        names = _argument_names(self._model, arguments)
        for name, value in [*zip(names, arguments, strict=True), *named.items()]:
            for path, tensor in leaves(value, name):
                draft = self._draft("inputs", path, "Input", [tensor])
                self._drafts.append(draft)
                self._made[tensor] = (draft, 0)

    def result(self, result: Any) -> None:
        """Draws the outputs."""
        for path, tensor in leaves(result):
            draft = self._draft("outputs", path or "output", "Output", [tensor])
            draft.inputs = self._sources([tensor], draft)
            self._outputs.append(draft)

    # Modules

    def _enter_module(self, module: torch.nn.Module, arguments: Any, named: Any) -> None:
        path = self._paths.get(id(module))
        if path is None or threading.get_ident() != self._thread:
            return
        scope = path.replace(".", "/")
        calls = self._calls[scope] = self._calls.get(scope, 0) + 1
        if calls > 1 and scope:
            scope = f"{scope}_call{calls - 1}"
        about = f"{type(module).__name__}({module.extra_repr()[:_TEXT]})"
        self._scopes.append((scope, f"{path}: {about}" if path else about, self._known((arguments, named))))

    def _known(self, value: Any) -> list[tuple[Draft, int]]:
        """What made the tensors in a value, as far as that was seen."""
        return [self._made[tensor] for _, tensor in leaves(value) if tensor in self._made]

    def _leave_module(self, module: torch.nn.Module, arguments: Any, result: Any) -> None:  # noqa: ARG002
        if id(module) not in self._paths or threading.get_ident() != self._thread or not self._scopes:
            return
        scope, about, inputs = self._scopes[-1]
        if not self.failed and sys.exc_info()[0] is not None:  # the innermost is left first
            self.failed = about
        unknown = [tensor for _, tensor in leaves(result) if not self._is_known(tensor)]
        if unknown and inputs:  # it ran where Python does not see it: a scripted module, an extension in C++
            draft = self._draft(scope, type(module).__name__, type(module).__name__, unknown)
            own = [(name, one.numel()) for name, one in module.named_parameters()]
            draft.inputs, draft.parameters = inputs, sum(count for _, count in own)
            self._add(draft, unknown)
        self._scopes.pop()

    # Operations

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        flops, start = self._flops(), time.perf_counter_ns()
        result = func(*args, **kwargs)
        taken = time.perf_counter_ns() - start
        if not self._inside and threading.get_ident() == self._thread:
            self._inside = True  # what is asked of tensors in here is no operation of the model
            try:
                self._note(func, args, kwargs, result, taken, self._flops() - flops)
            finally:
                self._inside = False
        return result

    def _note(self, func: Any, args: Any, kwargs: Any, result: Any, taken: int, flops: int) -> None:
        word = _word(func)
        if word in _HIDDEN:
            self._alias(args, result)
            return
        taken_in = [tensor for _, tensor in leaves((args, kwargs))]
        if word in _READS:
            self._read(word, taken_in)
            return
        made = [args[0]] if word == "setitem" else [tensor for _, tensor in leaves(result)]
        same = {id(tensor) for tensor in taken_in}
        if not made or (word in _SAME and all(id(tensor) in same for tensor in made)):
            return
        self._looked |= word in _BY_DATA
        draft = self._draft(self._scope, word, word, made)
        draft.inputs = self._sources(taken_in, draft)
        draft.attributes |= _literals(args, kwargs)
        draft.source, draft.flops, draft.nanoseconds = _source(), flops, taken
        self._add(draft, made)

    def _alias(self, args: Any, result: Any) -> None:
        if isinstance(result, torch.Tensor) and args and args[0] in self._made:
            self._made[result] = self._made[args[0]]

    def _read(self, word: str, tensors: list[torch.Tensor]) -> None:
        known = [self._made[tensor] for tensor in tensors if tensor in self._made]
        if not known:
            return
        self._looked = True
        draft = Draft(self._scope, word.strip("_"), "Read", known, source=_source(), module=self._module)
        draft.attributes["reads"] = "the value itself: Python goes on with it"
        self._drafts.append(draft)

    def _add(self, draft: Draft, made: list[torch.Tensor]) -> None:
        self._drafts.append(draft)
        for number, tensor in enumerate(made):
            before = self._made.get(tensor)
            self._made[tensor] = (draft, number)
            base = tensor._base  # pyright: ignore[reportPrivateUsage]
            # Written through a view: whoever reads the whole from now on reads this, too.
            if before is not None and base is not None and base in self._made:
                draft.inputs.append(self._made[base])
                self._made[base] = (draft, number)

    def _draft(self, scope: str, word: str, op: str, tensors: list[torch.Tensor]) -> Draft:
        return Draft(
            scope,
            word,
            op,
            shapes=tuple(_shape(tensor) for tensor in tensors),
            dtypes=tuple(str(tensor.dtype).removeprefix("torch.") for tensor in tensors),
            device=device_name(tensors[0].device) if tensors else "",
            module=self._module,
        )

    @property
    def _scope(self) -> str:
        return self._scopes[-1][0] if self._scopes else ""

    @property
    def _module(self) -> str:
        return self._scopes[-1][1] if self._scopes else ""

    def _flops(self) -> int:
        return self._counter.total if self._counter is not None else 0

    def _is_known(self, tensor: torch.Tensor) -> bool:
        return tensor in self._made or id(tensor) in self._weights or id(tensor) in self._buffers

    def _sources(self, tensors: list[torch.Tensor], draft: Draft) -> list[tuple[Draft, int]]:
        """The drafts that made the tensors; weights among them are told by the attributes."""
        sources: dict[tuple[int, int], tuple[Draft, int]] = {}
        weights: dict[str, int] = {}
        for tensor in tensors:
            if tensor not in self._made and (weight := self._weights.get(id(tensor))):
                weights[weight[0]] = weight[1]
            elif tensor not in self._made and (name := self._buffers.get(id(tensor))):
                draft.attributes["buffers"] = f"{draft.attributes.get('buffers', '')} {name}".strip()
            else:
                found = self._made.get(tensor) or self._stranger(tensor)
                sources[id(found[0]), found[1]] = found
        if weights:
            draft.attributes["weights"] = " ".join(weights)
            draft.parameters = sum(weights.values())
        return list(sources.values())

    def _stranger(self, tensor: torch.Tensor) -> tuple[Draft, int]:
        """A tensor that no operation seen has made: a view of a known one, the work of an extension, or a constant."""
        base = tensor._base  # pyright: ignore[reportPrivateUsage]
        if base is not None and base in self._made:
            return self._made[base]
        inputs = _by_gradient(tensor, self._made)
        op = tensor.grad_fn.name().removesuffix("Backward0").removesuffix("Backward") if inputs else "Const"
        draft = self._draft(self._scope, op if inputs else "constant", op, [tensor])
        draft.inputs = inputs
        self._drafts.append(draft)
        self._made[tensor] = (draft, 0)
        return draft, 0

    def graph(self) -> Graph:
        drafts = [*self._drafts, *self._outputs]
        notes = [BY_DATA] if self._looked else []
        return Graph(tuple(named_nodes(drafts)), tuple(notes))


def is_compiled(module: torch.nn.Module) -> bool:
    """Whether it is what `torch.compile` made of a module: around it, with nothing of its own."""
    return type(module).__name__ == "OptimizedModule"


def _plain(path: str) -> str:
    """A path as it was before parts of the model were compiled."""
    return ".".join(part for part in path.split(".") if part != "_orig_mod")


def named_nodes(drafts: list[Draft]) -> Iterator[Node]:
    """The nodes, each with a name of its own that is no scope."""
    scopes = {""}
    for draft in drafts:
        parts = draft.scope.split("/")
        scopes.update("/".join(parts[: i + 1]) for i in range(len(parts)))
    names: dict[int, str] = {}
    taken = set(scopes)
    numbers: dict[str, int] = {}
    for draft in drafts:
        wanted = f"{draft.scope}/{draft.word}" if draft.scope else draft.word
        name = wanted
        while name in taken:
            numbers[wanted] = numbers.get(wanted, 0) + 1
            name = f"{wanted}_{numbers[wanted]}"
        taken.add(name)
        names[id(draft)] = name
    for draft in drafts:
        inputs = tuple(names[id(one)] if not i else f"{names[id(one)]}:{i}" for one, i in draft.inputs)
        yield Node(
            names[id(draft)], draft.op, inputs, draft.shapes, draft.attributes, draft.device,
            dtypes=draft.dtypes, module=draft.module, source=draft.source, parameters=draft.parameters,
            flops=draft.flops, nanoseconds=draft.nanoseconds,
        )  # fmt: skip


def _word(func: Any) -> str:
    name = getattr(func, "__name__", None) or type(func).__name__
    if name in ("__get__", "__set__"):  # of a property, such as `.T`
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    if name in _READS:
        return name
    word = name.strip("_")
    return word if word.isidentifier() else word.replace(".", "_").replace("::", "_")


def _shape(tensor: torch.Tensor) -> Shape | None:
    try:
        return tuple(int(size) for size in tensor.shape)
    except (RuntimeError, TypeError):  # a nested tensor, a size that is only known as a symbol
        return None


def device_name(device: torch.device) -> str:
    """TensorFlow's name for a device, such as `/device:CUDA:1`."""
    return f"/device:{device.type.upper()}:{device.index or 0}"


def _literals(args: Any, kwargs: Any) -> dict[str, Attribute]:
    found = {f"arg{i}": value for i, value in enumerate(args) if isinstance(value, _LITERALS)} | {
        name: value for name, value in kwargs.items() if isinstance(value, _LITERALS)
    }
    return {name: _literal(value) for name, value in found.items()}


def _literal(value: Any) -> Attribute:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 63:
        return str(value)[:_TEXT]
    return value if isinstance(value, bool | int | float) else str(value)[:_TEXT]


def _source() -> str:
    """The line that asked for the operation: the first frame that is neither torch's nor ours."""
    frame: Any = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((TORCH, _OURS)):
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def _argument_names(model: torch.nn.Module, arguments: tuple[Any, ...]) -> list[str]:
    try:
        parameters = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [one.name for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    rest = next((one.name for one in parameters if one.kind == one.VAR_POSITIONAL), "input")
    return [names[i] if i < len(names) else f"{rest}/{i - len(names)}" for i in range(len(arguments))]


def _apart(value: Any, seen: set[int]) -> Any:
    """The value; a tensor that was seen before as another one on the same memory."""
    if not isinstance(value, torch.Tensor):
        for _, tensor in leaves(value):
            seen.add(id(tensor))
        return value
    if id(value) in seen:
        return value.view_as(value)
    seen.add(id(value))
    return value


def _by_gradient(tensor: torch.Tensor, made: Any) -> list[tuple[Draft, int]]:
    """What is known of the operations behind an unknown one, by autograd's record of it."""
    if tensor.grad_fn is None:
        return []
    known: dict[Any, tuple[Draft, int]] = {
        one.grad_fn: draft for one, draft in cast("Any", made).items() if one.grad_fn is not None
    }
    found: dict[tuple[int, int], tuple[Draft, int]] = {}
    ahead, seen = [tensor.grad_fn], set[Any]()
    while ahead and len(seen) < _DEEPEST:
        step = ahead.pop()
        if step in seen:
            continue
        seen.add(step)
        if step in known:
            found[id(known[step][0]), known[step][1]] = known[step]
        else:
            ahead += [one for one, _ in step.next_functions if one is not None]
    return list(found.values())
