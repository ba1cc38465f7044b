from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepiq.cli.fake_provider.values import instance_of
from stepiq.providers.pydantic_ai.anthropic import guaranteed

TEXT = {"type": "string"}


def holding(field: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An object with one field."""
    return {"type": "object", "properties": {"field": field}, **more}


class TestGuaranteed:
    def test_objects_are_closed(self):
        schema = holding(holding(TEXT))

        inner = {**holding(TEXT), "additionalProperties": False}
        assert guaranteed(schema) == {**holding(inner), "additionalProperties": False}

    def test_what_was_given_stays_as_it_was(self):
        schema = holding({"type": ["string", "null"], "maxLength": 3}, **{"$defs": {"a": TEXT}})
        before = repr(schema)

        guaranteed(schema)

        assert repr(schema) == before

    def test_bounds_that_it_does_not_know_are_told_in_words(self):
        shape = guaranteed(holding({"type": "string", "maxLength": 3, "description": "A code."}))

        assert shape is not None
        assert shape["properties"]["field"] == {
            "type": "string",
            "description": "A code.\n\n{maxLength: 3}",
        }

    def test_one_of_several_types_is_a_choice(self):
        field = {"type": ["array", "null"], "items": TEXT, "description": "Tags."}

        shape = guaranteed(holding(field))

        assert shape is not None
        assert shape["properties"]["field"] == {
            "description": "Tags.",
            "anyOf": [{"type": "array", "items": TEXT}, {"type": "null"}],
        }

    def test_references_inside_stay(self):
        schema = holding({"$ref": "#/$defs/code"}, **{"$defs": {"code": TEXT}})

        shape = guaranteed(schema)

        assert shape is not None
        assert shape["$defs"] == {"code": TEXT}
        assert shape["properties"]["field"] == {"$ref": "#/$defs/code"}

    @pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
    def test_a_choice_stays_one(self, keyword: str):
        field = {"type": "object", keyword: [holding(TEXT), {"type": "null"}]}

        shape = guaranteed(holding(field))

        assert shape is not None
        closed = {**holding(TEXT), "additionalProperties": False}
        assert shape["properties"]["field"] == {"anyOf": [closed, {"type": "null"}]}

    @pytest.mark.parametrize(
        "schema",
        [
            TEXT,
            {"type": "array", "items": TEXT},
            {"type": "object"},
            {"type": ["object", "null"], "properties": {}},
            {"anyOf": [holding(TEXT), holding({"type": "integer"})]},
            holding(TEXT, additionalProperties=True),
            holding(TEXT, additionalProperties=TEXT),
            holding(TEXT, patternProperties={"^x": TEXT}),
            holding(TEXT, allOf=[holding(TEXT)]),
            holding(TEXT, anyOf=[{"required": ["field"]}]),
            holding(TEXT, required=["another"]),
            holding({"$ref": "#/properties/field"}),
            holding({"$ref": "#/definitions/code"}, definitions={"code": TEXT}),
            holding({"type": "object"}),
            holding({"type": "array"}),
            holding({"type": "array", "prefixItems": [TEXT]}),
            holding({"enum": [{"a": 1}]}),
            holding({}),
            {"type": "object", "properties": {"field": True}},
        ],
    )
    def test_what_would_mean_something_else_is_left_to_words(self, schema: dict[str, Any]):
        assert guaranteed(schema) is None


_leaves = st.one_of(
    st.builds(
        lambda kind, bound: {"type": kind, **bound},
        st.sampled_from(["string", "integer", "number", "boolean", "null", ["integer", "null"]]),
        st.sampled_from([{}, {"minimum": 3}, {"maxLength": 2}, {"description": "x"}]),
    ),
    st.lists(st.sampled_from(["a", 1, None, True]), min_size=1, unique_by=repr).map(
        lambda values: {"enum": values}
    ),
    st.sampled_from([{"const": "a"}, {"const": None}, {}, True, {"$ref": "#/$defs/a"}]),
)


def _objects(fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"type": st.sampled_from(["object", ["object", "null"]])},
        optional={
            "properties": st.dictionaries(st.sampled_from("abc"), fields, max_size=3),
            "required": st.lists(st.sampled_from("abc"), unique=True),
            "additionalProperties": st.one_of(st.booleans(), fields),
            "anyOf": st.lists(fields, min_size=1, max_size=2),
            "$defs": st.fixed_dictionaries({"a": fields}),
        },
    )


_schemas = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        _objects(inner),
        inner.map(lambda items: {"type": "array", "items": items}),
        st.lists(inner, min_size=1, max_size=2).map(lambda several: {"anyOf": several}),
    ),
    max_leaves=6,
)


class TestAnySchema:
    # The first example imports Anthropic's library.
    @settings(deadline=None)
    @given(_objects(_schemas))
    def test_an_answer_that_fits_it_fits_what_is_guaranteed(self, schema: dict[str, Any]):
        shape = guaranteed(schema)
        if shape is None:
            return

        jsonschema_rs.meta.validate(shape)
        assert _open_objects(shape) == []
        # References may lead nowhere here.
        if "$ref" not in repr(schema):
            instance = instance_of(schema)
            assert jsonschema_rs.is_valid(shape, instance) >= jsonschema_rs.is_valid(
                schema, instance
            )


def _open_objects(shape: Any) -> list[Any]:
    if isinstance(shape, list):
        return [found for each in shape for found in _open_objects(each)]
    if not isinstance(shape, dict):
        return []
    is_open = shape.get("type") == "object" and shape.get("additionalProperties") is not False
    inner = [found for each in shape.values() for found in _open_objects(each)]
    return [shape, *inner] if is_open else inner
