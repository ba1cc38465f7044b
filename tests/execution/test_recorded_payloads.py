"""What is recorded of calls: texts that cannot be stored, large payloads, and their limit."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from stepiq.core import json
from stepiq.execution.calls import mask
from stepiq.execution.calls.requests import AskPerson, CallHttp, CallModel, Message
from stepiq.execution.context import StepContext
from stepiq.execution.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.execution.records import run as records
from stepiq.redaction.masking import Masker
from stepiq.steps.webhook.spec import WebhookSpec
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.operations import (
    approve,
    continued,
    interrupt_in_correction,
    operations,
    operations_of,
    use,
)
from tests.support.receiver import Receiver, Reply, running_receiver

STEP = "name: A\nsteps: [{id: a, type: webhook, url: 'URL', retry: {max_attempts: 1}}]"
ODD = "a\x00b\ud800c\ud83d\ude00"
STORED = "a\ufffdb\ufffdc\U0001f600"
HALF_MIB = 512 * 1024


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


def call(spec: WebhookSpec, content: bytes | None = None, maximum: int = 2**20) -> CallHttp:
    return CallHttp("POST", spec.url.source, {}, content, timedelta(seconds=30), maximum)


class TestTexts:
    async def test_what_cannot_be_stored_is_replaced(
        self,
        world: World,
        receiver: Receiver,
        fake_provider: RunningFakeProvider,
        monkeypatch: pytest.MonkeyPatch,
    ):
        async def run(spec: WebhookSpec, context: StepContext) -> Outcome:
            await context.http(call(spec, ODD.encode("utf-8", "surrogatepass")))
            context.note("info", ODD)
            messages = (
                Message.of_text("user", ODD),
                Message.of_text("assistant", ODD),
                Message.of_text("user", ODD),
            )
            await context.model(CallModel("openai/gpt-4o-mini", messages, system_prompt=ODD))
            return Completed({"text": ODD, ODD: [ODD]})

        use(monkeypatch, run)
        receiver.reply_with(Reply(body=b"x\x00\xff"))

        ended = await world.run(STEP.replace("URL", receiver.url))

        assert ended.run.output == {"text": STORED, STORED: [STORED]}
        assert (ended.steps["a"].prompt, ended.steps["a"].system_prompt) == (STORED, STORED)
        (line,) = (each.data["message"] for each in ended.events if each.type == "step.log")
        assert line == STORED
        http, model = await operations_of(world, ended)
        assert http.response["body"] == {"base64": "eAD/"}
        assert [each["text"] for each in model.request["messages"]] == [STORED, STORED]
        sent = fake_provider.requests[0].body["messages"]
        assert [each["content"] for each in sent] == [STORED] * 4

    @pytest.mark.one_store
    async def test_an_invalid_request_is_refused(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        async def run(spec: WebhookSpec, context: StepContext) -> Outcome:
            headers = {"x-text": ODD}
            await context.http(
                CallHttp("POST", spec.url.source, headers, None, timedelta(seconds=9), 100)
            )
            return Completed("done")

        use(monkeypatch, run)

        ended = await world.run(STEP.replace("URL", receiver.url))

        assert ended.run.error["code"] == "http_error"
        assert receiver.received == []

    async def test_so_are_those_of_a_question_and_of_a_failure(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        async def run(spec: WebhookSpec, context: StepContext) -> Outcome:
            until = context.started_at + timedelta(days=1)
            await context.ask(AskPerson(ODD, {"text": ODD}, False, (ODD,), until))
            return Failed(FailureCode.CODE_ERROR, ODD)

        use(monkeypatch, run)
        run_id, heard = await world.start(await world.pipeline(STEP.replace("URL", receiver.url)))
        await heard.until("run.status", status="waiting")

        await approve(world, run_id)
        await asyncio.wait_for(heard.until_ended(), 20)

        ended = await world.ended(run_id, heard)
        assert ended.run.error["message"] == f"Step `a`: {STORED}"
        (question,) = await operations(world, run_id)
        assert question.request["message"] == STORED


class TestLargePayloads:
    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"a" * 2**20, id="letters"),
            pytest.param(b"\x01" * 2**20, id="control characters"),
            pytest.param(b"\xff" * 2**20, id="bytes"),
            pytest.param("é".encode() * 2**19, id="no ASCII"),
        ],
    )
    async def test_they_hold_the_event_loop_for_a_few_milliseconds(self, body: bytes):
        request = CallHttp("POST", "http://a/", {}, body, timedelta(seconds=9), 2**20)
        masker = Masker({})
        longest = 0.0

        async def watch() -> None:
            nonlocal longest
            while True:
                began = time.thread_time()
                await asyncio.sleep(0)
                longest = max(longest, time.thread_time() - began)

        async def measured() -> float:
            nonlocal longest
            longest = 0.0
            await mask.of_request(request, masker, (), {})
            return longest

        watching = asyncio.create_task(watch())
        await asyncio.sleep(0)
        # CPU time of the event loop's thread. Other processes slow it down, too, but rarely three times.
        quickest = min([await measured() for _ in range(3)])
        watching.cancel()
        text, request_hash = await mask.of_request(request, masker, (), {})

        assert quickest < 0.005
        assert json.read_trusted(text) == request.described()
        assert len(request_hash) == 64

    async def test_the_hash_is_that_of_the_request_and_the_prompts_as_json(self):
        request = CallModel(
            "m", (Message.of_text("user", "p"), Message.of_text("user", "q")), system_prompt="s"
        )

        text, found = await mask.of_request(request, Masker({}), ("p", "s"), {"prompt": "p"})

        assert json.read_trusted(text) == {**_object(request.described()), "prompt": "p"}
        # As version 0.1.0 recorded it.
        assert found == "ba9c009259118358b6ff71716788749a60e0ea54fef4fc402d784e33a1407c95"


def _object(value: Any) -> dict[str, Any]:
    assert isinstance(value, dict)
    return value


class TestLimit:
    @pytest.fixture
    def limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(records, "MAX_RECORDED_BYTES", 3 * HALF_MIB + 10_000)

    @pytest.mark.usefixtures("limit")
    async def test_what_exceeds_it_is_omitted(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        async def run(spec: WebhookSpec, context: StepContext) -> Outcome:
            for content in (b"a" * HALF_MIB, b"b" * HALF_MIB, b"c"):
                await context.http(call(spec, content))
            return Completed("done")

        use(monkeypatch, run)
        receiver.reply_with(Reply(body=b"r" * HALF_MIB))

        ended = await world.run(STEP.replace("URL", receiver.url))

        assert ended.run.status == "completed"
        first, second, third = await operations_of(world, ended)
        assert first.request_is_large
        assert first.response_is_large
        assert (second.response, second.response_is_omitted, second.response_is_large) == (
            None, True, False,
        )  # fmt: skip
        assert second.request_hash is not None
        assert third.request["body"] == "c"
        assert not third.request_is_omitted
        total = sum(each.recorded_bytes for each in (first, second, third))
        assert HALF_MIB * 3 < total < HALF_MIB * 3 + 10_000

    @pytest.mark.usefixtures("limit")
    async def test_an_omitted_request_can_be_replayed_and_an_omitted_reply_fails_clearly(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        made: list[int] = []

        async def run(spec: WebhookSpec, context: StepContext) -> Outcome:
            for size in (HALF_MIB * 2, HALF_MIB * 2, 1, 2):
                reply = await context.http(call(spec, b"a" * size))
                made.append(len(reply.body))
            return Completed("done")

        use(monkeypatch, run)
        small = Reply(body=b"r")
        receiver.reply_with(small, small, small, Reply(delay=30))
        run_id, heard = await world.start(await world.pipeline(STEP.replace("URL", receiver.url)))
        await receiver.until(4)
        await world.engine.stop(drain=timedelta(0))
        receiver.reply_with(small)

        ended = await continued(world, run_id, heard)

        assert ended.run.status == "completed"
        assert made == [1, 1, 1, 1, 1, 1, 1]
        found = await operations(world, run_id)
        assert [each.request_is_omitted for each in found] == [False, True, False, False]

    @pytest.mark.usefixtures("limit")
    async def test_a_reply_that_is_needed_again_fails_clearly(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        async def run(spec: WebhookSpec, context: StepContext) -> Outcome:
            for _ in range(5):
                await context.http(call(spec))
            return Completed("done")

        use(monkeypatch, run)
        large = Reply(body=b"r" * HALF_MIB)
        receiver.reply_with(large, large, large, large, Reply(delay=30))
        run_id, heard = await world.start(await world.pipeline(STEP.replace("URL", receiver.url)))
        await receiver.until(5)
        await world.engine.stop(drain=timedelta(0))

        ended = await continued(world, run_id, heard)

        assert ended.run.error["code"] == "step_limit"
        assert "needs the reply of call 4 again" in ended.run.error["message"]
        assert len(receiver.received) == 5

    @pytest.mark.usefixtures("limit")
    async def test_a_person_is_not_asked_if_a_reply_would_be_needed_after_the_wait(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        async def run(spec: WebhookSpec, context: StepContext) -> Outcome:
            for _ in range(4):
                await context.http(call(spec))
            until = context.started_at + timedelta(days=1)
            await context.ask(AskPerson("Right?", None, False, (), until))
            return Completed("done")

        use(monkeypatch, run)
        receiver.reply_with(Reply(body=b"r" * HALF_MIB))

        ended = await world.run(STEP.replace("URL", receiver.url))

        assert ended.run.error["code"] == "step_limit"
        assert len(await operations_of(world, ended)) == 4


class TestPrompts:
    async def test_a_run_records_prompts_up_to_a_limit(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(mask, "RUN_PROMPT_BYTES", 10)
        step = "{{id: {0}, model: openai/gpt-4o-mini, prompt: {1}, system_prompt: {1}}}"
        steps = ", ".join(step.format(*each) for each in (("a", "éé"), ("b", "xy"), ("c", "z")))

        ended = await world.run(f"name: A\nsteps: [{steps}]")

        prompts = [(each.prompt, each.system_prompt) for each in ended.steps.values()]
        assert prompts == [("éé", "éé"), (None, None), ("z", "z")]
        assert [each.body["messages"][-1]["content"] for each in fake_provider.requests] == [
            "éé",
            "xy",
            "z",
        ]

    async def test_a_later_attempt_counts_instead_of_the_one_before(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(mask, "RUN_PROMPT_BYTES", 8)

        async def run(spec: WebhookSpec, context: StepContext) -> Outcome:
            await context.model(
                CallModel("openai/gpt-4o-mini", (Message.of_text("user", "12345"),))
            )
            if len(fake_provider.requests) == 1:
                return Failed(FailureCode.HTTP_ERROR, "Again", is_retryable=True)
            return Completed("done")

        use(monkeypatch, run)
        retried = STEP.replace("max_attempts: 1", "max_attempts: 2, backoff_ms: 1")

        ended = await world.run(retried.replace("URL", "http://127.0.0.1"))

        assert len(fake_provider.requests) == 2
        assert ended.steps["a"].prompt == "12345"

    async def test_a_later_call_does_not_become_the_prompt_of_the_step(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(mask, "RUN_PROMPT_BYTES", 8)

        async def run(spec: WebhookSpec, context: StepContext) -> Outcome:
            for prompt in ("longer than the limit", "short"):
                message = Message.of_text("user", prompt)
                await context.model(CallModel("openai/gpt-4o-mini", (message,)))
            return Completed("done")

        use(monkeypatch, run)

        ended = await world.run(STEP.replace("URL", "http://127.0.0.1"))

        assert ended.steps["a"].prompt is None
        first, second = await operations_of(world, ended)
        assert "prompt" not in first.request
        assert second.request["prompt"] == "short"

    async def test_replayed_calls_have_the_same_record_if_the_prompts_fit_now(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        with monkeypatch.context() as limited:
            limited.setattr(mask, "RUN_PROMPT_BYTES", 1)
            run_id, heard = await interrupt_in_correction(world, fake_provider)

        ended = await continued(world, run_id, heard)

        assert ended.run.status == "completed"
        assert [each.prompt for each in ended.steps.values()] == [None]
