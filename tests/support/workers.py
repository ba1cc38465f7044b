"""A worker in the middle of a run, and others that may take the run over."""

import asyncio

import psycopg
import pytest
import sqlalchemy as sa

from stepiq.queue.recovery import Recovery
from stepiq.queue.worker_lease import SessionPresence, presence_of
from stepiq.store.database import Database
from stepiq.store.pubsub import LocalChanges
from stepiq.store.tables import runs
from tests.support.engine import World

ASK = """
name: Ask
steps:
  - {id: before, type: transform, template: "x"}
  - {id: ask, model: openai/gpt-4o-mini, prompt: "{{steps.before.output}}"}
"""


async def asking(world: World, *, has_ticket: bool = False):
    """A run in the middle of a model's answer, and who listens to it."""
    run_id, heard = await world.start(await world.pipeline(ASK), has_ticket=has_ticket)
    await heard.until("step.delta")
    return run_id, heard


def restored_late(lease: SessionPresence, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Restore the lease after a loss only when the returned event is set."""
    lock, may_return = lease._lock, asyncio.Event()

    async def lock_late() -> psycopg.AsyncConnection:
        await may_return.wait()
        return await lock()

    monkeypatch.setattr(lease, "_lock", lock_late)
    return may_return


async def say_that_somebody_else_has_it(world: World) -> None:
    """Write the runs and tickets in hand to a worker that is not there."""
    schema = "" if world.database.is_sqlite else "dbos."
    async with world.database.transaction() as session:
        await session.execute(
            sa.text(f"UPDATE {schema}workflow_status SET executor_id = 'worker-0'")  # noqa: S608
        )
        await session.execute(
            runs.update().where(runs.c.executor.is_not(None)).values(executor="worker-0")
        )


def another(world: World, changes: LocalChanges | None = None) -> Recovery:
    return Recovery(
        world.database,
        changes or world.changes,
        world.engine._tickets,
        presence_of(world.database),
    )


async def cut_lease(database: Database, presence: SessionPresence) -> None:
    """Have the server end the session of a worker's lease."""
    assert presence._connection is not None
    async with await database.connect_alone("test") as connection:
        pid = presence._connection.info.backend_pid
        await connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
