"""`system_monitor`: what it logs is what the machine says, at the steps of a driven clock, and it leaves no thread."""

from __future__ import annotations

import gc
import itertools
import os
import sys
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tallyboard as tb
from tallyboard.core import errors
from tallyboard.integrations import system

from .conftest import Log

GIB = 2.0**30


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "tallyboard-system"]


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Clock:
    """Seconds that pass when a test says so. Its thread never wakes by itself."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1.7e9 + self.now

    def process_time(self) -> float:
        return self.now / 2


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The monitor's clock; and a machine without GPU."""
    clock = Clock()
    monkeypatch.setattr(system, "time", clock)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr(errors, "_warned", {})
    monkeypatch.setitem(sys.modules, "torch", None)
    return clock


@pytest.fixture(autouse=True)
def none_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test leaves a thread behind, and none asks for the GPU of the machine that it runs on."""
    monkeypatch.setattr(system, "NVIDIA", "/nowhere")
    yield
    assert threads() == []


class Machine(types.ModuleType):
    """psutil of a machine that does the same every second: 4 processors, one of them busy."""

    def __init__(self, clock: Clock) -> None:
        super().__init__("psutil")
        self.clock = clock

    def cpu_times(self) -> Any:
        class Times(tuple[float, ...]):
            idle, iowait, guest, guest_nice = 2 * self.clock.now, self.clock.now, 0.5 * self.clock.now, 0.0

        return Times((0.5 * self.clock.now, 0.5 * self.clock.now, Times.idle, Times.iowait, Times.guest, 0.0))

    def virtual_memory(self) -> Any:
        return types.SimpleNamespace(percent=62.5)

    def Process(self) -> Any:  # noqa: N802  # psutil's name
        return types.SimpleNamespace(memory_info=lambda: types.SimpleNamespace(rss=3 * 2**29), num_threads=lambda: 7)

    def disk_io_counters(self) -> Any:
        return types.SimpleNamespace(read_bytes=int(self.clock.now * 2**20), write_bytes=int(self.clock.now * 2**21))

    def net_io_counters(self, pernic: bool) -> Any:
        card = types.SimpleNamespace(bytes_recv=int(self.clock.now * 2**19), bytes_sent=int(self.clock.now * 2**18))
        return {"lo": types.SimpleNamespace(bytes_recv=0, bytes_sent=10**12), "eth0": card, "eth1": card}


def test_values_and_steps(log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tag has the machine's value, at the seconds since the start; rates come with the second sample."""
    monkeypatch.setitem(sys.modules, "psutil", Machine(clock))
    monitor = tb.system_monitor(log.writer, every=1000)
    wait_for(lambda: "system/threads" in log.tags())
    assert log.tags() == {"system/memory", "system/memory/process", "system/threads"}

    clock.now += 10.9
    monitor.close()

    assert {tag: log[tag] for tag in log.tags()} == {
        "system/cpu": [(10, pytest.approx(25))],
        "system/cpu/process": [(10, pytest.approx(50))],
        "system/memory": [(0, 62.5), (10, 62.5)],
        "system/memory/process": [(0, 1.5), (10, 1.5)],
        "system/threads": [(0, 7), (10, 7)],
        "system/disk/read": [(10, pytest.approx(1))],
        "system/disk/written": [(10, pytest.approx(2))],
        "system/network/received": [(10, pytest.approx(1))],
        "system/network/sent": [(10, pytest.approx(0.5))],
    }
    times = {event.wall_time for event in log.sink.events}
    assert times == {1.7e9 + 100, 1.7e9 + 110.9}, "the axis of relative time shows the same seconds"


def test_a_step_of_the_users(log: Log, clock: Clock) -> None:
    """`step=` gives the steps, so that the machine stands beside the loss."""
    monitor = tb.system_monitor(log.writer, every=1000, step=lambda: 41)
    monitor.close()

    assert [step for step, _ in log["system/memory/process"]] == [41]


def test_units_stand_in_the_descriptions(log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first event of each tag has a description with its unit, and those after it are bare."""
    monkeypatch.setitem(sys.modules, "psutil", Machine(clock))
    monitor = tb.system_monitor(log.writer, every=1000)
    for _ in range(2):
        clock.now += 10
        monitor.sample()
    monitor.close()

    log.writer.flush()
    described: dict[str, list[str]] = {}
    for event in log.sink.events:
        described.setdefault(event.summary.tag, []).append(event.summary.description)
    assert all(first and not any(rest) for first, *rest in described.values())
    units = ("%", "GiB", "MiB a second")
    assert all(any(unit in first for unit in units) for tag, (first, *_) in described.items() if "threads" not in tag)


def test_without_psutil(log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux's own files tell processor, memory and threads; nothing is warned of."""
    monkeypatch.setitem(sys.modules, "psutil", None)
    monitor = tb.system_monitor(log.writer, every=1000)
    wait_for(lambda: "system/threads" in log.tags())
    clock.now += 10
    before = time.process_time()
    while time.process_time() - before < 0.1:  # so that the machine's count of its ticks goes on
        pass
    monitor.close()

    assert {tag.removeprefix("system/") for tag in log.tags()} == {
        "cpu", "cpu/process", "memory", "memory/process", "threads",
    }  # fmt: skip
    (_, resident), *_ = log["system/memory/process"]
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    assert resident * GIB == pytest.approx(pages * os.sysconf("SC_PAGE_SIZE"), rel=0.3)
    assert 0 < log["system/cpu"][0][1] <= 100


def test_psutil_says_the_same() -> None:
    """What is read without psutil is what psutil tells of the same process."""
    psutil = pytest.importorskip("psutil")
    mine, theirs = system._by_proc(), system._by_psutil(psutil)

    assert mine.resident == pytest.approx(theirs.resident, rel=0.1)
    assert mine.memory == pytest.approx(theirs.memory, abs=5)
    assert mine.threads == pytest.approx(theirs.threads, abs=2)
    assert mine.busy / mine.whole == pytest.approx(theirs.busy / theirs.whole, abs=0.01)  # type: ignore[operator]


def test_says_once_what_is_missing(log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither psutil nor /proc tells anything, one warning has the command that cures it."""
    monkeypatch.setitem(sys.modules, "psutil", None)
    monkeypatch.setattr(system, "_by_proc", lambda: system.Counts(clock.now, process=clock.now))
    sampler = system.Sampler()
    with pytest.warns(tb.TallyboardWarning, match=r"pip install 'tallyboard\[system\]'"):
        assert dict(sampler.values()) == {}
    clock.now += 10
    with warnings.catch_warnings(action="error"):
        assert dict(sampler.values()) == {"cpu/process": 100}


def test_a_gpu_that_cannot_be_read(clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where a driver is, and the library for it is not, one warning has the command that cures it."""
    monkeypatch.setattr(system, "NVIDIA", str(tmp_path))
    with pytest.warns(tb.TallyboardWarning, match=r"GPU cannot be read .*pip install 'tallyboard\[system\]'"):
        assert list(system.Gpus().values()) == []


class Driver(types.ModuleType):
    """NVML of a machine with three GPUs, the last of which tells only its memory."""

    NVML_TEMPERATURE_GPU = 0

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.open = 0

    def nvmlInit(self) -> None:  # noqa: N802
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 3

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802
        return f"GPU-{handle}{handle}{handle}-abc"

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802
        if handle == 2:
            raise OSError("not supported")
        return types.SimpleNamespace(gpu=10 * handle)

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802
        return types.SimpleNamespace(used=2**30 * (handle + 1), total=2**32)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802
        return self.nvmlDeviceGetUtilizationRates(handle).gpu * 10000

    def nvmlDeviceGetTemperature(self, handle: int, _: int) -> int:  # noqa: N802
        return self.nvmlDeviceGetUtilizationRates(handle).gpu + 30


@pytest.mark.parametrize(
    ("visible", "numbers"),
    [(None, [0, 1, 2]), ("2,0", [2, 0]), ("GPU-111", [1]), ("1,-1,0", [1]), ("", [])],
)
def test_gpus(log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch, visible: str | None, numbers: list[int]) -> None:
    """GPUs that CUDA sees are logged under nvidia-smi's numbers; what a card does not tell is left out."""
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    driver = Driver()
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    tb.system_monitor(log.writer, every=1000).close()

    told = {tag: log[tag][0][1] for tag in log.tags() if "/gpu/" in tag}
    wanted: dict[str, float] = {}
    for number in numbers:
        wanted |= {f"system/gpu/{number}/memory": 25.0 * (number + 1), f"system/gpu/{number}/memory_used": number + 1}
        if number < 2:
            wanted |= {f"system/gpu/{number}/utilization": 10 * number, f"system/gpu/{number}/power": 100 * number}
            wanted[f"system/gpu/{number}/temperature"] = 10 * number + 30
    assert told == wanted
    assert driver.open == 0


def test_memory_of_torch(log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's own count is logged where the program uses a GPU with it, by the GPU's number, and only then."""
    started = False
    cuda = types.SimpleNamespace(
        is_initialized=lambda: started,
        device_count=lambda: 1,
        memory_allocated=lambda index: 2**29,
        memory_reserved=lambda index: 2**30,
    )
    torch = types.SimpleNamespace(cuda=cuda, version=types.SimpleNamespace(hip=None))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "pynvml", Driver())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monitor = tb.system_monitor(log.writer, every=1000)
    wait_for(lambda: "system/gpu/1/memory" in log.tags())
    monitor.sample()  # waits for the end of the one that has begun
    assert not [tag for tag in log.tags() if "torch" in tag]
    started = True
    clock.now += 10
    monitor.close()

    assert {tag: log[tag] for tag in log.tags() if "torch" in tag} == {
        "system/gpu/1/torch_allocated": [(10, 0.5)],
        "system/gpu/1/torch_reserved": [(10, 1.0)],
    }


def test_nothing_raises(log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample that fails is told of once, and the thread goes on."""
    told: list[str] = []
    monkeypatch.setattr(system, "warn_once", lambda key, text: told.append(text))
    monitor = tb.system_monitor(log.writer, every=1000, step=lambda: 1 // 0)
    wait_for(lambda: told)
    monitor.sample()
    assert len(told) == 2
    assert all("a sample failed (ZeroDivisionError:" in text for text in told)
    assert len(threads()) == 1
    monitor.close()


def test_a_sample_waits_for_another(log: Log, clock: Clock) -> None:
    """One that is asked for while the thread is at its own comes after it: no rate is that of half a sample."""
    begun, go_on, steps = threading.Event(), threading.Event(), itertools.count()

    def step() -> int:
        number = next(steps)
        if number == 0:
            begun.set()
            go_on.wait(60)
        return number

    monitor = tb.system_monitor(log.writer, every=1000, step=step)
    assert begun.wait(60)
    asker = threading.Thread(target=monitor.sample)
    asker.start()
    asker.join(0.1)
    assert asker.is_alive()
    assert next(steps) == 1  # it has not been asked for a second
    go_on.set()
    asker.join()
    monitor.close()
    assert [number for number, _ in log["system/memory/process"]] == [0, 2]


def test_the_thread_samples(log: Log) -> None:
    """Samples come by themselves, one after the other, until the block ends."""
    with tb.system_monitor(log.writer, every=0.01):
        wait_for(lambda: len(log["system/memory/process"]) >= 3)
    assert threads() == []


def test_ends_with_the_writer(tmp_path: Any) -> None:
    """Closing the writer ends the thread before the file is closed, so that no other file is opened after it."""
    with tb.SummaryWriter(tmp_path) as writer:
        tb.system_monitor(writer, every=0.001)
        wait_for(lambda: list(tmp_path.iterdir()))
    assert threads() == []
    assert len(list(tmp_path.iterdir())) == 1
    run = tb.read(tmp_path)["."]
    assert len(run.scalar("system/memory/process")) >= 1


def test_a_writer_that_is_dropped() -> None:
    """The monitor keeps no writer alive, and its thread ends with it."""
    tb.system_monitor(tb.SummaryWriter(sink=tb.MemorySink()), every=1000)
    gc.collect()
    wait_for(lambda: not threads())


def test_a_fork_has_none(log: Log) -> None:
    """In a forked child there is no thread, and closing there neither waits nor ends the parent's."""
    monitor = tb.system_monitor(log.writer, every=1000)
    child = os.fork()
    if child == 0:
        monitor.close()
        os._exit(len(threads()))
    assert os.waitpid(child, 0)[1] == 0
    assert len(threads()) == 1
    monitor.close()


@pytest.mark.parametrize("every", [0, -1, float("nan"), float("inf"), "10", True, None])
def test_wrong_intervals(log: Log, every: Any) -> None:
    """What is no interval is refused at the call."""
    with pytest.raises(ValueError, match="expected a number of seconds above 0"):
        tb.system_monitor(log.writer, every=every)


def test_wrong_writers_and_steps(log: Log) -> None:
    """What is no writer, or no function for a step, is refused at the call."""
    with pytest.raises(TypeError, match=r"expected a tb.SummaryWriter, got str"):
        tb.system_monitor("runs/first")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a function, got int"):
        tb.system_monitor(log.writer, step=3)  # type: ignore[arg-type]
