"""The model as a tree of modules, and the time that each took.

PyTorch's traces with stacks have a span for each call of an `nn.Module`; they hold each other as modules do. XLA's and
TensorFlow's operations are named after the scopes in which they were made: those of Keras' layers, of flax's modules,
of `jax.named_scope` and `tf.name_scope`. Either way a node is a name inside its parent.

What the backward pass does for a module is found by autograd's numbers (see `flows`), or stands in scopes that say so:
`transpose(jvp(Dense_0))` and `gradient_tape/dense`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..dataframes import Columns, Labels, Table
from .model import DEVICE, Kind, Profile
from .nesting import parents

__all__ = ["ModuleTable", "modules"]

_MODULE: Final = "nn.Module: "
_OPERATION: Final = re.compile(r"([^:\s]+/[^:\s]+):\w+")  # of TensorFlow: its path, and its type
_WRAPPED: Final = re.compile(r"([A-Za-z_]\w*)\((.*)\)")
_ENTRIES: Final = re.compile(r"(Stateful)?PartitionedCall(_\d+)?|__inference_\w+|main")
"""How graphs are entered; no scope of the model's."""


@dataclass(frozen=True, slots=True)
class ModuleTable(Table):
    """A row for each module, its children after it, in the order in which they first ran. Times are nanoseconds.

    Attributes:
        name: what the trace calls it, such as "Linear_0" or "dense".
        path: its name and its parents', with "/" between them.
        parent: int64, its parent's row; -1 of a root.
        depth: int64, how many parents it has.
        calls: int64; of scopes, how often that operation ran in them that ran most.
        host_self: float64, the forward pass on the host, without the modules inside it.
        host_total: with them.
        device_self: the work that it launched, without that of the modules inside it.
        device_total: with them.
        backward_host: what of the backward pass was for it and the modules inside it, on the host.
        backward_device: likewise the work that this launched.
    """

    name: list[str]
    path: list[str]
    parent: NDArray[np.int64]
    depth: NDArray[np.int64]
    calls: NDArray[np.int64]
    host_self: NDArray[np.float64]
    host_total: NDArray[np.float64]
    device_self: NDArray[np.float64]
    device_total: NDArray[np.float64]
    backward_host: NDArray[np.float64]
    backward_device: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.name)

    def _columns(self) -> Columns:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


class _Tree:
    """Modules by parent and name, numbered as they come: a parent before its children."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], int] = {}

    def __len__(self) -> int:
        return len(self._known)

    def node(self, parent: int, name: str) -> int:
        """The number of a module."""
        return self._known.setdefault((parent, name), len(self._known))

    def table(self, calls: NDArray[np.int64], own: dict[str, NDArray[np.float64]]) -> ModuleTable:
        """The tree with what each node has by itself, and of that with its children's."""
        keys = list(self._known)
        many = len(keys)
        parent = np.array([up for up, _ in keys], np.int64)
        total = {name: column.copy() for name, column in own.items()}
        for node in range(many - 1, -1, -1):
            if parent[node] >= 0:
                for column in total.values():
                    column[parent[node]] += column[node]
        inside: dict[int, list[int]] = {}
        for node, up in enumerate(parent.tolist()):
            inside.setdefault(up, []).append(node)
        order: list[int] = []
        waiting = inside.get(-1, [])[::-1]
        while waiting:
            order.append(waiting.pop())
            waiting += inside.get(order[-1], [])[::-1]
        row = np.full(many + 1, -1, np.int64)
        row[order] = np.arange(many)
        paths: list[str] = []
        depth = np.zeros(many, np.int64)
        for node, (up, name) in enumerate(keys):
            paths.append(name if up < 0 else f"{paths[up]}/{name}")
            depth[node] = 0 if up < 0 else depth[up] + 1
        return ModuleTable(
            name=[keys[node][1] for node in order],
            path=[paths[node] for node in order],
            parent=row[parent[order]],
            depth=depth[order],
            calls=calls[order],
            host_self=own["host"][order],
            host_total=total["host"][order],
            device_self=own["device"][order],
            device_total=total["device"][order],
            backward_host=total["backward_host"][order],
            backward_device=total["backward_device"][order],
        )


def modules(profile: Profile) -> ModuleTable:
    """A row for each module, or scope; none where the trace has neither.

    Args:
        profile: the profile. PyTorch's has modules when it was recorded with `with_stack=True`.
    """
    return _by_spans(profile) if profile.events.of(Kind.MODULE).any() else _by_scopes(profile)


def _by_spans(profile: Profile) -> ModuleTable:
    events = profile.events
    holds = events.of(Kind.MODULE)
    pairs = profile.flows["backward"]
    ahead = np.zeros(len(events), bool)
    ahead[pairs[:, 0]] = True
    holder = parents(profile, holds, ahead | events.of(Kind.RUNTIME, Kind.DRIVER))
    tree = _Tree()
    node = np.full(len(events) + 1, -1, np.int64)  # the last for what is in no module
    rows = np.flatnonzero(holds)
    for row in rows[np.lexsort((rows, -events.end[rows], events.start[rows]))].tolist():
        node[row] = tree.node(int(node[holder[row]]), events.name_of(row).removeprefix(_MODULE))
    many = len(tree)
    lasting = events.end - events.start
    host = _summed(node[rows], lasting[rows], many)
    inner = rows[holder[rows] >= 0]
    host -= _summed(node[holder[inner]], lasting[inner], many)
    work = np.flatnonzero(events.of(*DEVICE) & (profile.launcher >= 0))
    call = profile.launcher[work]
    own = {"host": host, "device": _summed(node[holder[call]], lasting[work], many)}
    of_pair = node[holder[pairs[:, 0]]]
    own["backward_host"] = _summed(of_pair, lasting[pairs[:, 1]], many)
    back = np.zeros(len(events), bool)
    back[pairs[:, 1]] = True
    of_back = np.full(len(events) + 1, -1, np.int64)
    of_back[pairs[:, 1]] = of_pair
    own["backward_device"] = _summed(of_back[parents(profile, back)[call]], lasting[work], many)
    return tree.table(np.bincount(node[rows], minlength=many).astype(np.int64), own)


def _summed(node: NDArray[np.int64], values: NDArray[np.float64], many: int) -> NDArray[np.float64]:
    """The sum of the values of each node; of those in none, nowhere."""
    kept = node >= 0
    return np.bincount(node[kept], values[kept], many).astype(np.float64)


def _by_scopes(profile: Profile) -> ModuleTable:
    events = profile.events
    texts, code = _operations(profile)
    paths = [_path(text) for text in texts]
    backwards = np.array([back for _, back in paths], bool)
    operations = {path for path, _ in paths}
    scopes: list[tuple[str, ...]] = [_around(path, operations) for path, _ in paths]
    rows = np.flatnonzero(code >= 0)
    rows = rows[np.argsort(events.start[rows], kind="stable")]
    tree = _Tree()
    nodes = np.full(len(texts), -1, np.int64)
    first_seen: list[int] = list(dict.fromkeys(code[rows].tolist()))
    for i in first_seen:
        around: tuple[str, ...] = scopes[i]
        for name in around:
            nodes[i] = tree.node(int(nodes[i]), name)
    many = len(tree)
    counted = np.zeros(len(events), bool)
    counted[rows] = True
    holder = parents(profile, counted, counted)
    own_time = events.end - events.start
    inner = rows[holder[rows] >= 0]
    np.subtract.at(own_time, holder[inner], (events.end - events.start)[inner])
    back = backwards[code[rows]]
    on_device = events.of(*DEVICE)[rows]
    own = {
        name: _summed(nodes[code[rows[which]]], own_time[rows[which]], many)
        for name, which in (
            ("host", ~on_device & ~back),
            ("device", on_device & ~back),
            ("backward_host", ~on_device & back),
            ("backward_device", on_device & back),
        )
    }
    often = np.zeros(many, np.int64)
    for i, times in zip(*np.unique(code[rows], return_counts=True), strict=True):
        if nodes[i] >= 0:
            often[nodes[i]] = max(often[nodes[i]], times)
    return tree.table(_most(tree, often), own)


def _most(tree: _Tree, often: NDArray[np.int64]) -> NDArray[np.int64]:
    """The most of each node and the nodes inside it."""
    for node, (parent, _) in reversed(list(enumerate(tree._known))):  # pyright: ignore[reportPrivateUsage]
        if parent >= 0:
            often[parent] = max(often[parent], often[node])
    return often


def _operations(profile: Profile) -> tuple[list[str], NDArray[np.int64]]:
    """The full names of operations, and for each event which it is, -1 for one that is none."""
    events = profile.events
    codes: dict[str, int] = {}
    found = np.full(len(events), -1, np.int64)
    for column in ("tf_op", "long_name", "scope"):  # of several the last says most
        rows, labels = events.extras.sparse(column)
        if not isinstance(labels, Labels):
            continue
        if column == "long_name":
            names = [path[1] if (path := _OPERATION.fullmatch(text)) else "" for text in labels.names]
        else:
            names = list(labels.names)
        told = np.array([codes.setdefault(name, len(codes)) if name else -1 for name in names], np.int64)
        # on the host, records of memory have a tf_op, and are no operation
        fits = (told[labels.codes] >= 0) & ((column != "tf_op") | (events.device[rows] >= 0))
        found[rows[fits]] = told[labels.codes][fits]
    return list(codes), np.where(events.of(Kind.CPU_OP, Kind.COMM_OP, *DEVICE), found, -1)


def _path(text: str) -> tuple[tuple[str, ...], bool]:
    """The scopes around an operation, the outermost first, and its own name; whether it is of the backward pass."""
    names: list[str] = []
    back = False
    for part in _parts(text.partition(":")[0]):
        while wrapped := _WRAPPED.fullmatch(part):
            back |= wrapped[1] == "transpose"
            part = wrapped[2]
        if part == "gradient_tape":
            back = True
        elif part and not _ENTRIES.fullmatch(part):
            names.append(part)
    return tuple(names), back


def _around(path: tuple[str, ...], operations: set[tuple[str, ...]]) -> tuple[str, ...]:
    """The scopes of an operation. TensorFlow has operations inside others, `dense/BiasAdd/ReadVariableOp`."""
    path = path[:-1]
    while path in operations:
        path = path[:-1]
    return path


def _parts(path: str) -> list[str]:
    """The path split at the slashes that stand in no brackets."""
    parts, depth = [""], 0
    for sign in path:
        depth += (sign == "(") - (sign == ")")
        if sign == "/" and depth <= 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts
