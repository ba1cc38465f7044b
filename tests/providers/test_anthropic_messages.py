from collections.abc import AsyncIterator
from typing import Any

import pytest

from stepiq.providers.base import Usage
from tests.providers.conftest import STRICT, Configure, Spoken, ask, failure, speaking
from tests.support.anthropic_server import AnthropicServer, refusal
from tests.support.anthropic_server import failure as told
from tests.support.vendor_server import event

MAP = {
    "type": "object",
    "properties": {"ages": {"type": "object", "additionalProperties": {"type": "integer"}}},
}
MANY = {
    "type": "object",
    "properties": {f"field_{number}": {"type": "string"} for number in range(25)},
}


@pytest.fixture
async def anthropic(configured: Configure) -> AsyncIterator[Spoken]:
    async with speaking("anthropic", configured) as each:
        yield each


def served(spoken: Spoken) -> AnthropicServer:
    assert isinstance(spoken.server, AnthropicServer)
    return spoken.server


async def sent(spoken: Spoken, name: str = "claude-haiku-4-5", **fields: Any) -> dict[str, Any]:
    """What arrives when a model is asked."""
    await ask(spoken.providers.resolve(f"anthropic/{name}"), **fields)
    return spoken.server.last.body


class TestAsk:
    async def test_a_system_prompt_has_a_field_of_its_own(self, anthropic: Spoken):
        body = await sent(anthropic, system_prompt="Be brief.")

        assert anthropic.server.last.path == "/v1/messages"
        assert body["system"] == "Be brief."
        assert [turn["role"] for turn in body["messages"]] == ["user"]

    @pytest.mark.parametrize(
        ("name", "most"),
        [
            ("claude-haiku-4-5", 64_000),
            ("claude-opus-5", 128_000),
            ("claude-3-haiku-20240307", 4096),
            ("claude-tomorrow", 16_384),
        ],
    )
    async def test_without_a_bound_the_model_may_write_as_much_as_it_can(
        self, anthropic: Spoken, name: str, most: int
    ):
        assert (await sent(anthropic, name))["max_tokens"] == most

    async def test_a_bound_beyond_what_a_model_can_write_is_lowered(self, anthropic: Spoken):
        assert (await sent(anthropic, max_tokens=1_000_000))["max_tokens"] == 64_000

    @pytest.mark.parametrize("name", ["claude-haiku-5-5", "claude-opus-5"])
    async def test_models_that_refuse_a_temperature_get_none(self, anthropic: Spoken, name: str):
        assert "temperature" not in await sent(anthropic, name, temperature=0.5)

    async def test_a_schema_goes_into_its_own_field(self, anthropic: Spoken):
        body = await sent(anthropic, json_schema=STRICT)

        assert body["output_config"]["format"] == {"type": "json_schema", "schema": STRICT}
        assert "system" not in body

    @pytest.mark.parametrize(
        ("name", "schema"),
        [
            ("claude-3-haiku-20240307", STRICT),
            ("claude-haiku-4-5", MAP),
            ("claude-haiku-4-5", MANY),
            ("claude-haiku-4-5", {"type": "array", "items": {"type": "string"}}),
        ],
    )
    async def test_what_it_cannot_guarantee_is_asked_for_in_words(
        self, anthropic: Spoken, name: str, schema: dict[str, Any]
    ):
        body = await sent(anthropic, name, json_schema=schema, system_prompt="Hi.")

        assert "output_config" not in body
        assert body["system"].startswith("Hi.\n\nAnswer only with JSON that fits")

    @pytest.mark.parametrize(
        ("prompt", "has_words"), [("Say hello.", True), ("Say hello in JSON.", False)]
    )
    async def test_an_object_is_asked_for_in_words(
        self, anthropic: Spoken, prompt: str, has_words: bool
    ):
        body = await sent(anthropic, json_object=True, prompt=prompt)

        assert ("Answer with a JSON object." in str(body.get("system"))) is has_words


class TestStream:
    async def test_what_was_written_to_the_cache_is_input_too(self, anthropic: Spoken):
        served(anthropic).kept_tokens = 7
        served(anthropic).cached_tokens = 30

        assert (await ask(anthropic.model)).usage == Usage(107, 30, 20)

    async def test_thoughts_are_no_part_of_the_answer(self, anthropic: Spoken):
        served(anthropic).thinks = "Hm."

        assert (await ask(anthropic.model)).text == "echo: hello"

    async def test_a_full_context_ends_an_answer_as_a_limit_does(self, anthropic: Spoken):
        anthropic.server.ending = "model_context_window_exceeded"

        assert (await ask(anthropic.model)).finish_reason == "length"


class TestFailures:
    async def test_a_refusal_in_the_answer_is_a_failure_with_its_reason(self, anthropic: Spoken):
        served(anthropic).refuses_with = "This asks for harm."

        error = await failure(anthropic.model)

        assert (error.code, error.retryable) == ("provider_error", False)
        assert (
            '(model `claude-haiku-4-5`) refused to answer. Its message: "This asks for harm."'
            in (error.message)
        )

    async def test_one_without_a_reason_too(self, anthropic: Spoken):
        anthropic.server.ending = "refusal"

        error = await failure(anthropic.model)

        assert (error.code, error.retryable) == ("provider_error", False)
        assert "refused to answer" in error.message

    async def test_a_model_that_it_does_not_have(self, anthropic: Spoken):
        name = "model: claude-haiku-4-5"
        anthropic.server.refusals = [refusal(404, "not_found_error", name)]

        error = await failure(anthropic.model)

        assert (error.code, error.status, error.retryable) == ("model_unknown", 404, False)

    @pytest.mark.parametrize(
        "said",
        [
            refusal(400, "invalid_request_error", "Your credit balance is too low to access it."),
            refusal(402, "billing_error", "There is a problem with your billing."),
        ],
    )
    async def test_a_used_up_balance_is_not_worth_a_retry(self, anthropic: Spoken, said: Any):
        anthropic.server.refusals = [said]

        error = await failure(anthropic.model)

        assert (error.code, error.retryable) == ("provider_rate_limited", False)
        assert "of `ANTHROPIC_API_KEY` has used up its quota" in error.message

    @pytest.mark.parametrize("at", [0, 4])
    @pytest.mark.parametrize(
        ("kind", "code", "status", "retryable"),
        [
            ("overloaded_error", "provider_error", 529, True),
            ("api_error", "provider_error", 500, True),
            ("rate_limit_error", "provider_rate_limited", 429, True),
            ("some_new_error", "provider_error", None, True),
        ],
    )
    async def test_an_error_in_the_stream_is_told_as_if_it_had_come_before(
        self,
        anthropic: Spoken,
        at: int,
        kind: str,
        code: str,
        status: int | None,
        retryable: bool,
    ):
        anthropic.server.replaced_at = (at, event(told(kind, "Out of steam."), "error"))

        error = await failure(anthropic.model)

        assert (error.code, error.status, error.retryable) == (code, status, retryable)
        assert 'Its message: "Out of steam."' in error.message
