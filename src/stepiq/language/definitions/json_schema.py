"""The complete schema, and its text."""

import json
from functools import cache

from stepiq.language.definitions import delivery_fields, input_fields
from stepiq.language.definitions import json_schema_steps as steps
from stepiq.language.definitions.document_fields import DocumentFields
from stepiq.language.fields.description import node_of
from stepiq.language.fields.schema import Node

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
        "$defs": steps.definitions() | input_fields.definitions() | delivery_fields.definitions(),
    }


@cache
def document_text() -> str:
    """The schema as indented JSON."""
    return json.dumps(document(), ensure_ascii=False, indent=2) + "\n"
