"""Disabling an account, and enabling it again."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import sessions as session_queries
from stepiq.core import clock
from stepiq.engine.admission import RunNotCancellable
from stepiq.engine.runtime import Engine
from stepiq.store.database import Database, Session

Find = Callable[[Session], Awaitable[account_queries.Row]]
"""Reads the account to change, in the transaction that changes it. Raises an error if there is none."""


@dataclass(frozen=True, slots=True)
class Disabled:
    """A disabled account, and what that stopped."""

    email: str
    sessions_ended: int
    runs_cancelled: int


async def disable(database: Database, engine: Engine, find: Find) -> Disabled:
    """Disable an account: end its sessions, refuse its keys, stop its schedules, and cancel its unfinished runs.

    Other processes trust a credential for up to five seconds. To cancel a run that they have started meanwhile, disable the
    account again.
    """
    now = clock.now()
    async with database.transaction() as session:
        row = await find(session)
        # Anyone who opens a session waits for this, and then finds the account disabled.
        await account_queries.set_disabled(session, row.id, now)
        ended = await session_queries.end_all(session, row.id, now)
    cancelled = await _cancel_runs(database, engine, row.workspace_id)
    return Disabled(row.email, len(ended), cancelled)


async def enable(session: Session, find: Find) -> str:
    """Enable an account, and return its address. Its keys and schedules work again, its sessions do not."""
    row = await find(session)
    await account_queries.set_disabled(session, row.id, None)
    return str(row.email)


async def _cancel_runs(database: Database, engine: Engine, workspace_id: UUID) -> int:
    async with database.reading() as session:
        found = await account_queries.unfinished_runs(session, workspace_id)
    cancelled = 0
    for run_id in found:
        with suppress(RunNotCancellable):
            async with database.transaction() as session:
                await engine.cancel(session, workspace_id, run_id)
            cancelled += 1
    return cancelled
