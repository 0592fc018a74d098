"""What was measured (`Summary`) and when (`Event`): the values that every part of tallyboard passes on.

The builders check a user's arguments and copy the value at once, so that later changes of an array
change nothing that was logged. They raise `InvalidSummary`, whose text names the call, what came, what
was wanted and the cure.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from .errors import InvalidSummary
from .values import Later, Value

__all__ = ["DataClass", "Event", "Summary", "as_number", "as_step", "as_tag", "kind_of", "scalar", "text"]

STEP_MIN, STEP_MAX = -(2**63), 2**63 - 1


class DataClass(StrEnum):
    """How a value is kept and served: one number, a small array, or bytes left on disk."""

    SCALAR = "scalar"
    TENSOR = "tensor"
    BLOBS = "blobs"


@dataclass(frozen=True, slots=True)
class Summary:
    """One measured value.

    Args:
        tag: its name, such as `train/loss`.
        plugin: the dashboard it belongs to, as written to disk: `scalars`, `text`, ...
        data_class: how it is kept.
        value: see `values`; None where the plugin's content says everything; a `Later` until it is made.
        description: markdown shown beside it; empty for none.
        display_name: shown in place of the tag; empty for none.
        content: what the plugin keeps in the summary's metadata.
    """

    tag: str
    plugin: str
    data_class: DataClass
    value: Value | Later
    description: str = ""
    display_name: str = ""
    content: bytes = b""

    def settled(self) -> Summary:
        """The same with its value made."""
        return replace(self, value=self.value.make()) if isinstance(self.value, Later) else self


@dataclass(frozen=True, slots=True)
class Event:
    """A summary at a step (int64) and a wall time (seconds since 1970)."""

    step: int
    wall_time: float
    summary: Summary


def kind_of(value: object) -> str:
    """The type of a value for an error text, with its shape where it has one."""
    name = type(value).__qualname__
    module = type(value).__module__.partition(".")[0]
    full = name if module == "builtins" else f"{module}.{name}"
    try:
        shape = tuple(value.shape)  # type: ignore[attr-defined]  # the except clause is the check
    except Exception:  # none, or one that is not known, as nested and ragged tensors have
        return full
    dtype = getattr(value, "dtype", None)
    return f"{full} of shape {shape}" + (f" and dtype {dtype}" if dtype is not None else "")


def brief(error: Exception) -> str:
    """The first line of what an error says, as much of it as fits a sentence."""
    line = str(error).strip().partition("\n")[0]
    return line if len(line) <= 200 else f"{line[:200]}..."


def cure_of(value: Any, otherwise: str) -> str:
    """What to do about a tensor that cannot be read because it has no numbers (yet); else `otherwise`."""
    module, name = type(value).__module__, type(value).__qualname__
    if module.startswith("jax") and name.endswith("Tracer"):
        inside = "a number can be logged there with tallyboard.integrations.jax.log"
        return f"inside jit it has no value yet: return it and log it outside; {inside}"
    if module.startswith("tensorflow") and hasattr(value, "shape") and not hasattr(value, "numpy"):
        return "inside tf.function it has no value yet: return it and log it outside"
    if getattr(getattr(value, "device", None), "type", None) == "meta":
        return "on the meta device it has no numbers: log it after it was given some"
    return otherwise


def as_tag(tag: object, call: str = "add_scalar") -> str:
    """Checks a tag: a non-empty string that UTF-8 can carry.

    Raises:
        InvalidSummary: it is empty, no string, or holds lone surrogates.
    """
    if not isinstance(tag, str):
        raise InvalidSummary(f"{call}: expected the tag to be a string such as 'train/loss', got {kind_of(tag)}")
    if not tag:
        raise InvalidSummary(f"{call}: the tag is empty; give it a name such as 'train/loss'")
    try:
        tag.encode()
    except UnicodeEncodeError as error:
        raise InvalidSummary(
            f"{call}({tag!a}): the tag cannot be written as UTF-8 ({error.reason} at character {error.start}); "
            "remove that character"
        ) from None
    return str(tag)


def as_step(step: object, call: str = "add_scalar", tag: str = "") -> int:
    """Checks a step: an integer of 64 bits, from any library; `None` means 0 and 3.0 means 3.

    Raises:
        InvalidSummary: it is no whole number, or does not fit int64.
    """
    if step is None:
        return 0
    try:
        number = operator.index(step)  # type: ignore[arg-type]  # whatever has __index__: that is the test
    except TypeError:
        number = _whole(step, call, tag)
    if not STEP_MIN <= number <= STEP_MAX:
        raise InvalidSummary(f"{call}({tag!r}): the step {number} does not fit a 64-bit integer")
    return number


def _whole(step: object, call: str, tag: str) -> int:
    wanted = f"{call}({tag!r}): expected the step to be an integer"
    if isinstance(step, str | bytes):
        raise InvalidSummary(f"{wanted}, got {kind_of(step)} {step!r}; convert it with int() first")
    try:
        number = float(step)  # type: ignore[arg-type]  # the except clause is the check
    except Exception:
        raise InvalidSummary(f"{wanted}, got {kind_of(step)}; {cure_of(step, 'pass a Python int')}") from None
    if number != number or number in (float("inf"), float("-inf")) or number != int(number):
        raise InvalidSummary(
            f"{wanted}, got {number!r}; round it with int(), or count whole steps and pass the fraction as a scalar"
        )
    return int(number)


def as_number(tag: str, value: object, call: str = "add_scalar") -> float:
    """The one number that `value` holds, as a Python float; NaN and infinity are kept.

    Takes Python and NumPy numbers and any array or tensor of one element (reading one that lives on a
    device copies it to the host, once).

    Raises:
        InvalidSummary: it is not one real number.
    """
    if isinstance(value, str | bytes | bytearray):
        raise InvalidSummary(
            f"{call}({tag!r}): expected one number, got {kind_of(value)} {value[:40]!r}; "
            "convert it with float() first, or log text with add_text"
        )
    if isinstance(value, complex):
        raise InvalidSummary(f"{call}({tag!r}): expected one real number, got complex {value!r}; log .real and .imag")
    size = _size(value)
    if size is not None and size != 1:
        raise InvalidSummary(
            f"{call}({tag!r}): expected one number, got {kind_of(value)} with {size} elements; "
            "reduce it first, for example with .mean()"
        )
    held: Any = value
    try:
        plain: Any = held.item() if size == 1 and hasattr(held, "item") else held
        return float(plain) if type(plain) in _PLAIN and not _is_masked(held) else _odd_number(held, plain)
    except Exception as error:
        cure = cure_of(value, "pass a float, or a tensor of one element")
        raise InvalidSummary(
            f"{call}({tag!r}): expected one number, got {kind_of(value)} ({brief(error)}); {cure}"
        ) from None


_PLAIN = (float, int, bool)


def _is_masked(value: object) -> bool:
    return type(value).__module__.startswith("numpy.ma") and bool(getattr(value, "mask", False))


def _odd_number(value: Any, plain: Any) -> float:
    """The number in what is none of Python's, or is masked, which is NaN.

    Raises:
        Exception: there is none. `float` itself would parse a text, and drop an imaginary part.
    """
    if _is_masked(value):
        return float("nan")
    if isinstance(plain, str | bytes):
        raise TypeError("a text")
    if hasattr(plain, "numpy") and _size(plain) == 1:  # TensorFlow's: its float() takes no array of one element
        plain = plain.numpy()
        plain = plain.item() if hasattr(plain, "item") else plain
    elif not hasattr(plain, "__float__"):
        plain = _from_protocol(plain)
    if isinstance(plain, complex) or "complex" in str(getattr(plain, "dtype", "")):
        raise TypeError("a complex number: log .real and .imag")
    number: object = float(plain)
    if type(number) is not float:  # TensorFlow rewrites functions that it traces, and float() with them
        raise TypeError("not a number yet")
    return number


def _from_protocol(value: Any) -> Any:
    """The one number of an array that speaks DLPack or NumPy's protocol; anything else as it is."""
    import numpy as np

    if hasattr(value, "__array__"):
        return np.asarray(value).item()
    return np.from_dlpack(value).item() if hasattr(value, "__dlpack__") else value


def _size(value: Any) -> int | None:
    """Number of elements of an array of any library or of a list; None for what is no array."""
    if isinstance(value, list | tuple | dict | set):
        return len(value)  # pyright: ignore[reportUnknownArgumentType]
    try:
        shape = getattr(value, "shape", None)
        if shape is None:
            return None
        size = 1
        for n in tuple(shape):
            size *= int(n)
        return size
    except Exception:  # a shape that is not known
        return None


def scalar(tag: str, value: object) -> Summary:
    """A summary of one number (see `as_number`)."""
    name = as_tag(tag)
    return Summary(name, "scalars", DataClass.SCALAR, as_number(name, value))


def text(tag: str, value: object) -> Summary:
    """A summary of one markdown string, or of a list of strings.

    Raises:
        InvalidSummary: it is neither, or cannot be written as UTF-8.
    """
    name = as_tag(tag, "add_text")
    if isinstance(value, str):
        items: list[object] = [value]
    elif isinstance(value, list | tuple):
        items = list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    else:
        raise InvalidSummary(
            f"add_text({name!r}): expected a string or a list of strings, got {kind_of(value)}; "
            f"{cure_of(value, 'convert it with str() first')}"
        )
    return Summary(name, "text", DataClass.TENSOR, tuple(_utf8(name, item) for item in items))


def _utf8(tag: str, item: object) -> bytes:
    if not isinstance(item, str):
        raise InvalidSummary(f"add_text({tag!r}): expected strings, got {kind_of(item)}; convert it with str() first")
    try:
        return item.encode()
    except UnicodeEncodeError as error:
        raise InvalidSummary(
            f"add_text({tag!r}): the text cannot be written as UTF-8 ({error.reason} at character {error.start}); "
            "encode it with errors='replace' first"
        ) from None
