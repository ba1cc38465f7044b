"""The complete schema, and its text."""

import json
from functools import cache

from stepiq.language.json_schema import common, inputs, schema_context, snippets, steps
from stepiq.language.json_schema.nodes import Node, by_name, integer, mapping, text
from stepiq.language.loading import (
    FIELDS,
    MAX_DESCRIPTION,
    MAX_NAME,
    MAX_SECONDS,
    VARIABLE_NAME,
)
from stepiq.language.step_types import step_types

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def document() -> Node:
    """The JSON Schema of a document, with the installed step types. The result is always the same."""
    types = step_types()
    made = mapping(
        "stepIQ pipeline", "A pipeline: a name, and steps that pass data to each other.",
        _fields(), ["name", "steps"],
    )  # fmt: skip
    return {
        "$schema": DRAFT,
        **made,
        "defaultSnippets": snippets.PIPELINE,
        "$defs": steps.definitions(types)
        | common.definitions(types)
        | inputs.definitions()
        | schema_context.definitions(),
    }


@cache
def document_text() -> str:
    """The schema as indented JSON."""
    return json.dumps(document(), ensure_ascii=False, indent=2) + "\n"


def _fields() -> dict[str, Node]:
    scalar: Node = {"type": ["string", "number", "boolean", "null"]}
    found: dict[str, Node] = {
        "name": text("Name", "The name of the pipeline.", maximum=MAX_NAME),
        "description": text(
            "Description", "What the pipeline is for.", minimum=0, maximum=MAX_DESCRIPTION
        ),
        "version": integer(
            "Version", "Version of the language. 1 is the only one.", 1, 1, default=1
        ),
        "variables": by_name(
            "Variables",
            "Texts, numbers and booleans by name. Read them as `vars.NAME`.",
            VARIABLE_NAME,
            scalar,
        ),
        "input": inputs.input_node(),
        "steps": steps.steps(),
        "timeout_seconds": integer(
            "Time limit",
            "Maximum time of the whole run in seconds, including waits. At most 30 days. Default: 86,400 (one day), or "
            "30 days if the pipeline has a `human_review` or a `wait`.",
            1,
            MAX_SECONDS,
        ),
        "output": schema_context.output(),
        "notifications": schema_context.notifications(),
        "schedule": schema_context.schedule(),
        "webhook": schema_context.webhook(),
    }
    return {name: found[name] for name in FIELDS}
