"""What CEL's own implementation makes of an expression, in the same JSON as ours.

CEL computes nothing with numbers of two types. Here it converts both to doubles, as the language says.
"""

import datetime
import math
import operator
from collections.abc import Callable
from typing import Any

from stepiq.language.expressions.environment import MIXED, new_engine


def _divide(a: float, b: float) -> float:
    return a / b if b else math.copysign(math.inf, a) * math.copysign(1, b) if a else math.nan


_ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": _divide}


def _promoting(rule: Callable[[float, float], float]) -> Callable[[float, float], float]:
    return lambda a, b: rule(float(a), float(b))


_ENGINE = new_engine(
    {
        f"_{sign}_({one},{other})": _promoting(rule)
        for sign, rule in _ARITHMETIC.items()
        for one, other in MIXED
    }
)


class Refused(Exception):
    """It has no value there."""


def evaluate(text: str, context: dict[str, Any]) -> Any:
    """The value of an expression that it can read.

    Raises:
        Refused: it evaluates to an error, or to a kind of value that JSON does not have.
    """
    try:
        return _plain(_ENGINE.compile(text).eval(data=context))
    except RuntimeError as error:
        raise Refused(str(error)) from None


def _plain(value: Any) -> Any:
    kind = str(value.type())
    # Its own conversion loses a reference to None for every null.
    if kind == "NULL":
        return None
    if kind == "ERROR":
        return _optional(value)
    found = value.value()
    if isinstance(found, list):
        return [_plain(item) for item in found]
    if isinstance(found, dict):
        if not all(isinstance(key, str) for key in found):
            raise Refused("keys")
        return {key: _plain(item) for key, item in found.items()}
    return _scalar(found)


def _scalar(found: Any) -> Any:
    if isinstance(found, float) and found.is_integer() and abs(found) <= 2**53:
        return int(found)
    if isinstance(found, datetime.datetime):
        return found.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(found, datetime.timedelta):
        seconds, rest = divmod(found, datetime.timedelta(seconds=1))
        return f"{seconds}.{rest.microseconds // 1000:03}s" if rest else f"{seconds}s"
    if (
        not isinstance(found, bool | int | float | str)
        or found in (float("inf"), -float("inf"))
        or found != found
    ):
        raise Refused(type(found).__name__)
    return found


def _optional(value: Any) -> Any:
    """This version gives optional values back as errors that can only be shown."""
    if repr(value) == "optional.none()":
        return None
    raise Refused(repr(value))
