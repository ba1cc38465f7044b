"""Handlers that make several calls, as those of other packages can."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise

import pytest

from stepiq.execution.calls.requests import AskPerson, CallHttp
from stepiq.execution.context import StepContext
from stepiq.execution.interpreter import attempts
from stepiq.execution.outcomes import Completed, Outcome
from stepiq.steps.webhook.spec import WebhookSpec
from tests.support import loop_time
from tests.support.engine import World
from tests.support.operations import (
    approve,
    operations,
    operations_of,
    use,
)
from tests.support.receiver import Receiver, Reply, running_receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


class TestHandlersWithSeveralCalls:
    STEP = "name: A\nsteps: [{id: a, type: webhook, url: 'URL', timeout_seconds: 30}]"

    @pytest.fixture
    def asking(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def run(spec: WebhookSpec, context: StepContext) -> Outcome:
            request = CallHttp("GET", spec.url.source, {}, None, timedelta(minutes=5), 1_000)
            first = await context.http(request)
            until = context.started_at + timedelta(days=1)
            answer = await context.ask(AskPerson("Is it right?", None, False, (), until))
            second = await context.http(request)
            return Completed([first.status_code, str(answer.decision), second.status_code])

        use(monkeypatch, run)

    @pytest.mark.usefixtures("asking")
    async def test_a_call_before_a_question_is_not_repeated(self, world: World, receiver: Receiver):
        source = self.STEP.replace("URL", receiver.url)
        run_id, heard = await world.start(await world.pipeline(source))
        await heard.until("run.status", status="waiting")
        assert [each.status for each in await operations(world, run_id)] == ["completed", "running"]

        await approve(world, run_id)
        await asyncio.wait_for(heard.until_ended(), 20)

        ended = await world.ended(run_id, heard)
        assert ended.run.output == [200, "approve", 200]
        found = await operations(world, run_id)
        assert [(each.status, each.starts) for each in found] == [("completed", 1)] * 3
        keys = [each.headers["idempotency-key"] for each in receiver.received]
        assert keys == [f"{run_id}:a:1", f"{run_id}:a:1:3"]

    @pytest.mark.one_store
    @pytest.mark.usefixtures("asking")
    async def test_the_time_limit_applies_to_a_call_after_a_question(
        self, world: World, receiver: Receiver
    ):
        source = self.STEP.replace("URL", receiver.url)
        run_id, heard = await world.start(await world.pipeline(source))
        await heard.until("run.status", status="waiting")
        receiver.reply_with(Reply(delay=600))

        await approve(world, run_id)
        await receiver.until(1)
        loop_time.skip(31)
        await asyncio.wait_for(heard.until_ended(), 20)

        ended = await world.ended(run_id, heard)
        assert ended.run.error["code"] == "step_timeout"
        assert [each.status for each in await operations(world, run_id)] == [
            "completed", "completed", "cancelled",
        ]  # fmt: skip

    async def test_a_second_question_does_not_get_the_answer_to_the_first(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        async def run(spec: WebhookSpec, context: StepContext) -> Outcome:
            until = context.started_at + timedelta(days=1)
            await context.ask(AskPerson("The first?", None, False, (), until))
            await context.ask(AskPerson("The second?", None, False, (), until))
            return Completed(None)

        use(monkeypatch, run)
        source = self.STEP.replace("URL", receiver.url)
        run_id, heard = await world.start(await world.pipeline(source))
        await heard.until("run.status", status="waiting")

        await approve(world, run_id)
        await asyncio.wait_for(heard.until_ended(), 20)

        assert (await world.ended(run_id, heard)).run.error["code"] == "internal"

    @pytest.mark.one_store
    async def test_calls_of_a_step_are_made_one_after_the_other(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        async def run(spec: WebhookSpec, context: StepContext) -> Outcome:
            request = CallHttp("GET", spec.url.source, {}, None, timedelta(seconds=30), 1_000)
            await asyncio.gather(*(context.http(request) for _ in range(5)))
            return Completed(None)

        use(monkeypatch, run)

        ended = await world.run(self.STEP.replace("URL", receiver.url))

        assert ended.run.status == "completed"
        found = await operations_of(world, ended)
        assert [each.number for each in found] == [1, 2, 3, 4, 5]
        assert all(a.ended_at <= b.started_at for a, b in pairwise(found))

    @pytest.mark.one_store
    async def test_a_step_cannot_make_calls_for_ever(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        async def run(spec: WebhookSpec, context: StepContext) -> Outcome:
            while True:
                await context.http(
                    CallHttp("GET", spec.url.source, {}, None, timedelta(seconds=30), 1_000)
                )

        use(monkeypatch, run)
        monkeypatch.setattr(attempts, "MAX_CALLS", 3)

        ended = await world.run(self.STEP.replace("URL", receiver.url))

        assert ended.run.error["code"] == "step_limit"
        assert len(receiver.received) == 3
