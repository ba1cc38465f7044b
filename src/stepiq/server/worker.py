"""The background tasks of a worker: the engine, schedules, bulk jobs, the audit log, erasures, housekeeping and traces."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from stepiq.accounts import housekeeping as accounts
from stepiq.accounts.audit.sealing import Sealer
from stepiq.accounts.workspaces.erasing import Eraser
from stepiq.core import clock
from stepiq.core.concurrency import tasks
from stepiq.core.observability import logging
from stepiq.core.settings.model import Settings
from stepiq.core.settings.otlp import OtlpSignal
from stepiq.execution.limits import mailboxes
from stepiq.execution.records import trace_queue
from stepiq.notify import queries as deliveries
from stepiq.runs import service as runs
from stepiq.runs.bulk import service as bulk_jobs
from stepiq.runs.bulk.worker import BulkWorker
from stepiq.store.database import PATIENT_SECONDS, Database, Session, StoreUnavailable
from stepiq.triggers.schedules import ticker as schedules
from stepiq.web import idempotency
from stepiq.web.services import Services

Sweep = Callable[[Session, datetime], Awaitable[int]]

_FIRST_AFTER_SECONDS = 30.0
"""Lets interrupted runs continue first after a start."""
_EVERY_SECONDS = 300.0
_PAUSE_SECONDS = 0.1
_PAUSE_SHARE = 9
"""Ratio of a pause to the sweep before it. It limits sweeps to a tenth of the time, also on a slow store."""

log = logging.get(__name__)


def sweeps(settings: Settings) -> tuple[Sweep, ...]:
    """The sweeps of all domains. Each call deletes one batch and returns the number of deleted rows."""
    always: tuple[Sweep, ...] = (
        accounts.sweep,
        idempotency.sweep,
        schedules.sweep,
        mailboxes.sweep,
        trace_queue.sweep,
    )
    if settings.audit_retention_days:
        always = (
            *always,
            partial(accounts.sweep_audit, kept=timedelta(days=settings.audit_retention_days)),
        )
    if not settings.run_retention_days:
        return always
    kept = timedelta(days=settings.run_retention_days)
    return (
        *always,
        partial(runs.sweep, kept=kept),
        partial(bulk_jobs.sweep, kept=kept),
        partial(deliveries.sweep_tests, kept=kept),
    )


async def sweep(database: Database, sweeps: Sequence[Sweep]) -> int:
    """Run each sweep once, in a separate transaction, and return the number of deleted rows.

    If a sweep fails, the others still run.
    """
    deleted = 0
    for each in sweeps:
        try:
            async with database.transaction(PATIENT_SECONDS) as session:
                deleted += await each(session, clock.now())
        except StoreUnavailable:
            log.warning("housekeeping_waits_for_store")
        except Exception:
            log.exception("housekeeping_broke")
    return deleted


async def sweep_for_ever(database: Database, sweeps: Sequence[Sweep]) -> None:
    """Sweep 30 seconds after the start, then every five minutes, or sooner while there are rows to delete."""
    await asyncio.sleep(_FIRST_AFTER_SECONDS)
    while True:
        begun = time.monotonic()
        deleted = await sweep(database, sweeps)
        took = time.monotonic() - begun
        # A sweep that deleted rows may have left more.
        pause = max(_PAUSE_SECONDS, _PAUSE_SHARE * took) if deleted else _EVERY_SECONDS
        await asyncio.sleep(pause)


class Worker:
    """The engine, the ticker, the worker of bulk jobs, the sealer, the eraser and housekeeping of one process."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._sweeps = sweeps(services.settings)
        self._engine = services.engine
        self._ticker = schedules.Ticker(services.database, services.engine, services.plans)
        self._bulk = BulkWorker(services.database, services.engine, services.plans)
        self._sealer = Sealer(services.database, services.changes)
        self._eraser = Eraser(services.database, services.engine)
        self._settings = services.settings
        self._tasks: list[asyncio.Task[None]] = []
        self._exporting: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Recover runs that a crash interrupted, then execute runs and fire schedules.

        Raises:
            WorkerRunning: another process executes runs on this SQLite database.
        """
        await self._engine.start()
        self._tasks = [
            asyncio.create_task(self._ticker.run_for_ever()),
            asyncio.create_task(self._bulk.run_for_ever()),
            asyncio.create_task(self._sealer.run_for_ever()),
            asyncio.create_task(self._eraser.run_for_ever()),
            asyncio.create_task(sweep_for_ever(self._database, self._sweeps)),
        ]
        if self._settings.exports(OtlpSignal.TRACES):
            # A server without the export starts faster without its libraries.
            from stepiq.telemetry.exporter import TraceExporter  # noqa: PLC0415

            exporter = TraceExporter(self._settings, self._database)
            self._exporting = [asyncio.create_task(exporter.run_for_ever())]

    async def stop(self, drain: timedelta) -> None:
        """Accept no more work, and finish what can finish within `drain`. The rest continues after the next start."""
        await tasks.cancel(self._tasks)
        self._tasks = []
        await self._engine.stop(drain)
        # Also runs that have ended during the stop.
        await tasks.cancel(self._exporting)
        self._exporting = []
