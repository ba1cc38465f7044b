"""What holds for every protocol, tried against a server of each."""

import asyncio
import gc
import json
from typing import Any

import pytest

from stepiq.providers import bounds
from stepiq.providers.base import CallProgress, Delta, Finished, Message, ModelRequest, Usage
from stepiq.providers.parts import TextPart
from stepiq.providers.questions import most_tokens
from tests.providers.conftest import KEY, Configure, Spoken, ask, failure, request
from tests.support import loop_time
from tests.support.network import only_loopback
from tests.support.vendor_server import Refusal, event

TOKENS = Usage(input_tokens=100, cached_tokens=0, output_tokens=20)
OWN = "own-1b9ZkQ7vXw3Lr5Ty8Uc2"

SENT = most_tokens(request("x" * 40))

FIRST_PIECE = {"anthropic": 4, "google": 1, "mistral": 2, "zai": 2}
"""After so many events the first piece of the answer has come."""


class TestStream:
    async def test_the_answer_comes_piece_by_piece_and_then_whole(self, spoken: Spoken):
        items = [item async for item in spoken.model.stream(request())]

        assert items[:-1] == [Delta("echo:"), Delta(" hello")]
        assert items[-1] == Finished(
            "echo: hello", TOKENS, spoken.model.name, "stop", (TextPart("echo: hello"),)
        )

    async def test_a_piece_is_given_before_the_next_one_exists(self, spoken: Spoken):
        spoken.server.hangs_at = FIRST_PIECE[spoken.vendor]
        answer = spoken.model.stream(request())

        assert await anext(answer) == Delta("echo:")

        await answer.aclose()

    async def test_it_tells_what_ran(self, spoken: Spoken):
        spoken.server.ran = "exactly-this-2026"

        assert (await ask(spoken.model)).model == "exactly-this-2026"

    async def test_an_answer_that_was_cut_at_the_limit_says_so(self, spoken: Spoken):
        endings = {"anthropic": "max_tokens", "google": "MAX_TOKENS"}
        spoken.server.ending = endings.get(spoken.vendor, "length")

        assert (await ask(spoken.model)).finish_reason == "length"

    async def test_an_empty_answer_is_an_answer(self, spoken: Spoken):
        spoken.server.pieces = []

        assert (await ask(spoken.model)).text == ""

    async def test_tokens_read_from_the_cache_are_a_part_of_the_input(self, spoken: Spoken):
        spoken.server.cached_tokens = 64
        progress = CallProgress()

        finished = await ask(spoken.model, progress)

        assert finished.usage == Usage(input_tokens=100, cached_tokens=64, output_tokens=20)
        assert progress.usage() == finished.usage

    async def test_a_price_is_known(self, spoken: Spoken):
        finished = await ask(spoken.model)

        cost = spoken.model.cost(finished.usage)
        assert cost is not None
        assert cost.total_usd_micros > 0

    async def test_an_idempotency_key_goes_along(self, spoken: Spoken):
        await ask(spoken.model, idempotency_key="run:step:1")

        assert spoken.server.last.headers["idempotency-key"] == "run:step:1"

    async def test_hundred_calls_run_at_once(self, spoken: Spoken):
        spoken.server.hangs_at = 0

        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(ask(spoken.model)) for _ in range(100)]
            await spoken.server.next_call(100)
            under_way = [seen for seen in spoken.server.seen if not seen.ended.is_set()]
            for call in calls:
                call.cancel()

        assert len(under_way) == 100


class TestCancel:
    async def test_a_cancelled_call_closes_its_connection_at_once(self, spoken: Spoken):
        spoken.server.hangs_at = 0
        progress = CallProgress()
        call = asyncio.create_task(ask(spoken.model, progress, prompt="x" * 40))
        seen = await spoken.server.next_call()

        call.cancel()

        async with asyncio.timeout(10):
            await seen.ended.wait()
        assert seen.closed_by_client
        assert progress.usage() == Usage(SENT, 0, 0, estimated=True)

    async def test_a_call_that_is_cancelled_before_it_is_sent_costs_nothing(
        self, spoken: Spoken, configured: Configure
    ):
        began = asyncio.Event()

        async def never_finish_the_handshake(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await reader.read(1)
            began.set()
            await reader.read()
            writer.close()

        progress = CallProgress()
        async with await asyncio.start_server(never_finish_the_handshake, "127.0.0.1") as server:
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            vendor = spoken.vendor
            settings = {f"{vendor}_api_key": KEY, f"{vendor}_base_url": url}
            model = configured(**settings).resolve(f"{vendor}/{spoken.model.name}")
            call = asyncio.create_task(ask(model, progress, prompt="x" * 40))
            await began.wait()

            call.cancel()
            await asyncio.wait([call])

        assert progress.usage() == Usage(0, 0, 0, estimated=True)

    async def test_closing_the_iterator_does_the_same_in_the_middle_of_an_answer(
        self, spoken: Spoken, caplog: pytest.LogCaptureFixture
    ):
        spoken.server.hangs_at = FIRST_PIECE[spoken.vendor]
        progress = CallProgress()
        answer = spoken.model.stream(request(), progress)
        await anext(answer)

        gc.disable()
        try:
            await answer.aclose()

            async with asyncio.timeout(10):
                await spoken.server.last.ended.wait()
        finally:
            gc.enable()
        assert spoken.server.last.closed_by_client
        assert progress.usage().output_tokens == len("echo:")
        assert not caplog.records

    async def test_a_silent_server_is_left_by_a_time_limit(self, spoken: Spoken):
        spoken.server.hangs_at = FIRST_PIECE[spoken.vendor]
        answer = spoken.model.stream(request())
        await anext(answer)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(answer)

        async with asyncio.timeout(10):
            await spoken.server.last.ended.wait()
        assert spoken.server.last.closed_by_client


class TestKeys:
    async def test_a_key_is_the_only_credential_that_leaves(
        self, spoken: Spoken, monkeypatch: pytest.MonkeyPatch
    ):
        for name in ("ANTHROPIC_AUTH_TOKEN", "OPENAI_ORG_ID", "OPENAI_ADMIN_KEY"):
            monkeypatch.setenv(name, "of-somebody-else")
        for name in ("ANTHROPIC_CUSTOM_HEADERS", "OPENAI_CUSTOM_HEADERS"):
            monkeypatch.setenv(name, "X-Mine: of-somebody-else\nx-api-key: of-somebody-else")

        await ask(spoken.model)

        headers = spoken.server.last.headers
        assert spoken.server.key_in(headers) == KEY
        assert "of-somebody-else" not in str(headers)
        assert headers["user-agent"].startswith("stepiq/")
        assert not [name for name in headers if name.startswith(("x-stainless", "x-goog-api-cli"))]

    async def test_without_a_key_those_of_the_environment_stay_at_home(
        self, spoken: Spoken, configured: Any, monkeypatch: pytest.MonkeyPatch
    ):
        providers = configured(**{f"{spoken.vendor}_base_url": spoken.server.url})
        for name in ("ANTHROPIC", "GOOGLE", "GEMINI", "MISTRAL", "ZAI", "OPENAI"):
            monkeypatch.setenv(f"{name}_API_KEY", KEY)

        await ask(providers.resolve(f"{spoken.vendor}/{spoken.model.name}"))

        assert KEY not in str(spoken.server.last.headers)
        assert not spoken.server.key_in(spoken.server.last.headers)

    async def test_an_accounts_own_key_goes_instead_of_the_servers(self, spoken: Spoken):
        keys = {f"{spoken.vendor.upper()}_API_KEY": OWN}
        own = spoken.providers.resolve(spoken.model.id, keys)

        await ask(own)
        await ask(spoken.model)

        sent = [spoken.server.key_in(seen.headers) for seen in spoken.server.seen]
        assert sent == [OWN, KEY]
        assert KEY not in str(spoken.server.seen[0].headers)
        assert (own.is_paid_by_server, spoken.model.is_paid_by_server) == (False, True)

    async def test_a_refused_own_key_is_called_the_secret_that_it_is(self, spoken: Spoken):
        spoken.server.key = KEY
        name = f"{spoken.vendor.upper()}_API_KEY"
        own = spoken.providers.resolve(spoken.model.id, {name: OWN})

        error = await failure(own)

        assert error.code == "provider_auth"
        assert f"the secret `{name}`" in error.message
        assert OWN not in error.message

    async def test_a_key_that_no_header_can_carry_is_refused_before_it_is_sent(
        self, spoken: Spoken
    ):
        name = f"{spoken.vendor.upper()}_API_KEY"
        bad = [spoken.providers.resolve(spoken.model.id, {name: OWN + end}) for end in " \nø"]

        errors = [await failure(own) for own in bad]

        assert [(error.code, error.retryable) for error in errors] == [("provider_auth", False)] * 3
        assert f"The key in the secret `{name}` contains a space" in errors[0].message
        assert spoken.server.seen == []

    async def test_no_proxy_of_the_environment_is_asked(
        self, spoken: Spoken, monkeypatch: pytest.MonkeyPatch
    ):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        fresh = spoken.providers.resolve(spoken.model.id, {f"{spoken.vendor.upper()}_API_KEY": OWN})

        with only_loopback():
            assert (await ask(fresh)).text == "echo: hello"


class TestFailures:
    async def test_a_wrong_key_names_the_setting_and_never_the_key(self, spoken: Spoken):
        spoken.server.key = "another"

        error = await failure(spoken.model)

        assert (error.code, error.retryable) == ("provider_auth", False)
        assert f"rejected the key in `{spoken.vendor.upper()}_API_KEY`" in error.message
        for piece in (KEY, KEY[:8], KEY[-4:]):
            assert piece not in error.message
            assert piece not in repr(error)

    async def test_a_key_that_a_refusal_repeats_is_not_shown(self, spoken: Spoken):
        said = f"The key {KEY} ({KEY[:10]}...{KEY[-6:]}) may not ask {spoken.model.name}."
        spoken.server.refusals = [_said(spoken.vendor, 403, said)]

        error = await failure(spoken.model)

        assert error.code == "provider_auth"
        assert f"may not ask {spoken.model.name}" in error.message
        assert KEY[:10] not in error.message
        assert KEY[-6:] not in error.message

    async def test_too_many_requests_says_when_to_come_back(self, spoken: Spoken):
        refusal = _said(spoken.vendor, 429, "Slow down.")
        refusal.headers["retry-after"] = "2.5"
        spoken.server.refusals = [refusal]

        error = await failure(spoken.model)

        assert (error.code, error.status, error.retryable) == ("provider_rate_limited", 429, True)
        assert error.retry_after is not None
        assert error.retry_after.total_seconds() == 2.5

    @pytest.mark.parametrize("status", [408, 500, 503, 529])
    async def test_what_passes_is_worth_a_retry_and_asked_once(self, spoken: Spoken, status: int):
        spoken.server.refusals = [_said(spoken.vendor, status, "Come back.")]
        progress = CallProgress()

        error = await failure(spoken.model, progress=progress)

        assert (error.code, error.status, error.retryable) == ("provider_error", status, True)
        assert f"(model `{spoken.model.name}`) failed with status {status}" in error.message
        assert 'Its message: "Come back."' in error.message
        assert len(spoken.server.seen) == 1
        assert progress.usage() == Usage(0, 0, 0, estimated=True)

    @pytest.mark.parametrize("status", [400, 413, 422])
    async def test_a_bad_request_is_not_worth_a_retry(self, spoken: Spoken, status: int):
        spoken.server.refusals = [_said(spoken.vendor, status, "max_tokens is too large")]

        error = await failure(spoken.model)

        assert (error.code, error.status, error.retryable) == ("provider_error", status, False)
        assert 'Its message: "max_tokens is too large"' in error.message

    async def test_a_wrong_address_names_its_setting(self, spoken: Spoken):
        spoken.server.refusals = [Refusal(404, "<html>Nothing here</html>")]

        error = await failure(spoken.model)

        assert (error.code, error.retryable) == ("provider_error", False)
        assert f"Check `{spoken.vendor.upper()}_BASE_URL`" in error.message

    async def test_a_redirect_is_not_followed(self, spoken: Spoken):
        spoken.server.refusals = [Refusal(308, {}, {"location": "http://127.0.0.1:9/"})]

        error = await failure(spoken.model)

        assert (error.code, error.status, error.retryable) == ("provider_error", 308, False)
        assert f"{spoken.vendor.upper()}_BASE_URL" in error.message
        assert len(spoken.server.seen) == 1

    async def test_nobody_there(self, spoken: Spoken, configured: Any):
        settings = {
            f"{spoken.vendor}_api_key": KEY,
            f"{spoken.vendor}_base_url": "http://127.0.0.1:1",
        }

        error = await failure(configured(**settings).resolve(spoken.model.id))

        assert (error.code, error.retryable, error.status) == ("provider_error", True, None)
        assert "http://127.0.0.1:1" in error.message
        assert f"{spoken.vendor.upper()}_BASE_URL" in error.message

    @pytest.mark.parametrize("how", ["drops_at", "ends_at"])
    async def test_an_answer_that_breaks_off_is_no_answer(self, spoken: Spoken, how: str):
        setattr(spoken.server, how, FIRST_PIECE[spoken.vendor])
        progress = CallProgress()

        error = await failure(spoken.model, progress=progress, prompt="x" * 40)

        assert (error.code, error.retryable) == ("provider_error", True)
        assert "closed the connection in the middle" in error.message
        assert progress.text == "echo:"
        assert progress.usage() == Usage(SENT, 0, len("echo:"), estimated=True)
        assert len(spoken.server.seen) == 1

    async def test_a_connection_cut_before_the_first_event(self, spoken: Spoken):
        spoken.server.drops_at = 0
        progress = CallProgress()

        error = await failure(spoken.model, progress=progress, prompt="x" * 40)

        assert (error.code, error.retryable) == ("provider_error", True)
        assert len(spoken.server.seen) == 1
        assert progress.usage() == Usage(SENT, 0, 0, estimated=True)

    @pytest.mark.parametrize("at", ["first", "middle"])
    async def test_a_line_that_is_not_json(self, spoken: Spoken, at: str):
        number = 0 if at == "first" else FIRST_PIECE[spoken.vendor]
        spoken.server.replaced_at = (number, event("{not json", "content_block_delta"))

        error = await failure(spoken.model)

        assert (error.code, error.retryable) == ("provider_error", True)
        assert "sent an invalid response" in error.message

    async def test_a_web_page_instead_of_an_answer(self, spoken: Spoken):
        page = "<html><body>Please log in</body></html>"
        spoken.server.refusals = [Refusal(200, page, {"content-type": "text/html"})]
        progress = CallProgress()

        error = await failure(spoken.model, progress=progress)

        assert error.code == "provider_error"
        assert f"{spoken.vendor.upper()}_BASE_URL" in error.message
        assert progress.usage() == Usage(0, 0, 0, estimated=True)

    async def test_what_must_not_be_shown_is_taken_out_of_what_is_quoted(self, spoken: Spoken):
        spoken.server.refusals = [_said(spoken.vendor, 400, "Bad word: rosebud.")]

        error = await failure(spoken.model, redact=lambda text: text.replace("rosebud", "***"))

        assert "rosebud" not in error.message

    async def test_after_failures_the_connection_still_works(self, spoken: Spoken):
        spoken.server.refusals = [_said(spoken.vendor, status, "No.") for status in (429, 500)]

        await failure(spoken.model)
        await failure(spoken.model)

        assert (await ask(spoken.model)).text == "echo: hello"


class TestWhatIsSent:
    async def test_bounds_and_temperature(self, spoken: Spoken):
        await ask(spoken.model, max_tokens=7, temperature=0.5)

        body = spoken.server.last.body
        sent = body.get("generationConfig", body)
        assert sent["temperature"] == 0.5
        assert sent.get("max_tokens", sent.get("maxOutputTokens")) == 7

    async def test_nothing_is_sent_that_was_not_asked_for(self, spoken: Spoken):
        await ask(spoken.model)

        assert "temperature" not in str(spoken.server.last.body)

    async def test_the_conversation_in_its_order(self, spoken: Spoken):
        turns = (
            Message.of_text("user", "aa"),
            Message.of_text("assistant", "bb"),
            Message.of_text("user", "cc"),
        )

        async for _ in spoken.model.stream(ModelRequest(turns, system_prompt="be brief")):
            pass

        body = spoken.server.last.body
        spoken_turns = body.get("contents") or body["messages"]
        said = [str(turn) for turn in spoken_turns if turn["role"] != "system"]
        assert [next(w for w in ("aa", "bb", "cc") if w in turn) for turn in said] == [
            "aa", "bb", "cc"
        ]  # fmt: skip
        assert "be brief" in str(body)
        assert "be brief" not in str(said)


class TestListModels:
    async def test_it_names_what_the_server_has(self, spoken: Spoken):
        assert await spoken.providers.probe(spoken.vendor) == ["large", "small"]
        assert spoken.server.key_in(spoken.server.last.headers) == KEY

    async def test_a_refused_key_is_explained(self, spoken: Spoken):
        spoken.server.key = "another"

        with pytest.raises(Exception, match=f"{spoken.vendor.upper()}_API_KEY") as caught:
            await spoken.providers.probe(spoken.vendor)

        assert KEY not in str(caught.value)

    @pytest.mark.parametrize("body", ["<html>", "[]", {"data": [{}], "models": [{}]}, "null"])
    async def test_what_is_no_list_is_explained(self, spoken: Spoken, body: Any):
        spoken.server.refusals = [Refusal(200, body)]

        with pytest.raises(Exception, match="sent an invalid response"):
            await spoken.providers.probe(spoken.vendor)

    async def test_a_list_is_not_charged_to_the_call_before(self, spoken: Spoken):
        spoken.server.refusals = [Refusal(500, "no")]
        progress = CallProgress()
        await failure(spoken.model, progress=progress)

        await spoken.providers.probe(spoken.vendor)

        assert progress.usage() == Usage(0, 0, 0, estimated=True)

    async def test_a_list_can_have_any_number_of_lines(self, spoken: Spoken):
        spoken.server.models = [f"model-{number}" for number in range(1_000)]
        spoken.server.refusals = [Refusal(200, json.dumps(spoken.server.listing(), indent=2))]

        assert len(await spoken.providers.probe(spoken.vendor)) == 1_000

    async def test_a_list_that_is_too_large_is_explained(
        self, spoken: Spoken, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(bounds, "MAX_LISTING_BYTES", 20)

        with pytest.raises(Exception, match=r"list of models of .+ is larger than 20"):
            await spoken.providers.probe(spoken.vendor)

    async def test_a_silent_server_is_not_waited_for(self, spoken: Spoken):
        loop_time.quicken(15)
        spoken.server.is_silent = True

        with pytest.raises(Exception, match="did not respond in time"):
            await spoken.providers.probe(spoken.vendor)


def _said(vendor: str, status: int, message: str) -> Refusal:
    """A refusal in the shape of each maker, with one sentence."""
    match vendor:
        case "mistral":
            return Refusal(status, {"object": "error", "message": message, "type": "some_error"})
        case "google":
            return Refusal(status, {"error": {"code": status, "message": message, "status": "X"}})
        case "anthropic":
            error = {"type": "some_error", "message": message}
            return Refusal(status, {"type": "error", "error": error})
        case _:
            return Refusal(status, {"error": {"code": "1234", "message": message}})
