"""The exception tree, and warnings that never stop a training run."""

from __future__ import annotations

import warnings

import pytest

from tallyboard.core import errors


def test_tree_is_the_one_drawn() -> None:
    """Each error is a TallyboardError and what the docstring's drawing says beside it; nothing is left out."""
    bases = {"ValueError": ValueError, "TypeError": TypeError, "ImportError": ImportError}
    drawn = {}
    for line in (errors.__doc__ or "").splitlines():
        if "── " in line:
            name, *rest = line.split("── ")[1].split()
            drawn[name] = bases.get(rest[0].strip("()")) if rest else None

    classes = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.TallyboardError | Warning)
    }
    assert set(drawn) == set(classes)
    for name, base in drawn.items():
        assert base is None or issubclass(classes[name], base), name


def test_warn_once_for_each_cause() -> None:
    """The same cause warns once, another one warns again."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for key, message in ((1, "first"), (1, "first"), (2, "second")):
            errors.warn_once(("test", key), message)

    assert [(warning.category, str(warning.message)) for warning in caught] == [
        (errors.TallyboardWarning, text) for text in ("first", "second")
    ]


def test_warning_as_error_does_not_raise(capsys: pytest.CaptureFixture[str]) -> None:
    """Where warnings are errors, the text goes to standard error and training goes on."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        errors.warn_once(("test", 3), "the disk is full")

    assert capsys.readouterr().err == "TallyboardWarning: the disk is full\n"
