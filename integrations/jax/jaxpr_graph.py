"""A function's graph from its jaxpr: equations as nodes, in the scopes of the modules that they belong to.

Scopes are those of `jax.named_scope`, which linen and haiku name by themselves, and which nnx' and equinox' modules are
given while the function is traced; what optax does, which names none, lies under `optimizer/`. What a gradient
computes lies under `backward/`, in the same scopes. Functions that are compiled within it are drawn where they are
called; a loop's body is drawn once, under `scan` or `while`, each branch of a `cond` under its number. Floating-point
operations are counted by each equation's shapes, those of a `scan` as often as it turns; the notes have XLA's count.
"""

from __future__ import annotations

import math
import os
import re
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tallyboard.core.graph import Attribute, Graph, Node

from .framework import jax, jnp
from .tracing import cost_of, output_names, trace

__all__ = ["graph_of", "graph_of_traced"]

_LIBRARIES = tuple(sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib"))
_HERE = os.path.dirname(os.path.abspath(__file__))
_ROOT = os.path.dirname(os.path.dirname(_HERE))
_TRANSFORMS = ("jvp", "transpose", "vmap", "remat", "checkpoint", "rematted_computation")
_ONE_EACH = frozenset(
    {
        *("abs", "add", "add_any", "atan2", "ceil", "clamp", "cos", "div", "erf", "erf_inv", "exp", "exp2", "expm1"),
        *(
            "floor",
            "integer_pow",
            "lgamma",
            "log",
            "log1p",
            "logistic",
            "max",
            "min",
            "mul",
            "neg",
            "pow",
            "rem",
            "round",
        ),
        *("rsqrt", "select_n", "sign", "sin", "sqrt", "square", "sub", "tan", "tanh"),
    }
)
_HOLDERS = ("params", "model", "variables", "batch_stats")
_EQUINOX = "eqx.nn."  # scopes that equinox' own layers make, named by their class
_LIFTED = re.compile(r"(?<![^/])(\w+)\.\w+/(?=\1(?:/|$))")  # linen's of what it lifts: Cell_0.scan_fn/Cell_0
_TEXTS = 200  # characters of a parameter's text


def graph_of(
    function: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any], call: str = "graph", *, cost: bool = True
) -> Graph:
    """The graph of a call; nothing is computed. See `trace` for arguments and errors.

    Args:
        function, arguments, keywords, call: as of `trace`.
        cost: whether XLA is asked for its count of operations, which takes longer than all the rest.
    """
    traced, names = trace(function, arguments, keywords, call)
    return graph_of_traced(traced, names, cost=cost)


def graph_of_traced(traced: Any, names: list[str], *, cost: bool = True) -> Graph:
    """The graph of a function that was traced.

    Args:
        traced: what `jax.jit(function).trace(...)` gives.
        names: a path for each of its inputs.
        cost: see `graph_of`.
    """
    draft = _Draft(names)
    closed = traced.jaxpr
    draft.begin(closed)
    draft.equations(closed.jaxpr, "", 1)
    for path, out in zip(output_names(traced), closed.jaxpr.outvars, strict=True):
        reference = draft.read(out, "")
        if reference is not None:
            draft.add(f"outputs/{path}", "output", [reference], [out.aval])
    notes: list[str] = []
    try:
        counted = cost_of(traced.lower()) if cost else {}
    except Exception:  # of a program for devices that are not here
        counted = {}
    if counted:
        said = {"flops": "floating-point operations", "bytes accessed": "bytes read and written"}
        counts = ", ".join(f"{counted[key]:,.0f} {text}" for key, text in said.items() if key in counted)
        notes.append(f"XLA counts {counts} in a call, before it optimises.")
    if draft.loops:
        notes.append("The body of a loop is drawn once.")
    return Graph(tuple(draft.nodes), tuple(notes))


@dataclass(slots=True)
class _Input:
    """An input of the function: its path and form, and its node as soon as there is one."""

    path: str
    aval: Any
    node: str = ""


class _Draft:
    """The nodes so far, and what each variable of the jaxpr is called."""

    def __init__(self, names: list[str]) -> None:
        self.nodes: list[Node] = []
        self.loops = False
        self._names = names
        self._taken: dict[str, int] = {}
        self._known: dict[Any, str | _Input] = {}  # a reference, or an input, which has one when it is first read
        self._caller = ""  # the line that calls the function whose equations are being drawn
        self._sizes: dict[str, int] = {}  # of parameters, by reference
        self._modules: frozenset[str] = frozenset()

    def begin(self, closed: Any) -> None:
        """Takes note of the inputs; a node is made of each where it is first read."""
        self._modules = frozenset(filter(None, map(_module_of, self._names)))
        for var, name in zip(closed.jaxpr.invars, self._names, strict=True):
            self._known[var] = _Input(name, var.aval)
        for i, (var, value) in enumerate(zip(closed.jaxpr.constvars, closed.consts, strict=True)):
            self._known[var] = _Input(f"constants/{i}", jax.typeof(value) if hasattr(jax, "typeof") else var.aval)

    def read(self, var: Any, scope: str) -> str | None:
        """The reference of a variable; None of a literal."""
        if hasattr(var, "val"):
            return None
        known = self._known.get(var)
        if isinstance(known, _Input):
            known.node = known.node or self._input(known.path, known.aval, scope)
            return known.node
        return known

    def _input(self, path: str, aval: Any, scope: str) -> str:
        """The node of an input: what belongs to a tree of weights in the scope that reads it first, others apart."""
        head, _, name = path.rpartition("/")
        learnt = bool(head) and not path.startswith("constants/") and jnp.issubdtype(aval.dtype, jnp.inexact)
        place = f"{scope.removeprefix('backward/')}/{name}" if learnt and scope else f"inputs/{path}"
        kind = "parameter" if learnt else "constant" if path.startswith("constants/") else "input"
        node = self.add(place, kind, [], [aval], {"path": path})
        if learnt:
            self._sizes[node] = math.prod(aval.shape)
        return node

    def add(
        self,
        name: str,
        op: str,
        inputs: list[str],
        avals: list[Any],
        attributes: Mapping[str, Attribute] | None = None,
        source: str = "",
        flops: int = 0,
    ) -> str:
        """A node, under its name or the next one that is free."""
        count = self._taken.get(name, 0)
        self._taken[name] = count + 1
        unique = f"{name}_{count}" if count else name
        if count and unique in self._taken:
            return self.add(name, op, inputs, avals, attributes, source, flops)
        self._taken.setdefault(unique, 1)
        scope = unique.rpartition("/")[0]
        self.nodes.append(
            Node(
                unique,
                op,
                tuple(inputs),
                tuple(_shape(aval) for aval in avals),
                dict(attributes or {}),
                dtypes=tuple(str(getattr(aval, "dtype", "")) for aval in avals),
                module=self._module(scope),
                source=source,
                parameters=sum(self._sizes.get(one, 0) for one in set(inputs)),
                flops=flops,
                memory=sum(_bytes(aval) for aval in avals),
            )
        )
        return unique

    def _module(self, scope: str) -> str:
        """The module whose parameters have the same path as the scope, or as its end."""
        parts = [part for part in scope.split("/") if part != "backward"]
        for start in range(len(parts)):
            for end in range(len(parts), start, -1):
                if (path := ".".join(parts[start:end])) in self._modules:
                    return path
        return ""

    def equations(self, jaxpr: Any, prefix: str, times: int) -> None:
        """A node for each equation, or for those of the function that it calls."""
        for equation in jaxpr.eqns:
            own = _scope(str(equation.source_info.name_stack))
            if own in ("", "backward") and prefix in ("", "backward"):
                own = "/".join(filter(None, (own, _optax(equation))))
            scope = _joined(prefix, own)
            name = equation.primitive.name
            bodies = _bodies(equation)
            if name in ("scan", "while", "cond"):
                self._control(name, equation, scope, times)
            elif len(bodies) >= 1 and self._fits(bodies[0], equation):
                self._call(bodies[0], equation, _joined(scope, _label(equation)), times)
            else:
                self._plain(name, equation, scope, times)

    def _fits(self, body: Any, equation: Any) -> bool:
        jaxpr = _open(body)
        return len(jaxpr.invars) == len(equation.invars) and len(jaxpr.outvars) == len(equation.outvars)

    def _enter(self, equation: Any, body: Any, inputs: list[Any], scope: str, times: int) -> list[str | None]:
        """The equations of a body of an equation, which is given these variables; what its outputs are."""
        jaxpr = _open(body)
        for var, given in zip(jaxpr.invars, inputs, strict=True):
            self._alias(var, given)
        for i, var in enumerate(jaxpr.constvars):
            self._known.setdefault(var, _Input(f"constants/{scope}/{i}", var.aval))
        before, self._caller = self._caller, _source(equation) or self._caller
        self.equations(jaxpr, scope, times)
        self._caller = before
        return [self.read(var, scope) for var in jaxpr.outvars]

    def _alias(self, var: Any, given: Any) -> None:
        """The variable of a body is that of its caller; an input stays one that nobody has read."""
        self._known.pop(var, None)
        if not hasattr(given, "val") and given in self._known:
            self._known[var] = self._known[given]

    def _call(self, body: Any, equation: Any, scope: str, times: int) -> None:
        outs = self._enter(equation, body, equation.invars, scope, times)
        for var, out in zip(equation.outvars, outs, strict=True):
            if out is not None:
                self._known[var] = out

    def _control(self, name: str, equation: Any, scope: str, times: int) -> None:
        """A loop or a branch: its bodies, and a node that has its outputs."""
        given, inside = equation.invars, _joined(scope, self._unique_scope(scope, name))
        params = equation.params
        found: list[str] = []
        if name == "scan":
            self.loops = True
            found += filter(
                None, self._enter(equation, params["jaxpr"], given, inside, times * max(1, params["length"]))
            )
        elif name == "while":
            self.loops = True
            tests, bodies = params["cond_nconsts"], params["body_nconsts"]
            carried = given[tests + bodies :]
            parts = ((given[:tests], "test", "cond_jaxpr"), (given[tests : tests + bodies], "body", "body_jaxpr"))
            for constants, part, key in parts:
                inputs = constants + carried
                found += filter(None, self._enter(equation, params[key], inputs, f"{inside}/{part}", times))
        else:
            index = self.read(given[0], scope)
            found += [index] if index is not None else []
            for i, branch in enumerate(params["branches"]):
                found += filter(None, self._enter(equation, branch, given[1:], f"{inside}/{i}", times))
        outs = [var.aval for var in equation.outvars]
        more: dict[str, Attribute] = {"length": int(params["length"])} if name == "scan" else {}
        node = self.add(
            f"{inside}/{name}", name, list(dict.fromkeys(found)), outs, more, _source(equation) or self._caller
        )
        self._name_outputs(equation, node)

    def _unique_scope(self, scope: str, name: str) -> str:
        key = f"{_joined(scope, name)}/"
        count = self._taken.get(key, 0)
        self._taken[key] = count + 1
        return f"{name}_{count}" if count else name

    def _plain(self, name: str, equation: Any, scope: str, times: int) -> None:
        inputs: list[str] = []
        attributes: dict[str, Attribute] = {}
        for i, var in enumerate(equation.invars):
            reference = self.read(var, scope)
            if reference is not None:
                inputs.append(reference)
            elif hasattr(var, "val"):
                attributes[f"input {i}"] = str(var.val)[:_TEXTS]
        for key, value in equation.params.items():
            if value is not None and not callable(value) and not hasattr(value, "jaxpr"):
                attributes[key] = value if isinstance(value, bool | int | float) else str(value)[:_TEXTS]
        outs = [var.aval for var in equation.outvars]
        read = sum(_bytes(var.aval) for var in equation.invars)
        attributes["bytes accessed"] = read + sum(map(_bytes, outs))
        if times > 1:
            attributes["times"] = times
        flops = times * _flops(name, equation)
        node = self.add(_joined(scope, name), name, inputs, outs, attributes, _source(equation) or self._caller, flops)
        self._name_outputs(equation, node)

    def _name_outputs(self, equation: Any, node: str) -> None:
        for i, var in enumerate(equation.outvars):
            self._known[var] = f"{node}:{i}" if i else node


def _module_of(path: str) -> str:
    """The module that holds an input, joined by dots: its path without the argument and what holds all weights."""
    parts = path.split("/")[1:-1]
    while parts and parts[0] in _HOLDERS:
        parts = parts[1:]
    return ".".join(parts)


# Reading equations ---------------------------------------------------------------------------------------------------


def _bodies(equation: Any) -> list[Any]:
    found: list[Any] = []
    for key in ("jaxpr", "call_jaxpr", "fun_jaxpr", "call"):
        value = equation.params.get(key)
        if hasattr(value, "jaxpr") or hasattr(value, "eqns"):
            found.append(value)
    return found


def _open(body: Any) -> Any:
    return body.jaxpr if hasattr(body, "jaxpr") else body


def _label(equation: Any) -> str:
    """The scope that a compiled function within is: its name, unless it is a small one of JAX's own."""
    name = equation.params.get("name", "")
    if not isinstance(name, str) or not name or name.startswith(("_", "<")):
        return ""
    source = _source(equation, anywhere=True)
    return "" if source.startswith(_LIBRARIES) or len(_open(_bodies(equation)[0]).eqns) < 2 else name


def _scope(stack: str) -> str:
    """A stack of names as a scope: `transpose(jvp(Net))/Dense_0` is `backward/Net/Dense_0`."""
    backward = "transpose(" in stack
    parts: list[str] = []
    for piece in _pieces(stack):
        inner = piece
        while (opened := inner.find("(")) > 0 and inner.endswith(")") and inner[:opened] in _TRANSFORMS:
            inner = inner[opened + 1 : -1]
        for part in inner.split("/"):
            named = part.startswith(_EQUINOX) and parts and not parts[-1].startswith(_EQUINOX)  # by ours before it
            if part and part not in _TRANSFORMS and not named:
                parts.append(part)
    return _LIFTED.sub("", "/".join((["backward"] if backward else []) + parts))


def _pieces(stack: str) -> list[str]:
    """Split at the slashes that lie in no bracket."""
    pieces, depth, start = [], 0, 0
    for i, character in enumerate(stack):
        depth += (character == "(") - (character == ")")
        if character == "/" and not depth:
            pieces.append(stack[start:i])
            start = i + 1
    return [*pieces, stack[start:]]


def _joined(prefix: str, scope: str) -> str:
    if not prefix or not scope:
        return prefix or scope
    if scope.startswith("backward/") and not prefix.startswith("backward"):
        return f"backward/{prefix}/{scope.removeprefix('backward/')}"
    return scope if scope == prefix or scope.startswith(f"{prefix}/") else f"{prefix}/{scope}"


def _optax(equation: Any) -> str:
    """Where an equation of optax lies that is in no scope: a transformation's, or an update's, below `optimizer`; else,
    as a loss, under the function that was called.

    Optax names no scopes, and an update has some operations for each weight.
    """
    called, updates = "", False
    for frame in getattr(equation.source_info.traceback, "frames", None) or ():
        if "/optax/" in frame.file_name:
            called, _, inner = frame.function_name.partition(".<locals>.")
            updates = inner.endswith("update_fn") or frame.file_name.endswith("/update.py")
            if updates and called != "chain":
                break
    return f"optimizer/{called}" if updates else called


def _source(equation: Any, anywhere: bool = False) -> str:
    """The line of the user's program that asks for an equation, as `file:line`."""
    traceback = equation.source_info.traceback
    for frame in getattr(traceback, "frames", None) or ():
        name = frame.file_name
        if name.startswith(("<frozen", _ROOT)) or "/jax/_src/" in name or name.endswith("/contextlib.py"):
            continue
        if anywhere or not (name.startswith(_LIBRARIES) or name.startswith("<")):
            return f"{name}:{getattr(frame, 'start_line', None) or frame.line_num}"
    return ""


def _shape(aval: Any) -> tuple[int, ...] | None:
    shape = getattr(aval, "shape", None)
    return None if shape is None else tuple(size if isinstance(size, int) else -1 for size in shape)


def _bytes(aval: Any) -> int:
    shape, dtype = _shape(aval), getattr(aval, "dtype", None)
    try:
        return 0 if shape is None or dtype is None else math.prod(shape) * dtype.itemsize
    except (AttributeError, TypeError):  # keys of random numbers
        return 0


def _flops(name: str, equation: Any) -> int:
    """Floating-point operations of one equation: a multiplication and an addition are two."""
    out = math.prod(_shape(equation.outvars[0].aval) or ()) if equation.outvars else 0
    shapes: list[tuple[int, ...]] = [_shape(var.aval) or () for var in equation.invars]
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        return 2 * out * math.prod(shapes[0][axis] for axis in contracted)
    if name == "conv_general_dilated":
        numbers = equation.params["dimension_numbers"]
        return 2 * out * math.prod(shapes[1]) // max(1, shapes[1][numbers.rhs_spec[0]])
    if not equation.outvars or not jnp.issubdtype(getattr(equation.outvars[0].aval, "dtype", jnp.int32), jnp.inexact):
        return 0
    if name.startswith(("reduce_", "cum", "arg")):
        return math.prod(shapes[0]) if shapes else 0
    return out if name in _ONE_EACH else 0
