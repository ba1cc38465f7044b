"""Disables and enables accounts."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from uuid import UUID

from stepiq.accounts.authentication.authenticator import Authenticator
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import members
from stepiq.accounts.queries import sessions as session_queries
from stepiq.core import clock
from stepiq.execution.admission.errors import RunNotCancellable
from stepiq.execution.runtime import Engine
from stepiq.store.database import Database, Session


async def disable(session: Session, user_id: UUID) -> int:
    """Disable an account: end its sessions, refuse its personal keys. Returns the number of sessions ended.

    A workspace without another enabled member stops: nothing starts in it, and its deliveries are not sent. After the
    commit, `cancel_runs_of` must be called with its `stopped_workspaces`: their runs continue until then.
    """
    now = clock.now()
    # Transactions that open a session wait for this row lock, and then see the disabled account.
    await account_queries.set_disabled(session, user_id, now)
    return len(await session_queries.end_all(session, user_id, now))


async def enable(session: Session, user_id: UUID) -> None:
    """Enable an account. Its keys and schedules work again. Its sessions have ended."""
    await account_queries.set_disabled(session, user_id, None)


async def stopped_workspaces(database: Database, user_id: UUID) -> Sequence[UUID]:
    """The workspaces of a disabled user that have no enabled member."""
    async with database.reading() as session:
        return await members.stopped_workspaces(session, user_id)


async def stop(
    workspace_ids: Sequence[UUID], authenticator: Authenticator, database: Database, engine: Engine
) -> None:
    """Stop workspaces in which nothing may start: forget their cached credentials, then cancel their unfinished runs."""
    # Also the service keys of former members. Before the runs are cancelled, so that this process starts no others.
    for workspace_id in workspace_ids:
        authenticator.forget(workspace_id)
    await cancel_runs_of(database, engine, workspace_ids)


async def cancel_runs_of(database: Database, engine: Engine, workspace_ids: Iterable[UUID]) -> int:
    """Cancel the unfinished runs of workspaces, each in its own transaction. Returns the number cancelled.

    Other processes trust a credential for up to five seconds. Call again later to cancel runs that they start
    meanwhile.
    """
    cancelled = 0
    for workspace_id in workspace_ids:
        async with database.reading() as session:
            found = await account_queries.unfinished_runs(session, workspace_id)
        for run_id in found:
            with suppress(RunNotCancellable):
                async with database.transaction() as session:
                    await engine.cancel(session, workspace_id, run_id)
                cancelled += 1
    return cancelled
