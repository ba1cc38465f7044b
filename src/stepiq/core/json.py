"""Strict JSON: what the API, the language and the store read and write.

Reading refuses what RFC 8259 leaves to chance: duplicate names, NaN and Infinity, lone surrogates, nesting
beyond `MAX_DEPTH`. It also refuses U+0000, which PostgreSQL cannot keep in a text.
"""

import json
import math
import re
from typing import Any

import jiter

from stepiq.core.errors import Malformed

MAX_DEPTH = 100
"""Deepest nesting of arrays and objects that is read."""
MAX_NUMBER_DIGITS = 400
"""Longest number that is read, in characters; a double's range needs 309."""

Json = Any
"""None, bool, int, float, str, list or dict with string keys, nested."""

_LONG_NUMBER = re.compile(rb"[0-9.eE+-]{%d}" % (MAX_NUMBER_DIGITS + 1))
# A string that never ends is taken to the end of the text: looking for its end from each of its quotes takes minutes.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_LARGE_FLOAT = re.compile(rb"[0-9]++(?:\.[0-9]++)?[eE]\+?[0-9]++|[0-9]{300,}+\.[0-9]*+")
_BRACKETS = re.compile(rb"[\[{]+|[\]}]+")


class MalformedJson(Malformed):
    """The text is not JSON, or is JSON with a meaning that differs between readers."""

    code = "malformed_json"


def loads(data: bytes) -> Json:
    """Read one JSON value from UTF-8 bytes.

    Raises:
        MalformedJson: not JSON, or one of the refusals of this module; the message names line and column.
    """
    _refuse_hostile(data)
    try:
        return jiter.from_json(data, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        raise MalformedJson(f"The body is not valid JSON: {error}.") from None
    except RecursionError:
        raise MalformedJson(f"The JSON nests deeper than {MAX_DEPTH} levels.") from None


def _refuse_hostile(data: bytes) -> None:
    outside = _STRING.sub(b"", data)
    if _LONG_NUMBER.search(outside):
        raise MalformedJson(f"The JSON has a number of more than {MAX_NUMBER_DIGITS} characters.")
    for number in _LARGE_FLOAT.finditer(outside):
        if math.isinf(float(number.group())):
            raise MalformedJson(
                "The JSON has a number beyond the range of a double. Send it as text."
            )
    depth = 0
    for run in _BRACKETS.finditer(outside):
        text = run.group()
        depth += len(text) if text[0] in b"[{" else -len(text)
        if depth > MAX_DEPTH:
            raise MalformedJson(f"The JSON nests deeper than {MAX_DEPTH} levels.")
    if b"\x00" in data or (b"\\u0000" in data and _has_escaped_nul(data)):
        raise MalformedJson("The JSON has the character U+0000, which cannot be stored. Remove it.")


def _has_escaped_nul(data: bytes) -> bool:
    return re.search(rb"(?<!\\)(?:\\\\)*\\u0000", data) is not None


def dumps(value: Json) -> str:
    """Compact JSON, names in the order they have; NaN and Infinity are a bug of the caller."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def read_trusted(text: str) -> Json:
    """Read JSON that `dumps` wrote: no checks beyond syntax, so never for what a caller sent."""
    return jiter.from_json(text.encode())
