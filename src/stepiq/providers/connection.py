"""The part that all protocols share: connections to one server, its credentials, and the execution of a call."""

import asyncio
import warnings
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar

from stepiq.core.http import USER_AGENT, Client, operator_client
from stepiq.providers import bounds, questions, streams
from stepiq.providers.base import CallProgress, Delta, Finished, ModelRequest, ProviderError
from stepiq.providers.failures import explain, explain_reply, hiding, key_unsendable
from stepiq.providers.places import Endpoint
from stepiq.providers.questions import Question
from stepiq.providers.replies import ProviderReply

if TYPE_CHECKING:
    import httpx2
    from pydantic_ai.models import Model

_SENT_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "transfer-encoding",
    }
)
_IMPOSSIBLE_TOKENS = "Failed to extract usage .*: (Invalid usage value|Expected)"
"""Warnings of negative numbers and of values that are not numbers. Missing numbers are estimated instead."""
_KEPT_MODELS = 100
"""Limit of cached models, because users can name any number of models."""

_LISTING_SECONDS = 15

_replies: ContextVar["list[httpx2.Response] | None"] = ContextVar("replies", default=None)
"""Replies to the current call."""


class ProviderConnection(ABC):
    """One endpoint's HTTP connections, shared by all its models. A subclass implements one protocol."""

    libraries: ClassVar[tuple[str, ...]]
    """Modules that it needs. They are slow to import, so import them in a thread before the first call."""
    listing_path: ClassVar[str] = "/models"
    """Path of the list of models, relative to the base URL."""
    says_why: ClassVar[bool] = True
    """Whether every complete answer has a finish reason, so that one without it was cut off."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._http: Client | None = None
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

    def credentials(self) -> dict[str, str]:
        """Headers that authenticate a call, by lower-case name. They replace those of a library."""
        key = self.endpoint.api_key
        return {"authorization": f"Bearer {key}"} if key else {}

    def may_send(self) -> frozenset[str]:
        """Lower-case names of the library's own headers that may be sent."""
        return frozenset()

    def names_in(self, listing: Any) -> list[str]:
        """The names of the models in the body of a list."""
        entries: list[dict[str, Any]] = listing.get("data") or []
        return [str(entry["id"]) for entry in entries]

    async def close(self) -> None:
        """Close all connections. A later call opens new ones."""
        if self._http is not None:
            await self._http.aclose()
        self._http = self._client = None
        self._models.clear()

    @property
    def http(self) -> Client:
        """The HTTP client of all calls."""
        if self._http is None:
            self._http = operator_client()
            self._http.event_hooks["request"].append(self._send_only_ours)
            self._http.event_hooks["response"].append(self._note)
        return self._http

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

    async def stream(
        self, name: str, request: ModelRequest, progress: CallProgress
    ) -> AsyncGenerator[Delta | Finished]:
        """One streamed call; see `base.Model.stream`."""
        place = self.endpoint.place.of(name)
        hide = hiding(self.endpoint.api_key, request.redact)
        progress.input_chars = questions.size(request)
        replies: list[httpx2.Response] = []
        _replies.set(replies)
        stack = AsyncExitStack()
        try:
            async with stack:
                try:
                    self._check_key()
                    model = self.model(name)
                    asked = self.ask(model, request)
                    reply = await stack.enter_async_context(
                        model.request_stream(asked.messages, asked.settings, asked.parameters)
                    )
                except Exception:
                    # The call failed before the answer, so no tokens are charged.
                    progress.input_chars = 0
                    raise
                # Google's SDK leaves connections with incomplete answers open until garbage collection.
                stack.push_async_callback(_close, replies)
                async with aclosing(streams.texts(reply)) as pieces:
                    async for text in pieces:
                        progress.add(text)
                        if progress.size_bytes > bounds.MAX_ANSWER_BYTES:
                            raise bounds.answer_too_large(place)
                        yield Delta(text)
                whole = streams.finished(reply, progress, place, hide, says_why=self.says_why)
        except ProviderError:
            raise
        except Warning:
            raise bounds.impossible_tokens(place) from None
        except Exception as error:
            # A library error for an invalid reply is the provider's failure. It fails the step, not the worker.
            raise _behind(error) or explain(
                error,
                place,
                self.endpoint.api_key,
                answering=progress.chunks > 0,
                redact=request.redact,
            ) from None
        yield whole

    async def list_models(self) -> list[str]:
        """The models that the server lists. This also checks that it responds and accepts the key.

        Raises:
            ProviderError: it does not respond, or refuses.
        """
        place, key = self.endpoint.place, self.endpoint.api_key
        try:
            self._check_key()
            async with asyncio.timeout(_LISTING_SECONDS):
                reply = await self.http.get(f"{self.endpoint.base_url}{self.listing_path}")
            if reply.status_code == 200:
                return sorted(set(self.names_in(reply.json())))
        except ProviderError:
            raise
        except Exception as error:
            raise _behind(error) or explain(error, place, key) from None
        raise explain_reply(
            ProviderReply.read(
                reply.status_code, reply.headers, reply.content.decode(errors="replace")
            ),
            place,
            hiding(key),
        )

    def _check_key(self) -> None:
        key = self.endpoint.api_key or ""
        if not key.isascii() or not key.isprintable() or " " in key:
            raise key_unsendable(self.endpoint.place)

    async def _send_only_ours(self, request: "httpx2.Request") -> None:
        # Libraries read keys, organisations and whole headers from the environment, and these must not reach another
        # server, so the headers are filtered last.
        allowed = _SENT_HEADERS | self.may_send()
        for name in set(request.headers) - allowed:
            del request.headers[name]
        request.headers.update(
            {"user-agent": USER_AGENT, "accept-encoding": "identity", **self.credentials()}
        )
        if not self.endpoint.keeps_connections:
            request.headers["connection"] = "close"
        # Some libraries set their own timeouts, or none, not even for connecting.
        request.extensions["timeout"] = self.http.timeout.as_dict()

    async def _note(self, reply: "httpx2.Response") -> None:
        if (replies := _replies.get()) is not None:
            replies.append(reply)
        bounds.bound(reply, self.endpoint.place)


async def _close(replies: "list[httpx2.Response]") -> None:
    for reply in replies:
        await reply.aclose()


def _behind(error: BaseException | None) -> ProviderError | None:
    """The `ProviderError` that a library has wrapped in its own exception; None if there is none."""
    while error is not None and not isinstance(error, ProviderError):
        error = error.__cause__ or error.__context__
    return error
