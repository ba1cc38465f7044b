"""Middleware around the app: limits on size and time, the request's id, and one log line per request.

It reads the whole body before it calls the app, so a slow or endless body occupies no transaction and no task of the
app. `server.connections.protocol` limits the time for headers.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stepiq.core import ids
from stepiq.core.errors import StepIQError
from stepiq.core.observability import logging, metrics
from stepiq.store.connections.waiting import AnswerTime, answering
from stepiq.web import problems, requests
from stepiq.web.errors import (
    BodyTooLarge,
    HeadersTooLarge,
    MalformedQuery,
    RequestTimeout,
    Stopping,
    UnknownPath,
)

MAX_BODY_BYTES = 256 * 1024
MAX_HEADER_BYTES = 16 * 1024
BODY_SECONDS = 30

_DRAIN_BYTES = 1024 * 1024
_DRAIN_SECONDS = 2
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods that metrics distinguish. A caller can send any text as a method."""
_NUL = re.compile(rb"%00|\x00")
DEFAULT_HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""Sent with every response that does not set them. Most responses contain credentials or the data of a workspace."""

log = logging.get(__name__)


class _Gone(Exception):
    """The caller disconnected before the request was complete."""


class Guard:
    """The ASGI middleware."""

    def __init__(
        self,
        app: ASGIApp,
        body_seconds: float = BODY_SECONDS,
        drain_seconds: float = _DRAIN_SECONDS,
    ) -> None:
        self.app = app
        self._body_seconds = body_seconds
        self._drain_seconds = drain_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["headers"] = [(name, _value(name, value)) for name, value in scope["headers"]]
        request_id = _request_id(scope)
        scope = requests.open_scope(scope, request_id)
        requests.act_from(scope)
        with logging.bound(request_id=request_id), answering() as answer_time:
            answer = _GuardedSend(send, scope, answer_time)
            async with _logged(scope, answer):
                await self._handle(scope, receive, answer)

    async def _handle(self, scope: Scope, receive: Receive, answer: "_GuardedSend") -> None:
        try:
            _check_head(scope)
            if _has_body(scope):
                receive = _replay(await self._read(scope, receive), receive)
        except StepIQError as error:
            await self._refuse(scope, receive, answer, error)
            return
        except _Gone:
            return
        try:
            await self.app(scope, receive, answer.send)
        except asyncio.CancelledError:
            # The server stops. By default, the response would be a 500 in plain text.
            if not answer.status:
                error = Stopping()
                requests.note(scope, code=error.code)
                response = problems.respond(error, requests.id_of(scope))
                await response(scope, receive, answer.send)
            raise
        except Exception:
            log.exception("request_failed", method=requests.method_of(scope), path=_path(scope))
            if not answer.status:
                bug = problems.respond_to_bug(requests.id_of(scope))
                await bug(scope, receive, answer.send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        declared = _header(scope, b"content-length")
        if declared.isdigit() and int(declared[:20]) > MAX_BODY_BYTES:
            raise BodyTooLarge(MAX_BODY_BYTES)
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_seconds):
                async for chunk in _chunks(receive):
                    body += chunk
                    if len(body) > MAX_BODY_BYTES:
                        raise BodyTooLarge(MAX_BODY_BYTES)
        except TimeoutError:
            raise RequestTimeout(round(self._body_seconds)) from None
        return bytes(body)

    async def _refuse(
        self, scope: Scope, receive: Receive, answer: "_GuardedSend", error: StepIQError
    ) -> None:
        """Respond without calling the app, then close the connection without reading the whole request.

        Before closing, up to 1 MiB is read and discarded, because the caller's system would drop the response if the
        connection were closed immediately.
        """
        requests.note(scope, code=error.code)
        response = problems.respond(error, requests.id_of(scope))
        response.headers["Connection"] = "close"
        start = {"type": "http.response.start", "status": response.status_code}
        await answer.send({**start, "headers": response.raw_headers})
        await answer.send({"type": "http.response.body", "body": response.body, "more_body": True})
        with suppress(TimeoutError, _Gone):
            async with asyncio.timeout(self._drain_seconds):
                dropped = 0
                async for chunk in _chunks(receive):
                    dropped += len(chunk)
                    if dropped > _DRAIN_BYTES:
                        break
        await answer.send({"type": "http.response.body", "body": b""})


class _GuardedSend:
    """Sends the response with the request's id and other added headers, and records its status. HEAD gets no body."""

    def __init__(self, send: Send, scope: Scope, answer_time: AnswerTime) -> None:
        self._send = send
        self._scope = scope
        self._answer_time = answer_time
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._answer_time.end()
            own = (b"x-request-id", requests.id_of(self._scope).encode())
            added = requests.added_headers(self._scope)
            headers = [*message.get("headers", ()), own, *added]
            message = {**message, "headers": with_defaults(headers)}
        elif requests.is_head(self._scope):
            message = {**message, "body": b""}
        await self._send(message)


def with_defaults(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """These headers, with the missing ones of `DEFAULT_HEADERS` added."""
    present = {name.lower() for name, _ in headers}
    return [*headers, *(header for header in DEFAULT_HEADERS if header[0] not in present)]


@asynccontextmanager
async def _logged(scope: Scope, answer: _GuardedSend) -> AsyncGenerator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds = time.perf_counter() - started
        # Proxies log 499 if the caller disconnects before the response.
        status = answer.status or 499
        _count(scope, status, seconds)
        log.info(
            "request",
            method=requests.method_of(scope),
            path=_path(scope),
            status=status,
            duration_ms=round(seconds * 1000, 1),
            **requests.noted(scope),
        )


def _count(scope: Scope, status: int, seconds: float) -> None:
    sent = requests.method_of(scope)
    method = sent if sent in _METHODS else "other"
    route = requests.route_of(scope) or "unmatched"
    metrics.http_requests.labels(method, route, status).inc()
    metrics.http_request_duration.labels(method, route).observe(seconds)


async def _chunks(receive: Receive) -> AsyncGenerator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    return receive_again


def _check_head(scope: Scope) -> None:
    refusal = requests.refusal_of(scope)
    if refusal is not None:
        raise refusal
    query: bytes = scope["query_string"]
    size = len(scope.get("raw_path") or b"") + len(query)
    size += sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    if size > MAX_HEADER_BYTES:
        raise HeadersTooLarge(MAX_HEADER_BYTES)
    if _NUL.search(query):
        raise MalformedQuery("The query string contains the character U+0000. Remove it.")
    if "\0" in scope["path"]:
        # PostgreSQL does not support U+0000 in texts.
        raise UnknownPath("The path contains the character U+0000. Remove it.")


def _has_body(scope: Scope) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((value for name, value in scope["headers"] if name == wanted), b"")


def _value(name: bytes, value: bytes) -> bytes:
    """The value of a header as the app sees it."""
    # White space around header values is not part of them (RFC 9110), but uvicorn keeps it at the end.
    value = value.strip(b" \t")
    if name == b"cookie" and b"\\" in value:
        # No cookie contains a backslash (RFC 6265). Before 3.11.10, Python takes quadratic time to read one.
        return b";".join(pair for pair in value.split(b";") if b"\\" not in pair)
    return value


def _request_id(scope: Scope) -> str:
    given = _header(scope, b"x-request-id").decode("latin-1")
    return given if _REQUEST_ID.fullmatch(given) else str(ids.uuid7())


def _path(scope: Scope) -> Any:
    return scope["path"][:200]
