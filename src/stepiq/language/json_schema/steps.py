"""The schema of `steps`, by step type."""

import json
from collections.abc import Mapping
from functools import cache

from stepiq.language.json_schema import snippets
from stepiq.language.json_schema.common import step_fields
from stepiq.language.json_schema.nodes import (
    Node,
    TypeSchema,
    array,
    by_type,
    choice,
    mapping,
    or_null,
    reference,
    words,
)
from stepiq.language.step_fields import MAX_STEPS
from stepiq.language.step_types import (
    DEFAULT,
    StepType,
    imported,
    packages,
    report_failure,
    step_types,
)


def definitions(types: Mapping[str, StepType]) -> dict[str, Node]:
    """The definitions that steps of these types refer to."""
    own = {name: type_schema(name) for name in types}
    nested = {name: part for name, part in own.items() if types[name].can_be_nested}
    return {
        "step": _step(own),
        "inner_step": _step(nested),
        **{_name(name): _of_type(name, types[name], part) for name, part in own.items()},
        **{name: node for part in own.values() for name, node in part.definitions.items()},
    }


def type_schema(step_type: str) -> TypeSchema:
    """The fields of a type for editors. Without a usable module `schema` in its package, only their names are known."""
    made = _made(step_type)
    if isinstance(made, TypeSchema):
        return made
    package = packages()[step_type].distribution
    names = sorted(step_types()[step_type].fields)
    return TypeSchema(f"A step of the package {package}.", {name: {} for name in names})


def unusable_schemas() -> Mapping[str, str]:
    """Why schemas cannot be used, by step type."""
    made = {name: _made(name) for name in imported("schema", "schema").found}
    broken = {name: reason for name, reason in made.items() if isinstance(reason, str)}
    return {**imported("schema", "schema").failed, **broken}


@cache
def _made(step_type: str) -> TypeSchema | str | None:
    """What a package's `schema` returns; why it cannot be used; None if it cannot be imported."""
    function = imported("schema", "schema").found.get(step_type)
    if function is None:
        return None
    try:
        made = function()
        _check(made)
    except Exception as error:
        report_failure(step_type, "schema")
        return f"`schema` failed with {type(error).__name__}: {error}"
    return made


def _check(made: object) -> None:
    """Raise an error if the document could not be made with this schema."""
    if not isinstance(made, TypeSchema):
        raise TypeError(f"It returned {type(made).__name__}, not a TypeSchema.")
    parts = (made.fields, made.rest, made.definitions, made.snippet or {})
    nodes = (*made.fields.values(), *made.definitions.values())
    if not all(isinstance(each, dict) for each in (*parts, *nodes)):
        raise TypeError("A part of the TypeSchema is not a dict.")
    json.dumps([made.description, list(made.required), *parts])


def steps() -> Node:
    """`steps` of a document."""
    description = "The steps of the pipeline. They run in this order, except for jumps."
    return array("Steps", description, reference("step"), 1, MAX_STEPS)


def _name(step_type: str) -> str:
    return f"{step_type}_step"


def _step(own: Mapping[str, TypeSchema]) -> Node:
    meanings = {name: part.description for name, part in own.items()}
    kind = choice("Type", "The type of the step.", meanings, list(own), default=DEFAULT)
    ways = {name: reference(_name(name)) for name in own}
    return {
        **words("Step", "One step of the pipeline."),
        "type": "object",
        "properties": {"id": reference("step_id"), "type": or_null(kind)},
        "required": ["id"],
        **by_type(ways, default=DEFAULT),
        "defaultSnippets": snippets.steps(own),
    }


def _of_type(name: str, step_type: StepType, own: TypeSchema) -> Node:
    fields = step_fields(step_type) | {
        each: node if each in own.required else or_null(node) for each, node in own.fields.items()
    }
    return mapping(name, own.description, fields, own.required) | dict(own.rest)
