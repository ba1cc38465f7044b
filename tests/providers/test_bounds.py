import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx2
import pytest

from stepiq.providers import bounds
from stepiq.providers.base import CallProgress, ProviderError
from stepiq.providers.places import FailurePlace
from stepiq.redaction.masking import EXCERPT_CHARACTERS, Masker
from tests.providers.conftest import Spoken, ask, failure
from tests.support import loop_time
from tests.support.encodings import kept_encodings
from tests.support.vendor_server import Refusal

NUMBERS = ("input_tokens", "output_tokens", "cached_tokens")
LONG = bounds.MAX_ERROR_BYTES * 20
MEBIBYTE = 1024 * 1024
PLACE = FailurePlace("openai", "OpenAI", "http://127.0.0.1/v1", "OPENAI_API_KEY", "OPENAI_BASE_URL")
REQUEST = httpx2.Request("POST", PLACE.base_url)


class _Sent(httpx2.AsyncByteStream):
    """A body that comes in these pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self.number = 0
        """Pieces that were read."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self.number += 1
            yield piece


class TestErrors:
    @pytest.mark.parametrize("status", [400, 500])
    async def test_only_the_beginning_of_a_long_text_is_masked(self, spoken: Spoken, status: int):
        seen: list[str] = []
        spoken.server.refusals = [Refusal(status, "x" * LONG)]

        error = await failure(spoken.model, redact=lambda text: seen.append(text) or text)

        assert error.status == status
        assert f"status {status}" in error.message
        assert len(error.message) < 1_000
        assert max(map(len, seen), default=0) <= EXCERPT_CHARACTERS + 1

    async def test_a_long_message_is_quoted_from_its_beginning(self, spoken: Spoken):
        message = "The prompt is too long. " + "x" * LONG
        spoken.server.refusals = [Refusal(400, {"error": {"message": message}})]

        error = await failure(spoken.model)

        assert "The prompt is too long." in error.message
        assert '{"error"' not in error.message

    async def test_a_secret_that_the_limit_cuts_is_left_out(self, spoken: Spoken):
        secret = "abcdefgh" * 600
        masker = Masker({"TOKEN": secret})
        spoken.server.refusals = [Refusal(400, f"Wrong token: {secret}{'x' * LONG}")]

        error = await failure(spoken.model, redact=masker.excerpt)

        assert "Wrong token:" in error.message
        assert "abcdefgh" not in error.message

    async def test_a_message_that_the_limit_cuts_is_not_quoted(self, spoken: Spoken):
        body = {"error": {"details": "x" * (bounds.MAX_ERROR_BYTES - 60), "message": "hunter2" * 9}}
        spoken.server.refusals = [Refusal(400, body)]

        error = await failure(spoken.model)

        assert error.status == 400
        assert "hunter2" not in error.message

    async def test_a_compressed_answer_is_refused(self, spoken: Spoken):
        spoken.server.refusals = [Refusal(500, "\x1f\x8b", {"content-encoding": "gzip"})]

        error = await failure(spoken.model)

        assert error.code == "provider_error"
        assert "`Content-Encoding: gzip`" in error.message

    async def test_an_encoding_is_neither_looked_up_nor_kept(self, spoken: Spoken):
        content_type = {"content-type": "text/plain; charset=nonsense-3"}
        spoken.server.refusals = [Refusal(400, "Schön", content_type)]

        error = await failure(spoken.model)

        assert "Schön" in error.message
        assert kept_encodings("nonsense_3") == []


class TestAnswers:
    async def test_an_answer_beyond_its_limit_ends_the_call(self, spoken: Spoken):
        spoken.server.pieces = ["x" * 65_536] * 300
        progress = CallProgress()

        error = await failure_of(spoken, progress)
        await spoken.server.last.ended.wait()

        assert (error.code, error.retryable) == ("output_too_large", False)
        assert "1,048,576 bytes" in error.message
        assert progress.size_bytes <= bounds.MAX_ANSWER_BYTES + 65_536
        assert progress.usage().output_tokens > 0
        assert spoken.server.last.pieces_sent < 300

    async def test_an_answer_of_exactly_the_limit_is_complete(self, spoken: Spoken):
        spoken.server.pieces = ["é" * 8_192] * 64

        answer = await ask(spoken.model)

        assert len(answer.text.encode()) == MEBIBYTE

    async def test_a_line_without_end_ends_the_call(self, spoken: Spoken):
        spoken.server.events = [b"data: " + b"x" * MEBIBYTE, *[b"x" * MEBIBYTE] * 15]

        error = await failure(spoken.model)

        assert error.code == "output_too_large"

    async def test_an_event_without_end_ends_the_call(self, spoken: Spoken):
        line = b"data: " + b"x" * 10_000 + b"\n"
        spoken.server.events = [line] * (2 * bounds.MAX_EVENT_BYTES // len(line))

        error = await failure(spoken.model)

        assert error.code == "output_too_large"

    async def test_an_event_of_too_many_lines_ends_the_call(self, spoken: Spoken):
        spoken.server.events = [b"data: \n" * 100] * (bounds.MAX_EVENT_LINES // 50)

        error = await failure(spoken.model)

        assert error.code == "output_too_large"

    @pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\r\r"])
    async def test_each_event_has_the_whole_limit(self, end: str, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(bounds, "MAX_EVENT_BYTES", 10_000)
        event = b"data: " + b"x" * 9_000 + end.encode()
        # The two halves of an empty line come in different pieces.
        pieces = [event[:-1], event[-1:]] * 10
        reply = httpx2.Response(200, stream=_Sent(pieces), request=REQUEST)
        bounds.bound(reply, PLACE)

        assert await reply.aread() == b"".join(pieces)

    async def test_an_answer_without_text_ends_at_its_limit(
        self, spoken: Spoken, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(bounds, "MAX_REPLY_BYTES", 100_000)
        spoken.server.events = [b"\n" * 10_000] * 40

        error = await failure(spoken.model)

        assert error.code == "output_too_large"

    @pytest.mark.parametrize(("size", "is_paced"), [(10, True), (bounds._PIECE_BYTES, False)])
    async def test_its_small_parts_are_read_at_the_pace_of_all_answers(
        self, size: int, is_paced: bool
    ):
        sent = _Sent([b"x" * (size - 2) + b"\n\n"] * 1_000)
        reply = httpx2.Response(200, stream=sent, request=REQUEST)
        bounds.bound(reply, PLACE)

        with loop_time.within(0):
            reading = asyncio.create_task(reply.aread())
            for _ in range(5_000):
                await asyncio.sleep(0)
            read_at_once = sent.number
        reading.cancel()

        assert (read_at_once < 1_000) is is_paced


# pydantic warns of values that it did not expect before the library that reads the numbers does.
@pytest.mark.filterwarnings(
    "default:Failed to extract usage",
    "ignore:Pydantic serializer warnings",
)
class TestNumbersOfTokens:
    """In this order of filters, warnings are errors only where the server makes them so."""

    @pytest.mark.parametrize("field", NUMBERS)
    @pytest.mark.parametrize("count", [-5, 10**12, 10**400])
    async def test_an_impossible_number_is_refused(self, spoken: Spoken, field: str, count: int):
        setattr(spoken.server, field, count)
        progress = CallProgress()

        error = await failure_of(spoken, progress)

        assert error.code == "provider_error"
        assert "reported an impossible number of " in error.message
        assert progress.usage().estimated
        assert progress.usage().output_tokens < 100

    @pytest.mark.slow
    @pytest.mark.parametrize("field", NUMBERS)
    @pytest.mark.parametrize("count", [20.5, 1e308, "many", [], {}])
    async def test_what_is_no_whole_number_is_never_counted(
        self, spoken: Spoken, field: str, count: Any
    ):
        setattr(spoken.server, field, count)
        progress = CallProgress()

        with suppress(ProviderError):
            await ask(spoken.model, progress)

        usage = progress.usage()
        numbers = (usage.input_tokens, usage.cached_tokens, usage.output_tokens)
        assert [type(each) for each in numbers] == [int] * 3
        assert all(0 <= each <= 1_000 for each in numbers)
        if not usage.estimated:
            counted, sent = getattr(usage, field), {"output_tokens": (0, 1)}.get(field, (0,))
            assert counted in sent

    @pytest.mark.parametrize("field", ["input_tokens", "output_tokens"])
    async def test_a_missing_number_does_not_fail_the_call(self, spoken: Spoken, field: str):
        setattr(spoken.server, field, None)

        answer = await ask(spoken.model)

        assert answer.text == "echo: hello"
        assert 0 <= answer.usage.output_tokens <= 20

    @pytest.mark.parametrize("count", ["20", True, 20.0])
    async def test_what_means_a_whole_number_is_read_as_one(self, spoken: Spoken, count: Any):
        spoken.server.output_tokens = count

        answer = await ask(spoken.model)

        assert (answer.usage.output_tokens, answer.usage.estimated) == (int(count), False)


async def failure_of(spoken: Spoken, progress: CallProgress) -> Any:
    with pytest.raises(ProviderError) as caught:
        await ask(spoken.model, progress)
    return caught.value
