"""Converts errors of pydantic to readable sentences. They never repeat a value, because it can be a secret."""

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Any, cast

_NUMBER = "Must be a number, such as 0.5."
_INTEGER = "Must be an integer, such as 3."
_OBJECT = 'Must be an object, such as {{"name": "value"}}.'  # a format string
_LIST = "Must be a list."
_ID = "Must be an id, such as 0192f0c5-1d39-7a01-9d2c-3b5e7f901a08."
_INSTANT = "Must be an ISO 8601 time with a time zone, such as 2030-01-31T12:00:00Z."
_CHOICE = re.compile(r"'([^']+)'")
_MOST_NAMES = 20
_SENTENCES = {
    "missing": "This field is required.",
    "bool_type": "Must be true or false.",
    "bool_parsing": "Must be true or false.",
    "int_type": _INTEGER,
    "int_parsing": _INTEGER,
    "int_parsing_size": "Must be an integer with fewer digits.",
    "int_from_float": _INTEGER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "string_type": 'Must be a string, such as "text".',
    "dict_type": _OBJECT,
    "mapping_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "uuid_type": _ID,
    "uuid_parsing": _ID,
    "uuid_version": _ID,
    "greater_than_equal": "Must be at least {ge}.",
    "greater_than": "Must be greater than {gt}.",
    "less_than_equal": "Must be at most {le}.",
    "less_than": "Must be less than {lt}.",
    "string_too_short": "Must have at least {min_length} characters.",
    "string_too_long": "Must have at most {max_length:,} characters.",
    "string_pattern_mismatch": "Must match the pattern `{pattern}`.",
    "too_short": "Must have at least {min_length} items.",
    "too_long": "Must have at most {max_length:,} items.",
}


def sentence(entry: Mapping[str, Any]) -> str:
    """A sentence that explains an entry of `ValidationError.errors()` and how to correct it."""
    kind, facts = str(entry["type"]), cast(dict[str, Any], entry.get("ctx") or {})
    if facts.get("min_length") == 1:
        return "Must not be empty."
    if kind in _SENTENCES:
        return _SENTENCES[kind].format(**facts)
    if kind.startswith(("datetime_", "timezone_")):
        return _INSTANT
    if kind in ("enum", "literal_error"):
        return _choice(str(facts["expected"]), entry.get("input"))
    message = str(facts["error"] if kind == "value_error" else entry["msg"])
    end = "" if message.endswith((".", "?")) else "."
    return f"{message[:1].upper()}{message[1:]}{end}"


def unknown(what: str, name: str, known: Collection[str]) -> str:
    """A sentence about an unknown name, with the nearest known name and a list of the first 20."""
    near = difflib.get_close_matches(name[:100], known, n=1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    listed = ", ".join(f"`{each}`" for each in [*known][:_MOST_NAMES])
    more = ", …" if len(known) > _MOST_NAMES else ""
    return f"Unknown {what}.{hint} Allowed: {listed}{more}."


def _choice(expected: str, given: object) -> str:
    near = _near_choice(given, _CHOICE.findall(expected)) if isinstance(given, str) else None
    hint = f" Did you mean `{near}`?" if near else ""
    listed = _CHOICE.sub(r"`\1`", expected)
    return f"Must be {listed}.{hint}"


def _near_choice(given: str, choices: list[str]) -> str | None:
    given = given[:100].lower()
    near = difflib.get_close_matches(given, choices, n=1)
    # Many choices share the part before a colon: `pipelines:run` is not a misspelling of `pipelines:read`.
    own = [choice.rpartition(":")[2] for choice in near]
    return near[0] if difflib.get_close_matches(given.rpartition(":")[2], own) else None
