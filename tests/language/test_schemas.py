import pytest

from stepiq.core.json import Json
from stepiq.language.schemas.cost import SchemaProblem
from stepiq.language.schemas.validation import compile_schema
from stepiq.language.schemas.work import ValidationMeter
from stepiq.language.templates import OverBudget
from tests.support.pace import cpu_limit


def messages(schema, value) -> list[str]:
    return [i.message for i in compile_schema(schema, max_patterns=9).issues(value)]


def problem(schema, max_patterns=9) -> SchemaProblem:
    with pytest.raises(SchemaProblem) as caught:
        compile_schema(schema, max_patterns=max_patterns)
    return caught.value


def nested(depth: int) -> dict:
    value: dict = {}
    for _ in range(depth):
        value = {"a": value}
    return value


class TestSentences:
    @pytest.mark.parametrize(
        ("schema", "value", "message"),
        [
            ({"type": ["integer", "null"]}, "x", "must be null or an integer; it is a string"),
            ({"type": "object"}, 1.5, "must be an object; it is a number"),
            ({"const": "x"}, 1, 'must be "x"'),
            ({"enum": list(range(12))}, -1, "must be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 …"),
            ({"exclusiveMinimum": 3}, 3, "must be greater than 3"),
            ({"exclusiveMaximum": 3}, 3, "must be less than 3"),
            ({"multipleOf": 2}, 3, "must be a multiple of 2"),
            ({"minItems": 1}, [], "must have at least 1 item; it has 0"),
            ({"minProperties": 1}, {}, "must have at least 1 field; it has 0"),
            ({"maxProperties": 0}, {"a": 1}, "must have at most 0 fields; it has 1"),
            ({"uniqueItems": True}, [1, 1], "contains the same item twice"),
            (
                {"anyOf": [{"type": "string"}, {"type": "null"}]},
                1,
                "does not match any of the allowed schemas",
            ),
            (
                {"oneOf": [{"type": "string"}, {"type": "null"}]},
                1,
                "exactly one of the allowed schemas",
            ),
            ({"not": {}}, 1, "does not match the schema (`not`)"),
        ],
    )
    def test_an_error_of_the_whole_value_speaks_of_the_value(self, schema, value, message):
        (found,) = messages(schema, value)

        assert found.startswith("The value ")
        assert message in found

    def test_fields_are_named_by_their_path(self):
        schema = {
            "properties": {
                "a": {"items": {"required": ["b"]}},
                "c": {"unevaluatedProperties": False},
            }
        }

        assert set(messages(schema, {"a": [{}], "c": {"d": 1}})) == {
            "`a[0].b` is required.",
            "`c.d` is not a field of the schema.",
        }

    def test_a_value_is_not_repeated(self):
        assert "s3cret" not in messages({"pattern": "^x"}, "s3cret")[0]

    def test_at_most_fifty_are_given(self):
        assert len(messages({"items": {"type": "integer"}}, ["x"] * 100)) == 50

    def test_a_large_value_has_its_first_error_only(self):
        assert len(messages({"items": {"type": "integer"}}, ["x"] * 50_000)) == 1
        assert messages({"items": {"type": "integer"}}, [{"a": 1}.get("a")] * 50_000) == []


class TestIntegers:
    @pytest.mark.parametrize("value", [3, 3.0, -0.0, 201006.0, 1e300])
    def test_a_number_without_a_fraction_is_one(self, value):
        assert messages({"type": "integer"}, value) == []
        assert messages({"type": ["null", "integer"], "multipleOf": 1}, value) == []

    def test_it_equals_an_option_written_the_other_way(self):
        assert messages({"type": "integer", "enum": [1, 3]}, 3.0) == []
        assert messages({"type": "integer", "const": 3.0}, 3) == []
        assert messages({"uniqueItems": True}, [3, 3.0]) == [
            "The value contains the same item twice."
        ]

    def test_it_is_written_as_one_in_properties_and_items_of_that_type(self):
        numbers: Json = {"type": "array", "items": {"type": ["integer", "null"]}}
        schema: dict[str, Json] = {
            "properties": {"a": {"type": "integer"}, "b": numbers, "c": {"type": "number"}}
        }
        value = {"a": 3.0, "b": [4.0, None, 1e300], "c": 5.0, "d": 6.0}

        found = compile_schema(schema, max_patterns=0).integers(value)

        assert repr(found) == "{'a': 3, 'b': [4, None, 1e+300], 'c': 5.0, 'd': 6.0}"


class TestRefusals:
    def test_a_pattern_of_another_engine_is_refused(self):
        with pytest.raises(SchemaProblem) as caught:
            compile_schema({"type": "string", "pattern": r"\Qa\E"}, max_patterns=1)

        assert "This pattern cannot be used." in str(caught.value)

    @pytest.mark.parametrize(
        ("schema", "path", "message"),
        [
            ({"$ref": "http://127.0.0.1:1/x"}, ("$ref",), "must be a path in this schema"),
            ({"$ref": "file:///etc/passwd"}, ("$ref",), "must be a path in this schema"),
            (
                {"items": [{"a": {"$ref": "x.json#/a"}}]},
                ("items", 0, "a", "$ref"),
                "must be a path in this schema",
            ),
            ({"$ref": "#name"}, ("$ref",), "must be a path in this schema"),
            ({"$ref": "#/$defs/x"}, ("$ref",), "does not refer to a part of this schema"),
            (
                {"$ref": "#/allOf/7", "allOf": [{}]},
                ("$ref",),
                "does not refer to a part of this schema",
            ),
            (
                {"$ref": "#/type", "type": "object"},
                ("$ref",),
                "does not refer to a part of this schema",
            ),
            (
                {"$ref": "#/type/x", "type": "object"},
                ("$ref",),
                "does not refer to a part of this schema",
            ),
            ({"$dynamicRef": "#a"}, ("$dynamicRef",), "Use `$ref`"),
            ({"$defs": {"a": {"$id": "x"}}}, ("$defs", "a", "$id"), "only allowed at the top"),
            ({"$schema": "http://json-schema.org/draft-07/schema#"}, ("$schema",), "2020-12"),
            ({"pattern": "(?<=a)b"}, ("pattern",), "Look-around"),
            ({"type": 5}, ("type",), "must be the name of a type"),
            ({"$ref": "#"}, (), "refers to itself endlessly"),
            ({"enum": list(range(200_000))}, (), "too expensive to check"),
            ({"properties": {str(n): {} for n in range(20_001)}}, (), "too many parts"),
        ],
    )
    def test_a_schema_that_cannot_be_used_says_where(self, schema, path, message):
        found = problem(schema)

        assert found.path == path
        assert message in found.message

    @pytest.mark.parametrize(
        ("schema", "path", "message"),
        [
            ({"type": "objct"}, ("type",), "`type` cannot be `objct`. Did you mean `object`?"),
            (
                {"type": ["string", "nul"]},
                ("type",),
                "`type` cannot be `nul`. Did you mean `null`?",
            ),
            (
                {"properties": {"a": "int"}},
                ("properties", "a"),
                "`a` must be a schema, such as `{type: integer}`; it is a string.",
            ),
            (
                {"properties": {"a": {"required": True}}},
                ("properties", "a", "required"),
                "`required` must be a list of field names; it is a boolean. "
                "Write it next to `properties`: `required: [summary]`.",
            ),
            ({"minimum": "3"}, ("minimum",), "`minimum` must be a number; it is a string."),
            ({"anyOf": []}, ("anyOf",), "`anyOf` must have at least 1 item; it has 0."),
            (
                {"patternProperties": {"(": {}}},
                ("patternProperties", "("),
                "`(` has no closing `)`.",
            ),
        ],
    )
    def test_what_is_not_a_schema_gets_what_to_write(self, schema, path, message):
        found = problem(schema)

        assert found.path == path
        assert found.message.endswith(message)

    @pytest.mark.parametrize(
        ("schema", "name", "kind"),
        [
            ({"summary": "string"}, "summary", "string"),
            ({"count": "int", "other": 3}, "count", "integer"),
            ({"address": {"street": "string"}}, "address", "object"),
            ({"title": "string", "score": "number"}, "score", "number"),
            ({"type": "object", "score": {"type": "number"}}, "score", "number"),
            ({"type": "object", "tags": {"type": ["array", "null"]}}, "tags", "string"),
        ],
    )
    def test_a_field_outside_properties_is_refused(self, schema, name, kind):
        found = problem(schema)

        assert found.path == (name,)
        assert found.message.endswith(
            f"`{{type: object, properties: {{{name}: {{type: {kind}}}}}}}`."
        )

    def test_a_field_of_a_part_is_refused_too(self):
        found = problem({"items": {"type": "object", "a": {"type": "string"}}})

        assert found.path == ("items", "a")

    @pytest.mark.parametrize(
        ("name", "near"),
        [
            ("propertes", "properties"),
            ("min_length", "minLength"),
            ("additionalproperties", "additionalProperties"),
        ],
    )
    def test_a_misspelled_keyword_is_refused(self, name, near):
        found = problem({"type": "object", name: {}})

        assert found.path == (name,)
        assert found.message.endswith(f"Did you mean `{near}`?")

    @pytest.mark.parametrize(
        "schema",
        [
            {},
            {"x-mine": {"type": "string"}},
            {"type": "string", "example": "string", "nullable": True, "enumDescriptions": ["a"]},
            {"type": "object", "propertyOrdering": ["a"], "note": "any text"},
            {"properties": {"summary": {"type": "string"}, "min_length": True}},
            {"default": {"summary": "string"}},
        ],
    )
    def test_other_unknown_keywords_are_ignored(self, schema):
        assert compile_schema(schema, max_patterns=0).document == schema

    def test_patterns_are_counted(self):
        schema = {"pattern": "a", "patternProperties": {"b": {}, "c": {"pattern": "d"}}}

        assert compile_schema(schema, max_patterns=4).cost.patterns == 4
        assert "too many patterns" in problem(schema, max_patterns=3).message

    def test_references_that_multiply_are_refused(self):
        parts = {
            f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]}
            for n in range(30)
        }

        assert (
            "too expensive to check"
            in problem({"$defs": {**parts, "a30": {}}, "$ref": "#/$defs/a0"}).message
        )

    def test_long_chains_of_references_are_refused(self):
        parts = {f"a{n}": {"$ref": f"#/$defs/a{n + 1}"} for n in range(150)}

        assert "too deep" in problem({"$defs": {**parts, "a150": {}}, "$ref": "#/$defs/a0"}).message

    @pytest.mark.parametrize(
        "schema",
        [
            {"allOf": [{"properties": {"a": {"$ref": "#"}}}, {"properties": {"a": {"$ref": "#"}}}]},
            {
                "oneOf": [
                    {"properties": {"a": {"$ref": "#"}}},
                    {"additionalProperties": {"$ref": "#"}},
                ]
            },
            {"properties": {"a": {"$ref": "#"}}, "patternProperties": {"a": {"$ref": "#"}}},
            {"patternProperties": {"a": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"}},
            {"not": {"allOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}]}},
            {"items": {"$ref": "#"}, "contains": {"$ref": "#"}},
            {"prefixItems": [{"$ref": "#"}], "contains": {"$ref": "#"}},
            {
                "$defs": {
                    "x": {"properties": {"a": {"$ref": "#/$defs/y"}}},
                    "y": {"items": {"$ref": "#/$defs/x"}, "contains": {"$ref": "#/$defs/x"}},
                },
                "$ref": "#/$defs/x",
            },
        ],
    )
    def test_recursion_that_judges_a_value_twice_stops_nobody(self, schema):
        deep: Json = 1
        for n in range(90):
            deep = {"a": deep} if n % 2 else [deep]

        with cpu_limit(1):
            compile_schema(schema, max_patterns=9).issues(deep)

    def test_a_circle_that_is_entered_sideways_is_still_found(self):
        schema = {
            "$defs": {
                "x": {"items": {"$ref": "#/$defs/y"}, "allOf": [{"$ref": "#/$defs/y"}]},
                "y": {"allOf": [{"$ref": "#/$defs/x"}]},
            },
            "$ref": "#/$defs/x",
        }

        assert "endlessly" in problem(schema).message


class TestRecursion:
    @pytest.mark.parametrize(
        "schema",
        [
            {"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"}},
            {"prefixItems": [{"$ref": "#"}], "items": {"$ref": "#"}},
            {"items": {"$ref": "#"}, "additionalProperties": {"$ref": "#"}},
            {
                "$defs": {
                    "json": {
                        "anyOf": [
                            {"type": ["string", "number", "boolean", "null"]},
                            {"type": "array", "items": {"$ref": "#/$defs/json"}},
                            {"type": "object", "additionalProperties": {"$ref": "#/$defs/json"}},
                        ]
                    }
                },
                "$ref": "#/$defs/json",
            },
            {"properties": {"a": {"anyOf": [{"type": "null"}, {"$ref": "#/properties/a/anyOf/0"}, {"$ref": "#"}]}}},
            {"allOf": [{"$ref": "#/$defs/odd~1name~0%20x"}], "$defs": {"odd/name~ x": {"items": {"$ref": "#"}}}},
        ],
    )  # fmt: skip
    def test_ordinary_recursion_is_accepted_and_quick(self, schema):
        with cpu_limit(1):
            assert messages(schema, nested(90)) == []

    def test_an_error_deep_inside_is_found(self):
        schema = {"properties": {"v": {"type": "integer"}, "kids": {"items": {"$ref": "#"}}}}

        assert messages(schema, {"kids": [{"v": 1}, {"kids": [{"v": "x"}]}]}) == [
            "`kids[1].kids[0].v` must be an integer; it is a string."
        ]

    def test_every_way_into_a_value_is_followed(self):
        schema = {
            "if": True, "then": {"unevaluatedItems": False}, "else": False,
            "dependentSchemas": {"a": {"required": ["b"]}},
            "propertyNames": {"maxLength": 3},
        }  # fmt: skip

        assert messages(schema, {"a": 1}) == ["`b` is required."]


class TestCost:
    def test_what_takes_too_long_is_not_checked(self):
        options: list[Json] = [n + 0.5 for n in range(1_000)]
        schema = compile_schema({"items": {"not": {"enum": options}}}, max_patterns=0)

        value: list[Json] = [1.25] * 1_000

        (issue,) = schema.issues(value)

        assert issue.code == "too_large"

    @pytest.mark.parametrize(
        ("schema", "value"),
        [
            ({"pattern": "[ab]*a[ab]{900}c"}, "ab" * 100_000),
            ({"properties": {"a": {"pattern": "[ab]*a[ab]{900}c"}}}, {"a": "ab" * 100_000}),
            ({"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"pattern": "a{900}"}}}, ["a" * 99_999]),
            ({"patternProperties": {"[ab]*a[ab]{900}c": {}}}, {"ab" * 100_000: 1}),
            ({"pattern": r"\cA[ab]*"}, "ab" * 100_000),
            ({"pattern": r"\[?(a|b)*a(a|b){900}c]?"}, "ab" * 100_000),
            ({"pattern": "(?x)(a|b)*a(a|b){900}c # ["}, "ab" * 100_000),
            ({"items": {"multipleOf": 1e-300}}, [1e300] * 1_000),
            ({"items": {"maximum": 1e-300}}, [-(10**390)] * 1_000),
            ({"items": {"not": {"enum": [n + 0.5 for n in range(1_000)]}}}, [1.25] * 1_000),
            ({"items": {"not": {"const": [[1]] * 1_000}}}, [[[1]]] * 1_000),
            ({"allOf": [{"uniqueItems": True}] * 1_000}, [{"a": n} for n in range(1_000)]),
            ({"allOf": [{"propertyNames": {"maxLength": 9}}] * 1_000}, dict.fromkeys("abc" * 9, 1) | {str(n): 1 for n in range(2_000)}),
        ],
        ids=lambda value: None,
    )  # fmt: skip
    def test_what_takes_long_to_compare_stops_nobody(self, schema, value):
        with cpu_limit(1):
            compile_schema(schema, max_patterns=9).issues(value)

    @pytest.mark.parametrize(
        ("schema", "value"),
        [
            ({"properties": {"a": {"pattern": "^[a-z]{1,900}$"}, "b": {}}}, {"a": "x", "b": "b" * 200_000}),
            ({"properties": {"a": {"pattern": "\\S"}}}, {"a": "b" * 200_000}),
            ({"pattern": r"^[\u0061-\u007a]*$"}, "b" * 100_000),
            ({"pattern": r"^[\p{L}\p{M}' -]+$"}, "é" * 100_000),
            ({"pattern": r"^\p{Lu}\p{L}*( \p{Lu}\p{L}*)*$"}, "Été " * 10_000 + "É"),
            ({"items": {"type": "integer", "minimum": 0, "maximum": 9}}, [1] * 100_000),
            ({"items": {"type": "number", "minimum": 0.5}}, [1.5] * 60_000),
            ({"items": {"multipleOf": 0.01}}, [1.25] * 5_000),
            ({"items": {"type": "string"}, "uniqueItems": True}, [str(n) for n in range(30_000)]),
            ({"items": {"const": {"a": [1]}}}, [{"a": [1]}] * 1_000),
        ],
        ids=lambda value: None,
    )  # fmt: skip
    def test_an_ordinary_large_value_is_checked(self, schema, value):
        assert compile_schema(schema, max_patterns=9).issues(value) == ()

    def test_errors_are_work(self):
        parts: list[Json] = [{"type": "string"}] * 200
        schema = compile_schema({"items": {"allOf": parts}}, max_patterns=0)
        value: list[Json] = [1] * 20

        with pytest.raises(OverBudget):
            schema.issues(value, meter=ValidationMeter(budget=500))

        assert len(schema.issues(value)) == 20

    def test_of_more_errors_than_memory_holds_none_is_created(self):
        required: list[Json] = [{"required": [f"k{n}"]} for n in range(9_000)]
        schema = compile_schema({"allOf": required}, max_patterns=0)

        (issue,) = schema.issues({"a": "x" * 250_000}, at=("a",), subject="It")

        assert (issue.path, issue.code) == ("a", "invalid")
        assert issue.message == "`a` does not match the schema. It is too large to say where."

    @pytest.mark.parametrize("keyword", ["unevaluatedProperties", "unevaluatedItems"])
    @pytest.mark.parametrize("around", ["allOf", "anyOf", "oneOf"])
    def test_nested_parts_that_look_for_what_is_left_over_are_refused(self, keyword, around):
        schema: dict[str, Json] = {"properties": {"a": {}}}
        for _ in range(30):
            schema = {around: [schema], keyword: False}

        assert "too expensive to check" in problem(schema).message

    def test_one_that_looks_for_what_is_left_over_is_accepted(self):
        parts: list[Json] = [{"properties": {f"p{n}": {"type": "string"}}} for n in range(200)]

        assert messages({"allOf": parts, "unevaluatedProperties": False}, {"p1": "x"}) == []
