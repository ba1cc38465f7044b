import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.core.errors import Invalid, Issue
from stepiq.core.json import as_object
from stepiq.language.data import is_array
from stepiq.language.definitions.loading import (
    InvalidDefinition,
    compile_document,
    load,
    load_document,
)
from stepiq.language.definitions.step import OutputFormat, Retry
from stepiq.language.documents.issues import MAX_ERRORS
from stepiq.language.documents.source import SourceFormat
from stepiq.language.templates import Template
from stepiq.steps.llm.spec import LlmSpec
from stepiq.steps.transform.spec import TransformSpec
from tests.support.pace import cpu_limit

SMALL = {"name": "Small", "steps": [{"id": "a", "prompt": "Hello"}]}


def small(**fields) -> dict:
    return {**SMALL, **fields}


def step(**fields) -> dict:
    return small(steps=[{"id": "a", "prompt": "Hello", **fields}])


def errors(document) -> list[tuple[str, str]]:
    return [(issue.path, issue.code) for issue in load_document(document).errors]


def only(document) -> Issue:
    (issue,) = load_document(document).errors
    return issue


FULL = """\
# Comments are kept by whoever keeps the text.
name: Digest
description: Writes a digest.
version: 1
timeout_seconds: 600
variables: {tone: calm, limit: 3}
input:
  schema:
    topic: {type: string, required: true}
steps:
  - id: facts
    name: Collect facts
    prompt: List facts about {{input.topic}} with {{env.KEY}}.
    system_prompt: Be {{vars.tone}}.
    model: gpt-4o-mini
    temperature: 0.5
    max_tokens: 300
    timeout_seconds: 30
    retry: {max_attempts: 5, backoff_ms: 200, factor: 1.5, max_backoff_ms: 900, on_timeout: true}
    on_error: fail
    output_schema:
      type: object
      properties: {facts: {type: array}}
      required: [facts]
  - id: digest
    type: transform
    template: |
      {{#each steps.facts.output.facts}}
      - {{this}}
      {{/each}}
    output_format: markdown
output: {from: digest}
"""


class TestAccepted:
    def test_a_whole_document_is_compiled(self):
        loaded = load(FULL, SourceFormat.YAML)

        assert loaded.errors == ()
        assert loaded.warnings == ()
        assert not loaded.malformed
        definition = loaded.definition
        assert definition is not None
        assert loaded.document is not None
        steps = loaded.document["steps"]
        assert is_array(steps)
        assert definition.name == "Digest"
        assert definition.description == "Writes a digest."
        assert definition.timeout == timedelta(seconds=600)
        assert definition.variables == {"tone": "calm", "limit": 3}
        assert definition.output_from == "digest"
        assert definition.secret_names == {"KEY"}
        facts, digest = definition.steps
        assert facts.name == "Collect facts"
        assert facts.type == "llm"
        assert facts.timeout == timedelta(seconds=30)
        assert facts.retry == Retry(
            5, timedelta(milliseconds=200), 1.5, timedelta(milliseconds=900), on_timeout=True
        )
        assert facts.output_format is OutputFormat.JSON
        assert not facts.spec.is_pure
        assert isinstance(facts.spec, LlmSpec)
        assert facts.spec.model == "gpt-4o-mini"
        assert facts.spec.temperature == 0.5
        assert facts.spec.max_tokens == 300
        assert facts.spec.output_schema == as_object(steps[0])["output_schema"]
        assert facts.spec.output_validator is not None
        assert facts.spec.output_validator.issues({})[0].path == "facts"
        assert digest.spec.is_pure
        assert digest.output_format is OutputFormat.MARKDOWN
        assert isinstance(digest.spec, TransformSpec)

    def test_what_is_not_written_has_its_default(self):
        definition = compile_document(
            small(
                steps=[{"id": "a", "prompt": "x"}, {"id": "b", "type": "transform", "prompt": "y"}]
            )
        )

        a, b = definition.steps
        assert definition.description == ""
        assert definition.variables == {}
        assert definition.timeout == timedelta(days=1)
        assert definition.output_from is None
        assert definition.input.validate({"any": 1}) == {"any": 1}
        assert (a.name, a.type, a.output_format) == ("a", "llm", OutputFormat.TEXT)
        assert (a.timeout, b.timeout) == (timedelta(seconds=120), timedelta(seconds=60))
        assert (a.retry, b.retry) == (Retry(3), Retry(1))

    def test_the_document_is_given_back_as_written(self):
        loaded = load('{"name": "x", "steps": [{"id": "a", "prompt": "p"}]}', SourceFormat.JSON)

        assert loaded.document == {"name": "x", "steps": [{"id": "a", "prompt": "p"}]}
        assert loaded.definition is not None

    def test_null_counts_as_absent(self):
        assert errors(small(description=None, input=None, output=None, variables=None)) == []
        assert errors(small(input={"schema": None}, output={"from": None})) == []
        assert errors(step(model=None, retry=None, on_error=None, output_format=None)) == []

    @pytest.mark.parametrize("value", ["fail", None])
    def test_failing_on_error_is_what_happens_anyway(self, value):
        assert errors(step(on_error=value)) == []


class TestErrors:
    def test_all_come_at_once_in_the_order_of_the_text(self):
        text = (
            "stepz: 1\n"
            "steps:\n"
            "  - id: A\n"
            "    prompt: |\n"
            "      one\n"
            "      {{input.}} two\n"
            "  - prompt: '{{vars.x}} {{nope}}'\n"
            "    modle: m\n"
            "  - 7\n"
            "timeout_seconds: 0\n"
        )

        loaded = load(text, SourceFormat.YAML)

        assert loaded.definition is None
        assert loaded.document is not None
        assert [(e.line, e.column, e.path, e.code) for e in loaded.errors] == [
            (1, 1, "stepz", "unknown_field"),
            (1, 1, "name", "required"),
            (3, 9, "steps[0].id", "invalid_format"),
            (6, 9, "steps[0].prompt", "template_syntax"),
            (7, 5, "steps[1].id", "required"),
            (7, 16, "steps[1].prompt", "unknown_variable"),
            (7, 27, "steps[1].prompt", "unknown_name"),
            (8, 5, "steps[1].modle", "unknown_field"),
            (9, 5, "steps[2]", "wrong_type"),
            (10, 18, "timeout_seconds", "out_of_range"),
        ]

    def test_json_text_has_places_too(self):
        text = json.dumps(step(modle="x", temperature=9), indent=2)

        assert [(e.line, e.column, e.path) for e in load(text, SourceFormat.JSON).errors] == [
            (7, 7, "steps[0].modle"),
            (8, 22, "steps[0].temperature"),
        ]

    def test_data_without_text_has_paths_only(self):
        issue = only(step(modle="x"))

        assert (issue.path, issue.line, issue.column) == ("steps[0].modle", None, None)

    def test_an_unknown_field_gets_the_nearest_known_one(self):
        assert "Did you mean `model`?" in only(step(modle="x")).message
        assert "Did you mean `name`?" in load_document(small(nane="x")).errors[0].message
        assert "Use one of `backoff_ms`" in only(step(retry={"x": 1})).message

    def test_syntax_errors_are_malformed(self):
        loaded = load("a: [", SourceFormat.YAML)

        assert loaded.malformed
        assert loaded.document is None
        assert loaded.errors[0].code == "syntax"

    def test_readable_refusals_are_not_malformed(self):
        assert not load("a: &x 1\nb: *x", SourceFormat.YAML).malformed
        loaded = load("name: &x A\nsteps: [{id: a, prompt: b}]", SourceFormat.YAML)
        assert not loaded.malformed
        assert [e.code for e in loaded.errors] == ["yaml_anchor"]
        assert loaded.definition is None

    @pytest.mark.parametrize(
        ("document", "what"),
        [(None, "it is empty"), ([], "it is a list"), ("x", "it is a string")],
    )
    def test_a_document_is_a_mapping(self, document, what):
        issue = only(document)

        assert issue.code == "wrong_type"
        assert what in issue.message

    @pytest.mark.parametrize(
        "document",
        [
            small(**{f"x{n}": 1 for n in range(500)}),
            small(input={"schema": {f"f{n}": "x" for n in range(500)}}),
            small(variables={f"k-{n}": 1 for n in range(500)}),
            {"name": "x", "steps": [{"id": "a", "prompt": "".join(f"{{{{vars.q{n}}}}}" for n in range(500))}]},
        ],
        ids=["fields", "inputs", "variables", "references"],
    )  # fmt: skip
    def test_no_more_than_a_hundred_are_listed(self, document):
        listed = load_document(document).errors

        assert len(listed) == MAX_ERRORS + 1
        assert listed[-1].code == "too_many_errors"

    def test_depth_is_limited(self):
        deep = "x"
        for _ in range(31):
            deep = [deep]

        assert errors(small(variables=deep)) == [("variables", "wrong_type")]
        assert errors(small(variables=[deep])) == [("", "too_deep")]
        assert load_document(small(variables=[deep])).document is None


class TestDocumentFields:
    @pytest.mark.parametrize(
        ("fields", "path", "code"),
        [
            ({"name": ""}, "name", "too_short"),
            ({"name": "x" * 201}, "name", "too_long"),
            ({"name": 3}, "name", "wrong_type"),
            ({"name": None}, "name", "required"),
            ({"description": "x" * 2001}, "description", "too_long"),
            ({"version": 2}, "version", "not_allowed"),
            ({"version": "1"}, "version", "not_allowed"),
            ({"version": True}, "version", "not_allowed"),
            ({"timeout_seconds": 2_592_001}, "timeout_seconds", "out_of_range"),
            ({"timeout_seconds": 1.5}, "timeout_seconds", "wrong_type"),
            ({"variables": []}, "variables", "wrong_type"),
            ({"variables": {"a": []}}, "variables.a", "wrong_type"),
            ({"variables": {"a": {}}}, "variables.a", "wrong_type"),
            ({"variables": {"a-b": 1}}, "variables.a-b", "invalid_format"),
            ({"variables": {"": 1}}, "variables.", "invalid_format"),
            ({"steps": []}, "steps", "too_short"),
            ({"steps": {}}, "steps", "wrong_type"),
            ({"steps": None}, "steps", "required"),
            ({"steps": [{"id": f"s{n}", "prompt": "x"} for n in range(101)]}, "steps", "too_long"),
            ({"output": {"from": "b"}}, "output.from", "not_allowed"),
            ({"output": {"form": "a"}}, "output.form", "unknown_field"),
            ({"output": "a"}, "output", "wrong_type"),
        ],
    )
    def test_a_wrong_value_is_refused_at_its_path(self, fields, path, code):
        assert (path, code) in errors(small(**fields))
        assert len(errors(small(**fields))) == 1

    @pytest.mark.parametrize("field", ["agent_defaults", "budget"])
    def test_what_later_versions_run_is_refused_by_name(self, field):
        issue = only(small(**{field: {}}))

        assert issue.code == "not_supported_yet"
        assert f"This version of stepIQ does not support `{field}` yet." in issue.message

    @pytest.mark.parametrize(
        ("fields", "instead"),
        [
            ({"budget": {}}, "Limit each answer with `max_tokens`"),
            ({"agent_defaults": {}}, "Use steps instead"),
            ({"steps": [{"id": "a", "prompt": "x", "agent": {}}]}, "Use steps instead"),
            ({"steps": [{"id": "a", "prompt": "x", "files": []}]}, "Extract the text"),
            ({"steps": [{"id": "a", "type": "pipeline"}]}, "Copy the steps"),
            ({"steps": [{"id": "p", "type": "parallel", "steps": [
                {"id": "r", "type": "human_review", "message": "x"}]}]}, "Move the step before"),
        ],
    )  # fmt: skip
    def test_what_later_versions_run_names_what_to_use_and_the_roadmap(self, fields, instead):
        message = only(small(**fields)).message

        assert instead in message
        assert "`stepiq docs roadmap`" in message

    def test_a_whole_number_may_be_written_with_a_point(self):
        definition = compile_document(small(timeout_seconds=60.0))

        assert definition.timeout == timedelta(seconds=60)


class TestStepFields:
    @pytest.mark.parametrize(
        ("fields", "path", "code"),
        [
            ({"id": "A"}, "id", "invalid_format"),
            ({"id": "a b"}, "id", "invalid_format"),
            ({"id": "a\n"}, "id", "invalid_format"),
            ({"id": "a" * 65}, "id", "too_long"),
            ({"id": 1}, "id", "wrong_type"),
            ({"name": ""}, "name", "too_short"),
            ({"type": "lmm"}, "type", "not_allowed"),
            ({"type": 3}, "type", "wrong_type"),
            ({"timeout_seconds": 0}, "timeout_seconds", "out_of_range"),
            ({"timeout_seconds": 3601}, "timeout_seconds", "out_of_range"),
            ({"retry": 3}, "retry", "wrong_type"),
            ({"retry": {"max_attempts": 0}}, "retry.max_attempts", "out_of_range"),
            ({"retry": {"max_attempts": 11}}, "retry.max_attempts", "out_of_range"),
            ({"retry": {"backoff_ms": -1}}, "retry.backoff_ms", "out_of_range"),
            ({"retry": {"factor": "2"}}, "retry.factor", "wrong_type"),
            ({"retry": {"factor": 0.5}}, "retry.factor", "out_of_range"),
            ({"retry": {"on_timeout": "yes"}}, "retry.on_timeout", "wrong_type"),
            ({"on_error": "stop"}, "on_error", "not_allowed"),
            ({"on_error": 3}, "on_error", "wrong_type"),
            ({"output_format": "xml"}, "output_format", "not_allowed"),
            ({"prompt": None}, "prompt", "required"),
            ({"prompt": " \n"}, "prompt", "too_short"),
            ({"prompt": 3}, "prompt", "wrong_type"),
            ({"system_prompt": "{{"}, "system_prompt", "template_syntax"),
            ({"model": "gpt 4"}, "model", "invalid_format"),
            ({"temperature": 2.1}, "temperature", "out_of_range"),
            ({"temperature": True}, "temperature", "wrong_type"),
            ({"max_tokens": 0}, "max_tokens", "out_of_range"),
            ({"output_schema": []}, "output_schema", "wrong_type"),
            ({"output_schema": {"type": "strin"}}, "output_schema.type", "invalid_schema"),
            ({"output_schema": {"a": "string"}}, "output_schema.a", "invalid_schema"),
            ({"output_schema": {"$ref": "http://x/y"}}, "output_schema.$ref", "invalid_schema"),
            ({"output_schema": {}, "output_format": "text"}, "output_format", "conflict"),
            ({"template": "x"}, "template", "unknown_field"),
        ],
    )
    def test_a_wrong_value_is_refused_at_its_path(self, fields, path, code):
        assert errors(step(**fields)) == [(f"steps[0].{path}", code)]

    @pytest.mark.parametrize(
        "step_type",
        ["agent", "pipeline"],
    )
    def test_a_type_of_later_versions_is_refused_by_name(self, step_type):
        issue = only(small(steps=[{"id": "a", "type": step_type, "anything": 1}]))

        assert (issue.path, issue.code) == ("steps[0].type", "not_supported_yet")
        assert f"does not support the step type `{step_type}` yet" in issue.message

    @pytest.mark.parametrize(
        ("fields", "name"),
        [
            ({"agent": {}}, "agent"),
            ({"tools": []}, "tools"),
            ({"files": []}, "files"),
        ],
    )
    def test_a_field_of_later_versions_is_refused_by_name(self, fields, name):
        assert errors(step(**fields)) == [(f"steps[0].{name}", "not_supported_yet")]

    def test_ids_are_unique(self):
        two = [{"id": "a", "prompt": "x"}, {"id": "a", "prompt": "y"}]

        assert errors(small(steps=two)) == [("steps[1].id", "duplicate")]


class TestTransform:
    def transform(self, **fields) -> dict:
        return small(steps=[{"id": "a", "type": "transform", **fields}])

    def test_prompt_is_another_name_of_template(self):
        for name in ("prompt", "template"):
            (made,) = compile_document(self.transform(**{name: "Hi"})).steps
            assert isinstance(made.spec, TransformSpec)
            assert isinstance(made.spec.make, Template)
            assert made.spec.make.source == "Hi"

    def test_both_names_at_once_are_refused(self):
        assert errors(self.transform(prompt="a", template="b")) == [("steps[0].prompt", "conflict")]

    def test_one_is_required(self):
        assert errors(self.transform()) == [("steps[0].template", "required")]


class TestCompileDocument:
    def test_a_bad_document_raises_with_its_issues(self):
        with pytest.raises(InvalidDefinition, match=r"`steps\[0\]\.modle`") as caught:
            compile_document(step(modle="x"))

        assert isinstance(caught.value, Invalid)
        assert caught.value.code == "invalid_definition"
        assert caught.value.issues[0].code == "unknown_field"

    def test_an_error_of_the_whole_document_has_no_path(self):
        with pytest.raises(
            InvalidDefinition, match=r"cannot be run\. A definition must be an object"
        ):
            compile_document([])  # pyright: ignore[reportArgumentType] -- what is stored may be anything


@pytest.mark.slow
class TestHostileDocuments:
    @pytest.mark.parametrize(
        "text",
        [
            "".join(f"k{n}: 1\n" for n in range(22_000)),
            "name: x\nvariables:\n" + "".join(f"  k{n}: 1\n" for n in range(10_000))
            + "steps:\n- id: a\n  prompt: '" + "{{vars.q}}" * 9_000 + "'",
            "name: x\nvariables:\n" + "".join(f"  k-{n}: 1\n" for n in range(18_000)),
            "name: x\nsteps:\n" + "- {id: a}\n" * 26_000,
            "name: x\ninput:\n  schema:\n" + "".join(f"    f{n}: {{type: string}}\n" for n in range(8_000)),
            "name: x\ninput:\n  schema:\n"
            + "".join(f"    f{n}: {{type: string, default: a, pattern: '[a-z]{{1,900}}'}}\n" for n in range(4_000)),
            "name: x\ninput:\n  schema:\n" + "".join(f"    f{n}: x\n" for n in range(14_000)),
            "name: x\ninput:\n  schema:\n    properties:\n"
            + "".join(f"      f{n}: {{pattern: '[a-z0-9]{{1,900}}{n}'}}\n" for n in range(4_000)),
            "name: x\ninput:\n  schema:\n    a: {type: string, enum: [" + "1," * 100_000 + "]}",
            "name: x\nsteps:\n" + "".join(
                f"- {{id: a{n}, prompt: '" + "{{steps.zz}}" * 150 + "'}\n" for n in range(100)
            ),
        ],
    )  # fmt: skip
    def test_a_large_bad_document_is_refused_within_a_second(self, text):
        with cpu_limit(1):
            loaded = load(text, SourceFormat.YAML)

        assert loaded.errors


WORDS = st.sampled_from(
    ["name", "steps", "id", "type", "prompt", "template", "llm", "transform", "a", "b", "input", "schema", "output",
     "from", "variables", "retry", "max_attempts", "string", "required", "{{input.a}}", "{{steps.a.output.b}}",
     "{{env.K}}", "{{", "output_schema", "$ref", "#", "properties", "timeout_seconds", "default", "enum", "pattern"]
)  # fmt: skip
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.floats(0, 3) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=25,
)


class TestAnything:
    @given(
        DOCUMENTS
        | st.fixed_dictionaries(
            {"name": WORDS, "steps": st.lists(DOCUMENTS, max_size=3), "input": DOCUMENTS}
        )
    )
    def test_any_data_loads_or_has_errors(self, document):
        loaded = load_document(document)

        assert (loaded.definition is None) == bool(loaded.errors)
        for issue in loaded.errors:
            assert issue.code
            assert issue.message.endswith((".", "?"))

    @given(DOCUMENTS)
    def test_any_text_has_placed_errors(self, document):
        for source_format in SourceFormat:
            for issue in load(json.dumps(document, indent=1), source_format).errors:
                assert issue.line
                assert issue.column


class TestSecretsNamed:
    @staticmethod
    def document(count):
        names = " ".join(f"{{{{env.KEY_{number}}}}}" for number in range(count))
        return {"name": "X", "steps": [{"id": "a", "type": "transform", "template": names}]}

    def test_a_hundred_are_taken(self):
        loaded = load_document(self.document(100))

        assert loaded.definition is not None
        assert len(loaded.definition.secret_names) == 100

    def test_more_are_refused(self):
        loaded = load_document(self.document(101))

        assert [issue.code for issue in loaded.errors] == ["too_many_secrets"]
        assert "101 secrets" in loaded.errors[0].message
