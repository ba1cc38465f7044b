"""JSONPath (RFC 9535): selects parts of JSON data.

The library parses and checks the path. Evaluation is done here, since the library's own has no limits and matches
patterns with a backtracking engine.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Self

from jsonpath_rfc9535 import (
    JSONPathEnvironment,
    JSONPathError,
    JSONPathIndexError,
    JSONPathNameError,
)
from jsonpath_rfc9535 import filter_expressions as filters
from jsonpath_rfc9535 import segments as steps
from jsonpath_rfc9535 import selectors as selections

from stepiq.core.errors import Invalid
from stepiq.core.json import Json
from stepiq.language.data import is_array, is_number, is_object
from stepiq.language.expressions import values as matching
from stepiq.language.expressions.operators import same
from stepiq.language.expressions.results import Room
from stepiq.language.expressions.values import (
    MISSING,
    AbsentValue,
    EvaluationFailure,
    EvaluationMeter,
    Exhausted,
)
from stepiq.language.patterns import PatternSyntaxError, compile_regex
from stepiq.language.templates.lexer import position

MAX_LENGTH = 1_000
"""Longest path, in characters."""
MAX_OPERATIONS = 300_000
"""Most work of one extraction: values visited, once for every segment of the path that visits them."""
MAX_NESTING = 64
"""Deepest nesting of filters, and of brackets, `!` and operators inside them."""
_MAX_SHOWN = 80
_STEP_COST = 2
_COPIED_PER_OPERATION = 8

_ENVIRONMENT = JSONPathEnvironment()
_TESTED = ("match", "search")
_DOT = r"[^\n\r]"
"""The meaning of `.` in the patterns of `match` and `search` (RFC 9485)."""
_FOREIGN_WORD = re.compile(r"(?<![\w.$@])(and|or|not|in|=~)(?!\w)|(?<![=!<>])(=)(?![=~])")
_FOREIGN = {
    "and": "Write `&&` instead of `and`.",
    "or": "Write `||` instead of `or`.",
    "not": "Write `!` instead of `not`.",
    "in": "`in` is not an operator. Compare with each value: `@.a == 'x' || @.a == 'y'`.",
    "=~": "For a pattern, use `match(@.a, 'x.*')` or `search(@.a, 'x')`.",
    "=": "`=` is not an operator. Compare with `==`.",
}
_HINTS = {
    "expected '$'": "A path must start with `$`, which is the whole value: `$.items[0].name`.",
    "unexpected trailing whitespace": "Remove the space at the end.",
    "unclosed string": "This string has no closing quote. Add it.",
    "unbalanced": "A bracket is not closed. Add the closing bracket.",
    "unexpected end of selector": "A bracket is not closed. Add the closing bracket.",
    "unexpected end": "A name, a value or `*` is missing here.",
    "bald descendant": "Write a name or `*` after `..`, as in `$..name`.",
    "unexpected token": "Brackets must contain a name in quotes, an index, a slice, `*` or a filter: `['two words']`, `[0]`, `[?@.a > 1]`.",
    "empty bracketed": "Brackets must contain a name in quotes, an index, a slice, `*` or a filter: `['two words']`, `[0]`, `[?@.a > 1]`.",
    "unexpected trailing comma": "Remove the comma.",
    "leading zero": "Write the number without leading zeros.",
    "invalid index": "Write the number without leading zeros.",
    "invalid integer": "Write the number without leading zeros.",
    "invalid float": "Write the number without leading zeros.",
    "non-singular query": "Only a path to a single value can be compared. For other paths, compare the number of matches: `count(@.*) > 1`.",
    "filter expression literals": "A literal value is not a condition. Compare it, as in `@.a == 1`.",
    "must be compared": "Compare the result of this function, as in `length(@.name) > 3`.",
    "is not comparable": "The result of this function is true or false. Remove the comparison.",
    "argument": "The arguments of this function are wrong. The functions are `length(@.a)`, `count(@.*)`, `match(@.a, 'x')`, `search(@.a, 'x')` and `value(@..a)`.",
    "escape": "This escape sequence does not exist. Write `\\\\` for a backslash.",
    "invalid character": "Write a control character as an escape sequence, such as `\\n`.",
    "shorthand selector": "Write a name with special characters in brackets and quotes: `['two words']`, `['1st']`.",
    "bracketed selection, found": "Write a dot before a field, and put a name with special characters in brackets and quotes: `$.items`, `$['two words']`.",
    "filter selector token": "A filter cannot contain this. Write it as in `$.items[?@.price < 10 && @.name == 'x']`.",
}  # fmt: skip
"""What to write instead, by a part of the library's message.

Its other errors have the same class, and the token of several different mistakes is the same, such as the bracket of
`[]` and `[1,]`. The tests of messages pin the parts for the locked version of the library.
"""


class QuerySyntaxError(Invalid):
    """The text is not a JSONPath."""

    code = "jsonpath_syntax"

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message, line=line, column=column)
        self.line = line
        """Line inside the path's own text, counted from 1."""
        self.column = column
        """Column inside that line in characters, counted from 1."""


class ExtractError(Invalid):
    """Evaluating the path exceeds the limit of work or result size."""

    code = "expression_error"


@dataclass(frozen=True, slots=True)
class Query:
    """A compiled path, which can be evaluated any number of times."""

    source: str
    """Its text, as written."""
    segments: tuple[steps.JSONPathSegment, ...] = field(repr=False, compare=False)

    @classmethod
    def compile(cls, text: str) -> Self:
        """Compile a path.

        Raises:
            QuerySyntaxError: with line and column inside the text.
        """
        if len(text) > MAX_LENGTH:
            _fail(text, MAX_LENGTH, f"A path can have at most {MAX_LENGTH:,} characters.")
        try:
            text.encode()
            query = _ENVIRONMENT.compile(text)
        except UnicodeEncodeError as error:
            _fail(
                text,
                error.start,
                "The text contains half of a surrogate pair, which is not a character. Remove it.",
            )
        except JSONPathError as error:
            _explain(text, error)
        except RecursionError:
            _fail(text, 0, f"The path exceeds the maximum depth of {MAX_NESTING} levels.")
        except OverflowError:
            _fail(text, 0, "The path contains a number that is too large.")
        _check(text, query.segments, 0)
        return cls(text, query.segments)

    def all(self, value: Json, *, meter: EvaluationMeter | None = None) -> list[Json]:
        """Every part of a value that the path selects, in the order of RFC 9535. Nothing is copied.

        Raises:
            ExtractError: too much work, or a result of more than 1 MiB.
        """
        return self._follow(value, meter)

    def first(self, value: Json, *, meter: EvaluationMeter | None = None) -> Json | None:
        """The first part that the path selects; None if there is none.

        Raises:
            ExtractError: too much work, or a result of more than 1 MiB.
        """
        found = self._follow(value, meter, 1)
        return found[0] if found else None

    def _follow(
        self, value: Json, meter: EvaluationMeter | None, most: int | None = None
    ) -> list[Json]:
        meter = meter or EvaluationMeter(MAX_OPERATIONS)
        try:
            found = _Walk(value, meter).follow(self.segments, value)[:most]
            Room().measure(found, meter)
        except (Exhausted, EvaluationFailure) as error:
            shown = self.source[:_MAX_SHOWN] + "…" * (len(self.source) > _MAX_SHOWN)
            raise ExtractError(f"`{shown}` cannot be evaluated: {error}") from None
        return found


# -- reading --


def _fail(text: str, offset: int, message: str) -> NoReturn:
    raise QuerySyntaxError(message, *position(text, offset))


def _explain(text: str, error: JSONPathError) -> NoReturn:
    reason = str(error.args[0])
    offset = error.token.index if error.token is not None else 0
    if isinstance(error, JSONPathIndexError):
        _fail(text, offset, "This index is too large.")
    if isinstance(error, JSONPathNameError):
        message = "This function does not exist. The functions are `length`, `count`, `match`, `search` and `value`."
        _fail(text, offset, message)
    foreign = (
        _FOREIGN_WORD.search(text, max(offset - 1, 0)) if "filter selector" in reason else None
    )
    if foreign is not None:
        _fail(text, foreign.start(), _FOREIGN[foreign.group()])
    for part, hint in _HINTS.items():
        if part in reason:
            _fail(text, offset, hint)
    _fail(text, offset, f"This is not a JSONPath: {reason[:200]}.")


def _check(text: str, segments: Sequence[steps.JSONPathSegment], depth: int) -> None:
    """Refuse paths that are nested too deeply to evaluate safely, and invalid patterns."""
    for segment in segments:
        for selector in segment.selectors:
            if isinstance(selector, selections.FilterSelector):
                _check_filter(text, selector.expression, depth + 1)


def _check_filter(text: str, expression: Any, depth: int) -> None:
    if depth > MAX_NESTING:
        _fail(
            text,
            expression.token.index,
            f"The path exceeds the maximum depth of {MAX_NESTING} levels.",
        )
    match expression:
        case filters.FilterQuery():
            _check(text, expression.query.segments, depth)
        case filters.FunctionExtension(name=name, args=[_, filters.StringLiteral() as pattern]) if (
            name in _TESTED
        ):
            try:
                compile_regex(pattern.value, dot=_DOT)
            except PatternSyntaxError as error:
                _fail(text, pattern.token.index, error.message)
        case _:
            pass
    for part in _parts(expression):
        _check_filter(text, part, depth + 1)


def _parts(expression: Any) -> Iterable[Any]:
    match expression:
        case filters.FilterExpression():
            return (expression.expression,)
        case filters.PrefixExpression():
            return (expression.right,)
        case filters.LogicalExpression() | filters.ComparisonExpression():
            return (expression.left, expression.right)
        case filters.FunctionExtension():
            return expression.args
        case _:
            return ()


# -- evaluation --


class _Walk:
    """Evaluates paths in one value and counts the work."""

    def __init__(self, root: Json, meter: EvaluationMeter) -> None:
        self._root = root
        self._meter = meter

    def follow(self, segments: Sequence[steps.JSONPathSegment], start: Json) -> list[Json]:
        values = [start]
        for segment in segments:
            if isinstance(segment, steps.JSONPathRecursiveDescentSegment):
                values = [inner for value in values for inner in self._descend(value)]
            found: list[Json] = []
            for value in values:
                for selector in segment.selectors:
                    self._meter.spend(_STEP_COST)
                    found.extend(self._select(selector, value))
            values = found
        return values

    def _descend(self, value: Json) -> Iterator[Json]:
        """A value and all objects and lists inside it, each before its children."""
        waiting = [value]
        while waiting:
            current = waiting.pop()
            self._meter.spend(_STEP_COST)
            yield current
            inner = _children(current)
            self._meter.spend(len(inner) // _COPIED_PER_OPERATION)
            waiting.extend([child for child in reversed(inner) if type(child) in (dict, list)])

    def _select(self, selector: selections.JSONPathSelector, value: Json) -> Iterable[Json]:
        match selector:
            case selections.NameSelector():
                return [value[selector.name]] if is_object(value) and selector.name in value else []
            case selections.IndexSelector():
                if is_array(value) and -len(value) <= selector.index < len(value):
                    return [value[selector.index]]
                return []
            case selections.SliceSelector():
                found = (
                    value[selector.slice] if is_array(value) and selector.slice.step != 0 else []
                )
                self._meter.spend(len(found) // _COPIED_PER_OPERATION)
                return found
            case selections.FilterSelector():
                return self._filter(selector.expression, _children(value))
            case _:  # a wildcard
                found = _children(value)
                self._meter.spend(len(found) // _COPIED_PER_OPERATION)
                return found

    def _filter(self, expression: filters.FilterExpression, values: Sequence[Json]) -> list[Json]:
        found: list[Json] = []
        for value in values:
            self._meter.spend()
            if self._holds(expression.expression, value):
                found.append(value)
        return found

    # -- filters --

    def _holds(self, expression: filters.Expression, current: Json) -> bool:
        self._meter.spend()
        match expression:
            case filters.LogicalExpression():
                left = self._holds(expression.left, current)
                if left is (expression.operator == "||"):
                    return left
                return self._holds(expression.right, current)
            case filters.PrefixExpression():
                return not self._holds(expression.right, current)
            case filters.ComparisonExpression():
                left, right = (
                    self._value(expression.left, current),
                    self._value(expression.right, current),
                )
                return self._compare(expression.operator, left, right)
            case filters.FilterQuery():
                return bool(self._nodes(expression, current))
            case _:  # a function, which is `match` or `search`: the others must be compared
                return self._call(expression, current) is True

    def _nodes(self, expression: filters.FilterQuery, current: Json) -> list[Json]:
        is_root = isinstance(expression, filters.RootFilterQuery)
        return self.follow(expression.query.segments, self._root if is_root else current)

    def _value(self, expression: Any, current: Json) -> Json | AbsentValue:
        """A value to compare, or `MISSING`."""
        match expression:
            case filters.FilterQuery():
                found = self._nodes(expression, current)
                return found[0] if found else MISSING
            case filters.FunctionExtension():
                return self._call(expression, current)
            case _:
                return expression.value

    def _compare(self, operator: str, left: Json | AbsentValue, right: Json | AbsentValue) -> bool:
        match operator:
            case "==":
                return same(self._meter, left, right)
            case "!=":
                return not same(self._meter, left, right)
            case "<":
                return self._is_less(left, right)
            case ">":
                return self._is_less(right, left)
            case "<=":
                return self._is_less(left, right) or same(self._meter, left, right)
            case _:
                return self._is_less(right, left) or same(self._meter, left, right)

    def _is_less(self, left: Json | AbsentValue, right: Json | AbsentValue) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            self._meter.spend_reading(min(len(left), len(right)))
            return left < right
        return is_number(left) and is_number(right) and left < right

    def _call(self, call: Any, current: Json) -> Json | AbsentValue:
        arguments: list[Any] = call.args
        match call.name:
            case "count":
                return len(self._nodes(arguments[0], current))
            case "value":
                found = self._nodes(arguments[0], current)
                return found[0] if len(found) == 1 else MISSING
            case "length":
                value = self._value(arguments[0], current)
                return len(value) if isinstance(value, str | list | dict) else MISSING
            case _:
                text, pattern = (self._value(argument, current) for argument in arguments)
                return self._matches(text, pattern, whole=call.name == "match")

    def _matches(
        self, text: Json | AbsentValue, pattern: Json | AbsentValue, *, whole: bool
    ) -> bool:
        if not isinstance(text, str) or not isinstance(pattern, str):
            return False
        try:
            return matching.matches(self._meter, text, pattern, whole=whole, dot=_DOT)
        except (PatternSyntaxError, UnicodeEncodeError):
            return False


def _children(value: Json) -> list[Json]:
    if is_array(value):
        return value
    return list(value.values()) if is_object(value) else []
