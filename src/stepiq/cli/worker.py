"""`stepiq worker`: carries runs without an API."""

import asyncio
import signal
from datetime import timedelta

from stepiq.cli.console import UsageError, say
from stepiq.core import logging
from stepiq.core.settings import Settings
from stepiq.server.assembly import built
from stepiq.server.checks import before_start
from stepiq.server.probes import watched
from stepiq.server.running import run
from stepiq.server.worker import Worker

_DRAIN = timedelta(seconds=25)


def work(configured: Settings) -> None:
    """Work until SIGTERM or Ctrl-C, then drain.

    Raises:
        UsageError: the store is SQLite, which one process has to itself.
        AddressInUse: the port on which it can be watched is taken.
    """
    if configured.sqlite_path is not None:
        raise UsageError(
            f"A worker of its own needs PostgreSQL: the SQLite file {configured.sqlite_path} belongs to one process."
            " Run `stepiq serve`, which carries runs itself, or set STEPIQ_DATABASE_URL to postgresql://…"
        )
    logging.configure(configured.log_format)
    run(_work(configured))


async def _work(configured: Settings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    await before_start(configured, say)
    async with built(configured) as services, watched(services) as address:
        worker = Worker(services)
        await worker.start()
        try:
            say(
                f"Carrying runs{f', watched at {address}' if address else ''}. Ctrl-C or SIGTERM stops it; what is not done "
                "then goes on in another worker, or after the next start."
            )
            await stopping.wait()
        finally:
            await worker.stop(_DRAIN)
