"""Suggestions for unknown words: similar names, synonyms in other tools, and misplaced fields."""

import re
from collections.abc import Collection, Sequence
from difflib import get_close_matches

_MAX_COMPARED = 200
_MAX_SHOWN = 20
# With 0.5, `api` would count as a misspelled `email`.
_MIN_LIKENESS = 0.55
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_WORDS: dict[str, str] = {
    # Step types.
    "code": "function lambda python javascript js script",
    "condition": "branch choice if switch when",
    "human_review": "approval approve human input manual review user_input wait_for_approval",
    "llm": "ai anthropic chat completion generate gpt message model openai prompt",
    "parallel": "each fan_out for foreach for_each loop map matrix",
    "transform": "format jq jsonpath parse regex set template",
    "wait": "delay pause sleep timer",
    "webhook": "api call curl fetch get http http_request httprequest https post request rest",
    # Types of input fields.
    "string": "char str text varchar",
    "integer": "int int32 int64 long",
    "number": "decimal double float numeric",
    "boolean": "bool flag",
    "array": "list set tuple",
    "object": "dict hash map mapping record struct",
    # Fields of the document.
    "steps": "branches jobs nodes stages tasks workflow",
    "input": "arguments inputs params parameters",
    "variables": "constants defaults vars",
    "notifications": "notify",
    "schedule": "cron crontab",
    "name": "display_name label title",
    "timeout_seconds": "max_duration timeout timeout_minutes timeout_ms timeouts",
    # Fields of steps.
    "id": "key slug step_id",
    "prompt": "content instruction instructions messages question user user_message user_prompt",
    "system_prompt": "system system_message",
    "max_tokens": "max_completion_tokens max_output_tokens",
    "output_schema": "json_schema response_schema schema",
    "output_format": "format output_parser output_type response_format",
    "source": "code script",
    "url": "endpoint href uri",
    "body": "data json payload",
    "message": "description question text",
    "seconds": "delay duration",
    "cases": "branches conditions rules when",
    "else": "default otherwise",
    "if": "condition when",
    "for_each": "each foreach items list over",
    "retry": "retries",
    "max_attempts": "attempts count limit max max_retries retries times tries",
    "on_error": "continue_on_error on_failure onerror",
    "goto": "next step target then to",
    # Values and names.
    "continue": "ignore skip true",
    "fail": "abort error false raise stop throw",
    "env": "secret secrets",
    "item": "element it this value",
    "index": "i loop",
    "vars": "variable",
}
_SYNONYMS = {
    word: [target for target, words in _WORDS.items() if word in words.split()]
    for words in _WORDS.values()
    for word in words.split()
} | {"$json": ["input"], "$input": ["input"], "output": ["steps"], "$node": ["steps"]}
"""Words of other tools, and their names in this language."""


_ORDER = "Steps run in the order written, so a step can read the outputs of all steps above it."
STEP_NOTES = {
    "depends_on": _ORDER,
    "needs": _ORDER,
    "uses": "To run code, use `type: code`. To call another system, use `type: webhook`.",
    "with": "Write the fields of the step one level higher, without `with`.",
}
"""Advice about fields of steps in GitHub Actions."""


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b` or `a, b and c`."""
    *others, end = words
    return f"{', '.join(others)} and {end}" if others else end


def suggest(name: str, known: Collection[str]) -> str:
    """A sentence that suggests the most likely known word, or lists them."""
    if len(known) > _MAX_COMPARED:
        # Comparing thousands of names for each of many mistakes would take minutes.
        return f"There are {len(known):,} other names."
    words = sorted(set(known))
    if not words:
        return "No names are defined here."
    if near := nearest(name, words):
        return f"Did you mean `{near}`?"
    if len(words) == 1:
        return f"Use `{words[0][:60]}`."
    shown = ", ".join(f"`{word[:60]}`" for word in words[:_MAX_SHOWN])
    return f"Use one of {shown}{', …' if len(words) > _MAX_SHOWN else ''}."


def nearest(name: str, known: Collection[str]) -> str | None:
    """The most likely known word; None if none is similar."""
    words = sorted(set(known))
    if same := same_word(name, words):
        return same
    for word in _SYNONYMS.get(_plain(name), ()):
        if word in words:
            return word
    near = get_close_matches(_plain(name), words, 1, _MIN_LIKENESS)
    return near[0] if near else None


def same_word(name: str, known: Collection[str]) -> str | None:
    """The known word that differs from a name only in case, hyphens or underscores."""
    return next((word for word in known if _plain(word) == _plain(name)), None)


def _plain(name: str) -> str:
    return _CAPITAL.sub("_", name[:60]).replace("-", "_").lower()


def slug(text: str) -> str:
    """Convert a text to a step id; empty if none of its characters is allowed in one."""
    return re.sub(r"[^a-z0-9_]+", "_", _plain(text)).strip("_")
