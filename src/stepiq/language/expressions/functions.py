"""The CEL functions by name: sizes, texts, conversions, times and optional values."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

from stepiq.language.expressions import times, values
from stepiq.language.expressions.operators import BINARY, negate, refuse
from stepiq.language.expressions.times import Duration, Timestamp
from stepiq.language.expressions.values import (
    MISSING,
    NONE,
    NUMBERS,
    EvaluationFailure,
    EvaluationMeter,
    Optional,
    TypeName,
    Uint,
    Value,
    enter,
    is_list,
    is_map,
    type_of,
)
from stepiq.language.patterns import PatternSyntaxError

Function = Callable[..., Value]
"""Takes the meter, then the argument values."""
_INTEGER = re.compile(r"\s*([+-]?[0-9]{1,30})\s*")
_DOUBLE = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")
_MAX_NUMBER_LENGTH = 400
_BOOLEANS = {
    **dict.fromkeys(("true", "True", "TRUE", "t", "1"), True),
    **dict.fromkeys(("false", "False", "FALSE", "f", "0"), False),
}
_HALF_CHARACTER = "the text contains half of a surrogate pair, which is not a character."
_TIME_COST = 10
_CONVERSION_COST = 2
"""Cost of one conversion, in operations."""


# -- sizes and texts --


def _size(meter: EvaluationMeter, value: Value) -> int:
    if not isinstance(value, str | bytes) and not is_list(value) and not is_map(value):
        refuse("size", value)
    return len(value)


def _on_texts(name: str, rule: Callable[[str, str], bool], *, reads_all: bool) -> Function:
    def apply(meter: EvaluationMeter, text: Value, other: Value) -> bool:
        if type(text) is not str or type(other) is not str:
            refuse(name, text, other)
        meter.spend_reading(len(text) if reads_all else len(other))
        return rule(text, other)

    return apply


def _matches(meter: EvaluationMeter, text: Value, pattern: Value) -> bool:
    if type(text) is not str or type(pattern) is not str:
        refuse("matches", text, pattern)
    try:
        return values.matches(meter, text, pattern)
    except PatternSyntaxError as error:
        raise EvaluationFailure(f"the pattern of `matches` is invalid. {error.message}") from None
    except UnicodeEncodeError:
        raise EvaluationFailure(_HALF_CHARACTER) from None


# -- conversions --


def _int(meter: EvaluationMeter, value: Value) -> int:
    result = _truncate("int", meter, value)
    # -2^63 as a double may be the rounded form of a smaller number, so CEL refuses it.
    lowest = -(2**63) + (type(value) is float)
    if not lowest <= result < 2**63:
        raise EvaluationFailure(
            "the number is too large for an integer, which has 64 bits. Use `double(x)`."
        )
    return result


def _uint(meter: EvaluationMeter, value: Value) -> Uint:
    result = value if type(value) is Uint else _truncate("uint", meter, value)
    if not 0 <= result < 2**64:
        raise EvaluationFailure("`uint` takes numbers from 0 to 18446744073709551615.")
    return Uint(result)


def _truncate(name: str, meter: EvaluationMeter, value: Value) -> int:
    """A number, a text of digits or the seconds of a timestamp as an integer of any size."""
    meter.spend(_CONVERSION_COST)
    match value:
        case bool():
            return refuse(name, value)
        case int():
            return int(value)
        case float():
            if not math.isfinite(value):
                raise EvaluationFailure(
                    f"`{name}` takes finite numbers, but this is infinite, not a number or too large "
                    "(more than 308 digits). Check for a division by zero."
                )
            return int(value)
        case str():
            found = _INTEGER.fullmatch(value) if len(value) <= _MAX_NUMBER_LENGTH else None
            if found is None:
                raise EvaluationFailure(
                    f"`{name}` cannot read this text. It must be an integer, such as '42'."
                )
            return int(found[1])
        case Timestamp():
            return value.nanos // 10**9
        case _:
            return refuse(name, value)


def _double(meter: EvaluationMeter, value: Value) -> float:
    meter.spend(_CONVERSION_COST)
    if type(value) is str:
        found = _DOUBLE.fullmatch(value) if len(value) <= _MAX_NUMBER_LENGTH else None
        if found is None:
            raise EvaluationFailure(
                "`double` cannot read this text. It must be a number, such as '2.5'."
            )
        return float(found[1])
    if type(value) not in NUMBERS:
        refuse("double", value)
    return float(value)


def _string(meter: EvaluationMeter, value: Value) -> str:
    meter.spend(_CONVERSION_COST)
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(int(value))
        case float():
            return values.write(value)
        case bytes():
            meter.spend_making(len(value))
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise EvaluationFailure("`string` cannot read these bytes as UTF-8.") from None
        case Timestamp():
            return times.write_timestamp(value)
        case Duration():
            return times.write_duration(value)
        case _:
            return refuse("string", value)


def _bytes(meter: EvaluationMeter, value: Value) -> bytes:
    if type(value) is not str:
        return value if type(value) is bytes else refuse("bytes", value)
    meter.spend_making(len(value))
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise EvaluationFailure(_HALF_CHARACTER) from None


def _bool(meter: EvaluationMeter, value: Value) -> bool:
    if type(value) is bool:
        return value
    if type(value) is not str:
        refuse("bool", value)
    if value not in _BOOLEANS:
        raise EvaluationFailure("`bool` cannot read this text. It must be 'true' or 'false'.")
    return _BOOLEANS[value]


def _dyn(meter: EvaluationMeter, value: Value) -> Value:
    return value


def _type(meter: EvaluationMeter, value: Value) -> TypeName:
    return type_of(value)


# -- times --


def _timestamp(meter: EvaluationMeter, value: Value) -> Timestamp:
    meter.spend(_TIME_COST)
    match value:
        case Timestamp():
            return value
        case str():
            found = times.read_timestamp(value) if len(value) <= _MAX_NUMBER_LENGTH else None
        case int() if type(value) is int:
            found = times.timestamp(value * 10**9)
        case _:
            refuse("timestamp", value)
    if found is None:
        raise EvaluationFailure(
            "`timestamp` needs a time such as '2024-01-31T09:00:00Z', in the years 1 to 9999."
        )
    return found


def _duration(meter: EvaluationMeter, value: Value) -> Duration:
    meter.spend(_TIME_COST)
    if type(value) is Duration:
        return value
    if type(value) is not str:
        refuse("duration", value)
    found = times.read_duration(value)
    if found is None:
        raise EvaluationFailure(
            "`duration` needs a length of time such as '1h30m' or '2.5s', of at most 10,000 years."
        )
    return found


def _of_time(
    name: str, of_calendar: Callable[[datetime], int], unit: int = 0, modulus: int = 0
) -> Function:
    """A function for a part of a timestamp, or for the number of whole units in a duration."""

    def apply(meter: EvaluationMeter, value: Value, zone: Value = MISSING) -> int:
        meter.spend(_TIME_COST)
        if type(value) is Duration and unit and zone is MISSING:
            count = times.toward_zero(value.nanos, unit)
            return int(math.fmod(count, modulus)) if modulus else count
        if type(value) is not Timestamp:
            refuse(name, value)
        shown = times.calendar(value, _zone(name, zone))
        if shown is None:
            raise EvaluationFailure(
                "in this time zone, the timestamp is outside the years 1 to 9999."
            )
        return of_calendar(shown)

    return apply


def _zone(function: str, name: Value) -> tzinfo:
    if name is MISSING or name == "":
        return UTC
    if type(name) is not str:
        refuse(function, name)
    zone = times.read_zone(name) if len(name) <= _MAX_NUMBER_LENGTH else None
    if zone is None:
        raise EvaluationFailure(
            "the time zone is unknown. Use a name such as 'Europe/Berlin', or an offset such as '+02:00'."
        )
    return zone


# -- optional values --


def _of(meter: EvaluationMeter, value: Value) -> Optional:
    return Optional(value)


def _none(meter: EvaluationMeter) -> Optional:
    return NONE


def _of_non_zero(meter: EvaluationMeter, value: Value) -> Optional:
    return NONE if _is_zero(value) else Optional(value)


def _is_zero(value: Value) -> bool:
    if isinstance(value, Timestamp | Duration):
        return value.nanos == 0
    return value is None or (not isinstance(value, Optional | TypeName) and not value)


def _has_value(meter: EvaluationMeter, value: Value) -> bool:
    return expect_optional("hasValue", value).value is not MISSING


def _value(meter: EvaluationMeter, value: Value) -> Value:
    found = expect_optional("value", value).value
    if found is MISSING:
        raise EvaluationFailure(
            "the optional value is empty. Write `.orValue(…)` with a fallback instead of `.value()`."
        )
    return found


def expect_optional(name: str, value: Value) -> Optional:
    """Return the value if it is an optional; fail otherwise."""
    if type(value) is not Optional:
        raise EvaluationFailure(
            f"`{name}` needs an optional value. Write `.?` before the last name: "
            f"`input.?topic.{name}({'…' if name.startswith('or') else ''})`."
        )
    return value


def _first(meter: EvaluationMeter, value: Value) -> Optional:
    return _item("first", value, 0)


def _last(meter: EvaluationMeter, value: Value) -> Optional:
    return _item("last", value, -1)


def _item(name: str, value: Value, index: int) -> Optional:
    if not is_list(value):
        refuse(name, value)
    if not value:
        return NONE
    return Optional(enter(value[index]) if type(value) is list else value[index])


FUNCTIONS: dict[str, Function] = {
    **BINARY,
    "-_": negate,
    "size": _size,
    "contains": _on_texts("contains", lambda text, other: other in text, reads_all=True),
    "startsWith": _on_texts("startsWith", str.startswith, reads_all=False),
    "endsWith": _on_texts("endsWith", str.endswith, reads_all=False),
    "matches": _matches,
    "int": _int,
    "uint": _uint,
    "double": _double,
    "string": _string,
    "bytes": _bytes,
    "bool": _bool,
    "dyn": _dyn,
    "type": _type,
    "timestamp": _timestamp,
    "duration": _duration,
    "getFullYear": _of_time("getFullYear", lambda shown: shown.year),
    "getMonth": _of_time("getMonth", lambda shown: shown.month - 1),
    "getDate": _of_time("getDate", lambda shown: shown.day),
    "getDayOfMonth": _of_time("getDayOfMonth", lambda shown: shown.day - 1),
    "getDayOfWeek": _of_time("getDayOfWeek", lambda shown: shown.isoweekday() % 7),
    "getDayOfYear": _of_time("getDayOfYear", lambda shown: shown.timetuple().tm_yday - 1),
    "getHours": _of_time("getHours", lambda shown: shown.hour, 3600 * 10**9),
    "getMinutes": _of_time("getMinutes", lambda shown: shown.minute, 60 * 10**9),
    "getSeconds": _of_time("getSeconds", lambda shown: shown.second, 10**9),
    "getMilliseconds": _of_time(
        "getMilliseconds", lambda shown: shown.microsecond // 1000, 10**6, 1000
    ),
    "optional.of": _of,
    "optional.none": _none,
    "optional.ofNonZeroValue": _of_non_zero,
    "hasValue": _has_value,
    "value": _value,
    "first": _first,
    "last": _last,
}
"""The functions with eagerly evaluated arguments. `&&`, `? :`, `orValue` and similar ones are in `program`."""
