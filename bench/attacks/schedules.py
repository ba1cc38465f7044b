"""An attack with schedules."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from workspaces import Workspace, add_schedules, until_none_is_due

from attacks.base import QUICK, Extra
from stepiq.store.database import Database

SCHEDULES = 500


@asynccontextmanager
async def schedules(
    hostile: list[Workspace], store: Database, bystander: Workspace
) -> AsyncIterator[Extra]:
    """Many schedules of each workspace are due, and then one of the bystander."""
    due = datetime.now(UTC) + timedelta(seconds=8)
    for each in hostile:
        await add_schedules(store, each, await each.pipeline("quick", QUICK), due, SCHEDULES)
    late = due + timedelta(seconds=1)
    pipeline_id = await bystander.pipeline("scheduled", QUICK)
    await add_schedules(store, bystander, pipeline_id, late, count=1)
    await asyncio.sleep(max(0.0, (due - datetime.now(UTC)).total_seconds()))
    all_started = asyncio.create_task(until_none_is_due(store, due))

    async def started() -> dict[str, float]:
        connection = bystander.connection()
        path = f"/api/runs?pipeline_id={pipeline_id}"
        for _ in range(100):
            _, found = await connection.request("GET", path)
            if found["data"]:
                begun = datetime.fromisoformat(found["data"][0]["created_at"])
                number = SCHEDULES * len(hostile)
                print(f"All {number} due runs were started after {await all_started:.1f} s")
                return {"schedule": (begun - late).total_seconds()}
            await asyncio.sleep(0.1)
        return {"schedule": float("inf")}

    yield started
