"""`stepiq worker`: executes runs, without an API."""

from stepiq import __version__
from stepiq.cli.output.console import UsageError
from stepiq.cli.output.server import Announce, to_people
from stepiq.core.concurrency import garbage_collection
from stepiq.core.observability import logging
from stepiq.core.observability.watchdog import Watchdog
from stepiq.core.settings.model import Settings
from stepiq.server import process
from stepiq.server.assembly import built
from stepiq.server.checks import before_start
from stepiq.server.connections.http import metrics_listener
from stepiq.server.connections.listening import bind_metrics
from stepiq.server.health import watched
from stepiq.server.metrics import metrics_export
from stepiq.server.process import DRAIN, run, stop_on_signal
from stepiq.server.worker import Worker

log = logging.get(__name__)


def work(configured: Settings) -> None:
    """Execute runs until SIGTERM or Ctrl-C, then finish those in progress. A second signal ends the process immediately."""
    if configured.sqlite_path is not None:
        raise UsageError(
            f"`stepiq worker` needs PostgreSQL: only one process can use the SQLite file {configured.sqlite_path}."
            " Run `stepiq serve`, which also executes runs, or set STEPIQ_DATABASE_URL to postgresql://…"
        )
    # The number of processes of `stepiq serve`, which share connections.
    run(_work(configured.model_copy(update={"processes": 1}), to_people()))


async def _work(configured: Settings, announce: Announce | None) -> None:
    await before_start(configured, announce)
    async with (
        built(configured) as services,
        metrics_listener(services, bind_metrics(configured)),
        metrics_export(services),
        watched(services) as address,
    ):
        stopping = stop_on_signal()
        worker = Worker(services)
        await worker.start()
        garbage_collection.resume_after_start()
        with Watchdog():
            try:
                _report(announce, address, services.engine.worker_name)
                await stopping.wait()
            finally:
                await worker.stop(DRAIN)


def _report(announce: Announce | None, address: str | None, name: str) -> None:
    if announce is None:
        log.info(
            "worker_ready",
            version=__version__,
            url=address,
            worker=name,
            max_open_files=process.file_limit(),
        )
        return
    where = f", with health and metrics at {address}" if address else ""
    announce(
        f"Executing runs{where}. Stop the worker with Ctrl-C or SIGTERM. Unfinished runs continue in another worker, or after"
        " the next start."
    )
