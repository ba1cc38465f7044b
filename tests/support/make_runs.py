"""Rows of runs, without an engine that executes them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.service import Account
from stepiq.core import clock, ids
from stepiq.store.database import Database
from stepiq.store.states import RunStatus, TriggerType
from stepiq.store.tables import runs, workspaces

_BROKEN = {"code": "step_failed", "message": "The step failed.", "step_id": "greet"}


class MakeRuns:
    database: Database

    async def run(
        self,
        account: Account,
        pipeline_id: UUID,
        *,
        status: RunStatus = RunStatus.PENDING,
        trigger_type: TriggerType = TriggerType.MANUAL,
        input_data: Any = None,
        output: Any = None,
    ) -> UUID:
        """Insert a run in some state, and update the workspace's counters."""
        run_id, now = ids.uuid7(), clock.now()
        async with self.database.transaction() as session:
            await session.execute(
                sa.insert(runs).values(
                    id=run_id,
                    workspace_id=account.workspace_id,
                    pipeline_id=pipeline_id,
                    pipeline_version=1,
                    trigger_type=trigger_type,
                    status=status,
                    input_data={} if input_data is None else input_data,
                    output=output,
                    error=_BROKEN if status is RunStatus.FAILED else None,
                    ticket=1,
                    deadline_at=now + timedelta(hours=1),
                    created_at=now,
                    started_at=None if status is RunStatus.PENDING else now,
                    completed_at=now if status.is_final else None,
                )
            )
            if not status.is_final:
                await session.execute(
                    sa.update(workspaces)
                    .where(workspaces.c.id == account.workspace_id)
                    .values(
                        unfinished_runs=workspaces.c.unfinished_runs + 1,
                        admitted_runs=workspaces.c.admitted_runs + 1,
                    )
                )
        return run_id
