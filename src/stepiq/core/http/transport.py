"""The transport for URLs from tenants: every new connection goes to an address that has just been checked.

The check is below the pool, where connections are opened. So the checked address is always the one that is used, even
if the name resolved to another one before. The name is still used in the `Host` header and in TLS.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Generator, Iterable, Sequence
from contextlib import aclosing, contextmanager
from datetime import timedelta
from ipaddress import ip_address
from typing import Any, cast

import httpcore2
import httpx2

from stepiq.core import logging, metrics
from stepiq.core.http import urls
from stepiq.core.http.addresses import Address, plain, refusal
from stepiq.core.http.errors import EgressBlocked
from stepiq.core.http.operator import LIMITS
from stepiq.core.http.resolver import Resolver
from stepiq.core.settings import Network

RESOLVE = timedelta(seconds=5)
"""Time limit of a DNS lookup."""
_PATIENCE_SECONDS = 2.0
"""Time limit for connecting to an address if there are others to try."""

log = logging.get(__name__)

# The library's own table is private. The nearest ancestor of an error determines the result.
_ERRORS: dict[type[Exception], type[httpx2.RequestError]] = {
    httpcore2.ConnectTimeout: httpx2.ConnectTimeout,
    httpcore2.ReadTimeout: httpx2.ReadTimeout,
    httpcore2.WriteTimeout: httpx2.WriteTimeout,
    httpcore2.PoolTimeout: httpx2.PoolTimeout,
    httpcore2.ConnectError: httpx2.ConnectError,
    httpcore2.ReadError: httpx2.ReadError,
    httpcore2.WriteError: httpx2.WriteError,
    httpcore2.LocalProtocolError: httpx2.LocalProtocolError,
    httpcore2.RemoteProtocolError: httpx2.RemoteProtocolError,
}


class NameUnknown(httpx2.ConnectError):
    """The host name has no address, or the lookup did not finish in time."""


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Sends requests over HTTP/1.1 to public addresses and to those of `allowed`."""

    def __init__(
        self,
        *,
        allowed: Sequence[Network],
        resolver: Resolver,
        ssl_context: ssl.SSLContext,
    ) -> None:
        self._allowed = allowed
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=ssl_context,
            max_connections=LIMITS.max_connections,
            max_keepalive_connections=LIMITS.max_keepalive_connections,
            keepalive_expiry=LIMITS.keepalive_expiry,
            http1=True,
            http2=False,
            retries=0,
            network_backend=_CheckedConnections(allowed, resolver),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request.

        Raises:
            EgressBlocked: its address must not be called; nothing was sent.
            httpx2.LocalProtocolError: the request is not valid HTTP; nothing was sent.
        """
        url = urls.check_url(request.url, self._allowed)
        extensions: dict[str, Any] = {"timeout": request.extensions.get("timeout", {})}
        sent = httpcore2.Request(
            # The library raises TypeError for non-ASCII text, but checks bytes like the rest of the request.
            method=request.method.encode(),
            url=httpcore2.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=extensions,
        )
        with _translated():
            reply = await self._pool.handle_async_request(sent)
        return httpx2.Response(
            status_code=reply.status, headers=reply.headers, stream=_ReplyStream(reply)
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


class _ReplyStream(httpx2.AsyncByteStream):
    def __init__(self, reply: httpcore2.Response) -> None:
        self._reply = reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            async with aclosing(self._reply.aiter_stream()) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def aclose(self) -> None:
        await self._reply.aclose()


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except tuple(_ERRORS) as error:
        made = next(_ERRORS[kind] for kind in type(error).__mro__ if kind in _ERRORS)
        raise made(str(error)) from error


class _CheckedConnections(httpcore2.AsyncNetworkBackend):
    """Opens all connections of the transport, and checks their addresses."""

    def __init__(self, allowed: Sequence[Network], resolver: Resolver) -> None:
        self._allowed = allowed
        self._resolver = resolver
        self._inner = cast(httpcore2.AsyncNetworkBackend, httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 — the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Check all addresses of a host, then connect to the first one that answers."""
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._checked(host)
                return await self._first(addresses, port)
        except TimeoutError:
            raise httpcore2.ConnectTimeout("no connection in time") from None

    async def _checked(self, host: str) -> list[Address]:
        addresses = [plain(address) for address in await self._find(host)]
        for address in addresses:
            # One forbidden address refuses the name, because the name server controls the order of addresses.
            if reason := refusal(address, self._allowed):
                metrics.egress_blocked.inc()
                log.warning("egress_blocked", host=host, address=str(address))
                raise EgressBlocked(host, reason)
        return addresses

    async def _find(self, host: str) -> list[Address]:
        if (address := urls.literal(host)) is not None:
            return [address]
        try:
            async with asyncio.timeout(RESOLVE.total_seconds()):
                found = await self._resolver.resolve(host)
        except TimeoutError:
            raise NameUnknown(f"The DNS server did not find `{host}` in time.") from None
        except (OSError, UnicodeError):
            raise NameUnknown(f"`{host}` was not found in DNS.") from None
        if not found:
            raise NameUnknown(f"`{host}` was not found in DNS.")
        return [ip_address(text) for text in found]

    async def _first(self, addresses: Sequence[Address], port: int) -> httpcore2.AsyncNetworkStream:
        *others, last = addresses
        for address in others:
            try:
                return await self._inner.connect_tcp(str(address), port, timeout=_PATIENCE_SECONDS)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(str(last), port)
