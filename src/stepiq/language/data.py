"""Type guards for plain JSON data."""

from typing import TypeGuard

from stepiq.core.json import Json

_LARGEST_EXACT = 2**53


def is_object(value: object) -> TypeGuard[dict[str, Json]]:
    """Whether a value is a JSON object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Json]]:
    """Whether a value is a JSON array."""
    return isinstance(value, list)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a JSON number, which excludes booleans."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: float) -> bool:
    """Whether a double is an integer of at most 2^53, the range in which doubles represent every integer exactly."""
    return value.is_integer() and abs(value) <= _LARGEST_EXACT


def as_integer(value: object) -> int | None:
    """A JSON number as an integer, such as 3 for `3` and `3.0`; None for everything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def kind_of(value: object) -> str:
    """The kind of a value for messages, which never show the value."""
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
