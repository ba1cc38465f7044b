"""Steps that wait: for a moment, or for a person."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.core import clock
from stepiq.execution.admission import waking
from stepiq.store.tables import reviews, runs
from tests.support.engine import Heard, World


def waiting(step: str, more: str = "") -> str:
    return f"""
name: Wait
input: {{schema: {{at: {{type: string, default: ""}}}}}}
steps:
  - {{id: before, type: transform, template: b}}
  - {{id: pause, type: wait, {step}}}
  - {{id: after, type: transform, template: "{{{{steps.pause.output.until}}}}"}}
{more}
"""


async def ticket(world: World, run_id: UUID) -> Any:
    async with world.database.reading() as session:
        return (await session.execute(sa.select(runs).where(runs.c.id == run_id))).one()


class TestShortWaits:
    async def test_it_waits_in_place(self, world: World):
        ended = await world.run(waiting("seconds: 0.2"))

        pause = ended.steps["pause"]
        assert pause.completed_at - pause.started_at >= timedelta(seconds=0.2)
        assert ended.run.claim == 1

    async def test_it_says_that_it_waits(self, world: World):
        ended = await world.run(waiting("seconds: 0.1"))

        said = [e.data["status"] for e in ended.events if e.data.get("step_id") == "pause"]
        assert said == ["waiting", "completed"]

    async def test_one_that_is_taken_up_again_waits_for_the_same_moment(self, world: World):
        run_id, heard = await world.start(await world.pipeline(waiting("seconds: 50")))
        await heard.until("step.status", step_id="pause", status="waiting")
        await world.engine.stop(drain=timedelta(0))
        clock.advance(timedelta(seconds=49.9))

        await world.engine.start()
        await asyncio.wait_for(heard.until_ended(), 10)

        ended = await world.ended(run_id, heard)
        assert ended.run.status == "completed"
        assert ended.steps["pause"].attempts == 1

    @pytest.mark.parametrize("at", ["tomorrow", "2026-03-01T09:00:00", "", "9999-12-31T00:00:00Z"])
    async def test_what_is_no_moment_near_enough_fails_the_step(self, world: World, at: str):
        ended = await world.run(waiting("until: '{{input.at}}'"), {"at": at})

        assert ended.run.error["code"] == "input_invalid"
        assert "Step `pause`, `until`: " in ended.run.error["message"]

    async def test_a_moment_that_has_passed_is_not_waited_for(self, world: World):
        ended = await world.run(
            waiting("until: '{{input.at}}'"), {"at": "2020-01-01T00:00:00+01:00"}
        )

        assert ended.run.output == "2019-12-31T23:00:00.000Z"

    async def test_a_template_that_finds_nothing_is_named(self, world: World):
        ended = await world.run(
            "name: W\ninput: {schema: {type: object}}\nsteps: [{id: w, type: wait, until: '{{input.a.b}}'}]"
        )

        assert ended.run.error["code"] == "template_unresolved"


class TestLongWaits:
    async def test_it_holds_neither_a_worker_nor_a_slot(self, world: World):
        run_id, heard = await world.start(await world.pipeline(waiting("seconds: 3600")))

        told = await heard.until("run.status", status="waiting")

        row = await ticket(world, run_id)
        assert (row.status, row.ticket) == ("waiting", -1)
        assert clock.iso(row.wake_at) == told["until"]
        assert await world.counters() == (0, 0)

    async def test_it_goes_on_when_its_moment_comes(self, world: World):
        run_id, heard = await world.start(
            await world.pipeline(waiting("seconds: 3600")), run_timeout=timedelta(hours=3)
        )
        await heard.until("run.status", status="waiting")

        clock.advance(timedelta(seconds=3601))
        await asyncio.wait_for(heard.until_ended(), 10)

        ended = await world.ended(run_id, heard)
        assert ended.run.status == "completed"
        assert [row.step_id for row in ended.rows] == ["before", "pause", "after"]
        assert [e.data["status"] for e in ended.events if e.type == "run.status"] == [
            "pending", "running", "waiting", "pending", "running", "completed",
        ]  # fmt: skip
        assert [e.seq for e in ended.events] == list(range(1, len(ended.events) + 1))
        assert await world.counters() == (0, 0)

    async def test_the_runs_own_time_counts(self, world: World):
        run_id, heard = await world.start(
            await world.pipeline(waiting("seconds: 7200", "timeout_seconds: 3600")),
            run_timeout=timedelta(hours=1),
        )
        await heard.until("run.status", status="waiting")

        clock.advance(timedelta(seconds=3601))
        await asyncio.wait_for(heard.until_ended(), 10)

        ended = await world.ended(run_id, heard)
        assert ended.run.error["code"] == "run_timeout"

    async def test_a_cancel_ends_it(self, world: World):
        run_id, heard = await world.start(await world.pipeline(waiting("seconds: 3600")))
        await heard.until("run.status", status="waiting")

        await world.cancel(run_id)

        ended = await world.ended(run_id, heard)
        assert (ended.run.status, ended.run.wake_at) == ("cancelled", None)
        assert ended.steps["pause"].status == "cancelled"
        assert await world.counters() == (0, 0)

    async def test_branches_that_all_wait_hold_no_worker_either(self, world: World):
        run_id, heard = await world.start(
            await world.pipeline(
                """
                name: P
                steps:
                  - id: p
                    type: parallel
                    steps:
                      - {id: long, type: wait, seconds: 7200}
                      - id: other
                        steps:
                          - {id: work, type: transform, template: x}
                          - {id: shorter, type: wait, seconds: 3600}
                          - {id: then, type: transform, template: done}
                      - {id: nothing, type: transform, template: n}
                """
            ),
            run_timeout=timedelta(hours=9),
        )

        await asyncio.wait_for(heard.until("run.status", status="waiting"), 10)
        clock.advance(timedelta(seconds=3601))
        await asyncio.wait_for(heard.until("run.status", status="waiting"), 10)
        clock.advance(timedelta(seconds=3601))
        await asyncio.wait_for(heard.until_ended(), 10)

        ended = await world.ended(run_id, heard)
        assert ended.run.output == {
            "long": {"until": ended.steps["long"].output["until"]}, "other": "done", "nothing": "n",
        }  # fmt: skip
        assert len(ended.rows) == 6

    async def test_many_that_are_due_at_once_all_go_on(self, world: World):
        pipeline_id = await world.pipeline(waiting("seconds: 3600"))
        started = [
            await world.start(pipeline_id, run_timeout=timedelta(hours=3)) for _ in range(20)
        ]
        for _, heard in started:
            await heard.until("run.status", status="waiting")

        clock.advance(timedelta(seconds=3601))

        for _, heard in started:
            assert (await asyncio.wait_for(heard.until_ended(), 20))["status"] == "completed"

    async def test_where_nothing_is_due_nobody_is_woken(self, world: World):
        assert await waking.wake(world.database, world.engine._admission) == 0


REVIEW = """
name: Review
timeout_seconds: 900000
steps:
  - {id: draft, type: transform, template: "draft DRAFT"}
  - id: ask
    type: human_review
    message: "Is {{steps.draft.output}} good?"
    editable: true
    assignees: [a@example.com]
    MORE
  - {id: after, type: transform, template: "{{steps.ask.output.decision}} {{steps.ask.output.output}}"}
"""


async def asked(world: World, more: str = "") -> tuple[UUID, Heard]:
    back = "{{#if steps.ask.output}}{{steps.ask.output.comment}}{{/if}}"
    source = REVIEW.replace("MORE", more).replace("DRAFT", back if "goto" in more else "")
    run_id, heard = await world.start(await world.pipeline(source), run_timeout=timedelta(days=9))
    await asyncio.wait_for(heard.until("run.status", status="waiting"), 10)
    return run_id, heard


async def decide(world: World, run_id: UUID, decision: str, **fields: Any) -> None:
    async with world.database.transaction() as session:
        await session.execute(
            reviews.update()
            .where(reviews.c.run_id == run_id, reviews.c.closed_at.is_(None))
            .values(closed_at=clock.now(), decision=decision, reviewer="a@example.com", **fields)
        )
        await world.engine.wake(session, world.workspace_id, run_id)


class TestReviews:
    async def test_a_person_is_asked(self, world: World):
        run_id, heard = await asked(world)

        async with world.database.reading() as session:
            row = (await session.execute(sa.select(reviews))).one()
        assert (row.run_id, row.step_id, row.message) == (run_id, "ask", "Is draft  good?")
        assert (row.input, row.editable, row.assignees) == ("draft ", True, ["a@example.com"])
        assert row.expires_at - row.requested_at == timedelta(days=3)
        assert [e["step_id"] for e in heard.of("review.requested")] == ["ask"]
        assert await world.counters() == (0, 0)

    async def test_an_approval_goes_on_with_what_was_edited(self, world: World):
        run_id, heard = await asked(world)

        await decide(world, run_id, "approve", output="better", comment="ok")
        await asyncio.wait_for(heard.until_ended(), 10)

        ended = await world.ended(run_id, heard)
        assert ended.run.output == "approve better"
        said = ended.steps["ask"].output
        assert (said["comment"], said["reviewer"]) == ("ok", "a@example.com")

    async def test_a_rejection_fails_the_run_with_what_was_said(self, world: World):
        run_id, heard = await asked(world)

        await decide(world, run_id, "reject", output=None, comment="Too short.")
        await asyncio.wait_for(heard.until_ended(), 10)

        ended = await world.ended(run_id, heard)
        assert ended.run.error["code"] == "review_rejected"
        assert "Too short." in ended.run.error["message"]

    async def test_or_sends_it_back(self, world: World):
        run_id, heard = await asked(world, "on_reject: {goto: draft, max_loops: 1}")

        await decide(world, run_id, "reject", output="x", comment="more")
        await asyncio.wait_for(heard.until("run.status", status="waiting"), 10)
        await decide(world, run_id, "approve", output="draft more")
        await asyncio.wait_for(heard.until_ended(), 10)

        ended = await world.ended(run_id, heard)
        assert ended.run.output == "approve draft more"
        assert [(r.step_id, r.iteration) for r in ended.rows] == [
            ("draft", 1), ("ask", 1), ("draft", 2), ("ask", 2), ("after", 1),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("more", "result"),
        [
            ("", "review_timeout"),
            ("on_timeout: fail", "review_timeout"),
            ("on_timeout: approve", "approve draft "),
            ("on_timeout: reject", "review_rejected"),
        ],
    )
    async def test_nobody_decides_in_time(self, world: World, more: str, result: str):
        run_id, heard = await asked(world, more)

        clock.advance(timedelta(days=3, seconds=1))
        await asyncio.wait_for(heard.until_ended(), 10)

        ended = await world.ended(run_id, heard)
        assert result == (ended.run.error["code"] if ended.run.error else ended.run.output)
        async with world.database.reading() as session:
            row = (await session.execute(sa.select(reviews))).one()
        assert row.closed_at is not None
        assert row.decision is None

    async def test_a_timeout_may_send_it_back_too(self, world: World):
        run_id, heard = await asked(
            world, "on_timeout: reject\n    on_reject: {goto: draft, max_loops: 1}"
        )

        clock.advance(timedelta(days=3, seconds=1))
        await asyncio.wait_for(heard.until("run.status", status="waiting"), 10)

        ended = await world.ended(run_id, heard)
        assert ended.rows[-1].iteration == 2

    async def test_it_survives_a_restart(self, world: World):
        run_id, heard = await asked(world)
        await world.engine.stop(drain=timedelta(0))
        await world.engine.start()

        await decide(world, run_id, "approve", output="kept")
        await asyncio.wait_for(heard.until_ended(), 10)

        assert (await world.ended(run_id, heard)).run.output == "approve kept"

    async def test_a_cancel_closes_it(self, world: World):
        run_id, _ = await asked(world)

        await world.cancel(run_id)

        async with world.database.reading() as session:
            row = (await session.execute(sa.select(reviews))).one()
        assert row.closed_at is not None

    async def test_waking_it_too_early_leaves_it_waiting(self, world: World):
        run_id, heard = await asked(world)

        async with world.database.transaction() as session:
            await world.engine.wake(session, world.workspace_id, run_id)
        await asyncio.wait_for(heard.until("run.status", status="waiting"), 10)

        async with world.database.reading() as session:
            assert len((await session.execute(sa.select(reviews))).all()) == 1

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ("message: '{{input.a.b}}'", "template_unresolved"),
            ("message: x, input: input.a.b", "expression_error"),
        ],
    )
    async def test_what_cannot_be_asked_fails_the_step(self, world: World, fields, code):
        ended = await world.run(
            f"name: R\ninput: {{schema: {{type: object}}}}\nsteps: [{{id: r, type: human_review, {fields}}}]"
        )

        assert ended.run.error["code"] == code
