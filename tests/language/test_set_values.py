from typing import Any

import pytest

from stepiq.core.json import Json, as_object
from stepiq.language.expressions import ExpressionError
from stepiq.language.expressions.values import EvaluationMeter
from stepiq.language.templates import OverBudget
from stepiq.steps.transform.set_values import Setting, SettingInvalid

CONTEXT: dict[str, Any] = {
    "input": {"items": [{"n": 1}, {"n": 2}], "text": "{{env.KEY}}", "big": "x" * 300_000},
    "vars": {"limit": 8},
}


def problems(value: Json) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(SettingInvalid) as caught:
        Setting.compile(value)
    assert str(caught.value)
    return [(problem.path, problem.error.message) for problem in caught.value.problems]


class TestCompile:
    def test_texts_are_expressions_with_their_paths(self):
        setting = Setting.compile(
            {"a": "input.items", "b": [1, "vars.limit", {"c": "'x'"}], "d": None, "e": True}
        )

        assert {path: expression.source for path, expression in setting.expressions.items()} == {
            ("a",): "input.items",
            ("b", 1): "vars.limit",
            ("b", 2, "c"): "'x'",
        }

    def test_all_that_is_wrong_is_told_at_once(self):
        found = problems({"a": "1 +", "b": ["1", "topic"], "c": {"d": ""}})

        assert [path for path, _ in found] == [("a",), ("b", 1), ("c", "d")]
        assert "a value is missing at its end" in found[0][1]

    def test_a_problem_has_the_text_and_the_place_in_it(self):
        with pytest.raises(SettingInvalid) as caught:
            Setting.compile({"a": "1 = 2"})

        (problem,) = caught.value.problems
        assert (problem.source, problem.error.line, problem.error.column) == ("1 = 2", 1, 3)

    @pytest.mark.parametrize("value", ["input.a", 1, None, True])
    def test_it_is_an_object_or_a_list(self, value):
        assert "an object or a list" in problems(value)[0][1]

    @pytest.mark.parametrize("value", [["1"] * 201, ["'" + "x" * 1_900 + "'"] * 11])
    def test_there_is_a_most_of_expressions_and_of_text(self, value):
        assert "at most 200 expressions, with 20,000 characters in total" in problems(value)[0][1]


class TestEvaluate:
    def test_every_expression_gives_way_to_its_value(self):
        setting = Setting.compile(
            {
                "n": "size(input.items)",
                "list": ["input.items.map(i, i.n * 2)", 3, None],
                "text": "input.text",
                "x": {"y": False},
            }
        )

        assert setting.evaluate(CONTEXT) == {
            "n": 2,
            "list": [[2, 4], 3, None],
            "text": "{{env.KEY}}",
            "x": {"y": False},
        }

    def test_a_list_stays_a_list(self):
        assert Setting.compile(["vars.limit", "1 + 1"]).evaluate(CONTEXT) == [8, 2]

    @pytest.mark.parametrize(
        ("value", "place"), [({"a": {"b": "input.nope"}}, "set.a.b"), (["input.nope"], "set[0]")]
    )
    def test_a_failure_names_its_place(self, value, place):
        with pytest.raises(ExpressionError) as caught:
            Setting.compile(value).evaluate(CONTEXT)

        assert caught.value.field == place
        assert caught.value.message.startswith("`input.nope` cannot be evaluated: ")

    def test_the_result_has_a_longest_length(self):
        with pytest.raises(ExpressionError) as caught:
            Setting.compile([*["input.big"] * 4]).evaluate(CONTEXT)

        assert caught.value.field == "set[3]"
        assert caught.value.message == (
            "`input.big` cannot be evaluated: the combined result of `set` is larger than "
            "1,048,576 bytes. Select less data."
        )

    def test_names_are_a_part_of_the_length(self):
        with pytest.raises(ExpressionError) as caught:
            Setting.compile([{"n" * 200_000: 1}, *["input.big"] * 3]).evaluate(CONTEXT)

        assert caught.value.field == "set[3]"

    def test_values_that_are_passed_on_are_work(self):
        setting = Setting.compile([*["input.list"] * 20])
        context: dict[str, Any] = {"input": {"list": [[1]] * 400}}

        with pytest.raises(OverBudget):
            setting.evaluate(context, meter=EvaluationMeter(budget=500))

        assert setting.evaluate(context) == [[[1]] * 400] * 20

    def test_all_expressions_share_the_work_they_may_do(self):
        numbers = "[" + ",".join("1" * 90) + "]"
        busy = f"{numbers}.map(x, {numbers}.map(y, x)).size()"
        assert Setting.compile([busy]).evaluate({}) == [90]

        with pytest.raises(ExpressionError, match="more than 300,000 operations"):
            Setting.compile([*[busy] * 40]).evaluate({})

    def test_no_context_is_changed(self):
        setting = Setting.compile({"a": "input.items", "b": "[input.items]"})

        made = as_object(setting.evaluate(CONTEXT))

        assert made["a"] is CONTEXT["input"]["items"]
        assert CONTEXT["input"]["items"] == [{"n": 1}, {"n": 2}]
