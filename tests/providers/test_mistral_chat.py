from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.providers.conftest import (
    KEY,
    STRICT,
    Configure,
    Spoken,
    ask,
    failure,
    speaking,
)
from tests.support.chat_server import MistralServer, mistral_refusal
from tests.support.vendor_server import Seen, event


@pytest.fixture
async def mistral(configured: Configure) -> AsyncIterator[Spoken]:
    async with speaking("mistral", configured) as each:
        yield each


async def sent(spoken: Spoken, **fields: Any) -> dict[str, Any]:
    await ask(spoken.model, **fields)
    return spoken.server.last.body


class TestAsk:
    @pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/"])
    async def test_the_version_may_stand_in_the_address(
        self, mistral: Spoken, configured: Configure, end: str
    ):
        settings = {"mistral_base_url": f"{mistral.server.url}{end}", "mistral_api_key": KEY}

        await ask(configured(**settings).resolve("mistral/mistral-small-latest"))

        assert mistral.server.last.path == "/v1/chat/completions"

    async def test_only_fields_that_it_knows_are_sent(self, mistral: Spoken):
        body = await sent(
            mistral, temperature=0.1, max_tokens=9, json_schema=STRICT, system_prompt="Hi."
        )

        assert set(body) == {
            "model", "messages", "stream", "temperature", "max_tokens", "response_format"
        }  # fmt: skip
        assert [turn["role"] for turn in body["messages"]] == ["system", "user"]

    @pytest.mark.parametrize(
        ("schema", "strict"), [(STRICT, True), ({"type": "array", "items": {}}, False)]
    )
    async def test_a_schema_goes_into_its_own_field(
        self, mistral: Spoken, schema: dict[str, Any], strict: bool
    ):
        shape = (await sent(mistral, json_schema=schema))["response_format"]

        assert shape["type"] == "json_schema"
        assert shape["json_schema"] == {"name": "output", "schema": schema, "strict": strict}

    async def test_an_object_is_asked_for_in_words_too(self, mistral: Spoken):
        body = await sent(mistral, json_object=True)

        assert body["response_format"] == {"type": "json_object"}
        assert body["messages"][0] == {"role": "system", "content": "Answer with a JSON object."}


class TestStream:
    async def test_thoughts_are_no_part_of_the_answer(self, mistral: Spoken):
        assert isinstance(mistral.server, MistralServer)
        seen = Seen("POST", "", {}, {}, {"model": "magistral-medium-latest"})
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
        said = {"type": "text", "text": "It is 4."}
        deltas = [{"content": [thought]}, {"content": [said]}, {"content": " Sure."}]
        mistral.server.events = [
            *(event(mistral.server.chunk(seen, delta)) for delta in deltas),
            event(mistral.server.chunk(seen, {"content": ""}, "stop")),
        ]

        assert (await ask(mistral.model)).text == "It is 4. Sure."

    async def test_a_full_context_ends_an_answer_as_a_limit_does(self, mistral: Spoken):
        mistral.server.ending = "model_length"

        assert (await ask(mistral.model)).finish_reason == "length"


class TestFailures:
    async def test_an_answer_that_ends_with_an_error_gave_up(self, mistral: Spoken):
        mistral.server.ending = "error"

        error = await failure(mistral.model)

        assert (error.code, error.retryable) == ("provider_error", True)
        assert "reported an error in the middle of its response" in error.message

    async def test_a_model_that_it_does_not_have(self, mistral: Spoken):
        said = "Invalid model: mistral-small-latest"
        mistral.server.refusals = [mistral_refusal(400, said, "invalid_model", "1500")]

        error = await failure(mistral.model)

        assert (error.code, error.status, error.retryable) == ("model_unknown", 400, False)

    async def test_a_field_that_it_does_not_know_is_named(
        self, mistral: Spoken, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(MistralServer, "known", MistralServer.known - {"temperature"})

        error = await failure(mistral.model, temperature=0.5)

        assert (error.code, error.status, error.retryable) == ("provider_error", 422, False)
        assert 'Its message: "body.temperature: Extra inputs are forbidden"' in error.message

    async def test_an_error_in_the_stream_is_told(self, mistral: Spoken):
        mistral.server.replaced_at = (2, event({"error": {"message": "Out of steam."}}))

        error = await failure(mistral.model)

        assert (error.code, error.retryable) == ("provider_error", True)
        assert 'Its message: "Out of steam."' in error.message
