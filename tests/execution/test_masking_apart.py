"""Masking with many secrets leaves the event loop, also if the texts are short."""

import threading
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from stepiq.execution.calls.requests import CallHttp, HttpReply
from stepiq.redaction.masking import MaskedStream, Masker
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.receiver import Receiver, Reply, running_receiver

pytestmark = pytest.mark.one_store

MANY = 100
LINES = [f"{number:09}" for number in range(6_500)]
"""As much as code can print."""
BATCH = 500
NAMES = " ".join(f"{{{{env.KEY_{number}}}}}" for number in range(MANY))
NAMES_THEM = f"{{id: b, type: webhook, if: 'false', url: 'http://127.0.0.1/', body: '{NAMES}'}}"
# Each is looked for in many forms.
SECRETS = [f'{number:03}-é/"+ \\{"x" * 20}' for number in range(MANY)]


@pytest.fixture
async def many_secrets(world: World) -> None:
    for number, value in enumerate(SECRETS):
        await world.secret(f"KEY_{number}", value)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


def masked_on_the_loop(
    monkeypatch: pytest.MonkeyPatch, kind: type, method: str, is_wanted: Callable[[str], bool]
) -> tuple[list[str], list[str]]:
    """The texts with which a method is called from now on: all that are wanted, and those of this thread."""
    every, on_loop = list[str](), list[str]()
    mask, loop = getattr(kind, method), threading.get_ident()

    def noted(masker: Any, text: str, **options: Any) -> str:
        if is_wanted(text):
            every.append(text)
            if threading.get_ident() == loop:
                on_loop.append(text)
        return mask(masker, text, **options)

    monkeypatch.setattr(kind, method, noted)
    return every, on_loop


class TestPrintedLines:
    @pytest.mark.usefixtures("many_secrets")
    async def test_many_short_lines_are_masked_beside_the_event_loop(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        every, on_loop = masked_on_the_loop(monkeypatch, Masker, "text", set(LINES).__contains__)
        printing = (
            "{id: a, type: code, language: javascript, input: {lines: input.lines},"
            " source: 'function main({lines}) { console.log(lines); }'}"
        )

        ended = await world.run(
            f"name: Lines\nsteps: [{printing}, {NAMES_THEM}]", {"lines": "\n".join(LINES)}
        )

        logged = [event.data["message"] for event in ended.events if event.type == "step.log"]
        assert logged == every == LINES
        # The last lines are few.
        assert len(on_loop) < BATCH

    @pytest.mark.usefixtures("many_secrets")
    async def test_secrets_in_short_lines_are_masked(self, world: World):
        lines = [value for value in SECRETS for _ in range(3)]
        printing = (
            "{id: a, type: code, language: javascript, input: {lines: input.lines},"
            " source: 'function main({lines}) { console.log(lines); }'}"
        )

        ended = await world.run(
            f"name: Lines\nsteps: [{printing}, {NAMES_THEM}]", {"lines": "\n".join(lines)}
        )

        logged = [event.data["message"] for event in ended.events if event.type == "step.log"]
        assert logged == [f"[secret:KEY_{number}]" for number in range(MANY) for _ in range(3)]


class TestModelText:
    @pytest.mark.usefixtures("many_secrets")
    async def test_its_batches_are_masked_beside_the_event_loop(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        every, on_loop = masked_on_the_loop(
            monkeypatch, MaskedStream, "feed", lambda text: len(text) > 1_500
        )
        text = "%2541 " * 5_000 + SECRETS[7]
        fake_provider.configure(text=text)

        ended = await world.run(
            f"name: Ask\nsteps: [{{id: a, model: openai/gpt-4o-mini, prompt: x}}, {NAMES_THEM}]"
        )

        assert ended.heard.text == ended.steps["a"].output == text[:30_000] + "[secret:KEY_7]"
        assert every
        assert on_loop == []


class TestErrors:
    @pytest.mark.usefixtures("many_secrets")
    async def test_the_beginning_of_a_response_is_masked_beside_the_event_loop(
        self, world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        body = f"{SECRETS[7]} {'%2541 ' * 330}"
        receiver.reply_with(Reply(400, body=body.encode()))
        every, on_loop = masked_on_the_loop(
            monkeypatch, Masker, "excerpt", lambda text: len(text) > 1_500
        )

        ended = await world.run(
            f"name: Call\nsteps: [{{id: a, type: webhook, url: '{receiver.url}'}}, {NAMES_THEM}]"
        )

        assert "begins: '[secret:KEY_7] %2541" in ended.run.error["message"]
        assert every
        assert on_loop == []

    @pytest.mark.usefixtures("many_secrets")
    async def test_the_url_of_a_call_without_an_answer_is_masked_beside_the_event_loop(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        path = "%2541" * 1_000
        url = f"http://127.0.0.1:1/{path}"
        every, on_loop = masked_on_the_loop(monkeypatch, Masker, "text", url.__eq__)

        ended = await world.run(
            "name: Call\nsteps: [{id: a, type: webhook, url: 'http://127.0.0.1:1/{{input.path}}'}, "
            f"{NAMES_THEM}]",
            {"path": path},
        )

        assert ended.run.error["code"] == "http_error"
        assert every
        assert on_loop == []


class TestRecordedReplies:
    def test_the_headers_of_a_reply_belong_to_its_size(self):
        request = CallHttp(
            "GET",
            "http://example.com/",
            headers={},
            content=None,
            timeout=timedelta(1),
            max_bytes=1,
        )
        reply = HttpReply(200, {"x-long": "a" * 50_000}, b"", is_cut=False)

        assert request.reply_size(reply) > 50_000
