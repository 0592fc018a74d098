"""What the machine does while a model trains: processor, memory, disks, network and GPUs, from a thread of its own.

    with tb.SummaryWriter("runs/first") as writer:
        tb.system_monitor(writer)           # and the training loop stays as it is

Every ten seconds, each tag's unit standing in its description:

==============================================  ===================================================================
`system/cpu`                                    processors of the machine in use, all of them being 100 %
`system/cpu/process`                            processors that this process uses; one of them is 100 %
`system/memory`                                 memory of the machine in use, %
`system/memory/process`                         resident memory of this process, GiB
`system/threads`                                threads of this process
`system/disk/read`, `system/disk/written`       all disks, MiB a second
`system/network/received`, `.../sent`           all interfaces but the loopback, MiB a second
`system/gpu/0/utilization`, `.../memory`        time in which a kernel ran, memory in use, %
`system/gpu/0/memory_used`                      GiB
`system/gpu/0/power`, `.../temperature`         W, °C
`system/gpu/0/torch_allocated`, `..._reserved`  what PyTorch's tensors hold, and its allocator with them, GiB
==============================================  ===================================================================

The step is the number of whole seconds since the monitor began, so that the usual axis shows time; the axis of
relative time shows the same, and `step=` another count. Rates are means since the sample before, so that they begin
with the second one.

`psutil` reads the machine, `nvidia-ml-py` NVIDIA's GPUs: `pip install 'tallyboard[system]'`. Without psutil the first
five are read from Linux's /proc; a warning says once what cannot be read. AMD's GPUs are asked through PyTorch, where
the program has loaded it. GPUs that CUDA_VISIBLE_DEVICES hides are left out; the numbers are those of nvidia-smi.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from tallyboard.core.errors import warn_once
from tallyboard.core.summary import DataClass, Event, Summary
from tallyboard.core.writer import SummaryWriter

__all__ = ["SystemMonitor"]

GIB, MIB = 2.0**30, 2.0**20
LEAST = 1.0  # seconds that a last sample must span: a rate over less is noise
NVIDIA = "/dev/nvidiactl"  # is there where a driver of NVIDIA is
PATIENCE = 5.0  # seconds that the end waits for a sample under way: a driver may hang

DESCRIPTIONS = {
    "cpu": "Processors of the machine in use, % of all",
    "cpu/process": "Processors that this process uses, % of one",
    "memory": "Memory of the machine in use, %",
    "memory/process": "Resident memory of this process, GiB",
    "threads": "Threads of this process",
    "disk/read": "Read from all disks of the machine, MiB a second",
    "disk/written": "Written to all disks of the machine, MiB a second",
    "network/received": "Received from the network by the machine, MiB a second",
    "network/sent": "Sent to the network by the machine, MiB a second",
    "utilization": "Time in which a kernel ran on the GPU, %",
    "memory_used": "Memory of the GPU in use, GiB",
    "power": "Power that the GPU draws, W",
    "temperature": "Temperature of the GPU, °C",
    "torch_allocated": "Memory of the GPU that tensors of PyTorch hold, GiB",
    "torch_reserved": "Memory of the GPU that PyTorch's allocator holds, GiB",
}
GPU_MEMORY = "Memory of the GPU in use, %"


class SystemMonitor:
    """A thread that logs what the machine does, until `close()` or the end of the writer or the program.

    It need not be kept. It does not keep the writer alive, and a forked child has none. As a context manager it ends
    with the block.

    Args:
        writer: gets the values; it is not closed.
        every: seconds between two samples.
        step: gives the step of each sample, from another thread than the one that trains; by default the seconds
            since now.

    Raises:
        TypeError: `writer` cannot be written to, or `step` cannot be called.
        ValueError: `every` is no positive number.
    """

    def __init__(self, writer: SummaryWriter, every: float = 10.0, step: Callable[[], int] | None = None) -> None:
        if not callable(getattr(writer, "write_scalar", None)):
            raise TypeError(f"system_monitor expected a tb.SummaryWriter, got {type(writer).__qualname__}; pass one")
        if isinstance(every, bool) or not isinstance(every, int | float) or not 0 < every < threading.TIMEOUT_MAX:
            raise ValueError(f"system_monitor(every={every!r}): expected a number of seconds above 0")
        if step is not None and not callable(step):
            raise TypeError(f"system_monitor(step=...): expected a function, got {type(step).__qualname__}")
        self._ends: queue.SimpleQueue[None] = queue.SimpleQueue()  # which a weak reference's callback may put into
        self._writer = weakref.ref(writer, self._end)
        self._every = float(every)
        self._step = step
        self._process = os.getpid()
        self._sampler = Sampler()
        self._began = time.monotonic()
        self._latest: float | None = None
        self._described: set[str] = set()
        self._sampling = threading.RLock()
        self._thread = threading.Thread(target=self._run, name="tallyboard-system", daemon=True)
        with contextlib.suppress(RuntimeError):  # the program is ending: there is nothing left to see
            self._thread.start()
            writer.before_close(self.close)
            atexit.register(self.close)  # runs before the writer's own end, which was registered before it

    def sample(self) -> None:
        """Logs how things are now, after a sample that is under way. The thread calls this; nothing raises."""
        forked = os.getpid() != self._process  # while the thread, which is the parent's, had its turn, perhaps
        try:
            with contextlib.nullcontext() if forked else self._sampling:
                self._sample()
        except Exception as error:  # whatever it is, training goes on
            warn_once("system_monitor", f"system_monitor: a sample failed ({type(error).__name__}: {error})")

    def _sample(self) -> None:
        writer = self._writer()
        if writer is None:
            return
        self._latest = time.monotonic()
        step = int(self._latest - self._began) if self._step is None else int(self._step())
        now = time.time()
        for name, value in self._sampler.values():
            tag = f"system/{name}"
            if tag in self._described:
                writer.write_scalar(tag, value, step, now)
            else:  # the first event of a tag tells of all
                self._described.add(tag)
                writer.write(Event(step, now, Summary(tag, "scalars", DataClass.SCALAR, value, _description(name))))

    def _run(self) -> None:
        turn = 0
        while True:
            self.sample()
            turn = max(turn + 1, int((time.monotonic() - self._began) // self._every))  # those missed are not made up
            try:
                self._ends.get(timeout=max(self._began + turn * self._every - time.monotonic(), 0))
            except queue.Empty:
                continue
            break
        if self._latest is not None and time.monotonic() - self._latest >= LEAST:
            self.sample()
        self._sampler.close()
        if self._writer() is None:  # nobody closed it
            atexit.unregister(self.close)

    def _end(self, _: object = None) -> None:
        self._ends.put(None)

    def close(self) -> None:
        """Logs once more, if a second has gone by since the last time, and ends the thread; later calls do nothing."""
        if os.getpid() != self._process:
            return
        self._end()
        atexit.unregister(self.close)
        if threading.current_thread() is not self._thread and self._thread.ident is not None:
            self._thread.join(PATIENCE)

    def __enter__(self) -> SystemMonitor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _description(name: str) -> str:
    of_gpu = name.startswith("gpu/")
    name = name.split("/", 2)[2] if of_gpu else name
    return GPU_MEMORY if of_gpu and name == "memory" else DESCRIPTIONS[name]


@dataclass(slots=True)
class Counts:
    """What the machine says of itself at one moment; None for what it does not say.

    Attributes:
        when: seconds on a steady clock.
        busy, whole: seconds that all processors worked, and could have worked.
        process: seconds of processors that this process has used.
        memory: part of the machine's memory in use, %.
        resident: memory of this process, bytes.
        threads: of this process.
        moved: bytes that went through disks and network, by the names of their tags.
    """

    when: float
    busy: float | None = None
    whole: float | None = None
    process: float | None = None
    memory: float | None = None
    resident: float | None = None
    threads: int | None = None
    moved: dict[str, int] | None = None


class Sampler:
    """Reads the machine; one thread uses it."""

    def __init__(self) -> None:
        self._before: Counts | None = None
        self._gpus: Gpus | None = None
        self._psutil = _imported("psutil")

    def values(self) -> Iterator[tuple[str, float]]:
        """Name, without `system/`, and value of everything that can be read now."""
        counts = _by_psutil(self._psutil) if self._psutil is not None else _by_proc()
        if counts.resident is None:
            warn_once(
                ("system_monitor", "psutil"),
                "system_monitor: processor and memory cannot be read without psutil: pip install 'tallyboard[system]'",
            )
        yield from _named(counts, self._before)
        self._before = counts
        if self._gpus is None:
            self._gpus = Gpus()
        yield from self._gpus.values()

    def close(self) -> None:
        """Lets go of the drivers."""
        if self._gpus is not None:
            self._gpus.close()


def _named(now: Counts, before: Counts | None) -> Iterator[tuple[str, float]]:
    """Names and values of what was counted, rates since the counts before."""
    if before is not None and now.when > before.when:
        seconds = now.when - before.when
        if now.busy is not None and now.whole is not None and before.busy is not None and before.whole is not None:
            whole = now.whole - before.whole
            if whole > 0:
                yield "cpu", min(max(100 * (now.busy - before.busy) / whole, 0.0), 100.0)
        if now.process is not None and before.process is not None:
            yield "cpu/process", 100 * (now.process - before.process) / seconds
        for name, total in (now.moved or {}).items():
            past = (before.moved or {}).get(name)
            if past is not None and total >= past:
                yield name, (total - past) / seconds / MIB
    if now.memory is not None:
        yield "memory", now.memory
    if now.resident is not None:
        yield "memory/process", now.resident / GIB
    if now.threads is not None:
        yield "threads", float(now.threads)


def _by_psutil(psutil: Any) -> Counts:
    counts = Counts(time.monotonic(), process=time.process_time())
    with contextlib.suppress(Exception):  # each is refused on some machine: containers hide /proc/diskstats
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        counts.whole = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        counts.busy = counts.whole - idle
    with contextlib.suppress(Exception):
        counts.memory = psutil.virtual_memory().percent
    with contextlib.suppress(Exception):
        process = psutil.Process()
        counts.resident, counts.threads = process.memory_info().rss, process.num_threads()
    counts.moved = {}
    with contextlib.suppress(Exception):
        disks = psutil.disk_io_counters()
        if disks is not None:
            counts.moved |= {"disk/read": disks.read_bytes, "disk/written": disks.write_bytes}
    with contextlib.suppress(Exception):
        cards = [card for name, card in psutil.net_io_counters(pernic=True).items() if not name.startswith("lo")]
        if cards:
            counts.moved["network/received"] = sum(card.bytes_recv for card in cards)
            counts.moved["network/sent"] = sum(card.bytes_sent for card in cards)
    return counts


def _by_proc() -> Counts:
    """What Linux tells in /proc (proc(5)); elsewhere the time of this process alone."""
    counts = Counts(time.monotonic(), process=time.process_time())
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/stat", encoding="ascii") as file:
            ticks = [int(word) for word in file.readline().split()[1:9]]  # what guests used is in user and nice, too
        counts.whole = float(sum(ticks))
        counts.busy = counts.whole - ticks[3] - ticks[4]
    with contextlib.suppress(OSError, ValueError, KeyError):
        memory = _fields("/proc/meminfo")
        counts.memory = 100 * (1 - memory["MemAvailable"] / memory["MemTotal"])
    with contextlib.suppress(OSError, ValueError, KeyError):
        status = _fields("/proc/self/status")
        counts.resident, counts.threads = 1024 * status["VmRSS"], status["Threads"]
    return counts


def _fields(path: str) -> dict[str, int]:
    """The numbers of a file of lines `Name:  number kB`."""
    found: dict[str, int] = {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            name, _, rest = line.partition(":")
            words = rest.split()
            if words and words[0].isdigit():
                found[name] = int(words[0])
    return found


class Gpus:
    """The GPUs of the machine, by NVML, or by PyTorch where they are AMD's."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._handles: dict[int, Any] = {}  # by the number that nvidia-smi gives it
        nvml = _imported("pynvml")
        if nvml is None:
            if os.path.exists(NVIDIA):
                warn_once(
                    ("system_monitor", "nvml"),
                    "system_monitor: the GPU cannot be read without nvidia-ml-py: pip install 'tallyboard[system]'",
                )
            return
        try:
            nvml.nvmlInit()
        except Exception:  # no driver: no GPU of this kind
            return
        self._nvml = nvml
        with contextlib.suppress(Exception):
            self._handles = _visible(nvml)

    def values(self) -> Iterator[tuple[str, float]]:
        """Name and value of everything that the GPUs tell."""
        for number, handle in self._handles.items():
            yield from ((f"gpu/{number}/{name}", value) for name, value in _by_nvml(self._nvml, handle))
        cuda = _cuda_in_use()
        if cuda is None:
            return
        numbers = list(self._handles)  # in CUDA's order
        for index in range(cuda.device_count()):
            number = numbers[index] if index < len(numbers) else index
            values = [] if self._handles else _by_rocm(cuda, index)
            values += _tried(
                ("torch_allocated", lambda i=index: cuda.memory_allocated(i) / GIB),
                ("torch_reserved", lambda i=index: cuda.memory_reserved(i) / GIB),
            )
            yield from ((f"gpu/{number}/{name}", value) for name, value in values)

    def close(self) -> None:
        """Lets go of the driver."""
        if self._nvml is not None:
            with contextlib.suppress(Exception):
                self._nvml.nvmlShutdown()
            self._nvml = None


def _visible(nvml: Any) -> dict[int, Any]:
    """The GPUs that CUDA programs see, in CUDA's order (CUDA C++ Programming Guide, CUDA_VISIBLE_DEVICES)."""
    handles = {index: nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())}
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return handles
    chosen: dict[int, Any] = {}
    for word in map(str.strip, wanted.split(",")):
        if word.startswith("MIG-"):  # a part of a GPU, which has no number
            chosen[len(chosen)] = nvml.nvmlDeviceGetHandleByUUID(word)
            continue
        if word.isdigit():
            found = int(word) if int(word) in handles else None
        else:
            names = {index: nvml.nvmlDeviceGetUUID(handle) for index, handle in handles.items()}
            texts = {index: uuid.decode() if isinstance(uuid, bytes) else uuid for index, uuid in names.items()}
            found = next((index for index, uuid in texts.items() if word and uuid.startswith(word)), None)
        if found is None:  # what stands behind a device that is none is hidden, too
            break
        chosen[found] = handles[found]
    return chosen


def _by_nvml(nvml: Any, handle: Any) -> list[tuple[str, float]]:
    return _tried(
        ("utilization", lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
        ("memory", lambda: _part(nvml.nvmlDeviceGetMemoryInfo(handle))),
        ("memory_used", lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used / GIB),
        ("power", lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000),
        ("temperature", lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
    )


def _part(memory: Any) -> float:
    return 100 * memory.used / memory.total


def _by_rocm(cuda: Any, index: int) -> list[tuple[str, float]]:
    if getattr(sys.modules["torch"].version, "hip", None) is None:
        return []
    return _tried(
        ("utilization", lambda: cuda.utilization(index)),
        ("memory_used", lambda: cuda.device_memory_used(index) / GIB),
        ("power", lambda: cuda.power_draw(index) / 1000),
        ("temperature", lambda: cuda.temperature(index)),
    )


def _cuda_in_use() -> Any:
    """`torch.cuda`, if the program has loaded PyTorch and uses a GPU with it; asking must not be the first use."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)  # PyTorch may be on its way in
    started = getattr(cuda, "is_initialized", None)
    return cuda if started is not None and started() else None


def _tried(*questions: tuple[str, Callable[[], float]]) -> list[tuple[str, float]]:
    """The answers to those questions that have one: each card lacks something."""
    answers: list[tuple[str, float]] = []
    for name, question in questions:
        with contextlib.suppress(Exception):
            answers.append((name, float(question())))
    return answers


def _imported(name: str) -> Any:
    """An optional library, or None: also where it is there and broken."""
    try:
        return importlib.import_module(name)
    except Exception:
        return None
