"""Converts the value of an expression into plain JSON of bounded size."""

import math
from types import NoneType
from typing import TypeGuard

from stepiq.core.json import Json
from stepiq.language.data import is_object, is_whole
from stepiq.language.expressions import times
from stepiq.language.expressions.times import Duration, Timestamp
from stepiq.language.expressions.values import (
    MISSING,
    EvaluationFailure,
    EvaluationMeter,
    Exhausted,
    Map,
    Optional,
    Uint,
    Value,
    kind_of,
)

MAX_RESULT_BYTES = 1024 * 1024
"""Longest result as compact JSON in UTF-8."""
_COST = 2
_CHECKED_PER_OPERATION = 32
_CONTAINERS = (list, dict)
_SCALARS = (str, int, float)
_FLAT = frozenset({NoneType, bool, int, float, str})
_CHARACTER_REFUSED = (
    "the result contains U+0000 or half of a surrogate pair, which cannot be stored."
)

_NUMBER_REFUSED = (
    "the result is infinite, not a number or too large (more than 308 digits). "
    "Check for a division by zero."
)
_JSON_REFUSED = "the result is not JSON data."


class Room:
    """The remaining size of a result.

    Args:
        subject: what messages call it.
    """

    def __init__(self, subject: str = "the result") -> None:
        self._subject = subject
        self._left = MAX_RESULT_BYTES

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise Exhausted(
                f"{self._subject} is larger than {MAX_RESULT_BYTES:,} bytes. Select less data."
            )

    def measure(self, value: Value, meter: EvaluationMeter) -> None:
        """Take the minimum size of a list or an object: escapes and the length of numbers are not counted.

        Lists are checked as a whole where possible, since there may be half a million values.
        """
        waiting = _containers([value])
        while waiting:
            current = waiting.pop()
            meter.spend_beyond_limit(1 + len(current) // _CHECKED_PER_OPERATION)
            self.take(2 + 2 * len(current))
            if is_object(current):
                self.measure_texts(list(current))
                current = list(current.values())
            kinds = set(map(type, current))
            if str in kinds:
                self.measure_texts([item for item in current if type(item) is str])
            if float in kinds and not all(map(math.isfinite, filter(_is_float, current))):
                raise EvaluationFailure(_NUMBER_REFUSED)
            if not kinds <= _FLAT:
                waiting.extend(_containers(current))

    def measure_texts(self, texts: list[str]) -> None:
        """Take the size of texts; fails if one contains half of a surrogate pair."""
        try:
            self.take(sum(map(len, texts)) + 2 * len(texts))
            joined = "".join(texts)
            if not joined.isascii():
                self.take(len(joined.encode()) - len(joined))
        except UnicodeEncodeError:
            raise EvaluationFailure(_CHARACTER_REFUSED) from None
        except TypeError:  # an object with keys that are not strings
            raise EvaluationFailure(_JSON_REFUSED) from None


def _is_float(value: Json) -> TypeGuard[float]:
    return type(value) is float


def _containers(values: list[Value]) -> list[Value]:
    found: list[Value] = []
    for value in values:
        if isinstance(value, _CONTAINERS):
            found.append(value)
        # Enum members are strings or integers too.
        elif value is not None and not isinstance(value, _SCALARS):
            raise EvaluationFailure(_JSON_REFUSED)
    return found


def to_json(value: Value, meter: EvaluationMeter, room: Room) -> Json:
    """A value as JSON: data from the context is used as it is, and data that the expression created is converted.

    Raises:
        Failure: JSON cannot represent the value.
        Exhausted: the result is too large.
    """
    kind = value.__class__
    if kind is tuple:
        meter.spend(_COST * len(value))
        room.take(2 + 2 * len(value))
        return [to_json(item, meter, room) for item in value]
    if kind is Map:
        return _object(value, meter, room)
    if kind is list or kind is dict:
        room.measure(value, meter)
        return value
    if kind is Optional:
        return None if value.value is MISSING else to_json(value.value, meter, room)
    plain = _scalar(value)
    if type(plain) is str:
        room.measure_texts([plain])
    return plain


def _object(value: Map, meter: EvaluationMeter, room: Room) -> dict[str, Json]:
    meter.spend(_COST * len(value))
    room.take(2 + 2 * len(value))
    made: dict[str, Json] = {}
    for key, item in value.items():
        if type(key) is not str:
            raise EvaluationFailure(
                "the result is an object with keys that are not strings. Convert them: `string(key)`."
            )
        room.measure_texts([_whole(key)])
        made[key] = to_json(item, meter, room)
    return made


def _scalar(value: Value) -> Json:
    kind = value.__class__
    if kind is str:
        return _whole(value)
    if kind is int or kind is bool or value is None:
        return value
    if kind is float:
        if not math.isfinite(value):
            raise EvaluationFailure(_NUMBER_REFUSED)
        return int(value) if is_whole(value) else value
    return _other_scalar(value)


def _other_scalar(value: Value) -> Json:
    match value:
        case Uint():
            return int(value)
        case Timestamp():
            return times.write_timestamp(value)
        case Duration():
            return times.write_duration(value)
        case _:
            advice = " Convert it: `string(x)`." if type(value) is bytes else ""
            raise EvaluationFailure(
                f"the result is {kind_of(value)}, which JSON does not have.{advice}"
            )


def _whole(text: str) -> str:
    if "\0" in text:
        raise EvaluationFailure(_CHARACTER_REFUSED)
    return text
