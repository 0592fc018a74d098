"""What events are called by those who record them, and what kind that makes them.

Sources: the categories of PyTorch's traces, 2021 to 2.13, as libkineto writes them; names of its records of steps,
loading and communication; the planes and lines of XSpace as XLA's profiler names them.
"""

from __future__ import annotations

import re
from typing import Final

from .model import Kind

__all__ = ["category_kind", "device_kind", "host_kind", "is_stream", "is_work", "step_number", "xla_host_kind"]

_COMMUNICATION: Final = re.compile(
    r"nccl|rccl|msccl|oneccl|all[-_]?reduce|all[-_]?gather|reduce[-_]?scatter|all[-_]?to[-_]?all|collective[-_]?permute",
    re.IGNORECASE,
)
_COMM_OP: Final = re.compile(r"(nccl|gloo|mpi|ucc|xccl|hccl):|c10d::|record_param_comms")
_LOADING: Final = re.compile(
    r"enumerate\(DataLoader\)#.*\.__next__$|enumerate\(DataPipe\)#|tallyboard\.data$|IteratorGetNext"
    r"|\[.*\]\.(train|val\w*|test|predict)_(dataloader_)?next$|InfeedEnqueue|HostInfeed"
)
_LOADING_BY_USERS: Final = re.compile(
    r"(next|load|fetch|get|read|wait)?[_ ./]?(for[_ ])?(data|input|batch(es)?|examples)"
    r"([_ ./]?(load(ing|er)?|wait(ing)?|fetch(ing)?|next|time))?$|(data)?load(ing)?$|fetch$",
    re.IGNORECASE,
)
"""What people call the part of their loop that gets the next batch; asked of spans of XLA's, which have no category."""

_COMPILING: Final = re.compile(
    r"TorchDynamo|torch[-_]compile|.*inductor_compile|compile_fx|.*Compile(d?Function|Fx|ToHlo)?\b|.*backend_compile"
)
_STEP: Final = re.compile(r"ProfilerStep\s*#(\d+)")

_CATEGORIES: Final = {
    "gpu_memcpy": Kind.MEMCPY,
    "memcpy": Kind.MEMCPY,
    "gpu_memset": Kind.MEMSET,
    "memset": Kind.MEMSET,
    "gpu_user_annotation": Kind.DEVICE_ANNOTATION,
    "cuda_sync": Kind.DEVICE_SYNC,
    "runtime": Kind.RUNTIME,
    "cuda_runtime": Kind.RUNTIME,
    "hip_runtime": Kind.RUNTIME,
    "xpu_runtime": Kind.RUNTIME,
    "mtia_runtime": Kind.RUNTIME,
    "privateuse1_runtime": Kind.RUNTIME,
    "cuda_driver": Kind.DRIVER,
    "xpu_driver": Kind.DRIVER,
    "privateuse1_driver": Kind.DRIVER,
}


def step_number(name: str) -> int | None:
    """The number in the name of a step that PyTorch's profiler marked."""
    found = _STEP.match(name)
    return int(found[1]) if found and len(found[1]) < 19 else None


def device_kind(name: str) -> Kind:
    """The kind of a device's work, by its name."""
    if name.startswith(("Memcpy", "memcpy")):
        return Kind.MEMCPY
    if name.startswith(("Memset", "memset")):
        return Kind.MEMSET
    return Kind.COMM_KERNEL if _COMMUNICATION.search(name) else Kind.KERNEL


def host_kind(name: str, usual: Kind) -> Kind:
    """The kind of a span of the host: by its name, else the usual one."""
    if _STEP.match(name):
        return Kind.STEP
    if name.startswith("Optimizer."):  # a span, though PyTorch 1.8 gave it the category of operators
        return Kind.ANNOTATION
    if _LOADING.match(name):
        return Kind.DATALOAD
    if _COMM_OP.match(name):
        return Kind.COMM_OP
    if _COMPILING.match(name):
        return Kind.COMPILE
    return usual


def xla_host_kind(name: str) -> Kind:
    """The kind of a span of the host in a trace of XLA's or TensorFlow's profiler."""
    if name.startswith(("ThreadpoolListener::", "end: ", "ThreadpoolEvent")):
        return Kind.OTHER  # marks without a length
    if name.startswith("$"):
        return Kind.PY_FUNCTION
    if _LOADING_BY_USERS.match(name):
        return Kind.DATALOAD
    return host_kind(name, Kind.CPU_OP)


def is_stream(line: str) -> bool:
    """Whether a line of a device holds what ran on one of its streams."""
    return line.startswith("Stream #")


def is_work(line: str, streams: bool) -> bool:
    """Whether a line of a device holds its work, rather than what was derived from it.

    Args:
        line: its name.
        streams: whether the device has lines of streams.
    """
    return is_stream(line) if streams else line in ("XLA Ops", "Async XLA Ops", "TensorFlow Ops")


def category_kind(category: str, name: str) -> Kind | None:
    """The kind of a span of a torch trace, None of a category nobody knows.

    Args:
        category: as the trace has it, in lower case.
        name: the event's.
    """
    if category in ("kernel", "concurrent_kernel"):
        return Kind.COMM_KERNEL if _COMMUNICATION.search(name) else Kind.KERNEL
    if category in ("cpu_op", "operator", "python"):
        return host_kind(name, Kind.CPU_OP)
    if category == "user_annotation":
        return host_kind(name, Kind.ANNOTATION)
    if category == "python_function":
        return Kind.MODULE if name.startswith("nn.Module: ") else Kind.PY_FUNCTION
    if category in ("trace", "overhead"):
        return Kind.OTHER
    return _CATEGORIES.get(category)
