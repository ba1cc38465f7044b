"""Disabling an account, and enabling it again."""

from contextlib import suppress
from uuid import UUID

from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import sessions as session_queries
from stepiq.core import clock
from stepiq.execution.admission import RunNotCancellable
from stepiq.execution.runtime import Engine
from stepiq.store.database import Database, Session


async def disable(session: Session, user_id: UUID) -> int:
    """Disable an account: end its sessions, refuse its keys, stop its schedules. Return how many sessions have ended.

    Its runs continue until `cancel_runs`, which must come after the commit.
    """
    now = clock.now()
    # Anyone who opens a session waits for this, and then finds the account disabled.
    await account_queries.set_disabled(session, user_id, now)
    return len(await session_queries.end_all(session, user_id, now))


async def enable(session: Session, user_id: UUID) -> None:
    """Enable an account. Its keys and schedules work again, its sessions do not."""
    await account_queries.set_disabled(session, user_id, None)


async def cancel_runs(database: Database, engine: Engine, workspace_id: UUID) -> int:
    """Cancel the unfinished runs of a disabled account, each in its own transaction. Return how many were cancelled.

    Other processes trust a credential for up to five seconds. To cancel a run that they have started meanwhile, cancel again.
    """
    async with database.reading() as session:
        found = await account_queries.unfinished_runs(session, workspace_id)
    cancelled = 0
    for run_id in found:
        with suppress(RunNotCancellable):
            async with database.transaction() as session:
                await engine.cancel(session, workspace_id, run_id)
            cancelled += 1
    return cancelled
