"""The API, with or without a worker on the same event loop, from start to stop."""

import asyncio
import contextlib
import os
from collections.abc import Callable

from stepiq.accounts.http import DOORS
from stepiq.accounts.oidc.http import OIDC
from stepiq.core.concurrency import garbage_collection
from stepiq.core.observability import logging
from stepiq.core.observability.watchdog import Watchdog
from stepiq.core.settings.model import Settings
from stepiq.queue.worker_lease import require_unused
from stepiq.runs.endpoints import STREAMS
from stepiq.server.app import create_app, equip
from stepiq.server.assembly import built
from stepiq.server.checks import before_start
from stepiq.server.connections.http import HttpServer, metrics_listener
from stepiq.server.metrics import metrics_export
from stepiq.server.parent import ServerChild, Sockets
from stepiq.server.process import DRAIN, run, stop_on_signal
from stepiq.server.welcome import welcome
from stepiq.server.worker import Worker

_SETTLES_SECONDS = 1.0
"""How long after its start a server may block the loop without a report, because it does much for the first time."""

log = logging.get(__name__)


def serve(
    settings: Settings,
    announce: Callable[[str], None] | None = None,
    *,
    shows_secrets: bool = False,
    has_worker: bool = True,
    child: ServerChild | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C. A second one ends the process immediately.

    A stopping server finishes steps in progress first and still answers requests, so that clients see their runs end.
    Unfinished runs continue after the next start.

    Args:
        settings: settings of the server.
        announce: prints warnings, the address, and on a new server the first steps. Default: they are logged.
        shows_secrets: whether that text may contain the setup token. Set it only if nobody but the operator sees it.
        has_worker: whether this process also executes runs. If not, workers on the same PostgreSQL database must.
        child: this process, if it is one of several.

    Raises:
        AddressInUse, AddressUnusable: the server cannot listen there.
        WorkerRunning: another process uses this SQLite file.
        CannotStart, StoreRefused, StoreUnavailable, UnsafeStore, StoreUnsupported, SchemaTooNew, SchemaTooOld, KeyUnusable,
            PlansInvalid: the operator must fix a problem first.
    """
    if settings.sqlite_path is not None:
        # First, because a server on the same data usually has the same port, too.
        require_unused(settings.sqlite_path)
    sockets = Sockets.bound(settings) if child is None else child.sockets
    if settings.port == 0:
        settings = settings.model_copy(update={"port": sockets.api.getsockname()[1]})
    with sockets.api:
        run(_serve(settings, sockets, announce, child, shows_secrets, has_worker))


def _ignore(_: str) -> None:
    pass


def _end_with_parent() -> None:
    # Nobody could stop this process, and the next server could not listen on its port.
    log.critical("parent_ended")
    os._exit(1)


async def _serve(
    settings: Settings,
    sockets: Sockets,
    announce: Callable[[str], None] | None,
    child: ServerChild | None,
    shows_secrets: bool,
    has_worker: bool,
) -> None:
    is_first = child is None or child.is_first
    await before_start(settings, announce if is_first else _ignore)
    async with (
        built(settings) as services,
        metrics_listener(services, sockets.metrics, reports=is_first),
        metrics_export(services),
    ):
        app = create_app()
        equip(app, services, has_worker=has_worker)
        server = HttpServer(settings, app, is_alone=child is None)
        stopping = stop_on_signal()
        if child is not None:
            asyncio.get_running_loop().add_reader(child.parent, _end_with_parent)
        worker = Worker(services) if has_worker else None
        if worker is not None:
            await worker.start()
        with contextlib.ExitStack() as watched:
            try:
                # Read before the first request, so that a later failure of the store does not end the process.
                secret = DOORS.get(app).jwt_secret
                ready = await welcome(services, secret if shows_secrets else None)
                garbage_collection.resume_after_start()
                serving = asyncio.create_task(server.serve([sockets.api]))
                if is_first:
                    ready.show(announce)
                else:
                    log.info("process_ready", worker=ready.worker)
                if child is not None:
                    child.report_ready()
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
