"""HTTP connections with two limits that uvicorn does not have: on request heads, and on clients that stop reading.

The first limit closes connections that send a byte a minute or an endless header, which would each hold a file
descriptor and memory. `web.guard` answers heads that arrive completely but are too large.

The second limit closes connections whose client stops reading. Otherwise such a client would hold the written data, and
any task that waits to write more, forever. It applies to every response: streams, lists, and waits for a run.
"""

import asyncio
import errno
import socket
import struct
from typing import Any, cast

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from stepiq.accounts.credentials.origin import client_at
from stepiq.core import ids
from stepiq.core.errors import Malformed, StepIQError
from stepiq.core.observability import logging, metrics
from stepiq.server.connections.limits import ClientConnection, Connections
from stepiq.web import problems, requests
from stepiq.web.errors import HeadersTooLarge, RequestTimeout
from stepiq.web.guard import MAX_HEADER_BYTES, with_defaults

HEADER_SECONDS = 10
"""Time limit for the head of a request, counted from the opening of the connection or the head's first byte."""
READER_SECONDS = 15
"""How often a stalled response is checked. A client that reads nothing is disconnected within twice this time."""

HEALTH_PATH = b"/health"
"""Answered even if the server is full, so that a full server is not restarted."""

_UNSENT_BYTES = 16 * 1024
"""Limit of unsent data in the kernel's buffer. Reads of the client become visible in steps of half this size."""
_RESET = struct.pack("ii", 1, 0)

log = logging.get(__name__)


class NotHttp(Malformed):
    """The request is not valid HTTP/1.1."""

    code = "malformed_request"


class HeadTimeout(RequestTimeout):
    """The request's head did not arrive in time."""

    def __init__(self) -> None:
        StepIQError.__init__(
            self, f"The request headers did not arrive within {HEADER_SECONDS} seconds."
        )


class Clients:
    """Which client a connection or a request counts for. See `STEPIQ_TRUSTED_PROXIES`."""

    def __init__(self, trusted_proxies: list[str]) -> None:
        self._proxies = ProxyHeadersMiddleware(_no_app, trusted_proxies or []).trusted_hosts

    def owner(self, address: str) -> str:
        """The client of a connection; empty if it is a trusted proxy."""
        return "" if address in self._proxies else client_at(address) or "unknown"

    def forwarded(self, headers: list[tuple[bytes, bytes]]) -> str:
        """The address for which a trusted proxy sends a request; empty if the proxy does not name an address."""
        values = [value for name, value in headers if name == b"x-forwarded-for"]
        host, _ = self._proxies.get_trusted_client_address(b", ".join(values).decode("latin1"))
        return str(requests.address_of(host) or "")


async def _no_app(*_: Any) -> None:
    """Placeholder app: only the list of trusted proxies is used."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection.

    From `_await_head` to the end of a head, a timer runs and bytes are counted. A second timer runs while the kernel's
    send buffer is full. uvicorn writes nothing during that time, so the buffer changes only when the client reads.
    """

    header_seconds: float = HEADER_SECONDS
    reader_seconds: float = READER_SECONDS

    def __init__(
        self, *args: Any, connections: Connections, clients: Clients, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._all = connections
        self._clients = clients
        self._one: ClientConnection
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_body = False
        self._reader_timer: asyncio.TimerHandle | None = None
        self._unread_bytes = 0
        self._is_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        owner = self._clients.owner(self.client[0] if self.client else "")
        self._one = self._all.open(owner, self.transport.abort)
        self._limit_unread()
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        self._head_arrived()
        self._reader_takes()
        self._all.close(self._one)
        super().connection_lost(exc)
        if isinstance(exc, OSError) and exc.errno == errno.ETIMEDOUT:
            self._note_cut()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader()
        self._all.work(self._one)

    def resume_writing(self) -> None:
        self._reader_takes()
        super().resume_writing()
        self._rest()

    def data_received(self, data: bytes) -> None:
        if self._head_timer is None and not self._in_body:
            self._await_head()
        super().data_received(data)
        self._note_part()
        if self._head_timer is None:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEADER_BYTES:
            self._refuse(HeadersTooLarge(MAX_HEADER_BYTES))

    def on_headers_complete(self) -> None:
        self._head_arrived()
        self._in_body = True
        requests.set_reset(cast(dict[str, Any], self.scope), self._reset)
        has_place = self._admit()
        super().on_headers_complete()
        if not has_place:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()
        self._all.work(self._one)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._rest()

    def _admit(self) -> bool:
        """Reserve a place for the connection, or refuse the request. Returns whether the connection has a place."""
        client = self._one.owner
        if not client and (address := self._clients.forwarded(self.headers)):
            # uvicorn would also take a word, or a header that follows the body, which proxies may not check.
            self.scope["client"] = (address, 0)
            client = client_at(address)
        refusal = self._all.request(self._one, client)
        if refusal is not None and self.url.partition(b"?")[0] != HEALTH_PATH:
            metrics.connections_refused.labels(refusal.reason).inc()
            requests.refuse(cast(dict[str, Any], self.scope), refusal)
        return self._one.has_place

    def _rest(self) -> None:
        """Mark the connection as idle if its responses are complete and the client has read them."""
        cycle = cast(RequestResponseCycle | None, self.cycle)
        is_over = cycle is not None and (cycle.response_complete or self._in_body)
        if is_over and not self.flow.write_paused:
            self._all.rest(self._one)
            self._note_part()

    def _note_part(self) -> None:
        if self._head_timer is not None or self._in_body:
            self._all.read(self._one)

    def send_400_response(self, msg: str) -> None:
        self._refuse(NotHttp("This is not a valid HTTP/1.1 request."))

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(self.header_seconds, self._on_head_timeout)

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _on_head_timeout(self) -> None:
        if self._head_bytes:
            self._refuse(HeadTimeout())
        else:
            # No request was started, so there is no response: browsers open connections before they need them.
            self._head_arrived()
            self.transport.close()

    def _refuse(self, error: StepIQError) -> None:
        self._head_arrived()
        if self.transport.is_closing():
            return
        request_id = str(ids.uuid7())
        response = problems.respond(error, request_id)
        response.headers["X-Request-ID"] = request_id
        response.headers["Connection"] = "close"
        lines = [b"HTTP/1.1 %d %s" % (response.status_code, error.code.encode())]
        lines += [name + b": " + value for name, value in with_defaults(response.raw_headers)]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self.transport.close()

    def _limit_unread(self) -> None:
        # Pauses writing at the first byte that the kernel does not accept.
        self.transport.set_write_buffer_limits(high=0)
        connection: socket.socket = self.transport.get_extra_info("socket")
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Data in the kernel's buffer is not visible here. Without this limit, the kernel would retry for a quarter
            # of an hour if the client's machine has disappeared.
            longest = round(self.reader_seconds * 2000)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, longest)

    def _await_reader(self) -> None:
        self._unread_bytes = self.transport.get_write_buffer_size()
        self._reader_timer = self.loop.call_later(self.reader_seconds, self._on_reader_timeout)

    def _reader_takes(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None

    def _on_reader_timeout(self) -> None:
        if self.transport.get_write_buffer_size() < self._unread_bytes:
            self._await_reader()
            return
        self._reader_timer = None
        self._note_cut()
        self._reset()

    def _reset(self) -> None:
        if self._is_over:
            # Another connection may already use the number of its socket.
            return
        self._is_over = True
        # A reset, because a normal close would wait until the client has read the remaining data.
        connection: socket.socket = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def _note_cut(self) -> None:
        unread = self.transport.get_write_buffer_size()
        metrics.slow_readers_cut.inc()
        # Not `self.scope`: it has no path while the head of the next request is incomplete.
        cycle = cast(RequestResponseCycle | None, self.cycle)
        path = "" if cycle is None else cycle.scope["path"]
        log.info("slow_reader_cut", path=path[:200], unread_bytes=unread)
