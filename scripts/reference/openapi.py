"""openapi.json: the OpenAPI document, made from the app without a database."""

import json
from typing import Any, cast

from stepiq.server.app import create_app

_LINE = 100


def document() -> str:
    """The document as text. Short objects and lists are on one line."""
    return _text(create_app().openapi()) + "\n"


def _text(value: Any, depth: int = 0) -> str:
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + depth <= _LINE or not isinstance(value, dict | list):
        return line
    if isinstance(value, dict):
        opening, closing = "{}"
        fields = cast(dict[str, Any], value)
        items = [f"{json.dumps(name)}: {_text(each, depth + 1)}" for name, each in fields.items()]
    else:
        opening, closing = "[]"
        items = [_text(each, depth + 1) for each in cast(list[Any], value)]
    indent = "\n" + " " * depth
    return f"{opening}{indent} {f',{indent} '.join(items)}{indent}{closing}"
