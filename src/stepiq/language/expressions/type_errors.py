"""Reads the errors of CEL's parser and type checker.

The library raises `RuntimeError` with a text, and nothing else: no code, no position, no types. No other module reads
this text. The position, the kinds of type errors, and the types in them cannot be known without it. The tests of
messages pin it for the locked version of the library. All other explanations use the tokens of the expression.
"""

import re
from collections.abc import Sequence
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


TO_BOOLEAN = "Compare the value: `x != ''`, `x > 0`, `x == true`."
_ARITHMETIC = ("+", "-", "*", "/", "%", "<", "<=", ">", ">=")
_ADVICE = {
    **dict.fromkeys(("&&", "||", "!"), TO_BOOLEAN),
    **dict.fromkeys(
        ("==", "!=", "in"), "Values of different types are never equal. Convert one of them."
    ),
    **dict.fromkeys(
        _ARITHMETIC,
        "Convert a value with `int(x)` or `double(x)`, or use a part of it, such as `x.total`, `x[0]` or `size(x)`.",
    ),
    "orValue": "Give a fallback of the same type as the value, or write `dyn(…)` around it.",
}
_ITEMS = {
    "a list": "Use an integer: `list[int(x)]`.",
    "an object": "Use a string: `x[string(key)]`.",
}
_NO_ITEMS = "Only lists and objects have items. For a part of a string, use a `transform` with `regex`, or a `code` step."


def advise(sign: str, kinds: Sequence[str]) -> str:
    """What to write instead.

    Args:
        sign: an operator or a function.
        kinds: the types of its values, with their articles: `an integer`.

    Returns:
        Sentences. Empty if no advice fits the types.
    """
    if "null" in kinds:
        return "If a value may be null, check it first: `x == null ? … : …`."
    if "an optional value" in kinds and sign != "orValue":
        return "Use the value inside: `.orValue(…)`."
    if sign == "[…]":
        return _ITEMS.get(kinds[0], _NO_ITEMS)
    if sign == "in" and kinds[1] not in ("a list", "an object"):
        return (
            "Write a list or an object after `in`. To search in a string, use `text.contains('a')`."
        )
    if sign in _ARITHMETIC and ("a timestamp" in kinds or "a duration" in kinds):
        return "Convert a string with `timestamp(x)` or `duration(x)`, and write a length of time as `duration('3600s')`."
    if sign == "+" and "a string" in kinds:
        return "To join strings, convert the other value with `string(x)`."
    return _ADVICE.get(sign, "")
