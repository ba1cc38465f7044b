from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.providers.conftest import STRICT, Configure, Spoken, ask, failure, speaking
from tests.support.chat_server import ZaiServer, zai_refusal
from tests.support.vendor_server import Seen, event


@pytest.fixture
async def zai(configured: Configure) -> AsyncIterator[Spoken]:
    async with speaking("zai", configured) as each:
        yield each


async def sent(spoken: Spoken, **fields: Any) -> dict[str, Any]:
    await ask(spoken.model, **fields)
    return spoken.server.last.body


class TestAsk:
    async def test_it_is_asked_at_its_own_address_in_its_own_letters(self, zai: Spoken):
        await ask(zai.providers.resolve("zai/GLM-4.5-Air"))

        assert zai.server.last.path == "/api/paas/v4/chat/completions"
        assert zai.server.last.body["model"] == "glm-4.5-air"

    async def test_a_schema_is_told_in_words_and_an_object_asked_for(self, zai: Spoken):
        body = await sent(zai, json_schema=STRICT, system_prompt="Hi.")

        assert body["response_format"] == {"type": "json_object"}
        assert body["messages"][0]["content"].startswith("Hi.\n\nAnswer only with JSON that fits")

    async def test_what_is_no_object_is_asked_for_in_words_only(self, zai: Spoken):
        body = await sent(zai, json_schema={"type": "array"})

        assert "response_format" not in body
        assert body["messages"][0]["content"].endswith('JSON Schema: {"type":"array"}')

    async def test_an_object_without_a_schema(self, zai: Spoken):
        body = await sent(zai, json_object=True)

        assert body["response_format"] == {"type": "json_object"}
        assert body["messages"][0]["content"] == "Answer with a JSON object."


class TestStream:
    async def test_thoughts_are_no_part_of_the_answer(self, zai: Spoken):
        assert isinstance(zai.server, ZaiServer)
        seen = Seen("POST", "", {}, {}, {"model": "glm-4.5-air"})
        deltas = [{"reasoning_content": "Hm."}, {"content": "4."}]
        zai.server.events = [
            *(event(zai.server.chunk(seen, delta)) for delta in deltas),
            event(zai.server.chunk(seen, {"content": ""}, "stop")),
        ]

        assert (await ask(zai.model)).text == "4."


class TestFailures:
    async def test_an_answer_that_a_filter_swallowed_is_a_failure(self, zai: Spoken):
        zai.server.pieces = []
        zai.server.ending = "sensitive"

        error = await failure(zai.model)

        assert (error.code, error.retryable) == ("provider_error", False)
        assert '(model `glm-4.5-air`) refused to answer. Its message: "sensitive"' in error.message

    async def test_an_answer_that_its_own_network_cut_gave_up(self, zai: Spoken):
        zai.server.ending = "network_error"

        error = await failure(zai.model)

        assert (error.code, error.retryable) == ("provider_error", True)

    async def test_a_model_that_it_does_not_have(self, zai: Spoken):
        zai.server.refusals = [zai_refusal(400, "1211", "Unknown Model, please check it.")]

        error = await failure(zai.model)

        assert (error.code, error.status, error.retryable) == ("model_unknown", 400, False)

    @pytest.mark.parametrize(
        ("code", "retryable"), [("1113", False), ("1308", False), ("1302", True)]
    )
    async def test_a_used_up_balance_is_told_from_haste(
        self, zai: Spoken, code: str, retryable: bool
    ):
        zai.server.refusals = [zai_refusal(429, code, "Insufficient balance, or too fast.")]

        error = await failure(zai.model)

        assert (error.code, error.retryable) == ("provider_rate_limited", retryable)
