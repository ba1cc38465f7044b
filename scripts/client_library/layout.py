"""The layout of generated code: short lines, docstrings, and exactly the imports that it uses."""

import ast
import textwrap
from collections.abc import Iterable

_WIDTH = 100


def docstring(text: str, indent: str = "") -> str:
    """A text as a docstring, with lines that are short enough."""
    paragraphs = [" ".join(each.split()) for each in text.strip().split("\n\n")]
    wrapped = [textwrap.wrap(each, _WIDTH - len(indent) - 6) for each in paragraphs]
    shown = "\n\n".join("\n".join(indent + line for line in lines) for lines in wrapped).strip()
    shown = shown.replace("\\", "\\\\").replace('"""', "'''")
    if "\n" in shown:
        return f'{indent}"""{shown}\n{indent}"""'
    return f'{indent}"""{shown}{" " if shown.endswith(chr(34)) else ""}"""'


def bracketed(head: str, parts: Iterable[str], tail: str, indent: str = "") -> str:
    """A list in brackets: on one line, or with a line for each part if that is too long."""
    listed = list(parts)
    line = f"{indent}{head}{', '.join(listed)}{tail}"
    if len(line) <= _WIDTH or not listed:
        return line
    inner = [f"{indent}    {part}," for part in listed]
    return "\n".join([f"{indent}{head}", *inner, f"{indent}{tail}"])


def module(title: str, body: str, places: dict[str, str], exported: Iterable[str] = ()) -> str:
    """A module with the imports of the names that it uses.

    Args:
        title: its docstring.
        body: its code.
        places: the modules of the names that it can import.
        exported: names that it has for others.
    """
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    members: dict[str, list[str]] = {}
    for name, place in sorted(places.items(), key=lambda each: (each[1], each[0])):
        if name in used or name in exported:
            members.setdefault(place, []).append(name)
    imports = [_import(place, names) for place, names in members.items()]
    lines = [docstring(title), "", "from __future__ import annotations", "", *imports, "", "", body]
    return "\n".join([*lines, ""])


def _import(place: str, names: list[str]) -> str:
    line = f"from {place} import {', '.join(names)}"
    return line if len(line) <= _WIDTH else bracketed(f"from {place} import (", names, ")")
