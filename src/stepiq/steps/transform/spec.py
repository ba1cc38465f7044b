"""`transform`: derives data from data, without a model."""

from dataclasses import dataclass

from stepiq.language.data import is_object
from stepiq.language.expressions import Expression
from stepiq.language.extracting import Query, QuerySyntaxError
from stepiq.language.patterns import (
    MAX_PATTERN_LENGTH,
    Pattern,
    PatternSyntaxError,
    Replacement,
)
from stepiq.language.reports import FieldReader
from stepiq.language.schemas import Schema
from stepiq.language.set_values import Setting, SettingInvalid
from stepiq.language.shapes import ANY, LIST, OPTIONAL_STRING_FIELD, TEXT, shape
from stepiq.language.specs import Step, StepSpec
from stepiq.language.step_types import ReadSteps, StepType
from stepiq.language.templates import Template

WAYS = ("template", "prompt", "extract", "regex", "set")
MAX_GROUP = 100
MAX_GROUP_NAME = 100
REGEX_FIELDS = ("pattern", "group", "all", "replace")
_FOUND = shape(OPTIONAL_STRING_FIELD)


@dataclass(frozen=True, slots=True)
class Extract:
    """The values that a JSONPath selects."""

    query: Query
    first: bool
    """Whether the result is the first value, or null if there is none, instead of a list."""


@dataclass(frozen=True, slots=True)
class Match:
    """The matches of a pattern in a text."""

    pattern: Pattern
    group: int | str = 0
    """Group of the first match. Not used with `all` or `replace`."""
    all: bool = False
    replace: Replacement | None = None


@dataclass(frozen=True, slots=True)
class TransformSpec(StepSpec):
    """Transforms data inside the process."""

    is_pure = True

    make: Template | Extract | Match | Setting
    input: Expression | None = None
    """The value that `Extract` and `Match` search; None for the output of the step before."""

    @property
    def makes_text(self) -> bool:
        return isinstance(self.make, Template)


def _read(fields: FieldReader, _: ReadSteps) -> TransformSpec | None:
    if fields.has("template") and fields.has("prompt"):
        fields.refuse(
            "prompt", "conflict", "`prompt` is another name for `template`. Remove one of the two."
        )
        return None
    ways = [name for name in WAYS if fields.has(name)]
    if not ways:
        fields.require("template", "template: Hello {{input.name}}")
        return None
    for extra in ways[1:]:
        fields.refuse(
            extra,
            "conflict",
            f"A `transform` does one thing, and this one already has `{ways[0]}`. Move `{extra}` to a separate step.",
        )
    makes = [_read_way(fields, name) for name in ways]
    source = fields.expression("input")
    if source is not None and ways[0] not in ("extract", "regex"):
        fields.refuse(
            "input", "conflict", "`input` is only allowed with `extract` or `regex`. Remove it."
        )
    if fields.has("first") and ways[0] != "extract":
        fields.refuse("first", "conflict", "`first` is only allowed with `extract`. Remove it.")
    return None if makes[0] is None else TransformSpec(makes[0], source)


def _read_way(fields: FieldReader, name: str) -> Template | Extract | Match | Setting | None:
    match name:
        case "extract":
            return _read_extract(fields)
        case "regex":
            return _read_regex(fields)
        case "set":
            return _read_set(fields)
        case _:
            return fields.template(name)


def _read_extract(fields: FieldReader) -> Extract | None:
    first = fields.boolean("first")
    text = fields.text("extract", minimum=1, maximum=1_000)
    if text is None:
        return None
    try:
        return Extract(Query.compile(text), bool(first))
    except QuerySyntaxError as error:
        fields.draft.refuse_inside((*fields.path, "extract"), text, error)
        return None


def _read_regex(fields: FieldReader) -> Match | None:
    inner = fields.inner("regex", REGEX_FIELDS)
    if inner is None:
        return None
    inner.require("pattern", "regex: {pattern: 'order (\\d+)', group: 1}")
    text = inner.text("pattern", minimum=1, maximum=MAX_PATTERN_LENGTH)
    everything = inner.boolean("all")
    replacement = inner.text("replace", maximum=10_000)
    group = _read_group(inner)
    chosen = [name for name in ("group", "all", "replace") if inner.has(name)]
    for extra in chosen[1:]:
        inner.refuse(
            extra, "conflict", f"`regex` already has `{chosen[0]}`. Remove one of the two."
        )
    if text is None:
        return None
    try:
        pattern = Pattern.compile(text)
    except PatternSyntaxError as error:
        inner.refuse("pattern", error.code, error.message)
        return None
    if group is not None and not pattern.has_group(group):
        inner.refuse("group", "not_allowed", f"The pattern has no group `{group}`.")
    made = None
    if replacement is not None:
        try:
            made = pattern.replacement(replacement)
        except PatternSyntaxError as error:
            inner.refuse("replace", error.code, error.message)
    return Match(pattern, 0 if group is None else group, bool(everything), made)


def _read_group(fields: FieldReader) -> int | str | None:
    if isinstance(fields.raw("group"), str):
        return fields.text("group", minimum=1, maximum=MAX_GROUP_NAME)
    return fields.integer("group", 0, MAX_GROUP)


def _read_set(fields: FieldReader) -> Setting | None:
    path = (*fields.path, "set")
    if not fields.spend_expressions("set"):
        return None
    try:
        setting = Setting.compile(fields.raw("set"))
    except SettingInvalid as invalid:
        for problem in invalid.problems:
            at = (*path, *problem.path)
            fields.draft.refuse_inside(at, problem.source, problem.error)
        return None
    for inner, expression in setting.expressions.items():
        fields.draft.add_expression((*path, *inner), expression)
    return setting


def _output(step: Step) -> Schema:
    match step.spec:
        case TransformSpec(make=Template()):
            return TEXT if step.gives_text else ANY
        case TransformSpec(make=Extract(first=False) | Match(all=True)):
            return LIST
        case TransformSpec(make=Match(replace=Replacement())):
            return TEXT
        case TransformSpec(make=Match()):
            return _FOUND
        case TransformSpec(make=Setting(document=document)):
            if not is_object(document):
                return LIST
            return shape({"type": "object", "required": list(document)})
        case _:
            return ANY


STEP_TYPE = StepType(
    fields=frozenset({*WAYS, "input", "first"}),
    read=_read,
    output=_output,
)
