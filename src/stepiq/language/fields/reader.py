"""Reads a document field by field. Readers record each problem and continue, so that one pass finds all of them."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from stepiq.core.concurrency import pauses
from stepiq.core.json import Json
from stepiq.language.data import is_array, is_object, kind_of
from stepiq.language.expressions import Expression, ExpressionSyntaxError
from stepiq.language.places import Path
from stepiq.language.schemas.cost import SchemaProblem
from stepiq.language.schemas.validation import Schema, compile_schema
from stepiq.language.templates import Template, TemplateSyntaxError
from stepiq.language.words import STEP_NOTES, nearest, same_word, suggest

TRUE_OR_FALSE = "true or false"
INTEGER, NUMBER = "an integer", "a number"
LIST = "a list"
MAPPING = "an object"
STRING = "a string"

_TRUE = {"y", "yes", "on", "true", "1"}
_FALSE = {"n", "no", "off", "false", "0"}
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_MAX_SHOWN = 40
_EXAMPLES = {
    "headers": "headers: {Authorization: 'Bearer {{env.TOKEN}}'}",
    "input": "input: {schema: {topic: {type: string}}}",
    "notifications": "notifications: {on_failure: [{type: email, to: team@example.com}]}",
    "output": "output: {from: summary}",
    "output_schema": "output_schema: {type: object, properties: {score: {type: number}}}",
    "regex": "regex: {pattern: '[0-9]+', all: true}",
    "retry": "retry: {max_attempts: 3}",
    "schedule": "schedule: {cron: '0 9 * * 1-5'}",
    "schema": "schema: {topic: {type: string}}",
    "variables": "variables: {tone: calm}",
    "verify": "verify: {scheme: github, secret_name: GITHUB_WEBHOOK_SECRET}",
    "webhook": "webhook: {verify: {scheme: github, secret_name: GITHUB_WEBHOOK_SECRET}}",
}


ROADMAP = "See the roadmap: `stepiq docs roadmap`, or /docs/roadmap on a server."


@dataclass(frozen=True, slots=True)
class PathProblem:
    """A problem at a path; `placing` adds its place in the text."""

    path: Path
    code: str
    message: str
    at_key: bool = False
    """Whether the field's name is wrong, not its value."""
    inside: tuple[str, int, int] | None = None
    """The text value, and a line and column inside it."""


@dataclass(frozen=True, slots=True)
class PlacedTemplate:
    """A template and the field that contains it."""

    path: Path
    template: Template


@dataclass(frozen=True, slots=True)
class PlacedExpression:
    """An expression and the field that contains it."""

    path: Path
    expression: Expression
    is_after: bool = False
    """Whether it is evaluated after its step and can read the step's output."""


class TextProblem(Protocol):
    """A problem inside a text, and its position."""

    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


MAX_PROBLEMS = 200
"""Reading stops at this number of problems."""
MAX_EXPRESSIONS = 40_000
"""Most characters of all expressions in one document: compiling 2,000 takes up to 25 milliseconds."""
MAX_PATTERNS = 200
"""Most patterns in the schemas of one document: compiling one takes up to a millisecond."""
ID_PATTERN = r"[a-z0-9_]{1,64}"
"""Pattern of the ids of steps and branches."""
PIPELINE = "the pipeline"
"""Home of the fields of a document."""
ID_RULE = "1 to 64 characters: a-z, 0-9 and _"


@dataclass(slots=True)
class Report:
    """The results of reading one document."""

    problems: list[PathProblem] = field(default_factory=list[PathProblem])
    warnings: list[PathProblem] = field(default_factory=list[PathProblem])
    templates: list[PlacedTemplate] = field(default_factory=list[PlacedTemplate])
    expressions: list[PlacedExpression] = field(default_factory=list[PlacedExpression])
    jumps: list[tuple[Path, str]] = field(default_factory=list[tuple[Path, str]])
    """The fields with a `goto`, and its target."""
    signing_secrets: list[tuple[Path, str]] = field(default_factory=list[tuple[Path, str]])
    """Secrets that no template reads, and the fields that name them."""
    models: list[tuple[Path, str | None]] = field(default_factory=list[tuple[Path, str | None]])
    """Models that steps name, and the fields that name them; None for steps that use the default model, and their paths.

    Whether the models exist is not checked here."""
    patterns_left: int = MAX_PATTERNS
    expressions_left: int = MAX_EXPRESSIONS
    ids: dict[str, Path] = field(default_factory=dict[str, Path])
    """Step ids in use, and the paths that use them."""
    homes: Mapping[str, str] = field(default_factory=dict[str, str])
    """The object that each field of the document and of its steps belongs to, such as `llm` steps."""
    nesting: int = 0
    """How many `parallel` steps contain the object being read."""

    @property
    def is_full(self) -> bool:
        """Whether `MAX_PROBLEMS` is reached, so that reading can stop."""
        return len(self.problems) >= MAX_PROBLEMS

    def refuse(self, path: Path, code: str, message: str) -> None:
        self.problems.append(PathProblem(path, code, message))

    def template(self, path: Path, text: str) -> Template | None:
        """Compile a template at a path; None if it is invalid."""
        try:
            template = Template.compile(text)
        except TemplateSyntaxError as error:
            self.refuse_inside(path, text, error)
            return None
        self.templates.append(PlacedTemplate(path, template))
        return template

    def expression(self, path: Path, text: str, *, is_after: bool = False) -> Expression | None:
        """Compile an expression at a path; None if it is invalid."""
        if not self.spend_expressions(path, len(text)):
            return None
        try:
            expression = Expression.compile(text)
        except ExpressionSyntaxError as error:
            self.refuse_inside(path, text, error)
            return None
        self.add_expression(path, expression, is_after=is_after)
        return expression

    def spend_expressions(self, path: Path, characters: int) -> bool:
        """Count characters of expressions; returns whether the limit allows them."""
        self.expressions_left -= characters
        if self.expressions_left >= 0:
            return True
        message = f"All expressions of a definition together can have at most {MAX_EXPRESSIONS:,} characters. Split the pipeline."
        self.refuse(path, "too_long", message)
        return False

    def add_expression(self, path: Path, expression: Expression, *, is_after: bool = False) -> None:
        """Register an expression for the check of its names."""
        self.expressions.append(PlacedExpression(path, expression, is_after))

    def add_jump(self, path: Path, target: str) -> None:
        """Register a `goto`, so that its target is checked after all steps are read."""
        self.jumps.append((path, target))

    def refuse_inside(self, path: Path, text: str, error: TextProblem) -> None:
        """Record a problem inside a text at a path."""
        inside = (text, error.line, error.column)
        self.problems.append(PathProblem(path, error.code, error.message, inside=inside))

    def compile(self, path: Path, document: dict[str, Json]) -> Schema | None:
        """Compile a schema at a path; None if it is invalid."""
        try:
            schema = compile_schema(document, max_patterns=self.patterns_left)
        except SchemaProblem as problem:
            self.refuse((*path, *problem.path), "invalid_schema", problem.message)
            return None
        self.patterns_left -= schema.cost.patterns
        return schema


def _texts(value: Json) -> Iterator[str]:
    """Every text inside a value."""
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, str):
            yield inner
        elif is_object(inner):
            waiting.extend(inner.values())
        elif is_array(inner):
            waiting.extend(inner)


class FieldReader:
    """Reads the fields of one mapping. Null counts as absent; an invalid value is reported and read as absent."""

    def __init__(
        self,
        draft: Report,
        path: Path,
        data: Mapping[str, Json],
        known: Collection[str],
        later: Mapping[str, str] | None = None,
        example: str = "",
    ) -> None:
        pauses.pause_if_due()
        self.draft = draft
        self.path = path
        self._written = data
        self._data = {name: value for name, value in data.items() if name in known}
        """The allowed fields. Problems inside other fields are not reported."""
        self._is_step = "on_error" in known
        self._example = example
        """Shown for a missing field instead of the field's own example."""
        self._announced: set[str] = set()
        """Fields that messages about unknown ones suggest. Their absence is not reported again."""
        later = later or {}
        unknown = [name for name in data if name not in known and name not in later]
        for name in data:
            if name in later:
                self.refuse_later(name, f"`{name}`", later[name])
        for name, message in self._explained(unknown, known):
            draft.problems.append(PathProblem((*path, name), "unknown_field", message, at_key=True))
            if draft.is_full:
                break

    def _explained(self, unknown: list[str], known: Collection[str]) -> list[tuple[str, str]]:
        """Unknown fields, and what to write instead of each."""
        found: list[tuple[str, str]] = []
        misplaced: list[tuple[str, str]] = []
        for name in unknown[:MAX_PROBLEMS]:
            start = f"Unknown field `{name[:60]}`."
            if self._is_step and name in STEP_NOTES:
                if name == "with" and is_object(inner := self._written[name]):
                    self._announced |= inner.keys()
                found.append((name, f"{start} {STEP_NOTES[name]}"))
            elif not same_word(name, known) and (message := self._misplaced(name)):
                misplaced.append((name, message))
            else:
                self._announced |= {nearest(name, known) or ""}
                found.append((name, f"{start} {suggest(name, known)}"))
        # The fields of a step depend on its type.
        return found if "type" in self._announced else [*found, *misplaced]

    def _misplaced(self, name: str) -> str | None:
        """What to do with a field that belongs elsewhere; None if it is unknown everywhere."""
        home = self.draft.homes.get(name)
        if home is None or not (self._is_step or not self.path):
            return None
        if not self.path:
            return f"`{name}` is a field of {home}, not of the pipeline. Move it into a step."
        if home == PIPELINE:
            return f"`{name}` is a field of the pipeline, not of a step. Move it to the top level."
        step_type = self._written.get("type") or "llm"
        return f"`{name}` is a field of {home}, not of `{step_type}` steps. Remove it, or change `type`."

    def has(self, name: str) -> bool:
        return self._data.get(name) is not None

    def raw(self, name: str) -> Json:
        return self._data.get(name)

    def refuse(self, name: str, code: str, message: str) -> None:
        self.draft.refuse((*self.path, name), code, message)

    def refuse_later(self, name: str, what: str, instead: str) -> None:
        """Refuse a part of the language that this version does not support."""
        message = f"This version of stepIQ does not support {what} yet. {instead} {ROADMAP}"
        self.draft.problems.append(
            PathProblem((*self.path, name), "not_supported_yet", message, at_key=True)
        )

    def require(self, name: str, example: str) -> bool:
        """Report a required field if it is missing; returns whether it is present."""
        if self.has(name):
            return True
        if name in self._announced or ("type" in self._announced and name != "id"):
            return False
        # The field has no place of its own, so the error is reported at the mapping.
        message = f"`{name}` is required. Add it, as in `{self._example or example}`."
        self.draft.refuse((*self.path, name), "required", message)
        return False

    def note_secret(self, name: str, secret: str) -> None:
        """Record that a field names a secret, so that a missing secret can be reported."""
        self.draft.signing_secrets.append(((*self.path, name), secret))

    def mapping(self, name: str) -> dict[str, Json] | None:
        return self.typed(name, dict, MAPPING)

    def items(self, name: str, minimum: int, maximum: int) -> list[Json] | None:
        value: list[Any] | None = self.typed(name, list, LIST)
        if value is not None and not minimum <= len(value) <= maximum:
            code = "too_short" if len(value) < minimum else "too_long"
            message = f"`{name}` must have {minimum} to {maximum} items; it has {len(value):,}."
            self.refuse(name, code, message)
            return None
        return value

    def spend_expressions(self, name: str) -> bool:
        """Count the texts of a field as expressions; returns whether the limit allows them."""
        return self.draft.spend_expressions(
            (*self.path, name), sum(map(len, _texts(self.raw(name))))
        )

    def inner(
        self, name: str, known: Collection[str], *, example: str = ""
    ) -> "FieldReader | None":
        """The fields of a mapping inside this one; None if there is none."""
        data = self.mapping(name)
        path = (*self.path, name)
        return None if data is None else FieldReader(self.draft, path, data, known, example=example)

    def typed(self, name: str, kind: type[Any], words: str) -> Any:
        """The value, if it is of a type; `words` describe the type. Refuses other values, except null."""
        value = self.raw(name)
        if value is None:
            return None
        if not isinstance(value, kind):
            self.refuse_type(name, words)
            return None
        return value

    def refuse_type(self, name: str, words: str) -> None:
        """Refuse a value of the wrong type; `words` describe the right one."""
        value = self.raw(name)
        hint = correction(name, value, words)
        message = f"`{name[:60]}` must be {words}; it is {kind_of(value)}.{hint}"
        self.refuse(name, "wrong_type", message)


def correction(name: str, value: Json, wanted: str) -> str:
    """A sentence that starts with a space; empty if there is nothing to add."""
    if wanted == TRUE_OR_FALSE:
        return _boolean(value)
    if wanted in (INTEGER, NUMBER):
        return _number(name, value)
    if wanted == LIST:
        return _list(name, value)
    if wanted == MAPPING and name in _EXAMPLES:
        return f" Write it as in `{_EXAMPLES[name]}`."
    if wanted == STRING and isinstance(value, bool | int | float):
        return " Put it in quotes."
    return ""


def _boolean(value: Json) -> str:
    written = str(value).lower()
    if written in _TRUE:
        return " Write `true`."
    return " Write `false`." if written in _FALSE else ""


def _number(name: str, value: Json) -> str:
    if isinstance(value, float):
        return " Write it without a fraction."
    if not isinstance(value, str):
        return ""
    written = value.strip().lower()
    if _NUMBER.fullmatch(written):
        return f" Write `{name}: {written}`, without quotes."
    return ""


def _list(name: str, value: Json) -> str:
    if is_object(value):
        return " Start each item with `- `, or write `[…]` around it."
    if isinstance(value, str) and re.fullmatch(r"[\w .-]{1,40}", value):
        return f" Write `{name}: [{value}]`."
    return ""


def entry_correction(value: Json, example: str) -> str:
    """A suggestion for a list entry that must be a mapping; starts with a space."""
    if isinstance(value, str) and (found := re.match(r"([a-z_]+):(\S+)", value)):
        return f" Write a space after the colon: `{found[1]}: {found[2][:_MAX_SHOWN]}`."
    if is_array(value):
        return f" Write `- {example}`, with one `-`."
    return f" Write it as in `- {example}`."
