from collections.abc import AsyncIterator
from typing import Any

import pytest

from stepiq.providers.base import Usage
from tests.providers.conftest import (
    KEY,
    STRICT,
    Configure,
    Spoken,
    ask,
    failure,
    speaking,
)
from tests.support.gemini_server import GeminiServer, refusal
from tests.support.gemini_server import failure as told
from tests.support.vendor_server import event

RPC = "type.googleapis.com/google.rpc"


@pytest.fixture
async def google(configured: Configure) -> AsyncIterator[Spoken]:
    async with speaking("google", configured) as each:
        yield each


async def sent(spoken: Spoken, **fields: Any) -> dict[str, Any]:
    await ask(spoken.model, **fields)
    return spoken.server.last.body


class TestAsk:
    async def test_the_model_is_a_part_of_the_path_and_the_key_is_not(self, google: Spoken):
        await ask(google.model)

        seen = google.server.last
        assert seen.path == "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
        assert seen.query == {"alt": ["sse"]}

    async def test_the_version_may_stand_in_the_address(
        self, google: Spoken, configured: Configure
    ):
        settings = {"google_base_url": f"{google.server.url}/v1beta/", "google_api_key": KEY}

        await ask(configured(**settings).resolve("google/gemini-2.5-flash"))

        assert google.server.last.path == "/v1beta/models/gemini-2.5-flash:streamGenerateContent"

    @pytest.mark.parametrize("name", ["../../secret", "a?key=b", "x:y", "a b", "a%2fb"])
    async def test_a_name_that_would_lead_elsewhere_is_no_model(self, google: Spoken, name: str):
        error = await failure(google.providers.resolve(f"google/{name}"))

        assert error.code == "model_unknown"
        assert google.server.seen == []

    async def test_a_system_prompt_has_a_field_of_its_own(self, google: Spoken):
        body = await sent(google, system_prompt="Be brief.")

        assert body["systemInstruction"]["parts"] == [{"text": "Be brief."}]
        assert [turn["role"] for turn in body["contents"]] == ["user"]

    async def test_a_schema_goes_into_its_own_field(self, google: Spoken):
        config = (await sent(google, json_schema=STRICT))["generationConfig"]

        assert config["responseMimeType"] == "application/json"
        assert config["responseJsonSchema"] == {**STRICT, "title": "output"}

    async def test_an_object_is_asked_for_as_json_and_in_words(self, google: Spoken):
        body = await sent(google, json_object=True)

        assert body["generationConfig"]["responseMimeType"] == "application/json"
        assert "responseJsonSchema" not in body["generationConfig"]
        assert body["systemInstruction"]["parts"] == [{"text": "Answer with a JSON object."}]

    async def test_a_model_without_json_is_asked_in_words(self, google: Spoken):
        drawing = google.providers.resolve("google/gemini-2.5-flash-image")

        await ask(drawing, json_schema=STRICT)
        shaped = google.server.last.body
        await ask(drawing, json_object=True)

        assert "Answer only with JSON that fits" in str(shaped["systemInstruction"])
        for body in (shaped, google.server.last.body):
            assert "responseMimeType" not in body["generationConfig"]


class TestStream:
    async def test_thoughts_are_output_and_no_part_of_the_answer(self, google: Spoken):
        assert isinstance(google.server, GeminiServer)
        google.server.thought_tokens = 33

        finished = await ask(google.model)

        assert finished.text == "echo: hello"
        assert finished.usage == Usage(100, 0, 53)

    async def test_an_answer_that_a_filter_ended_says_so(self, google: Spoken):
        google.server.ending = "SAFETY"

        assert (await ask(google.model)).finish_reason == "content_filter"


class TestContinuation:
    """Google's SDK would continue these answers with requests of its own."""

    async def test_an_answer_with_a_token_to_continue_takes_one_request(self, google: Spoken):
        google.server.events = [event(unfinished("CONTINUATION"))]

        finished = await ask(google.model)

        assert (finished.text, finished.finish_reason) == ("Once", "request_limit")
        assert len(google.server.seen) == 1

    async def test_a_dropped_answer_with_a_token_to_continue_takes_one_request(
        self, google: Spoken
    ):
        google.server.events = [event(unfinished(None)), b""]
        google.server.drops_at = 1

        error = await failure(google.model)

        assert (error.code, error.retryable) == ("provider_error", True)
        assert len(google.server.seen) == 1


def unfinished(reason: str | None) -> dict[str, Any]:
    return {
        "candidates": [
            {
                "content": {"parts": [{"text": "Once"}], "role": "model"},
                "continuationToken": "AAAA",
                "finishReason": reason,
            }
        ],
        "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 5, "candidatesTokenCount": 1},
        "responseId": "x",
    }


class TestFailures:
    @pytest.mark.parametrize("ending", ["SAFETY", "RECITATION", "PROHIBITED_CONTENT"])
    async def test_an_answer_that_a_filter_swallowed_is_a_failure(
        self, google: Spoken, ending: str
    ):
        google.server.pieces = []
        google.server.ending = ending

        error = await failure(google.model)

        assert (error.code, error.retryable) == ("provider_error", False)
        assert (
            f'(model `gemini-2.5-flash`) refused to answer. Its message: "{ending}"'
            in error.message
        )

    async def test_a_blocked_prompt_is_a_failure_with_its_reason(self, google: Spoken):
        blocked = {
            "promptFeedback": {"blockReason": "SAFETY"},
            "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4},
            "responseId": "x",
        }
        google.server.events = [event(blocked)]

        error = await failure(google.model)

        assert (error.code, error.retryable) == ("provider_error", False)
        assert 'Its message: "SAFETY"' in error.message

    async def test_an_answer_in_no_language_gave_up(self, google: Spoken):
        google.server.ending = "LANGUAGE"

        error = await failure(google.model)

        assert (error.code, error.retryable) == ("provider_error", True)
        assert "reported an error in the middle of its response" in error.message

    async def test_a_model_that_it_does_not_have(self, google: Spoken):
        said = "models/gemini-2.5-flash is not found for API version v1beta, or is not supported."
        google.server.refusals = [refusal(404, "NOT_FOUND", said)]

        error = await failure(google.model)

        assert (error.code, error.retryable) == ("model_unknown", False)

    async def test_when_to_come_back_may_stand_in_the_reply(self, google: Spoken):
        info = {"@type": f"{RPC}.RetryInfo", "retryDelay": "14.5s"}
        google.server.refusals = [refusal(429, "RESOURCE_EXHAUSTED", "Too fast.", info)]

        error = await failure(google.model)

        assert (error.code, error.retryable) == ("provider_rate_limited", True)
        assert error.retry_after is not None
        assert error.retry_after.total_seconds() == 14.5

    async def test_a_used_up_day_is_not_worth_a_retry(self, google: Spoken):
        violation = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}
        info = {"@type": f"{RPC}.QuotaFailure", "violations": [violation]}
        google.server.refusals = [refusal(429, "RESOURCE_EXHAUSTED", "You exceeded it.", info)]

        error = await failure(google.model)

        assert (error.code, error.retryable) == ("provider_rate_limited", False)
        assert "has used up its quota" in error.message

    @pytest.mark.parametrize("at", [0, 1])
    async def test_an_error_in_the_stream_is_told_as_if_it_had_come_before(
        self, google: Spoken, at: int
    ):
        said = told(503, "UNAVAILABLE", "The model is overloaded.")
        google.server.replaced_at = (at, event(said))

        error = await failure(google.model)

        assert (error.code, error.status, error.retryable) == ("provider_error", 503, True)
        assert 'Its message: "The model is overloaded."' in error.message
        assert len(google.server.seen) == 1
