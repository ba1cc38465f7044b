"""A workspace with rows in every table that has rows of workspaces."""

from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.service import Account
from stepiq.core import clock, ids
from stepiq.store.database import Database
from stepiq.store.states import DeliveryStatus, RunStatus
from stepiq.store.tables import (
    audit_chains,
    bulk_items,
    delivery_attempts,
    device_logins,
    drafts,
    idempotent_requests,
    identities,
    identity_roles,
    invitations,
    large_values,
    operation_payloads,
    quota_counts,
    recipients,
    refresh_tokens,
    run_events,
    run_operations,
    run_steps,
    schedule_ticks,
)
from tests.support.make import Make

CHILDREN = (
    run_steps,
    run_events,
    large_values,
    run_operations,
    operation_payloads,
    delivery_attempts,
    schedule_ticks,
    bulk_items,
    refresh_tokens,
)
"""Tables whose rows belong to a workspace through another row."""

_RUNS = 5


async def fill(database: Database, make: Make, account: Account) -> None:
    """Insert rows of every table into the workspace of an account."""
    pipeline_id = await make.pipeline(account)
    await make.secret(account)
    await make.secret(account, "OTHER", pipeline_id=pipeline_id)
    await make.api_key(account)
    await make.session(account)
    schedule_id = await make.schedule(account, pipeline_id)
    run_ids = [
        await make.run(account, pipeline_id, status=RunStatus.COMPLETED, schedule_id=schedule_id)
        for _ in range(_RUNS)
    ]
    run_ids.append(await make.run(account, pipeline_id, status=RunStatus.PENDING))
    await make.bulk_job(account, run_ids)
    await make.review(account, pipeline_id, run_id=run_ids[0])
    await make.usage(account, pipeline_id, "2026-03-01", runs=1)
    await make.caller_usage(account, account.id, "2026-03-01", runs=1)
    delivery_ids = [
        await make.delivery(account, pipeline_id, run_id=run_ids[0]),
        await make.delivery(account, pipeline_id, status=DeliveryStatus.PENDING),
    ]
    for run_id in run_ids:
        step_id = await make.step(run_id)
        await make.operation(run_id, step_id, payloads={"request": {"a": 1}})
    await _fill_rest(database, account, run_ids[0], schedule_id, delivery_ids)


async def _fill_rest(
    database: Database,
    account: Account,
    run_id: UUID,
    schedule_id: UUID,
    delivery_ids: list[UUID],
) -> None:
    identity_id = ids.uuid7()
    now, owner = clock.now(), {"workspace_id": account.workspace_id}
    times = {"created_at": now, "updated_at": now}
    text = {"text": "name: A", "source_format": "yaml", "revision": ids.uuid7()}
    values: list[tuple[sa.Table, dict[str, object]]] = [
        (quota_counts, {**owner, "name": "versions", "day": "", "value": 1}),
        (drafts, {**owner, **times, **text, "pipeline_id": ids.uuid7(), "user_id": account.id}),
        (
            invitations,
            {
                **owner,
                "id": ids.uuid7(),
                "email": "new@example.com",
                "role": "viewer",
                "token_hash": ids.uuid7().bytes * 2,
                "created_at": now,
                "expires_at": now,
            },
        ),
        (
            identities,
            {
                "id": identity_id,
                "user_id": account.id,
                "provider": "a",
                "issuer": "https://a.example.com",
                "subject": str(account.id),
                "created_at": now,
                "last_used_at": now,
            },
        ),
        (
            device_logins,
            {
                **owner,
                "id": ids.uuid7(),
                "device_digest": ids.uuid7().bytes * 2,
                "user_digest": ids.uuid7().bytes * 2,
                "status": "approved",
                "client": "127.0.0.1",
                "interval_seconds": 5,
                "session_id": ids.uuid7(),
                "created_at": now,
                "expires_at": now,
            },
        ),
        (identity_roles, {**owner, "identity_id": identity_id, "role": "viewer"}),
        (
            audit_chains,
            {"id": account.workspace_id, "sequence": 1, "hash": "a", "sealed_at": now},
        ),
        (recipients, {**owner, "id": ids.uuid7(), "email": "a@example.com", "asked_at": now}),
        (
            idempotent_requests,
            {
                **owner,
                "route": "POST /",
                "key": "a",
                "principal_id": account.id,
                "request_hash": bytes(32),
                "created_at": now,
            },
        ),
        (run_events, {"run_id": run_id, "seq": 1_000, "type": "a", "data": {}, "created_at": now}),
        (large_values, {"owner_id": run_id, "run_id": run_id, "value": {}}),
        *(
            (delivery_attempts, {"delivery_id": delivery_id, "number": 1, "at": now})
            for delivery_id in delivery_ids
        ),
        (
            schedule_ticks,
            {"schedule_id": schedule_id, "due_at": now, "outcome": "skipped", "recorded_at": now},
        ),
    ]
    async with database.transaction() as session:
        for table, row in values:
            await session.execute(sa.insert(table).values(row))
