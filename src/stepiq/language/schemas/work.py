"""Bounds the work of validating a value before it is done: the library cannot be interrupted, and holds the GIL."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from stepiq.core.json import Json
from stepiq.language.data import is_array, is_number, is_object
from stepiq.language.templates.meter import WorkMeter

MOST_WORK_HERE = 200_000
"""Most work in a thread of the server, in which no other thread runs: a few milliseconds. More is done in a process."""
_WORK_PER_OPERATION = 100
_ITEMS_PER_OPERATION = 5
_CHARACTERS_PER_OPERATION = 1_000
_FRACTION = 25
_LONG_NUMBER = 500
"""The library compares numbers exactly, as fractions of integers with all their digits."""


class ValidationMeter(WorkMeter):
    """Counts the work of one validation, which has no limit by default."""

    __slots__ = ()

    def __init__(
        self, *, budget: int | None = None, pause: Callable[[], None] | None = None
    ) -> None:
        super().__init__(budget=budget, pause=pause)

    def spend_text(self, length: int) -> None:
        """Charge for characters to be read."""
        self.spend(length // _CHARACTERS_PER_OPERATION)


@dataclass(frozen=True, slots=True)
class SchemaCost:
    """What validating with a schema costs, in units of about 10 ns."""

    per_value: int
    """Most work for each value, and each name, inside a value."""
    per_byte: float
    """Most work for each byte of a text."""
    is_recursive: bool
    """Whether it refers to itself, so that the work can double at each level of a value."""
    patterns: int
    """Regular expressions to compile."""


def work_of(value: Json, cost: SchemaCost, meter: ValidationMeter) -> float:
    """The most work of validating a value, in units of about 10 ns. Most values take far less.

    A large value is only counted as far as `MOST_WORK_HERE`.
    """
    most_values = 0 if cost.is_recursive else MOST_WORK_HERE // cost.per_value
    values, size = size_of(value, meter, most_values)
    work = math.inf if values > most_values else cost.per_value * values + cost.per_byte * size
    meter.spend(int(min(work, MOST_WORK_HERE)) // _WORK_PER_OPERATION)
    return work


def size_of(value: Json, meter: ValidationMeter, most_values: float = math.inf) -> tuple[int, int]:
    """The number of values inside a value, and the bytes of its texts. Numbers that take long to compare count more.

    It stops counting beyond `most_values`.
    """
    values = size = 0
    waiting = [value]
    while waiting and values <= most_values:
        current = waiting.pop()
        values += 1
        if isinstance(current, str):
            size += _bytes(current)
        elif is_object(current):
            meter.spend(1 + len(current) // _ITEMS_PER_OPERATION)
            values += len(current)
            size += sum(map(_bytes, current))
            waiting.extend(current.values())
        elif is_array(current):
            meter.spend(1 + len(current) // _ITEMS_PER_OPERATION)
            waiting.extend(current)
        elif is_number(current):
            values += _extra_of(current)
    return values, size


def _extra_of(number: float) -> int:
    # With as many digits when it is written without an exponent.
    if abs(number) >= 1e18 or 0 < abs(number) < 1e-18:
        return _LONG_NUMBER
    return 0 if isinstance(number, int) else _FRACTION


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))
