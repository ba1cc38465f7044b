"""HTTP connections with a limit on the time and size of a request's head, which uvicorn does not have.

Without it, connections that send a byte a minute, or a header without end, cost a file and memory each for as long as
they like. Heads that arrive whole but are too large are answered by `web.guard`.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stepiq.core import ids
from stepiq.core.errors import Malformed, StepIQError
from stepiq.web import problems
from stepiq.web.errors import HeadersTooLarge, RequestTimeout
from stepiq.web.guard import MAX_HEADER_BYTES

HEADER_SECONDS = 10
"""How long the first byte and then the whole head of a request may take."""


class NotHttp(Malformed):
    """What arrived is not an HTTP/1.1 request."""

    code = "malformed_request"


class HeadTimeout(RequestTimeout):
    """The request's head did not arrive in time."""

    def __init__(self) -> None:
        StepIQError.__init__(self, f"The headers did not arrive within {HEADER_SECONDS} seconds.")


class GuardedProtocol(HttpToolsProtocol):
    """One connection. Between `_await_head` and the end of a head, a timer runs and bytes are counted."""

    header_seconds: float = HEADER_SECONDS

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_body = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_timer is None and not self._in_body:
            self._await_head()
        super().data_received(data)
        if self._head_timer is None:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEADER_BYTES:
            self._refuse(HeadersTooLarge(MAX_HEADER_BYTES))

    def on_headers_complete(self) -> None:
        self._head_arrived()
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

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
            # Nothing was asked, so nothing is answered: browsers open connections ahead of need.
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
        lines += [name + b": " + value for name, value in response.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self.transport.close()
