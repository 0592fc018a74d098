"""On recorded traces the figures are those of torch-tb-profiler 0.4.3 and of HolisticTraceAnalysis 0.5.0."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("msgspec")
pytest.importorskip("ijson")

import tallyboard as tb
from tallyboard.core.profiles.device import device_use
from tallyboard.core.profiles.idle import IDLE_CAUSES, gaps, kinds_at_once, occupation
from tallyboard.core.profiles.memory import memory_by_operator
from tallyboard.core.profiles.model import Profile
from tallyboard.core.profiles.operators import operators
from tallyboard.core.profiles.ranks import ranks
from tallyboard.core.profiles.steps import CATEGORIES, breakdown, steps
from tallyboard.core.profiles.tensor_cores import tensor_core_use

RESNET = "kineto_tb_plugin/resnet50_num_workers_0"
TRACES = {
    "resnet-0": f"{RESNET}/worker0.1623143089861.pt.trace.json.gz",
    "resnet-1": f"{RESNET}/worker0.1623143566756.pt.trace.json.gz",
    "resolution": "hta/ns_resolution_trace/rank-0.Apr_03_18_51_38.1102.pt.trace.json.gz",
    "alexnet": "hta/critical_path/alexnet/benchmark_result_2869224_1695835535_trace.json.gz",
    "cpu": "hta/cpu_only/rank-34.Jul_15_10_52_41.1074.pt.trace.json.gz",
    "timeline": "hta/timeline_analysis/sampled_rank-0.json.gz",
    "amd": "hta/amd_trace/mi250_minitoy_train_ROCm6_2_kineto.json.gz",
    "loader": "torch_cpu/slow_loader/worker0.1795297714004804507.pt.trace.json.gz",
}
PLUGIN = dict(
    zip(
        CATEGORIES,
        ("Kernel", "Memcpy", "Memset", "Communication", "Runtime", "DataLoader", "CpuOp", "Other"),
        strict=True,
    )
)
HTA = {
    "resolution": "ns_resolution_trace",
    "timeline": "timeline_analysis",
    "alexnet": "alexnet",
    "amd": "amd",
    "resnet-0": "kineto_w0",
}


@cache
def loaded(path: Path) -> Profile:
    return tb.read_profile(path)


@pytest.fixture(params=list(TRACES))
def traced(request: pytest.FixtureRequest, samples: Path) -> tuple[Profile, dict[str, Any]]:
    name = TRACES[request.param]
    return loaded(samples / name), json.loads((samples / "golden_kineto.json").read_text())[name]


@pytest.fixture(params=list(HTA))
def analysed(request: pytest.FixtureRequest, samples: Path) -> tuple[Profile, dict[str, Any]]:
    text = (samples / "golden_hta.json").read_text()
    return loaded(samples / TRACES[request.param]), json.loads(text)[HTA[request.param]]


def test_steps_are_those_of_tb_plugin(traced: tuple[Profile, dict[str, Any]]) -> None:
    """Each step has its name and, to the nanosecond, its length."""
    profile, golden = traced
    found = steps(profile, "tb_plugin")
    assert found.name == [name for name, _ in golden["steps"]]
    np.testing.assert_allclose(found.duration / 1000, [each["Total"] for _, each in golden["steps"]], rtol=1e-12)


def test_breakdown_is_that_of_tb_plugin(traced: tuple[Profile, dict[str, Any]]) -> None:
    """The mean of each category is within 0.6 microseconds, and so is each step's, on all eight traces, AMD's too."""
    profile, golden = traced
    found = breakdown(profile, "tb_plugin")
    mean = found.mean()
    for ours, theirs in PLUGIN.items():
        assert mean[ours] == pytest.approx(golden["avg_us"][theirs], abs=0.6), ours
        each = [step[theirs] for _, step in golden["steps"]]
        assert found.time[:, CATEGORIES.index(ours)] / 1000 == pytest.approx(each, abs=0.6), ours
    assert mean["total"] == pytest.approx(golden["avg_us"]["Total"], abs=0.6)


def test_computation_and_communication_are_those_of_tb_plugin(traced: tuple[Profile, dict[str, Any]]) -> None:
    """Of each step, computation, communication, both at once and the rest, as its distributed view has them."""
    profile, golden = traced
    time = ranks([profile], "tb_plugin").time
    computing, talking = time.computing + time.overlap, time.communicating + time.overlap
    for i, wanted in enumerate(golden["comm_overlap"]):
        found = [column[i] / 1000 for column in (computing, talking, time.overlap, time.other)]
        assert found == pytest.approx(wanted, abs=0.6)


def test_device_figures_are_those_of_tb_plugin(traced: tuple[Profile, dict[str, Any]]) -> None:
    """Utilisation, SM efficiency, occupancy and the share of tensor cores are equal to a billionth."""
    profile, golden = traced
    used = device_use(profile, steps(profile, "tb_plugin"))
    assert [one.utilisation for one in used] == pytest.approx(golden.get("gpu_util_exact", []), rel=1e-9)
    assert [one.sm_efficiency for one in used if one.sm_efficiency is not None] == pytest.approx(
        golden.get("sm_eff_exact", []), rel=1e-9
    )
    assert [one.occupancy for one in used if one.occupancy is not None] == pytest.approx(
        golden.get("occ_exact", []), rel=1e-9
    )
    assert [one.tensor_cores for one in used] == pytest.approx([golden["tc_used_ratio"]] if used else [], rel=1e-9)


def test_tensor_cores_are_those_of_tb_plugin(traced: tuple[Profile, dict[str, Any]]) -> None:
    """The share of the kernels' time that operators launched which could use tensor cores, to a hundred-thousandth."""
    profile, golden = traced
    assert tensor_core_use(profile, "tb_plugin").eligible_share == pytest.approx(
        golden["tc_eligible_ops_kernel_ratio"], rel=1e-5
    )


KNOWN = {
    "high time cost on input data loading": "data",
    "Automatic Mixed Precision": "mixed precision",
    "has low utilization": "utilisation",
    "high time cost on communication": "communication",
}


def test_recommendations_are_those_of_tb_plugin(traced: tuple[Profile, dict[str, Any]]) -> None:
    """What it recommends, we do; what we recommend beside it of the same matter, is of work that its ids do not find,
    and of communication that it does not know by its kernels."""
    profile, golden = traced
    theirs = {about for text in golden["recommend"] for words, about in KNOWN.items() if words in text}
    ours = {one.about for one in profile.recommendations()} & set(KNOWN.values())
    assert len(theirs) == len(golden["recommend"])
    assert theirs <= ours
    if ours != theirs:
        assert (profile.worker, ours - theirs) in (
            ("benchmark_result_2869224_1695835535_trace", {"mixed precision"}),
            ("sampled_rank-0", {"communication"}),
        )


def test_operators_are_those_of_tb_plugin(traced: tuple[Profile, dict[str, Any]]) -> None:
    """There are as many, and those with most time have their calls and their times."""
    profile, golden = traced
    found = operators(profile, compat="tb_plugin")
    assert len(found) == golden["n_ops"]
    for wanted in golden["ops_top5"]:
        i = found.name.index(wanted["name"])
        times = [found.host_self[i], found.host_total[i], found.device_self[i], found.device_total[i]]
        keys = ("host_self_duration", "host_total_duration", "device_self_duration", "device_total_duration")
        assert [time / 1000 for time in times] == pytest.approx([wanted.get(key, 0) for key in keys], abs=0.6)
        assert found.calls[i] == wanted["calls"]
        assert ("Yes" if found.eligible[i] else "No") == wanted["tc_eligible"]


def test_kernels_are_those_of_tb_plugin(traced: tuple[Profile, dict[str, Any]]) -> None:
    """Likewise kernels, with blocks per multiprocessor and occupancy. The peer rounds each call to a microsecond."""
    profile, golden = traced
    found = profile.kernels()
    assert len(found) == (golden.get("n_kernels") or 0)
    for name, tensor, calls, total, mean, longest, shortest, *filled in golden.get("kernels_top5") or []:
        i = found.name.index(name)
        assert (found.calls[i], "Yes" if found.tensor_cores[i] else "No") == (calls, tensor)
        assert found.total[i] / 1000 == pytest.approx(total, abs=0.05 * calls + 0.6)
        times = [found.mean[i], found.longest[i], found.shortest[i]]
        assert [time / 1000 for time in times] == pytest.approx([mean, longest, shortest], abs=1)
        assert [found.blocks_per_sm[i], found.occupancy[i]][: len(filled)] == pytest.approx(filled, abs=0.006)


def test_memory_is_that_of_tb_plugin(samples: Path) -> None:
    """Of both traces with records of memory, operators took what that peer says they took."""
    golden = json.loads((samples / "golden_kineto.json").read_text())
    for name in (TRACES["resnet-0"], TRACES["resnet-1"]):
        for device, rows in ((-1, golden[name]["mem_stats"]["CPU"]), (0, golden[name]["mem_stats"]["GPU0"])):
            found = memory_by_operator(loaded(samples / name), device)
            assert rows
            for operator, calls, *figures in rows:
                i = found.name.index(operator)
                sizes = [found.increase[i], found.self_increase[i], found.size[i], found.self_size[i]]
                wanted = [figures[0], figures[1], figures[4], figures[5]]
                assert [size / 1024 for size in sizes] == pytest.approx(wanted, abs=0.006)
                assert (found.calls[i], found.count[i], found.self_count[i]) == (calls, figures[2], figures[3])


def test_occupation_is_that_of_hta(analysed: tuple[Profile, dict[str, Any]]) -> None:
    """Idle, computing and other time are equal to the microsecond, and so is what ran at once."""
    profile, golden = analysed
    found = occupation(profile, compat="hta")
    (wanted,) = golden["temporal"]
    keys = ("idle_time(us)", "compute_time(us)", "non_compute_time(us)", "kernel_time(us)")
    assert [time / 1000 for time in (found.idle, found.computing, found.other, found.whole)] == [
        wanted[k] for k in keys
    ]
    share = found.overlap_share
    assert share is None or round(share * 100, 2) == golden["overlap"][0]["comp_comm_overlap_pctg"]
    together = {
        " overlapping ".join(sorted(name.upper() for name in names)): time / 1000
        for names, time in kinds_at_once(profile, "hta").items()
        if time
    }
    assert together == {
        " overlapping ".join(sorted(row["kernel_type"].split(" overlapping "))): row["sum"]
        for row in golden["kernel_type"]
        if row["sum"]
    }


def test_gaps_are_those_of_hta(analysed: tuple[Profile, dict[str, Any]]) -> None:
    """The idle time of each stream by its cause is equal to the microsecond."""
    profile, golden = analysed
    found = gaps(profile, "hta")
    mine = {
        (int(str(profile.events.tracks[track].thread).removeprefix("stream ")), cause): time / 1000
        for track, times in zip(found.stream.tolist(), found.time.tolist(), strict=True)
        for cause, time in zip(IDLE_CAUSES, times, strict=True)
        if time
    }
    assert mine == {
        (row["stream"], row["idle_category"]): row["idle_time"] for row in golden["idle"] if row["idle_time"]
    }


@pytest.mark.parametrize(
    ("name", "kind", "share"),
    [
        ("resnet-0", "input-bound", 0.333695),
        ("resnet-1", "input-bound", 0.229187),
        ("loader", "input-bound", 0.983455),
        ("resolution", "busy", 0.968265),
        ("cpu", "communication-bound", 0.850880),
        ("alexnet", "launch-bound", 0.998224),
    ],
)
def test_verdicts(samples: Path, name: str, kind: str, share: float) -> None:
    """Each trace gets the verdict that its figures ask for, with the share of the time it goes by."""
    found = loaded(samples / TRACES[name]).verdict()
    assert found.kind == kind
    assert found.share == pytest.approx(share, abs=1e-5)
    assert f"{share:.1%}" in found.says


def test_xla_verdict(samples: Path) -> None:
    """JAX's profile says input-bound by what was timed in its loop, without the step that compiles, in each of its
    files."""
    folder = samples / "jax_cpu" / "plugins" / "profile" / "2026_11_21_21_23_45"
    for name in ("vm.xplane.pb", "vm.trace.json.gz", "perfetto_trace.json.gz"):
        found = tb.read_profile(folder / name).verdict()
        assert (found.kind, found.degree, found.counted, found.left_out) == ("input-bound", "highly", 4, 1)
        assert found.part / 1e6 == pytest.approx(10.894872 + 11.435874 + 10.132983 + 10.115688, abs=1e-3)
        assert found.whole / 1e6 == pytest.approx(16.822394 + 13.91716 + 12.356057 + 14.640972, abs=1e-3)


def test_keras_profile(samples: Path) -> None:
    """The profile inside a Keras run is found from the run, and its five steps are those of its training."""
    found = tb.read_profile(samples / "keras_tf" / "train")
    assert found.source == "tensorflow"
    assert found.steps.name == ["4", "5", "6", "7", "8"]
    assert (len(found.events), len(found.allocations)) == (3503, 40)
    assert np.array_equal(np.diff(found.allocations.allocated), found.allocations.delta[1:])
    assert found.memory(-1).peak == 3_018_752  # peak_bytes_in_use, which its allocator wrote
