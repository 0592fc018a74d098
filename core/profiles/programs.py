"""What XLA's compiled programs say of their operations; profiles of JAX and TensorFlow hold them.

Format: hlo.proto of XLA, in the statistic "Hlo Proto" of the plane `/host:metadata`, whose entries are called
`program(id)`. Categories are called as XLA's profilers call them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.message import DecodeError

from ..proto.hlo_pb2 import HloInstructionProto, HloModuleProto, HloProto
from ..proto.xplane_pb2 import XSpace

__all__ = ["Programs", "programs"]

_FUSIONS: Final = {"kLoop": "loop fusion", "kInput": "input fusion", "kOutput": "output fusion"}
_FORMATTING: Final = frozenset(("bitcast", "bitcast-convert", "copy", "reshape", "transpose"))


class Programs:
    """Facts of operations: the scope in which the framework made it, its category, the line of source.

    Args:
        operations: by program, its number or its name, and operation.
        names: of programs, by number.
    """

    def __init__(self, operations: Mapping[tuple[int | str, str], dict[str, str]], names: Mapping[int, str]) -> None:
        self._operations = operations
        self._names = names

    def about(self, program: int, stats: Mapping[str, Any]) -> dict[str, str]:
        """What is known of an operation.

        Args:
            program: the number of its program, -1 where the trace does not say.
            stats: what the trace says of it: hlo_op, and hlo_module if it says so.
        """
        module, name = str(stats.get("hlo_module", self._names.get(program, ""))), str(stats["hlo_op"])
        found = self._operations.get((program, name)) or self._operations.get((module, name)) or {}
        return {"hlo_module": module, **found} if module else dict(found)


def programs(space: XSpace) -> Programs:
    """The programs in a profile; one that cannot be read is passed over."""
    operations: dict[tuple[int | str, str], dict[str, str]] = {}
    names: dict[int, str] = {}
    for plane in space.planes:
        if plane.name != "/host:metadata":
            continue
        for about in plane.event_metadata.values():
            for stat in about.stats:
                if stat.WhichOneof("value") == "bytes_value":
                    try:
                        module = HloProto.FromString(stat.bytes_value).hlo_module
                    except DecodeError:
                        continue
                    number = about.name.rpartition("(")[2].rstrip(")")
                    _take(module, int(number) if number.isdecimal() else module.id, operations, names)
    return Programs(operations, names)


def _take(
    module: HloModuleProto, number: int, operations: dict[tuple[int | str, str], dict[str, str]], names: dict[int, str]
) -> None:
    names[number] = module.name
    for computation in module.computations:
        for one in computation.instructions:
            facts = {"hlo_category": _category(one)}
            if one.metadata.op_name:
                facts["scope"] = one.metadata.op_name
            if one.metadata.source_file:
                facts["source"] = f"{one.metadata.source_file}:{one.metadata.source_line}"
            operations[number, one.name] = operations[module.name, one.name] = facts


def _category(one: HloInstructionProto) -> str:
    if one.opcode == "fusion":
        return _FUSIONS.get(one.fusion_kind, "custom fusion")
    if one.opcode == "custom-call" and one.custom_call_target:
        return f"custom-call: {one.custom_call_target}"
    return "data formatting" if one.opcode in _FORMATTING else one.opcode
