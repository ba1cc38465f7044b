import pytest

from stepiq.language.definitions.inputs import InputInvalid, InputSchema, is_long_form
from stepiq.language.definitions.loading import compile_document, load_document


def document(schema) -> dict:
    return {"name": "x", "input": {"schema": schema}, "steps": [{"id": "a", "prompt": "p"}]}


def compiled(schema) -> InputSchema:
    return compile_document(document(schema)).input


def errors(schema) -> list[tuple[str, str]]:
    prefix = "input.schema"
    return [
        (issue.path.removeprefix(prefix).removeprefix("."), issue.code)
        for issue in load_document(document(schema)).errors
    ]


def refused(schema, payload) -> list[str]:
    with pytest.raises(InputInvalid) as caught:
        compiled(schema).validate(payload)
    assert caught.value.code == "input_invalid"
    return [issue.message for issue in caught.value.issues]


class TestShortForm:
    SCHEMA = {  # noqa: RUF012 -- read by every test, changed by none
        "topic": {"type": "string", "required": True, "min_length": 2, "max_length": 5},
        "limit": {"type": "integer", "default": 3, "minimum": 1, "maximum": 9},
        "tone": {"type": "string", "enum": ["calm", "bold"], "description": "How it sounds."},
        "code": {"type": "string", "pattern": "^[a-z]+$"},
        "tags": {"type": "array", "max_length": 2},
        "more": {"type": "object"},
    }

    def test_defaults_are_filled_in_and_absent_fields_stay_absent(self):
        assert compiled(self.SCHEMA).validate({"topic": "AI"}) == {"topic": "AI", "limit": 3}

    def test_null_for_an_optional_field_counts_as_absent(self):
        values = compiled(self.SCHEMA).validate({"topic": "AI", "limit": None, "tone": None})

        assert values == {"topic": "AI", "limit": 3}

    def test_templates_and_expressions_read_absent_fields_as_null(self):
        values = compiled(self.SCHEMA).with_absent({"topic": "AI", "limit": 3})

        assert values == dict.fromkeys(self.SCHEMA) | {"topic": "AI", "limit": 3}

    def test_fields_the_schema_does_not_name_are_kept(self):
        assert compiled(self.SCHEMA).validate({"topic": "AI", "x": {"y": None}})["x"] == {"y": None}

    def test_a_whole_number_with_a_fraction_of_zero_arrives_as_an_integer(self):
        schema = {"count": {"type": "integer"}, "price": {"type": "number"}}

        values = compiled(schema).validate({"count": 201006.0, "price": 3.0})

        assert (repr(values["count"]), repr(values["price"])) == ("201006", "3.0")

    def test_the_payload_is_not_changed(self):
        payload = {"topic": "AI", "limit": None}

        compiled(self.SCHEMA).validate(payload)

        assert payload == {"topic": "AI", "limit": None}

    @pytest.mark.parametrize(
        ("payload", "messages"),
        [
            ({}, ["`topic` is required."]),
            (
                {"topik": "AI"},
                ["`topic` is required. The input has `topik`. Did you mean `topic`?"],
            ),
            ({"limit": 3, "other": 1}, ["`topic` is required."]),
            ({"topic": None}, ["`topic` must be a string; it is null."]),
            ({"topic": 3}, ["`topic` must be a string; it is a number."]),
            ({"topic": "x"}, ["`topic` must have at least 2 characters; it has 1."]),
            ({"topic": "x" * 6}, ["`topic` must have at most 5 characters; it has 6."]),
            ({"topic": "AI", "limit": "3"}, ["`limit` must be an integer; it is a string."]),
            ({"topic": "AI", "limit": True}, ["`limit` must be an integer; it is a boolean."]),
            ({"topic": "AI", "limit": 0}, ["`limit` must be at least 1."]),
            ({"topic": "AI", "limit": 10}, ["`limit` must be at most 9."]),
            ({"topic": "AI", "tone": "x"}, ['`tone` must be one of "calm", "bold".']),
            ({"topic": "AI", "code": "A"}, ["`code` does not match the pattern `^[a-z]+$`."]),
            ({"topic": "AI", "tags": [1, 2, 3]}, ["`tags` must have at most 2 items; it has 3."]),
            ({"topic": "AI", "more": []}, ["`more` must be an object; it is a list."]),
        ],
    )
    def test_what_does_not_fit_is_said_in_a_sentence(self, payload, messages):
        assert refused(self.SCHEMA, payload) == messages

    def test_every_field_has_its_own_issue(self):
        with pytest.raises(InputInvalid) as caught:
            compiled(self.SCHEMA).validate({"limit": "x", "tone": 3})

        assert {i.path: i.code for i in caught.value.issues} == {
            "topic": "required",
            "limit": "wrong_type",
            "tone": "wrong_type",
        }

    def test_the_document_declares_its_names_and_types(self):
        schema = compiled(self.SCHEMA)

        assert schema.declared == set(self.SCHEMA)
        assert schema.field_types["limit"] == "integer"

    @pytest.mark.parametrize(
        ("field", "expected"),
        [
            ("string", [("a", "wrong_type")]),
            ({}, [("a.type", "required")]),
            ({"type": "text"}, [("a.type", "not_allowed")]),
            ({"type": "string", "max": 3}, [("a.max", "unknown_field")]),
            ({"type": "string", "required": "yes"}, [("a.required", "wrong_type")]),
            ({"type": "string", "minimum": 3}, [("a.minimum", "conflict")]),
            ({"type": "integer", "pattern": "x"}, [("a.pattern", "conflict")]),
            ({"type": "integer", "min_length": 1}, [("a.min_length", "conflict")]),
            ({"type": "integer", "minimum": "x"}, [("a.minimum", "wrong_type")]),
            ({"type": "integer", "minimum": 3, "maximum": 2}, [("a.maximum", "conflict")]),
            ({"type": "string", "min_length": 3, "max_length": 2}, [("a.max_length", "conflict")]),
            ({"type": "array", "min_length": 3, "max_length": 2}, [("a.max_length", "conflict")]),
            ({"type": "string", "max_length": -1}, [("a.max_length", "out_of_range")]),
            ({"type": "string", "pattern": "(?=a)"}, [("a.pattern", "invalid_schema")]),
            ({"type": "string", "pattern": r"(a)\1"}, [("a.pattern", "invalid_schema")]),
            ({"type": "string", "pattern": "("}, [("a.pattern", "invalid_schema")]),
            ({"type": "string", "pattern": ""}, [("a.pattern", "too_short")]),
            ({"type": "string", "pattern": "(a{1000}){1000}"}, [("a.pattern", "invalid_schema")]),
            ({"type": "string", "enum": []}, [("a.enum", "too_short")]),
            ({"type": "string", "enum": ["x", 3]}, [("a.enum[1]", "conflict")]),
            ({"type": "string", "default": 3}, [("a.default", "conflict")]),
            ({"type": "string", "default": "c", "enum": ["a"]}, [("a.default", "conflict")]),
            ({"type": "string", "description": 3}, [("a.description", "wrong_type")]),
        ],
    )
    def test_a_field_that_means_nothing_is_an_error(self, field, expected):
        assert errors({"a": field}) == expected

    def test_an_empty_schema_takes_anything(self):
        assert compiled({}).validate({"x": 1}) == {"x": 1}
        assert compiled({}).declared is None

    def test_too_many_fields_are_an_error(self):
        assert errors({f"f{n}": {"type": "string"} for n in range(10_001)}) == [
            ("", "invalid_schema")
        ]

    def test_too_many_patterns_are_an_error(self):
        fields = {f"f{n}": {"type": "string", "pattern": "a"} for n in range(201)}

        assert errors(fields) == [("f200", "invalid_schema")]

    def test_a_pattern_runs_in_linear_time(self):
        schema = compiled({"a": {"type": "string", "pattern": "^(a|a)*$"}})

        with pytest.raises(InputInvalid):
            schema.validate({"a": "a" * 200_000 + "b"})


class TestLongForm:
    @pytest.mark.parametrize(
        ("schema", "is_long"),
        [
            ({"type": "object"}, True),
            ({"type": ["object"]}, True),
            ({"$schema": "x"}, True),
            ({"$ref": "#/$defs/a"}, True),
            ({"required": ["a"]}, True),
            ({"anyOf": []}, True),
            ({"additionalProperties": False}, True),
            ({"properties": {"a": {"type": "string"}, "b": True}}, True),
            ({"properties": {}}, True),
            ({"$defs": {"a": {}}}, True),
            ({"topic": {"type": "string"}}, False),
            ({"type": {"type": "string"}}, False),
            ({"properties": {"type": "object"}}, False),
            ({"required": {"type": "boolean"}}, False),
            ({"properties": 3}, False),
            ({}, False),
        ],
    )
    def test_a_json_schema_is_told_from_a_map_of_fields(self, schema, is_long):
        assert is_long_form(schema) is is_long

    def test_declared_fields_exist_and_nested_defaults_are_filled_in(self):
        schema = {
            "type": "object",
            "required": ["a"],
            "properties": {
                "a": {"type": "object", "properties": {"b": {"default": 1}, "c": {}}},
                "d": {"type": "string"},
                "e": {"default": [1]},
                "f": True,
            },
        }

        assert compiled(schema).validate({"a": {}, "d": None}) == {"a": {"b": 1}, "e": [1]}
        assert compiled(schema).declared is None

    def test_a_payload_that_does_not_fit_is_refused(self):
        schema = {
            "properties": {"a": {"type": "array", "items": {"type": "integer"}}},
            "additionalProperties": False,
        }

        assert refused(schema, {"a": [1, "x"], "q": 1}) == [
            "`a[1]` must be an integer; it is a string.",
            "`q` is not a field of the schema.",
        ] or refused(schema, {"a": [1, "x"], "q": 1}) == [
            "`q` is not a field of the schema.",
            "`a[1]` must be an integer; it is a string.",
        ]

    @pytest.mark.parametrize("kind", ["string", ["object", "null"]])
    def test_the_input_is_an_object(self, kind):
        assert errors({"type": kind}) == [("type", "invalid_schema")]

    def test_what_is_no_schema_is_an_error_at_its_place(self):
        assert errors({"type": "object", "properties": {"a": {"minimum": "x"}}}) == [
            ("properties.a.minimum", "invalid_schema")
        ]
