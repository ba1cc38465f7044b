"""What each type of step may say, and how steps lead to one another."""

from datetime import timedelta
from typing import Any

import pytest

from stepiq.language.definitions.loading import compile_document, load_document
from stepiq.steps.code.spec import CodeSpec
from stepiq.steps.condition.spec import ConditionSpec
from stepiq.steps.human_review.spec import ReviewSpec
from stepiq.steps.parallel.spec import ParallelSpec
from stepiq.steps.transform.spec import Match, TransformSpec
from stepiq.steps.wait.spec import WaitSpec
from stepiq.steps.webhook.spec import WebhookSpec

TEXT = {"type": "transform", "template": "x"}
GOTO = [{"if": "true", "goto": "b"}]


def document(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "Small", "steps": list(steps), **fields}


def errors(*steps: dict[str, Any]) -> list[tuple[str, str]]:
    return [(issue.path, issue.code) for issue in load_document(document(*steps)).errors]


def message(*steps: dict[str, Any]) -> str:
    (issue,) = load_document(document(*steps)).errors
    return issue.message


def spec(**fields: Any) -> Any:
    return compile_document(document({"id": "a", **fields})).steps[0].spec


class TestResults:
    @pytest.mark.parametrize(
        ("fields", "can_be_given"),
        [
            ({"prompt": "x"}, True),
            ({"type": "webhook", "url": "https://example.com"}, True),
            (TEXT, False),
        ],
    )
    def test_a_test_can_give_those_of_steps_that_act_outside_the_process(
        self, fields, can_be_given
    ):
        assert spec(**fields).can_be_given is can_be_given


class TestTypes:
    @pytest.mark.parametrize(
        ("fields", "found"),
        [
            ({"type": "condition"}, [("cases", "required")]),
            ({"type": "condition", "cases": [1]}, [("cases[0]", "wrong_type")]),
            ({"type": "condition", "cases": [{"if": "true"}]}, [("cases[0].goto", "required")]),
            ({"type": "condition", "cases": [{"if": "1", "goto": "end"}]}, [("cases[0].if", "wrong_type")]),
            ({"type": "condition", "cases": [{"if": "(", "goto": "end"}]}, [("cases[0].if", "expression_syntax")]),
            ({"prompt": "x", "on_condition": ["x"]}, [("on_condition[0]", "wrong_type")]),
            ({"prompt": "x", "on_error": "stop"}, [("on_error", "not_allowed")]),
            ({"prompt": "x", "on_error": {}}, [("on_error.goto", "required")]),
            ({"prompt": "x", "if": 5}, [("if", "wrong_type")]),
            ({"prompt": "x", "if": "'text'"}, [("if", "wrong_type")]),
            ({"prompt": "x", "fallback_models": [None]}, [("fallback_models[0]", "wrong_type")]),
            ({"prompt": "x", "fallback_models": ["a b"]}, [("fallback_models[0]", "invalid_format")]),
            ({"type": "transform", "extract": "$.a", "set": {"a": "1"}}, [("set", "conflict")]),
            ({"type": "transform", "template": "x", "prompt": "y"}, [("prompt", "conflict")]),
            ({"type": "transform", "template": "x", "input": "1"}, [("input", "conflict")]),
            ({"type": "transform", "set": {"a": "1"}, "first": True}, [("first", "conflict")]),
            ({"type": "transform", "extract": "$["}, [("extract", "jsonpath_syntax")]),
            ({"type": "transform", "extract": 5}, [("extract", "wrong_type")]),
            ({"type": "transform", "regex": 5}, [("regex", "wrong_type")]),
            ({"type": "transform", "regex": {}}, [("regex.pattern", "required")]),
            ({"type": "transform", "regex": {"pattern": "("}}, [("regex.pattern", "pattern_syntax")]),
            ({"type": "transform", "regex": {"pattern": "a", "group": 1}}, [("regex.group", "not_allowed")]),
            ({"type": "transform", "regex": {"pattern": "a", "group": "x"}}, [("regex.group", "not_allowed")]),
            ({"type": "transform", "regex": {"pattern": "a", "replace": "\\5"}}, [("regex.replace", "pattern_syntax")]),
            ({"type": "transform", "regex": {"pattern": "a", "all": True, "group": 0}}, [("regex.all", "conflict")]),
            ({"type": "transform", "set": {"a": "(", "b": ")"}}, [("set.a", "expression_syntax"), ("set.b", "expression_syntax")]),
            ({"type": "transform", "set": {"a": {"b": [{"c": "x" * 1_999}] * 21}}}, [("set", "too_long")]),
            ({"type": "wait"}, [("seconds", "required")]),
            ({"type": "wait", "seconds": 1, "until": "x"}, [("until", "conflict")]),
            ({"type": "wait", "seconds": 2_592_001}, [("seconds", "out_of_range")]),
            ({"type": "wait", "seconds": 1, "timeout_seconds": 5}, [("timeout_seconds", "conflict")]),
            ({"type": "human_review"}, [("message", "required")]),
            ({"type": "human_review", "message": "x", "on_reject": "x"}, [("on_reject", "not_allowed")]),
            ({"type": "human_review", "message": "x", "on_reject": {}}, [("on_reject.goto", "required")]),
            ({"type": "human_review", "message": "x", "assignees": ["no"]}, [("assignees[0]", "invalid_format")]),
            ({"type": "webhook"}, [("url", "required")]),
            ({"type": "webhook", "url": "https://a.b", "method": "GET", "body": "x"}, [("body", "conflict")]),
            ({"type": "webhook", "url": "https://a.b", "body": 5}, [("body", "wrong_type")]),
            ({"type": "webhook", "url": "https://a.b", "body": ["{{"]}, [("body[0]", "template_syntax")]),
            ({"type": "webhook", "url": "https://a.b", "expect_status": "x"}, [("expect_status", "invalid_format")]),
            ({"type": "webhook", "url": "https://a.b", "headers": {"Host": "x"}}, [("headers.Host", "not_allowed")]),
            ({"type": "webhook", "url": "https://a.b", "headers": {"Idempotency-Key": "x"}}, [("headers.Idempotency-Key", "not_allowed")]),
            ({"type": "code"}, [("language", "required"), ("source", "required")]),
            ({"type": "code", "language": "python", "source": "def main(:"}, [("source", "code_syntax")]),
            ({"type": "code", "language": "javascript", "source": "let x = 1"}, [("source", "code_syntax")]),
            ({"type": "code", "language": "python", "source": "def main(i): return 1", "timeout_seconds": 31}, [("timeout_seconds", "out_of_range")]),
            ({"type": "code", "language": "python", "source": "def main(i): return 1", "input": {"a": "("}}, [("input.a", "expression_syntax")]),
            ({"type": "code", "language": "python", "source": "def main(i): return 1", "input": {f"n{n}": "1" for n in range(51)}}, [("input", "too_long")]),
            ({"type": "parallel"}, [("steps", "required")]),
            ({"type": "parallel", "step": {"id": "b", **TEXT}}, [("step", "conflict")]),
            ({"type": "parallel", "for_each": "[1]"}, [("step", "required")]),
            ({"type": "parallel", "for_each": "[1]", "step": {"id": "b", **TEXT}, "steps": [{"id": "c", **TEXT}]}, [("steps", "conflict")]),
            ({"type": "parallel", "steps": [{"id": "b", "steps": None}]}, [("steps[0].steps", "required")]),
            ({"type": "parallel", "steps": [5]}, [("steps[0]", "wrong_type")]),
            ({"type": "parallel", "steps": [{"id": "a", **TEXT}]}, [("steps[0].id", "duplicate")]),
            ({"type": "parallel", "steps": [{"id": "r", "type": "human_review", "message": "x"}]}, [("steps[0].type", "not_supported_yet")]),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_refused_at_its_place(self, fields, found):
        told = [(f"steps[0].{path}", code) for path, code in found]

        assert errors({"id": "a", **fields}) == told

    def test_a_condition(self):
        made = spec(type="condition", cases=[{"if": "true", "goto": "end"}])

        assert isinstance(made, ConditionSpec)
        assert (made.cases[0].jump.target, made.otherwise.target) == ("end", "next")

    def test_a_pattern(self):
        made = spec(type="transform", regex={"pattern": "(?P<n>a)", "group": "n"})

        assert isinstance(made, TransformSpec)
        assert isinstance(made.make, Match)
        assert made.make.group == "n"

    def test_a_wait_until(self):
        made = spec(type="wait", until="{{run.started_at}}")

        assert isinstance(made, WaitSpec)
        assert made.length is None

    def test_a_review(self):
        made = spec(type="human_review", message="x")

        assert isinstance(made, ReviewSpec)
        assert (made.wait, made.editable, made.on_reject) == (timedelta(days=3), False, None)

    @pytest.mark.parametrize(
        ("fields", "method", "statuses"),
        [
            ({}, "GET", None),
            ({"body": {"a": 1}}, "POST", None),
            ({"method": "DELETE", "expect_status": 204}, "DELETE", (204,)),
            ({"expect_status": [200.0, 404]}, "GET", (200, 404)),
        ],
    )
    def test_a_call(self, fields, method, statuses):
        made = spec(type="webhook", url="https://a.b", **fields)

        assert isinstance(made, WebhookSpec)
        assert (made.method, made.expect_status) == (method, statuses)

    def test_code(self):
        made = spec(
            type="code", language="python", source="def main(i): return i", input={"a": "1"}
        )

        assert isinstance(made, CodeSpec)
        assert [name for name, _ in made.input or ()] == ["a"]

    def test_branches(self):
        made = spec(
            type="parallel",
            steps=[{"id": "b", **TEXT}, {"id": "c", "steps": [{"id": "d", **TEXT}]}],
        )

        assert isinstance(made, ParallelSpec)
        assert [branch.id for branch in made.branches] == ["b", "c"]

    @pytest.mark.parametrize(
        "body", [{"step": {"id": "b", **TEXT}}, {"steps": [{"id": "b", **TEXT}]}]
    )
    def test_items(self, body):
        made = spec(type="parallel", for_each="[1]", **body)

        assert isinstance(made, ParallelSpec)
        assert [step.id for step in made.body] == ["b"]

    def test_parallel_steps_nest_three_deep(self):
        inner: dict[str, Any] = {"id": "leaf", **TEXT}
        for depth in range(3):
            inner = {"id": f"p{depth}", "type": "parallel", "steps": [inner]}

        assert errors(inner) == []
        assert errors({"id": "more", "type": "parallel", "steps": [inner]}) == [
            ("steps[0].steps[0].steps[0].steps[0]", "too_deep")
        ]

    def test_steps_inside_others_are_counted(self):
        branches = [
            {
                "id": f"p{n}",
                "type": "parallel",
                "steps": [{"id": f"s{n}_{m}", **TEXT} for m in range(20)],
            }
            for n in range(5)
        ]

        assert errors(*branches) == [("steps", "too_long")]

    def test_all_expressions_together_have_a_bound(self):
        long = "'" + "x" * 1_900 + "' == ''"
        steps = [{"id": f"s{n}", **TEXT, "if": long} for n in range(21)]

        assert errors(*steps) == [("steps[20].if", "too_long")]

    @pytest.mark.parametrize(
        "waiting",
        [
            {"type": "human_review", "message": "x"},
            {"type": "human_review", "message": "x", "timeout_seconds": 30 * 86_400},
            {"type": "wait", "seconds": 30 * 86_400},
            {"type": "wait", "until": "{{input.until}}"},
        ],
    )
    def test_a_run_that_waits_has_time_for_it_by_default(self, waiting):
        steps = document({"id": "a", **waiting})

        assert load_document(steps).warnings == ()
        assert compile_document(steps).timeout == timedelta(days=30)

    def test_a_run_that_does_not_wait_has_a_day(self):
        assert compile_document(document({"id": "a", **TEXT})).timeout == timedelta(days=1)

    def test_a_wait_longer_than_the_time_limit_of_the_run_is_a_warning(self):
        steps = (
            {"id": "a", "type": "wait", "seconds": 90_000},
            {"id": "b", "type": "human_review", "message": "x"},
        )

        (warning,) = load_document(document(*steps, timeout_seconds=86_400)).warnings

        assert (warning.code, warning.path) == ("ends_before_wait", "timeout_seconds")
        assert warning.message == (
            "The time limit of a run is 86,400 seconds, including waits, but the step `b` can wait 259,200. "
            "Set `timeout_seconds: 345600`, or shorten the wait."
        )
        assert load_document(document(*steps, timeout_seconds=259_200)).warnings == ()


class TestJumps:
    @pytest.mark.parametrize("target", ["a", "b", "next", "end"])
    def test_they_lead_to_steps_of_the_same_sequence(self, target):
        steps = ({"id": "a", **TEXT, "on_error": {"goto": target}}, {"id": "b", **TEXT})

        assert errors(*steps) == []

    def test_to_what_is_not_there_they_do_not(self):
        steps = ({"id": "a", **TEXT, "on_error": {"goto": "bb"}}, {"id": "b", **TEXT})

        assert errors(*steps) == [("steps[0].on_error.goto", "unknown_step")]
        assert message(*steps).startswith("Step `bb` does not exist.")

    def test_nor_out_of_their_sequence(self):
        inner = {"id": "c", **TEXT, "on_condition": GOTO}
        steps = ({"id": "p", "type": "parallel", "steps": [inner]}, {"id": "b", **TEXT})

        assert errors(*steps) == [("steps[0].steps[0].on_condition[0].goto", "jump_leaves")]

    def test_a_step_that_is_called_end_cannot_be_jumped_to(self):
        steps = ({"id": "a", **TEXT, "on_error": {"goto": "end"}}, {"id": "end", **TEXT})

        assert errors(*steps) == [("steps[0].on_error.goto", "conflict")]


ENDING = {"id": "a", "type": "condition", "cases": [{"if": "true", "goto": "end"}], "else": "end"}


def reading(expression: str, **more: Any) -> dict[str, Any]:
    return {"id": "reader", "type": "transform", "set": {"x": expression}, **more}


class TestNames:
    def test_a_loop_lets_a_step_see_itself_and_what_follows(self):
        steps = (
            reading("steps.later.output == null && steps.reader.output == null"),
            {"id": "later", **TEXT, "on_condition": [{"if": "true", "goto": "reader"}]},
        )

        assert errors(*steps) == []

    @pytest.mark.parametrize(
        ("expression", "said"),
        [
            ("steps.later.output", "runs after this one"),
            ("steps.reader.output", "cannot read its own output"),
            ("steps.inner.output", "runs inside `p`. Outside of `p`, use `steps.p.output`."),
            ("item", "exists only inside a `for_each`"),
            ("steps.hook.output.bdy", "The output of step `hook` has no field `bdy`. Did you mean `body`?"),
            ("steps.branch_later.output", "runs after this one"),
        ],
    )  # fmt: skip
    def test_what_no_way_leads_from_cannot_be_read(self, expression, said):
        steps = (
            {"id": "hook", "type": "webhook", "url": "https://a.b"},
            {"id": "p", "type": "parallel", "for_each": "[1]", "step": {"id": "inner", **TEXT}},
            reading(expression),
            {"id": "later", **TEXT},
            {
                "id": "q",
                "type": "parallel",
                "steps": [{"id": "branch_later", "steps": [{"id": "z", **TEXT}]}],
            },
        )

        assert said in message(*steps)

    @pytest.mark.parametrize("more", [{}, {"on_error": {"goto": "a"}}])
    @pytest.mark.parametrize("is_inside", [False, True])
    def test_an_earlier_step_that_leads_elsewhere_is_not_called_later(self, more, is_inside):
        step = reading("steps.a.output.goto")

        found = message(
            {**ENDING, **more},
            {"id": "p", "type": "parallel", "steps": [step]} if is_inside else step,
        )

        assert (
            "Step `a` never runs before this one, because no path leads from it to this step."
            in found
        )

    def test_a_jump_that_goes_on_at_its_limit_leads_to_the_next_step(self):
        jump = {"goto": "a", "on_limit": "next"}

        assert errors({**ENDING, "on_error": jump}, reading("steps.a.output.goto")) == []

    def test_a_branch_of_several_steps_may_have_the_type_null(self):
        branch = {"id": "b", "type": None, "steps": [{"id": "c", **TEXT}]}
        steps = ({"id": "p", "type": "parallel", "steps": [branch]}, reading("steps.b.output"))

        assert errors(*steps) == []

    def test_from_inside_a_branch_later_ones_are_later_too(self):
        steps = (
            {"id": "p", "type": "parallel", "steps": [reading("steps.b.output")]},
            {"id": "q", "type": "parallel", "steps": [{"id": "b", "steps": [{"id": "z", **TEXT}]}]},
        )

        assert "runs after this one" in message(*steps)

    def test_of_very_many_wrong_jumps_some_are_told(self):
        cases = [{"if": "true", "goto": "nowhere"}] * 50
        steps = [{"id": f"s{n}", **TEXT, "on_condition": cases} for n in range(5)]

        assert len(errors(*steps)) == 101

    @pytest.mark.parametrize(
        "sibling", [{"id": "b", **TEXT}, {"id": "b", "steps": [{"id": "d", **TEXT}]}]
    )
    def test_a_branch_sees_no_other(self, sibling):
        steps = ({"id": "p", "type": "parallel", "steps": [reading("steps.b.output"), sibling]},)

        assert "is in another branch" in message(*steps)

    def test_a_branch_sees_what_is_before_it_inside_and_outside(self):
        branch = {
            "id": "b",
            "steps": [{"id": "c", **TEXT}, reading("steps.c.output + steps.a.output")],
        }
        steps = ({"id": "a", **TEXT}, {"id": "p", "type": "parallel", "steps": [branch]})

        assert errors(*steps) == []

    def test_items_are_seen_in_nested_bodies_too(self):
        body = {"id": "q", "type": "parallel", "steps": [reading("string(index) + string(item)")]}
        steps = ({"id": "p", "type": "parallel", "for_each": "[1]", "step": body},)

        assert errors(*steps) == []

    def test_branches_are_seen_behind_and_by_targets(self):
        steps = (
            {"id": "p", "type": "parallel", "steps": [{"id": "b", "steps": [{"id": "c", **TEXT}]}]},
            reading("steps.b.output"),
        )
        whole = document(*steps, output={"from": "b"})

        assert load_document(whole).errors == ()

    def test_on_condition_sees_its_own_step(self):
        case = {"if": "steps.a.output == 'x'", "goto": "end"}

        assert errors({"id": "a", **TEXT, "on_condition": [case]}) == []
