"""The snippets that an editor offers: a step of each type, an input field, and a first pipeline."""

from collections.abc import Mapping
from typing import Final

from stepiq.core.json import Json
from stepiq.language.json_schema.nodes import Node
from stepiq.language.specs import StepType

# `${1:word}` is a placeholder. Editors insert texts without quotes, so none of them may need quotes in YAML; `^` marks
# a value that is not a text.
STEPS: Final[dict[StepType, dict[str, Json]]] = {
    StepType.LLM: {
        "id": "${1:draft}",
        "prompt": "${2:Write two sentences about moss.}",
    },
    StepType.TRANSFORM: {
        "id": "${1:text}",
        "type": "transform",
        "template": "${2:Hello}",
    },
    StepType.CONDITION: {
        "id": "${1:route}",
        "type": "condition",
        "cases": [{"if": "${2:1 < 2}", "goto": "${3:end}"}],
        "else": "${4:next}",
    },
    StepType.PARALLEL: {
        "id": "${1:both}",
        "type": "parallel",
        "steps": [
            {"id": "${2:left}", "prompt": "${3:What are the arguments for it?}"},
            {"id": "${4:right}", "prompt": "${5:What are the arguments against it?}"},
        ],
    },
    StepType.WEBHOOK: {
        "id": "${1:call}",
        "type": "webhook",
        "url": "${2:https://api.example.com/}",
    },
    StepType.HUMAN_REVIEW: {
        "id": "${1:approve}",
        "type": "human_review",
        "message": "${2:Please check this before it is sent.}",
    },
    StepType.WAIT: {
        "id": "${1:pause}",
        "type": "wait",
        "seconds": "^${2:60}",
    },
    StepType.CODE: {
        "id": "${1:compute}",
        "type": "code",
        "language": "javascript",
        "source": "function main(input) { return input }",
    },
}
"""A step of each type."""

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


def steps(descriptions: Mapping[StepType, str]) -> list[Node]:
    """The snippets of these step types, with a description of each."""
    return [
        {"label": f"{name} step", "description": description, "body": STEPS[name]}
        for name, description in descriptions.items()
    ]
