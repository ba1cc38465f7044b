"""The part that all protocols share: connections to one server, its credentials, and the execution of a call."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from stepiq.core.http import SENDING, USER_AGENT, Client, operator_client
from stepiq.providers import bounds, questions, streams
from stepiq.providers.answers import ReasoningPiece, StreamedAnswer
from stepiq.providers.base import (
    CallProgress,
    Delta,
    ModelRequest,
    ProviderError,
    ReasoningDelta,
    StreamItem,
)
from stepiq.providers.failures import Hide, explain, explain_reply, hiding, key_unsendable
from stepiq.providers.places import Endpoint, FailurePlace
from stepiq.providers.replies import ProviderReply

if TYPE_CHECKING:
    import httpx2

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
_LISTING_SECONDS = 15

_progress: ContextVar[CallProgress | None] = ContextVar("progress", default=None)
"""Of the current call."""


class ProviderConnection(ABC):
    """One endpoint's HTTP connections, shared by all its models. A subclass implements one protocol."""

    libraries: ClassVar[tuple[str, ...]] = ()
    """Modules that it needs. They are slow to import, so import them in a thread before the first call."""
    listing_path: ClassVar[str] = "/models"
    """Path of the list of models, relative to the base URL."""
    says_why: ClassVar[bool] = True
    """Whether every complete answer has a finish reason, so that one without it was cut off."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._http: Client | None = None

    @abstractmethod
    def answer(
        self, name: str, request: ModelRequest, place: FailurePlace, hide: Hide
    ) -> AbstractAsyncContextManager[StreamedAnswer]:
        """Send a request to a model. Leaving the context closes the response.

        Args:
            name: the model.
            request: the request.
            place: the provider and model, for error messages.
            hide: removes secrets from quotes of a reply.

        Raises:
            ProviderError: the provider refuses.
        """

    def credentials(self) -> dict[str, str]:
        """Headers that authenticate a call, by lower-case name. They replace those of a library."""
        key = self.endpoint.api_key
        return {"authorization": f"Bearer {key}"} if key else {}

    def names_in(self, listing: Any) -> list[str]:
        """The names of the models in the body of a list."""
        entries: list[dict[str, Any]] = listing.get("data") or []
        return [str(entry["id"]) for entry in entries]

    async def close(self) -> None:
        """Close all connections. A later call opens new ones."""
        if self._http is not None:
            await self._http.aclose()
        self._http = None

    @property
    def http(self) -> Client:
        """The HTTP client of all calls."""
        if self._http is None:
            self._http = operator_client()
            self._http.event_hooks["request"].append(self._send_only_ours)
            self._http.event_hooks["response"].append(self.note)
        return self._http

    async def stream(
        self, name: str, request: ModelRequest, progress: CallProgress
    ) -> AsyncGenerator[StreamItem]:
        """One streamed call; see `base.Model.stream`."""
        place = self.endpoint.place.of(name)
        hide = hiding(self.endpoint.api_key, request.redact)
        progress.input_tokens = questions.most_tokens(request)
        progress.max_tokens = request.max_tokens
        _progress.set(progress)
        try:
            async with AsyncExitStack() as stack:
                self._check_key()
                sent = self.answer(name, request, place, hide)
                answer = await stack.enter_async_context(sent)
                try:
                    async with aclosing(_items(answer, progress, place)) as items:
                        async for item in items:
                            yield item
                    whole = streams.finished(
                        answer.ending(), progress, place, hide, says_why=self.says_why
                    )
                except BaseException:
                    progress.so_far = streams.counted(answer, place)
                    raise
        except ProviderError:
            raise
        except Exception as error:
            # A library error for an invalid reply is the provider's failure. It fails the step, not the worker.
            raise _behind(error) or self.explain(
                error, place, redact=request.redact, answering=progress.size_bytes > 0
            ) from None
        yield whole

    def explain(
        self,
        error: Exception,
        place: FailurePlace,
        *,
        redact: Hide = str,
        answering: bool = False,
    ) -> ProviderError:
        """See `failures.explain`. A subclass explains the exceptions of its library, too."""
        return explain(error, place, self.endpoint.api_key, answering=answering, redact=redact)

    async def list_models(self) -> list[str]:
        """The models that the server lists. This also checks that it responds and accepts the key.

        Raises:
            ProviderError: it does not respond, or refuses.
        """
        place = self.endpoint.place
        # The same task may have called a model before.
        _progress.set(None)
        try:
            self._check_key()
            async with asyncio.timeout(_LISTING_SECONDS):
                reply = await self.http.get(f"{self.endpoint.base_url}{self.listing_path}")
            if reply.status_code == 200:
                return sorted(set(self.names_in(reply.json())))
        except ProviderError:
            raise
        except Exception as error:
            raise _behind(error) or self.explain(error, place) from None
        raise explain_reply(
            ProviderReply.read(
                reply.status_code, reply.headers, reply.content.decode(errors="replace")
            ),
            place,
            hiding(self.endpoint.api_key),
        )

    def _check_key(self) -> None:
        key = self.endpoint.api_key or ""
        if not key.isascii() or not key.isprintable() or " " in key:
            raise key_unsendable(self.endpoint.place)

    async def _send_only_ours(self, request: "httpx2.Request") -> None:
        # Libraries read keys, organisations and whole headers from the environment, and these must not reach another
        # server, so the headers are filtered last.
        for name in set(request.headers) - _SENT_HEADERS:
            del request.headers[name]
        request.headers.update(
            {
                "user-agent": USER_AGENT,
                "accept-encoding": "identity",
                **self.endpoint.headers,
                **self.credentials(),
            }
        )
        if not self.endpoint.keeps_connections:
            request.headers["connection"] = "close"
        # Some libraries set their own timeouts, or none, not even for connecting.
        request.extensions["timeout"] = self.http.timeout.as_dict()
        if (progress := _progress.get()) is not None:
            # Not before there is a connection: a call that is cancelled earlier costs nothing.
            request.extensions[SENDING] = partial(setattr, progress, "is_sent", True)

    async def note(self, reply: "httpx2.Response") -> None:
        """Called with each response before its body is read."""
        if (progress := _progress.get()) is not None and not _is_from_model(reply):
            progress.is_sent = False
        bounds.bound(reply, self.endpoint.place)


async def _items(
    answer: StreamedAnswer, progress: CallProgress, place: FailurePlace
) -> AsyncGenerator[StreamItem]:
    """The pieces of an answer, which are added to the progress."""
    async with aclosing(streams.pieces(answer)) as pieces:
        async for piece in pieces:
            if isinstance(piece, str):
                progress.add(piece)
            else:
                progress.count(piece.text)
            if progress.size_bytes > bounds.MAX_ANSWER_BYTES:
                raise bounds.answer_too_large(place)
            if isinstance(piece, str):
                yield Delta(piece)
            elif isinstance(piece, ReasoningPiece):
                yield ReasoningDelta(piece.text)


def _is_from_model(reply: "httpx2.Response") -> bool:
    """Whether tokens are charged for a reply: not for errors, and not for the page of a wrong address."""
    return reply.is_success and "html" not in reply.headers.get("content-type", "")


def _behind(error: BaseException | None) -> ProviderError | None:
    """The `ProviderError` that a library has wrapped in its own exception; None if there is none."""
    while error is not None and not isinstance(error, ProviderError):
        error = error.__cause__ or error.__context__
    return error
