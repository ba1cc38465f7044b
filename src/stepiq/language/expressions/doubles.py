"""Doubles in readable form: whole ones without a fraction, and results without binary rounding noise."""

import math

from stepiq.language.data import is_whole

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
