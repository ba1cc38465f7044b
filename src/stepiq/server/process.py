"""The process behind `stepiq serve`: the API, with a worker on the same event loop or alone, from start to drained stop."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Generator
from datetime import timedelta

import uvicorn

from stepiq.core import logging, metrics
from stepiq.core.errors import Unavailable
from stepiq.core.settings import Settings
from stepiq.server.app import create_app, equip
from stepiq.server.assembly import built
from stepiq.server.checks import before_start
from stepiq.server.protocol import GuardedProtocol
from stepiq.server.running import run
from stepiq.server.welcome import welcome
from stepiq.server.worker import Worker

DRAIN = timedelta(seconds=25)
"""How long a stopping server lets steps in flight finish."""
_HTTP_DRAIN_SECONDS = 5
"""How long answers may then still take: longer than the store may."""
_BACKLOG = 2048

log = logging.get(__name__)


class AddressInUse(Unavailable):
    """Another program uses the server's port."""

    code = "address_in_use"


def serve(settings: Settings, announce: Callable[[str], None], *, has_worker: bool = True) -> None:
    """Serve until SIGTERM or Ctrl-C; a second one ends the process at once.

    A stopping server first drains its worker, still answering, so that whoever watches a run sees it end; what is not done
    by then goes on after the next start.

    Args:
        settings: as the operator gave them.
        announce: shows the text for people: the address, and on a new server what to do first.
        has_worker: whether this process also carries runs; without, others must, on the same PostgreSQL database.

    Raises:
        AddressInUse: the port is taken.
        WorkerRunning: another process works on this SQLite file.
        CannotStart, StoreRefused, StoreUnavailable, UnsafeStore, StoreUnsupported, SchemaTooNew, KeyUnusable, PlansInvalid: what
            the operator has to fix first.
    """
    logging.configure(settings.log_format)
    with bind(settings.host, settings.port, "STEPIQ_PORT") as listener:
        if settings.port == 0:
            settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        run(_serve(settings, listener, announce, has_worker=has_worker))


async def _serve(
    settings: Settings,
    listener: socket.socket,
    announce: Callable[[str], None],
    *,
    has_worker: bool,
) -> None:
    await before_start(settings, announce)
    async with built(settings) as services:
        app = create_app()
        equip(app, services, has_worker=has_worker)
        server = HttpServer(http_config(settings, app))
        stopping = _on_signal()
        lag = asyncio.create_task(metrics.watch_event_loop())
        worker = Worker(services) if has_worker else None
        if worker is not None:
            await worker.start()
        try:
            # Before the first request: if the store fails after this, the process goes on.
            text = await welcome(services, app.state.doors.jwt_secret)
            serving = asyncio.create_task(server.serve([listener]))
            announce(text)
            asked = asyncio.create_task(stopping.wait())
            await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            log.info("stopping", drain_seconds=DRAIN.total_seconds())
        finally:
            if worker is not None:
                await worker.stop(DRAIN)
        app.state.streams.close()
        server.should_exit = True
        await serving
        lag.cancel()
        await app.state.doors.close()


class HttpServer(uvicorn.Server):
    """uvicorn, stopped by `should_exit` alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        # Signals are ours: uvicorn would raise them again at its end, before the store is closed.
        yield


def http_config(settings: Settings, app: object) -> uvicorn.Config:
    """How connections are served: with our limits, our logs, and only the proxies that the operator trusts."""
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
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_HTTP_DRAIN_SECONDS,
    )


def _on_signal() -> asyncio.Event:
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


def bind(host: str, port: int, variable: str) -> socket.socket:
    """A socket that listens there; `variable` is what an error tells to set.

    Raises:
        AddressInUse: it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise AddressInUse(
            f"The server cannot listen on {host}:{port}: {reason}. "
            f"Stop what is using it, or set {variable} to another port (0 takes a free one)."
        ) from None
