"""The source of stepIQ as syntax trees: parsed once, and walked once, for all pages."""

import ast
from functools import cache
from pathlib import Path

import stepiq

PACKAGE = Path(stepiq.__file__).parent


@cache
def trees() -> dict[Path, ast.Module]:
    """The tree of every module."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """A node and all nodes in it."""
    return tuple(ast.walk(tree))
