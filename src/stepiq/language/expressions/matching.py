"""Regular expressions in expressions and JSONPath. Every use is charged to the meter of the evaluation."""

from stepiq.language.expressions.values import EvaluationMeter
from stepiq.language.patterns import Regex, compile_regex

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
