"""The measured cost of a schema limits the work of the library, whichever keywords are nested."""

from collections.abc import Callable, Sequence
from itertools import product

import jsonschema_rs
import pytest

from stepiq.core.json import Json
from stepiq.language.schemas.cost import SchemaProblem, measure

Schema = dict[str, Json]
COUNTED = "x-counted"


class Evaluations:
    """A keyword that counts how often parts are evaluated. It is valid unless its value is false."""

    count = 0

    def __init__(self, parent_schema: object, value: object, schema_path: list[str | int]) -> None:
        self._is_valid = value is True

    def validate(self, instance: object) -> None:
        Evaluations.count += 1
        if not self._is_valid:
            raise ValueError


IN_PLACE: dict[str, Callable[[Json], Schema]] = {
    "allOf": lambda part: {"allOf": [part]},
    "anyOf": lambda part: {"anyOf": [part]},
    "oneOf": lambda part: {"oneOf": [part]},
    "not": lambda part: {"not": part},
    "if": lambda part: {"if": part, "then": {}, "else": {}},
    "then": lambda part: {"if": {}, "then": part},
    "else": lambda part: {"if": False, "else": part},
    "dependentSchemas": lambda part: {"dependentSchemas": {"a": part}},
    "dependencies": lambda part: {"dependencies": {"a": part}},
}
OF_FIELD: dict[str, Callable[[Json], Schema]] = {
    "properties": lambda part: {"properties": {"a": part}},
    "patternProperties": lambda part: {"patternProperties": {"a": part}},
    "additionalProperties": lambda part: {"additionalProperties": part},
    "unevaluatedProperties": lambda part: {"unevaluatedProperties": part},
}
OF_ITEM: dict[str, Callable[[Json], Schema]] = {
    "prefixItems": lambda part: {"prefixItems": [part]},
    "items": lambda part: {"items": part},
    "contains": lambda part: {"contains": part},
    "minContains": lambda part: {"contains": part, "minContains": 0},
    "maxContains": lambda part: {"contains": part, "maxContains": 1},
    "unevaluatedItems": lambda part: {"unevaluatedItems": part},
}
KEYWORDS = {**IN_PLACE, **OF_FIELD, **OF_ITEM}
TOGETHER: dict[str, Schema] = {
    "alone": {},
    "false": {"unevaluatedItems": False, "unevaluatedProperties": False},
    "empty": {"unevaluatedItems": {}, "unevaluatedProperties": {}},
}
VALUES: tuple[Json, ...] = (1, {"a": 1})
LEVELS = 5
"""With seven, some schemas are refused."""
UNITS = 3
"""Least work of each part."""


def nested(
    keywords: Sequence[str], together: Schema, *, is_valid: bool, value: Json
) -> tuple[Schema, Json]:
    """Parts inside each other, the last keyword innermost, and a value that reaches the innermost part."""
    schema: Schema = {COUNTED: is_valid}
    for keyword in reversed(keywords):
        schema = {COUNTED: True, **together, **KEYWORDS[keyword](schema)}
        if keyword in OF_FIELD:
            value = {"a": value}
        elif keyword in OF_ITEM:
            value = [value]
    return schema, value


def by_reference(schema: Schema) -> Schema:
    """The same parts, each in `$defs`."""
    parts: dict[str, Json] = {}

    def moved(part: Json) -> Json:
        if isinstance(part, list):
            return [moved(item) for item in part]
        if not isinstance(part, dict):
            return part
        inner: Json = {name: moved(item) for name, item in part.items()}
        if COUNTED not in part:
            return inner
        parts[f"x{len(parts)}"] = inner
        return {"$ref": f"#/$defs/x{len(parts) - 1}"}

    top = moved(schema)
    assert isinstance(top, dict)
    return {"$defs": parts, **top}


def assert_weighed(
    keywords: Sequence[str], together: Schema, move: Callable[[Schema], Schema]
) -> None:
    for is_valid, value in product((True, False), VALUES):
        schema, nested_value = nested(keywords, together, is_valid=is_valid, value=value)
        schema = move(schema)
        validator = jsonschema_rs.Draft202012Validator(
            schema, keywords={COUNTED: Evaluations}, offline=True
        )
        weight = measure(schema, max_patterns=LEVELS).per_value // UNITS

        Evaluations.count = 0
        validator.is_valid(nested_value)
        assert Evaluations.count <= weight

        Evaluations.count = 0
        list(validator.iter_errors(nested_value))
        assert 0 < Evaluations.count <= 2 * weight


class TestWeight:
    @pytest.mark.parametrize("move", [dict, by_reference])
    @pytest.mark.parametrize("together", TOGETHER)
    @pytest.mark.parametrize("keyword", KEYWORDS)
    def test_a_nested_keyword_is_not_evaluated_more_often(self, keyword, together, move):
        assert_weighed([keyword] * LEVELS, TOGETHER[together], move)

    @pytest.mark.slow
    @pytest.mark.parametrize("together", TOGETHER)
    @pytest.mark.parametrize("keyword", KEYWORDS)
    def test_nor_are_two_keywords_in_turn(self, keyword, together):
        for other in KEYWORDS:
            assert_weighed(([keyword, other] * LEVELS)[:LEVELS], TOGETHER[together], dict)


class TestRefusal:
    @pytest.mark.parametrize(
        "level",
        [
            lambda part: {"contains": part, "unevaluatedItems": False},
            lambda part: {"contains": part, "minContains": 0, "unevaluatedItems": {}},
            lambda part: {"unevaluatedItems": part},
            lambda part: {"anyOf": [{"unevaluatedItems": part}]},
            lambda part: {
                "allOf": [{"unevaluatedProperties": part}],
                "unevaluatedProperties": False,
            },
        ],
    )
    def test_a_chain_whose_work_doubles_at_each_level_is_refused(self, level):
        parts = {f"x{n}": level({"$ref": f"#/$defs/x{n + 1}"}) for n in range(30)}

        with pytest.raises(SchemaProblem, match="too expensive to check"):
            measure({"$defs": {**parts, "x30": {}}, "$ref": "#/$defs/x0"}, max_patterns=0)
