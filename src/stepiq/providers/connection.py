"""What is the same in all protocols: the connections to one server, whose key they carry, and how a call runs."""

import asyncio
import warnings
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from stepiq.core.http import USER_AGENT, Client, operator_client
from stepiq.providers import bounds, questions, streams
from stepiq.providers.base import Delta, Finished, ModelRequest, Progress, ProviderError
from stepiq.providers.failures import Place, explain, explain_reply, hiding, key_unsendable
from stepiq.providers.questions import Question
from stepiq.providers.replies import Reply

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
"""Tenants name models freely, so not every name may stay in memory."""

_LISTING_SECONDS = 15

_replies: ContextVar["list[httpx2.Response] | None"] = ContextVar("replies", default=None)
"""Where the call that is under way finds the reply that it got."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server and how to be let in."""

    place: Place
    base_url: str
    api_key: str | None = field(repr=False)
    is_own: bool = False
    """The key is an account's, not the operator's: nothing else of the operator's goes with it."""
    keeps_connections: bool = True
    """False for a server that closes a connection without a word, so that the next call on it would fail."""


class Connection(ABC):
    """One endpoint's HTTP connections, shared by all its models. A subclass speaks one protocol."""

    libraries: ClassVar[tuple[str, ...]]
    """Modules that it needs. They are heavy: import them in a thread before the first call."""
    listing_path: ClassVar[str] = "/models"
    """Where, below the base URL, the server lists its models."""
    says_why: ClassVar[bool] = True
    """Whether every whole answer ends with a reason, so that one without was cut off."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._http: Client | None = None
        self._client: Any = None
        self._models: OrderedDict[str, Model[Any]] = OrderedDict()
        # The library would warn of such a number of tokens, and count no tokens.
        warnings.filterwarnings("error", _IMPOSSIBLE_TOKENS)

    @abstractmethod
    def make_client(self) -> Any:
        """The maker's own client; it sends over `http` and tries nothing again."""

    @abstractmethod
    def build(self, name: str) -> "Model[Any]":
        """The library's object for one model, which asks by `client`."""

    @abstractmethod
    def ask(self, model: "Model[Any]", request: ModelRequest) -> Question:
        """A request as this model takes it."""

    def credentials(self) -> dict[str, str]:
        """Headers, by lower-case name, that let a call in and replace whatever a library would send under their names."""
        key = self.endpoint.api_key
        return {"authorization": f"Bearer {key}"} if key else {}

    def may_send(self) -> frozenset[str]:
        """Headers of the library's own that may go along."""
        return frozenset()

    def names_in(self, listing: Any) -> list[str]:
        """The models in the body of a list."""
        entries: list[dict[str, Any]] = listing.get("data") or []
        return [str(entry["id"]) for entry in entries]

    async def close(self) -> None:
        """Close every connection; a later call opens new ones."""
        if self._http is not None:
            await self._http.aclose()
        self._http = self._client = None
        self._models.clear()

    @property
    def http(self) -> Client:
        """The client of all calls."""
        if self._http is None:
            self._http = operator_client()
            self._http.event_hooks["request"].append(self._send_only_ours)
            self._http.event_hooks["response"].append(self._note)
        return self._http

    @property
    def client(self) -> Any:
        """The maker's own client, shared by all models."""
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
        self, name: str, request: ModelRequest, progress: Progress
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
                    # Refused before anything was read, so nothing is owed.
                    progress.input_chars = 0
                    raise
                # Google's SDK leaves it to the garbage collector to close a connection in the middle of an answer.
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
            # Whatever the library makes of a bad reply is the provider's failure, not ours: it ends the step, not the run's
            # worker.
            raise _behind(error) or explain(
                error,
                place,
                self.endpoint.api_key,
                answering=progress.chunks > 0,
                redact=request.redact,
            ) from None
        yield whole

    async def list_models(self) -> list[str]:
        """What the server says it has, which also proves that it answers and takes the key.

        Raises:
            ProviderError: it does not answer, or refuses.
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
            Reply.read(reply.status_code, reply.headers, reply.content.decode(errors="replace")),
            place,
            hiding(key),
        )

    def _check_key(self) -> None:
        key = self.endpoint.api_key or ""
        if not key.isascii() or not key.isprintable() or " " in key:
            raise key_unsendable(self.endpoint.place)

    async def _send_only_ours(self, request: "httpx2.Request") -> None:
        # Libraries read keys, organisations and whole headers from the environment by themselves, and none of them may reach a
        # server that it was not meant for: so this has the last word on the headers.
        allowed = _SENT_HEADERS | self.may_send()
        for name in set(request.headers) - allowed:
            del request.headers[name]
        request.headers.update(
            {"user-agent": USER_AGENT, "accept-encoding": "identity", **self.credentials()}
        )
        if not self.endpoint.keeps_connections:
            request.headers["connection"] = "close"
        # Some set limits of their own, or none, not even for connecting.
        request.extensions["timeout"] = self.http.timeout.as_dict()

    async def _note(self, reply: "httpx2.Response") -> None:
        if (replies := _replies.get()) is not None:
            replies.append(reply)
        bounds.bound(reply, self.endpoint.place)


async def _close(replies: "list[httpx2.Response]") -> None:
    for reply in replies:
        await reply.aclose()


def _behind(error: BaseException | None) -> ProviderError | None:
    """A failure of ours that a library has put into one of its own."""
    while error is not None and not isinstance(error, ProviderError):
        error = error.__cause__ or error.__context__
    return error
