"""What a worker process runs: the engine that carries runs, the ticker that starts them, and what tidies up behind."""

import asyncio
from datetime import timedelta
from typing import cast

from stepiq.billing.plans import Plans
from stepiq.core import tasks
from stepiq.server import housekeeping
from stepiq.triggers.schedules.ticker import Ticker
from stepiq.web.services import Services


class Worker:
    """Everything of this process that works by itself."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._sweeps = housekeeping.sweeps(services.settings)
        self._engine = services.engine
        self._ticker = Ticker(services.database, services.engine, cast(Plans, services.plans))
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start to carry runs, those that a crash left behind first, and to fire schedules.

        Raises:
            WorkerRunning: another process works on this database.
        """
        await self._engine.start()
        self._tasks = [
            asyncio.create_task(self._ticker.run_for_ever()),
            asyncio.create_task(housekeeping.sweep_for_ever(self._database, self._sweeps)),
        ]

    async def stop(self, drain: timedelta) -> None:
        """Start nothing more, and finish what can be finished within `drain`; the rest goes on after the next start."""
        await tasks.cancel(self._tasks)
        self._tasks = []
        await self._engine.stop(drain)
