"""Which steps run, in which order, and what they see."""

import pytest

from tests.support.engine import Ended, World

pytestmark = pytest.mark.one_store

LOOP = """
name: Loop
steps:
  - id: count
    type: transform
    set: {n: "steps.count.output == null ? 1 : steps.count.output.n + 1"}
  - id: again
    type: transform
    template: "{{steps.count.output.n}}"
    on_condition:
      - {if: steps.count.output.n < LIMIT, goto: count, max_loops: LOOPS, on_limit: WHAT}
  - {id: done, type: transform, template: "counted to {{steps.count.output.n}}"}
"""


def loop(*, limit: int, loops: int = 10, what: str = "fail") -> str:
    return LOOP.replace("LIMIT", str(limit)).replace("LOOPS", str(loops)).replace("WHAT", what)


def ran(ended: Ended) -> list[str]:
    return [f"{row.step_id}:{row.iteration}:{row.status}" for row in ended.rows]


class TestIf:
    SKIP = """
        name: Skip
        input: {schema: {wanted: {type: boolean, default: false}}}
        steps:
          - {id: a, type: transform, template: first}
          - id: b
            type: transform
            if: input.wanted
            template: second
            on_condition: [{if: true, goto: end}]
          - {id: c, type: transform, template: "{{steps.b.status}}:{{steps.b.output}}"}
        """

    async def test_a_step_whose_condition_is_false_is_skipped_and_its_jumps_with_it(
        self, world: World
    ):
        ended = await world.run(self.SKIP, {"wanted": False})

        assert ran(ended) == ["a:1:completed", "b:1:skipped", "c:1:completed"]
        assert ended.run.output == "skipped:"

    async def test_one_whose_condition_is_true_runs(self, world: World):
        ended = await world.run(self.SKIP, {"wanted": True})

        assert ran(ended) == ["a:1:completed", "b:1:completed"]
        assert ended.run.output == "second"

    async def test_a_run_that_ends_with_a_skipped_step_gives_what_ran_last(self, world: World):
        ended = await world.run(
            "name: S\nsteps:\n  - {id: a, type: transform, template: kept}\n"
            "  - {id: b, type: transform, if: false, template: x}"
        )

        assert ended.run.output == "kept"

    async def test_a_condition_that_is_no_truth_value_fails_the_step(self, world: World):
        ended = await world.run(
            "name: S\nsteps: [{id: a, type: transform, if: run.id, template: x}]"
        )

        assert ended.run.error["code"] == "expression_error"
        assert ended.run.error["message"].startswith("Step `a`, `if`: ")


class TestOnCondition:
    async def test_a_jump_backwards_repeats_steps_until_it_is_not_made(self, world: World):
        ended = await world.run(loop(limit=3))

        assert ended.run.output == "counted to 3"
        assert ran(ended) == [
            "count:1:completed", "again:1:completed", "count:2:completed", "again:2:completed",
            "count:3:completed", "again:3:completed", "done:1:completed",
        ]  # fmt: skip

    async def test_used_up_loops_fail_the_run(self, world: World):
        ended = await world.run(loop(limit=9, loops=2))

        assert ended.run.error["code"] == "loop_limit"
        assert ended.run.error["step_id"] == "again"
        assert "has jumped back to" in ended.run.error["message"]

    async def test_or_let_it_go_on(self, world: World):
        ended = await world.run(loop(limit=9, loops=2, what="next"))

        assert ended.run.output == "counted to 3"

    async def test_events_say_where_a_step_led(self, world: World):
        ended = await world.run(loop(limit=2))

        led = [e.data.get("goto") for e in ended.events if e.data.get("step_id") == "again"]
        assert led == ["count", None]

    async def test_the_first_that_is_true_is_taken(self, world: World):
        ended = await world.run(
            """
            name: F
            steps:
              - id: a
                type: transform
                template: x
                on_condition:
                  - {if: steps.a.output == 'y', goto: b}
                  - {if: steps.a.output == 'x', goto: c}
                  - {if: true, goto: end}
              - {id: b, type: transform, template: b}
              - {id: c, type: transform, template: c}
            """
        )

        assert ran(ended) == ["a:1:completed", "c:1:completed"]

    async def test_a_condition_that_cannot_be_evaluated_fails_the_run_whatever_on_error_says(
        self, world: World
    ):
        ended = await world.run(
            """
            name: B
            steps:
              - id: a
                type: transform
                set: {x: "1"}
                on_error: continue
                on_condition: [{if: steps.a.output.y > 1, goto: end}]
              - {id: b, type: transform, template: b}
            """
        )

        assert ended.run.error["code"] == "expression_error"
        assert ran(ended) == ["a:1:failed"]

    @pytest.mark.slow
    async def test_a_thousand_steps_are_enough(self, world: World):
        ended = await world.run(
            """
            name: Endless
            steps:
              - {id: a, type: transform, template: x}
              - {id: b, type: transform, template: x, on_condition: [{if: true, goto: a, max_loops: 100, on_limit: next}]}
              - {id: c, type: transform, template: x, on_condition: [{if: true, goto: a, max_loops: 100, on_limit: next}]}
            """
        )

        assert ended.run.status == "completed"

        ended = await world.run(
            """
            name: Endless
            steps:
              - {id: a, type: transform, template: x}
              - {id: b, type: transform, template: x}
              - {id: c, type: transform, template: x}
              - {id: d, type: transform, template: x}
              - {id: e, type: transform, template: x}
              - {id: f, type: transform, template: x}
              - {id: g, type: transform, template: x}
              - {id: h, type: transform, template: x}
              - {id: i, type: transform, template: x}
              - {id: j, type: transform, template: x, on_condition: [{if: true, goto: a, max_loops: 100}]}
            """
        )

        assert ended.run.error["code"] == "step_limit"
        assert len(ended.rows) == 1_000


class TestCondition:
    ROUTE = """
        name: Route
        input: {schema: {n: {type: integer, required: true}}}
        steps:
          - id: route
            type: condition
            cases:
              - {if: input.n > 10, goto: big}
              - {if: input.n > 5, goto: end}
            else: small
          - {id: never, type: transform, template: never}
          - {id: big, type: transform, template: big, on_condition: [{if: true, goto: end}]}
          - {id: small, type: transform, template: small}
        """

    @pytest.mark.parametrize(
        ("n", "output", "matched"),
        [
            (11, "big", {"matched": 0, "goto": "big"}),
            (6, {"matched": 1, "goto": "end"}, {"matched": 1, "goto": "end"}),
            (1, "small", {"matched": None, "goto": "small"}),
        ],
    )
    async def test_it_leads_to_the_first_case_that_is_true(self, world: World, n, output, matched):
        ended = await world.run(self.ROUTE, {"n": n})

        assert ended.run.output == output
        assert ended.steps["route"].output == matched

    async def test_a_case_that_cannot_be_evaluated_names_itself(self, world: World):
        ended = await world.run(
            "name: C\ninput: {schema: {type: object}}\n"
            "steps: [{id: c, type: condition, cases: [{if: input.a.b == 1, goto: end}]}]"
        )

        assert ended.run.error["code"] == "expression_error"
        assert "Step `c`, `cases[0].if`: " in ended.run.error["message"]


class TestOnError:
    FAILING = """
        name: E
        input: {schema: {type: object}}
        steps:
          - {id: bad, type: transform, template: "{{input.a.b}}", on_error: HOW}
          - {id: after, type: transform, template: "{{steps.bad.status}} {{steps.bad.error.code}}"}
          - {id: rescue, type: transform, template: "rescued"}
        """

    async def test_continue_keeps_the_error_and_goes_on(self, world: World):
        ended = await world.run(self.FAILING.replace("HOW", "continue") + "output: {from: after}")

        assert ended.run.status == "completed"
        assert ended.run.output == "failed template_unresolved"

    async def test_goto_leads_elsewhere(self, world: World):
        ended = await world.run(self.FAILING.replace("HOW", "{goto: rescue}"))

        assert ran(ended) == ["bad:1:failed", "rescue:1:completed"]

    async def test_fail_ends_the_run(self, world: World):
        ended = await world.run(self.FAILING.replace("HOW", "fail"))

        assert ended.run.status == "failed"
        assert ran(ended) == ["bad:1:failed"]

    async def test_a_jump_back_to_itself_is_limited(self, world: World):
        ended = await world.run(self.FAILING.replace("HOW", "{goto: bad, max_loops: 2}"))

        assert ended.run.error["code"] == "loop_limit"
        assert ran(ended) == ["bad:1:failed", "bad:2:failed", "bad:3:failed"]


class TestTransforms:
    async def test_extract_regex_and_set_work_on_the_step_before(self, world: World):
        ended = await world.run(
            r"""
            name: T
            steps:
              - {id: data, type: transform, output_format: json, template: '{"mails": ["Order 12", "Order 34"]}'}
              - {id: first, type: transform, extract: "$.mails[*]", first: true}
              - {id: number, type: transform, regex: {pattern: 'Order (?P<n>\d+)', group: n}}
              - {id: all, type: transform, extract: "$.mails[*]", input: steps.data.output}
              - {id: made, type: transform, set: {n: "int(steps.number.output) * 2", kept: 5, list: ["size(steps.all.output)"]}}
            """
        )

        assert ended.run.output == {"n": 24, "kept": 5, "list": [2]}

    @pytest.mark.parametrize(
        ("regex", "output"),
        [
            ("{pattern: 'b+'}", "bb"),
            ("{pattern: 'b+', all: true}", ["bb", "b"]),
            ("{pattern: 'b+', replace: '-'}", "a-c-"),
            ("{pattern: 'x'}", None),
        ],
    )
    async def test_a_pattern_finds_lists_or_replaces(self, world: World, regex, output):
        ended = await world.run(
            "name: R\nsteps: [{id: t, type: transform, template: abbcb},"
            f" {{id: r, type: transform, regex: {regex}}}]"
        )

        assert ended.run.output == output

    async def test_a_pattern_looks_into_texts_only(self, world: World):
        ended = await world.run(
            "name: R\nsteps: [{id: r, type: transform, regex: {pattern: x}, input: '1'}]"
        )

        assert ended.run.error["code"] == "input_invalid"
        assert "The value to search is a number." in ended.run.error["message"]

    @pytest.mark.parametrize(
        ("fields", "what"),
        [
            ("set: {a: input.x.y}", "Step `r`, `set.a`: "),
            ("extract: $.a, input: input.x.y", "Step `r`, `extract`: "),
            ("regex: {pattern: a}, input: input.x.y", "Step `r`, `regex`: "),
        ],
    )
    async def test_what_cannot_be_evaluated_names_its_field(self, world: World, fields, what):
        ended = await world.run(
            "name: R\ninput: {schema: {type: object}}\n"
            f"steps: [{{id: r, type: transform, {fields}}}]"
        )

        assert ended.run.error["code"] == "expression_error"
        assert ended.run.error["message"].startswith(what)
