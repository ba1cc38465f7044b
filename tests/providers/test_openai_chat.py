import asyncio
import json
from typing import Any

import pytest

from stepiq.providers.base import (
    CallProgress,
    Delta,
    Message,
    Model,
    ModelRequest,
    ProviderError,
    Usage,
)
from stepiq.providers.openai.chat import ChatConnection
from stepiq.providers.places import Endpoint, FailurePlace
from stepiq.providers.questions import most_tokens
from tests.providers.conftest import KEY, STRICT, Configure, ask, request, speaking
from tests.support.fake_provider import RunningFakeProvider

LOOSE = {"type": "object", "properties": {"score": {"type": "integer", "default": 3}}}


class TestStreaming:
    async def test_the_answer_comes_piece_by_piece_and_then_whole(self, openai: Model):
        items = [item async for item in openai.stream(request("one two"))]

        assert items[:-1] == [Delta("echo:"), Delta(" one"), Delta(" two")]
        assert items[-1].text == "echo: one two"

    async def test_a_piece_is_given_before_the_next_one_exists(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(tokens=3, token_ms=60_000)
        answer = openai.stream(request())

        first = await anext(answer)

        assert first == Delta("echo:")
        assert fake_provider.requests[0].tokens_sent == 1
        await answer.aclose()

    async def test_a_character_cut_in_two_becomes_whole(self, configured: Configure):
        # Its server speaks this protocol, and takes the pieces of its answer from the test.
        async with speaking("zai", configured) as zai:
            zai.server.pieces = ["a\ud83d", "\ude00b", "\ud83d"]

            items = [item async for item in zai.model.stream(request())]

        assert items[:-1] == [Delta("a"), Delta("\U0001f600b"), Delta("\ufffd")]
        assert items[-1].text == "a\U0001f600b\ufffd"

    async def test_it_tells_what_ran_and_why_it_ended(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(model="gpt-4o-2024-08-06", finish_reason="length")

        finished = await ask(openai)

        assert (finished.model, finished.finish_reason) == ("gpt-4o-2024-08-06", "length")

    async def test_an_empty_answer_is_an_answer(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(text="")

        finished = await ask(openai)

        assert finished.text == ""
        assert finished.usage.output_tokens == 0

    async def test_600_calls_run_at_once(self, openai: Model, fake_provider: RunningFakeProvider):
        fake_provider.configure(latency_ms=60_000)

        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(ask(openai)) for _ in range(600)]
            await fake_provider.next_request(600)
            for call in calls:
                call.cancel()

        assert fake_provider.stats.max_inflight == 600


class TestWhatIsSent:
    async def sent(
        self, model: Model, fake_provider: RunningFakeProvider, **fields: Any
    ) -> dict[str, Any]:
        await ask(model, **fields)
        return fake_provider.requests[-1].body

    async def test_the_conversation_in_its_order(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        turns = (
            Message.of_text("user", "a"),
            Message.of_text("assistant", "b"),
            Message.of_text("user", "c"),
        )

        async for _ in openai.stream(ModelRequest(turns, system_prompt="be brief")):
            pass

        assert fake_provider.requests[0].body["messages"] == [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
        ]

    async def test_openai_gets_its_newer_name_for_the_token_limit(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        body = await self.sent(openai, fake_provider, max_tokens=7, temperature=0.5)

        assert (body["max_completion_tokens"], body["temperature"]) == (7, 0.5)
        assert body["stream_options"] == {"include_usage": True}

    async def test_others_get_the_older_name(
        self, configured: Configure, fake_provider: RunningFakeProvider
    ):
        model = configured(ollama_base_url=fake_provider.url).resolve("ollama/llama3.2")

        body = await self.sent(model, fake_provider, max_tokens=7)

        assert body["max_tokens"] == 7
        assert "max_completion_tokens" not in body

    async def test_reasoning_models_get_no_temperature_and_no_warning_is_printed(
        self, configured: Configure, fake_provider: RunningFakeProvider
    ):
        providers = configured(openai_api_key=KEY, openai_base_url=fake_provider.url)

        body = await self.sent(providers.resolve("o3"), fake_provider, temperature=0.5)

        assert "temperature" not in body

    @pytest.mark.parametrize(
        ("name", "takes_it"),
        [
            ("gpt-4o", True),
            ("gpt-5", False),
            ("gpt-5-mini", False),
            ("gpt-5-chat-latest", True),
            ("gpt-5.1", True),
            ("gpt-5.1-codex", False),
            ("gpt-5.2-pro", False),
            ("gpt-5.3-chat-latest", False),
            ("gpt-5.4-mini", True),
            ("gpt-5.5", False),
            ("gpt-6-sol", False),
            ("o4-mini", False),
        ],
    )
    async def test_models_that_reason_only_on_request_get_a_temperature(
        self, configured: Configure, fake_provider: RunningFakeProvider, name: str, takes_it: bool
    ):
        providers = configured(openai_api_key=KEY, openai_base_url=fake_provider.url)

        body = await self.sent(providers.resolve(f"openai/{name}"), fake_provider, temperature=0.5)

        assert ("temperature" in body) == takes_it

    async def test_a_schema_that_openai_guarantees_is_sent_strict(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        body = await self.sent(openai, fake_provider, json_schema=STRICT)

        assert body["response_format"]["json_schema"] == {
            "name": "output",
            "schema": STRICT,
            "strict": True,
        }

    async def test_another_schema_is_sent_as_it_is_written(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        body = await self.sent(openai, fake_provider, json_schema=LOOSE)

        assert body["response_format"]["json_schema"] == {
            "name": "output",
            "schema": LOOSE,
            "strict": False,
        }

    async def test_a_schema_that_is_no_object_is_not_sent_to_openai(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        body = await self.sent(openai, fake_provider, json_schema={"type": "array"})

        assert "response_format" not in body
        assert body["messages"][0]["content"].endswith('JSON Schema: {"type":"array"}')

    async def test_a_model_older_than_schemas_is_asked_in_words(
        self, configured: Configure, fake_provider: RunningFakeProvider
    ):
        providers = configured(openai_api_key=KEY, openai_base_url=fake_provider.url)

        body = await self.sent(
            providers.resolve("gpt-4-turbo"), fake_provider, json_schema=STRICT, system_prompt="Hi."
        )

        assert "response_format" not in body
        assert body["messages"][0]["content"].startswith("Hi.\n\nAnswer only with JSON that fits")

    async def test_other_servers_get_any_schema(
        self, configured: Configure, fake_provider: RunningFakeProvider
    ):
        model = configured(ollama_base_url=fake_provider.url).resolve("ollama/llama3.2")

        body = await self.sent(model, fake_provider, json_schema={"type": "array"})

        assert body["response_format"]["json_schema"]["schema"] == {"type": "array"}

    async def test_the_answer_to_a_schema_fits_it(self, openai: Model):
        finished = await ask(openai, json_schema=STRICT)

        assert json.loads(finished.text) == {"score": 1}

    @pytest.mark.parametrize("system_prompt", [None, "Be brief."])
    async def test_a_json_object_is_asked_for_in_words_too(
        self, openai: Model, fake_provider: RunningFakeProvider, system_prompt: str | None
    ):
        body = await self.sent(openai, fake_provider, json_object=True, system_prompt=system_prompt)

        assert body["response_format"] == {"type": "json_object"}
        assert body["messages"][0]["content"].endswith("Answer with a JSON object.")

    async def test_words_that_are_there_are_not_doubled(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        body = await self.sent(openai, fake_provider, json_object=True, prompt="Some JSON please")

        assert [message["role"] for message in body["messages"]] == ["user"]

    async def test_the_idempotency_key_goes_along(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        await ask(openai, idempotency_key="run:step:1")

        assert fake_provider.stats.by_idempotency_key == {"run:step:1": 1}

    async def test_it_is_stepiq_that_calls(self, openai: Model, fake_provider: RunningFakeProvider):
        await ask(openai)

        headers = fake_provider.requests[0].headers
        assert headers["user-agent"].startswith("stepiq/")
        assert not [name for name in headers if name.startswith("x-stainless")]


class TestKeys:
    """A key goes to the address it was configured for, and to no other."""

    @pytest.fixture(autouse=True)
    def an_environment_full_of_keys(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-000000000000")
        monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"Authorization: Bearer {KEY}\nX-Mine: {KEY}")

    @pytest.mark.parametrize("model", ["ollama/llama3.2", "mine/llama"])
    async def test_a_server_without_a_key_gets_none(
        self, configured: Configure, fake_provider: RunningFakeProvider, model: str
    ):
        providers = configured(
            ollama_base_url=fake_provider.url, endpoints={"mine": {"base_url": fake_provider.url}}
        )

        await ask(providers.resolve(model))

        headers = fake_provider.requests[0].headers
        assert "authorization" not in headers
        assert KEY not in str(headers)
        assert "secret" not in str(headers)

    async def test_an_endpoint_gets_its_own_key(
        self,
        configured: Configure,
        fake_provider: RunningFakeProvider,
        monkeypatch: pytest.MonkeyPatch,
    ):
        monkeypatch.setenv("GROQ_API_KEY", "gsk-own")
        endpoint = {"base_url": fake_provider.url, "api_key_env": "GROQ_API_KEY"}

        await ask(configured(endpoints={"groq": endpoint}).resolve("groq/llama"))

        assert fake_provider.requests[0].authorization == "Bearer gsk-own"

    async def test_openai_gets_key_organisation_and_project(
        self, configured: Configure, fake_provider: RunningFakeProvider
    ):
        await ask(configured(openai_base_url=fake_provider.url).resolve("gpt-4o"))

        headers = fake_provider.requests[0].headers
        assert fake_provider.requests[0].authorization == f"Bearer {KEY}"
        assert headers["openai-organization"] == "org-secret"
        assert headers["openai-project"] == "proj-secret"
        assert "x-mine" not in headers

    async def test_organisation_and_project_do_not_go_with_an_accounts_own_key(
        self, configured: Configure, fake_provider: RunningFakeProvider
    ):
        providers = configured(openai_base_url=fake_provider.url)

        await ask(providers.resolve("gpt-4o", {"OPENAI_API_KEY": "sk-own"}))

        assert fake_provider.requests[0].authorization == "Bearer sk-own"
        assert "secret" not in str(fake_provider.requests[0].headers)


class TestUsage:
    async def test_cached_input_is_told_apart(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(input_tokens=100, output_tokens=20, cached_tokens=64)
        progress = CallProgress()

        finished = await ask(openai, progress)

        assert finished.usage == Usage(input_tokens=100, cached_tokens=64, output_tokens=20)
        assert progress.usage() == finished.usage

    async def test_without_the_providers_numbers_it_is_estimated(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(usage=False, text="four words of text")

        finished = await ask(openai, prompt="x" * 41, system_prompt="y" * 4)

        sent = most_tokens(request("x" * 41, system_prompt="y" * 4))
        assert finished.usage == Usage(sent, 0, len("four words of text"), estimated=True)

    @pytest.mark.parametrize(
        "behaviour", [{"failures": [401]}, {"failures": [500]}, {"not_a_provider": True}]
    )
    async def test_a_refused_call_used_nothing(
        self, openai: Model, fake_provider: RunningFakeProvider, behaviour: dict[str, Any]
    ):
        fake_provider.configure(**behaviour)
        progress = CallProgress()

        with pytest.raises(ProviderError):
            await ask(openai, progress)

        assert progress.usage() == Usage(0, 0, 0, estimated=True)

    async def test_a_broken_answer_used_what_had_come(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(text="a b", tokens=5, drop_after=3)
        progress = CallProgress()

        with pytest.raises(ProviderError):
            await ask(openai, progress, prompt="x" * 40)

        sent = most_tokens(request("x" * 40))
        assert progress.usage() == Usage(sent, 0, len("a b a"), estimated=True)
        assert progress.text == "a b a"


class TestCancel:
    async def test_a_cancelled_call_closes_its_connection_at_once(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)
        progress = CallProgress()
        call = asyncio.create_task(ask(openai, progress, prompt="x" * 40))
        seen = await fake_provider.next_request()

        call.cancel()

        async with asyncio.timeout(10):
            await seen.ended.wait()
        assert seen.closed_by_client
        sent = most_tokens(request("x" * 40))
        assert progress.usage() == Usage(sent, 0, 0, estimated=True)

    async def test_closing_the_iterator_does_the_same_in_the_middle_of_an_answer(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(tokens=1000, token_ms=20)
        progress = CallProgress()
        answer = openai.stream(request("x" * 40), progress)
        for _ in range(3):
            await anext(answer)

        await answer.aclose()

        async with asyncio.timeout(10):
            await fake_provider.requests[0].ended.wait()
        assert fake_provider.stats.closed_by_client == 1
        assert progress.usage().output_tokens >= 3

    async def test_a_time_limit_is_a_cancel(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(latency_ms=30_000)

        async def expire(limit: asyncio.Timeout) -> None:
            await fake_provider.next_request(1)
            limit.reschedule(asyncio.get_running_loop().time())

        async def ask_until_it_arrives() -> None:
            async with asyncio.timeout(30) as limit, asyncio.TaskGroup() as group:
                group.create_task(expire(limit))
                await ask(openai)

        with pytest.raises(TimeoutError):
            await ask_until_it_arrives()

        async with asyncio.timeout(10):
            await fake_provider.requests[0].ended.wait()
        assert fake_provider.stats.closed_by_client == 1


class TestListModels:
    def connection(self, fake_provider: RunningFakeProvider, key: str = KEY) -> ChatConnection:
        place = FailurePlace(
            "openai", "OpenAI", fake_provider.url, "OPENAI_API_KEY", "OPENAI_BASE_URL"
        )
        return ChatConnection(Endpoint(place, fake_provider.url, key))

    async def test_it_names_what_the_server_has(self, fake_provider: RunningFakeProvider):
        connection = self.connection(fake_provider)

        assert await connection.list_models() == ["gpt-4o", "gpt-4o-mini"]
        await connection.close()

    async def test_what_was_never_opened_can_be_closed(self, fake_provider: RunningFakeProvider):
        await self.connection(fake_provider).close()

        assert fake_provider.stats.calls == 0

    async def test_a_refusal_is_explained(self, fake_provider: RunningFakeProvider):
        fake_provider.configure(api_key="sk-another")
        connection = self.connection(fake_provider)

        with pytest.raises(ProviderError, match="OPENAI_API_KEY"):
            await connection.list_models()
        await connection.close()
