"""Finds template syntax of other tools, which stepIQ templates treat as plain text."""

import re
from collections.abc import Callable, Iterator

MAX_FOUND = 5
"""Most findings reported for one template."""
TREATED_AS_TEXT = ", so it is treated as plain text"
"""The part of the messages that is wrong in fields that refuse the syntax."""
_ROOTS = ("input", "vars", "steps", "env", "run", "item")
_OTHERS = re.compile(
    r"\{\{(?:[^{}]|\{(?!\{)|\}(?!\}))*+\}\}"  # stepIQ tags, which are skipped
    r"|\{%[-+]? {0,3}(?P<jinja>[a-z]{1,20})"
    r"|\{\#(?P<comment> [^}\n]{0,200})\#\}"
    r"|<%[-=]? {0,3}(?P<erb>[A-Za-z_.@]{1,100})"
    r"|\$\{ {0,3}(?P<dollar>[A-Za-z_][\w.]{0,100}) {0,3}\}"
    rf"|\$(?P<bare>(?:{'|'.join(_ROOTS)})\.[A-Za-z_][\w.]{{0,100}})"
    r"|(?<![\w{$\\])\{(?P<brace>[A-Za-z_][\w.]{0,100})\}(?!\})",
    re.ASCII,
)
_IF = "Write `{{#if input.topic}}…{{else}}…{{/if}}`."
_EACH = "Write `{{#each input.topics}}{{this}}{{/each}}`."
_JINJA = {
    "if": _IF, "elif": _IF, "else": _IF, "endif": _IF, "for": _EACH, "endfor": _EACH,
    "set": "Set a value in `variables` or in a `transform` step.",
    "raw": "Write `\\{{` to write braces as text.", "endraw": "Write `\\{{` to write braces as text.",
    "include": "Write the text here.", "extends": "Write the text here.", "block": "Write the text here.",
    "macro": "Write the text here.", "import": "Write the text here.",
}  # fmt: skip

_ELSE_IF = "Write `{{else if input.topic}}` inside a `{{#if …}}`."
BLOCKS = _JINJA | {
    "elif": _ELSE_IF, "elseif": _ELSE_IF, "elsif": _ELSE_IF, "else": "Write `{{else}}` or `{{else if input.topic}}`.",
    "foreach": _EACH, "range": _EACH, "endif": "Write `{{/if}}`.", "endfor": "Write `{{/each}}`.",
    "end": "Write the name of the block, as in `{{/if}}` or `{{/each}}`.",
}  # fmt: skip
"""Suggestions for blocks of other tools written in `{{…}}`."""
OPERATORS = {
    "or": "or", "||": "or", "??": "or", "?:": "or", "and": "and", "&&": "and",
    "eq": "eq", "is": "eq", "ne": "ne", "lt": "lt", "lte": "lte", "gt": "gt", "gte": "gte",
}  # fmt: skip
"""The helper for an operator between two values."""
FILTERS = {
    "default": "default", "d": "default", "join": "join", "length": "length", "count": "length", "size": "length",
    "json": "json", "tojson": "json", "to_json": "json", "json_encode": "json", "dump": "json",
}  # fmt: skip
"""The helper for a filter."""

Tag = Callable[[str], str | None]
"""Returns the tag for a name in another tool's syntax; None if the name is unknown."""


def find(text: str, tag: Tag) -> Iterator[tuple[int, str]]:
    """Offset and message of each piece of foreign template syntax. Repeated messages are omitted."""
    seen: set[str] = set()
    for found in _OTHERS.finditer(text):
        message = _message(found, tag)
        if message is None or message in seen:
            continue
        seen.add(message)
        yield found.start(), message
        if len(seen) == MAX_FOUND:
            return


def tag_of(name: str) -> str | None:
    """The tag of a name that starts with a root, such as `input.topic`."""
    root, dot, _ = name.partition(".")
    return f"{{{{{name}}}}}" if dot and root in _ROOTS and not name.endswith(".") else None


def in_quotes(path: str) -> str:
    """The message about `{{path}}` inside the quotes of an expression."""
    return (
        f"`{{{{{path}}}}}` is inside quotes, so it is treated as plain text. Write `{path}` without quotes and braces. "
        f"To join strings, write `'a' + {path}`."
    )


def _message(found: re.Match[str], tag: Tag) -> str | None:
    kind = found.lastgroup
    if kind == "jinja":
        instead = _JINJA.get(found["jinja"])
        name = found["jinja"].removeprefix("end").replace("elif", "if").replace("else", "if")
        return (
            f"`{{% {name} %}}` is not stepIQ template syntax, so it is treated as plain text. {instead}"
            if instead
            else None
        )
    if kind == "comment":
        return "`{# … #}` is not stepIQ template syntax, so it is treated as plain text. Write a comment as `{{! … }}`."
    if kind == "erb":
        instead = tag_of(found["erb"]) or "{{input.topic}}"
        return f"`<% … %>` is not stepIQ template syntax, so it is treated as plain text. Write `{instead}`."
    if kind is None or (instead := tag(found[kind])) is None:
        return None
    return f"`{found.group()}` is not stepIQ template syntax, so it is treated as plain text. Write `{instead}`."
