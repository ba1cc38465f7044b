"""Reads the streamed answer of a Chat Completions API, and the server-sent events that carry it, in linear time.

https://platform.openai.com/docs/api-reference/chat-streaming
https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, cast

from stepiq.core.control_characters import storable
from stepiq.providers import bounds
from stepiq.providers.answers import (
    AnswerEnding,
    OtherPiece,
    Piece,
    ReasoningPiece,
    StreamedAnswer,
)
from stepiq.providers.base import ProviderError
from stepiq.providers.failures import (
    Hide,
    broken_off,
    explain_reply,
    stopped,
    too_many_calls,
    unreadable,
)
from stepiq.providers.openai.thought_tags import ThoughtTags
from stepiq.providers.openai.tool_calls import MAX_CALLS, CallReader
from stepiq.providers.parts import ReasoningPart
from stepiq.providers.places import FailurePlace
from stepiq.providers.replies import ProviderReply


class EventReader:
    """Collects the data of events from the pieces of a body, which may end anywhere."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        """The beginning of a line whose end has not arrived."""
        self._data: list[bytes] = []
        self._ended_with_return = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the data of each event that ends in this piece."""
        if not piece:
            return
        if self._ended_with_return and piece.startswith(b"\n"):
            # The second half of a line end.
            piece = piece[1:]
        self._ended_with_return = piece.endswith(b"\r") if piece else False
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *others = piece.split(b"\n")
        self._line.append(first)
        for begun in others:
            line = b"".join(self._line)
            self._line = [begun]
            if line:
                self._take(line)
            elif self._data:
                yield self._event()

    def rest(self) -> bytes | None:
        """The data of an event that no empty line has ended: some servers omit it at the end."""
        if line := b"".join(self._line):
            self._take(line)
        return self._event() if self._data else None

    def _take(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))

    def _event(self) -> bytes:
        data = b"\n".join(self._data)
        self._data = []
        return data


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


class ChatAnswer(StreamedAnswer):
    """The answer in an HTTP response with status 200."""

    def __init__(
        self,
        response: "httpx2.Response",
        place: FailurePlace,
        hide: Hide,
        endings: Mapping[str, str],
        *,
        has_tags: bool = True,
    ) -> None:
        self._response = response
        self._place = place
        self._hide = hide
        self._endings = endings
        self._model: str | None = None
        self._usage: dict[str, Any] = {}
        self._reason: str | None = None
        self._refusal: list[str] = []
        self._has_tags = has_tags
        self._tags = ThoughtTags()
        self._thoughts: list[str] = []
        self._calls = CallReader()
        self._chunks = 0

    async def pieces(self) -> AsyncGenerator[Piece]:
        async with aclosing(self._received()) as received:
            async for piece in received:
                yield piece
        for piece in self._tags.end():
            yield self._noted(piece)

    async def _received(self) -> AsyncGenerator[Piece]:
        reader = EventReader()
        received = self._response.aiter_raw()
        async for part in received:
            for data in reader.feed(part):
                if data == _LAST:
                    await _read_end(received)
                    return
                for piece in self._pieces_in(data):
                    yield piece
        if (data := reader.rest()) is not None and data != _LAST:
            try:
                chunk = _parsed(data)
            except (ValueError, RecursionError):
                raise broken_off(self._place) from None
            for piece in self._take(chunk):
                yield piece
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
            output_tokens=self._output_tokens(),
            reasoning=(ReasoningPart(storable("".join(self._thoughts))),) if self._thoughts else (),
            calls=self._calls.calls(),
            is_within_thoughts=self._tags.is_open,
        )

    def _output_tokens(self) -> int:
        """Tokens of the answer and of thoughts.

        OpenAI's `completion_tokens` include the thoughts. Other servers report them separately, but in the total.
        """
        completion = self._number("output tokens", self._usage.get("completion_tokens"))
        details = _object(self._usage.get("completion_tokens_details"))
        thoughts = _whole(details.get("reasoning_tokens") or self._usage.get("reasoning_tokens"))
        prompt = _whole(self._usage.get("prompt_tokens"))
        total = _whole(self._usage.get("total_tokens"))
        if thoughts is None or prompt is None or total is None or completion < 0:
            return completion
        return max(completion, min(total - prompt, completion + thoughts))

    def _pieces_in(self, data: bytes) -> Iterator[Piece]:
        try:
            chunk = _parsed(data)
        except (ValueError, RecursionError) as error:
            raise unreadable(
                f"An event is not valid JSON: {error}", self._place, self._hide
            ) from None
        return self._take(chunk)

    def _take(self, chunk: dict[str, Any]) -> Iterator[Piece]:
        self._chunks += 1
        if chunk.get("error"):
            raise self._failure(chunk)
        if isinstance(model := chunk.get("model"), str) and model:
            self._model = model
        if isinstance(usage := chunk.get("usage"), dict):
            self._usage = cast("dict[str, Any]", usage)
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices:
            return iter(())
        choice = _object(cast("list[object]", choices)[0])
        if isinstance(reason := choice.get("finish_reason"), str) and reason:
            self._reason = reason
        return self._pieces_of(_object(choice.get("delta")))

    def _pieces_of(self, delta: dict[str, Any]) -> Iterator[Piece]:
        if isinstance(refusal := delta.get("refusal"), str) and refusal:
            self._refusal.append(refusal)
            yield OtherPiece(refusal)
        # Some servers send the same thoughts in both fields.
        thoughts = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thoughts, str) and thoughts:
            yield self._noted(ReasoningPiece(thoughts))
        for piece in _texts_of(delta.get("content")):
            if isinstance(piece, str) and self._has_tags:
                yield from map(self._noted, self._tags.feed(piece))
            else:
                yield self._noted(piece)
        for call in _objects(delta.get("tool_calls")):
            yield OtherPiece(self._calls.take(call))
            if self._calls.is_full:
                raise too_many_calls(self._place, MAX_CALLS)

    def _noted(self, piece: Piece) -> Piece:
        if isinstance(piece, ReasoningPiece):
            self._thoughts.append(piece.text)
        return piece

    def _failure(self, chunk: dict[str, Any]) -> ProviderError:
        reply = ProviderReply.read(200, {}, chunk)
        for code, status in _STATUSES.items():
            if reply.has(code):
                said = ProviderReply(status, reply.codes, reply.message)
                return explain_reply(said, self._place, self._hide)
        return stopped(self._place, reply.message, self._hide)

    def _number(self, what: str, value: object) -> int:
        if value is None:
            return 0
        if (number := _whole(value)) is None:
            raise bounds.impossible_tokens(self._place, what)
        return number


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


def _texts_of(content: object) -> Iterator[str | ReasoningPiece]:
    """The texts and thoughts in a piece. Mistral sends a list of parts if the model reasons."""
    if isinstance(content, str):
        if content:
            yield content
        return
    for part in _objects(content):
        is_thought = part.get("type") == "thinking"
        for each in _objects(part.get("thinking")) if is_thought else (part,):
            text = each.get("text")
            if each.get("type") == "text" and isinstance(text, str) and text:
                yield ReasoningPiece(text) if is_thought else text


def _whole(value: object) -> int | None:
    """A number of tokens. Some servers send it as a text or with decimals."""
    match value:
        case int():
            return int(value)
        case float() if value.is_integer():
            return int(value)
        case str() if value.isdecimal() and len(value) < len(str(bounds.MAX_TOKENS)):
            return int(value)
        case _:
            return None


def _objects(value: object) -> Iterator[dict[str, Any]]:
    return map(_object, cast("list[object]", value)) if isinstance(value, list) else iter(())


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
