"""Functions of TensorFlow's graphs: what each does stands as a scope where it is called.

`call` becomes `call/…`: the function's arguments, each reading what the call was given, its nodes, and
`call/outputs/…`, which those read who read the call. An operation that runs functions of its own (`While`, `If`, a
dataset's `map`) is `call/While` beside `call/body/…` and `call/cond/…`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .graph_values import SHAPES, shape_of, type_name

if TYPE_CHECKING:
    from .graph import Shape
    from .proto import graph_pb2

__all__ = ["MOST_ADDED", "Library", "Written"]

_CALLS: Final = frozenset({"PartitionedCall", "StatefulPartitionedCall", "RemoteCall"})
_BRANCHING: Final = frozenset({"If", "StatelessIf", "Case", "StatelessCase"})
_DEEPEST: Final = 32  # calls within calls
MOST_ADDED: Final = 50_000
"""Nodes that functions add to a graph."""

_NAMED: Final = 5  # functions in a note
_OUTPUTS: Final[dict[str, tuple[str, ...]]] = {  # of operations that have several of different names
    "FusedBatchNormV3": (
        *("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2", "reserve_space_3"),
    ),
    "FusedBatchNormGradV3": ("x_backprop", "scale_backprop", "offset_backprop", "reserve_space_4", "reserve_space_5"),
    "SoftmaxCrossEntropyWithLogits": ("loss", "backprop"),
    "SparseSoftmaxCrossEntropyWithLogits": ("loss", "backprop"),
    "BroadcastGradientArgs": ("r0", "r1"),
    "TopKV2": ("values", "indices"),
    "Unique": ("y", "idx"),
    "Switch": ("output_false", "output_true"),
    "Merge": ("output", "value_index"),
}


@dataclass(slots=True)
class Written:
    """A node as it is written, with the name and the inputs that it has here."""

    name: str
    op: str
    inputs: tuple[str, ...]
    entry: graph_pb2.NodeDef
    shapes: tuple[Shape | None, ...] = ()
    dtypes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Scope:
    """Where nodes are read: the graph itself, or a function in one of its calls.

    Attributes:
        prefix: of the names of its nodes, `call/`; empty for the graph.
        within: functions that are being read already.
        arguments: what stands for each argument of the function.
        calls: what those read who name a call: the names of its outputs by number, and by the signature's name.
        operations: what nodes do, by name.
    """

    prefix: str
    within: tuple[str, ...]
    arguments: Mapping[str, str]
    calls: dict[str, _Call] = field(default_factory=dict[str, "_Call"])
    operations: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class _Call:
    """What stands for the outputs of a call: names of nodes, or one node that has them all."""

    outputs: list[str]
    by_name: dict[str, int]
    whole: str


class Library:
    """The functions of a graph.

    Args:
        functions: as the graph has them.
        room: how many nodes functions may add.

    Attributes:
        notes: what was left out, once `read` has ended.
    """

    def __init__(self, functions: Iterable[graph_pb2.FunctionDef], room: int) -> None:
        self._functions = {function.signature.name: function for function in functions}
        self._room = min(room, MOST_ADDED)
        self._asides: dict[str, str] = {}
        self._made: list[Written] = []
        self._used: set[str] = set()
        self._closed: dict[str, None] = {}
        self.notes: list[str] = []

    def read(self, entries: Iterable[graph_pb2.NodeDef]) -> list[Written]:
        """The nodes of the graph, and of the functions that they call."""
        if not self._functions:
            return [Written(entry.name, entry.op, tuple(entry.input[:]), entry) for entry in entries]
        self._read(list(entries), _Scope("", (), {}))
        idle = [name for name in self._functions if name not in self._used]
        if idle:
            self.notes.append(f"{_counted(len(idle), 'function')} that nothing calls are not drawn: {_some(idle)}.")
        if self._closed:
            self.notes.append(
                f"Calls of these functions are drawn closed, to keep the graph small: {_some(self._closed)}."
            )
        return self._made

    def _read(self, entries: list[graph_pb2.NodeDef], scope: _Scope) -> None:
        opened = {entry.name: calls for entry in entries if (calls := self._opened(entry, scope))}
        for entry in entries:
            scope.operations[entry.name] = entry.op
            if entry.name in opened:
                scope.calls[entry.name] = self._outputs(entry, opened[entry.name], scope)
        for entry in entries:
            inputs = tuple(self._source(reference, scope) for reference in entry.input)
            if entry.name in opened:
                self._open(entry, opened[entry.name], inputs, scope)
            else:
                self._made.append(Written(scope.prefix + entry.name, entry.op, inputs, entry))

    def _opened(self, entry: graph_pb2.NodeDef, scope: _Scope) -> list[tuple[str, str]]:
        """The functions that a node calls, each with the attribute that names it; none where they stay closed."""
        found = [("", entry.op)] if entry.op in self._functions else list(self._named(entry))
        if not found:
            return []
        self._used.update(name for _, name in found)
        needed = sum(self._size(name) for _, name in found)
        if any(name in scope.within for _, name in found) or len(scope.within) >= _DEEPEST or needed > self._room:
            self._closed.update(dict.fromkeys(name for _, name in found))
            return []
        self._room -= needed
        return found

    def _named(self, entry: graph_pb2.NodeDef) -> Iterator[tuple[str, str]]:
        for key in sorted(entry.attr):
            value = entry.attr[key]
            kind = value.WhichOneof("value")
            if kind == "func" and value.func.name in self._functions:
                yield key, value.func.name
            elif kind == "list":
                for number, function in enumerate(value.list.func):
                    if function.name in self._functions:
                        yield f"{key}_{number}", function.name

    def _size(self, name: str) -> int:
        function = self._functions[name]
        return 1 + len(function.node_def) + len(function.signature.input_arg) + len(function.signature.output_arg)

    def _outputs(self, entry: graph_pb2.NodeDef, calls: list[tuple[str, str]], scope: _Scope) -> _Call:
        """What those read who read a call."""
        name = scope.prefix + entry.name
        if not _is_plain(entry, calls):
            return _Call([], {}, f"{name}/{entry.op}")
        signature = self._functions[calls[0][1]].signature
        names = [f"{name}/{self._aside(calls[0][1])}/{output.name}" for output in signature.output_arg]
        return _Call(names, {output.name: i for i, output in enumerate(signature.output_arg)}, "")

    def _aside(self, name: str) -> str:
        """The scope of a function's outputs, which is no scope of its nodes."""
        if (known := self._asides.get(name)) is not None:
            return known
        taken = {entry.name.partition("/")[0] for entry in self._functions[name].node_def}
        taken.update(argument.name for argument in self._functions[name].signature.input_arg)
        found = "outputs"
        while found in taken:
            found += "_"
        self._asides[name] = found
        return found

    def _open(
        self, entry: graph_pb2.NodeDef, calls: list[tuple[str, str]], inputs: tuple[str, ...], scope: _Scope
    ) -> None:
        name = scope.prefix + entry.name
        if _is_plain(entry, calls):
            self._body(calls[0][1], f"{name}/", inputs, scope)
            return
        given = [one for one in inputs if not one.startswith("^")]
        given = given[1:] if entry.op in _BRANCHING else given
        results: list[str] = []
        for key, function in calls:
            signature = self._functions[function].signature
            reads = given if len(given) == len(signature.input_arg) else []
            self._body(function, f"{name}/{key}/", tuple(reads), scope)
            results += [f"{name}/{key}/{self._aside(function)}/{output.name}" for output in signature.output_arg]
        self._made.append(Written(f"{name}/{entry.op}", entry.op, (*inputs, *results), entry))

    def _body(self, name: str, prefix: str, inputs: tuple[str, ...], scope: _Scope) -> None:
        """A function as it is called: its arguments, its nodes, and its outputs."""
        from .proto.graph_pb2 import NodeDef

        nothing = NodeDef()
        function = self._functions[name]
        arguments = {argument.name: prefix + argument.name for argument in function.signature.input_arg}
        given = [one for one in inputs if not one.startswith("^")]
        control = tuple(one for one in inputs if one.startswith("^"))
        for i, argument in enumerate(function.signature.input_arg):
            reads = (given[i],) if i < len(given) else ()
            about = _argument_shapes(function, i), (type_name(argument.type),) if argument.type else ()
            self._made.append(
                Written(arguments[argument.name], "Arg", (*reads, *(control if not i else ())), nothing, *about)
            )
        inner = _Scope(prefix, (*scope.within, name), arguments)
        self._read(list(function.node_def), inner)
        aside = f"{prefix}{self._aside(name)}/"
        for output in function.signature.output_arg:
            source = self._source(function.ret[output.name], inner) if output.name in function.ret else ""
            dtypes = (type_name(output.type),) if output.type else ()
            inputs = (source,) if source else ()
            self._made.append(Written(aside + output.name, "Retval", inputs, nothing, (), dtypes))

    def _source(self, reference: str, scope: _Scope) -> str:
        """What a reference means here: in a graph `node` or `node:1`, in a function `node:output:1` or an argument."""
        if reference.startswith("^"):
            name = reference[1:]
            call = scope.calls.get(name)
            if call is not None:
                return f"^{call.whole or (call.outputs[0] if call.outputs else scope.prefix + name)}"
            return f"^{scope.arguments.get(name, scope.prefix + name)}"
        if reference in scope.arguments:
            return scope.arguments[reference]
        name, *rest = reference.split(":")
        number = int(rest[-1]) if rest and rest[-1].isdigit() and len(rest[-1]) < 9 else 0
        output = rest[0] if len(rest) > 1 else ""
        call = scope.calls.get(name)
        if call is None or call.whole:
            listed = _OUTPUTS.get(scope.operations.get(name, ""), ())
            slot = listed.index(output) if output in listed else number
            base = scope.prefix + name if call is None else call.whole
            return f"{base}:{slot}" if slot else base
        slot = call.by_name.get(output, number)
        return call.outputs[slot] if slot < len(call.outputs) else scope.prefix + reference


def _argument_shapes(function: graph_pb2.FunctionDef, number: int) -> tuple[Shape | None, ...]:
    if number not in function.arg_attr or SHAPES not in function.arg_attr[number].attr:
        return ()
    return tuple(shape_of(shape) for shape in function.arg_attr[number].attr[SHAPES].list.shape)


def _is_plain(entry: graph_pb2.NodeDef, calls: list[tuple[str, str]]) -> bool:
    """Whether the node is nothing but a call of one function."""
    return len(calls) == 1 and (entry.op in _CALLS or not calls[0][0])


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' * (count != 1)}"


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    rest = len(listed) - _NAMED
    return ", ".join([*(name[:80] for name in listed[:_NAMED]), *([f"and {rest} more"] * (rest > 0))])
