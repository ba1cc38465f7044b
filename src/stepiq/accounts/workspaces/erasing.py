"""Erases the data of workspaces that were marked as deleted, in batches in the background.

The rows themselves are the progress, so an erasure that was interrupted, such as by `kill -9`, continues where it was.
A workspace's own row is deleted last, when no other row refers to it.
"""

import asyncio
import time
from datetime import timedelta
from uuid import UUID

from stepiq.accounts.authentication import disabling
from stepiq.accounts.workspaces import erasing_queries as queries
from stepiq.core import clock
from stepiq.core.observability import logging
from stepiq.execution.runtime import Engine
from stepiq.store.database import PATIENT_SECONDS, Database, StoreUnavailable

log = logging.get(__name__)

GRACE = timedelta(seconds=10)
"""How long after its deletion a workspace is erased. Other processes trust its credentials for up to five seconds."""

_EVERY_SECONDS = 5.0
_PAUSE_SHARE = 3
"""Ratio of a pause to the batch before it, so that other transactions have most of the time."""


class Eraser:
    """Erases workspaces of one database. Several processes share the work."""

    def __init__(self, database: Database, engine: Engine) -> None:
        self._database = database
        self._engine = engine

    async def run_for_ever(self) -> None:
        """Look for workspaces to erase every five seconds, until cancelled."""
        while True:
            try:
                await self.erase_all()
            except StoreUnavailable:
                log.warning("erasing_waits_for_store")
            except Exception:
                log.exception("erasing_broke")
            await asyncio.sleep(_EVERY_SECONDS)

    async def erase_all(self) -> int:
        """Erase the workspaces whose deletion is long enough ago; returns the number that no longer exist.

        If one cannot be erased, the others still are.
        """
        async with self._database.reading() as session:
            found = await queries.to_erase(session, clock.now() - GRACE)
        erased = 0
        for workspace_id in found:
            try:
                erased += await self.erase(workspace_id)
            except StoreUnavailable:
                log.warning("erasing_waits_for_store", workspace_id=str(workspace_id))
            except Exception:
                log.exception("erasing_broke", workspace_id=str(workspace_id))
        return erased

    async def erase(self, workspace_id: UUID) -> bool:
        """Erase one workspace; False if another process is erasing it."""
        await disabling.cancel_runs_of(self._database, self._engine, [workspace_id])
        for delete in queries.parts(workspace_id):
            deleted = 1
            while deleted:
                began = time.monotonic()
                async with self._database.transaction(PATIENT_SECONDS) as session:
                    if not await queries.lock(session, workspace_id):
                        return False
                    deleted = await delete(session)
                await asyncio.sleep(_PAUSE_SHARE * (time.monotonic() - began))
        async with self._database.transaction(PATIENT_SECONDS) as session:
            if not await queries.lock(session, workspace_id):
                return False
            await queries.delete_workspace(session, workspace_id)
        log.info("workspace_erased", workspace_id=str(workspace_id))
        return True
