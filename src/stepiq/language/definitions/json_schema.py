"""The complete schema, and its text."""

import json
from collections import Counter
from collections.abc import Mapping
from functools import cache

from stepiq.language.definitions import delivery_fields, input_fields, step_fields
from stepiq.language.definitions.document_fields import DocumentFields
from stepiq.language.definitions.step import Step
from stepiq.language.definitions.step_types import DEFAULT, StepType, step_types
from stepiq.language.fields.description import choice, needed_by, node_of, nodes_of
from stepiq.language.fields.schema import Node, by_type, mapping, nothing, or_null, reference, words

# The other common fields have the names of their definitions.
_NAMES = {"id": "step_id", "name": "step_name", "if": "step_if"}


def definitions() -> dict[str, Node]:
    """The definitions that steps refer to."""
    types = step_types()
    nested = {name: each for name, each in types.items() if each.can_be_nested}
    required = needed_by(Step)
    common = {**nodes_of(Step), "retry": _retry(types)}
    return {
        "step": _step(types),
        "inner_step": _step(nested),
        **{_name(name): _of_type(name, each) for name, each in types.items()},
        **{name: dict(node) for each in types.values() for name, node in each.definitions.items()},
        **{
            _NAMES.get(name, name): node if name in required else or_null(node)
            for name, node in common.items()
        },
    }


def _name(step_type: str) -> str:
    return f"{step_type}_step"


def _step(types: Mapping[str, StepType]) -> Node:
    meanings = {name: each.description for name, each in types.items()}
    kind = choice("Type", "The type of the step.", meanings).node | {"default": DEFAULT}
    ways = {name: reference(_name(name)) for name in types}
    return {
        **words("Step", "One step of the pipeline."),
        "type": "object",
        "properties": {"id": reference("step_id"), "type": or_null(kind)},
        "required": ["id"],
        **by_type(ways, default=DEFAULT),
        "defaultSnippets": [
            {"label": f"{name} step", "description": each.description, "body": dict(each.snippet)}
            for name, each in types.items()
            if each.snippet is not None
        ],
    }


def _of_type(name: str, step_type: StepType) -> Node:
    common: dict[str, Node] = {each: reference(_NAMES.get(each, each)) for each in nodes_of(Step)}
    # The schema of the step lists the types.
    common["type"] = {}
    common["timeout_seconds"] = _timeout(step_type)
    own = common | dict(nodes_of(step_type.spec))
    made = mapping(name, step_type.description, own, needed_by(step_type.spec))
    return made | dict(step_type.schema)


def _timeout(step_type: StepType) -> Node:
    if step_type.timeout is None:
        return nothing(
            "This type does not have a time limit. Its inner steps and the pipeline have one."
        )
    default = int(step_type.timeout.total_seconds())
    return {**step_fields.timeout(step_type).node, "default": default}


def _retry(types: Mapping[str, StepType]) -> Node:
    """`retry`, with the default of each type."""
    node = nodes_of(Step)["retry"]
    attempts = {name: each.max_attempts for name, each in types.items()}
    usual = Counter(attempts.values()).most_common(1)[0][0]
    others = [f"{each} for `{name}`" for name, each in attempts.items() if each != usual]
    default = ", ".join([*others, f"else {usual}" if others else f"{usual}"])
    count = node["properties"]["max_attempts"] | words("Attempts", f"Default {default}.")
    return {**node, "properties": {**node["properties"], "max_attempts": count}}


# `${1:word}` is a placeholder. Editors insert texts without quotes, so none of them may need quotes in YAML; `^` marks
# a value that is not a text.
PIPELINE: Node = {
    "label": "pipeline",
    "description": "A pipeline with one step.",
    "body": {
        "name": "${1:First pipeline}",
        "steps": [{"id": "${2:draft}", "prompt": "${3:Write two sentences about moss.}"}],
    },
}
"""A whole document that editors insert."""
DRAFT = "https://json-schema.org/draft/2020-12/schema"


def document() -> Node:
    """The JSON Schema of a document, with the installed step types. The result is always the same."""
    return {
        "$schema": DRAFT,
        **node_of(DocumentFields),
        "defaultSnippets": [PIPELINE],
        "$defs": definitions() | input_fields.definitions() | delivery_fields.definitions(),
    }


@cache
def document_text() -> str:
    """The schema as indented JSON."""
    return json.dumps(document(), ensure_ascii=False, indent=2) + "\n"
