"""Rows of usage, as the engine would write them."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.service import Account
from stepiq.store.database import Database
from stepiq.store.tables import usage_caller_days, usage_days, workspaces


class MakeUsage:
    database: Database

    async def usage(
        self, account: Account, pipeline_id: UUID, day: str, model: str = "", **counts: Any
    ) -> None:
        """Insert the usage of one day."""
        key = {"workspace_id": account.workspace_id, "pipeline_id": pipeline_id}
        async with self.database.transaction() as session:
            await session.execute(
                sa.insert(usage_days).values(**key, day=day, model=model, **counts)
            )

    async def caller_usage(
        self, account: Account, caller_id: UUID, day: str, **counts: Any
    ) -> None:
        """Insert the usage of one day of what started runs."""
        async with self.database.transaction() as session:
            await session.execute(
                sa.insert(usage_caller_days).values(
                    workspace_id=account.workspace_id, caller_id=caller_id, day=day, **counts
                )
            )

    async def credits_spent(self, account: Account, month: str, tokens: int) -> None:
        """Set the number of tokens that the server has paid for in a month."""
        async with self.database.transaction() as session:
            await session.execute(
                sa.update(workspaces)
                .where(workspaces.c.id == account.workspace_id)
                .values(credit_month=month, credit_tokens=tokens)
            )
