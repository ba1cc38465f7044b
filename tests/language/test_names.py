from typing import Any

import pytest

from stepiq.core.errors import Issue
from stepiq.core.json import Json
from stepiq.language.definitions.loading import load_document

DOCUMENT: dict[str, Any] = {
    "name": "Names",
    "variables": {"tone": "calm"},
    "input": {"schema": {"topic": {"type": "string"}, "tags": {"type": "array"}}},
    "steps": [
        {"id": "first", "prompt": "x"},
        {"id": "data", "prompt": "x", "output_format": "json"},
        {"id": "here", "prompt": "x"},
        {"id": "last", "prompt": "x"},
    ],
}


def check(text: str, document=DOCUMENT) -> tuple[Issue, ...]:
    steps: list[Any] = [dict(step) for step in document["steps"]]
    steps[2]["prompt"] = text
    return load_document({**document, "steps": steps}).errors


class TestCheckTemplates:
    @pytest.mark.parametrize(
        "text",
        [
            "{{input.topic}}",
            "{{json input}}",
            "{{input.tags.0.x}}",
            "{{vars.tone}}",
            "{{json vars}}",
            "{{variables.tone}}",
            "{{steps.first.output}}",
            "{{steps.first.status}}",
            "{{json steps.first}}",
            "{{json steps}}",
            "{{json this}}",
            "{{steps.data.output.a.b}}",
            "{{default steps.first.output.a 'x'}}",
            "{{run.id}}{{run.trigger_type}}{{run.started_at}}",
            "{{json run}}",
            "{{env.KEY}}",
            "{{#each input.tags}}{{anything.at.all}}{{/each}}",
        ],
    )
    def test_a_name_that_means_something_is_accepted(self, text):
        assert check(text) == ()

    @pytest.mark.parametrize(
        ("text", "code", "message"),
        [
            ("{{input.topi}}", "unknown_input", "Did you mean `topic`?"),
            ("{{#if input.x}}{{/if}}", "unknown_input", "has no field `x`"),
            ("{{zzz}}", "unknown_name", "Use one of `env`, `input`, `run`, `steps`, `vars`."),
            ("{{steps.z.output}}", "unknown_step", "Use one of `data`, `first`."),
            ("{{input.topic.x}}", "no_such_field", "`input.topic` has the type string"),
            (
                "{{input.topic.length}}",
                "no_such_field",
                "no fields. Its length is `{{length input.topic}}`.",
            ),
            ("{{output}}", "unknown_name", "`output` does not exist. Did you mean `steps`?"),
            ("{{vars.tune}}", "unknown_variable", "Did you mean `tone`?"),
            ("{{vars.tone.x}}", "no_such_field", "single value"),
            ("{{steps.frist.output}}", "unknown_step", "Did you mean `first`?"),
            ("{{steps.here.output}}", "step_not_before", "cannot read its own output"),
            ("{{steps.last.output}}", "step_not_before", "runs after this one"),
            ("{{steps.first.result}}", "no_such_field", "Use `steps.first.output`"),
            ("{{steps.first.outpt}}", "no_such_field", "A step has no field `outpt`"),
            ("{{steps.first.status.x}}", "no_such_field", "is a string, so it has no fields"),
            ("{{steps.first.output.x}}", "no_such_field", "`output_format: json`"),
            ("{{run.name}}", "unknown_name", "Use one of `id`"),
            ("{{run.id.x}}", "no_such_field", "single value"),
            ("{{inputs.topic}}", "unknown_name", "Did you mean `input`?"),
            ("{{item}}", "unknown_name", "only inside a `for_each`"),
            ("{{topic}}", "unknown_name", "Write `input.topic`"),
            ("{{tone}}", "unknown_name", "Write `vars.tone`"),
            ("{{first}}", "unknown_name", "Write `steps.first.output`"),
            ("{{zzzzzz}}", "unknown_name", "Use one of `env`"),
            (
                "{{#with steps}}{{nope.output}}{{/with}}",
                "unknown_step",
                "Step `nope` does not exist",
            ),
        ],
    )
    def test_a_name_that_means_nothing_is_an_error_of_the_definition(self, text, code, message):
        (issue,) = check(text)

        assert (issue.path, issue.code) == ("steps[2].prompt", code)
        assert message in issue.message

    def test_the_length_of_an_input_is_written_as_in_expressions_in_a_condition(self):
        steps = [*DOCUMENT["steps"], {"id": "z", "prompt": "x", "if": "input.topic.length > 5"}]

        (issue,) = check("x", {**DOCUMENT, "steps": steps})

        assert issue.message.endswith("so it has no fields. Its length is `size(input.topic)`.")

    def test_a_fallback_for_what_can_never_be_there_is_a_warning(self):
        steps: list[Json] = [
            {"id": "a", "prompt": "x"},
            {"id": "b", "prompt": "{{default steps.a.output.x 1}}"},
        ]

        loaded = load_document({"name": "x", "steps": steps})

        assert loaded.definition is not None
        assert [(w.path, w.code) for w in loaded.warnings] == [("steps[1].prompt", "never_present")]

    def test_without_a_declared_input_any_field_may_come(self):
        document = {**DOCUMENT, "input": {"schema": {"type": "object", "properties": {"a": {}}}}}

        assert check("{{input.whatever.x}}", document) == ()

    def test_without_variables_there_are_none_to_suggest(self):
        (issue,) = check("{{vars.x}}", {**DOCUMENT, "variables": {}})

        assert "Add it to `variables`." in issue.message

    def test_many_names_are_counted_instead_of_compared(self):
        variables = {f"v{n}": n for n in range(201)}

        (issue,) = check("{{vars.x}}", {**DOCUMENT, "variables": variables})

        assert "There are 201 other names." in issue.message

    def test_a_long_list_of_names_is_cut(self):
        variables = {f"v{n}": n for n in range(30)}

        (issue,) = check("{{vars.qqqq}}", {**DOCUMENT, "variables": variables})

        assert issue.message.endswith("`v26`, ….")

    def test_a_name_in_a_set_is_checked_beside_an_expression_that_does_not_compile(self):
        steps: list[Json] = [
            {"id": "a", "type": "transform", "set": {"x": "1 +", "y": "steps.b.output"}},
            {"id": "b", "prompt": "x"},
        ]

        errors = load_document({"name": "x", "steps": steps}).errors

        assert [(e.path, e.code) for e in errors][1:] == [("steps[0].set.y", "step_not_before")]

    def test_a_step_that_is_refused_for_its_type_can_be_named(self):
        steps: list[Json] = [
            {"id": "gate", "type": "pipeline"},
            {"id": "b", "prompt": "{{json steps.gate.output}}"},
        ]

        codes = [e.code for e in load_document({"name": "x", "steps": steps}).errors]

        assert codes == ["not_supported_yet"]
