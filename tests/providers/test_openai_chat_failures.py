import socket
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from stepiq.cli.fake_provider.server import Failure
from stepiq.core import clock
from stepiq.providers.base import Model, ProviderError
from tests.providers.conftest import KEY, STRICT, Configure, ask
from tests.support.fake_provider import RunningFakeProvider


async def failure(model: Model, **fields: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await ask(model, **fields)
    return caught.value


class TestFailures:
    async def test_a_wrong_key_names_the_setting_and_never_the_key(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(api_key="sk-another")

        error = await failure(openai)

        assert (error.code, error.status, error.retryable) == ("provider_auth", 401, False)
        assert "OpenAI rejected the key in `OPENAI_API_KEY` (status 401)" in error.message
        for piece in (KEY, KEY[:8], KEY[-4:]):
            assert piece not in error.message
            assert piece not in repr(error)

    async def test_a_missing_key_names_the_setting_to_look_at(
        self, configured: Configure, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(api_key="sk-another")
        endpoint = {"base_url": fake_provider.url}

        error = await failure(configured(endpoints={"mine": endpoint}).resolve("mine/llama"))

        assert error.code == "provider_auth"
        assert "[endpoints.mine]" in error.message

    async def test_a_forbidden_model_is_explained_without_the_key_that_the_reply_repeats(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        said = f"Project of {KEY} ({KEY[:10]}...{KEY[-6:]}) may not use gpt-4o."
        fake_provider.configure(failures=[Failure(status=403, message=said)])

        error = await failure(openai)

        assert error.code == "provider_auth"
        assert "may not use gpt-4o" in error.message
        assert KEY[:10] not in error.message
        assert KEY[-6:] not in error.message

    async def test_too_many_requests_says_when_to_come_back(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[Failure(status=429, retry_after="2.5")])

        error = await failure(openai)

        assert (error.code, error.status, error.retryable) == ("provider_rate_limited", 429, True)
        assert error.retry_after == timedelta(seconds=2.5)

    async def test_when_to_come_back_may_be_a_date(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        moment = format_datetime(clock.now() + timedelta(seconds=30), usegmt=True)
        fake_provider.configure(failures=[Failure(status=503, retry_after=moment)])

        error = await failure(openai)

        assert error.retry_after is not None
        assert timedelta(seconds=25) < error.retry_after <= timedelta(seconds=30)

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("soon", None),
            ("-3", None),
            ("0", None),
            ("nan", None),
            ("inf", None),
            ("Mon, 01 Jan 2024 00:00:00 GMT", None),
            ("Mon, 01 Jan 2024 00:00:00", None),
            ("99999", timedelta(hours=1)),
        ],
    )
    async def test_nonsense_and_the_past_are_no_wait_and_a_long_wait_is_an_hour(
        self,
        openai: Model,
        fake_provider: RunningFakeProvider,
        value: str,
        expected: timedelta | None,
    ):
        fake_provider.configure(failures=[Failure(status=429, retry_after=value)])

        error = await failure(openai)

        assert error.retry_after == expected

    async def test_a_used_up_quota_is_not_worth_a_retry(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[Failure(status=429, code="insufficient_quota")])

        error = await failure(openai)

        assert (error.code, error.retryable) == ("provider_rate_limited", False)
        assert "OPENAI_API_KEY" in error.message

    @pytest.mark.parametrize("status", [408, 500, 502, 503, 529])
    async def test_what_passes_is_worth_a_retry(
        self, openai: Model, fake_provider: RunningFakeProvider, status: int
    ):
        fake_provider.configure(failures=[status])

        error = await failure(openai)

        assert (error.code, error.status, error.retryable) == ("provider_error", status, True)
        assert "OpenAI (model `gpt-4o`)" in error.message

    async def test_the_library_does_not_retry_by_itself(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[500])

        await failure(openai)

        assert fake_provider.stats.calls == 1

    async def test_a_bad_request_is_not_worth_a_retry(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[Failure(status=400, message="max_tokens is too large")])

        error = await failure(openai)

        assert (error.code, error.retryable) == ("provider_error", False)
        assert 'Its message: "max_tokens is too large"' in error.message

    async def test_a_long_reply_is_shortened(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[Failure(status=400, message="word " * 500)])

        error = await failure(openai)

        assert "…" in error.message
        assert len(error.message) < 600

    async def test_a_model_the_provider_does_not_have(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[404])

        error = await failure(openai)

        assert (error.code, error.retryable) == ("model_unknown", False)
        assert "`gpt-4o`" in error.message

    async def test_a_wrong_address_names_the_setting(
        self, configured: Configure, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[Failure(status=404, message="Not here", code="nothing")])
        providers = configured(openai_api_key=KEY, openai_base_url=fake_provider.url)

        error = await failure(providers.resolve("gpt-4o"))

        assert error.code == "provider_error"
        assert "OPENAI_BASE_URL" in error.message

    async def test_a_redirect_is_not_followed(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[308])

        error = await failure(openai)

        assert (error.code, error.retryable) == ("provider_error", False)
        assert "OPENAI_BASE_URL" in error.message
        assert fake_provider.stats.calls == 1

    async def test_nobody_there(self, configured: Configure):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        providers = configured(openai_api_key=KEY, openai_base_url=url)

        error = await failure(providers.resolve("gpt-4o"))

        assert (error.code, error.retryable, error.status) == ("provider_error", True, None)
        assert url in error.message
        assert "OPENAI_BASE_URL" in error.message

    @pytest.mark.parametrize("behaviour", [{"drop_after": 2}, {"end_after": 2}])
    async def test_an_answer_that_breaks_off_is_no_answer(
        self, openai: Model, fake_provider: RunningFakeProvider, behaviour: dict[str, Any]
    ):
        fake_provider.configure(tokens=5, **behaviour)

        error = await failure(openai)

        assert (error.code, error.retryable) == ("provider_error", True)
        assert "closed the connection in the middle" in error.message

    async def test_a_connection_cut_before_the_first_token(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(drop_after=0)

        error = await failure(openai)

        assert (error.code, error.retryable) == ("provider_error", True)

    async def test_a_line_that_is_not_json(self, openai: Model, fake_provider: RunningFakeProvider):
        fake_provider.configure(malformed=True)

        error = await failure(openai)

        assert (error.code, error.retryable) == ("provider_error", True)
        assert "sent an invalid response" in error.message

    async def test_a_web_page_instead_of_a_model(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(not_a_provider=True)

        error = await failure(openai)

        assert error.code == "provider_error"
        assert "OPENAI_BASE_URL" in error.message

    async def test_an_error_in_the_middle_of_a_stream(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(error_in_stream="The engine fell over.")

        error = await failure(openai)

        assert (error.code, error.retryable) == ("provider_error", True)
        assert "The engine fell over." in error.message

    async def test_a_refusal_is_a_failure_with_its_reason(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(refusal="I cannot help with that.")

        error = await failure(openai, json_schema=STRICT)

        assert (error.code, error.retryable) == ("provider_error", False)
        assert "I cannot help with that." in error.message

    async def test_a_server_that_never_says_why_it_stopped_is_believed_when_it_counts(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(finish_reason=None)

        finished = await ask(openai)

        assert finished.text == "echo: Say hello."

    async def test_after_failures_the_connection_still_works(
        self, openai: Model, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[429, 500, 200])

        await failure(openai)
        await failure(openai)

        assert (await ask(openai)).text == "echo: Say hello."
