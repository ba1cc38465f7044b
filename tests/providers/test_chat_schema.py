from typing import Any

import pytest

from stepiq.providers.openai.chat import is_strict

TEXT = {"type": "string"}


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


class TestIsStrict:
    @pytest.mark.parametrize(
        "schema",
        [
            closed(),
            closed(name=TEXT, age={"type": ["integer", "null"]}),
            closed(
                kind={"type": "string", "enum": ["a", "b"]}, tags={"type": "array", "items": TEXT}
            ),
            closed(inner={**closed(x=TEXT), "type": ["object", "null"]}),
            closed(inner=closed(x={"anyOf": [TEXT, {"type": "null"}]})),
            {**closed(next={"$ref": "#/$defs/node"}), "$defs": {"node": closed(x=TEXT)}},
            closed(inner={"anyOf": [{"$ref": "#"}, {"type": "null"}]}),
        ],
    )
    def test_what_openai_guarantees(self, schema: dict[str, Any]):
        assert is_strict(schema)

    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "array", "items": TEXT},
            {"type": "object"},
            {**closed(a=TEXT), "required": []},
            {**closed(a=TEXT), "additionalProperties": True},
            {**closed(a=TEXT), "required": "a"},
            {**closed(a=TEXT), "properties": ["a"]},
            closed(a={"type": "string", "default": "x"}),
            closed(a={"type": "string", "minLength": 1}),
            closed(a={"type": "object", "additionalProperties": TEXT}),
            closed(a={"anyOf": "nothing"}),
            closed(a={"type": "array", "items": True}),
            closed(a={"type": "array", "items": {"type": "object"}}),
            {**closed(a=TEXT), "$defs": {"open": {"type": "object", "properties": {}}}},
            {**closed(a=TEXT), "$defs": []},
            {
                **closed(a={"$ref": "#/$defs/b", "description": "A text."}),
                "$defs": {"b": TEXT},
            },
            closed(a=closed(x=TEXT), b={"$ref": "#/properties/a"}),
            closed(a={"const": "x"}),
            closed(a={"enum": ["x", "y"]}),
            closed(a={}),
            closed(a={"description": "Any value."}),
            closed(a={"type": "array"}),
            closed(a={"type": ["array", "null"]}),
            closed(a={"type": ["object", "null"]}),
            {**closed(a=TEXT), "anyOf": [closed(a=TEXT)]},
        ],
    )
    def test_what_it_does_not(self, schema: dict[str, Any]):
        assert not is_strict(schema)
