"""Texts in Python source: which there are, how they read with their placeholders, and what in them is for people."""

import ast
import re
from collections.abc import Iterator

_PROSE = re.compile(r"[^\W\d_][\w`'\"».,:;)]+ +[\w`'\"{(\[]|[\w}`] +[a-z]{2,}")
_LONG = re.compile(r"(\S+ +){2,}\S|[.!?]$")
_NOT_PROSE = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE|PRAGMA|BEGIN|SET|LISTEN|DO|ANY|EXTRACT|CREATE|GRANT|ALTER|REASSIGN|COPY|ROLLBACK|RELEASE)[ (]|\w+ (IS|IN|AND|WHERE|SET)\b"
    r"|\(|[a-z]+\(|default-src|Bearer |dict\[|tuple\[|def |typeof |public, "
    r"|[\w.\[\], ]+( \| [\w.\[\], ]+)+\Z"
)
"""SQL, code, types, and headers at the start of a text."""
_PATTERN = re.compile(r"\.\*|[\w)]\|[\w(]")
"""Regular expressions."""
_MARKUP = re.compile(r"<!doctype|document\.querySelector|color-scheme:")
_STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
_IN_MARKUP = re.compile(r">([^<>{}]+)<|\"((?:[^\"\\\n]|\\.)+)\"|`((?:[^`\\\n]|\\.)+)`")


def is_prose(text: str) -> bool:
    """Whether a text has several words, and is neither SQL nor code."""
    without_code = re.sub(r"`[^`]*`", "", text)
    return " " in text.strip() and not _NOT_PROSE.match(text) and not _PATTERN.search(without_code)


def is_sentence(text: str) -> bool:
    """Whether it is long enough to be read alone."""
    return bool(_PROSE.search(text) and _LONG.search(text))


def is_markup(text: str) -> bool:
    """Whether it is HTML, CSS or JavaScript."""
    return bool(_MARKUP.search(text))


def texts(node: ast.AST) -> Iterator[ast.expr]:
    """Every text below a node but docstrings; one in a placeholder of another is part of that."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr) and _is_text(child):
            yield child
        elif not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):
            yield from texts(child)


def _is_text(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _is_text(left) or _is_text(right)
        case _:
            return False


def rendered(node: ast.expr) -> str:
    """A text with its placeholders."""
    match node:
        case ast.Constant(value=value):
            return str(value)
        case ast.JoinedStr(values=values):
            return "".join(map(rendered, values))
        case ast.FormattedValue(value=value):
            return (
                rendered(value) if isinstance(value, ast.Constant | ast.IfExp) else _braced(value)
            )
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return rendered(left) + rendered(right)
        case ast.IfExp(body=ast.Constant(value=str(one)), orelse=ast.Constant(value=str(other))):
            return f"[{one}/{other}]" if one and other else f"[{one or other}]"
        case _:
            return _braced(node)


def _braced(node: ast.expr) -> str:
    return f"{{{name_of(node) or '…'}}}"


def name_of(node: ast.AST) -> str:
    """What to call a value: the most telling name in it."""
    match node:
        case (
            ast.Name(id=name)
            | ast.Attribute(attr=name)
            | ast.Subscript(slice=ast.Constant(value=str(name)))
        ):
            return name.strip("_").lower() if name.isupper() else name.strip("_")
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(name)), *_]):
            return name
        case ast.Call(func=ast.Name() as function, args=[_, _, *_]):
            return name_of(function)
        case ast.Call(func=ast.Attribute(value=inner), args=[]) if name_of(inner):
            return name_of(inner)
        case ast.Call(func=function, args=arguments):
            return next(filter(None, map(name_of, [*arguments, function])), "")
        case ast.JoinedStr(values=values):
            return next(filter(None, map(name_of, values)), "")
        case _:
            return _name_inside(node)


def _name_inside(node: ast.AST) -> str:
    match node:
        case (
            ast.Await(value=inner)
            | ast.Subscript(value=inner)
            | ast.FormattedValue(value=inner)
            | ast.GeneratorExp(elt=inner)
            | ast.ListComp(elt=inner)
            | ast.IfExp(body=inner)
            | ast.BinOp(left=inner)
            | ast.BoolOp(values=[inner, *_])
        ):
            return name_of(inner)
        case _:
            return ""


def of_markup(text: str) -> Iterator[str]:
    """The texts that HTML and JavaScript show."""
    for found in _IN_MARKUP.finditer(_STYLE.sub("", text)):
        shown = next(filter(None, found.groups()), "").strip()
        if is_sentence(shown) and not re.search(r"[=;{}]|width", shown):
            yield shown
