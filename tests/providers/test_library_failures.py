import socket

import httpx2
from anthropic import BadRequestError
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelTimeoutError,
)

from stepiq.providers.base import ProviderError
from stepiq.providers.places import FailurePlace
from stepiq.providers.pydantic_ai import failures

PLACE = FailurePlace(
    "anthropic", "Anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"
)


def explain(error: Exception, *, answering: bool = False) -> ProviderError:
    explained = failures.explain(error, PLACE, None, answering=answering, redact=str)
    assert explained is not None
    return explained


class TestExplain:
    def test_a_provider_that_is_silent_for_too_long_may_be_asked_again(self):
        error = explain(ModelTimeoutError("claude-opus-5", "timed out"))

        assert (error.code, error.retryable) == ("provider_error", True)
        assert "did not respond in time" in error.message

    def test_the_same_in_the_middle_of_an_answer_broke_off(self):
        error = explain(ModelTimeoutError("claude-opus-5", "timed out"), answering=True)

        assert "closed the connection in the middle" in error.message

    def test_a_reply_of_plain_text_is_quoted(self):
        error = explain(ModelHTTPError(400, "claude-opus-5", body="No such plan."))

        assert 'Its message: "No such plan."' in error.message

    def test_an_error_without_its_usual_shape_is_quoted_where_it_has_words(self):
        flat = explain(ModelHTTPError(400, "claude-opus-5", body={"error": "Too long."}))
        odd = explain(ModelHTTPError(400, "claude-opus-5", body={"error": {"message": 7}}))

        assert 'Its message: "Too long."' in flat.message
        assert "Its message" not in odd.message

    def test_what_the_library_wraps_is_seen_through(self):
        request = httpx2.Request("POST", PLACE.base_url)
        cause = BadRequestError("no", response=httpx2.Response(400, request=request), body=None)
        wrapped = ModelAPIError("claude-opus-5", "no")
        wrapped.__cause__ = cause

        assert explain(wrapped).status == 400

    def test_a_host_that_has_no_address_is_told(self):
        error = ModelConnectionError("claude-opus-5", "no")
        error.__cause__ = socket.gaierror(-2, "Name or service not known")

        assert "its host name was not found in DNS" in explain(error).message

    def test_other_exceptions_are_not_the_librarys(self):
        error = ValueError("x")

        assert failures.explain(error, PLACE, None, answering=False, redact=str) is None
