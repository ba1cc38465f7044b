"""Reads the docstrings below enumeration members, which Python discards."""

import ast
import inspect
from collections.abc import Collection
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any


def described(enumeration: type[Enum], unsaid: Collection[Enum] = ()) -> dict[Any, str]:
    """The docstrings of an enumeration's members, by value.

    Raises:
        LookupError: a member that is not in `unsaid` has no docstring.
    """
    tree = ast.parse(Path(inspect.getfile(enumeration)).read_text(encoding="utf-8"))
    body = next(
        node.body
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name == enumeration.__name__
    )
    found: dict[Any, str] = {}
    for node, text in pairwise(body):
        if isinstance(node, ast.Assign) and isinstance(text, ast.Expr):
            name = node.targets[0]
            if isinstance(name, ast.Name) and isinstance(text.value, ast.Constant):
                found[enumeration[name.id].value] = " ".join(str(text.value.value).split())
    missing = {member.value for member in enumeration if member not in unsaid} - set(found)
    if missing:
        raise LookupError(f"{enumeration.__name__} does not describe {sorted(missing)}.")
    return found
