"""Telling the shapes of plain JSON data apart, in a way that the type checker follows."""

from typing import TypeGuard

from stepiq.core.json import Json

_LARGEST_EXACT = 2**53


def is_object(value: Json) -> TypeGuard[dict[str, Json]]:
    """Whether a value is a JSON object."""
    return isinstance(value, dict)


def is_array(value: Json) -> TypeGuard[list[Json]]:
    """Whether a value is a JSON array."""
    return isinstance(value, list)


def is_number(value: Json) -> TypeGuard[int | float]:
    """Whether a value is a JSON number; booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: float) -> bool:
    """Whether a double is an integer, and small enough for every integer of that size to be one."""
    return value.is_integer() and abs(value) <= _LARGEST_EXACT


def as_integer(value: Json) -> int | None:
    """The integer that a JSON number is, as both `3` and `3.0` are; None for everything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def kind_of(value: Json) -> str:
    """The kind of a value in the words of the messages, which never show the value."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"
