"""Sends requests over HTTP/1.1 connections that are kept for later requests to the same server.

It replaces the transport of `httpx2`, which needs several times as much CPU time for each request.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache, cached_property
from http.cookiejar import CookieJar
from typing import Any

import httpx2

from stepiq import __version__
from stepiq.core.http import urls
from stepiq.core.http.connection import HttpConnection, Origin
from stepiq.core.http.messages import RequestHead

MAX_IDLE = 100
"""Number of unused connections above which the oldest is closed. The number of used connections is unlimited, so that no
run waits for the connection of another."""
IDLE_SECONDS = 4.0
"""How long an unused connection is kept. Many servers, such as those of Node.js, close theirs after 5 seconds. A request
that is sent at the same moment fails, and it is not always safe to repeat it."""

_PATIENCE_SECONDS = 2.0
"""Time limit for connecting to an address if there are others to try."""
_PORTS = {"http": 80, "https": 443}
FindAddresses = Callable[[str], Awaitable[Sequence[str]]]
"""Returns the addresses of a host that can be connected to, the preferred one first."""


class PooledTransport(httpx2.AsyncBaseTransport):
    """The transport of a client. A connection is used for one request at a time, and only for one origin.

    Cancelling a request, and closing a response that has not completely arrived, close the connection.

    Args:
        ssl_context: verifies the certificates of servers. None is the system's.
        find_addresses: finds the addresses of a host, for each new connection. What it raises is passed on, except
            `OSError`, which becomes `httpx2.ConnectError`.
    """

    def __init__(self, ssl_context: ssl.SSLContext | None, find_addresses: FindAddresses) -> None:
        self._given_context = ssl_context
        self._find_addresses = find_addresses
        self._open: set[HttpConnection] = set()
        self._idle: dict[HttpConnection, asyncio.TimerHandle] = {}
        self._idle_of: dict[Origin, list[HttpConnection]] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request.

        Raises:
            httpx2.LocalProtocolError: the request is not valid HTTP; nothing was sent.
            httpx2.TransportError: the connection failed, or no valid response arrived.
        """
        url = request.url
        if url.scheme not in _PORTS:
            raise httpx2.UnsupportedProtocol(f"`{url.scheme}` is not http or https.")
        head = RequestHead.of(request)
        origin = (url.scheme, urls.host_of(url), url.port or _PORTS[url.scheme])
        connection = self._take(origin) or await self._connect(
            origin, request.extensions.get("timeout", {}).get("connect")
        )
        response = await connection.exchange(request, head)
        return httpx2.Response(response.status_code, headers=response.headers, stream=response)

    @cached_property
    def _ssl_context(self) -> ssl.SSLContext:
        made = self._given_context or _trusted()
        made.set_alpn_protocols(["http/1.1"])
        return made

    async def aclose(self) -> None:
        """Close all connections."""
        for connection in list(self._open):
            connection.close()

    def _take(self, origin: Origin) -> HttpConnection | None:
        while idle := self._idle_of.get(origin):
            self._forget(connection := idle[-1])
            if connection.is_usable():
                return connection
            connection.close()
        return None

    def _release(self, connection: HttpConnection) -> None:
        if len(self._idle) >= MAX_IDLE:
            self._forget(oldest := next(iter(self._idle)))
            oldest.close()
        loop = asyncio.get_running_loop()
        self._idle[connection] = loop.call_later(IDLE_SECONDS, connection.close)
        self._idle_of.setdefault(connection.origin, []).append(connection)

    def _forget(self, connection: HttpConnection) -> None:
        timer = self._idle.pop(connection, None)
        if timer is None:
            return
        timer.cancel()
        idle = self._idle_of[connection.origin]
        idle.remove(connection)
        if not idle:
            del self._idle_of[connection.origin]

    def _lose(self, connection: HttpConnection) -> None:
        self._open.discard(connection)
        self._forget(connection)

    async def _connect(self, origin: Origin, seconds: float | None) -> HttpConnection:
        scheme, host, port = origin
        connection = HttpConnection(origin, self._release, self._lose)
        try:
            async with asyncio.timeout(seconds):
                connected = await _connected(await self._find_addresses(host), port)
                try:
                    await asyncio.get_running_loop().create_connection(
                        lambda: connection,
                        sock=connected,
                        ssl=self._ssl_context if scheme == "https" else None,
                        server_hostname=host if scheme == "https" else None,
                    )
                except BaseException:
                    connected.close()
                    raise
        except TimeoutError:
            raise httpx2.ConnectTimeout("No connection became free in time.") from None
        except OSError as error:
            raise httpx2.ConnectError(str(error)) from error
        self._open.add(connection)
        return connection


async def _connected(addresses: Sequence[str], port: int) -> socket.socket:
    """Connect to the first address that accepts the connection."""
    *others, last = addresses
    for address in others:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await _connected_to(address, port)
        except OSError:
            continue
    return await _connected_to(last, port)


async def _connected_to(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, (address, port))
    except BaseException:
        made.close()
        raise
    return made


async def system_addresses(host: str) -> Sequence[str]:
    """The addresses of a host, as the operating system returns them."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"`{host}` is not a valid name.") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


Client = httpx2.AsyncClient
"""The type of clients, for annotations."""

USER_AGENT = f"stepiq/{__version__}"

_TIMEOUT = httpx2.Timeout(connect=10, write=60, read=3600, pool=3600)
"""Short only for connecting, because the step's `timeout_seconds` limits the time for a response."""


class NoCookies(CookieJar):
    """A cookie jar that stores no cookies and does not parse received ones."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Ignore the cookies of a response."""


@cache
def _trusted() -> ssl.SSLContext:
    """The system's certificates. All clients share them, because reading them takes tens of milliseconds."""
    return httpx2.create_ssl_context(trust_env=False)


def operator_client(headers: Mapping[str, str] | None = None) -> Client:
    """A client for addresses that the operator configures, such as model providers, a local Ollama or other services.

    It can call private addresses, so never use it for URLs from tenants. It does not follow redirects, which could send
    credentials to an address that is not configured. It ignores proxy variables of the environment.

    Args:
        headers: sent with every request, such as the credential of the client's service.
    """
    return Client(
        transport=PooledTransport(None, system_addresses),
        headers={"User-Agent": USER_AGENT, **(headers or {})},
        timeout=_TIMEOUT,
        follow_redirects=False,
        trust_env=False,
        # The calls of all workspaces share the client.
        cookies=NoCookies(),
    )
