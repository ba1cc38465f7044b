"""The CEL operators: equality, order, arithmetic and `in`."""

import math
import operator
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from stepiq.language.expressions import times, type_errors
from stepiq.language.expressions.times import Duration, Timestamp
from stepiq.language.expressions.values import (
    MISSING,
    NUMBERS,
    EvaluationFailure,
    EvaluationMeter,
    Optional,
    Uint,
    Value,
    as_double,
    is_list,
    is_map,
    items_of,
    key_of,
    kind_of,
    lookup,
    without_noise,
)

Binary = Callable[[EvaluationMeter, Value, Value], Value]
_Rule = Callable[[Value, Value], Value]
_Rules = dict[tuple[type[Any], type[Any]], _Rule]
_ORDERED = frozenset({str, bytes, bool, Timestamp, Duration})
_SCALARS = _ORDERED | NUMBERS | {type(None)}
_PAIR_COST = 3
_BOUNDS = {int: (-(2**63), 2**63 - 1), Uint: (0, 2**64 - 1)}


def refuse(sign: str, *values: Value) -> NoReturn:
    """Fail because an operator or function does not accept values of these kinds."""
    kinds = [kind_of(value) for value in values]
    listed = " and ".join(kinds) if len(kinds) < 3 else ", ".join(kinds)
    advice = type_errors.advise(sign, kinds)
    raise EvaluationFailure(f"`{sign}` cannot be applied to {listed}. {advice}".rstrip())


# -- equality and order --


def same(meter: EvaluationMeter, left: Value, right: Value) -> bool:
    """CEL's `==`: `1` equals `1.0` but not `true`, and values of different kinds are not equal."""
    meter.spend()
    pairs = [(left, right)]
    while pairs:
        a, b = pairs.pop()
        if is_list(a) and is_list(b):
            if len(a) != len(b):
                return False
            meter.spend(_PAIR_COST * len(a))
            pairs.extend(zip(items_of(a), items_of(b), strict=True))
        elif is_map(a) and is_map(b):
            if len(a) != len(b):
                return False
            meter.spend(_PAIR_COST * len(a))
            pairs.extend(_pairs(a, b))
        elif type(a) is Optional and type(b) is Optional:
            pairs.append((a.value, b.value))
        elif not _same_scalar(meter, a, b):
            return False
    return True


def _pairs(a: Value, b: Value) -> Iterator[tuple[Value, Value]]:
    for key in items_of(a):
        yield lookup(a, key), lookup(b, key)


def _same_scalar(meter: EvaluationMeter, a: Value, b: Value) -> bool:
    kind = a.__class__
    if kind is not type(b):
        return kind in NUMBERS and type(b) in NUMBERS and operator.eq(*_promoted(a, b))
    if kind is str:
        meter.spend_reading(min(len(a), len(b)))
    return a == b


def _promoted(a: Value, b: Value) -> tuple[Value, Value]:
    """Two numbers for comparison: both as doubles if one of them is a double."""
    return (as_double(a), as_double(b)) if float in (type(a), type(b)) else (a, b)


def differ(meter: EvaluationMeter, left: Value, right: Value) -> bool:
    """CEL's `!=`."""
    return not same(meter, left, right)


def _ordering(sign: str, holds: _Rule) -> Binary:
    def compare(meter: EvaluationMeter, a: Value, b: Value) -> Value:
        kind = a.__class__
        if kind in NUMBERS and type(b) in NUMBERS:
            return holds(a, b) if kind is type(b) else holds(*_promoted(a, b))
        if kind is not type(b) or kind not in _ORDERED:
            refuse(sign, a, b)
        if kind is str:
            meter.spend_reading(min(len(a), len(b)))
        return holds(a, b)

    return compare


# -- arithmetic --


def _bounded(rule: _Rule) -> _Rule:
    """Integer arithmetic, which fails on overflow of 64 bits."""

    def compute(a: Value, b: Value) -> Value:
        kind = a.__class__
        result = rule(a, b)
        low, high = _BOUNDS[kind]
        if not low <= result <= high:
            raise EvaluationFailure(
                "the result is too large for an integer of 64 bits. Compute with `double(x)`."
            )
        return kind(result)

    return compute


def _divide(a: int, b: int) -> int:
    if b == 0:
        raise EvaluationFailure(
            "division by zero. Check the divisor first: `x == 0 ? 0 : total / x`."
        )
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _remainder(a: int, b: int) -> int:
    return int(a) - int(b) * _divide(a, b)


def _divide_doubles(a: float, b: float) -> float:
    if b:
        return a / b
    if a == 0 or math.isnan(a):
        return math.nan
    return math.inf * math.copysign(1, a) * math.copysign(1, b)


def _moment(nanos: int) -> Timestamp:
    found = times.timestamp(nanos)
    if found is None:
        raise EvaluationFailure("the timestamp is outside the years 1 to 9999.")
    return found


def _length(nanos: int) -> Duration:
    # As in CEL: a computed duration is a 64-bit number of nanoseconds; a written one may be longer.
    low, high = _BOUNDS[int]
    if not low <= nanos <= high:
        raise EvaluationFailure(
            "the result is a duration of more than 292 years. Compare the timestamps themselves."
        )
    return Duration(nanos)


def _sum(a: Duration, b: Duration) -> Duration:
    return _length(a.nanos + b.nanos)


def _difference(a: Duration | Timestamp, b: Duration | Timestamp) -> Duration:
    return _length(a.nanos - b.nanos)


def _later(a: Timestamp, b: Duration) -> Timestamp:
    return _moment(a.nanos + b.nanos)


def _from_then(a: Duration, b: Timestamp) -> Timestamp:
    return _moment(a.nanos + b.nanos)


def _earlier(a: Timestamp, b: Duration) -> Timestamp:
    return _moment(a.nanos - b.nanos)


def _on_doubles(rule: Callable[[float, float], float], *, keeps_scale: bool) -> _Rule:
    """Arithmetic on doubles.

    Args:
        rule: the operation.
        keeps_scale: whether the error depends on the operands, and not only on the result.
    """

    def compute(a: Value, b: Value) -> float:
        x, y = float(a), float(b)
        result = rule(x, y)
        scale = max(abs(x), abs(y), abs(result)) if keeps_scale else abs(result)
        return without_noise(result, scale)

    return compute


def _rules(of_ints: _Rule, of_doubles: _Rule) -> _Rules:
    """The rules for numbers: two of the same type return that type, all others are converted to doubles."""
    rules: _Rules = {(one, other): of_doubles for one in NUMBERS for other in NUMBERS}
    rules[int, int] = rules[Uint, Uint] = _bounded(of_ints)
    return rules


_ADD: _Rules = _rules(operator.add, _on_doubles(operator.add, keeps_scale=True)) | {
    (Timestamp, Duration): _later,
    (Duration, Timestamp): _from_then,
    (Duration, Duration): _sum,
}
_SUBTRACT: _Rules = _rules(operator.sub, _on_doubles(operator.sub, keeps_scale=True)) | {
    (Timestamp, Duration): _earlier,
    (Timestamp, Timestamp): _difference,
    (Duration, Duration): _difference,
}
_MULTIPLY = _rules(operator.mul, _on_doubles(operator.mul, keeps_scale=False))
_DIVIDE = _rules(_divide, _on_doubles(_divide_doubles, keeps_scale=False))
_REMAINDER: _Rules = dict.fromkeys(((int, int), (Uint, Uint)), _bounded(_remainder))


def _computing(sign: str, rules: _Rules) -> Binary:
    def compute(_meter: EvaluationMeter, a: Value, b: Value) -> Value:
        rule = rules.get((a.__class__, b.__class__))
        if rule is None:
            refuse(sign, a, b)
        return rule(a, b)

    return compute


_add_numbers = _computing("+", _ADD)


def add(meter: EvaluationMeter, a: Value, b: Value) -> Value:
    """CEL's `+`, which also joins texts and lists."""
    if type(a) is type(b) and type(a) in (str, bytes):
        meter.spend_making(len(a) + len(b))
        return a + b
    if is_list(a) and is_list(b):
        meter.spend(1 + len(a) + len(b))
        return (*items_of(a), *items_of(b))
    return _add_numbers(meter, a, b)


def negate(_meter: EvaluationMeter, value: Value) -> Value:
    """CEL's unary `-`."""
    if type(value) is float:
        return -value
    if type(value) is not int:
        refuse("-", value)
    return _SUBTRACT[int, int](0, value)


def contains(meter: EvaluationMeter, value: Value, container: Value) -> bool:
    """CEL's `in`: whether a list contains an item, or an object a key."""
    if is_list(container):
        meter.spend(len(container))
        if type(value) in _SCALARS:
            return any(_same_scalar(meter, value, item) for item in items_of(container))
        return any(same(meter, value, item) for item in items_of(container))
    key = key_of(value)
    if not is_map(container) or (key is MISSING and type(value) is not float):
        refuse("in", value, container)
    return lookup(container, value) is not MISSING


BINARY: dict[str, Binary] = {
    "_==_": same,
    "_!=_": differ,
    "_<_": _ordering("<", operator.lt),
    "_<=_": _ordering("<=", operator.le),
    "_>_": _ordering(">", operator.gt),
    "_>=_": _ordering(">=", operator.ge),
    "_+_": add,
    "_-_": _computing("-", _SUBTRACT),
    "_*_": _computing("*", _MULTIPLY),
    "_/_": _computing("/", _DIVIDE),
    "_%_": _computing("%", _REMAINDER),
    "@in": contains,
}
