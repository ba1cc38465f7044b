"""The HTTP servers of a process: of the API, and of health checks and metrics."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncGenerator, Generator

import uvicorn

from stepiq.core.observability import logging
from stepiq.core.settings.model import Settings
from stepiq.server.accepting import Acceptor
from stepiq.server.connections import descriptors
from stepiq.server.connections.limits import Connections, Limits
from stepiq.server.connections.listening import bind
from stepiq.server.connections.protocol import Clients, GuardedProtocol
from stepiq.server.metrics import create_metrics
from stepiq.web.services import Services

_HTTP_DRAIN_SECONDS = 5
"""Time limit for responses to requests when the server stops. Longer than the time limit of the store."""
_KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open.

Clients and proxies must close first, because a request sent while the server closes gets no response. Most of them
close after 5 to 60 seconds.
"""
_OF_MONITORS = Limits.fitted(64, 64, 64)
"""Limits of listeners that serve only health checks and metrics."""

log = logging.get(__name__)


class HttpServer(uvicorn.Server):
    """A uvicorn server with connection limits. It stops only through `should_exit`."""

    def __init__(self, settings: Settings, app: object, limits: Limits | None = None) -> None:
        super().__init__(_config(settings, app))
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
        self._acceptors = [Acceptor(each, create, make_place) for each in sockets or ()]
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
    total = descriptors.max_connections(settings, descriptors.limit())
    return Limits.fitted(
        total,
        settings.max_connections_per_address,
        settings.max_half_open_per_address,
    )


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
    app: object, settings: Settings, host: str, port: int, variable: str
) -> AsyncGenerator[str]:
    """Serve an app on a port until the block ends, and yield its URL. Errors name the setting `variable`.

    Raises:
        AddressInUse: another process uses the port.
    """
    with bind(host, port, variable) as listener:
        server = HttpServer(settings, app, _OF_MONITORS)
        serving = asyncio.create_task(server.serve([listener]))
        host, port = listener.getsockname()[:2]
        try:
            yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        finally:
            server.should_exit = True
            await serving


@contextlib.asynccontextmanager
async def metrics_listener(services: Services) -> AsyncGenerator[str | None]:
    """Serve `/metrics` on `STEPIQ_METRICS_PORT` of 127.0.0.1. Yields the URL, or None if no port is set.

    Raises:
        AddressInUse: another process uses the port.
    """
    settings = services.settings
    if settings.metrics_port is None:
        yield None
        return
    app, port = create_metrics(services), settings.metrics_port
    async with answering(app, settings, "127.0.0.1", port, "STEPIQ_METRICS_PORT") as address:
        log.info("metrics_ready", url=f"{address}/metrics")
        yield address
