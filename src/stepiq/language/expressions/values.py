"""Values as expressions see them, and the meter that bounds the work of one evaluation.

JSON data is read where it lies: a `list` or a `dict` comes from the context and its numbers enter when they are
taken out of it. What an expression makes itself is a `tuple` or a `Map`, whose values have entered already.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final

from stepiq.core.json import Json
from stepiq.language.expressions.times import Duration, Timestamp
from stepiq.language.templates.meter import OPERATIONS_PER_PAUSE, OverBudget

MAX_OPERATIONS = 100_000
"""Most work one evaluation does: parts of the expression visited, once for every item a macro goes through."""
MAX_TEXT_LENGTH = 1024 * 1024
"""Longest text an expression may make, in characters."""
_READ_PER_OPERATION = 100
_MADE_PER_OPERATION = 64
_INT_LIMIT = 2**63

Value = Any
"""None, bool, int, float, str, bytes, list, dict, or one of the classes here and in `times`."""


class Failure(Exception):
    """An expression has no value. `&&`, `||`, `all` and `exists` go on if the rest decides without it."""


class Exhausted(Exception):
    """An expression is more work than one may be. Nothing goes on after this."""


class Missing:
    """The absence of a value, which is not null."""


MISSING: Final = Missing()


class Meter:
    """Counts the work of an evaluation, or of several that share their bounds, and stops it at the limit.

    Args:
        limit: operations that are too many.
        budget: operations after which `OverBudget` is raised, long before that.
        pause: called again and again during the work; what it raises ends the evaluation.
    """

    __slots__ = ("_budget", "_left", "_limit", "_pause", "_span", "_spent", "patterns")

    def __init__(
        self,
        limit: int = MAX_OPERATIONS,
        *,
        budget: int | None = None,
        pause: Callable[[], None] | None = None,
    ) -> None:
        self._limit, self._budget, self._pause = limit, budget, pause
        self._spent = 0
        self._span = self._left = self._next_span()
        self.patterns: dict[tuple[str, str], Any] = {}
        """Patterns that were compiled on the way, by their text."""

    def spend(self, operations: int = 1) -> None:
        self._left -= operations
        if self._left < 0:
            self._look_up()

    def spend_reading(self, length: int) -> None:
        """Charge for characters that are looked at."""
        self.spend(1 + length // _READ_PER_OPERATION)

    def spend_making(self, length: int) -> None:
        """Charge for characters that a new text has."""
        if length > MAX_TEXT_LENGTH:
            raise Exhausted(f"it creates a string of more than {MAX_TEXT_LENGTH:,} characters.")
        self.spend(1 + length // _MADE_PER_OPERATION)

    def _look_up(self) -> None:
        self._spent += self._span - self._left
        if self._spent > self._limit:
            raise Exhausted(
                f"it needs more than {self._limit:,} operations. Use fewer items or shorter strings, "
                "or split the step."
            )
        if self._pause is None:
            # Without pauses, only a budget ends before the limit.
            raise OverBudget
        self._pause()
        self._span = self._left = self._next_span()

    def _next_span(self) -> int:
        left = self._limit - self._spent
        if self._budget is not None:
            return min(left, self._budget - self._spent)
        return left if self._pause is None else min(left, OPERATIONS_PER_PAUSE)


class Uint(int):
    """CEL's unsigned integer, written `1u`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type as a value, such as `int`."""

    name: str


@dataclass(frozen=True, slots=True)
class Optional:
    """A value that may not be there."""

    value: Value
    """`MISSING` if it isn't."""


NONE = Optional(MISSING)


@dataclass(frozen=True, slots=True)
class BoolKey:
    """True or false as the key of a map: Python takes `True` and `1` for the same key, CEL does not."""

    value: bool


class Map(dict[Any, Value]):
    """A map that an expression made. Its keys are texts, integers and `BoolKey`s."""

    __slots__ = ()


_KINDS: dict[type, tuple[str, str]] = {
    NoneType: ("null_type", "null"),
    bool: ("bool", "a boolean"),
    int: ("int", "an integer"),
    Uint: ("uint", "an unsigned integer"),
    float: ("double", "a double"),
    str: ("string", "a string"),
    bytes: ("bytes", "bytes"),
    list: ("list", "a list"),
    tuple: ("list", "a list"),
    dict: ("map", "an object"),
    Map: ("map", "an object"),
    Timestamp: ("google.protobuf.Timestamp", "a timestamp"),
    Duration: ("google.protobuf.Duration", "a duration"),
    TypeName: ("type", "a type"),
    Optional: ("optional_type", "an optional value"),
}
TYPES = {name: TypeName(name) for name, _ in _KINDS.values()}
"""The types that an expression can name."""
NUMBERS = frozenset({int, float, Uint})
_TAKEN_AS_THEY_ARE = frozenset({NoneType, bool, str, list, dict})


def type_of(value: Value) -> TypeName:
    """What `type(x)` gives."""
    return TYPES[_KINDS[type(value)][0]]


def kind_of(value: Value) -> str:
    """The kind of a value in the words of the messages, which never show the value."""
    return _KINDS[type(value)][1]


def is_list(value: Value) -> bool:
    """Whether a value is a list, whoever made it."""
    return type(value) in (list, tuple)


def is_map(value: Value) -> bool:
    """Whether a value is an object, whoever made it."""
    return type(value) in (dict, Map)


def enter(value: Json) -> Value:
    """A value of the context as expressions see it: a number without a fraction is an integer while 64 bits hold it."""
    kind = value.__class__
    if kind in _TAKEN_AS_THEY_ARE:
        return value
    if kind is int:
        return value if -_INT_LIMIT <= value < _INT_LIMIT else _as_double(value)
    if kind is float:
        is_int = value.is_integer() and -_INT_LIMIT <= value < _INT_LIMIT
        return int(value) if is_int else value
    if isinstance(value, str):
        return str.__str__(value)  # a member of an enumeration, for one
    raise Failure("it reads a value that is not JSON data.")


def _as_double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def items_of(container: Value) -> Iterator[Value]:
    """What a macro goes through: the items of a list, or the keys of a map."""
    kind = container.__class__
    if kind is list:
        return map(enter, container)
    if kind is Map:
        return (key.value if type(key) is BoolKey else key for key in container)
    return iter(container)


def key_of(value: Value) -> Any:
    """A value as the key of a map; `MISSING` if it cannot be one."""
    kind = value.__class__
    if kind in (str, int, Uint):
        return value
    if kind is bool:
        return BoolKey(value)
    if kind is float and value.is_integer():
        return int(value)
    return MISSING


def lookup(container: Value, key: Value) -> Value:
    """What a key or an index names in a value, or `MISSING`."""
    kind = container.__class__
    if kind is dict:
        return enter(container[key]) if type(key) is str and key in container else MISSING
    if kind is Map:
        return container.get(key_of(key), MISSING)
    if kind is list or kind is tuple:
        index = key_of(key)
        if isinstance(index, int) and 0 <= index < len(container):
            return enter(container[index]) if kind is list else container[index]
    return MISSING
