"""Rows of schedules."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from stepiq.accounts.service import Account
from stepiq.core import clock, ids
from stepiq.store.database import Database
from stepiq.store.states import CatchUp, Overlap
from stepiq.triggers.schedules import queries
from stepiq.triggers.schedules.records import Schedule


class MakeSchedules:
    database: Database

    async def schedule(
        self, account: Account, pipeline_id: UUID, *, input_data: Any = None, **fields: Any
    ) -> UUID:
        """Insert a schedule, by default every day at 9:00 UTC."""
        now = clock.now()
        schedule = replace(
            Schedule(
                id=ids.uuid7(),
                workspace_id=account.workspace_id,
                pipeline_id=pipeline_id,
                created_by=account.id,
                name="Daily",
                cron_expression="0 9 * * *",
                timezone="UTC",
                input_data=input_data or {},
                enabled=True,
                overlap=Overlap.ALLOW,
                catch_up=CatchUp.NONE,
                from_definition=False,
                next_run_at=None,
                last_run_at=None,
                created_at=now,
                updated_at=now,
            ),
            **fields,
        )
        if "next_run_at" not in fields:
            schedule = replace(schedule, next_run_at=schedule.next_after(now))
        async with self.database.transaction() as session:
            await queries.insert(session, schedule)
        return schedule.id
