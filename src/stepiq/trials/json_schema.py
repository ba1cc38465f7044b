"""The JSON Schema of test files, for editors and other tools."""

import json
from functools import cache
from typing import Any, cast

from stepiq.core.enum_docs import described
from stepiq.execution.outcomes import FailureCode
from stepiq.language.definitions.json_schema import DRAFT
from stepiq.trials.shapes import FileShape

Node = dict[str, Any]


def document() -> Node:
    """The JSON Schema of a test file. It does not know the steps of the pipeline."""
    made = _without_nulls(FileShape.model_json_schema())
    definitions: dict[str, Node] = made.pop("$defs")
    for each in definitions.values():
        each.pop("title", None)
    codes = definitions["FailureCode"]
    meanings = described(FailureCode)
    codes["enumDescriptions"] = [meanings[FailureCode(code)] for code in codes["enum"]]
    # Only codes of failures can be expected, which the reader checks with its own message.
    expected: Node = definitions["Expected"]["properties"]
    expected["error"] = {
        "description": expected["error"]["description"],
        "$ref": "#/$defs/FailureCode",
    }
    definitions["GivenEnd"]["minProperties"] = 1
    return {
        "$schema": DRAFT,
        **made,
        "title": "stepIQ tests",
        "description": "Tests of a pipeline, which `stepiq test` runs.",
        "$defs": definitions,
    }


@cache
def document_text() -> str:
    """The schema as indented JSON."""
    return json.dumps(document(), ensure_ascii=False, indent=2) + "\n"


def _without_nulls(node: Any) -> Any:
    """A schema in which a field can be left out, but not be null, unless every value is allowed."""
    if isinstance(node, list):
        return [_without_nulls(each) for each in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    made = {
        key: _without_nulls(value) for key, value in cast(Node, node).items() if key != "default"
    }
    kinds: list[Node] = made.get("anyOf", [])
    if len(kinds) == 2 and kinds[1] == {"type": "null"}:
        del made["anyOf"]
        made |= kinds[0]
    return made
