"""Checks the source of a `code` step without running it."""

import ast
import re
import warnings
from enum import StrEnum

from stepiq.language.templates.lexer import position

MAX_SOURCE_BYTES = 65_536
"""Longest source, in bytes of UTF-8."""
MAX_PARSED_BYTES = 16_384
"""Longest Python source whose syntax is checked. Other threads cannot run while it is parsed: at worst, for 0.1 s."""

Found = tuple[int, int, str]
"""Line and column in the source, both counted from 1, and a message that says what to do."""

_TOO_LONG = "The code is longer than 64 KiB. Shorten it, or split the step in two."
_TOO_DEEP = "The code is nested too deeply. Split it into smaller expressions or functions."
NO_PYTHON_MAIN = (
    "The code has no `main`. Define `def main(input):` at the top level. Its return value is "
    "the step's output."
)
NO_JAVASCRIPT_MAIN = (
    "The code has no `main`. Define `function main(input) { … }` at the top level. Its return "
    "value is the step's output."
)
MODULES = (
    "asyncio", "base64", "binascii", "bisect", "collections", "copy", "csv", "dataclasses", "datetime", "decimal",
    "functools", "hashlib", "itertools", "json", "math", "os", "os.path", "pathlib", "posixpath", "random", "re", "sys",
    "time", "tomllib", "typing", "unicodedata",
)  # fmt: skip
"""Modules that Python code can import."""
_IMPORTABLE = frozenset((*MODULES, "__future__"))
_ONE_ARGUMENT = "`main` must have one parameter, the step's input. Write `def main(input):`."

# Besides its plain name, `main` may be defined by an escape sequence, by generated code, or on the global object.
_MAY_DEFINE_MAIN = re.compile(r"main|\\|eval|Function|constructor|globalThis|this")
_MAY_BIND_MAIN = re.compile(r"\b(?:main|exec|eval)\b|import[ \t(]*\*")

# A string or a comment, which is skipped, or else a line that loads a module. It starts in the first column, because
# an indented one may be in a function that defines `require`, or in `try`.
_LOADS_MODULE = re.compile(
    r"""//[^\n]*|/\*.*?(?:\*/|\Z)|'(?:\\.|[^'\\\n])*+'?|"(?:\\.|[^"\\\n])*+"?|`(?:\\.|[^`\\])*+`?"""
    r"""|^(import|export)\b(?=\s*[\w$"'*{])|^(?:const|let|var)\b[^=\n;'"`]*=\s*(require)\((?=\s*['"])""",
    re.DOTALL | re.MULTILINE,
)
_DEFINES_REQUIRE = re.compile(r"\brequire\b(?!\s*\()|function\s+require\b")

_LINE_END = re.compile(r"\r\n?|\n")

_Function = ast.FunctionDef | ast.AsyncFunctionDef


class CodeLanguage(StrEnum):
    """The language of the source of a `code` step."""

    PYTHON = "python"
    JAVASCRIPT = "javascript"


def check_python(source: str) -> Found | None:
    """Find the first problem that prevents Python source from running as a step: its syntax, `main`, or an import.

    The syntax is that of the server's Python; what the sandbox does not support is found only when the code runs. So is
    the syntax of a source that is longer than `MAX_PARSED_BYTES`.
    """
    try:
        size = len(source.encode())
        if size > MAX_SOURCE_BYTES:
            return 1, 1, _TOO_LONG
        if size > MAX_PARSED_BYTES:
            return None if _MAY_BIND_MAIN.search(source) else (1, 1, NO_PYTHON_MAIN)
        module = _parse(source)
    except SyntaxError as error:
        place = _place(source, error.lineno or 1, max(error.offset or 1, 1))
        return *place, _not_valid(error.msg)
    except (RecursionError, MemoryError):
        return 1, 1, _TOO_DEEP
    except ValueError as error:
        return 1, 1, _not_valid(str(error))
    found = _check_main(module, source) or _check_imports(module)
    return found and (*_place(source, *found[:2]), found[2])


def check_javascript(source: str) -> Found | None:
    """Check that JavaScript source may define `main` and loads no module; its syntax is checked only when it runs."""
    if len(source.encode(errors="replace")) > MAX_SOURCE_BYTES:
        return 1, 1, _TOO_LONG
    if _MAY_DEFINE_MAIN.search(source) is None:
        return 1, 1, NO_JAVASCRIPT_MAIN
    for found in _LOADS_MODULE.finditer(source):
        word = found[1] or found[2]
        if word and not (word == "require" and _DEFINES_REQUIRE.search(source)):
            message = (
                f"The code is a script and cannot use `{word}`. Remove it. Only the language's"
                " built-in objects are available."
            )
            return *position(source, found.start(found.lastindex or 0)), message
    return None


def _place(source: str, line: int, column: int) -> tuple[int, int]:
    r"""Translate a place of Python, for which a lone `\r` ends a line too."""
    if "\r" not in source:
        return line, column
    starts = [0, *(end.end() for end in _LINE_END.finditer(source))]
    return position(source, starts[min(line, len(starts)) - 1] + column - 1)


def _not_valid(why: str) -> str:
    end = "" if why.endswith(("?", ".")) else "."
    return f"The code is not valid Python: {why}{end}"


def _parse(source: str) -> ast.Module:
    with warnings.catch_warnings():
        # An invalid escape such as "\d" is only a warning in Python, not an error.
        warnings.simplefilter("ignore")
        return ast.parse(source, "<code>")


def _check_main(module: ast.Module, source: str) -> Found | None:
    """Check the definition of `main`, unless the code may bind it in a way that only running it shows."""
    found = [each for each in module.body if isinstance(each, _Function) and each.name == "main"]
    if not found:
        return None if _MAY_BIND_MAIN.search(source) else (1, 1, NO_PYTHON_MAIN)
    if len(_MAY_BIND_MAIN.findall(source)) == 1 and not _takes_one(found[0].args):
        return found[0].lineno, found[0].col_offset + 1, _ONE_ARGUMENT
    return None


def _check_imports(module: ast.Module) -> Found | None:
    """Find the first import at the top level of a module that the sandbox does not have."""
    for statement in module.body:
        match statement:
            case ast.Import(names=aliases):
                names = [alias.name for alias in aliases]
            case ast.ImportFrom(module=name, level=level):
                names = ["." * level + (name or "")]
            case _:
                continue
        missing = next((name for name in names if name not in _IMPORTABLE), None)
        if missing is not None:
            known = ", ".join(f"`{each}`" for each in MODULES)
            message = f"The sandbox does not have the module `{missing}`. Use one of {known}."
            return statement.lineno, statement.col_offset + 1, message
    return None


def _takes_one(arguments: ast.arguments) -> bool:
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    if required > 1 or any(default is None for default in arguments.kw_defaults):
        return False
    return positional > 0 or arguments.vararg is not None
