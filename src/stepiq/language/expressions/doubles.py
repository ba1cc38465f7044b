"""Doubles as people read them: whole ones without a fraction, and results without the noise of binary fractions."""

import math

from stepiq.language.data import is_whole

_DIGITS = 13
"""Significant digits of the decimal numbers that results are rounded to."""
_NOISE = 3
"""How far one operation on doubles may miss the exact result of the decimal numbers, in units of the last place."""


def write(value: float) -> str:
    """A double as JSON has it: `3`, `0.5`, `1e+300`."""
    if math.isfinite(value):
        return str(int(value)) if is_whole(value) else repr(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def without_noise(value: float, scale: float) -> float:
    """The result of an operation, rounded to 13 digits if rounding changes no more than its error.

    The double for 1.19 is not 1.19, so that 10 times that is 11.899999999999999. Decision 0019 gives the reasons.

    Args:
        value: the result.
        scale: the largest number that took part, which decides how large the error may be.
    """
    if value.is_integer() or not math.isfinite(scale):
        return value
    rounded = round(value, _DIGITS - 1 - math.floor(math.log10(scale)))
    return rounded if abs(value - rounded) <= _NOISE * math.ulp(scale) else value
