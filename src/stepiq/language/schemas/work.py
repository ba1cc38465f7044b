"""Estimates the work of validating a value before it is done: the library cannot be interrupted, and holds the GIL."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

from stepiq.core.json import Json
from stepiq.language.data import is_array, is_number, is_object
from stepiq.language.schemas.cost import SchemaCost
from stepiq.language.schemas.shares import Share, is_long
from stepiq.language.templates.meter import OPERATIONS_PER_PAUSE, OverBudget

_CONTAINERS = (dict, list)
_UNITS_PER_OPERATION = 100
_ITEMS_PER_OPERATION = 5
_TIMES_FOR_NAME = 2
_LONG_NUMBER = 50
_CHARACTERS_OF_UNIQUE = 64
_UNIQUE = 40
_UNIQUE_IN_PAIRS = 320
_MOST_IN_PAIRS = 15
"""The library compares each item of a short list with each other."""
_CHARACTERS_OF_VALUE = 30
_CHARACTERS_PER_OPERATION = 1_000


class ValidationMeter:
    """Counts the work of one validation.

    Args:
        budget: number of operations after which `OverBudget` is raised. By default, work is not limited.
        pause: called regularly between calls of the library.
    """

    __slots__ = ("_left", "_pause")

    def __init__(
        self, *, budget: int | None = None, pause: Callable[[], None] | None = None
    ) -> None:
        self._pause = pause
        self._left: float = math.inf if budget is None else budget
        if pause is not None:
            self._left = OPERATIONS_PER_PAUSE

    def spend(self, operations: int = 1) -> None:
        """Charge for work to be done."""
        self._left -= operations
        if self._left >= 0:
            return
        if self._pause is None:
            raise OverBudget
        self._pause()
        self._left = OPERATIONS_PER_PAUSE

    def spend_text(self, length: int) -> None:
        """Charge for characters to be read."""
        self.spend(length // _CHARACTERS_PER_OPERATION)


@dataclass(slots=True)
class Work:
    """The most work of validating a value."""

    units: int = 0
    """About 10 ns each."""
    errors: int = 0
    """Most errors."""
    copied: int = 0
    """Most characters that all errors copy. An error contains its value, and some contain a part of the schema."""

    def add_flat(self, values: Collection[Json], share: Share, around: int, unique: int) -> None:
        """Add values of the same place, without what is inside them.

        Args:
            values: the values.
            share: the most work for each.
            around: errors of the values around them.
            unique: units for each, because lists around them are searched for equal items.
        """
        count, errors = len(values), around + share.errors
        self.units += count * (share.any_value + unique)
        self.errors += count * share.errors
        self.copied += count * (_CHARACTERS_OF_VALUE * errors + share.text)
        texts = [value for value in values if isinstance(value, str)]
        if texts:
            length = sum(map(len, texts))
            self.copied += length * errors
            self.units += unique * length // _CHARACTERS_OF_UNIQUE
            if share.pattern:
                self.units += share.pattern * sum(map(_bytes, texts))
        if share.integer or share.fraction:
            self.units += sum(_units_of(value, share) for value in values)

    def add_names(self, names: Collection[str], share: Share, around: int) -> None:
        """Add the names of the fields of an object."""
        length = sum(map(len, names))
        self.copied += length * (around + share.errors) + share.text * len(names)
        self.errors += share.errors * len(names)
        self.units += _TIMES_FOR_NAME * share.any_value * len(names)
        if share.pattern:
            self.units += share.pattern * sum(map(_bytes, names))


def work_of(value: Json, cost: SchemaCost, meter: ValidationMeter) -> Work:
    """Estimate the work of validating a value.

    Args:
        value: the value.
        cost: the cost of the schema.
        meter: is charged for the estimate and for the validation.
    """
    work = Work()
    work.add_flat([value], cost.whole, 0, 0)
    waiting: list[tuple[Json, Share, int, int]] = [(value, cost.whole, 0, 0)]
    while waiting:
        current, share, errors, unique = waiting.pop()
        # Errors of a value also contain the values inside it.
        errors += share.errors
        if is_object(current):
            meter.spend(len(current))
            work.units += share.container
            work.add_names(current, cost.name, errors)
            for name, inner in current.items():
                its = cost.fields.get(name, cost.other_field)
                work.add_flat((inner,), its, errors, unique)
                if isinstance(inner, _CONTAINERS):
                    waiting.append((inner, its, errors, unique))
        elif is_array(current):
            meter.spend(1 + len(current) // _ITEMS_PER_OPERATION)
            work.units += share.container
            if share.unique:
                in_pairs = len(current) <= _MOST_IN_PAIRS
                unique += share.unique * (_UNIQUE_IN_PAIRS if in_pairs else _UNIQUE)
            work.add_flat(current, cost.item, errors, unique)
            inside = [item for item in current if isinstance(item, _CONTAINERS)]
            waiting.extend((item, cost.item, errors, unique) for item in inside)
    meter.spend(work.units // _UNITS_PER_OPERATION)
    return work


def _units_of(value: Json, share: Share) -> int:
    if not is_number(value):
        return 0
    units = share.integer if isinstance(value, int) else share.fraction
    return units * _LONG_NUMBER if units and is_long(value) else units


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="replace"))
