import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from stepiq.language.definitions.input_fields import SNIPPET
from stepiq.language.definitions.json_schema import PIPELINE, document, document_text
from stepiq.language.definitions.step_types import step_types
from tests.language.json_schema.conftest import SCHEMA, judge

KNOWN_TO_EDITORS = {
    "$schema", "$defs", "$ref", "title", "description", "markdownDescription", "default", "examples", "type", "enum",
    "enumDescriptions", "markdownEnumDescriptions", "properties", "patternProperties", "additionalProperties", "required",
    "maxProperties", "items", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern", "minimum",
    "maximum", "exclusiveMinimum", "allOf", "anyOf", "not", "if", "then", "else", "defaultSnippets", "doNotSuggest",
    "errorMessage", "patternErrorMessage",
}  # fmt: skip
NAMED = ("properties", "patternProperties", "$defs")
LISTS = ("allOf", "anyOf")
SINGLE = ("items", "additionalProperties", "not", "if", "then", "else")


def nodes(node: Any, path: str = "") -> Iterator[tuple[str, dict]]:
    """Every schema in a schema, with its place."""
    if not isinstance(node, dict):
        return
    yield path, node
    for keyword in NAMED:
        for name, inner in node.get(keyword, {}).items():
            yield from nodes(inner, f"{path}/{keyword}/{name}")
    for keyword in LISTS:
        for index, inner in enumerate(node.get(keyword, ())):
            yield from nodes(inner, f"{path}/{keyword}/{index}")
    for keyword in SINGLE:
        yield from nodes(node.get(keyword), f"{path}/{keyword}")


NODES = dict(nodes(SCHEMA))


class TestDocument:
    def test_it_is_a_schema(self):
        jsonschema_rs.meta.validate(SCHEMA)

        assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"

    def test_it_is_the_same_each_time(self):
        assert document() == SCHEMA
        assert document() is not SCHEMA

    def test_its_keywords_are_those_that_editors_know(self):
        assert {keyword for node in NODES.values() for keyword in node} <= KNOWN_TO_EDITORS

    def test_its_references_lead_somewhere(self):
        found = {node["$ref"] for node in NODES.values() if "$ref" in node}

        assert found == {f"#/$defs/{name}" for name in SCHEMA["$defs"]}

    def test_only_words_stand_beside_a_reference(self):
        # Some editors do not look at anything there.
        beside = {keyword for node in NODES.values() if "$ref" in node for keyword in node}

        assert beside <= {"$ref", "title", "description", "markdownDescription"}

    def test_every_field_has_a_title_and_says_what_it_is(self):
        fields = {
            path: node
            for path, node in NODES.items()
            if re.search(r"/properties/[^/]+$", path) and "/if/" not in path
        }
        silent = [
            path
            for path, node in fields.items()
            # `type` is described by what is around it, and the rest are told elsewhere or not at all.
            if not ("$ref" in node or node == {} or node.get("doNotSuggest"))
            and not ("title" in node and "description" in node)
            and "/then/" not in path
        ]

        assert len(fields) > 100
        assert silent == []

    def test_marks_are_only_in_what_is_read_as_markdown(self):
        plain = [node["description"] for node in NODES.values() if "description" in node]
        plain += [each for node in NODES.values() for each in node.get("enumDescriptions", ())]

        assert not any("`" in text for text in plain)

    def test_every_default_fits(self):
        wrong = [
            path
            for path, node in NODES.items()
            if "default" in node and "properties/default" not in path
            and not jsonschema_rs.is_valid({**node, "$defs": SCHEMA["$defs"]}, node["default"])
        ]  # fmt: skip

        assert wrong == []

    def test_nothing_of_it_waits_for_a_later_version(self):
        text = document_text()

        assert not any(f'"{name}"' in text for name in ("agent", "agent_defaults", "budget"))
        assert '"pipeline"' in text  # the snippet; as a step type it is reserved
        assert "pipeline" not in SCHEMA["$defs"]["step"]["properties"]["type"]["enum"]


class TestDocumentText:
    def test_it_is_the_document_as_json(self):
        assert json.loads(document_text()) == SCHEMA
        assert document_text().endswith("}\n")


def resolved(body: Any) -> Any:
    """What a snippet writes down when nothing is filled in."""
    match body:
        case str():
            text = re.sub(r"\$\{\d+:([^}]*)\}", r"\1", body)
            return json.loads(text[1:]) if text.startswith("^") else text
        case dict():
            return {resolved(name): resolved(value) for name, value in body.items()}
        case list():
            return [resolved(value) for value in body]
        case _:
            return body


STEPS = [each["body"] for each in SCHEMA["$defs"]["step"]["defaultSnippets"]]


class TestSnippets:
    def test_there_is_one_for_each_step_type(self):
        assert len(SCHEMA["$defs"]["step"]["defaultSnippets"]) == len(step_types())

    @pytest.mark.parametrize("step_type", step_types())
    def test_a_step_is_accepted_as_it_is_written_down(self, step_type):
        body = resolved(step_types()[step_type].snippet)

        assert judge({"name": "x", "steps": [body]}).is_accepted
        assert body.get("type", "llm") == step_type

    @pytest.mark.parametrize("snippet", SCHEMA["defaultSnippets"], ids=lambda each: each["label"])
    def test_so_is_a_whole_document(self, snippet):
        assert judge(resolved(snippet["body"])).is_accepted

    def test_so_is_a_field_of_the_input(self):
        schema = resolved(SNIPPET["body"])

        assert judge(
            {"name": "x", "steps": [{"id": "a", "prompt": "x"}], "input": {"schema": schema}}
        ).is_accepted

    def test_each_place_to_fill_in_has_a_number_of_its_own(self):
        for body in [*STEPS, PIPELINE["body"]]:
            numbers = re.findall(r"\$\{(\d+):", json.dumps(body))

            assert numbers == sorted(set(numbers))
