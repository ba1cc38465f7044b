"""Reads the errors of CEL's parser and type checker.

The library raises `RuntimeError` with a text, and nothing else: no code, no position, no types. No other module reads
this text. The position, the kinds of type errors, and the types in them cannot be known without it. The tests of
messages pin it for the locked version of the library. All other explanations use the tokens of the expression.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

_LINE = re.compile(
    r"^(?:[A-Z_]+: )?ERROR: <input>:(-?[0-9]+):(-?[0-9]+): (Syntax error: )?(.*)$", re.MULTILINE
)
_STATUS = re.compile(r"\A([A-Z_]+): | \[[A-Z_]+\]\Z")


class ComplaintKind(Enum):
    """What is wrong."""

    SYNTAX = auto()
    """The parser expects other text."""
    UNKNOWN_REFERENCE = auto()
    """A name does not exist, or no function of this name has this number of arguments."""
    WRONG_TYPES = auto()
    """A function or an operator is not declared for these types."""
    WITHOUT_FIELDS = auto()
    """A field of a value whose type has none."""
    NOT_ITERABLE = auto()
    """A macro over a value that is neither a list nor an object."""
    NOT_OPTIONAL = auto()
    """An item or a key after `?` whose value is not optional."""
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Complaint:
    """One error of the library."""

    offset: int | None
    """Its offset in the text of the expression; None if the expression is too deep to parse."""
    kind: ComplaintKind
    subject: str
    """The name or function, if it is of these kinds; else the library's text. Operators have names such as `_+_`."""
    types: tuple[str, ...] = ()
    """The types of the arguments, if they are wrong, without parameters: `list` for `list(int)`."""


_TYPE_ERRORS = {
    ComplaintKind.UNKNOWN_REFERENCE: re.compile(r"undeclared reference to '(.*?)' \(in container"),
    ComplaintKind.WRONG_TYPES: re.compile(
        r"found no matching overload for '(.*?)' applied to '\((.*)\)'"
    ),
    ComplaintKind.WITHOUT_FIELDS: re.compile(r"(.*) cannot be the operand of a select"),
    ComplaintKind.NOT_ITERABLE: re.compile(r"(.*) cannot be the range of a comprehension"),
    ComplaintKind.NOT_OPTIONAL: re.compile(r"expected type '(optional_type)"),
}


def read(text: str, message: str) -> list[Complaint]:
    """The errors in a message of the library about an expression, at least one.

    Args:
        text: the expression, as the library read it.
        message: the message of the library.
    """
    found = [
        _complaint(_offset(text, int(line), int(column)), bool(syntax), reason)
        for line, column, syntax, reason in _LINE.findall(message)
    ]
    if found:
        return found
    status = _STATUS.match(message)
    is_too_deep = status is not None and status[1] == "CANCELLED"
    reason = _STATUS.sub("", message)
    return [Complaint(None if is_too_deep else 0, ComplaintKind.OTHER, reason)]


def _offset(text: str, line: int, column: int) -> int | None:
    # The parser gives the line -1 if it reaches its limit for recursion.
    if line < 1:
        return None
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    return start + column - 1


def _complaint(offset: int | None, is_syntax: bool, reason: str) -> Complaint:
    if is_syntax:
        return Complaint(offset, ComplaintKind.SYNTAX, reason)
    for kind, pattern in _TYPE_ERRORS.items():
        if found := pattern.match(reason):
            subject, *types = found.groups()
            return Complaint(offset, kind, subject, tuple(_outer_types(types[0]) if types else ()))
    return Complaint(offset, ComplaintKind.OTHER, reason)


def _outer_types(text: str) -> list[str]:
    """Split `int, map(string, dyn)` into the outermost types, without their parameters."""
    types, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            types.append("")
        elif not depth and character != ")":
            types[-1] += character
    return [name.strip() for name in types]


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
