"""The protocols that are implemented with pydantic-ai and the SDKs of the vendors.

All of these libraries are slow to import, so they are imported only when one of these protocols is used.
"""

import warnings
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from stepiq.providers import bounds, library_failures
from stepiq.providers.answers import AnswerEnding, StreamedAnswer
from stepiq.providers.base import ModelRequest, ProviderError
from stepiq.providers.connection import ProviderConnection
from stepiq.providers.failures import Hide
from stepiq.providers.library_questions import Question
from stepiq.providers.places import Endpoint, FailurePlace

if TYPE_CHECKING:
    import httpx2
    from pydantic_ai.models import Model, StreamedResponse

_IMPOSSIBLE_TOKENS = "Failed to extract usage .*: (Invalid usage value|Expected)"
"""Warnings of negative numbers and of values that are not numbers. Missing numbers are estimated instead."""
_KEPT_MODELS = 100
"""Limit of cached models, because users can name any number of models."""

_replies: ContextVar["list[httpx2.Response] | None"] = ContextVar("replies", default=None)
"""Replies to the current call."""


class LibraryConnection(ProviderConnection):
    """A connection that uses a library. A subclass selects it."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._client: Any = None
        self._models: OrderedDict[str, Model[Any]] = OrderedDict()
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
            if len(self._models) > _KEPT_MODELS:
                self._models.popitem(last=False)
        return self._models[name]

    @asynccontextmanager
    async def answer(
        self, name: str, request: ModelRequest, place: FailurePlace, hide: Hide
    ) -> AsyncGenerator[StreamedAnswer]:
        replies: list[httpx2.Response] = []
        _replies.set(replies)
        model = self.model(name)
        asked = self.ask(model, request)
        async with AsyncExitStack() as stack:
            reply = await stack.enter_async_context(
                model.request_stream(asked.messages, asked.settings, asked.parameters)
            )
            # Google's SDK leaves connections with incomplete answers open until garbage collection.
            stack.push_async_callback(_close, replies)
            yield _LibraryAnswer(reply)

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
        explained = library_failures.explain(
            error, place, self.endpoint.api_key, answering=answering, redact=redact
        )
        return explained or super().explain(error, place, redact=redact, answering=answering)

    async def note(self, reply: "httpx2.Response") -> None:
        if (replies := _replies.get()) is not None:
            replies.append(reply)
        await super().note(reply)


class _LibraryAnswer(StreamedAnswer):
    def __init__(self, reply: "StreamedResponse") -> None:
        self._reply = reply

    async def texts(self) -> AsyncGenerator[str]:
        from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta

        async for event in self._reply:
            match event:
                case PartStartEvent(part=TextPart(content=text)) if text:
                    yield text
                case PartDeltaEvent(delta=TextPartDelta(content_delta=text)) if text:
                    yield text
                case _:
                    pass

    def ending(self) -> AnswerEnding:
        details = self._reply.provider_details or {}
        usage = self._reply.usage
        reason = details.get("finish_reason") or details.get("block_reason")
        return AnswerEnding(
            model=self._reply.model_name,
            reason=None if reason is None else str(reason),
            finish_reason=self._reply.finish_reason,
            has_refused="refusal" in details or reason == "refusal",
            refusal=details.get("refusal") or details.get("block_reason_message"),
            input_tokens=usage.input_tokens,
            cached_tokens=usage.cache_read_tokens,
            output_tokens=usage.output_tokens,
        )


async def _close(replies: "list[httpx2.Response]") -> None:
    for reply in replies:
        await reply.aclose()
