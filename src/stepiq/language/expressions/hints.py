"""Explains why an expression is refused: sentences that say what to write instead."""

import re
from difflib import get_close_matches
from itertools import pairwise
from typing import NamedTuple

from stepiq.language.expressions import type_errors
from stepiq.language.expressions.environment import engine
from stepiq.language.expressions.functions import FUNCTIONS
from stepiq.language.expressions.nodes import FoldKind
from stepiq.language.expressions.source import SECRETS_REFUSED, ExpressionSource, ExpressionToken
from stepiq.language.expressions.type_errors import ComplaintKind

MACROS = ("has", *(kind.value for kind in FoldKind), "filter")

_OPERATOR = re.compile(r"[@!_-]*([^_@A-Za-z]+|in)[_-]*")

CALLABLE = sorted({name for name in FUNCTIONS if name[0].isalpha()} | {"or", "orValue", *MACROS})
_METHODS = frozenset(
    ("contains", "startsWith", "endsWith", "matches", "hasValue", "value", "or", "orValue", "first", "last")
) | {name for name in FUNCTIONS if name.startswith("get")}  # fmt: skip
"""Functions that are called on a value."""
_SIGNS = {"_[_]": "[…]", "_[?_]": "[…]", "_!=_": "!="}
_WORDS = {
    "and": "Write `&&` instead of `and`.",
    "or": "Write `||` instead of `or`.",
    "not": "Write `!` instead of `not`: `!has(input.topic)`.",
    "is": "Write `==` instead of `is`.",
    "contains": "Call it as a function: `input.text.contains('word')`.",
    "matches": "Call it as a function: `input.text.matches('^a')`.",
    "if": "Write it as `condition ? this : that`.",
    "else": "Write it as `condition ? this : that`.",
    "lambda": "To process a list, use a macro: `list.filter(x, x > 0)`, `list.map(x, x.name)`.",
    "for": "To process a list, use a macro: `list.filter(x, x > 0)`, `list.map(x, x.name)`.",
    **dict.fromkeys(("None", "nil", "undefined"), "Write `null`."),
    **dict.fromkeys(("True", "yes", "on"), "Write `true`."),
    **dict.fromkeys(("False", "no", "off"), "Write `false`."),
}
_MARKS = {
    "=": "`=` is not an operator. Write `==` to compare.",
    "===": "Write `==` instead of `===`.",
    "!==": "Write `!=` instead of `!==`.",
    "<>": "Write `!=` instead of `<>`.",
    "&": "Write `&&` instead of `&`.",
    "|": "Expressions have no filters. Write `||` for “or”, or call a function: `size(x)`.",
    "=>": "To process a list, use a macro: `list.filter(x, x > 0)`, `list.map(x, x.name)`.",
    "??": "For a field that may be absent, write `input.?topic.orValue('none')`. For null, write `x == null ? 'none' : x`.",
    "**": "Power operators are not supported. Multiply with `*`.",
    "++": "Expressions cannot change values. Write `x + 1`.",
}
_COMMON = (
    "`has`, `size`, `contains`, `startsWith`, `matches`, `string`, `int`, `double`, `timestamp`, `filter`, `map`, "
    "`exists` and `orValue`"
)
_MIN_LIKENESS = 0.7
_CLOSING = frozenset(")]}")
_RESERVED = frozenset(
    ("as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "namespace", "package",
     "return", "var", "void", "while")
)  # fmt: skip
_INTEGER = re.compile(r"(?:-[ \t\n\r\f]*)?(0[xX][0-9a-fA-F]+[uU]?|[0-9]+[uU]?)")
_REFUSALS: dict[ComplaintKind | str, str] = {
    "has": "`has` needs a field: `has(input.topic)`. For other keys, write `'topic' in input`.",
    "variable": "The first argument of a macro must be a name: `list.map(x, x.name)`.",
    "reserved": "This word is reserved in CEL, so it cannot be a name.",
    "integer": "This number is too large for an integer of 64 bits. Write it with a fraction: `1.0e19`.",
    "hexadecimal or unsigned": "This number is too large for an integer of 64 bits.",
    "escape": "This string has an escape sequence for a character that does not exist.",
    ComplaintKind.WITHOUT_FIELDS: "A value of this type has no fields.",
    ComplaintKind.NOT_ITERABLE: "A macro needs a list or an object.",
    ComplaintKind.NOT_OPTIONAL: "`?` needs an optional value, such as `input.?topic`.",
}
_TOO_DEEP = (
    "The expression is nested more than 32 levels deep. In a long chain, each `+` or `.` is a level. "
    "Put parts of the chain in parentheses, or split the step."
)
_ENDS_EARLY = "The expression is incomplete: a value is missing at its end."
_KINDS = {"int": "an integer", "uint": "an unsigned integer", "double": "a double", "bool": "a boolean",
          "string": "a string", "bytes": "bytes", "null": "null", "null_type": "null", "list": "a list", "map": "an object",
          "dyn": "any value", "timestamp": "a timestamp", "duration": "a duration",
          "google.protobuf.Timestamp": "a timestamp", "google.protobuf.Duration": "a duration",
          "type": "a type", "optional_type": "an optional value"}  # fmt: skip


class Explanation(NamedTuple):
    """Why an expression is refused."""

    offset: int
    """In `ExpressionSource.text`."""
    message: str
    unknown_name: str | None = None
    """The name, if the expression reads one that does not exist; at most 60 characters."""


def explain(source: ExpressionSource, message: str) -> Explanation:
    """Explain an error of the library.

    Args:
        source: the expression.
        message: the message of CEL's parser or type checker.
    """
    found = type_errors.read(source.text, message)
    offset, subject = found[0].offset, found[0].subject
    if offset is None:
        return Explanation(0, _TOO_DEEP)
    match found[0].kind:
        case ComplaintKind.UNKNOWN_REFERENCE:
            # An argument of a macro with wrong arguments is reported before the macro.
            for each in found:
                if each.kind is ComplaintKind.UNKNOWN_REFERENCE and each.subject in MACROS:
                    return Explanation(each.offset or 0, _explain_macro(each.subject))
            return _explain_undeclared(source, offset, subject)
        case ComplaintKind.WRONG_TYPES:
            return Explanation(offset, _explain_overload(subject, found[0].types))
        case kind:
            return _find_foreign(source.tokens) or Explanation(
                offset, _explain_other(source, offset, kind, subject)
            )


# -- words and marks of other languages --


def _find_foreign(tokens: list[ExpressionToken]) -> Explanation | None:
    for index, token in enumerate(tokens):
        before = tokens[index - 1].text if index else ""
        if token.kind == "word" and before != "." and token.text in _WORDS:
            return Explanation(token.offset, _WORDS[token.text])
        if token.kind == "mark" and token.text in _MARKS:
            return Explanation(token.offset, _MARKS[token.text])
    return None


# -- kinds of errors --


def _explain_undeclared(source: ExpressionSource, offset: int, name: str) -> Explanation:
    root, _, rest = name.partition(".")
    # CEL reports the last dot of a path, or the bracket of a call.
    tokens = [token for token in source.tokens if token.offset <= offset and token.text == root]
    place = tokens[-1].offset if tokens else offset
    if root == "env":
        return Explanation(place, SECRETS_REFUSED)
    if not rest and _is_called(source.tokens, place):
        return Explanation(place, _explain_function(source, place, name))
    if root in _WORDS:
        return Explanation(place, _WORDS[root])
    shown = root[:60]
    message = (
        f"`{shown}` is unknown. Write `input.{shown}` for an input, `vars.{shown}` for a variable, "
        f"`steps.{shown}.output` for a step, or `'{shown}'` for a string."
    )
    return Explanation(place, message, shown)


def _explain_macro(name: str) -> str:
    if name == "has":
        return _REFUSALS["has"]
    return f"`{name}` needs a name and an expression: `list.{name}(x, x.ready)`."


def _is_called(tokens: list[ExpressionToken], place: int) -> bool:
    following = [token for token in tokens if token.offset > place]
    return bool(following) and following[0].text == "("


def _explain_function(source: ExpressionSource, place: int, name: str) -> str:
    if name in CALLABLE:
        return _explain_call(source, place, name)
    near = get_close_matches(name[:60], CALLABLE, 1, _MIN_LIKENESS)
    hint = f"Did you mean `{near[0]}`?" if near else f"Common functions are {_COMMON}."
    return f"Function `{name[:60]}` does not exist. {hint}"


def _explain_call(source: ExpressionSource, place: int, name: str) -> str:
    """The problem in a call of an existing function."""
    before = [token.text for token in source.tokens if token.offset < place]
    is_on_value = before[-1:] == ["."]
    if is_on_value and name not in _METHODS:
        return f"Write the value in the parentheses: `{name}(x)`."
    if not is_on_value and name in _METHODS:
        return f"Call `{name}` on a value: `x.{name}(…)`."
    return f"`{name}` does not take this number of values."


def _is_valid(text: str) -> bool:
    try:
        engine().compile(text)
    except RuntimeError:
        return False
    return True


def _explain_overload(function: str, types: tuple[str, ...]) -> str:
    kinds = [_KINDS.get(name, f"`{name[:60]}`") for name in types if name]
    if function == "_?_:_":
        if types[0] not in ("bool", "dyn"):
            return f"The condition before `?` must be true or false, but it is {kinds[0]}. {type_errors.TO_BOOLEAN}"
        return (
            f"Both results of `? :` must have the same type; these are {kinds[1]} and {kinds[2]}. "
            "Convert one of them, or write `dyn(…)` around one."
        )
    operator = _OPERATOR.fullmatch(function)
    sign = _SIGNS.get(function) or (operator[1] if operator else function)
    message = f"`{sign}` cannot be applied to {' and '.join(kinds)}."
    return f"{message} {type_errors.advise(sign, kinds)}".rstrip()


# -- what the tokens show --


def _explain_other(source: ExpressionSource, offset: int, kind: ComplaintKind, reason: str) -> str:
    match kind:
        case ComplaintKind.SYNTAX:
            return _explain_syntax(source, offset)
        case ComplaintKind.OTHER:
            return _explain_refusal(source, offset) or f"The expression is invalid: {reason[:200]}."
        case _:
            return _REFUSALS[kind]


def _explain_syntax(source: ExpressionSource, offset: int) -> str:
    before = [token for token in source.tokens if token.offset < offset]
    token = next(
        (token for token in source.tokens if offset < token.offset + len(token.text)), None
    )
    if token is not None and token.kind == "string" and not _is_valid(token.text):
        return "This string cannot be read. Write `\\\\` for a backslash."
    last = before[-1] if before else None
    needs_value = last is not None and (
        last.text == "in" or (last.kind == "mark" and last.text not in _CLOSING)
    )
    if token is None:
        return (
            _ENDS_EARLY
            if needs_value
            else "A bracket is not closed, or `?` does not have two results: `condition ? this : that`."
        )
    shown = source.text[offset : token.offset + len(token.text)]
    if last is not None and last.text == ".":
        shown = f".{shown}"
    if shown.startswith("."):
        return f"`{shown[:60]}` is not valid here. Write `input.topic` for a field, `input['two words']` for other names, and `input.list[0]` for an item."
    return f"`{shown[:60]}` is not expected here. An operator, a comma, a colon or a bracket is missing before it."


def _explain_refusal(source: ExpressionSource, offset: int) -> str | None:
    """The problem of an expression that the parser refuses although it follows the grammar; None if it is unknown."""
    number = _INTEGER.match(source.text, offset)
    if number is not None and not _is_valid(number[0]):
        return _REFUSALS["integer" if number[1].isdigit() else "hexadecimal or unsigned"]
    token = next((token for token in source.tokens if token.offset >= offset), source.tokens[-1])
    if token.kind == "string" and not _is_valid(token.text):
        return _REFUSALS["escape"]
    if token.text in _RESERVED:
        return _REFUSALS["reserved"]
    calls = [
        word.text
        for word, mark in pairwise(source.tokens)
        if mark.text == "(" and mark.offset <= offset and word.text in MACROS
    ]
    if calls:
        return _REFUSALS["has" if calls[-1] == "has" else "variable"]
    return None
