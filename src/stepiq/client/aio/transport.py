"""Sends requests, repeats them after temporary failures, and turns errors into exceptions."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http.cookiejar import CookieJar
from typing import Any, TypeVar

import httpx2

from stepiq.client import retries
from stepiq.client.base import adapter_of, adapter_of_first
from stepiq.client.connection import ServerConnection
from stepiq.client.errors import ClientError, error_of
from stepiq.client.requests import ApiRequest, ApiResponse

T = TypeVar("T")

_CONNECT_SECONDS = 10.0
_OK = 200
_NOT_MODIFIED = 304
_EVENTS = "text/event-stream"


class _NoCookies(CookieJar):
    """The credential is a header. A cookie of a response would be a second one."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Ignore the cookies of a response."""


class AsyncTransport:
    """The connections to one server."""

    def __init__(
        self, connection: ServerConnection, http: httpx2.AsyncClient | None = None
    ) -> None:
        self.connection = connection
        self._http = http or httpx2.AsyncClient(
            cookies=_NoCookies(),
            # A proxy or an attacker could redirect the credential to another server.
            follow_redirects=False,
        )

    def connected_as(self, connection: ServerConnection) -> "AsyncTransport":
        """The same connections, with another credential."""
        return AsyncTransport(connection, self._http)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def fetch(self, kind: type[T], request: ApiRequest) -> T:
        """Send a request and return the response as an object. Raises as `send`."""
        return (await self.send(request)).parse(adapter_of(kind))

    async def fetch_one_of(self, kinds: tuple[Any, ...], request: ApiRequest) -> Any:
        """The same for several classes. The first one that fits is used."""
        return (await self.send(request)).parse(adapter_of_first(kinds))

    async def send(self, request: ApiRequest, *, is_redirect: bool = False) -> ApiResponse:
        """Send a request until it succeeds or fails permanently.

        Args:
            request: the request.
            is_redirect: whether the response is a redirect, which is returned and not followed.

        Raises:
            ApiError: the server returned an error.
            ServerUnreachableError: there is no connection, or no response in time.
        """
        repeats = 0
        while True:
            try:
                return await self.send_once(request, is_redirect=is_redirect)
            except ClientError as failure:
                pause = retries.pause_before_repeating(
                    request,
                    failure,
                    repeats=repeats,
                    max_retries=self.connection.max_retries,
                )
                if pause is None:
                    raise
            await asyncio.sleep(pause)
            repeats += 1

    async def send_once(self, request: ApiRequest, *, is_redirect: bool = False) -> ApiResponse:
        """Send a request without repeating it. Arguments and errors are those of `send`."""
        timeout = (request.timeout or self.connection.timeout) + (request.wait or 0)
        async with self._open(request, timeout=timeout) as response:
            found = _received(response, await response.aread())
        status = found.status
        if response.is_success or status == _NOT_MODIFIED or (is_redirect and status < 400):
            return found
        raise error_of(status, found.headers, found.content)

    @asynccontextmanager
    async def open_events(
        self, request: ApiRequest, *, timeout: float
    ) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Open a stream of events once, and give its bytes as they arrive.

        Args:
            request: the request.
            timeout: seconds without a byte after which the connection is given up.

        Raises:
            ApiError: the server returned an error.
            ResponseInvalidError: the response is not a stream of events.
            ServerUnreachableError: the server cannot be reached, closed the connection, or did not respond in time.
        """
        headers = {**request.headers, "accept": _EVENTS}
        async with self._open(replace(request, headers=headers), timeout=timeout) as response:
            if response.status_code != _OK:
                found = _received(response, await response.aread())
                raise error_of(found.status, found.headers, found.content)
            kind, _, _ = response.headers.get("content-type", "").partition(";")
            if kind.strip().lower() != _EVENTS:
                raise _received(response, b"").invalid("The response is not a stream of events.")
            yield response.aiter_bytes()

    @asynccontextmanager
    async def _open(
        self, request: ApiRequest, *, timeout: float
    ) -> AsyncGenerator[httpx2.Response]:
        """Send a request once, and give its response before the body is read, whatever its status."""
        connection = self.connection
        url = connection.server + request.target
        manager = self._http.stream(
            request.method,
            url,
            headers={**connection.headers(), **request.sent_headers()},
            content=request.body,
            timeout=httpx2.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
        )
        try:
            async with manager as response:
                yield response
        except httpx2.RequestError as error:
            raise retries.failure_of(error, connection.server, timeout) from error


def _received(response: httpx2.Response, content: bytes) -> ApiResponse:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return ApiResponse(response.status_code, headers, content)
