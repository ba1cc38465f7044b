"""Suggestions for values of the wrong type."""

import re

from stepiq.core.json import Json
from stepiq.language.data import is_array, is_object

TRUE_OR_FALSE = "true or false"
INTEGER, NUMBER = "an integer", "a number"
LIST = "a list"
MAPPING = "an object"
STRING = "a string"

_TRUE = {"y", "yes", "on", "true", "1"}
_FALSE = {"n", "no", "off", "false", "0"}
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_GROUPED = re.compile(r"-?[0-9]{1,3}(?:[_, ][0-9]{3})+")
_MULTIPLE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([km])")
_MULTIPLES = {"k": 1_000, "m": 1_000_000}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([a-z]+)")
_SECONDS = {
    "ms millisecond milliseconds": 0.001,
    "s sec secs second seconds": 1,
    "m min mins minute minutes": 60,
    "h hour hours": 3_600,
    "d day days": 86_400,
    "w week weeks": 604_800,
}
_MAX_SHOWN = 40
_EXAMPLES = {
    "headers": "headers: {Authorization: 'Bearer {{env.TOKEN}}'}",
    "input": "input: {schema: {topic: {type: string}}}",
    "notifications": "notifications: {on_failure: [{type: email, to: team@example.com}]}",
    "output": "output: {from: summary}",
    "output_schema": "output_schema: {type: object, properties: {score: {type: number}}}",
    "regex": "regex: {pattern: '[0-9]+', all: true}",
    "retry": "retry: {max_attempts: 3}",
    "schedule": "schedule: {cron: '0 9 * * 1-5'}",
    "schema": "schema: {topic: {type: string}}",
    "variables": "variables: {tone: calm}",
    "verify": "verify: {scheme: github, secret_name: GITHUB_WEBHOOK_SECRET}",
    "webhook": "webhook: {verify: {scheme: github, secret_name: GITHUB_WEBHOOK_SECRET}}",
}


def correction(name: str, value: Json, wanted: str) -> str:
    """A sentence that starts with a space; empty if there is nothing to add."""
    if wanted == TRUE_OR_FALSE:
        return _boolean(value)
    if wanted in (INTEGER, NUMBER):
        return _number(name, value)
    if wanted == LIST:
        return _list(name, value)
    if wanted == MAPPING and name in _EXAMPLES:
        return f" Write it as in `{_EXAMPLES[name]}`."
    if wanted == STRING and isinstance(value, bool | int | float):
        return " Put it in quotes."
    return ""


def _boolean(value: Json) -> str:
    written = str(value).lower()
    if written in _TRUE:
        return " Write `true`."
    return " Write `false`." if written in _FALSE else ""


def _number(name: str, value: Json) -> str:
    if isinstance(value, float):
        return " Write it without a fraction."
    if not isinstance(value, str):
        return ""
    written = value.strip().lower()
    if _NUMBER.fullmatch(written):
        return f" Write `{name}: {written}`, without quotes."
    if _GROUPED.fullmatch(written):
        return f" Write `{name}: {re.sub('[_, ]', '', written)}`."
    if not name.endswith(("seconds", "_ms")) and (found := _MULTIPLE.fullmatch(written)):
        return f" Write `{name}: {float(found[1]) * _MULTIPLES[found[2]]:.0f}`."
    if found := _DURATION.fullmatch(written):
        seconds = next((size for units, size in _SECONDS.items() if found[2] in units.split()), 0)
        amount = float(found[1]) * seconds * (1000 if name.endswith("_ms") else 1)
        if amount >= 1 and name.endswith(("seconds", "_ms")):
            return (
                f" Write `{name}: {amount:g}`."
                if amount < 1e6
                else f" Write `{name}: {amount:.0f}`."
            )
    return ""


def _list(name: str, value: Json) -> str:
    if is_object(value):
        if any(key.startswith("-") for key in value):
            return " Write a space after each `-`."
        if name == "steps" and all(map(is_object, value.values())):
            return (
                f" Start each step with its id: `- id: {next(iter(value), 'hello')[:_MAX_SHOWN]}`."
            )
        return " Start each item with `- `, or write `[…]` around it."
    if (
        isinstance(value, str)
        and 0 < len(value) <= _MAX_SHOWN
        and not set(value) & set("{}[],:#\n`")
    ):
        return f" Write `{name}: [{value}]`."
    return ""


def entry_correction(value: Json, example: str) -> str:
    """A suggestion for a list entry that must be a mapping; starts with a space."""
    if isinstance(value, str) and (found := re.match(r"([a-z_]+):(\S+)", value)):
        return f" Write a space after the colon: `{found[1]}: {found[2][:_MAX_SHOWN]}`."
    if is_array(value):
        return f" Write `- {example}`, with one `-`."
    return f" Write it as in `- {example}`."
