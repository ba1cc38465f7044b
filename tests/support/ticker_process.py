"""A ticker in a separate process, for tests that kill it.

It prints `ready`, waits for a line on standard input, and then fires until it is killed. Arguments: data folder, URL of
the store, and the time at which to fire.
"""

import asyncio
import sys
from datetime import datetime
from pathlib import Path

from stepiq.core.http import guarded_client
from stepiq.core.settings.model import load
from stepiq.execution.limits.plans import Plans
from stepiq.execution.runtime import Engine
from stepiq.providers.registry import Providers
from stepiq.store.database import Database
from stepiq.store.pubsub import LocalChanges
from stepiq.triggers.schedules import ticker as module
from stepiq.triggers.schedules.ticker import Ticker


async def main(folder: Path, url: str, moment: datetime) -> None:
    settings = load(database_url=url, data_dir=folder, config_file=folder / "stepiq.toml")
    database, providers, plans = Database(settings), Providers(settings), Plans.load({})
    # Small batches, so that a kill leaves some schedules fired and others due.
    module.BATCH = 5
    engine = Engine(database, LocalChanges(), providers, plans, guarded_client(settings))
    ticker = Ticker(database, engine, plans)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    while True:
        await ticker.turn(moment)
        # So slow that a test can kill it in the middle.
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], datetime.fromisoformat(sys.argv[3])))
