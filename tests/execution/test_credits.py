"""A model call starts only if the credits of the workspace cover it, and its real use is settled afterwards."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from stepiq.core import clock as core_clock
from stepiq.execution.calls import budget
from stepiq.execution.calls.requests import CallModel, Message
from stepiq.execution.journal.reservations import settle_left_over
from stepiq.execution.journal.writing import Journal
from stepiq.execution.limits import usage
from stepiq.execution.limits.runs import next_month
from stepiq.store.database import StoreUnavailable
from stepiq.store.tables import run_steps
from tests.support import loop_time
from tests.support.engine import Ended, Limits, World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.query_plans import executions, plan_of, statements

pytestmark = pytest.mark.both_stores

ASK = "name: Ask\nsteps: [{id: ask, model: openai/gpt-4o-mini, prompt: x, max_tokens: 1000}]"
EACH = """\
name: Each
steps:
  - id: each
    type: parallel
    for_each: input.items
    max_concurrency: 10
    steps: [{id: ask, model: openai/gpt-4o-mini, prompt: x, retry: {max_attempts: 1}}]
"""
BOUND = budget.bound(
    CallModel("openai/gpt-4o-mini", (Message.of_text("user", "x"),), max_tokens=1_000)
)
SENT = BOUND - 1_000
"""Without the answer."""


async def run(world: World, source: str, plan: Limits, input_data: Any = None) -> Ended:
    """Run a pipeline on a plan, to its end."""
    run_id, heard = await world.start(await world.pipeline(source), input_data, plan=plan)
    await asyncio.wait_for(heard.until_ended(), 30)
    return await world.ended(run_id, heard)


async def spend(world: World, tokens: int) -> None:
    async with world.database.transaction() as session:
        await usage.count_credits(session, world.workspace_id, tokens, core_clock.now())


async def assert_nothing_reserved(world: World) -> None:
    async with world.database.reading() as session:
        held = await session.scalar(sa.select(sa.func.sum(run_steps.c.reserved_tokens)))
    assert ((await world.workspace()).credit_reserved, held or 0) == (0, 0)


class TestLimit:
    async def test_the_items_of_one_run_never_use_more_than_the_plan_allows(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        # Without a check before each call, this run uses 960 of 100 credits.
        fake_provider.configure(text="x", input_tokens=0, output_tokens=8_000)

        ended = await run(world, EACH, Limits(credits_per_month=100), {"items": [0] * 120})

        used = (await world.workspace()).credit_tokens
        assert 100_000 - 10_000 < used <= 100_000
        assert ended.run.credit_tokens == used
        assert ended.run.error["code"] == "plan_credits_exhausted"
        await assert_nothing_reserved(world)

    async def test_a_call_that_may_not_fit_fails_and_says_what_to_do(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        await world.set_plan(plan := Limits(credits_per_month=2))
        await spend(world, 900)

        ended = await run(world, ASK, plan)

        message = ended.run.error["message"]
        assert ended.run.error["code"] == "plan_credits_exhausted"
        assert "may need up to 1.6 credits, but 0.9 of the 2 credits per month" in message
        assert core_clock.iso(next_month(core_clock.now())) in message
        assert "`max_tokens`" in message
        assert "stepiq workspaces limits ID" in message
        assert ended.steps["ask"].attempts == 1
        assert fake_provider.stats.calls == 0
        await assert_nothing_reserved(world)

    async def test_a_call_that_fits_exactly_is_made(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        await world.set_plan(plan := Limits(credits_per_month=2))
        await spend(world, 2_000 - BOUND)

        assert (await run(world, ASK, plan)).run.status == "completed"
        await spend(world, 2_000 - BOUND + 1 - (await world.workspace()).credit_tokens)
        assert (await run(world, ASK, plan)).run.status == "failed"

    async def test_calls_wait_for_what_other_calls_have_reserved(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        source = EACH.replace("prompt: x,", "prompt: x, max_tokens: 1000,")
        fake_provider.configure(latency_ms=20)

        ended = await run(world, source, Limits(credits_per_month=2), {"items": [0] * 3})

        assert ended.run.status == "completed"
        assert (fake_provider.stats.calls, fake_provider.stats.max_inflight) == (3, 1)
        notes = [each.data["message"] for each in ended.events if each.type == "step.log"]
        assert any("The call waits" in note for note in notes)
        await assert_nothing_reserved(world)

    async def test_a_month_that_begins_has_all_its_credits(self, world: World, clock):
        await world.set_plan(plan := Limits(credits_per_month=2))
        await spend(world, 2_000)
        assert (await run(world, ASK, plan)).run.status == "failed"

        clock.advance(next_month(core_clock.now()) - core_clock.now())

        assert (await run(world, ASK, plan)).run.status == "completed"

    async def test_a_process_with_a_late_clock_has_no_credits_of_the_month_before(
        self, world: World, clock
    ):
        await world.set_plan(plan := Limits(credits_per_month=2))
        await spend(world, 2_000)
        clock.jump(-timedelta(days=core_clock.now().day))

        ended = await run(world, ASK, plan)

        assert ended.run.error["code"] == "plan_credits_exhausted"
        assert (await world.workspace()).credit_tokens == 2_000

    async def test_a_correction_prompt_has_to_fit_too(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        source = ASK.replace("prompt: x", "prompt: x, output_schema: {type: object}")
        fake_provider.configure(json_answers="invalid", output_tokens=900)

        ended = await run(world, source, Limits(credits_per_month=2))

        assert ended.run.error["code"] == "plan_credits_exhausted"
        assert fake_provider.stats.calls == 1
        assert ended.run.credit_tokens == ended.run.input_tokens + 900
        await assert_nothing_reserved(world)

    async def test_a_fallback_model_has_to_fit_too(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        source = ASK.replace("prompt: x", "prompt: x, fallback_models: [openai/gpt-4o]")
        fake_provider.configure(error_in_stream="Overloaded")
        await world.set_plan(plan := Limits(credits_per_month=2))
        await spend(world, 2_000 - BOUND)

        ended = await run(world, source, plan)

        assert ended.run.error["code"] == "plan_credits_exhausted"
        assert fake_provider.stats.calls == 1
        await assert_nothing_reserved(world)

    async def test_credits_that_are_used_up_do_not_try_the_fallback_model(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        source = ASK.replace("prompt: x", "prompt: x, fallback_models: [openai/gpt-4o]")
        await world.set_plan(plan := Limits(credits_per_month=2))
        await spend(world, 2_000)

        ended = await run(world, source, plan)

        assert ended.run.error["code"] == "plan_credits_exhausted"
        assert [each.type for each in ended.events if each.type == "step.log"] == []
        assert fake_provider.stats.calls == 0

    async def test_a_plan_that_is_lowered_during_a_run_holds_from_the_next_call(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        source = (
            "name: Two\nsteps: [{id: one, model: openai/gpt-4o-mini, prompt: x},"
            " {id: two, model: openai/gpt-4o-mini, prompt: x}]"
        )
        with fake_provider.holding():
            run_id, heard = await world.start(await world.pipeline(source))
            await fake_provider.next_request()
            await world.set_plan(Limits(credits_per_month=1))
        await heard.until_ended()

        ended = await world.ended(run_id, heard)
        assert ended.run.error["code"] == "plan_credits_exhausted"
        assert ended.run.error["step_id"] == "two"
        await assert_nothing_reserved(world)


class TestSettling:
    async def test_the_tokens_that_were_used_are_counted(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        ended = await run(world, ASK, Limits(credits_per_month=2))

        step = ended.steps["ask"]
        workspace = await world.workspace()
        assert workspace.credit_tokens == step.input_tokens + step.output_tokens > 0
        assert (step.paid_by, step.reserved_tokens) == ("server_key", 0)
        assert workspace.credit_reserved == 0

    @pytest.mark.parametrize(
        ("behavior", "seconds"),
        [({"drop_after": 1}, 0), ({"token_ms": 30_000}, 10)],
        ids=["failure", "timeout"],
    )
    async def test_a_call_that_breaks_off_pays_for_what_was_sent_and_came(
        self, world: World, fake_provider: RunningFakeProvider, behavior: Any, seconds: float
    ):
        fake_provider.configure(tokens=20, **behavior)
        source = ASK.replace(
            ", max_tokens", ", timeout_seconds: 10, retry: {max_attempts: 1}, max_tokens"
        )
        run_id, heard = await world.start(
            await world.pipeline(source), plan=Limits(credits_per_month=2)
        )
        await heard.until("step.delta")

        loop_time.skip(seconds)
        await heard.until_ended()

        assert (await world.ended(run_id, heard)).run.status == "failed"
        assert SENT <= (await world.workspace()).credit_tokens < SENT + 100
        await assert_nothing_reserved(world)

    async def test_a_cancelled_call_pays_for_what_was_sent_and_came(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=30_000)
        run_id, heard = await world.start(
            await world.pipeline(ASK), plan=Limits(credits_per_month=2)
        )
        await heard.until("step.delta")
        assert (await world.workspace()).credit_reserved == BOUND

        await world.cancel(run_id)

        assert SENT <= (await world.workspace()).credit_tokens < SENT + 100
        await assert_nothing_reserved(world)

    async def test_branches_that_are_stopped_give_back_what_they_reserved(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        source = (
            "name: B\nsteps: [{id: p, type: parallel, steps: ["
            "{id: a, steps: [{id: slow, model: openai/gpt-4o-mini, prompt: x}]},"
            "{id: b, steps: [{id: bad, model: openai/gpt-4o-mini, prompt: y, output_format: json}]}]}]"
        )
        fake_provider.configure(token_ms=30_000, answers={"y": "no"})

        ended = await run(world, source, Limits(credits_per_month=100))

        assert (ended.steps["slow"].status, ended.run.status) == ("cancelled", "failed")
        await assert_nothing_reserved(world)

    async def test_a_provider_that_reports_too_much_does_not_break_the_limit(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(output_tokens=50_000)

        with capture_logs() as logs:
            ended = await run(world, ASK, Limits(credits_per_month=2))

        (logged,) = [each for each in logs if each["event"] == "call_exceeded_reservation"]
        assert (logged["step_id"], logged["model"]) == ("ask", "openai/gpt-4o-mini")
        assert logged["tokens"] > 50_000
        assert ended.run.output_tokens == 50_000
        assert (await world.workspace()).credit_tokens == ended.run.credit_tokens == BOUND

    async def test_a_call_cut_off_by_a_crash_is_settled_when_the_run_continues(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        _, heard = await world.start(await world.pipeline(ASK), plan=Limits(credits_per_month=3))
        await fake_provider.next_request()
        await world.engine.stop(drain=timedelta(0))
        assert (await world.workspace()).credit_reserved == BOUND
        fake_provider.configure(latency_ms=0)

        await world.engine.start()

        assert (await heard.until_ended())["status"] == "completed"
        assert (await world.workspace()).credit_tokens > SENT
        await assert_nothing_reserved(world)

    async def test_what_a_cancelled_run_could_not_settle_is_released_soon(
        self, world: World, fake_provider: RunningFakeProvider, clock, monkeypatch
    ):
        async def unavailable(*_: Any) -> None:
            raise StoreUnavailable("The database did not respond.")

        monkeypatch.setattr(Journal, "count_cancelled", unavailable)
        fake_provider.configure(token_ms=30_000)
        run_id, heard = await world.start(
            await world.pipeline(ASK), plan=Limits(credits_per_month=2)
        )
        await heard.until("step.delta")
        await world.cancel(run_id)
        assert (await world.workspace()).credit_reserved == BOUND
        assert await settle_left_over(world.database) == 0

        clock.advance(timedelta(seconds=31))

        assert await settle_left_over(world.database) == 1
        await assert_nothing_reserved(world)

    async def test_only_reserved_steps_are_read_to_find_those_left(self, world: World):
        with statements() as seen:
            assert await settle_left_over(world.database) == 0

        # The engine executes other statements at the same time.
        ((text, parameters),) = [each for each in seen.items() if "run_steps" in each[0]]
        plan = await plan_of(world.database, text, parameters)
        assert "ix_run_steps_reserved" in plan
        assert "ix_runs_ended" not in plan


class TestFreeOfCharge:
    @pytest.mark.parametrize(
        ("model", "plan"),
        [
            ("ollama/llama3", Limits(credits_per_month=0)),
            ("openai/gpt-4o-mini", Limits()),
        ],
        ids=["free model", "no limit"],
    )
    async def test_nothing_is_reserved_and_no_limit_is_sent(
        self, world: World, fake_provider: RunningFakeProvider, model: str, plan: Limits
    ):
        source = f"name: A\nsteps: [{{id: ask, model: {model}, prompt: x, output_schema: {{type: object}}}}]"
        fake_provider.configure(json_answers="invalid")
        with executions() as statements:
            ended = await run(world, source, plan)

        assert ended.run.error["code"] == "output_invalid"
        assert not [each for each in statements if "credit_reserved +" in each]
        assert [each.body.get("max_completion_tokens") for each in fake_provider.requests] == [
            None,
            None,
        ]
        starts = [each for each in statements if "INSERT INTO run_steps" in each]
        assert len(starts) == 1
        # Before the correction prompt, and at the end.
        assert len([each for each in statements if "UPDATE run_steps" in each]) == 2

    @pytest.mark.one_store
    async def test_a_limited_call_gets_a_limit_and_a_warning_when_it_is_reached(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        source = ASK.replace(", max_tokens: 1000", "")
        fake_provider.configure(tokens=20, finish_reason="length")

        ended = await run(world, source, Limits(credits_per_month=20))

        assert fake_provider.requests[0].body["max_completion_tokens"] == budget.ANSWER_TOKENS
        notes = [each.data["message"] for each in ended.events if each.type == "step.log"]
        assert any("cut off at 8,192 tokens" in note for note in notes)

    async def test_the_accounts_own_key_reserves_nothing(self, world: World):
        await world.secret("OPENAI_API_KEY", "sk-own-0123456789abcdef")

        ended = await run(world, ASK, Limits(credits_per_month=0))

        assert (ended.run.status, ended.steps["ask"].paid_by) == ("completed", "account_key")


class TestOwnKeyDeleted:
    @pytest.mark.parametrize("model", ["model: openai/gpt-4o-mini, ", ""], ids=["named", "default"])
    @pytest.mark.parametrize("plan", [Limits(), Limits(credits_per_month=100)], ids=str)
    @pytest.mark.one_store
    async def test_the_servers_key_does_not_take_its_place(
        self, world: World, fake_provider: RunningFakeProvider, model: str, plan: Limits
    ):
        pipeline_id = await world.pipeline(f"name: A\nsteps: [{{id: ask, {model}prompt: x}}]")

        run_id, heard = await world.start(pipeline_id, plan=plan, own_keys={"OPENAI_API_KEY"})
        await heard.until_ended()

        error = (await world.ended(run_id, heard)).run.error
        assert error["code"] == "secret_missing"
        assert "the secret `OPENAI_API_KEY`, which was deleted" in error["message"]
        assert fake_provider.stats.calls == 0


class TestBound:
    @pytest.mark.parametrize(
        "text", ["hello world " * 50, "日本語のテキスト" * 50, "🎉" * 200, "\x00\ud800" * 100]
    )
    def test_a_text_counts_a_token_for_each_of_its_bytes(self, text: str):
        request = CallModel(None, (Message.of_text("user", text),), max_tokens=10)

        found = budget.bound(request)

        assert found >= len(text.encode(errors="replace")) + 10

    def test_the_schema_and_the_system_prompt_count(self):
        plain = CallModel(None, (Message.of_text("user", "x"),))
        full = CallModel(
            None,
            (Message.of_text("user", "x"),),
            system_prompt="y" * 1_000,
            json_schema={"description": "z" * 1_000},
        )

        assert budget.bound(full) - budget.bound(plain) > 2_000
