"""docs/reference/messages.md: every message that a person can get, read out of the source.

The source has no list of messages, so each text of several words counts, except docstrings, SQL, descriptions that other
pages show, and text that is compared with the messages of libraries.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from reference import source_texts, syntax
from reference.errors import issue_codes

from stepiq.execution.outcomes import FailureCode

_AREAS = {
    "API": (),
    "Definitions": ("language", "pipelines", "steps.*.spec"),
    "Runs": ("steps", "execution", "queue", "providers", "sandbox", "redaction", "trials"),
    "Commands": ("cli",),
    "Settings and start": ("core", "store", "server", "billing.plans"),
    "Mails": ("accounts.notices", "notify.mailing", "notify.reviewing"),
}  # fmt: skip
"""The sections, and the packages that each lists; the longest name counts. What belongs to none is in the first.

Functions of other modules that create a `MailMessage` also belong to the last one.
"""
_OTHER_PAGES = (
    # Descriptions: on `/docs`, in editors, on the page of metrics.
    "server.docs", "server.openapi", "language.json_schema", "language.schema_nodes", "language.schema_keywords",
    "core.metrics",
    # Imitations of other systems, code for the sandbox, and SQL.
    "cli.fake_provider", "cli.fake_json", "sandbox.python_prelude", "store.tables", "store.migrations",
    "queue.ticket_statements",
)  # fmt: skip
_CODES = {
    "sandbox.limits": "code_limit",
    "sandbox": "code_error",
    "providers.failures": "provider_error",
    "language.code_source": "code_syntax",
    "language.expressions.hints": "expression_syntax",
    "language.expressions.reading": "expression_syntax",
    "language.expressions.source": "expression_syntax",
    "language.expressions.type_advice": "",
    "language.expressions": "expression_error",
    "language.extracting": "jsonpath_syntax",
    "language.foreign": "other_template_syntax",
    "language.patterns": "pattern_syntax",
    "language.schema_cost": "invalid_schema",
    "language.time_zones": "timezone_unknown",
    "language.yaml": "syntax",
    "language.templates.lexer": "template_syntax",
    "language.templates.parser": "template_syntax",
    "language.templates.expressions": "template_syntax",
    "language.templates": "template_unresolved",
}
"""The code of the messages of some modules, where the text around a message does not show it: the first that fits."""
_NOT_SHOWN = frozenset({
    "CheckConstraint", "cast", "compile", "endswith", "execute", "removeprefix", "removesuffix", "replace",
    "require", "startswith", "text", "Helper",
})  # fmt: skip
"""Functions that take SQL, patterns, types, signatures, examples, or text to search for."""
_FIELDS = frozenset({
    "addresses", "array", "boolean", "by_name", "choice", "computed", "condition", "described", "either", "expression",
    "goto", "headers", "if_object", "input_value", "integer", "json_schema", "mapping", "matching", "milliseconds",
    "model", "nothing", "number", "object_of", "objects", "one_line", "required", "seconds", "signing_secret",
    "simple_jump", "StepType", "targets", "template", "url", "words",
})  # fmt: skip
"""Functions that describe fields for editors, in `language` and in the specs of step types."""
_NOT_MESSAGES = frozenset({
    "accounts.service.name_of", "core.encryption.bound", "core.encryption.name", "core.log_output._INTERRUPTED",
    "language.words._WORDS", "language.expressions.type_advice._NUMBERS",
    "runs.list_stream.DESCRIPTION", "sandbox.syscalls._RUNNING", "sandbox.syscalls._STARTING",
})  # fmt: skip
"""Functions and constants with bytes for encryption, names, lists of words, or descriptions."""
_DESCRIPTIONS = frozenset({"help", "description", "responses", "begin", "default_factory"})
"""Arguments whose text is not a message."""
_LOGS = {level: level for level in ("debug", "info", "warning", "error")} | {"exception": "error"}

_INTRODUCTION = """\
# Messages

To find a message, search this page for some of its words. Names in braces, such as `{name}`, stand for values that
vary. `[step/steps]` stands for one of the two.

[Errors](../errors.md) says what to do about each code of the server, and [the Python library](../client.md#errors) what
its own codes mean. A message without a code is part of another message, or is only
information. Programs must compare codes: the text of a message can change with any version.
"""
_LOG = """\
## Log

The server writes a line for each event. Every line has a time and a level. Lines about a request, a run or a delivery
also have its id. See [Operations](../operations.md).

| event | level | fields | module |
|---|---|---|---|"""


class UnknownModule(Exception):
    """A list of modules in this file is out of date."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A message and where it comes from."""

    text: str
    code: str
    """Code of the error, issue or failure; empty if it has none."""
    module: str
    """Such as `language.drafts`."""
    is_in_mail: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """A kind of line in the server's log."""

    name: str
    level: str
    fields: tuple[str, ...]
    module: str


def page() -> str:
    """The whole page."""
    _check_modules()
    parts = [_INTRODUCTION]
    for area in _AREAS:
        rows = [_row(each) for each in entries() if area_of(each) == area]
        parts.append(f"## {area}\n\n| message | code | module |\n|---|---|---|")
        parts.append("\n".join(dict.fromkeys(rows)) + "\n")
    parts.append(_LOG)
    parts += [
        f"| `{event.name}` | {event.level} | {', '.join(map(_quoted, event.fields))} | `{event.module}` |"
        for event in events()
    ]
    return "\n".join(parts)


def area_of(entry: Entry) -> str:
    """The section that lists a message."""
    first, *_, mails = _AREAS
    if entry.is_in_mail:
        return mails
    found = [
        (len(package), area)
        for area, packages in _AREAS.items()
        for package in packages
        if _is_in(entry.module, (package,))
    ]
    return max(found)[1] if found else first


@cache
def entries() -> tuple[Entry, ...]:
    """Every message, in the order of the modules."""
    return tuple(
        entry
        for module in _modules()
        if not _is_in(module.name, _OTHER_PAGES)
        for entry in module.entries()
    )


def events() -> list[Event]:
    """Every event of the log, by name."""
    found = {event for module in _modules() for event in module.events()}
    return sorted(found, key=lambda event: (event.name, event.module, event.fields))


def _check_modules() -> None:
    listed = {*_CODES, *_OTHER_PAGES, *(each for area in _AREAS.values() for each in area)}
    for package in sorted(listed):
        if not any(_is_in(module, (package,)) for module in _trees()):
            raise UnknownModule(
                f"scripts/reference/messages.py names {package}, which does not exist."
            )


def _is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(fnmatchcase(f"{module}.", f"{package}.*") for package in packages)


def _row(entry: Entry) -> str:
    # Between backticks nothing is Markdown; elsewhere `<` and `*` would be.
    parts = " ".join(entry.text.split()).replace("|", "\\|").split("`")
    parts[::2] = [re.sub(r"([*<])", r"\\\1", part) for part in parts[::2]]
    return f"| {'`'.join(parts)} | {_quoted(entry.code)} | `{entry.module}` |"


def _quoted(text: str) -> str:
    return f"`{text}`" if text else ""


@cache
def _trees() -> dict[str, ast.Module]:
    return {_module_name(path): tree for path, tree in syntax.trees().items()}


def _module_name(path: Path) -> str:
    parts = path.relative_to(syntax.PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@cache
def _modules() -> tuple["_Module", ...]:
    return tuple(_Module(name, tree) for name, tree in _trees().items())


@cache
def _codes_of_classes() -> dict[str, str]:
    """The code of every class that has one or inherits one, by name."""
    classes = [
        node
        for tree in _trees().values()
        for node in syntax.nodes(tree)
        if isinstance(node, ast.ClassDef)
    ]
    own = {node.name: code for node in classes for code in _assigned_codes(node)}
    parents = {node.name: [*_names_of_parents(node)] for node in classes}

    def code_of(name: str) -> str:
        return own.get(name) or next(filter(None, map(code_of, parents.get(name, []))), "")

    return {name: code for name in parents if (code := code_of(name))}


def _names_of_parents(node: ast.ClassDef) -> Iterator[str]:
    """The classes that a class inherits from, and the class of the error that a record becomes."""
    yield from map(source_texts.name_of, node.bases)
    for each in node.body:
        match each:
            case ast.AnnAssign(value=ast.Name(id=name)):
                yield name
            case _:
                pass


def _assigned_codes(node: ast.ClassDef) -> Iterator[str]:
    for each in node.body:
        match each:
            case (
                ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code)))
                | ast.AnnAssign(target=ast.Name(id="code"), value=ast.Constant(value=str(code)))
            ):
                yield code
            case _:
                pass


@cache
def _known_codes() -> frozenset[str]:
    return frozenset({*issue_codes(), *_codes_of_classes().values(), *FailureCode})


class _Module:
    """The texts of one module. The nodes around a text show what it belongs to."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name = name
        self._tree = tree
        self._outer = {
            inner: outer for outer in syntax.nodes(tree) for inner in ast.iter_child_nodes(outer)
        }

    def entries(self) -> Iterator[Entry]:
        """The messages, in the order of the source."""
        for node in source_texts.texts(self._tree):
            text = source_texts.rendered(node)
            if source_texts.is_markup(text):
                yield from (Entry(shown, "", self.name) for shown in source_texts.of_markup(text))
            elif source_texts.is_prose(text) and self._is_shown(node):
                code = self._code_around(node)
                # Short texts without a code are parts of others, such as "a list".
                if code or source_texts.is_sentence(text):
                    code = code or self._code_elsewhere(node)
                    yield Entry(text, code, self.name, self._is_in_mail(node))

    def events(self) -> Iterator[Event]:
        """What the module logs."""
        for node in syntax.nodes(self._tree):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log"), attr=level),
                    args=[first],
                    keywords=keywords,
                ) if level in _LOGS:
                    fields = tuple(each.arg or "…" for each in keywords)
                    for name in source_texts.choices(first):
                        yield Event(name, _LOGS[level], fields, self.name)
                case _:
                    pass

    def _around(self, node: ast.AST) -> Iterator[ast.AST]:
        while outer := self._outer.get(node):
            yield outer
            node = outer

    def _is_shown(self, node: ast.expr) -> bool:
        match self._outer[node]:
            case ast.Compare() | ast.Subscript() | ast.Attribute(attr="split"):
                return False
            case ast.Dict(keys=keys) if node in keys:
                return False
            case ast.Dict(keys=keys, values=values) if _is_description(node, keys, values):
                return False
            case _:
                pass
        for outer in self._around(node):
            if isinstance(outer, ast.Call) and source_texts.name_of(outer.func) in _NOT_SHOWN:
                return False
            if isinstance(outer, ast.keyword) and outer.arg in _DESCRIPTIONS:
                return False
            if _is_in(self.name, ("language", "steps.*.spec")) and _describes_field(outer):
                return False
            if f"{self.name}.{_defined_name(outer)}" in _NOT_MESSAGES:
                return False
        return True

    def _is_in_mail(self, node: ast.AST) -> bool:
        """Whether a function that creates an email has a text, and neither prints it nor fails with it."""
        for outer in self._around(node):
            match outer:
                case ast.Raise() | ast.Call(func=ast.Name(id="say" | "complain")):
                    return False
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    calls = (each for each in syntax.nodes(outer) if isinstance(each, ast.Call))
                    return "MailMessage" in map(source_texts.name_of, (call.func for call in calls))
                case _:
                    pass
        return False

    def _code_around(self, node: ast.AST) -> str:
        """The code beside the text or beside the variable that takes it, else that of the error's class."""
        variable, line = "", 0
        for outer in self._around(node):
            match outer:
                case ast.Call() | ast.Tuple():
                    if code := _code_beside(outer) or self._code_of_helper(outer):
                        return code
                case ast.Assign(targets=[ast.Name(id=variable)], lineno=line):
                    pass
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    if code := _code_of_variable(variable, line, outer) or _code_variable(outer):
                        return code
                case ast.ClassDef(name=name):
                    return _codes_of_classes().get(name, "")
                case _:
                    pass
        return ""

    def _code_of_helper(self, call: ast.AST) -> str:
        """The code that a function of this module gives to what it is called with."""
        match call:
            case (
                ast.Call(func=ast.Name(id=name))
                | ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name))
            ):
                found = (_code_beside(each) for each in syntax.nodes(self._function(name)))
                return next(filter(None, found), "")
            case _:
                return ""

    def _function(self, name: str) -> ast.AST:
        functions = (each for each in syntax.nodes(self._tree) if isinstance(each, ast.FunctionDef))
        return next((each for each in functions if each.name == name), ast.Pass())

    def _code_elsewhere(self, node: ast.AST) -> str:
        """The code beside a call of the function that gives the text, else that of the module."""
        inside = [each.name for each in self._around(node) if isinstance(each, ast.FunctionDef)]
        for call in syntax.nodes(self._tree) if inside else ():
            match call:
                case ast.Call(func=ast.Name(id=name)) if name == inside[0]:
                    if code := self._code_around(call):
                        return code
                case _:
                    pass
        return next((code for each, code in _CODES.items() if _is_in(self.name, (each,))), "")


def _defined_name(node: ast.AST) -> str:
    match node:
        case (
            ast.FunctionDef(name=name)
            | ast.AsyncFunctionDef(name=name)
            | ast.Assign(targets=[ast.Name(id=name)])
            | ast.AnnAssign(target=ast.Name(id=name))
        ):
            return name
        case _:
            return ""


def _describes_field(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=function):
            return source_texts.name_of(function).removeprefix("_") in _FIELDS
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in ("words", "description", "FIELD_TYPES")
        case _:
            return False


def _is_description(node: ast.AST, keys: list[ast.expr | None], values: list[ast.expr]) -> bool:
    key = next((key for key, value in zip(keys, values, strict=True) if value is node), None)
    return isinstance(key, ast.Constant) and key.value == "description"


def _code_of_variable(name: str, line: int, function: ast.AST) -> str:
    """The code beside a use of the variable that is assigned on a line."""
    for call in syntax.nodes(function) if name else ():
        if isinstance(call, ast.Call | ast.Tuple) and call.lineno > line:
            uses = (each.id for each in syntax.nodes(call) if isinstance(each, ast.Name))
            if name in uses and (code := _code_beside(call)):
                return code
    return ""


def _code_variable(function: ast.AST) -> str:
    """The code that a function puts into a variable `code`."""
    for each in syntax.nodes(function):
        match each:
            case ast.Assign(targets=[ast.Name(id="code")], value=value) if _named_code(value):
                return _named_code(value)
            case _:
                pass
    return ""


def _code_beside(node: ast.AST) -> str:
    """The code that a call or a tuple names: by the class that it makes, or in another place of it."""
    match node:
        case ast.Call(func=function, args=arguments, keywords=keywords):
            if code := _codes_of_classes().get(source_texts.name_of(function)):
                return code
            places = [*arguments, *(each.value for each in keywords)]
        case ast.Tuple(elts=places):
            pass
        case _:
            return ""
    found = (
        _named_code(each)
        for place in places
        for each in (syntax.nodes(place) if isinstance(place, ast.Call | ast.IfExp) else (place,))
    )
    return next(filter(None, found), "")


def _named_code(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(code)) if code in _known_codes():
            return code
        case ast.Attribute(value=ast.Name(id="FailureCode"), attr=member):
            return member.lower()
        case ast.Attribute(value=ast.Name(id=name), attr="code"):
            return _codes_of_classes().get(name, "")
        case _:
            return ""
