"""Branches at the same time, and steps for each item."""

import asyncio
from datetime import timedelta

import pytest

from stepiq.execution.interpreter import flow
from tests.support.engine import Ended, World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.receiver import Reply, running_receiver

pytestmark = pytest.mark.one_store


def ran(ended: Ended) -> set[tuple[str, str, int, str]]:
    return {(row.step_id, row.branch, row.iteration, row.status) for row in ended.rows}


BRANCHES = """
name: Branches
steps:
  - {id: before, type: transform, template: b}
  - id: both
    type: parallel
    steps:
      - {id: one, type: transform, template: "{{steps.before.output}}1"}
      - id: two
        steps:
          - {id: first, type: transform, template: "{{steps.before.output}}2"}
          - {id: second, type: transform, template: "{{steps.first.output}}!"}
  - {id: after, type: transform, template: "{{steps.one.output}} {{steps.two.output}} {{steps.two.status}}"}
"""

ITEMS = """
name: Items
input: {schema: {items: {type: array, required: true}}}
steps:
  - id: all
    type: parallel
    for_each: input.items
    max_concurrency: 3
    MORE
    step: {id: each, type: transform, template: "{{index}}:{{item}}"}
"""


class TestBranches:
    async def test_each_is_seen_by_its_id_afterwards(self, world: World):
        ended = await world.run(BRANCHES)

        assert ended.run.output == "b1 b2! completed"
        assert ended.steps["both"].output == {"one": "b1", "two": "b2!"}
        assert ran(ended) >= {
            ("one", "0", 1, "completed"),
            ("first", "1", 1, "completed"),
            ("second", "1", 1, "completed"),
        }

    async def test_they_run_at_the_same_time(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=60_000)
        run_id, _ = await world.start(
            await world.pipeline(
                """
                name: P
                steps:
                  - id: p
                    type: parallel
                    steps:
                      - {id: a, model: openai/gpt-4o, prompt: a}
                      - {id: b, model: openai/gpt-4o, prompt: b}
                """
            )
        )

        await asyncio.wait_for(fake_provider.next_request(2), 10)

        assert fake_provider.stats.inflight == 2
        await world.cancel(run_id)

    @pytest.mark.parametrize(("merge", "output"), [("array", ["b1", "b2!"]), ("text", "b1\n\nb2!")])
    async def test_they_are_merged_as_asked(self, world: World, merge, output):
        ended = await world.run(
            BRANCHES.replace("type: parallel", f"type: parallel\n    merge: {merge}")
        )

        assert ended.steps["both"].output == output

    async def test_events_and_rows_say_which_branch(self, world: World):
        ended = await world.run(BRANCHES)

        branches = {e.data["branch"] for e in ended.events if e.data.get("step_id") == "second"}
        assert branches == {"1"}
        assert all("branch" not in e.data for e in ended.events if e.data.get("step_id") == "both")

    async def test_a_failure_stops_the_others_and_closes_their_calls(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=60_000)
        has_called = asyncio.Event()
        async with running_receiver() as receiver:
            receiver.reply_with(Reply(after=has_called))
            running = asyncio.create_task(
                world.run(
                    f"""
                    name: P
                    input: {{schema: {{type: object}}}}
                    steps:
                      - id: p
                        type: parallel
                        steps:
                          - {{id: slow, model: openai/gpt-4o, prompt: a}}
                          - id: bad
                            steps:
                              - {{id: waiting, type: webhook, method: POST, url: {receiver.url}}}
                              - {{id: broken, type: transform, template: "{{{{input.a.b}}}}"}}
                    """
                )
            )
            await fake_provider.next_request()
            has_called.set()
            ended = await running

        assert ended.run.error["code"] == "template_unresolved"
        assert ended.run.error["step_id"] == "broken"
        assert ended.steps["slow"].status == "cancelled"
        assert ended.steps["p"].status == "failed"
        await asyncio.wait_for(fake_provider.requests[0].ended.wait(), 20)
        assert fake_provider.requests[0].closed_by_client

    async def test_its_message_names_the_step_and_the_field_once(self, world: World):
        ended = await world.run(
            """
            name: P
            input: {schema: {type: object}}
            steps:
              - id: p
                type: parallel
                steps: [{id: bad, type: transform, template: "{{input.a.b}}"}]
            """
        )

        message = ended.run.error["message"]
        assert message.startswith("Step `bad`, `template`: ")
        assert message.count("tep `bad`") == 1
        assert message == ended.steps["p"].error["message"] == ended.steps["bad"].error["message"]

    async def test_its_message_names_the_item(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[400])

        ended = await world.run(
            """
            name: P
            steps:
              - id: p
                type: parallel
                for_each: "[1]"
                step: {id: ask, model: openai/gpt-4o, prompt: a}
            """
        )

        assert ended.run.error["message"].startswith("Step `ask`, item 0: OpenAI ")

    async def test_where_the_run_continues_its_row_and_its_event_say_which_item_and_why(
        self, world: World
    ):
        ended = await world.run(
            """
            name: P
            steps:
              - id: p
                type: parallel
                for_each: "[2, 0, 5]"
                on_branch_error: continue
                step: {id: divide, type: transform, set: {x: 10 / item}}
            """
        )

        why = (
            "Step `divide`, item 1, `set.x`: `10 / item` cannot be evaluated: division by zero. "
            "Check the divisor first: `x == 0 ? 0 : total / x`."
        )
        error = {"code": "expression_error", "message": why}
        rows = [row for row in ended.rows if row.step_id == "divide"]
        failed = [e.data for e in ended.events if e.data.get("status") == "failed"]
        assert ended.run.output == [{"x": 5}, None, {"x": 2}]
        assert [row.error for row in rows if row.branch == "1"] == [error]
        assert [(each["branch"], each["error"]) for each in failed] == [("1", error)]

    async def test_an_item_inside_an_item_names_both(self, world: World):
        ended = await world.run(
            """
            name: P
            steps:
              - id: p
                type: parallel
                for_each: "[[1], [1, 0]]"
                step:
                  id: q
                  type: parallel
                  for_each: item
                  step: {id: divide, type: transform, set: {x: 10 / item}}
            """
        )

        assert ended.run.error["message"].startswith("Step `divide`, item 1, item 1, `set.x`: ")

    async def test_or_only_gives_null(self, world: World):
        ended = await world.run(
            """
            name: P
            input: {schema: {type: object}}
            steps:
              - id: p
                type: parallel
                on_branch_error: continue
                steps:
                  - {id: good, type: transform, template: fine}
                  - {id: bad, type: transform, template: "{{input.a.b}}"}
              - {id: after, type: transform, template: "{{steps.bad.error.code}}"}
            """
        )

        assert ended.steps["p"].output == {"good": "fine", "bad": None}
        assert ended.run.output == "template_unresolved"

    async def test_a_branch_may_loop_and_end_early(self, world: World):
        ended = await world.run(
            """
            name: P
            steps:
              - id: p
                type: parallel
                steps:
                  - id: looping
                    steps:
                      - id: n
                        type: transform
                        set: {n: "steps.n.output == null ? 1 : steps.n.output.n + 1"}
                        on_condition: [{if: steps.n.output.n < 3, goto: n}, {if: true, goto: end}]
                      - {id: never, type: transform, template: x}
            """
        )

        assert ended.run.output == {"looping": {"n": 3}}
        assert ran(ended) >= {("n", "0", 3, "completed")}

    async def test_they_nest(self, world: World):
        ended = await world.run(
            """
            name: P
            steps:
              - id: outer
                type: parallel
                for_each: "[1, 2]"
                step:
                  id: inner
                  type: parallel
                  for_each: "[item * 10, item * 100]"
                  step: {id: leaf, type: transform, set: {value: item}}
            """
        )

        assert ended.run.output == [
            [{"value": 10}, {"value": 100}], [{"value": 20}, {"value": 200}],
        ]  # fmt: skip
        assert ("leaf", "1/0", 1, "completed") in ran(ended)

    async def test_in_a_loop_they_run_again(self, world: World):
        ended = await world.run(
            """
            name: P
            steps:
              - id: p
                type: parallel
                steps:
                  - {id: a, type: transform, set: {n: "steps.p.output == null ? 1 : steps.p.output.a.n + 1"}}
                on_condition: [{if: steps.p.output.a.n < 3, goto: p}]
            """
        )

        assert ended.run.output == {"a": {"n": 3}}
        assert {(row.step_id, row.iteration) for row in ended.rows} == {
            ("p", 1), ("p", 2), ("p", 3), ("a", 1), ("a", 2), ("a", 3),
        }  # fmt: skip


class TestForEach:
    async def test_the_output_has_the_order_of_the_items(self, world: World):
        ended = await world.run(ITEMS.replace("MORE", ""), {"items": ["a", "b", "c", "d", "e"]})

        assert ended.run.output == ["0:a", "1:b", "2:c", "3:d", "4:e"]

    async def test_no_items_give_an_empty_list(self, world: World):
        ended = await world.run(ITEMS.replace("MORE", ""), {"items": []})

        assert ended.run.output == []

    async def test_as_an_object_they_go_by_their_index(self, world: World):
        ended = await world.run(ITEMS.replace("MORE", "merge: object"), {"items": ["a", "b"]})

        assert ended.run.output == {"0": "0:a", "1": "1:b"}

    async def test_what_is_no_list_is_refused(self, world: World):
        ended = await world.run(
            "name: I\nsteps: [{id: p, type: parallel, for_each: run.id, step: {id: a, prompt: x}}]"
        )

        assert ended.run.error["code"] == "input_invalid"
        assert (
            "Step `p`, `for_each`: The value must be a list, but it is"
            in ended.run.error["message"]
        )

    async def test_too_many_items_are_refused(self, world: World):
        ended = await world.run(ITEMS.replace("MORE", ""), {"items": [0] * 10_001})

        assert ended.run.error["code"] == "input_invalid"
        assert "10,000" in ended.run.error["message"]

    async def test_no_more_run_at_once_than_allowed(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        with fake_provider.holding():
            run_id, heard = await world.start(
                await world.pipeline(
                    """
                    name: I
                    steps:
                      - id: p
                        type: parallel
                        for_each: "[1, 2, 3, 4, 5, 6, 7, 8]"
                        max_concurrency: 3
                        step: {id: ask, model: openai/gpt-4o-mini, prompt: "{{item}}"}
                    """
                )
            )
            await fake_provider.next_request(3)
            # A fourth call of this run would arrive before the call of another run that starts now.
            other = "name: O\nsteps: [{id: ask, model: openai/gpt-4o-mini, prompt: other}]"
            await world.start(await world.pipeline(other))
            await fake_provider.next_request(4)
            asked = [each.body["messages"][-1]["content"] for each in fake_provider.requests]
        await heard.until_ended()
        ended = await world.ended(run_id, heard)

        assert sorted(asked) == ["1", "2", "3", "other"]
        assert ended.run.output == [f"echo: {n}" for n in range(1, 9)]

    async def test_an_expression_that_fails_names_its_field(self, world: World):
        ended = await world.run(
            "name: I\ninput: {schema: {type: object}}\n"
            "steps: [{id: p, type: parallel, for_each: input.a.b, step: {id: a, prompt: x}}]"
        )

        assert ended.run.error["code"] == "expression_error"
        assert "Step `p`, `for_each`: " in ended.run.error["message"]

    async def test_the_first_step_of_an_item_works_on_the_item(self, world: World):
        ended = await world.run(
            """
            name: I
            steps:
              - id: p
                type: parallel
                for_each: "['order 1', 'order 2']"
                step: {id: n, type: transform, regex: {pattern: '[0-9]'}}
            """
        )

        assert ended.run.output == ["1", "2"]


class TestFailures:
    async def test_branches_that_have_not_begun_do_not_begin_any_more(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[401])
        ended = await world.run(
            """
            name: I
            steps:
              - id: p
                type: parallel
                for_each: "[1, 2, 3, 4, 5]"
                max_concurrency: 1
                step: {id: ask, model: openai/gpt-4o-mini, prompt: "{{item}}"}
            """
        )

        assert ended.run.error["code"] == "provider_auth"
        assert len(fake_provider.requests) == 1

    async def test_what_a_branch_has_done_is_recorded_while_others_work(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=60_000)
        run_id, heard = await world.start(
            await world.pipeline(
                """
                name: P
                steps:
                  - id: p
                    type: parallel
                    steps:
                      - {id: quick, type: transform, template: x}
                      - {id: slow, model: openai/gpt-4o, prompt: a}
                """
            )
        )

        await asyncio.wait_for(heard.until("step.status", step_id="quick", status="completed"), 10)

        await world.cancel(run_id)

    async def test_a_run_that_is_out_of_time_fails_whatever_on_error_says(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=60_000)
        run_id, heard = await world.start(
            await world.pipeline(
                "name: T\nsteps: [{id: a, model: openai/gpt-4o, prompt: x, on_error: continue}]"
            ),
            run_timeout=timedelta(seconds=1),
        )

        await asyncio.wait_for(heard.until_ended(), 20)

        assert (await world.ended(run_id, heard)).run.error["code"] == "run_timeout"

    async def test_nor_do_branches_that_may_fail_let_it_complete(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=60_000)
        run_id, heard = await world.start(
            await world.pipeline(
                """
                name: T
                steps:
                  - id: p
                    type: parallel
                    on_branch_error: continue
                    steps: [{id: a, model: openai/gpt-4o, prompt: x}]
                """
            ),
            run_timeout=timedelta(seconds=1),
        )

        await asyncio.wait_for(heard.until_ended(), 20)

        assert (await world.ended(run_id, heard)).run.error["code"] == "run_timeout"

    async def test_a_run_has_a_bound_on_all_it_executes(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(flow, "MAX_ROWS", 20)

        ended = await world.run(ITEMS.replace("MORE", ""), {"items": [0] * 50})

        assert ended.run.error["code"] == "step_limit"
        assert "Use fewer items" in ended.run.error["message"]

    async def test_a_branch_that_fails_at_once_leaves_nobody_counted(self, world: World):
        run_id, heard = await world.start(
            await world.pipeline(
                """
                name: P
                input: {schema: {type: object}}
                steps:
                  - id: p
                    type: parallel
                    on_error: continue
                    steps:
                      - {id: a, type: transform, if: input.x.y, template: x}
                      - {id: b, type: transform, template: x}
                      - {id: c, type: transform, template: x}
                  - id: q
                    type: parallel
                    steps: [{id: long, type: wait, seconds: 3600}]
                """
            )
        )

        await asyncio.wait_for(heard.until("run.status", status="waiting"), 10)

        await world.cancel(run_id)

    async def test_its_own_conditions_see_its_branches(self, world: World):
        ended = await world.run(
            BRANCHES.replace(
                "type: parallel",
                "type: parallel\n    on_condition: [{if: steps.one.output == 'b1', goto: end}]",
            )
        )

        assert "after" not in ended.steps
