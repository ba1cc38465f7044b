"""Parses JSON text, and on demand finds the place of every part."""

import re

from stepiq.core.errors import Issue
from stepiq.core.json import Json, MalformedJson, loads
from stepiq.language.places import Place

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{},:]|[^\s\[\]{},:"]++', re.DOTALL)


def read(text: str) -> tuple[Json, list[Issue]]:
    """Parse JSON. If there is an issue, the data is None."""
    try:
        return loads(text.encode()), []
    except MalformedJson as error:
        message = error.message
        if error.reason:
            message = f"The definition is not valid JSON: {error.reason}"
        return None, [Issue("", "syntax", message, error.line or 1, error.column or 1)]


def places(text: str) -> Place:
    """The places of all parts of a text that `read` accepts."""
    line, line_start, behind = 1, 0, 0
    root: Place | None = None
    stack: list[Place] = []
    is_object: list[bool] = []
    key: tuple[str, tuple[int, int]] | None = None
    for token in _TOKEN.finditer(text):
        at = token.start()
        if breaks := text.count("\n", behind, at):
            line += breaks
            line_start = text.rfind("\n", behind, at) + 1
        behind = at
        written = token.group()
        if written in "]}":
            stack.pop()
            is_object.pop()
        elif written in ",:":
            continue
        elif stack and is_object[-1] and key is None:
            key = str(loads(written.encode())), (line, at - line_start + 1)
        else:
            place = Place(line, at - line_start + 1, key[1] if key else None)
            if not stack:
                root = place
            else:
                stack[-1].add(key[0] if key else len(stack[-1].children or ()), place)
            key = None
            if written in "[{":
                stack.append(place)
                is_object.append(written == "{")
    return root or Place(1, 1)
