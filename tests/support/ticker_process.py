"""A ticker as a process of its own, on a store that others use, to be killed. It says when it begins and fires until then.

Arguments: folder of the data, URL of the store, the moment to fire at.
"""

import asyncio
import sys
from datetime import datetime
from pathlib import Path

from stepiq.billing.plans import Plans
from stepiq.core.http import guarded_client
from stepiq.core.settings import load
from stepiq.execution.runtime import Engine
from stepiq.providers.registry import Providers
from stepiq.store.database import Database
from stepiq.store.pubsub import LocalChanges
from stepiq.triggers.schedules import ticker as module
from stepiq.triggers.schedules.ticker import Ticker


async def main(folder: Path, url: str, moment: datetime) -> None:
    settings = load(database_url=url, data_dir=folder, config_file=folder / "stepiq.toml")
    database, providers, plans = Database(settings), Providers(settings), Plans.load({})
    # Small batches, so that it is killed in the middle of one.
    module.BATCH = 5
    engine = Engine(database, LocalChanges(), providers, plans, guarded_client(settings))
    ticker = Ticker(database, engine, plans)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    while True:
        await ticker.tick(moment)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], datetime.fromisoformat(sys.argv[3])))
