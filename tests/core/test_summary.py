"""What a wrong call is told, and what a right one may be."""

from __future__ import annotations

import decimal
import fractions
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyboard.core.errors import InvalidSummary
from tallyboard.core.summary import as_number, as_step, as_tag, scalar, text


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3.0),
        (True, 1.0),
        (2.5, 2.5),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.int64(-4), -4.0),
        (np.array(7), 7.0),
        (np.array([[1.5]]), 1.5),
        (decimal.Decimal("1.25"), 1.25),
        (fractions.Fraction(1, 4), 0.25),
        (math.inf, math.inf),
    ],
)
def test_one_number_of_any_kind(value: Any, number: float) -> None:
    """Python and NumPy numbers and arrays of one element are taken as that number."""
    assert as_number("loss", value) == number


def test_nan_is_kept() -> None:
    """NaN is a value: a diverging loss is what people come to see."""
    assert math.isnan(as_number("loss", float("nan")))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([1.0], ["add_scalar('loss')", "expected one number", "got list", "pass a float"]),
        (np.zeros((2, 3)), ["numpy.ndarray of shape (2, 3) and dtype float64", "6 elements", ".mean()"]),
        (np.zeros(0), ["0 elements"]),
        ("0.5", ["got str '0.5'", "float()", "add_text"]),
        (None, ["got NoneType"]),
        (1j, ["complex 1j", ".real"]),
        ({"a": 1}, ["got dict"]),
        (10**400, ["got int", "pass a float"]),
        (object(), ["got object"]),
    ],
)
def test_no_number_is_named(value: object, words: list[str]) -> None:
    """What is not one number raises at once, naming the call, what came, what was wanted and the cure."""
    with pytest.raises(InvalidSummary) as error:
        as_number("loss", value)

    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    "step", [5, 5.0, np.int32(5), np.float64(5), np.array(5)], ids=lambda step: type(step).__name__
)
def test_whole_steps_of_any_kind(step: Any) -> None:
    """An integer of any library is a step, and so is a float that is whole."""
    assert as_step(step) == 5


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_int64_is_a_step(step: int) -> None:
    """Every 64-bit integer is a step, as it is."""
    assert as_step(step) == step


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (1.5, ["got 1.5", "round it with int()"]),
        (float("nan"), ["got nan"]),
        (float("inf"), ["got inf"]),
        ("3", ["got str '3'", "int()"]),
        ([3], ["got list", "pass a Python int"]),
        (2**63, ["9223372036854775808", "64-bit"]),
        (-(2**63) - 1, ["64-bit"]),
    ],
)
def test_no_step_is_named(step: object, words: list[str]) -> None:
    """What is no 64-bit integer raises at once, naming what came and the cure."""
    with pytest.raises(InvalidSummary) as error:
        as_step(step, "add_scalar", "loss")

    for word in ["add_scalar('loss')", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("", ["the tag is empty", "'train/loss'"]),
        (3, ["expected the tag to be a string", "got int"]),
        (None, ["got NoneType"]),
        (b"loss", ["got bytes"]),
        ("a\ud800", ["UTF-8", "character 1"]),
    ],
)
def test_no_tag_is_named(tag: object, words: list[str]) -> None:
    """An empty tag, or what is no string, raises at once with the cure."""
    with pytest.raises(InvalidSummary) as error:
        as_tag(tag)

    for word in words:
        assert word in str(error.value)


def test_text_is_utf8_at_the_call() -> None:
    """Text is encoded at the call, and a list gives one string for each item."""
    assert text("notes", "é").value == ("é".encode(),)
    assert text("notes", ["a", "b"]).value == (b"a", b"b")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3, ["add_text('notes')", "expected a string or a list of strings, got int", "str()"]),
        (["a", 3], ["expected strings, got int"]),
        ("\udfff", ["cannot be written as UTF-8", "errors='replace'"]),
    ],
)
def test_no_text_is_named(value: object, words: list[str]) -> None:
    """What is no text raises at once, naming what came and the cure."""
    with pytest.raises(InvalidSummary) as error:
        text("notes", value)

    for word in words:
        assert word in str(error.value)


def test_value_is_captured_at_the_call() -> None:
    """A later change of the array does not change what was logged."""
    array = np.array(1.0)
    summary = scalar("loss", array)
    array += 1

    assert summary.value == 1.0
