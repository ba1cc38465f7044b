"""The operations that steps record, and their replay after an interruption."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.cli.fake_provider import Failure
from stepiq.core import clock
from stepiq.execution import journal_operations
from stepiq.execution.calls.requests import AskPerson, CallHttp
from stepiq.execution.context import StepContext
from stepiq.execution.handlers import StepHandler, handlers
from stepiq.execution.interpreter import attempts
from stepiq.execution.journal import Journal, JournalEntry
from stepiq.execution.outcomes import Completed, Outcome, Result
from stepiq.execution.records import ClaimedRun
from stepiq.steps.webhook.spec import WebhookSpec
from stepiq.store.tables import operation_payloads, reviews, run_operations, run_steps, runs
from tests.support.engine import Ended, Heard, World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.receiver import Receiver, Reply, running_receiver

ASK = """
name: Ask
steps:
  - id: ask
    model: openai/gpt-4o-mini
    prompt: "Tell me about cats"
    retry: {max_attempts: 3, backoff_ms: 1}
"""
STRUCTURED = """
name: Structured
steps:
  - id: ask
    model: openai/gpt-4o-mini
    prompt: "Tell me about cats"
    retry: {max_attempts: 1}
    output_schema: {type: object, required: [name], properties: {name: {type: string}}}
"""
CORRECTION = "The answer is invalid, so the model gets a correction prompt."


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


async def operations(world: World, run_id: UUID) -> list[Any]:
    async with world.database.reading() as session:
        found = await session.execute(
            sa.select(run_operations)
            .join(run_steps, run_steps.c.id == run_operations.c.step_row_id)
            .where(run_operations.c.run_id == run_id)
            .order_by(run_steps.c.ordinal, run_operations.c.attempt, run_operations.c.number)
        )
        return list(found)


async def operations_of(world: World, ended: Ended) -> list[Any]:
    return await operations(world, ended.run.id)


async def interrupt_in_correction(
    world: World, fake_provider: RunningFakeProvider
) -> tuple[UUID, Heard]:
    """Stop the engine as a crash would, after an invalid answer and during the call that corrects it."""
    fake_provider.configure(json_answers="invalid", latency_ms=300)
    run_id, heard = await world.start(await world.pipeline(STRUCTURED))
    await fake_provider.next_request(1)
    fake_provider.configure(latency_ms=30_000)
    await fake_provider.next_request(2)
    await world.engine.stop(drain=timedelta(0))
    fake_provider.configure(latency_ms=0, json_answers="valid")
    return run_id, heard


class TestRecord:
    async def test_a_call_of_a_model_has_a_row_with_its_usage_and_times(self, world: World):
        ended = await world.run(ASK)

        (found,) = await operations_of(world, ended)
        ask = ended.steps["ask"]
        assert (found.kind, found.status, found.attempt, found.number, found.starts) == (
            "model_call", "completed", 1, 1, 1,
        )  # fmt: skip
        assert found.step_row_id == ask.id
        assert found.key == f"{ended.run.id}:ask:1"
        assert (found.model, found.paid_by) == ("openai/gpt-4o-mini", "server_key")
        assert (found.input_tokens, found.output_tokens) == (ask.input_tokens, ask.output_tokens)
        assert found.cost == ask.cost
        assert ask.started_at <= found.queued_at <= found.started_at
        assert found.started_at <= found.first_piece_at <= found.ended_at <= ask.completed_at

    async def test_the_reply_to_the_last_call_is_only_in_the_output(self, world: World):
        ended = await world.run(ASK)

        (found,) = await operations_of(world, ended)
        assert found.request == {"model": "openai/gpt-4o-mini"}
        assert (found.response, found.request_hash) == (None, None)

    async def test_a_correction_prompt_is_a_second_call(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(json_answers="invalid")

        ended = await world.run(STRUCTURED)

        first, second = await operations_of(world, ended)
        assert (first.status, second.status) == ("completed", "completed")
        assert first.response["text"] == '["not", "it"]'
        assert second.key == f"{ended.run.id}:ask:1:2"
        assert [turn["role"] for turn in second.request["messages"]] == ["assistant", "user"]
        sums = first.input_tokens + second.input_tokens, first.output_tokens + second.output_tokens
        ask = ended.steps["ask"]
        assert (ask.input_tokens, ask.output_tokens) == sums

    async def test_each_attempt_has_a_call(self, world: World, fake_provider: RunningFakeProvider):
        fake_provider.configure(failures=[Failure(status=500)])

        ended = await world.run(ASK)

        first, second = await operations_of(world, ended)
        assert (first.attempt, first.number, first.status) == (1, 1, "failed")
        assert first.error["code"] == "provider_error"
        assert (second.attempt, second.number, second.status) == (2, 1, "completed")
        assert first.key == second.key

    async def test_a_fallback_is_a_second_call_with_its_own_model(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[Failure(status=500)])
        fallback = ASK.replace("prompt:", "fallback_models: [ollama/llama3]\n    prompt:")

        ended = await world.run(fallback)

        first, second = await operations_of(world, ended)
        assert (first.model, first.status) == ("openai/gpt-4o-mini", "failed")
        assert (second.model, second.status, second.number) == ("ollama/llama3", "completed", 2)
        assert ended.steps["ask"].model == "ollama/llama3"

    async def test_a_model_that_cannot_be_used_is_not_called(self, world: World):
        ended = await world.run(
            ASK.replace("openai/gpt-4o-mini", "gemini/gemini-2.5-flash").replace(
                "prompt:", "fallback_models: [openai/gpt-4o-mini]\n    prompt:"
            )
        )

        (found,) = await operations_of(world, ended)
        assert (found.model, found.number) == ("openai/gpt-4o-mini", 2)

    async def test_steps_that_only_compute_make_no_call(self, world: World):
        ended = await world.run("name: A\nsteps: [{id: a, type: transform, template: x}]")

        assert await operations_of(world, ended) == []

    async def test_an_http_request_is_recorded_without_its_secrets(
        self, world: World, receiver: Receiver
    ):
        await world.secret("TOKEN", "tok-31337-canary")

        ended = await world.run(
            f"""
            name: Call
            steps:
              - id: call
                type: webhook
                method: POST
                url: {receiver.url}/a?key={{{{env.TOKEN}}}}
                headers: {{Authorization: "Bearer {{{{env.TOKEN}}}}"}}
                body: {{token: "{{{{env.TOKEN}}}}", n: 1}}
            """
        )

        (found,) = await operations_of(world, ended)
        assert (found.kind, found.status) == ("http_call", "completed")
        assert found.request == {
            "method": "POST",
            "url": f"{receiver.url}/a?key=[secret:TOKEN]",
            "headers": {
                "Authorization": "Bearer [secret:TOKEN]",
                "Content-Type": "application/json",
            },
            "body": '{"token":"[secret:TOKEN]","n":1}',
        }

    async def test_a_request_with_a_secret_too_short_to_be_masked_is_not_recorded(
        self, world: World, receiver: Receiver
    ):
        await world.secret("PIN", "123")

        ended = await world.run(
            f"""
            name: Call
            steps: [{{id: call, type: webhook, method: POST, url: {receiver.url}, body: "{{{{env.PIN}}}}"}}]
            """
        )

        (found,) = await operations_of(world, ended)
        assert (found.status, found.request) == ("completed", None)

    async def test_a_large_request_is_kept_apart_from_its_row(
        self, world: World, receiver: Receiver
    ):
        text = "x" * 100_000

        ended = await world.run(
            f"""
            name: Call
            input: {{schema: {{type: object}}}}
            steps: [{{id: call, type: webhook, method: POST, url: {receiver.url}, body: "{{{{input.t}}}}"}}]
            """,
            {"t": text},
        )

        (found,) = await operations_of(world, ended)
        async with world.database.reading() as session:
            payload = (await session.execute(sa.select(operation_payloads))).one()
        assert (found.request, found.request_is_large) == (None, True)
        assert (payload.operation_id, payload.part) == (found.id, "request")
        assert payload.value["body"] == text

    async def test_of_code_only_its_size_is_recorded(self, world: World):
        ended = await world.run(
            """
            name: Code
            steps: [{id: code, type: code, language: python, source: "def main(x): return 1"}]
            """
        )

        (found,) = await operations_of(world, ended)
        assert (found.kind, found.request) == ("code", {"language": "python", "source_bytes": 21})

    async def test_a_cancelled_run_cancels_its_calls_and_counts_them(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=30_000)
        run_id, heard = await world.start(await world.pipeline(ASK))
        await heard.until("step.delta")

        await world.cancel(run_id)

        (found,) = await operations(world, run_id)
        assert found.status == "cancelled"
        assert found.output_tokens > 0

    async def test_a_call_that_takes_too_long_is_cancelled(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(token_ms=30_000)

        ended = await world.run(
            ASK.replace("retry: {max_attempts: 3, backoff_ms: 1}", "timeout_seconds: 1")
        )

        assert ended.run.error["code"] == "step_timeout"
        assert [each.status for each in await operations_of(world, ended)] == ["cancelled"]

    async def test_calls_of_branches_that_are_stopped_are_cancelled(
        self, world: World, receiver: Receiver
    ):
        receiver.reply_with(Reply(delay=30))

        ended = await world.run(
            f"""
            name: Branches
            steps:
              - id: both
                type: parallel
                steps:
                  - {{id: slow, type: webhook, url: {receiver.url}}}
                  - {{id: bad, type: transform, output_format: json, template: "no"}}
            """
        )

        assert [each.status for each in await operations_of(world, ended)] == ["cancelled"]


class TestReviews:
    REVIEW = "name: R\nsteps: [{id: check, type: human_review, message: Is it right?}]"

    async def test_a_question_is_a_call_that_runs_until_the_answer(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        run_id, heard = await world.start(await world.pipeline(self.REVIEW))
        await heard.until("run.status", status="waiting")
        (asked,) = await operations(world, run_id)
        assert (asked.kind, asked.status) == ("ask_person", "running")
        assert asked.request["message"] == "Is it right?"

        async with world.database.transaction() as session:
            await session.execute(
                reviews.update()
                .where(reviews.c.run_id == run_id)
                .values(closed_at=clock.now(), decision="approve", reviewer="a@example.com")
            )
            await world.engine.wake(session, world.workspace_id, run_id)
        await asyncio.wait_for(heard.until_ended(), 20)

        (answered,) = await operations(world, run_id)
        assert (answered.id, answered.status, answered.starts) == (asked.id, "completed", 1)

    async def test_a_review_that_was_requested_before_there_were_operations_is_found(
        self, world: World
    ):
        run_id, heard = await world.start(await world.pipeline(self.REVIEW))
        await heard.until("run.status", status="waiting")

        async with world.database.transaction() as session:
            await session.execute(run_operations.delete())
            await session.execute(
                reviews.update()
                .where(reviews.c.run_id == run_id)
                .values(closed_at=clock.now(), decision="approve", reviewer="a@example.com")
            )
            await world.engine.wake(session, world.workspace_id, run_id)
        await asyncio.wait_for(heard.until_ended(), 20)

        ended = await world.ended(run_id, heard)
        assert ended.run.output["decision"] == "approve"
        assert [each.status for each in await operations(world, run_id)] == ["completed"]


class TestReplay:
    async def test_a_completed_call_is_not_made_again(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        run_id, heard = await interrupt_in_correction(world, fake_provider)

        await world.engine.start()
        await asyncio.wait_for(heard.until_ended(), 20)

        ended = await world.ended(run_id, heard)
        assert ended.run.status == "completed"
        assert fake_provider.stats.calls == 3
        first, second = await operations(world, run_id)
        assert (first.starts, first.status) == (1, "completed")
        assert (second.starts, second.status) == (2, "completed")
        keys = [each.headers["idempotency-key"] for each in fake_provider.requests]
        assert keys == [f"{run_id}:ask:1", f"{run_id}:ask:1:2", f"{run_id}:ask:1:2"]
        assert len(fake_provider.requests[2].body["messages"]) == 3

    async def test_tokens_of_a_completed_call_count_once(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        run_id, heard = await interrupt_in_correction(world, fake_provider)

        await world.engine.start()
        await asyncio.wait_for(heard.until_ended(), 20)

        ended = await world.ended(run_id, heard)
        first, second = await operations(world, run_id)
        assert ended.run.output_tokens == first.output_tokens + second.output_tokens
        assert ended.run.input_tokens == first.input_tokens + second.input_tokens

    async def test_lines_of_the_log_are_not_written_twice(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        run_id, heard = await interrupt_in_correction(world, fake_provider)

        await world.engine.start()
        await asyncio.wait_for(heard.until_ended(), 20)

        ended = await world.ended(run_id, heard)
        lines = [event.data["message"] for event in ended.events if event.type == "step.log"]
        assert len([line for line in lines if line.startswith(CORRECTION)]) == 1

    async def test_a_failed_call_fails_again_without_being_made(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[Failure(status=500)], latency_ms=300)
        fallback = ASK.replace("prompt:", "fallback_models: [openai/gpt-4.1-mini]\n    prompt:")
        run_id, heard = await world.start(await world.pipeline(fallback))
        await fake_provider.next_request(1)
        fake_provider.configure(latency_ms=30_000)
        await fake_provider.next_request(2)
        await world.engine.stop(drain=timedelta(0))
        fake_provider.configure(latency_ms=0)

        await world.engine.start()
        await asyncio.wait_for(heard.until_ended(), 20)

        ended = await world.ended(run_id, heard)
        assert ended.run.status == "completed"
        models = [each.body["model"] for each in fake_provider.requests]
        assert models == ["gpt-4o-mini", "gpt-4.1-mini", "gpt-4.1-mini"]

    async def test_another_request_than_the_recorded_one_fails_clearly(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        run_id, heard = await interrupt_in_correction(world, fake_provider)
        async with world.database.transaction() as session:
            await session.execute(
                run_operations.update().where(run_operations.c.number == 1).values(request_hash="0")
            )

        await world.engine.start()
        await asyncio.wait_for(heard.until_ended(), 20)

        error = (await world.ended(run_id, heard)).run.error
        assert error["code"] == "replay_mismatch"
        assert "call 1 of the step has another request than before" in error["message"]
        assert fake_provider.stats.calls == 2

    async def test_a_secret_that_changed_meanwhile_is_no_mismatch(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        await world.secret("NAME", "first-secret-value")
        monkeypatch.setattr(
            "tests.execution.test_operations.STRUCTURED",
            STRUCTURED.replace("about cats", "about {{env.NAME}}"),
        )
        run_id, heard = await interrupt_in_correction(world, fake_provider)
        await world.secret("NAME", "second-secret-value")

        await world.engine.start()
        await asyncio.wait_for(heard.until_ended(), 20)

        assert (await world.ended(run_id, heard)).run.status == "completed"
        assert fake_provider.stats.calls == 3

    async def test_a_completed_call_is_progress(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        run_id, heard = await interrupt_in_correction(world, fake_provider)

        assert (await world.ended(run_id, heard)).run.crashes == 0


MIXED = """
name: Mixed
steps:
  - id: both
    type: parallel
    steps:
      - id: ask
        model: openai/gpt-4o-mini
        prompt: "Tell me about cats"
        retry: {max_attempts: 1}
        on_error: continue
        output_schema: {type: object, required: [name], properties: {name: {type: string}}}
      - {id: call, type: webhook, method: POST, url: "URL/a"}
  - {id: last, type: webhook, method: POST, url: "URL/b"}
"""


class TestInterruptions:
    @pytest.mark.parametrize("after", range(1, 9))
    async def test_wherever_a_run_stops_no_recorded_call_is_repeated(
        self,
        world: World,
        fake_provider: RunningFakeProvider,
        receiver: Receiver,
        monkeypatch: pytest.MonkeyPatch,
        after: int,
    ):
        fake_provider.configure(json_answers="invalid", latency_ms=30)
        receiver.reply_with(Reply(body=b"ok", delay=0.02))
        written, reached = 0, asyncio.Event()
        write = Journal.write

        async def counted(journal: Journal, run: ClaimedRun, entry: JournalEntry) -> None:
            nonlocal written
            await write(journal, run, entry)
            written += 1
            if written == after or entry.ending is not None:
                reached.set()

        monkeypatch.setattr(Journal, "write", counted)
        run_id, heard = await world.start(await world.pipeline(MIXED.replace("URL", receiver.url)))
        await reached.wait()
        await world.engine.stop(drain=timedelta(0))
        recorded = {
            each.key
            for each in await operations(world, run_id)
            if each.status in ("completed", "failed")
        }
        sent = [each.headers["idempotency-key"] for each in fake_provider.requests]
        sent += [each.headers["idempotency-key"] for each in receiver.received]

        await world.engine.start()
        await asyncio.wait_for(heard.until_ended(), 20)

        ended = await world.ended(run_id, heard)
        assert ended.run.status == "completed"
        keys = [each.headers["idempotency-key"] for each in fake_provider.requests]
        keys += [each.headers["idempotency-key"] for each in receiver.received]
        assert all(keys.count(key) == sent.count(key) for key in recorded)
        assert set(keys) == {
            f"{run_id}:ask:0:1", f"{run_id}:ask:0:1:2", f"{run_id}:call:1:1", f"{run_id}:last:1",
        }  # fmt: skip
        found = await operations(world, run_id)
        assert ended.run.output_tokens == sum(each.output_tokens for each in found)


async def approve(world: World, run_id: UUID) -> None:
    async with world.database.transaction() as session:
        await session.execute(
            reviews.update()
            .where(reviews.c.run_id == run_id, reviews.c.closed_at.is_(None))
            .values(decision="approve", reviewer="a@example.com", closed_at=clock.now())
        )
        await world.engine.wake(session, world.workspace_id, run_id)


def use(monkeypatch: pytest.MonkeyPatch, run: Callable[..., Awaitable[Result]]) -> None:
    """Execute `webhook` steps with this handler."""
    others = {**handlers(), "webhook": StepHandler(run)}
    monkeypatch.setattr(attempts, "handlers", lambda: others)


class TestHandlersWithSeveralCalls:
    """As those of other packages can be."""

    STEP = "name: A\nsteps: [{id: a, type: webhook, url: 'URL', timeout_seconds: 1}]"

    @pytest.fixture
    def asking(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def run(spec: WebhookSpec, context: StepContext) -> Outcome:
            request = CallHttp("GET", spec.url.source, {}, None, timedelta(seconds=30), 1_000)
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

    @pytest.mark.usefixtures("asking")
    async def test_the_time_limit_applies_to_a_call_after_a_question(
        self, world: World, receiver: Receiver
    ):
        source = self.STEP.replace("URL", receiver.url)
        run_id, heard = await world.start(await world.pipeline(source))
        await heard.until("run.status", status="waiting")
        receiver.reply_with(Reply(delay=30))

        await approve(world, run_id)
        await asyncio.wait_for(heard.until_ended(), 20)

        ended = await world.ended(run_id, heard)
        assert ended.run.error["code"] == "step_timeout"
        assert [each.status for each in await operations(world, run_id)] == [
            "completed", "completed", "cancelled",
        ]  # fmt: skip

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


class TestWrites:
    async def test_a_transaction_that_is_repeated_writes_all_calls(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        fake_provider.configure(latency_ms=200)
        write, failed = journal_operations.write_many, []

        async def fails_once(session, steps):
            written = await write(session, steps)
            if not failed and len({run_id for run_id, _ in steps}) > 1 and written.each:
                failed.append(len(steps))
                raise RuntimeError("the transaction is rolled back")
            return written

        monkeypatch.setattr(journal_operations, "write_many", fails_once)
        pipeline_id = await world.pipeline(ASK)
        started = [await world.start(pipeline_id) for _ in range(20)]

        for _, heard in started:
            await asyncio.wait_for(heard.until_ended(), 30)

        assert failed
        found = [each for run_id, _ in started for each in await operations(world, run_id)]
        assert [each.status for each in found] == ["completed"] * 20

    async def test_a_cancel_before_the_record_of_a_call_leaves_none_running(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        recording = asyncio.Event()
        write = Journal.write

        async def noted(journal: Journal, run: ClaimedRun, entry: JournalEntry) -> None:
            if any(len(record.operations) == 2 for record in entry.steps):
                recording.set()
            await write(journal, run, entry)

        monkeypatch.setattr(Journal, "write", noted)
        fake_provider.configure(json_answers="invalid", latency_ms=100)
        run_id, _ = await world.start(await world.pipeline(STRUCTURED))
        request = await fake_provider.next_request()

        async with world.database.transaction() as session:
            await session.execute(sa.select(runs.c.id).where(runs.c.id == run_id).with_for_update())
            await request.ended.wait()
            await recording.wait()
            await world.engine.cancel(session, world.workspace_id, run_id)
        await world.engine.settled(run_id)

        found = await operations(world, run_id)
        assert found
        assert all(each.ended_at is not None for each in found)

    async def test_a_cancelled_step_is_executed_again_with_the_same_call(
        self, world: World, receiver: Receiver
    ):
        receiver.reply_with(Reply(delay=30))
        source = f"""
        name: A
        steps:
          - id: both
            type: parallel
            steps: [{{id: call, type: webhook, url: {receiver.url}}}]
        """
        run_id, heard = await world.start(await world.pipeline(source))
        await receiver.until(1)
        await world.engine.stop(drain=timedelta(0))
        # As after a crash between the failure of another branch and the end of the `parallel`.
        now = clock.now()
        async with world.database.transaction() as session:
            await session.execute(
                run_steps.update()
                .where(run_steps.c.run_id == run_id, run_steps.c.step_id == "call")
                .values(status="cancelled", completed_at=now)
            )
            await session.execute(
                run_operations.update()
                .where(run_operations.c.run_id == run_id)
                .values(status="cancelled", ended_at=now)
            )
        receiver.reply_with(Reply())

        await world.engine.start()
        await asyncio.wait_for(heard.until_ended(), 20)

        assert (await world.ended(run_id, heard)).run.status == "completed"
        (found,) = await operations(world, run_id)
        assert (found.status, found.starts) == ("completed", 2)
