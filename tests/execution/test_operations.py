"""The operations that steps record."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.cli.fake_provider.server import Failure
from stepiq.core import clock
from stepiq.execution.journal.writing import Journal, JournalEntry
from stepiq.execution.records import operations as journal_operations
from stepiq.execution.records.run import ClaimedRun
from stepiq.store.tables import operation_payloads, run_operations, run_steps, runs
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.operations import (
    STRUCTURED,
    approve,
    continued,
    operations,
    operations_of,
)
from tests.support.receiver import Receiver, Reply, running_receiver

ASK = """
name: Ask
steps:
  - id: ask
    model: openai/gpt-4o-mini
    prompt: "Tell me about cats"
    retry: {max_attempts: 3, backoff_ms: 1}
"""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


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

    async def test_the_reply_to_the_last_call_of_a_failed_attempt_is_recorded(
        self, world: World, receiver: Receiver
    ):
        receiver.reply_with(Reply(500, body=b"not now"), Reply(404, body=b"no such order"))

        ended = await world.run(
            f"""
            name: Call
            steps:
              - id: call
                type: webhook
                url: {receiver.url}
                retry: {{max_attempts: 2, backoff_ms: 1}}
            """
        )

        first, last = await operations_of(world, ended)
        assert ended.run.status == "failed"
        assert (first.response["status"], first.response["body"]) == (500, "not now")
        assert (last.response["status"], last.response["body"]) == (404, "no such order")

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

        await approve(world, run_id)
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
        await approve(world, run_id)
        await asyncio.wait_for(heard.until_ended(), 20)

        ended = await world.ended(run_id, heard)
        assert ended.run.output["decision"] == "approve"
        assert [each.status for each in await operations(world, run_id)] == ["completed"]


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

    @pytest.mark.both_stores
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
        fake_provider.configure(json_answers="invalid")
        with fake_provider.holding() as allow:
            run_id, _ = await world.start(await world.pipeline(STRUCTURED))
            request = await fake_provider.next_request()

            async with world.database.transaction() as session:
                await session.execute(
                    sa.select(runs.c.id).where(runs.c.id == run_id).with_for_update()
                )
                allow(1_000)
                await request.ended.wait()
                await recording.wait()
                await world.engine.cancel(session, world.workspace_id, run_id)
        await world.settled(run_id)

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

        ended = await continued(world, run_id, heard)

        assert ended.run.status == "completed"
        (found,) = await operations(world, run_id)
        assert (found.status, found.starts) == ("completed", 2)
