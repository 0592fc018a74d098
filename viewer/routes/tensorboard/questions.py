"""Questions asked as JSON, as protobuf writes it: names with or without underscores, enumerations by name or number,
and numbers as text where JSON has no word for them."""

from __future__ import annotations

import json
import re
from typing import Any, cast

from .answers import Asked, invalid

__all__ = ["Question", "question_of"]


class Question:
    """An object of a question. Whatever it does not say has protobuf's default."""

    def __init__(self, fields: dict[str, Any], what: str = "the request") -> None:
        self._fields = fields
        self._what = what

    def has(self, name: str) -> bool:
        """Whether a field was given."""
        return self._value(name) is not None

    def text(self, name: str) -> str:
        """A field of text."""
        value = self._value(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._wrong(name, "text")
        return value

    def number(self, name: str) -> float:
        """A field of a number, infinities included."""
        value = self._value(name)
        if value is None:
            return 0.0
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise self._wrong(name, "a number")
        try:
            return float(value)
        except (ValueError, OverflowError):
            raise self._wrong(name, "a number") from None

    def whole(self, name: str) -> int:
        """A field of a whole number."""
        number = self.number(name)
        if not abs(number) < 1 << 31 or number != int(number):
            raise self._wrong(name, "a whole number")
        return int(number)

    def truth(self, name: str, usual: bool = False) -> bool:
        """A field of true or false."""
        value = self._value(name)
        if value is None:
            return usual
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def word(self, name: str, words: tuple[str, ...]) -> str:
        """A field of an enumeration, its words in the order of their numbers."""
        value = self._value(name)
        return words[0] if value is None else self._word(name, value, words)

    def words(self, name: str, words: tuple[str, ...]) -> list[str]:
        """A field of any number of an enumeration's words."""
        return [self._word(name, value, words) for value in self.values(name)]

    def values(self, name: str) -> list[Any]:
        """A field of anything, any number of times."""
        value = self._value(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(name, "a list")
        return cast("list[Any]", value)

    def below(self, name: str) -> Question:
        """A field that is an object itself."""
        return self._object(name, self._value(name) or {})

    def all_below(self, name: str) -> list[Question]:
        """A field of any number of objects."""
        return [self._object(name, value) for value in self.values(name)]

    def _object(self, name: str, value: Any) -> Question:
        if not isinstance(value, dict):
            raise self._wrong(name, "an object")
        return Question(cast("dict[str, Any]", value), name)

    def _word(self, name: str, value: Any, words: tuple[str, ...]) -> str:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(words):
            return words[value]
        if value not in words:
            raise self._wrong(name, f"one of {', '.join(words)}")
        return str(value)

    def _value(self, name: str) -> Any:
        value = self._fields.get(name)
        return self._fields.get(re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name)) if value is None else value

    def _wrong(self, name: str, wanted: str) -> Exception:
        return invalid(f"{name!r} of {self._what} must be {wanted}")


def question_of(asked: Asked) -> Question:
    """The question in the body of a POST, or in the field `request`.

    Raises:
        Refused: there is none, or it is no object of JSON.
    """
    text = asked.body or asked.one("request")
    try:
        fields: Any = json.loads(text or "")
    except (ValueError, RecursionError):
        raise invalid("the request must be an object of JSON") from None
    if not isinstance(fields, dict):
        raise invalid("the request must be an object of JSON")
    return Question(cast("dict[str, Any]", fields))
