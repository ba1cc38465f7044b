"""The process of `stepiq serve`: the API, with or without a worker on the same event loop, from start to stop."""

import asyncio
import contextlib
import functools
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from datetime import timedelta
from typing import Any

import uvicorn
import uvloop

from stepiq.accounts.http import DOORS
from stepiq.accounts.oidc.http import OIDC
from stepiq.core import gc_pause, logging
from stepiq.core.settings import Settings
from stepiq.core.watchdog import Watchdog
from stepiq.runs.endpoints import STREAMS
from stepiq.server import descriptors
from stepiq.server.accepting import Acceptor
from stepiq.server.app import create_app, equip
from stepiq.server.assembly import built
from stepiq.server.checks import before_start
from stepiq.server.connections import Connections, Limits
from stepiq.server.listening import bind
from stepiq.server.metrics import create_metrics, metrics_export
from stepiq.server.protocol import Clients, GuardedProtocol
from stepiq.server.welcome import welcome
from stepiq.server.worker import Worker
from stepiq.web.services import Services

DRAIN = timedelta(seconds=25)
"""How long a stopping server lets steps in progress finish."""
_SETTLES_SECONDS = 1.0
"""How long after its start a server may block the loop without a report, because it does much for the first time."""
_HTTP_DRAIN_SECONDS = 5
"""Time limit for responses after that. Longer than the time limit of the store."""
KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open.

Clients and proxies must close first, because a request sent while the server closes gets no response. Most of them
close after 5 to 60 seconds.
"""
_OF_MONITORS = Limits.fitted(64, 64, 64)
"""Limits of listeners that serve only health checks and metrics."""

log = logging.get(__name__)


def serve(
    settings: Settings,
    announce: Callable[[str], None] | None = None,
    *,
    shows_secrets: bool = False,
    has_worker: bool = True,
) -> None:
    """Serve until SIGTERM or Ctrl-C. A second one ends the process immediately.

    A stopping server finishes steps in progress first and still answers requests, so that clients see their runs end.
    Unfinished runs continue after the next start.

    Args:
        settings: settings of the server.
        announce: prints warnings, the address, and on a new server the first steps. Default: they are logged.
        shows_secrets: whether that text may contain the setup token. Set it only if nobody but the operator sees it.
        has_worker: whether this process also executes runs. If not, workers on the same PostgreSQL database must.

    Raises:
        AddressInUse, AddressUnusable: the server cannot listen there.
        WorkerRunning: another process uses this SQLite file.
        CannotStart, StoreRefused, StoreUnavailable, UnsafeStore, StoreUnsupported, SchemaTooNew, KeyUnusable,
            PlansInvalid: the operator must fix a problem first.
    """
    with bind(settings.host, settings.port, "STEPIQ_PORT") as listener:
        if settings.port == 0:
            settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        options = {"shows_secrets": shows_secrets, "has_worker": has_worker}
        run(_serve(settings, listener, announce, **options))


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run the event loop of a server or worker until `main` returns, with the limit of open files raised.

    `main` must call `gc_pause.resume_after_start` when it has started.
    """
    gc_pause.pause_during_start()
    descriptors.raise_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


async def _serve(
    settings: Settings,
    listener: socket.socket,
    announce: Callable[[str], None] | None,
    *,
    shows_secrets: bool,
    has_worker: bool,
) -> None:
    await before_start(settings, announce)
    async with built(settings) as services, metrics_listener(services), metrics_export(services):
        app = create_app()
        equip(app, services, has_worker=has_worker)
        server = HttpServer(settings, app)
        stopping = stop_on_signal()
        worker = Worker(services) if has_worker else None
        if worker is not None:
            await worker.start()
        with contextlib.ExitStack() as watched:
            try:
                # Read before the first request, so that a later failure of the store does not end the process.
                secret = DOORS.get(app).jwt_secret
                ready = await welcome(services, secret if shows_secrets else None)
                gc_pause.resume_after_start()
                serving = asyncio.create_task(server.serve([listener]))
                ready.show(announce)
                ends = {serving, asked := asyncio.create_task(stopping.wait())}
                await asyncio.wait(
                    ends, timeout=_SETTLES_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                # Not during the start, which blocks the loop while few clients wait. During a stop, clients wait.
                watched.enter_context(Watchdog())
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                asked.cancel()
                log.info("stopping", drain_seconds=DRAIN.total_seconds())
            finally:
                if worker is not None:
                    await worker.stop(DRAIN)
            STREAMS.get(app).close()
            server.should_exit = True
            await serving
        await OIDC.get(app).close()
        await DOORS.get(app).close()


class HttpServer(uvicorn.Server):
    """A uvicorn server with connection limits. It stops only through `should_exit`."""

    def __init__(self, settings: Settings, app: object, limits: Limits | None = None) -> None:
        super().__init__(_config(settings, app))
        self.connections = Connections(limits or limits_of(settings))
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
        # This module handles signals. uvicorn would raise them again when it ends, before the store is closed.
        yield


def limits_of(settings: Settings) -> Limits:
    """The limits of the API: those of the settings, or lower ones if the limit of open files requires it."""
    total = descriptors.max_connections(settings, descriptors.limit())
    return Limits.fitted(
        total,
        settings.max_connections_per_address,
        settings.max_half_open_per_address,
    )


def _config(settings: Settings, app: object) -> uvicorn.Config:
    """Configuration of uvicorn, without its own logs and lifespan, and with the operator's trusted proxies."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=GuardedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=[str(network) for network in settings.trusted_proxies],
        timeout_graceful_shutdown=_HTTP_DRAIN_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
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


def stop_on_signal() -> asyncio.Event:
    """An event that SIGTERM or Ctrl-C sets. A second signal ends the process immediately."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop() -> None:
        stopping.set()
        for each in signals:
            loop.remove_signal_handler(each)

    for each in signals:
        loop.add_signal_handler(each, stop)
    return stopping
