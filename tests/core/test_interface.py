"""SummaryWriter is a superset of torch's and tensorboardX's: no public method or argument of theirs is missing."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import tallyboard as tb

PEERS = ["torch.utils.tensorboard", "tensorboardX"]
# The fifth and sixth of add_scalar and the third and fourth of add_hparams differ between the peers: ours has torch's
# names there, takes tensorboardX's values in those places too (test_scalar_extras.py, test_hparams.py), and its names
# as keywords. logdir is tensorboardX's first argument, at our first place under torch's name.
ELSEWHERE = {
    ("tensorboardX", "__init__"): {"logdir", "log_dir", "comet_config"},
    ("tensorboardX", "add_scalar"): {"display_name", "summary_description"},
    ("tensorboardX", "add_hparams"): {"name", "global_step"},
    ("tensorboardX", "add_onnx_graph"): {"onnx_model_file"},
    ("tensorboardX", "add_image_with_boxes"): {"dataformats", "labels"},  # a string in rescale's place is dataformats
}


def methods(cls: type) -> dict[str, Callable[..., Any]]:
    """Public functions of a class, and how it is made and entered."""
    kept = {"__init__", "__enter__", "__exit__"}
    return {
        name: function
        for name, function in inspect.getmembers(cls, callable)
        if (not name.startswith("_") or name in kept) and not isinstance(function, type)
    }


def arguments(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> tuple[str, type]:
    return request.param, pytest.importorskip(request.param).SummaryWriter


def test_no_method_is_missing(peer: tuple[str, type]) -> None:
    """Whatever the peer's writer can be asked to do, ours can."""
    theirs = methods(peer[1])

    assert len(theirs) > 20
    assert sorted(set(theirs) - set(methods(tb.SummaryWriter))) == []


def test_no_argument_is_missing(peer: tuple[str, type]) -> None:
    """Every argument of the peer's methods is one of ours, by name."""
    ours = methods(tb.SummaryWriter)
    missing = {
        f"{name}({parameter.name})"
        for name, function in methods(peer[1]).items()
        if name in ours and not name.startswith("__e")
        for parameter in arguments(function)
        if parameter.name not in inspect.signature(ours[name]).parameters
    }

    assert missing == set()


def test_no_argument_is_in_another_place(peer: tuple[str, type]) -> None:
    """What may be given by place to the peer's method may be given in the same place to ours."""
    module, cls = peer
    ours = methods(tb.SummaryWriter)
    moved: list[str] = []
    for name, function in methods(cls).items():
        if name not in ours or name.startswith("__e"):
            continue
        mine = [p.name for p in arguments(ours[name]) if p.kind is p.POSITIONAL_OR_KEYWORD]
        for place, parameter in enumerate(p for p in arguments(function) if p.kind is p.POSITIONAL_OR_KEYWORD):
            if parameter.name in ELSEWHERE.get((module, name), ()):
                continue
            if mine[place : place + 1] != [parameter.name]:
                moved.append(f"{name}: {parameter.name} is number {place}, ours has {mine[place : place + 1]} there")

    assert moved == []


def test_no_argument_became_mandatory(peer: tuple[str, type]) -> None:
    """An argument that may be left out with the peer may be left out with ours."""
    ours = methods(tb.SummaryWriter)
    mandatory = [
        f"{name}({parameter.name})"
        for name, function in methods(peer[1]).items()
        if name in ours and not name.startswith("__")
        for parameter in arguments(ours[name])
        if parameter.default is parameter.empty
        and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        and (theirs := inspect.signature(function).parameters.get(parameter.name)) is not None
        and theirs.default is not theirs.empty
    ]

    assert mandatory == []


def test_defaults_are_the_peers(peer: tuple[str, type]) -> None:
    """An argument that is left out means the same as with the peer, where both have a plain value for it."""
    ours = methods(tb.SummaryWriter)
    other = {
        ("__init__", "comet_config"),  # theirs is {"disabled": True}, which is what None means to us
        ("add_pr_curve_raw", "num_thresholds"),  # theirs is 127 whatever the arrays; None takes as many as they have
    }
    changed = [
        f"{name}({parameter.name}): {mine.default!r}, theirs {parameter.default!r}"
        for name, function in methods(peer[1]).items()
        if name in ours and not name.startswith("__e")
        for parameter in arguments(function)
        if parameter.default is not parameter.empty
        and (mine := inspect.signature(ours[name]).parameters.get(parameter.name)) is not None
        and mine.default is not mine.empty
        and (name, parameter.name) not in other
        and mine.default != parameter.default
    ]

    assert changed == []


def test_attributes_are_there(peer: tuple[str, type], tmp_path: Any) -> None:
    """What other libraries read from the peer's writer, ours has as well."""
    with peer[1](str(tmp_path / "theirs")) as theirs, tb.SummaryWriter(tmp_path / "ours") as ours:
        public = {name for name in vars(theirs) if not name.startswith("_")} | {"_get_file_writer"}
        kept = {"kwargs", "purge_step", "max_queue", "flush_secs", "filename_suffix", "scalar_dict"}  # theirs alone
        assert [name for name in sorted(public - kept) if not hasattr(ours, name)] == []
        assert ours.default_bins == theirs.default_bins
        assert set(dir(theirs.file_writer)) - set(dir(ours.file_writer)) <= {
            "event_writer",
            "use_metadata",
            *dir(object),
        } | {name for name in dir(theirs.file_writer) if name.startswith("_")}


def test_every_add_takes_step() -> None:
    """Each add_* of ours has global_step, walltime and the short name step."""
    lacking = [
        name
        for name, function in methods(tb.SummaryWriter).items()
        if name.startswith("add_")
        and not {"global_step", "walltime", "step"} <= set(inspect.signature(function).parameters)
    ]

    assert lacking == []
