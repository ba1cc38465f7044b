"""The helpers of templates, `{{json x}}` or `(eq a b)`: names, arguments and functions.

Each is a function over plain data. It charges its work to the meter and raises `TemplateUnresolved` if a value is of
the wrong kind.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

from stepiq.language.data import is_array, is_number, is_object, is_whole, kind_of
from stepiq.language.templates.errors import TemplateUnresolved
from stepiq.language.templates.meter import RenderMeter
from stepiq.language.templates.values import (
    MISSING,
    Found,
    member,
    present,
    same,
    to_json,
    to_text,
    truthy,
)


class Tolerance(Enum):
    """Which arguments of a helper may be missing."""

    NONE = auto()
    ALL = auto()
    ALL_BUT_LAST = auto()
    INHERITED = auto()
    """As for the result of the helper itself."""


@dataclass(frozen=True, slots=True)
class Helper:
    """One helper: its usage, the number of its arguments, and its function."""

    usage: str
    minimum: int
    maximum: int
    apply: Callable[[Sequence[Found], RenderMeter], Found]
    tolerance: Tolerance = Tolerance.NONE


MANY = 100


def _json(values: Sequence[Found], meter: RenderMeter) -> Found:
    return to_json(present(values[0]), meter)


def _default(values: Sequence[Found], meter: RenderMeter) -> Found:
    for value in values[:-1]:
        if value is not None and value is not MISSING:
            return value
    return values[-1]


def _lookup(values: Sequence[Found], meter: RenderMeter) -> Found:
    container, key = values
    if container is MISSING or key is MISSING:
        return MISSING
    if isinstance(key, float) and is_whole(key):
        key = int(key)
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise TemplateUnresolved(
            f"`lookup` needs a string or an integer as its key; it got {kind_of(key)}."
        )
    return member(container, str(key))


def _length(values: Sequence[Found], meter: RenderMeter) -> Found:
    (value,) = values
    if value is None:
        return 0
    if isinstance(value, str) or is_array(value) or is_object(value):
        return len(value)
    raise TemplateUnresolved(
        f"`length` needs a string, a list or an object; it got {kind_of(value)}."
    )


def _join(values: Sequence[Found], meter: RenderMeter) -> Found:
    items = values[0]
    separator = values[1] if len(values) > 1 else ", "
    if items is None:
        return ""
    if not is_array(items):
        raise TemplateUnresolved(f"`join` needs a list; it got {kind_of(items)}.")
    if not isinstance(separator, str):
        raise TemplateUnresolved(
            f"`join` needs a string between the items; it got {kind_of(separator)}."
        )
    parts: list[str] = []
    for item in items:
        parts.append(to_text(item, meter))
        meter.spend_text(len(separator))
    return separator.join(parts)


def _eq(values: Sequence[Found], meter: RenderMeter) -> Found:
    return same(values[0], values[1], meter)


def _ne(values: Sequence[Found], meter: RenderMeter) -> Found:
    return not same(values[0], values[1], meter)


def _ordering(
    name: str, holds: Callable[[int], bool]
) -> Callable[[Sequence[Found], RenderMeter], Found]:
    def apply(values: Sequence[Found], meter: RenderMeter) -> Found:
        left, right = values
        if isinstance(left, str) and isinstance(right, str):
            meter.spend_text(min(len(left), len(right)))
            return holds((left > right) - (left < right))
        if is_number(left) and is_number(right):
            return holds((left > right) - (left < right))
        raise TemplateUnresolved(
            f"`{name}` compares two numbers or two strings; it got {kind_of(left)} and {kind_of(right)}."
        )

    return apply


def _and(values: Sequence[Found], meter: RenderMeter) -> Found:
    return next((value for value in values if not truthy(value)), values[-1])


def _or(values: Sequence[Found], meter: RenderMeter) -> Found:
    return next((value for value in values if truthy(value)), values[-1])


def _not(values: Sequence[Found], meter: RenderMeter) -> Found:
    return not truthy(values[0])


HELPERS: dict[str, Helper] = {
    "json": Helper("json value", 1, 1, _json),
    "default": Helper("default value fallback", 2, MANY, _default, Tolerance.ALL_BUT_LAST),
    "lookup": Helper("lookup object key", 2, 2, _lookup, Tolerance.INHERITED),
    "length": Helper("length value", 1, 1, _length),
    "join": Helper('join list ", "', 1, 2, _join),
    "eq": Helper("eq a b", 2, 2, _eq),
    "ne": Helper("ne a b", 2, 2, _ne),
    "lt": Helper("lt a b", 2, 2, _ordering("lt", lambda order: order < 0)),
    "lte": Helper("lte a b", 2, 2, _ordering("lte", lambda order: order <= 0)),
    "gt": Helper("gt a b", 2, 2, _ordering("gt", lambda order: order > 0)),
    "gte": Helper("gte a b", 2, 2, _ordering("gte", lambda order: order >= 0)),
    "and": Helper("and a b", 2, MANY, _and, Tolerance.ALL),
    "or": Helper("or a b", 2, MANY, _or, Tolerance.ALL),
    "not": Helper("not a", 1, 1, _not, Tolerance.ALL),
}


def tolerates(tolerance: Tolerance, *, is_last: bool, around: bool) -> bool:
    """Whether an argument may be missing, by its helper and the context of the call."""
    match tolerance:
        case Tolerance.NONE:
            return False
        case Tolerance.ALL:
            return True
        case Tolerance.ALL_BUT_LAST:
            return not is_last
        case Tolerance.INHERITED:
            return around
        case _:
            assert_never(tolerance)
