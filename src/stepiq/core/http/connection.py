"""One HTTP/1.1 connection: sends requests one after the other, and receives their responses.

`httptools` parses the responses. The server uses the same library for its own requests.
"""

import asyncio
import re
import select
from collections.abc import AsyncIterator, Callable
from typing import cast

import httptools
import httpx2

from stepiq.core.http.messages import RequestHead, is_untidy, tidied

MAX_HEAD_BYTES = 100 * 1024
"""Limit of a response's headers, and of everything else that is not its body, such as trailers."""
BUFFER_BYTES = 64 * 1024
"""Size of the part of a body that waits for the caller above which no more is read from the server."""

_CHUNKED = re.compile(rb"chunked *", re.IGNORECASE)
_TOO_LARGE = "The headers of the response are too large."

SENDING = "stepiq.sending"
"""Extension of requests: a function without parameters, called when the request begins to be written."""

Origin = tuple[str, str, int]
"""Scheme, host and port."""


class IncomingResponse(httpx2.AsyncByteStream):
    """The response to a request. Its body can be iterated once."""

    def __init__(
        self, connection: "HttpConnection", head: RequestHead, read_seconds: float | None
    ) -> None:
        self.head = head
        self.status_code = 0
        """0 until all headers have arrived."""
        self.headers: list[tuple[bytes, bytes]] = []
        self.size_bytes = 0
        """Size of the part of the body that waits for the caller."""
        self._connection = connection
        self._read_seconds = read_seconds
        self._chunks: list[bytes] = []
        self._has_ended = False
        self._error: httpx2.TransportError | None = None
        self._arrival: asyncio.Future[None] | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            if self._chunks:
                data = b"".join(self._chunks)
                self._chunks.clear()
                self.size_bytes = 0
                self._connection.go_on(self)
                yield data
            elif self._error is not None:
                raise self._error
            elif self._has_ended:
                return
            else:
                await self._next()

    async def aclose(self) -> None:
        """Close the connection, unless the whole response has arrived."""
        self._connection.drop(self)

    async def began(self) -> None:
        """Wait for the headers."""
        while not self.status_code:
            if self._error is not None:
                raise self._error
            await self._next()

    def add(self, data: bytes) -> None:
        """Take a part of the body."""
        self._chunks.append(data)
        self.size_bytes += len(data)
        self.wake()

    def end(self, error: httpx2.TransportError | None = None) -> None:
        """Take the end of the response."""
        self._has_ended = True
        self._error = error
        self.wake()

    def wake(self) -> None:
        """Continue the caller."""
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    async def _next(self) -> None:
        self._arrival = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._read_seconds):
                await self._arrival
        except TimeoutError:
            self._connection.drop(self)
            raise httpx2.ReadTimeout("The server did not send the next part in time.") from None
        except asyncio.CancelledError:
            self._connection.drop(self)
            raise
        finally:
            self._arrival = None


class HttpConnection(asyncio.Protocol):
    """An open connection to a server.

    Args:
        origin: the server.
        released: called when a response is complete and the connection can be used for another request.
        lost: called when the connection has been closed.
    """

    def __init__(
        self,
        origin: Origin,
        released: "Callable[[HttpConnection], None]",
        lost: "Callable[[HttpConnection], None]",
    ) -> None:
        self.origin = origin
        self._released = released
        self._lost = lost
        self._transport = cast("asyncio.Transport", None)
        self._parser = self._new_parser()
        self._response: IncomingResponse | None = None
        """The response that has not completely arrived."""
        self._is_sent = False
        self._has_length = False
        self._head = bytearray()
        """What has arrived of the head of the response, and of interim responses."""
        self._is_waiting_for_head = False
        """Whether the parser has refused the head, which is parsed again when it is complete."""
        self._is_tidied = False
        """Whether a head was parsed in another form than it was sent."""
        self._head_bytes = 0
        """Size of what has arrived since the last part of a body."""
        self._header_bytes = 0
        """Size of the headers and trailers of the response, and of interim responses."""
        self._is_paused = False
        self._drained: asyncio.Future[None] | None = None

    def is_usable(self) -> bool:
        """Whether the connection is open, and the server has sent nothing since its last response."""
        if self._transport.is_closing():
            return False
        # The event loop may not have noticed yet that the server has closed the connection.
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    async def exchange(self, request: httpx2.Request, head: RequestHead) -> IncomingResponse:
        """Send a request and wait for the headers of its response."""
        if self._transport.is_closing():
            # The server has closed a new connection, or it has sent something before the request.
            raise httpx2.RemoteProtocolError("The server closed the connection early.")
        timeouts = request.extensions.get("timeout", {})
        response = self._response = IncomingResponse(self, head, timeouts.get("read"))
        self._is_sent = self._has_length = False
        self._head.clear()
        self._head_bytes = self._header_bytes = 0
        if sending := request.extensions.get(SENDING):
            sending()
        try:
            await self._send(request, head, timeouts.get("write"))
            await response.began()
        except BaseException:
            self.drop(response)
            raise
        return response

    def drop(self, response: IncomingResponse) -> None:
        """Close the connection if a response is still arriving."""
        if self._response is response:
            self._abort()

    def close(self) -> None:
        """Close the connection. A response that is still arriving fails."""
        self._fail(httpx2.ReadError("The client was closed."))

    def go_on(self, response: IncomingResponse) -> None:
        """Read on, because the caller has taken what had arrived."""
        if self._is_paused and self._response is response:
            self._resume()

    async def _send(
        self, request: httpx2.Request, head: RequestHead, seconds: float | None
    ) -> None:
        data, left = head.data, head.length
        async for chunk in cast("httpx2.AsyncByteStream", request.stream):
            if self._response is None:
                # The server has answered before it has received everything, or it has closed the connection.
                return
            if left is None:
                data += b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunk else b""
            else:
                data += chunk
                left -= len(chunk)
                if left < 0:
                    raise httpx2.LocalProtocolError("The body is longer than its Content-Length.")
            self._transport.write(data)
            data = b""
            await self._drain(seconds)
        if left:
            raise httpx2.LocalProtocolError("The body is shorter than its Content-Length.")
        data += b"0\r\n\r\n" if left is None else b""
        if self._response is not None:
            if data:
                self._transport.write(data)
            self._is_sent = True

    async def _drain(self, seconds: float | None) -> None:
        if self._drained is None:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._drained
        except TimeoutError:
            raise httpx2.WriteTimeout("The server did not read the request in time.") from None

    def _new_parser(self) -> httptools.HttpResponseParser:
        parser = httptools.HttpResponseParser(self)
        # Some servers end lines with a line feed only, or write a space after the size of a chunk.
        parser.set_dangerous_leniencies(
            lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        return parser

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            response = self._response
            if response and not (response.status_code or self._is_tidied) and is_untidy(self._head):
                self._is_waiting_for_head = self._is_tidied = True
                self._parse_tidied()
            else:
                self._fail(httpx2.RemoteProtocolError(str(error)))

    def _parse_tidied(self) -> None:
        """Parse the head again, without folded lines, when it has arrived.

        The connection is not used again: a proxy that reads folded lines in another way could see another response.
        """
        if self._response is not None and (data := tidied(bytes(self._head))):
            self._is_waiting_for_head = False
            self._response.headers.clear()
            self._header_bytes = 0
            self._parser = self._new_parser()
            self._parse(data)

    def _finish(self, response: IncomingResponse, *, can_reuse: bool) -> None:
        self._response = None
        response.end()
        if not (can_reuse and self._is_sent and response.head.can_reuse and not self._is_tidied):
            self._abort()
            return
        if self._is_paused:
            self._resume()
        self._released(self)

    def _fail(self, error: httpx2.TransportError) -> None:
        if self._response is not None:
            self._response.end(error)
        self._abort()

    def _abort(self) -> None:
        self._response = None
        self._transport.abort()

    def _resume(self) -> None:
        self._is_paused = False
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._response is None:
            self._abort()
            return
        self._head_bytes += len(data)
        if not self._response.status_code:
            self._head += data
        if self._is_waiting_for_head:
            self._parse_tidied()
        else:
            self._parse(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._fail(httpx2.RemoteProtocolError(_TOO_LARGE))

    def connection_lost(self, exc: Exception | None) -> None:
        response, self._response = self._response, None
        if response is not None:
            if exc is not None:
                response.end(httpx2.ReadError(str(exc)))
            elif not response.status_code or self._has_length:
                response.end(httpx2.RemoteProtocolError("The server closed the connection early."))
            else:
                response.end()
        self.resume_writing()
        self._lost(self)

    def pause_writing(self) -> None:
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # Called by the parser.

    def on_message_begin(self) -> None:
        if self._response is None:
            # The server sends more than one response.
            self._abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        response = self._response
        if response is None:
            return
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEAD_BYTES:
            self._fail(httpx2.RemoteProtocolError(_TOO_LARGE))
        elif not response.status_code:
            # Trailers are not used.
            response.headers.append((name, value))

    def on_headers_complete(self) -> None:
        response = self._response
        if response is None:
            return
        status_code = self._parser.get_status_code()
        if status_code == 101:
            self._fail(httpx2.RemoteProtocolError("The server switched to another protocol."))
            return
        if status_code < 100:
            self._fail(httpx2.RemoteProtocolError("The status of the response is less than 100."))
            return
        if status_code < 200:
            # An interim response. The real one follows.
            response.headers.clear()
            return
        # The parser stops if this fails.
        self._has_length = _has_length(response.headers)
        response.status_code = status_code
        self._head.clear()
        response.wake()
        if response.head.is_head:
            self._finish(response, can_reuse=False)

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        response = self._response
        if response is None:
            return
        if not response.status_code:
            self._fail(httpx2.RemoteProtocolError("An interim response has a body."))
            return
        response.add(body)
        if response.size_bytes > BUFFER_BYTES and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        response = self._response
        if response is not None and response.status_code:
            self._finish(response, can_reuse=self._parser.should_keep_alive())


def _has_length(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a response says where its body ends. Otherwise, it ends with the connection.

    Raises:
        RemoteProtocolError: the parser does not know the transfer coding.
    """
    has_length = False
    for name, value in headers:
        match name.lower():
            case b"content-length":
                has_length = True
            case b"transfer-encoding" if _CHUNKED.fullmatch(value):
                has_length = True
            case b"transfer-encoding" if value.strip().lower() != b"identity":
                raise httpx2.RemoteProtocolError("The `Transfer-Encoding` is not supported.")
            case _:
                pass
    return has_length
