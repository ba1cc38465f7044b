import socket

import httpx2

from stepiq.providers.failures import explain, explain_reply
from stepiq.providers.places import FailurePlace
from stepiq.providers.replies import ProviderReply

PLACE = FailurePlace(
    "openai", "OpenAI", "https://api.openai.com/v1", "OPENAI_API_KEY", "OPENAI_BASE_URL"
)


class TestExplain:
    def test_a_provider_that_is_silent_for_too_long_may_be_asked_again(self):
        error = explain(httpx2.ReadTimeout("timed out"), PLACE, None)

        assert (error.code, error.retryable) == ("provider_error", True)
        assert "did not respond in time" in error.message

    def test_a_connection_that_is_lost_in_the_middle_of_an_answer(self):
        error = explain(httpx2.ReadError("gone"), PLACE, None, answering=True)

        assert "closed the connection in the middle" in error.message

    def test_an_error_without_words_is_still_an_error(self):
        error = explain(ValueError(), PLACE, None)

        assert "sent an invalid response. Check that `OPENAI_BASE_URL`" in error.message

    def test_a_quota_that_a_list_of_models_meets_is_not_worth_a_retry(self):
        reply = ProviderReply.read(429, {}, {"error": {"code": "insufficient_quota"}})

        error = explain_reply(reply, PLACE, str)

        assert (error.code, error.retryable) == ("provider_rate_limited", False)

    def test_a_connection_that_is_lost_while_a_list_is_read(self):
        error = explain(httpx2.ReadError("gone"), PLACE, None)

        assert (error.code, error.retryable) == ("provider_error", True)
        assert "could not be reached, or closed the connection" in error.message

    def test_a_host_that_has_no_address_is_told(self):
        error = httpx2.ConnectError("no")
        error.__cause__ = socket.gaierror(-2, "Name or service not known")

        message = explain(error, PLACE, None).message

        assert (
            "could not be reached: its host name was not found in DNS. Check `OPENAI_BASE_URL`,"
            in message
        )

    def test_dns_without_an_answer_is_told(self):
        error = httpx2.ConnectError("no")
        error.__cause__ = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

        message = explain(error, PLACE, None).message

        assert (
            "could not be reached: DNS gave no answer for its host name. Check `OPENAI_BASE_URL`, the network, and the"
            in message
        )

    def test_an_address_behind_which_nobody_speaks_the_protocol_is_told(self):
        error = explain_reply(ProviderReply.read(404, {}, "<html>"), PLACE, str)

        assert "does not speak OpenAI's Chat Completions (status 404)" in error.message
        assert "`OPENAI_BASE_URL`: it usually ends in /v1." in error.message
