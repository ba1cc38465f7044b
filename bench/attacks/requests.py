"""Attacks with requests of workspaces."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from workspaces import Workspace, add_schedules

from attacks.base import QUICK, Attack, Extra, nothing_more
from stepiq.store.database import Database

COUNTED = 200
"""The most schedules of a workspace whose runs a request counts."""
CHOICES = ", ".join(f"{{const: {number}}}" for number in range(120))
LARGE_INPUT = f"""\
name: Large input
input:
  schema:
    type: object
    properties:
      numbers: {{type: array, items: {{anyOf: [{CHOICES}]}}}}
steps:
  - {QUICK}
"""


@asynccontextmanager
async def streams(
    hostile: list[Workspace], store: Database, bystander: Workspace
) -> AsyncIterator[Extra]:
    """Each workspace opens all the streams that it can, again and again."""
    opened: list[asyncio.StreamWriter] = []

    async def follow(workspace: Workspace, run_id: str) -> None:
        for _ in range(50):
            with suppress(SystemExit, OSError):
                _, writer = await workspace.connection().stream(f"/api/runs/{run_id}/stream")
                opened.append(writer)

    runs = []
    for each in [bystander, *hostile]:
        pipeline_id = await each.pipeline("waits", "{id: a, type: wait, seconds: 600}")
        runs.append((await each.run(pipeline_id))[1])
    await asyncio.gather(*map(follow, hostile, runs[1:]))

    async def first_stream() -> dict[str, float]:
        begun = time.perf_counter()
        try:
            _, writer = await bystander.connection().stream(f"/api/runs/{runs[0]}/stream")
        except SystemExit:
            return {"stream": float("inf")}
        writer.close()
        print(f"  {len(opened)} hostile streams are open", flush=True)
        return {"stream": time.perf_counter() - begun}

    yield first_stream
    for writer in opened:
        writer.close()


def _again(
    client: Callable[[Workspace, Database], Coroutine[Any, Any, None]], at_once: int
) -> Attack:
    """An attack with clients that send the same request again and again."""

    @asynccontextmanager
    async def attack(
        hostile: list[Workspace], store: Database, bystander: Workspace
    ) -> AsyncIterator[Extra]:
        clients = [client(each, store) for each in hostile for _ in range(at_once)]
        tasks = [asyncio.create_task(each) for each in clients]
        await asyncio.sleep(3)
        yield nothing_more
        for failed in (each for each in tasks if each.done()):
            failed.result()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    return attack


async def _send_large_inputs(workspace: Workspace, store: Database) -> None:
    """Start runs with 2,301 numbers, for each of which the schema has 120 choices: almost the most that is validated."""
    pipeline_id = await workspace.save(LARGE_INPUT)
    # The last choice takes longest, and the last value is wrong, so that the run is not stored.
    text = json.dumps({"input_data": {"numbers": [119] * 2_300 + [120]}})
    connection = workspace.connection()
    while True:
        status, answer = await connection.request("POST", f"/api/pipelines/{pipeline_id}/run", text)
        if status == 422 and b"too large to check" in answer:
            raise SystemExit("The input was refused before it was validated.")


async def _count_runs(workspace: Workspace, store: Database) -> None:
    """Ask when the runs of many schedules will start."""
    pipeline_id = await workspace.pipeline("later", QUICK)
    due = datetime.now(UTC) + timedelta(hours=1)
    await add_schedules(store, workspace, pipeline_id, due, COUNTED, ("* * * * *",))
    connection = workspace.connection()
    while True:
        await connection.request("GET", "/api/schedules/density?hours=200")


large_inputs = _again(_send_large_inputs, at_once=2)
count_runs = _again(_count_runs, at_once=1)
