"""The HTTP servers of a process: of the API, and of health checks and metrics.

They keep accepting connections after the process has run out of file descriptors. uvloop alone would close the
listening socket, and the server would continue to run without accepting connections.
"""

import asyncio
import contextlib
import errno
import functools
import socket
from collections.abc import AsyncGenerator, Callable, Generator

import uvicorn

from stepiq.core.observability import logging
from stepiq.core.settings.model import Settings
from stepiq.server import process
from stepiq.server.connections.limits import Connections, Limits
from stepiq.server.connections.protocol import Clients, GuardedProtocol
from stepiq.server.metrics import create_metrics
from stepiq.web.services import Services

PAUSE_SECONDS = 0.1
"""How long accepting pauses after the system has refused a descriptor or memory."""

_AT_ONCE = 32
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_LOG_SECONDS = 10


class Acceptor:
    """Accepts connections on a listening socket until `close`."""

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.BaseProtocol],
        make_place: Callable[[], bool],
        at_once: int = _AT_ONCE,
    ) -> None:
        """Start to accept.

        Args:
            listener: stays open after `close`.
            protocol: creates the protocol of a connection.
            make_place: closes an inactive connection. Called if the process has no free descriptor.
            at_once: how many connections it accepts in one iteration of the event loop.
        """
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._protocol = protocol
        self._make_place = make_place
        self._at_once = at_once
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
        for _ in range(self._at_once):
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


_HTTP_DRAIN_SECONDS = 5
"""Time limit for responses to requests when the server stops. Longer than the time limit of the store."""
_KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open.

Clients and proxies must close first, because a request sent while the server closes gets no response. Most of them
close after 5 to 60 seconds.
"""
_OF_MONITORS = Limits.fitted(64, 64)
"""Limits of listeners that serve only health checks and metrics."""

log = logging.get(__name__)


class HttpServer(uvicorn.Server):
    """A uvicorn server with connection limits. It stops only through `should_exit`."""

    def __init__(
        self,
        settings: Settings,
        app: object,
        limits: Limits | None = None,
        *,
        is_alone: bool = True,
    ) -> None:
        """Create the server. `is_alone`: no other process accepts connections on the same sockets."""
        super().__init__(_config(settings, app))
        # One at a time leaves the others to processes with less work.
        self._at_once = _AT_ONCE if is_alone else 1
        self.connections = Connections(limits or _limits_of(settings))
        self._clients = Clients([str(network) for network in settings.trusted_proxies])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections on listening sockets."""
        create = functools.partial(
            GuardedProtocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            connections=self.connections,
            clients=self._clients,
        )
        make_place = self.connections.make_place
        self._acceptors = [
            Acceptor(each, create, make_place, self._at_once) for each in sockets or ()
        ]
        self.servers = []
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, and wait for responses."""
        for each in self._acceptors:
            each.close()
            await each.wait_closed()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        # `process.stop_on_signal` handles signals. uvicorn would raise them again when it ends, before the store is closed.
        yield


def _limits_of(settings: Settings) -> Limits:
    """The limits of the API: those of the settings, or lower ones if the limit of open files requires it."""
    total = process.max_connections(settings, process.file_limit())
    return Limits.fitted(total, settings.max_connections_per_address)


def _config(settings: Settings, app: object) -> uvicorn.Config:
    """Configuration of uvicorn, without its own logs, lifespan and reading of the headers of proxies."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=GuardedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # `GuardedProtocol` reads them.
        timeout_graceful_shutdown=_HTTP_DRAIN_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )


@contextlib.asynccontextmanager
async def answering(
    app: object, settings: Settings, listener: socket.socket
) -> AsyncGenerator[str]:
    """Serve an app on a listening socket, which is closed at the end of the block, and yield its URL."""
    with listener:
        server = HttpServer(settings, app, _OF_MONITORS)
        serving = asyncio.create_task(server.serve([listener]))
        host, port = listener.getsockname()[:2]
        try:
            yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        finally:
            server.should_exit = True
            await serving


@contextlib.asynccontextmanager
async def metrics_listener(
    services: Services, listener: socket.socket | None, *, reports: bool = True
) -> AsyncGenerator[str | None]:
    """Serve `/metrics` without a token on a socket of this machine. Yields the URL, or None if no port is set.

    Args:
        services: of the process.
        listener: the result of `bind_metrics`.
        reports: whether the URL is logged.
    """
    if listener is None:
        yield None
        return
    async with answering(create_metrics(services), services.settings, listener) as address:
        if reports:
            log.info("metrics_ready", url=f"{address}/metrics")
        yield address
