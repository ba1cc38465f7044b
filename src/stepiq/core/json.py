"""Strict JSON, for the API, the language and the store.

Parsing refuses JSON that parsers treat differently: duplicate names, NaN and Infinity, lone surrogates, nesting
beyond `MAX_DEPTH`, and more than `MAX_CONTAINERS` arrays and objects. It also refuses U+0000, which PostgreSQL cannot
store in a text.
"""

import json
import math
import re
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Self

import jiter
from pydantic_core import to_json
from pydantic_core.core_schema import AnySchema, any_schema
from typing_extensions import TypeAliasType

from stepiq.core.concurrency import garbage_collection
from stepiq.core.control_characters import storable
from stepiq.core.errors import Malformed

MAX_DEPTH = 100
"""Maximum nesting of arrays and objects in input."""
MAX_NUMBER_DIGITS = 400
"""Maximum length of a number in input, in characters; the range of a double needs 309."""
MAX_KEPT_DEPTH = 150
"""Maximum nesting of stored values: input, and the levels that steps add. More than 200 levels cannot be parsed."""
MAX_CONTAINERS = 100_000
"""Maximum number of arrays and objects in one input: two bytes of text can need sixty bytes of memory or more."""


class _Unchecked:
    """Makes pydantic take a value as it is: it comes from `loads` or the store, and checking each nested value is slow."""

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> AnySchema:
        return any_schema()

    def __get_pydantic_json_schema__(self, schema: object, handler: object) -> dict[str, str]:
        return {"description": "A JSON value."}


Json = TypeAliasType(
    "Json",
    Annotated["bool | int | float | str | list[Json] | dict[str, Json] | None", _Unchecked()],
)
"""A JSON value. Code that indexes into one must check its type first, such as by `isinstance` or `as_object`."""

_NUMERIC = b"0123456789.eE+-"
_AS_NINES = bytes(ord("9") if byte in _NUMERIC else ord(" ") for byte in range(256))
_DIGITS_AS_NINES = bytes.maketrans(b"012345678E", b"999999999e")
_TOO_LONG = b"9" * (MAX_NUMBER_DIGITS + 1)
# An unterminated string matches to the end of the text: searching its end from each of its quotes would take minutes.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
# Matches only from the first digit of a number: matching from each digit would take seconds.
_LARGE_FLOAT = re.compile(
    rb"(?<![0-9])(?:[0-9]++(?:\.[0-9]++)?[eE]\+?[0-9]++|[0-9]{300,}+\.[0-9]*+)"
)
_NUL_IN_TEXT = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_NUL_IN_BYTES = re.compile(_NUL_IN_TEXT.pattern.encode())
_POSITION = re.compile(r" at line (\d+) column (\d+)$")
_DUPLICATE = re.compile(r'Detected duplicate key "(.*)"', re.DOTALL)
_WORD_END = re.compile(rb"[A-Za-z]+\Z")
_LONGEST_WORD = 20
_AT_A_WORD = ("expected value", "expected ident", "expected `,`", "key must", "invalid number")
_MISTAKES = (
    (re.compile(rb"\xef\xbb\xbf"), "the text begins with a byte order mark. Save it without."),
    (re.compile(rb"'"), "names and text must be in double quotes, not single quotes."),
    (re.compile(rb"//|/\*|#"), "JSON cannot contain comments."),
    (re.compile(rb"-?(?:NaN|Infinity|inf)\b"), "NaN and Infinity are not JSON. Use null."),
    (re.compile(rb"True\b|False\b"), "true and false must be in lower case."),
    (re.compile(rb"(?:None|undefined|nil)\b"), "use null for no value."),
    (re.compile(rb"[+.][0-9.]"), "a number must begin with a digit or a minus sign."),
    (re.compile(rb";"), "use a comma instead of a semicolon."),
)
_REASONS = {
    "trailing comma": "remove the comma after the last entry.",
    "key must be a string": "a name must be in double quotes.",
    "EOF while parsing a string": "the text ends inside a string. A closing quote is missing.",
    "EOF while parsing a list": "the text ends inside a list. A closing `]` is missing.",
    "EOF while parsing an object": "the text ends inside an object. A closing `}` is missing.",
    "EOF while parsing": "the text ends where a value is missing.",
    "expected value": "a value is missing. Text must be in double quotes.",
    "expected ident": "a value is missing. Text must be in double quotes.",
    "expected `,` or `}`": "a comma or a closing `}` is missing.",
    "expected `,` or `]`": "a comma or a closing `]` is missing.",
    "expected `:`": "a colon is missing after the name.",
    "control character": "text cannot contain line breaks or other control characters. Write \\n for a line break.",
    "invalid escape": 'a backslash in text must be followed by one of " \\ / b f n r t u.',
    "invalid number": "this is not a number, such as 12, -0.5 or 1e6.",
    "invalid unicode code point": "the text is not UTF-8.",
    "unexpected end of hex escape": "an escape such as \\ud83d is half of a character. The other half is missing.",
    "lone leading surrogate": "an escape such as \\ud83d is half of a character. The other half is missing.",
    "trailing characters": "there is more text after the end of the value.",
}
"""By the start of the parser's message: it raises `ValueError` with a text only, which the tests pin."""
_Container = list[Json] | dict[str, Json]
_CONTAINERS = frozenset({list, dict})
_TOO_DEEP = f"The JSON exceeds the maximum depth of {MAX_DEPTH} levels."


class MalformedJson(Malformed):
    """The text is not JSON, or is JSON that parsers read differently."""

    code = "malformed_json"

    def __init__(
        self, message: str, /, reason: str = "", line: int | None = None, column: int | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        """The problem at `line` and `column`; empty if the text is valid JSON that is refused."""
        self.line = line
        self.column = column


class SerializedJson(str):
    """Serialized JSON that can be stored: lone surrogates and U+0000 are replaced, as by `storable`."""

    __slots__ = ()

    @classmethod
    def of(cls, value: Json) -> Self:
        """Serialize a value.

        Raises:
            RecursionError: it nests hundreds of levels deep.
        """
        return cls(_stored(dumps(value)))

    @classmethod
    def pair(cls, value: Json) -> tuple[Json, Self]:
        """The value as it is stored, and `of`. The value is the same, unless characters are replaced.

        Raises:
            RecursionError: as for `of`.
        """
        text = dumps(value)
        stored = _stored(text)
        if stored is text:
            return value, cls(text)
        try:
            return read_trusted(stored), cls(stored)
        except ValueError as error:
            raise RecursionError from error

    @property
    def size_bytes(self) -> int:
        """Length in UTF-8."""
        return len(self) if self.isascii() else len(self.encode())


def loads(data: bytes) -> Json:
    """Parse one JSON value from UTF-8 bytes.

    Raises:
        MalformedJson: the text is not JSON, in which case the message has line and column, or this module refuses it.
    """
    if _may_have_hostile_number(data):
        _refuse_numbers(_STRING.sub(b"", data))
    if b"\x00" in data or (b"\\u0000" in data and _has_escaped_nul(data)):
        raise MalformedJson(
            "The JSON contains the character U+0000, which cannot be stored. Remove it."
        )
    try:
        with garbage_collection.paused():
            value = jiter.from_json(data, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        if "recursion limit" in str(error):
            raise MalformedJson(_TOO_DEEP) from None
        raise _malformed(data, str(error)) from None
    _refuse_shapes(value)
    return value


def _malformed(data: bytes, problem: str) -> MalformedJson:
    what, line, column = problem, 1, 1
    if at := _POSITION.search(problem):
        what, line, column = problem[: at.start()], int(at[1]), int(at[2])
    if column == 0:
        # The parser reports an invalid line break at column 0 of the next line.
        line, column = max(line - 1, 1), 1
    text = (data.split(b"\n", line)[line - 1 : line] or [b""])[0]
    behind = text[: column - 1]
    reason = _reason(what, behind, text[column - 1 :])
    column = len(behind.decode(errors="replace")) + 1
    message = f"Invalid JSON at line {line}, column {column}: {reason}"
    return MalformedJson(message, reason, line, column)


def _reason(what: str, behind: bytes, rest: bytes) -> str:
    """Convert the parser's message to a message for the user."""
    if not (behind + rest).strip() and what.startswith("EOF"):
        return "the text is empty."
    if what.startswith(_AT_A_WORD) and (mistake := _mistake(behind, rest)):
        return mistake
    for start, reason in _REASONS.items():
        if what.startswith(start):
            return reason
    if name := _DUPLICATE.match(what):
        return f"the name `{name[1][:60]}` occurs twice in one object."
    return f"{what}."


def _mistake(behind: bytes, rest: bytes) -> str | None:
    """The message for syntax of other languages that JSON does not have; None if there is none."""
    # The parser stops inside a word that starts like a JSON literal.
    begun = _WORD_END.search(behind[-_LONGEST_WORD:])
    here = (begun.group() if begun else b"") + rest[:_LONGEST_WORD]
    for pattern, reason in _MISTAKES:
        if pattern.match(here):
            return reason
    return None


def _may_have_hostile_number(data: bytes) -> bool:
    """Whether a text can contain a number that is refused. A fast check that is false for almost all texts."""
    if _TOO_LONG in data.translate(_AS_NINES):
        return True
    # Each number beyond a double contains one of these: 199 digits and a two-digit exponent reach only 10^298.
    plain = data.translate(_DIGITS_AS_NINES)
    return b"e999" in plain or b"e+999" in plain or b"9" * 200 in plain


def _refuse_numbers(outside: bytes) -> None:
    if _TOO_LONG in outside.translate(_AS_NINES):
        raise MalformedJson(
            f"The JSON contains a number with more than {MAX_NUMBER_DIGITS} characters. Send it as text."
        )
    for number in _LARGE_FLOAT.finditer(outside):
        if math.isinf(float(number.group())):
            raise MalformedJson(
                "The JSON contains a number that is too large for a double. Send it as text."
            )


def _refuse_shapes(value: Json) -> None:
    count = 0
    for depth, level in enumerate(_levels(value), start=1):
        if depth > MAX_DEPTH:
            raise MalformedJson(_TOO_DEEP)
        count += len(level)
        if count > MAX_CONTAINERS:
            raise MalformedJson(
                f"The JSON contains more than {MAX_CONTAINERS:,} arrays and objects. Send less data, or flatter data."
            )


def is_deeper(value: Json, levels: int) -> bool:
    """Whether arrays and objects nest deeper than `levels`."""
    return any(True for _ in islice(_levels(value), levels, None))


def nests_too_deep(text: str, value: Json) -> bool:
    """Whether a value exceeds `MAX_KEPT_DEPTH`. Counting brackets in `text`, its JSON, usually avoids a traversal."""
    return text.count("[") + text.count("{") > MAX_KEPT_DEPTH and is_deeper(value, MAX_KEPT_DEPTH)


def _levels(value: Json) -> Iterator[list[_Container]]:
    """The arrays and objects of each level of nesting, outermost first."""
    level = _containers([value])
    while level:
        yield level
        level = [inner for outer in level for inner in _containers(outer)]


def _containers(value: _Container) -> list[_Container]:
    members = value.values() if isinstance(value, dict) else value
    return [member for member in members if isinstance(member, list | dict)]


def as_object(value: Json) -> dict[str, Json]:
    """An object from a source that always has one there.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, dict):
        raise TypeError("The JSON is not an object.")
    return value


def _has_escaped_nul(data: bytes) -> bool:
    return _NUL_IN_BYTES.search(data) is not None


def _stored(text: str) -> str:
    if "\\u0000" in text:
        text = _NUL_IN_TEXT.sub("\\1\N{REPLACEMENT CHARACTER}", text)
    return storable(text)


def dumps(value: Json) -> str:
    """Compact JSON that keeps the order of names. NaN and Infinity raise ValueError: they are a bug in the caller."""
    try:
        text = to_json(value, inf_nan_mode="constants").decode()
    except ValueError:
        # Deeper than the fast library supports, or with a lone surrogate.
        return _dumps_anything(value)
    if "NaN" in text or "Infinity" in text:
        return _dumps_anything(value)
    return text


def _dumps_anything(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def read_trusted(text: str) -> Json:
    """Parse JSON that `dumps` wrote. It checks only the syntax, so never use it for input of callers."""
    return jiter.from_json(text.encode())
