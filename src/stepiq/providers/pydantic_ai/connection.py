"""The protocols that are implemented with pydantic-ai and the SDKs of the vendors.

All of these libraries are slow to import, so they are imported only when one of these protocols is used.
"""

import warnings
from abc import abstractmethod
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar

from stepiq.core import json
from stepiq.core.control_characters import storable
from stepiq.core.recent import Recent
from stepiq.providers import bounds
from stepiq.providers.answers import (
    AnswerEnding,
    OtherPiece,
    Piece,
    ReasoningPiece,
    ReceivedCall,
    StreamedAnswer,
)
from stepiq.providers.base import ModelRequest, ProviderError
from stepiq.providers.connection import ProviderConnection
from stepiq.providers.failures import Hide, file_refused, too_many_calls
from stepiq.providers.openai.tool_calls import MAX_CALLS
from stepiq.providers.parts import FilePart, ReasoningPart
from stepiq.providers.places import Endpoint, FailurePlace
from stepiq.providers.pydantic_ai import failures
from stepiq.providers.pydantic_ai.questions import Question

if TYPE_CHECKING:
    import httpx2
    from pydantic_ai.models import Model, StreamedResponse

_IMPOSSIBLE_TOKENS = "Failed to extract usage .*: (Invalid usage value|Expected)"
"""Warnings of negative numbers and of values that are not numbers. Missing numbers are estimated instead."""
_DETAILS = ("id", "signature", "provider_name", "provider_details")

_replies: ContextVar["list[httpx2.Response] | None"] = ContextVar("replies", default=None)
"""Replies to the current call."""


class LibraryConnection(ProviderConnection):
    """A connection that uses a library. A subclass selects it."""

    fetches_files: ClassVar[bool] = False
    """Whether the provider fetches files from their addresses."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._client: Any = None
        # Users can name any number of models.
        self._models: Recent[str, Model[Any]] = Recent(100)
        # The library would only warn of such numbers, and count no tokens.
        warnings.filterwarnings("error", _IMPOSSIBLE_TOKENS)

    @abstractmethod
    def make_client(self) -> Any:
        """Create the vendor's client, which sends over `http` and does not retry."""

    @abstractmethod
    def build(self, name: str) -> "Model[Any]":
        """Create the library's object for one model, which uses `client`."""

    @abstractmethod
    def ask(self, model: "Model[Any]", request: ModelRequest) -> Question:
        """Convert a request to the form that this model accepts."""

    async def close(self) -> None:
        await super().close()
        self._client = None
        self._models.clear()

    @property
    def client(self) -> Any:
        """The vendor's client, shared by all models."""
        if self._client is None:
            self._client = self.make_client()
        return self._client

    def model(self, name: str) -> "Model[Any]":
        """The library's object for one model."""
        if name not in self._models:
            self._models[name] = self.build(name)
        return self._models[name]

    @asynccontextmanager
    async def answer(
        self, name: str, request: ModelRequest, place: FailurePlace, hide: Hide
    ) -> AsyncGenerator[StreamedAnswer]:
        replies: list[httpx2.Response] = []
        _replies.set(replies)
        self._check_files(request, place)
        model = self.model(name)
        asked = self.ask(model, request)
        async with AsyncExitStack() as stack:
            reply = await stack.enter_async_context(
                model.request_stream(asked.messages, asked.settings, asked.parameters)
            )
            # Google's SDK leaves connections with incomplete answers open until garbage collection.
            stack.push_async_callback(_close, replies)
            yield _LibraryAnswer(reply, place)

    def _check_files(self, request: ModelRequest, place: FailurePlace) -> None:
        """Refuse files that the library would fetch itself, or cannot send."""
        for message in request.messages:
            for part in message.parts:
                if isinstance(part, FilePart) and (problem := self._file_problem(part)):
                    raise file_refused(part.media_type, place, problem)

    def _file_problem(self, part: FilePart) -> str | None:
        if not part.is_image and part.media_type != "application/pdf":
            return "Send an image or a PDF."
        if not part.is_embedded:
            return None if self.fetches_files else "Send its content instead of an address."
        try:
            _ = part.content
        except ValueError as error:
            return str(error)
        return None

    def explain(
        self,
        error: Exception,
        place: FailurePlace,
        *,
        redact: Hide = str,
        answering: bool = False,
    ) -> ProviderError:
        if isinstance(error, Warning):
            return bounds.impossible_tokens(place)
        explained = failures.explain(
            error, place, self.endpoint.api_key, answering=answering, redact=redact
        )
        return explained or super().explain(error, place, redact=redact, answering=answering)

    async def note(self, reply: "httpx2.Response") -> None:
        if (replies := _replies.get()) is not None:
            replies.append(reply)
        await super().note(reply)


class _LibraryAnswer(StreamedAnswer):
    def __init__(self, reply: "StreamedResponse", place: FailurePlace) -> None:
        self._reply = reply
        self._place = place
        self._calls = 0

    async def pieces(self) -> AsyncGenerator[Piece]:
        from pydantic_ai.messages import (
            PartDeltaEvent,
            PartStartEvent,
            TextPart,
            TextPartDelta,
            ThinkingPart,
            ThinkingPartDelta,
            ToolCallPart,
            ToolCallPartDelta,
        )

        async for event in self._reply:
            match event:
                case (
                    PartStartEvent(part=TextPart(content=text))
                    | PartDeltaEvent(delta=TextPartDelta(content_delta=text))
                ) if text:
                    yield text
                case (
                    PartStartEvent(part=ThinkingPart(content=text))
                    | PartDeltaEvent(delta=ThinkingPartDelta(content_delta=text))
                ) if text:
                    yield ReasoningPiece(text)
                case PartStartEvent(part=ToolCallPart(tool_name=name, args=arguments)):
                    self._count_call()
                    yield OtherPiece(f"{name}{_written(arguments)}")
                case PartDeltaEvent(delta=ToolCallPartDelta(args_delta=arguments)):
                    yield OtherPiece(_written(arguments))
                case _:
                    pass

    def _count_call(self) -> None:
        self._calls += 1
        if self._calls > MAX_CALLS:
            raise too_many_calls(self._place, MAX_CALLS)

    def ending(self) -> AnswerEnding:
        from pydantic_ai.messages import ThinkingPart, ToolCallPart

        parts = self._reply.get().parts
        details = self._reply.provider_details or {}
        usage = self._reply.usage
        reason = details.get("finish_reason") or details.get("block_reason")
        return AnswerEnding(
            model=self._reply.model_name,
            reason=None if reason is None else str(reason),
            # The library does not distinguish this reason of Google from `length`.
            finish_reason="request_limit"
            if reason == "CONTINUATION"
            else self._reply.finish_reason,
            has_refused="refusal" in details or reason == "refusal",
            refusal=details.get("refusal") or details.get("block_reason_message"),
            input_tokens=usage.input_tokens,
            cached_tokens=usage.cache_read_tokens,
            output_tokens=usage.output_tokens,
            reasoning=tuple(
                ReasoningPart(storable(part.content), _details(part))
                for part in parts
                if isinstance(part, ThinkingPart)
            ),
            calls=tuple(
                ReceivedCall(part.tool_call_id, part.tool_name, _written(part.args), _details(part))
                for part in parts
                if isinstance(part, ToolCallPart)
            ),
        )


def _written(arguments: Any) -> str:
    # Not the library's function, which sends invalid JSON on as a value.
    return arguments if isinstance(arguments, str) else json.dumps(arguments or {})


def _details(part: object) -> dict[str, Any]:
    """What the library needs to send a part back to the same provider."""
    found = {name: getattr(part, name, None) for name in _DETAILS}
    return {name: value for name, value in found.items() if value is not None}


async def _close(replies: "list[httpx2.Response]") -> None:
    for reply in replies:
        await reply.aclose()
