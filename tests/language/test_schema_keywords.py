"""Every keyword that the library evaluates is measured, wherever it is."""

import jsonschema_rs
import pytest

from stepiq.core.json import Json
from stepiq.language.schemas.cost import SchemaProblem
from stepiq.language.schemas.validation import Schema, compile_schema

# Of all drafts.
_KEYWORDS = (
    "$defs", "$dynamicRef", "$recursiveRef", "$ref", "additionalItems", "additionalProperties", "allOf", "anyOf",
    "const", "contains", "contentEncoding", "contentMediaType", "contentSchema", "default", "definitions",
    "dependencies", "dependentRequired", "dependentSchemas", "disallow", "divisibleBy", "else", "enum", "examples",
    "exclusiveMaximum", "exclusiveMinimum", "extends", "format", "if", "items", "maxContains", "maxItems",
    "maxLength", "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties", "minimum",
    "multipleOf", "not", "oneOf", "pattern", "patternProperties", "prefixItems", "properties", "propertyNames",
    "required", "then", "type", "unevaluatedItems", "unevaluatedProperties", "uniqueItems",
)  # fmt: skip
_VALUES: tuple[Json, ...] = ("a", 1, {"a": 1}, [1, 1])
_EXPENSIVE: Json = {"enum": [str(n) for n in range(100_000)]}
_AROUND: dict[str, dict[str, Json]] = {
    "if": {"then": False},
    "then": {"if": True},
    "else": {"if": False},
}


def part_shapes(inner: Json) -> list[Json]:
    return [inner, {"a": inner}, [inner]]


def evaluates(schema: dict[str, Json]) -> bool:
    try:
        validator = jsonschema_rs.Draft202012Validator(schema, offline=True)
    except jsonschema_rs.ValidationError:
        return False
    return not all(map(validator.is_valid, _VALUES))


def schemas_with(keyword: str) -> list[dict[str, Json]]:
    """Schemas with an expensive part below a keyword, if the library evaluates the part."""
    around = _AROUND.get(keyword, {})
    differing = [
        {keyword: expensive, **around}
        for yes, no, expensive in zip(*map(part_shapes, ({}, {"not": {}}, _EXPENSIVE)), strict=True)
        if evaluates({keyword: yes, **around}) != evaluates({keyword: no, **around})
    ]
    return [] if keyword in ("const", "enum") else differing


def refused(schema: dict[str, Json], max_patterns: int = 0) -> str:
    with pytest.raises(SchemaProblem) as caught:
        compile_schema(schema, max_patterns=max_patterns)
    return caught.value.message


def compiled(schema: dict[str, Json]) -> Schema:
    return compile_schema(schema, max_patterns=0)


class TestParts:
    @pytest.mark.parametrize("keyword", _KEYWORDS)
    def test_a_part_that_is_evaluated_is_measured(self, keyword):
        for schema in schemas_with(keyword):
            assert "too expensive to check" in refused(schema, max_patterns=1)

    def test_this_covers_the_keywords_with_parts(self):
        assert {each for each in _KEYWORDS if schemas_with(each)} == {
            "additionalProperties", "allOf", "anyOf", "contains", "dependencies", "dependentSchemas", "else", "if",
            "items", "not", "oneOf", "patternProperties", "prefixItems", "properties", "propertyNames", "then",
            "unevaluatedItems", "unevaluatedProperties",
        }  # fmt: skip

    def test_names_in_a_dependency_are_work(self):
        names: list[Json] = [f"field{n}" for n in range(1_000)]

        assert compiled({"dependencies": {"x": names}}).cost.per_value > 1_000
        assert [issue.path for issue in compiled({"dependencies": {"x": ["y"]}}).issues({"x": 1})]

    def test_what_an_error_repeats_is_work(self):
        described: Json = {"title": "a" * 10_000}

        assert compiled({"items": described}).cost.per_value < 100
        assert compiled({"not": described}).cost.per_value > 100


class TestPlaces:
    @pytest.mark.parametrize("name", ["default", "const", "enum", "examples"])
    @pytest.mark.parametrize("around", ["properties", "$defs"])
    @pytest.mark.parametrize(
        ("part", "message"),
        [
            ({"$dynamicRef": "#"}, "`$dynamicRef` is not supported"),
            ({"$id": "http://a.example/b"}, "only allowed at the top"),
            ({"$ref": "http://a.example/b"}, "must be a path in this schema"),
            ({"$schema": "http://json-schema.org/draft-07/schema#"}, "Only JSON Schema 2020-12"),
            ({"pattern": "a"}, "too many patterns"),
        ],
    )
    def test_a_part_with_the_name_of_a_keyword_is_checked(self, name, around, part, message):
        assert message in refused({around: {name: part}, "$ref": f"#/{around}/{name}"})

    @pytest.mark.parametrize(
        "around",
        [
            "properties",
            "patternProperties",
            "$defs",
            "definitions",
            "dependentSchemas",
            "dependencies",
        ],
    )
    @pytest.mark.parametrize("name", ["default", "const", "enum", "examples"])
    @pytest.mark.parametrize("part", [{"$ref": "http://a.example/b"}, {"$id": "::::"}])
    def test_so_is_one_that_nothing_refers_to(self, name, around, part):
        with pytest.raises(SchemaProblem) as caught:
            compiled({"$defs": {"a": {around: {name: part}}}})

        assert caught.value.path == ("$defs", "a", around, name, *part)

    @pytest.mark.parametrize("name", ["default", "const", "enum", "examples"])
    def test_data_of_a_property_named_properties_is_not(self, name):
        data: Json = [{"$ref": "http://a.example/b"}]

        assert compiled({"properties": {"properties": {name: data}}}).issues({}) == ()

    @pytest.mark.parametrize("name", ["default", "x-mine"])
    def test_data_that_is_used_as_a_schema_is_checked(self, name):
        inner: Json = {"allOf": [{"$dynamicRef": "#"}]}

        assert "`$dynamicRef` is not supported" in refused({name: inner, "$ref": f"#/{name}"})

    def test_so_is_what_contains_a_part_in_data(self):
        data: Json = {"$id": "http://a.example/b", "a": {"type": "string"}}

        assert "only allowed at the top" in refused({"default": data, "$ref": "#/default/a"})

    def test_other_data_is_not_checked(self):
        assert compiled({"default": {"$id": "x", "pattern": "a"}}).issues(1) == ()

    def test_a_property_named_pattern_is_not_a_pattern(self):
        assert compiled({"properties": {"pattern": {}}}).cost.patterns == 0


class TestAddresses:
    @pytest.mark.parametrize(
        ("reference", "written"),
        [
            ("#/$defs/é", "#/$defs/%C3%A9"),
            ("#/$defs/a b", "#/$defs/a%20b"),
            ("#/$defs/100%", "#/$defs/100%25"),
            ("#/$defs/{a}|%7Bb%7D", "#/$defs/%7Ba%7D%7C%7Bb%7D"),
        ],
    )
    def test_a_reference_that_is_not_encoded_gets_what_to_write(self, reference, written):
        with pytest.raises(SchemaProblem) as caught:
            compiled({"properties": {"a": {"$ref": reference}}})

        assert caught.value.path == ("properties", "a", "$ref")
        assert caught.value.message == f"`$ref` is not a valid URI. Write `{written}`."

    @pytest.mark.parametrize("name", ["é", "a b", "100%", "a/b~c", "!$&'()*+,;=:@?-._~[]"])
    def test_what_it_says_to_write_is_accepted(self, name):
        pointer = name.replace("~", "~0").replace("/", "~1")
        schema: dict[str, Json] = {
            "$defs": {name: {"type": "string"}},
            "$ref": f"#/$defs/{pointer}",
        }
        try:
            compiled(schema)
        except SchemaProblem as problem:
            schema["$ref"] = problem.message.split("`")[3]

        assert compiled(schema).issues(1)

    @pytest.mark.parametrize(
        ("reference", "message"),
        [
            ("#/$defs/%FF", "`#/$defs/%FF` does not refer to a part of this schema."),
            ("#%2F$defs%2Fx", "`$ref` must be a path in this schema, as in `#/$defs/address`."),
        ],
    )
    def test_a_reference_that_the_library_cannot_read_is_refused(self, reference, message):
        with pytest.raises(SchemaProblem) as caught:
            compiled({"$defs": {"x": {}, "\ufffd": {}}, "$ref": reference})

        assert (caught.value.path, caught.value.message) == (("$ref",), message)

    def test_a_wrong_reference_in_data_that_is_not_evaluated_is_refused(self):
        schema: dict[str, Json] = {
            "contentSchema": {"$ref": "#/const"},
            "const": {"$ref": "::::"},
        }

        assert "A `$ref` of this schema does not refer to a part of it." in refused(schema)

    @pytest.mark.parametrize("address", ["::::", "a b", "é"])
    def test_an_id_that_is_not_a_uri_is_refused(self, address):
        with pytest.raises(SchemaProblem) as caught:
            compiled({"$id": address})

        assert caught.value.path == ("$id",)
        assert caught.value.message == "`$id` is not a valid URI. Change or remove it."
