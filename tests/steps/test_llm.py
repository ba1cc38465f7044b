"""Models that answer instead of others."""

import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from stepiq.core.settings.model import Settings
from stepiq.execution.calls.requests import ModelReply
from stepiq.language.definitions.loading import compile_document
from stepiq.language.schemas import validation as schemas
from stepiq.language.schemas.work import work_of
from stepiq.providers.registry import Providers
from stepiq.providers.sources import OllamaSource
from stepiq.steps.llm import handler
from stepiq.steps.llm.spec import LlmSpec
from tests.support.engine import Ended, World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.gemini_server import GeminiServer

pytestmark = pytest.mark.one_store

FALLBACK = """
name: Fallback
steps:
  - id: ask
    model: MODEL
    fallback_models: [openai/gpt-4o-mini]
    retry: {max_attempts: 1}
    prompt: hello
"""

LIMITED = """
name: Limited
steps:
  - id: ask
    model: ollama/llama3.2
    max_tokens: 5000
    prompt: hello
"""

GOOGLE = """
name: Google
steps:
  - id: ask
    model: google/gemini-2.5-flash
    prompt: hello
"""


class TestFallbackModels:
    @pytest.mark.parametrize("status", [401, 404, 429, 500])
    async def test_the_next_one_is_asked_at_once_when_one_cannot_answer(
        self, world: World, fake_provider: RunningFakeProvider, status: int
    ):
        fake_provider.configure(failures=[status])

        ended = await world.run(FALLBACK.replace("MODEL", "openai/gpt-4o"))

        assert ended.run.output == "echo: hello"
        assert ended.steps["ask"].model == "openai/gpt-4o-mini"
        assert ended.steps["ask"].attempts == 1
        (logged,) = [e.data["message"] for e in ended.events if e.type == "step.log"]
        assert logged.endswith("Using model openai/gpt-4o-mini instead.")

    async def test_one_that_is_not_there_is_passed_over(self, world: World):
        ended = await world.run(FALLBACK.replace("MODEL", "anthropic/claude-sonnet-4"))

        assert ended.run.output == "echo: hello"
        (logged,) = [e.data["message"] for e in ended.events if e.type == "step.log"]
        assert "Using model openai/gpt-4o-mini instead." in logged

    async def test_a_refused_question_goes_to_no_other(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(json_answers="prose")
        source = FALLBACK.replace("MODEL", "openai/gpt-4o") + "    output_format: json\n"

        ended = await world.run(source)

        assert ended.run.error["code"] == "output_invalid"
        assert {request.body["model"] for request in fake_provider.requests} == {"gpt-4o"}

    async def test_when_all_fail_the_last_one_says_why(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[500, 429])

        ended = await world.run(FALLBACK.replace("MODEL", "openai/gpt-4o"))

        assert ended.run.error["code"] == "provider_rate_limited"

    async def test_tokens_are_counted_under_the_model_that_used_them(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(drop_after=2, tokens=5)

        ended = await world.run(
            FALLBACK.replace("MODEL", "openai/gpt-4o").replace(
                "openai/gpt-4o-mini", "ollama/llama3"
            )
        )

        assert ended.run.error["code"] == "provider_error"
        assert ended.steps["ask"].output_tokens >= 4
        assert ended.steps["ask"].model == "ollama/llama3"

    async def test_the_streamed_text_of_each_call_has_its_number(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(drop_after=2, tokens=5)

        ended = await world.run(FALLBACK.replace("MODEL", "openai/gpt-4o"))

        first, second = texts_of_calls(ended)
        assert first == second == "echo: hello"


def texts_of_calls(ended: Ended) -> list[str]:
    """The streamed text of each call, in order."""
    texts: dict[int, str] = {}
    for data in ended.heard.of("step.delta"):
        assert data["attempt"] == 1
        call = data.get("call", 1)
        texts[call] = texts.get(call, "") + data["text"]
    return [texts[call] for call in sorted(texts)]


class TestCorrectionPrompt:
    async def test_the_streamed_text_of_each_call_has_its_number(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(json_answers="prose")
        source = FALLBACK.replace("MODEL", "openai/gpt-4o") + "    output_format: json\n"

        ended = await world.run(source)

        first, second = texts_of_calls(ended)
        assert first == "echo: hello"
        assert second.startswith("echo: Your answer cannot be used")


class TestLimitOfAModel:
    async def test_an_answer_that_it_cuts_off_gets_a_warning(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(OllamaSource, "max_answer_tokens", 512)
        fake_provider.configure(finish_reason="length")

        ended = await world.run(LIMITED)

        assert fake_provider.requests[0].body["max_tokens"] == 512
        (logged,) = [e.data["message"] for e in ended.events if e.type == "step.log"]
        assert "cut off at 512 tokens, which is the limit of `ollama/llama3.2`" in logged

    async def test_json_that_it_cuts_off_fails_with_the_same_advice(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(OllamaSource, "max_answer_tokens", 512)
        fake_provider.configure(finish_reason="length", json_answers="prose")

        ended = await world.run(LIMITED + "    output_format: json\n")

        assert "Ask for a shorter answer, or use another `model`." in ended.run.error["message"]
        assert "Raise" not in ended.run.error["message"]


class TestLimitOfARequest:
    @pytest.fixture
    async def google(self) -> AsyncIterator[GeminiServer]:
        server = GeminiServer()
        server.ending = "CONTINUATION"
        async with server.running():
            yield server

    @pytest.fixture
    async def providers(self, google: GeminiServer, settings: Settings) -> AsyncIterator[Providers]:
        keyed = {"google_api_key": SecretStr("AIza-0123456789"), "google_base_url": google.url}
        providers = Providers(settings.model_copy(update=keyed))
        yield providers
        await providers.close()

    @pytest.mark.parametrize("limit", ["", "    max_tokens: 5000\n"])
    async def test_an_answer_that_google_cuts_off_gets_a_warning(self, world: World, limit: str):
        ended = await world.run(GOOGLE + limit)

        assert ended.run.output == "echo: hello"
        (logged,) = [e.data for e in ended.events if e.type == "step.log"]
        assert logged["level"] == "warning"
        assert "cut off at the provider's limit for one request" in logged["message"]

    async def test_json_that_google_cuts_off_fails_with_the_same_advice(self, world: World):
        ended = await world.run(GOOGLE + "    output_format: json\n")

        assert ended.run.error["code"] == "output_invalid"
        assert "Ask for a shorter answer, or use another `model`." in ended.run.error["message"]
        assert "max_tokens" not in ended.run.error["message"]


class TestAnswers:
    @pytest.mark.parametrize(("repeated", "is_apart"), [(2, False), (400, True)])
    async def test_one_that_takes_long_to_validate_is_validated_in_a_thread(
        self, monkeypatch: pytest.MonkeyPatch, repeated: int, is_apart: bool
    ):
        schema = {"type": "string", "pattern": "[ab]*a[ab]{900}c|b$"}
        step = {"id": "a", "prompt": "x", "output_schema": schema}
        spec = compile_document({"name": "x", "steps": [step]}).steps[0].spec
        assert isinstance(spec, LlmSpec)
        threads: list[str] = []

        def noted(*args: Any) -> Any:
            threads.append(threading.current_thread().name)
            return work_of(*args)

        monkeypatch.setattr(schemas, "work_of", noted)

        value, problem = await handler._examined(ModelReply(f'"{"ab" * repeated}"', "m"), spec)

        assert (value, problem) == ("ab" * repeated, None)
        assert ("offload" in threads) is is_apart
