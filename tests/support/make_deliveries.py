"""Rows of deliveries, without a worker that sends them."""

from uuid import UUID

from stepiq.accounts.service import Account
from stepiq.core import clock, ids
from stepiq.store.database import Database
from stepiq.store.states import DeliveryStatus
from stepiq.store.tables import deliveries


class MakeDeliveries:
    database: Database

    async def delivery(
        self,
        account: Account,
        pipeline_id: UUID,
        *,
        run_id: UUID | None = None,
        status: DeliveryStatus = DeliveryStatus.FAILED,
    ) -> UUID:
        """Insert a delivery without attempts. Without a run, it is a test event."""
        delivery_id, now = ids.uuid7(), clock.now()
        is_final = status is not DeliveryStatus.PENDING
        async with self.database.transaction() as session:
            await session.execute(
                deliveries.insert().values(
                    id=delivery_id,
                    workspace_id=account.workspace_id,
                    pipeline_id=pipeline_id,
                    pipeline_version=1,
                    run_id=run_id,
                    event="pipeline.test" if run_id is None else "pipeline.run.completed",
                    target_type="webhook",
                    target_path="output.deliver[0]",
                    target={"type": "webhook", "url": "https://example.com/hook"},
                    status=status,
                    error="It failed." if status is DeliveryStatus.FAILED else None,
                    created_at=now,
                    completed_at=now if is_final else None,
                )
            )
        return delivery_id
