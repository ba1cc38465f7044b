"""The background tasks of a worker: the engine, schedules, bulk jobs, the audit log, erasures, housekeeping and traces."""

import asyncio
from datetime import timedelta

from stepiq.accounts.audit.sealing import Sealer
from stepiq.accounts.workspaces.erasing import Eraser
from stepiq.core.concurrency import tasks
from stepiq.core.settings.otlp import OtlpSignal
from stepiq.runs.bulk.worker import BulkWorker
from stepiq.server import housekeeping
from stepiq.triggers.schedules.ticker import Ticker
from stepiq.web.services import Services


class Worker:
    """The engine, the ticker, the worker of bulk jobs, the sealer, the eraser and housekeeping of one process."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._sweeps = housekeeping.sweeps(services.settings)
        self._engine = services.engine
        self._ticker = Ticker(services.database, services.engine, services.plans)
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
            asyncio.create_task(housekeeping.sweep_for_ever(self._database, self._sweeps)),
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
