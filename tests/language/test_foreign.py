"""Template syntax of other tools, and values in quotes, in whole definitions."""

import pytest

from stepiq.language.definitions.loading import load
from stepiq.language.definitions.names import MAX_FOUND
from stepiq.language.documents.source import SourceFormat
from stepiq.language.fields.reader import MAX_PROBLEMS

TREATED_AS_TEXT = ", so it is treated as plain text"
KINDS = "${input.a} ${input.b} ${input.c} ${input.d} ${input.e} ${input.f}"


def found(text: str):
    loaded = load(text, SourceFormat.YAML)
    return loaded.errors, loaded.warnings


def steps(count: int, template: str) -> str:
    lines = [
        f"  - {{id: a{number}, type: transform, template: '{template}'}}" for number in range(count)
    ]
    return "\n".join(["name: A", "variables: {who: you}", "steps:", *lines])


class TestFind:
    @pytest.mark.parametrize(
        "text", ["${input.a}", "{input.a}", "{% if x %}", "{# x #}", "<% x %>"]
    )
    def test_a_url_with_it_is_refused_and_not_treated_as_text(self, text):
        url = f"https://example.com/{text}"
        refused, _ = found(
            f"name: A\nsteps:\n  - {{id: a, type: webhook, url: '{url}', method: GET}}"
        )
        _, [warning] = found(steps(1, text))

        assert TREATED_AS_TEXT in warning.message
        [error] = [each for each in refused if each.code == "other_template_syntax"]
        assert error.message == warning.message.replace(TREATED_AS_TEXT, "")

    def test_one_template_gets_a_few_warnings(self):
        _, warnings = found(steps(1, KINDS))

        assert [each.code for each in warnings] == ["other_template_syntax"] * MAX_FOUND

    def test_a_definition_gets_a_limited_number(self):
        _, warnings = found(steps(90, KINDS))

        assert len(warnings) <= MAX_PROBLEMS

    def test_a_variable_is_named_as_templates_name_it(self):
        _, [warning] = found(steps(1, "${who}"))

        assert "Write `{{vars.who}}`." in warning.message
