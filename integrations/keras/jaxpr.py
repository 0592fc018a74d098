"""A jaxpr as a graph: each equation a node, in the scope in which JAX traced it."""

from __future__ import annotations

import sys
from typing import Any, Final

from tallyboard.core.graph import Attribute, Graph, Node
from tallyboard.core.graph_read import distinct_names

__all__ = ["graph_of_jaxpr"]

_MOST_NODES: Final = 20_000
_INNER: Final = ("jaxpr", "call_jaxpr", "fun_jaxpr", "cond_jaxpr", "body_jaxpr", "branches")
_CALLS: Final = ("pjit", "jit", "closed_call", "core_call", "remat", "checkpoint", "custom_jvp_call", "custom_vjp_call")


def graph_of_jaxpr(closed: Any, names: list[str]) -> Graph:
    """The equations of a closed jaxpr; functions that it calls are drawn where they are called, loops as scopes.

    Args:
        closed: as `jax.make_jaxpr` gives it.
        names: of its first inputs, which are the model's variables; the rest is called `input`.
    """
    drawing = _Drawing()
    known: dict[Any, str] = {}
    for number, variable in enumerate(closed.jaxpr.invars):
        late = number - len(names)
        name = f"variables/{names[number]}" if late < 0 else f"input_{late}" if late else "input"
        known[variable] = drawing.put(name, "Parameter" if late < 0 else "Input", [], [variable])
    for number, variable in enumerate(closed.jaxpr.constvars):
        known[variable] = drawing.put(f"constants/constant_{number}", "Constant", [], [variable])
    drawing.draw(closed.jaxpr, known, "")
    for number, variable in enumerate(closed.jaxpr.outvars):
        drawing.put(f"output_{number}" if number else "output", "Output", [drawing.source(variable, known)], [variable])
    return distinct_names(Graph(tuple(drawing.nodes), tuple(drawing.notes)))


class _Drawing:
    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.notes: list[str] = []
        self._counts: dict[str, int] = {}

    def put(
        self, wanted: str, op: str, inputs: list[str], results: list[Any], settings: dict[str, Attribute] | None = None
    ) -> str:
        """Adds a node."""
        count = self._counts.get(wanted, 0)
        self._counts[wanted] = count + 1
        name = f"{wanted}_{count}" if count else wanted
        shapes = tuple(tuple(int(size) if isinstance(size, int) else -1 for size in one.aval.shape) for one in results)
        dtypes = tuple(str(one.aval.dtype) for one in results)
        self.nodes.append(Node(name, op, tuple(filter(None, inputs)), shapes, settings or {}, dtypes=dtypes))
        return name

    def source(self, variable: Any, known: dict[Any, str]) -> str:
        """The output that an equation reads; of a number written out, a node of its own."""
        if hasattr(variable, "val"):
            text = str(variable.val).replace("\n", " ")[:40]
            return self.put("constants/literal", "Const", [], [variable], {"value": text})
        return known.get(variable, "")

    def draw(self, jaxpr: Any, known: dict[Any, str], scope: str) -> None:
        """Draws equations below a scope."""
        for equation in jaxpr.eqns:
            if len(self.nodes) >= _MOST_NODES:
                self.notes = [f"More than {_MOST_NODES:,} equations: the rest is not drawn."]
                return
            inputs = [self.source(one, known) for one in equation.invars]
            stack = str(equation.source_info.name_stack)
            place = f"{scope}{stack}/" if stack else scope
            kind = equation.primitive.name
            inner = [one for key in _INNER if key in equation.params for one in _listed(equation.params[key])]
            if kind in _CALLS and len(inner) == 1:
                body = getattr(inner[0], "jaxpr", inner[0])
                within = dict(zip(body.invars, inputs, strict=False))
                self.draw(body, within, place)
                for outer, result in zip(equation.outvars, body.outvars, strict=False):
                    known[outer] = self.source(result, within)
                continue
            name = self.put(place + kind, kind, inputs, equation.outvars, _settings(equation.params))
            for number, result in enumerate(equation.outvars):
                known[result] = f"{name}:{number}" if number else name
            for body in inner:
                self._draw_body(getattr(body, "jaxpr", body), inputs, f"{name}_body/")

    def _draw_body(self, body: Any, inputs: list[str], scope: str) -> None:
        """What a loop or a branch computes: its inputs are those of the loop as far as they go one to one."""
        late = inputs[len(inputs) - len(body.invars) :] if len(body.invars) <= len(inputs) else []
        self.draw(body, dict(zip(body.invars, late, strict=False)), scope)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple | list) else [value]


def _settings(params: dict[str, Any]) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    for key, value in params.items():
        if isinstance(value, bool | int | float | str):
            found[key] = value if not isinstance(value, str) else value[:200]
        elif value is not None and not callable(value) and key not in _INNER and "jax" in sys.modules:
            found[key] = str(value).replace("\n", " ")[:200]
    return found
