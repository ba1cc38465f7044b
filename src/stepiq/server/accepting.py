"""Accepts connections, and continues after the process has run out of file descriptors.

uvloop closes a listening socket if the process has no free descriptor when a client connects. The server would continue
to run, but never accept another connection.
"""

import asyncio
import errno
import socket
from collections.abc import Callable

from stepiq.core.observability import logging

PAUSE_SECONDS = 0.1
"""How long accepting pauses after the system has refused a descriptor or memory."""

_AT_ONCE = 32
"""Connections accepted in one iteration of the event loop."""
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_LOG_SECONDS = 10

log = logging.get(__name__)


class Acceptor:
    """Accepts connections on a listening socket until `close`."""

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.BaseProtocol],
        make_place: Callable[[], bool],
    ) -> None:
        """Start to accept.

        Args:
            listener: stays open after `close`.
            protocol: creates the protocol of a connection.
            make_place: closes an inactive connection. Called if the process has no free descriptor.
        """
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._protocol = protocol
        self._make_place = make_place
        self._opening: set[asyncio.Task[object]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._logged_at = -float(_LOG_SECONDS)
        listener.setblocking(False)
        self._resume()

    def close(self) -> None:
        """Stop accepting."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener)

    async def wait_closed(self) -> None:
        """Wait until all accepted connections are set up."""
        if self._opening:
            await asyncio.wait(self._opening)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._rest(error)
                    return
                # The client has disconnected, or its network failed.
                continue
            connection.setblocking(False)
            opening = self._loop.create_task(
                self._loop.connect_accepted_socket(self._protocol, connection)
            )
            self._opening.add(opening)
            opening.add_done_callback(self._opened)

    def _opened(self, opening: "asyncio.Task[object]") -> None:
        self._opening.discard(opening)
        if not opening.cancelled() and (error := opening.exception()) is not None:
            log.warning("connection_not_opened", error=str(error))

    def _rest(self, error: OSError) -> None:
        # The listener stays readable, so the loop would call `_accept` continuously without a pause.
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(PAUSE_SECONDS, self._resume)
        has_closed = self._make_place()
        if self._loop.time() - self._logged_at >= _LOG_SECONDS:
            self._logged_at = self._loop.time()
            log.error("open_files_exhausted", error=str(error), has_closed_connection=has_closed)
