"""Reads the streamed answer of a Chat Completions API.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from stepiq.providers import bounds
from stepiq.providers.answers import AnswerEnding, StreamedAnswer
from stepiq.providers.base import ProviderError
from stepiq.providers.events import EventReader
from stepiq.providers.failures import Hide, broken_off, explain_reply, stopped, unreadable
from stepiq.providers.places import FailurePlace
from stepiq.providers.replies import ProviderReply

if TYPE_CHECKING:
    import httpx2

ENDINGS = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
}
"""Finish reasons of OpenAI."""

_LAST = b"[DONE]"
_END_SECONDS = 0.2
_STATUSES = {
    "context_length_exceeded": 400,
    "invalid_api_key": 401,
    "model_not_found": 404,
    "insufficient_quota": 429,
    "rate_limit_exceeded": 429,
}
"""The HTTP status of errors that a server may also report within an answer, where it has no status."""
_THOUGHTS_BEGIN = "<think>"
_THOUGHTS_END = "</think>"


class ChatAnswer(StreamedAnswer):
    """The answer in an HTTP response with status 200."""

    def __init__(
        self,
        response: "httpx2.Response",
        place: FailurePlace,
        hide: Hide,
        endings: Mapping[str, str],
    ) -> None:
        self._response = response
        self._place = place
        self._hide = hide
        self._endings = endings
        self._model: str | None = None
        self._usage: dict[str, Any] = {}
        self._reason: str | None = None
        self._refusal: list[str] = []
        self._is_thinking = False
        self._chunks = 0

    async def texts(self) -> AsyncGenerator[str]:
        reader = EventReader()
        pieces = self._response.aiter_raw()
        async for piece in pieces:
            for data in reader.feed(piece):
                if data == _LAST:
                    await _read_end(pieces)
                    return
                for text in self._texts_in(data):
                    yield text
        if (data := reader.rest()) is not None and data != _LAST:
            try:
                chunk = _parsed(data)
            except (ValueError, RecursionError):
                raise broken_off(self._place) from None
            for text in self._take(chunk):
                yield text
        if not self._chunks:
            raise unreadable("It contains no events.", self._place, self._hide)

    def ending(self) -> AnswerEnding:
        details = _object(self._usage.get("prompt_tokens_details"))
        return AnswerEnding(
            model=self._model,
            reason=self._reason,
            finish_reason=self._endings.get(self._reason or ""),
            has_refused=bool(self._refusal),
            refusal="".join(self._refusal) or None,
            input_tokens=self._number("input tokens", self._usage.get("prompt_tokens")),
            cached_tokens=self._number("cached tokens", details.get("cached_tokens")),
            output_tokens=self._number("output tokens", self._usage.get("completion_tokens")),
        )

    def _texts_in(self, data: bytes) -> Iterator[str]:
        try:
            chunk = _parsed(data)
        except (ValueError, RecursionError) as error:
            raise unreadable(
                f"An event is not valid JSON: {error}", self._place, self._hide
            ) from None
        return self._take(chunk)

    def _take(self, chunk: dict[str, Any]) -> Iterator[str]:
        self._chunks += 1
        if chunk.get("error"):
            raise self._failure(chunk)
        if isinstance(model := chunk.get("model"), str) and model:
            self._model = model
        if isinstance(usage := chunk.get("usage"), dict):
            self._usage = cast("dict[str, Any]", usage)
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices:
            return
        choice = _object(cast("list[object]", choices)[0])
        if isinstance(reason := choice.get("finish_reason"), str) and reason:
            self._reason = reason
        delta = _object(choice.get("delta"))
        if isinstance(refusal := delta.get("refusal"), str) and refusal:
            self._refusal.append(refusal)
        for text in _texts_of(delta.get("content")):
            if self._is_answer(text):
                yield text

    def _is_answer(self, text: str) -> bool:
        """Whether a text belongs to the answer. Some models send their thoughts before it, between two tags.

        Each tag is one token, so it is always a piece of its own.
        """
        if text == _THOUGHTS_BEGIN:
            self._is_thinking = True
            return False
        was_thinking = self._is_thinking
        if was_thinking and text == _THOUGHTS_END:
            self._is_thinking = False
        return not was_thinking

    def _failure(self, chunk: dict[str, Any]) -> ProviderError:
        reply = ProviderReply.read(200, {}, chunk)
        for code, status in _STATUSES.items():
            if reply.has(code):
                said = ProviderReply(status, reply.codes, reply.message)
                return explain_reply(said, self._place, self._hide)
        return stopped(self._place, reply.message, self._hide)

    def _number(self, what: str, value: object) -> int:
        """A number of tokens. Some servers send it as a text or with decimals."""
        if value is None:
            return 0
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if (
            isinstance(value, str)
            and value.isdecimal()
            and len(value) < len(str(bounds.MAX_TOKENS))
        ):
            return int(value)
        if isinstance(value, int):
            return int(value)
        raise bounds.impossible_tokens(self._place, what)


async def _read_end(pieces: AsyncIterator[bytes]) -> None:
    """Read the end of a body, without which its connection cannot be used again. The answer is complete in any case."""
    with suppress(Exception):
        async with asyncio.timeout(_END_SECONDS):
            async for _ in pieces:
                pass


def _parsed(data: bytes) -> dict[str, Any]:
    # Not `core.json`, because servers split surrogate pairs.
    chunk: object = json.loads(data.decode())
    if not isinstance(chunk, dict):
        raise ValueError("it is not an object")
    return cast("dict[str, Any]", chunk)


def _texts_of(content: object) -> Iterator[str]:
    """The texts of a piece: Mistral sends a list of parts, some of which are thoughts."""
    if isinstance(content, str):
        if content:
            yield content
    elif isinstance(content, list):
        for part in map(_object, cast("list[object]", content)):
            text = part.get("text")
            if part.get("type") == "text" and isinstance(text, str) and text:
                yield text


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
