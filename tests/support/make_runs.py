"""Rows of runs, without an engine that executes them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.service import Account
from stepiq.core import clock, ids
from stepiq.execution.admission.control import PARKED
from stepiq.runs.bulk import service as bulk
from stepiq.store.database import Database
from stepiq.store.states import (
    FINAL_STEP_STATUSES,
    BulkAction,
    OperationKind,
    OperationStatus,
    RunStatus,
    StepStatus,
    TriggerType,
)
from stepiq.store.tables import operation_payloads, run_operations, run_steps, runs, workspaces
from tests.support.make_accounts import actor

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
        retry_of: UUID | None = None,
        **values: Any,
    ) -> UUID:
        """Insert a run in some state, and update the workspace's counters."""
        run_id, now = ids.uuid7(), clock.now()
        async with self.database.transaction() as session:
            await session.execute(
                sa.insert(runs).values(
                    id=run_id,
                    workspace_id=account.workspace_id,
                    pipeline_id=pipeline_id,
                    pipeline_version=values.pop("pipeline_version", 1),
                    trigger_type=trigger_type,
                    status=status,
                    input_data={} if input_data is None else input_data,
                    output=output,
                    error=values.pop("error", _BROKEN if status is RunStatus.FAILED else None),
                    error_code=_BROKEN["code"] if status is RunStatus.FAILED else None,
                    retry_of=retry_of,
                    ticket=PARKED if status is RunStatus.WAITING else 1,
                    deadline_at=now + timedelta(hours=1),
                    created_at=now,
                    started_at=None if status is RunStatus.PENDING else now,
                    completed_at=now if status.is_final else None,
                    **values,
                )
            )
            if not status.is_final and status is not RunStatus.WAITING:
                await session.execute(
                    sa.update(workspaces)
                    .where(workspaces.c.id == account.workspace_id)
                    .values(
                        unfinished_runs=workspaces.c.unfinished_runs + 1,
                        admitted_runs=workspaces.c.admitted_runs + 1,
                    )
                )
        return run_id

    async def bulk_job(self, account: Account, run_ids: Sequence[UUID]) -> UUID:
        """Insert a job that cancels runs."""
        async with self.database.transaction() as session:
            job = await bulk.create(session, actor(account), BulkAction.CANCEL, run_ids)
        return job.id

    async def step(
        self, run_id: UUID, step_id: str = "greet", *, ordinal: int = 1, **values: Any
    ) -> UUID:
        """Insert an execution of a step, by default a completed one."""
        status, now = values.get("status", StepStatus.COMPLETED), clock.now()
        row: dict[str, Any] = {
            "id": ids.uuid7(),
            "run_id": run_id,
            "step_id": step_id,
            "iteration": 1,
            "ordinal": ordinal,
            "name": step_id,
            "type": "llm",
            "status": status,
            "error": _BROKEN if status is StepStatus.FAILED else None,
            "started_at": now,
            "completed_at": now if status in FINAL_STEP_STATUSES else None,
        }
        row |= values
        async with self.database.transaction() as session:
            await session.execute(sa.insert(run_steps).values(row))
        return row["id"]

    async def operation(
        self,
        run_id: UUID,
        step_row_id: UUID,
        number: int = 1,
        *,
        payloads: dict[str, Any] | None = None,
        **values: Any,
    ) -> UUID:
        """Insert an operation of a step, by default a completed one. `payloads` are stored apart, by part."""
        status, now = values.get("status", OperationStatus.COMPLETED), clock.now()
        row: dict[str, Any] = {
            "id": ids.uuid7(),
            "run_id": run_id,
            "step_row_id": step_row_id,
            "attempt": 1,
            "number": number,
            "kind": OperationKind.MODEL_CALL,
            "status": status,
            "key": f"{run_id}:greet:1:{number}",
            "error": _BROKEN if status is OperationStatus.FAILED else None,
            "queued_at": now,
            "started_at": now,
            "ended_at": None if status is OperationStatus.RUNNING else now,
        }
        row |= {f"{part}_is_large": True for part in payloads or ()} | values
        large = [
            {"operation_id": row["id"], "part": part, "value": value}
            for part, value in (payloads or {}).items()
        ]
        async with self.database.transaction() as session:
            await session.execute(sa.insert(run_operations).values(row))
            if large:
                await session.execute(sa.insert(operation_payloads), large)
        return row["id"]
