"""The snippets that an editor offers: a step of each type that has one, an input field, and a first pipeline."""

from collections.abc import Mapping
from typing import Final

from stepiq.language.json_schema.nodes import Node, TypeSchema

# `${1:word}` is a placeholder. Editors insert texts without quotes, so none of them may need quotes in YAML; `^` marks
# a value that is not a text.
FIELDS: Final[list[Node]] = [
    {
        "label": "field",
        "description": "A field of the input.",
        "body": {"${1:topic}": {"type": "${2:string}", "required": True}},
    }
]
"""A field of `input.schema`."""

PIPELINE: Final[list[Node]] = [
    {
        "label": "pipeline",
        "description": "A pipeline with one step.",
        "body": {
            "name": "${1:First pipeline}",
            "steps": [{"id": "${2:draft}", "prompt": "${3:Write two sentences about moss.}"}],
        },
    }
]
"""A whole document."""


def steps(types: Mapping[str, TypeSchema]) -> list[Node]:
    """The snippets of these step types, with a description of each."""
    return [
        {"label": f"{name} step", "description": each.description, "body": dict(each.snippet)}
        for name, each in types.items()
        if each.snippet is not None
    ]
