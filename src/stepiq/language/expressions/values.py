"""The values of expressions, and the meter that limits the work of one evaluation.

JSON data is not copied: a `list` or a `dict` comes from the context, and its numbers are converted when they are read.
A value that an expression creates is a `tuple` or a `Map`, whose items are converted already.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final

from stepiq.language.data import is_whole
from stepiq.language.expressions.times import Duration, Timestamp
from stepiq.language.patterns import Regex, compile_regex
from stepiq.language.templates.meter import WorkMeter

MAX_OPERATIONS = 100_000
"""Most work of one evaluation: parts of the expression evaluated, once for every item that a macro visits."""
MAX_TEXT_LENGTH = 1024 * 1024
"""Longest text that an expression may create, in characters."""
_READ_PER_OPERATION = 100
_MADE_PER_OPERATION = 64
_INT_LIMIT = 2**63

Value = Any
"""None, bool, int, float, str, bytes, list, dict, or one of the classes here and in `times`."""


class EvaluationFailure(Exception):
    """An expression has no value. `&&`, `||`, `all` and `exists` continue if the rest decides without it."""


class Exhausted(Exception):
    """An expression exceeds its work limit. This always ends the evaluation."""


class AbsentValue:
    """The absence of a value, which is not null."""


MISSING: Final = AbsentValue()


class EvaluationMeter(WorkMeter):
    """Counts the work of one evaluation, or of several that share a limit; the arguments are those of `WorkMeter`."""

    __slots__ = ("patterns",)

    def __init__(
        self,
        limit: int = MAX_OPERATIONS,
        *,
        budget: int | None = None,
        pause: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(limit, budget=budget, pause=pause)
        self.patterns: dict[tuple[str, str], Any] = {}
        """Patterns compiled during the evaluation, by their text and the meaning of `.`."""

    def spend_beyond_limit(self, operations: int) -> None:
        """Charge for work that another limit bounds, so that it does not count towards the limit of operations."""
        self._spent -= operations
        self.spend(operations)

    def spend_reading(self, length: int) -> None:
        """Charge for characters that are read."""
        self.spend(1 + length // _READ_PER_OPERATION)

    def spend_making(self, length: int) -> None:
        """Charge for the characters of a new text."""
        if length > MAX_TEXT_LENGTH:
            raise Exhausted(f"it creates a string of more than {MAX_TEXT_LENGTH:,} characters.")
        self.spend(1 + length // _MADE_PER_OPERATION)

    def exceeded(self) -> Exception:
        return Exhausted(
            f"it needs more than {self._limit:,} operations. Use fewer items or shorter strings, or split the step."
        )


class Uint(int):
    """CEL's unsigned integer, written `1u`."""

    __slots__ = ()


class PlaceholderIndex(int):
    """A numeric part of `{{path}}`: the index of an item, or the name of a field."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type as a value, such as `int`."""

    name: str


@dataclass(frozen=True, slots=True)
class Optional:
    """A value that may be absent."""

    value: Value
    """`MISSING` if absent."""


NONE = Optional(MISSING)


@dataclass(frozen=True, slots=True)
class BoolKey:
    """A boolean as the key of a map. In Python `True` and `1` are the same key, in CEL they are not."""

    value: bool


class Map(dict[Any, Value]):
    """A map that an expression created. Its keys are texts, integers and `BoolKey`s."""

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
    """The result of `type(x)`."""
    return TYPES[_KINDS[type(value)][0]]


def kind_of(value: Value) -> str:
    """The kind of a value for messages, which never show the value."""
    return _KINDS[type(value)][1]


def is_list(value: Value) -> bool:
    """Whether a value is a list, from the context or created by an expression."""
    return type(value) in (list, tuple)


def is_map(value: Value) -> bool:
    """Whether a value is an object, from the context or created by an expression."""
    return type(value) in (dict, Map)


def enter(value: Value) -> Value:
    """Convert a value of the context: a number without a fraction becomes an integer if it fits into 64 bits."""
    kind = value.__class__
    if kind in _TAKEN_AS_THEY_ARE:
        return value
    if kind is int:
        return value if -_INT_LIMIT <= value < _INT_LIMIT else as_double(value)
    if kind is float:
        is_int = value.is_integer() and -_INT_LIMIT <= value < _INT_LIMIT
        return int(value) if is_int else value
    if isinstance(value, str):
        return str.__str__(value)  # such as an enum member
    raise EvaluationFailure("it reads a value that is not JSON data.")


def as_double(value: float) -> float:
    """A number as a double, which is infinite if the number is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def items_of(container: Value) -> Iterator[Value]:
    """The values that a macro iterates over: the items of a list, or the keys of a map."""
    kind = container.__class__
    if kind is list:
        return map(enter, container)
    if kind is Map:
        return (key.value if type(key) is BoolKey else key for key in container)
    return iter(container)


def key_of(value: Value) -> Any:
    """A value as the key of a map; `MISSING` if it cannot be a key."""
    kind = value.__class__
    if kind in (str, int, Uint, PlaceholderIndex):
        return value
    if kind is bool:
        return BoolKey(value)
    if kind is float and value.is_integer():
        return int(value)
    return MISSING


def lookup(container: Value, key: Value) -> Value:
    """The value at a key or an index, or `MISSING`."""
    kind = container.__class__
    if kind is dict:
        if type(key) is PlaceholderIndex:
            key = str(key)
        return enter(container[key]) if type(key) is str and key in container else MISSING
    if kind is Map:
        return container.get(key_of(key), MISSING)
    if kind is list or kind is tuple:
        index = key_of(key)
        if isinstance(index, int) and 0 <= index < len(container):
            return enter(container[index]) if kind is list else container[index]
    return MISSING


_DIGITS = 13
"""Significant digits that results are rounded to."""
_NOISE = 3
"""Largest difference between a result in doubles and the exact decimal result, in units in the last place."""


def write(value: float) -> str:
    """A double as JSON text: `3`, `0.5`, `1e+300`."""
    if math.isfinite(value):
        return str(int(value)) if is_whole(value) else repr(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def without_noise(value: float, scale: float) -> float:
    """The result of an operation, rounded to 13 digits if rounding changes no more than its error.

    For example, 10 * 1.19 is 11.899999999999999 in doubles. Decision 0015 gives the reasons.

    Args:
        value: the result.
        scale: the largest operand or result, which bounds the error.
    """
    if value.is_integer() or not (math.isfinite(value) and math.isfinite(scale)):
        return value
    rounded = round(value, _DIGITS - 1 - math.floor(math.log10(scale)))
    return rounded if abs(value - rounded) <= _NOISE * math.ulp(scale) else value


_PATTERN_COST = 5_000
"""Cost of compiling a pattern, which takes up to a millisecond."""
_STEPS_PER_OPERATION = 50
"""Characters times instructions per operation: in the worst case each of them takes a few nanoseconds."""


def matches(
    meter: EvaluationMeter, text: str, pattern: str, *, whole: bool = False, dot: str = "."
) -> bool:
    """Whether a pattern matches part of a text, or with `whole` all of it; `dot` is the meaning of `.`.

    Raises:
        PatternSyntaxError: the pattern is invalid.
        UnicodeEncodeError: the text contains half of a surrogate pair.
    """
    regex: Regex | None = meter.patterns.get((pattern, dot))
    if regex is None:
        meter.spend(_PATTERN_COST)
        regex = meter.patterns[pattern, dot] = compile_regex(pattern, dot=dot)
    meter.spend(1 + len(text) * regex.size // _STEPS_PER_OPERATION)
    return regex.matches(text) if whole else regex.search(text) is not None
