"""Regular expressions inside other languages: every use is charged to the meter of the evaluation around it."""

from stepiq.language.expressions.values import Meter
from stepiq.language.patterns import Regex, compile_regex

_PATTERN_COST = 5_000
"""Compiling a pattern takes up to a millisecond."""
_STEPS_PER_OPERATION = 50
"""Characters times instructions: in the worst case each of them takes some nanoseconds."""


def matches(meter: Meter, text: str, pattern: str, *, whole: bool = False, dot: str = ".") -> bool:
    """Whether a pattern matches somewhere in a text, or the whole of it; `dot` is what its `.` means.

    Raises:
        PatternSyntaxError: it is no pattern.
        UnicodeEncodeError: the text has half of a surrogate pair.
    """
    regex: Regex | None = meter.patterns.get((pattern, dot))
    if regex is None:
        meter.spend(_PATTERN_COST)
        regex = meter.patterns[pattern, dot] = compile_regex(pattern, dot=dot)
    meter.spend(1 + len(text) * regex.size // _STEPS_PER_OPERATION)
    return regex.matches(text) if whole else regex.search(text) is not None
