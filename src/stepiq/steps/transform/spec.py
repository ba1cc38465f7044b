"""`transform`: derives data from data, without a model."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from stepiq.language.data import is_object
from stepiq.language.definitions.step import Step, StepSpec
from stepiq.language.definitions.step_types import StepType
from stepiq.language.expressions import Expression, source
from stepiq.language.fields import description as fields
from stepiq.language.fields.description import (
    Field,
    FieldObject,
    boolean,
    computed,
    described,
    input_value,
    integer,
    template,
    text,
)
from stepiq.language.fields.reader import FieldReader
from stepiq.language.fields.schema import Node, reference, words
from stepiq.language.patterns import (
    MAX_PATTERN_LENGTH,
    MAX_REPLACEMENT_LENGTH,
    Pattern,
    PatternSyntaxError,
    Replacement,
)
from stepiq.language.schemas.validation import ANY, LIST, OPTIONAL_STRING_FIELD, TEXT, Schema, shape
from stepiq.language.templates import Template
from stepiq.steps.transform import jsonpath
from stepiq.steps.transform.jsonpath import Query, QuerySyntaxError
from stepiq.steps.transform.set_values import Setting, SettingInvalid

_FOUND = shape(OPTIONAL_STRING_FIELD)


@dataclass(frozen=True, slots=True)
class Extract:
    """The values that a JSONPath selects."""

    query: Query
    first: bool
    """Whether the result is the first value, or null if there is none, instead of a list."""


def _pattern(reader: FieldReader, name: str, written: str) -> Pattern | None:
    try:
        return Pattern.compile(written)
    except PatternSyntaxError as error:
        reader.refuse(name, error.code, error.message)
        return None


_NUMBER = integer("Group", "Number of a group.", 0, 100)
_NAME = text("Group", "Name of a group.", maximum=100)


def _read_group(reader: FieldReader, name: str) -> int | str | None:
    return (_NAME if isinstance(reader.raw(name), str) else _NUMBER).read(reader, name)


@dataclass(frozen=True, slots=True)
class Match(FieldObject):
    """The matches of a pattern in a text."""

    words = ("Regex", "Matches of a pattern in text.")

    pattern: Pattern = (
        text(
            "Pattern",
            "Regular expression, without look-around and back-references.",
            maximum=MAX_PATTERN_LENGTH,
        )
        .then(_pattern)
        .required("regex: {pattern: 'order (\\d+)', group: 1}")
    )
    group: int | str = described(
        "Group",
        "Number or name of a group in the first match. Default: 0, the whole match.",
        {
            "type": ["integer", "string"],
            "minimum": 0,
            "maximum": 100,
            "minLength": 1,
            "maxLength": 100,
        },
        _read_group,
    ).default(0, shown=None)
    """Group of the first match. Not used with `all` or `replace`."""
    all: bool = boolean("All", "If true, all matches.").default(False)
    written: str | None = text(
        "Replace",
        r"Text that replaces each match. `\1` is the first group.",
        minimum=0,
        maximum=MAX_REPLACEMENT_LENGTH,
    ).optional(name="replace")
    replace: Replacement | None = None
    """`written`, compiled."""

    @classmethod
    def check(cls, fields: FieldReader) -> None:
        chosen = [name for name in ("group", "all", "replace") if fields.has(name)]
        for extra in chosen[1:]:
            message = f"`regex` already has `{chosen[0]}`. Remove one of the two."
            fields.refuse(extra, "conflict", message)


def _read_regex(reader: FieldReader, name: str) -> Match | None:
    inner = reader.inner(name, fields.nodes_of(Match))
    match = None if inner is None else fields.read(Match, inner)
    if inner is None or match is None:
        return None
    if not match.pattern.has_group(match.group):
        inner.refuse("group", "not_allowed", f"The pattern has no group `{match.group}`.")
    if match.written is None:
        return match
    try:
        return replace(match, replace=match.pattern.replacement(match.written))
    except PatternSyntaxError as error:
        inner.refuse("replace", error.code, error.message)
        return match


def _extract(reader: FieldReader, name: str, path: str) -> Extract | None:
    try:
        query = Query.compile(path)
    except QuerySyntaxError as error:
        reader.draft.refuse_inside((*reader.path, name), path, error)
        return None
    return Extract(query, reader.raw("first") is True)


def _read_set(reader: FieldReader, name: str) -> Setting | None:
    path = (*reader.path, name)
    if not reader.spend_expressions(name):
        return None
    setting: Setting | None = None
    try:
        setting = Setting.compile(reader.raw(name))
        expressions = setting.expressions
    except SettingInvalid as invalid:
        for problem in invalid.problems:
            at = (*path, *problem.path)
            reader.draft.refuse_inside(at, problem.source, problem.error)
        expressions = invalid.expressions
    for inner, expression in expressions.items():
        reader.draft.add_expression((*path, *inner), expression)
    return setting


_INNER = reference("set_value")
_WAYS: Mapping[str, Field[Template] | Field[Extract] | Field[Match] | Field[Setting]] = {
    "template": template("Template", "The text of the output."),
    "prompt": template("Template", "Another name for `template`."),
    "extract": text(
        "Extract",
        "JSONPath (RFC 9535), such as `$.items[0].name`. Gives a list of all matches.",
        maximum=jsonpath.MAX_LENGTH,
    ).then(_extract),
    "regex": Field(fields.node_of(Match), _read_regex),
    "set": described(
        "Set",
        "An object or a list. Its strings are expressions.",
        {"type": ["object", "array"], "additionalProperties": _INNER, "items": _INNER},
        _read_set,
    ),
}


def _read_ways(reader: FieldReader) -> Template | Extract | Match | Setting | None:
    if reader.has("template") and reader.has("prompt"):
        message = "`prompt` is another name for `template`. Remove one of the two."
        reader.refuse("prompt", "conflict", message)
        return None
    ways = [name for name in _WAYS if reader.has(name)]
    if not ways:
        reader.require("template", "template: Hello {{input.name}}")
        return None
    for extra in ways[1:]:
        message = f"A `transform` does one thing, and this one already has `{ways[0]}`. Move `{extra}` to a separate step."
        reader.refuse(extra, "conflict", message)
    made = [_WAYS[name].read(reader, name) for name in ways]
    return made[0]


_FIRST = boolean(
    "First", "With `extract`: if true, the first match, or null if there is none."
).shown({"default": False})


def _read_first(reader: FieldReader) -> bool:
    if not reader.has("first"):
        return False
    if _way(reader) in ("extract", ""):
        return _FIRST.read(reader, "first") is True
    message = "`first` is only allowed with `extract`. Remove it."
    reader.refuse("first", "conflict", message)
    return False


def _way(reader: FieldReader) -> str:
    """The field that decides what the step does; empty without one."""
    return next((name for name in _WAYS if reader.has(name)), "")


@dataclass(frozen=True, slots=True)
class TransformSpec(StepSpec):
    """Transforms data inside the process."""

    is_pure = True

    make: Template | Extract | Match | Setting = computed(
        _read_ways, {name: way.node for name, way in _WAYS.items()}
    )
    first: bool = computed(_read_first, {"first": _FIRST.node})
    """Part of `make`."""
    input: Expression | None = input_value(
        "With `extract` and `regex`: the value to search. Default: the output of the step before."
    ).optional()
    """The value that `Extract` and `Match` search; None for the output of the step before."""

    @classmethod
    def check(cls, fields: FieldReader) -> None:
        if fields.has("input") and _way(fields) not in ("extract", "regex", ""):
            message = "`input` is only allowed with `extract` or `regex`. Remove it."
            fields.refuse("input", "conflict", message)

    @property
    def makes_text(self) -> bool:
        return isinstance(self.make, Template)


_VALUE: Node = {
    **words("Value", "A text is an expression. Other values are used as they are."),
    "minLength": 1,
    "maxLength": source.MAX_LENGTH,
    "additionalProperties": _INNER,
    "items": _INNER,
}
"""A value inside `set`: its texts are expressions."""


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
    TransformSpec,
    "Makes new data with a template, a JSONPath, a pattern or expressions, without a model.",
    snippet={"id": "${1:text}", "type": "transform", "template": "${2:Hello}"},
    schema={"anyOf": [{"required": [way]} for way in _WAYS]},
    definitions={"set_value": _VALUE},
    output=_output,
)
