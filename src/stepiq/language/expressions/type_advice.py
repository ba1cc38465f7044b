"""What to write instead of an operator between values of the wrong types."""

from collections.abc import Iterable

_NUMBERS = frozenset(("an integer", "an unsigned integer", "a double"))
_TIMES = frozenset(("a timestamp", "a duration"))
_TO_STRING = _NUMBERS | _TIMES | {"a boolean", "bytes"}
_ORDER = frozenset(("<", "<=", ">", ">="))
_READ_TIME = "the string with `timestamp(x)` or `duration(x)`."
_CONVERSIONS = {
    "a list": "Use an item of the list, such as `x[0]`, or its length, `size(x)`.",
    "an object": "Use a field of the object, such as `x.total`.",
    "a type": "Types can only be compared with `==`: `type(x) == int`.",
    "bytes": "Convert the bytes with `string(x)`.",
    "a timestamp": "Convert the timestamp to seconds with `int(x)`.",
    "a duration": "Convert the duration to seconds with `x.getSeconds()`.",
    "a boolean": "For a number, write `x ? 1 : 0`.",
    "a string": "Convert the string with `int(x)` or `double(x)`.",
    "an unsigned integer": "Convert the unsigned integer with `int(x)`.",
}
"""What to do with a value of a type that has no arithmetic or order with other types. The first that is found counts."""


def advise(sign: str, kinds: Iterable[str]) -> str:
    """What to write instead.

    Args:
        sign: an operator for arithmetic or order, or `in`.
        kinds: the types of its values, with their articles: `an integer`.

    Returns:
        Sentences. Empty if `sign` is the name of a function, or if no advice fits the types.
    """
    found = frozenset(kinds)
    if "null" in found:
        return "If a value may be null, check it first: `x == null ? … : …`."
    if "an optional value" in found:
        return "Use the value inside: `.orValue(…)`."
    if sign == "in":
        return (
            "Write a list or an object after `in`. To search in a string, use `text.contains('a')`."
        )
    if sign not in {*_ORDER, "+", "-", "*", "/", "%"}:
        return ""
    if sign == "%" and found <= {*_NUMBERS, "any value"}:
        return "Use integers: `int(x) % 2`."
    return _advise_sum(sign, found) or _advise_times(sign, found) or _advise_conversion(found)


def _advise_sum(sign: str, found: frozenset[str]) -> str:
    if sign != "+":
        return ""
    if "a string" in found and (others := found & _TO_STRING):
        advice = f"Convert {_definite(*others)} with `string(x)`"
        is_time = not others.isdisjoint(_TIMES)
        return f"{advice}, or {_READ_TIME}" if is_time else f"{advice}."
    if found >= {"a string", "a list"}:
        return "Use an item of the list, such as `string(x[0])`, or `join` in a template."
    if "an object" in found and not found.isdisjoint(("a string", "a list")):
        return _CONVERSIONS["an object"]
    if "a list" in found:
        return "To append an item to a list, write `list + [x]`."
    if found <= {"a timestamp"}:
        return "Add a duration to a timestamp: `x + duration('3600s')`."
    return ""


def _advise_times(sign: str, found: frozenset[str]) -> str:
    if sign not in {*_ORDER, "+", "-"} or not found & _TIMES:
        return ""
    if "a string" in found:
        if sign not in _ORDER:
            return f"Convert {_READ_TIME}"
        name = "duration" if "a duration" in found else "timestamp"
        return f"Convert the string with `{name}(x)`."
    if found >= _TIMES:
        return (
            "Write the timestamp first: `x - duration('3600s')`."
            if sign == "-"
            else "The difference of two timestamps is a duration: `a - b < duration('3600s')`."
        )
    if found & _NUMBERS and (sign not in _ORDER or "a duration" in found):
        return "Write a duration instead of the number: `duration('3600s')`."
    return ""


def _advise_conversion(found: frozenset[str]) -> str:
    return next((advice for kind, advice in _CONVERSIONS.items() if kind in found), "")


def _definite(kind: str) -> str:
    return f"the {kind.removeprefix('an ').removeprefix('a ')}"
