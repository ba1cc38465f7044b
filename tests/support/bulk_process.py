"""A worker of bulk jobs in a separate process, for tests that kill it. Arguments: data folder, and URL of the store."""

import asyncio
import sys
from pathlib import Path

from stepiq.core.http import guarded_client
from stepiq.core.settings.model import load
from stepiq.execution.limits.plans import Plans
from stepiq.execution.runtime import Engine
from stepiq.providers.registry import Providers
from stepiq.runs.bulk.worker import BulkWorker
from stepiq.store.database import Database
from stepiq.store.pubsub import LocalChanges


async def main(folder: Path, url: str) -> None:
    settings = load(database_url=url, data_dir=folder, config_file=folder / "stepiq.toml")
    database, providers, plans = Database(settings), Providers(settings), Plans.load({})
    engine = Engine(database, LocalChanges(), providers, plans, guarded_client(settings))
    await BulkWorker(database, engine, plans).run_for_ever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
