"""Queries of deliveries. A worker's updates are conditional on its claim, so a worker that lost it changes nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import ids
from stepiq.notify import attempt_queries
from stepiq.notify.records import (
    ATTEMPTS,
    ATTEMPTS_KEPT,
    ATTEMPTS_LISTED,
    Attempt,
    Delivery,
    EventName,
    Occasion,
    Sender,
    SentRequest,
    ShownTarget,
    Verdict,
)
from stepiq.store.database import Session
from stepiq.store.statements import sweeping
from stepiq.store.statements.workspaces import (
    PLAN,
    belongs_to,
    has_enabled_member,
    membership_of,
    newest_first,
)
from stepiq.store.states import DeliveryStatus, Role, RunStatus, TargetType, TriggerType
from stepiq.store.tables import (
    deliveries,
    delivery_attempts,
    large_values,
    memberships,
    pipeline_versions,
    pipelines,
    runs,
    users,
    workspaces,
)

_REOPEN = deliveries.update().values(
    status=DeliveryStatus.PENDING,
    completed_at=None,
    error=None,
    recipient_id=None,
    ticket=deliveries.c.ticket + 1,
    # A worker that retries an uncertain write must not overwrite the reopened delivery.
    claim=deliveries.c.claim + 1,
    attempts_allowed=deliveries.c.attempts + ATTEMPTS,
)
_INSERTED = (
    "id", "workspace_id", "pipeline_id", "pipeline_version", "run_id", "event", "target_type", "target_path", "target", "status",
    "created_at",
)  # fmt: skip
_REPORTED = (
    "status", "trigger_type", "started_at", "completed_at", "input_data", "output", "error", "cost_usd_micros", "cost_complete",
    "failed_steps",
)  # fmt: skip
_COUNTED = 1_000
_SWEPT = 100
_SAMPLE_OUTPUT = "This is a test event. It does not belong to a run."
_CUT_OFF = "The server stopped during this attempt. It is unknown whether the delivery arrived."


async def insert(session: Session, new: Sequence[Delivery]) -> None:
    """Insert deliveries without attempts."""
    rows = [{name: getattr(delivery, name) for name in _INSERTED} for delivery in new]
    await session.execute(deliveries.insert(), rows)


async def pending(session: Session, workspace_id: UUID) -> int:
    """The number of the workspace's pending deliveries. Counting stops at 1,000."""
    waiting = (
        sa.select(sa.literal(1))
        .where(
            deliveries.c.workspace_id == workspace_id,
            deliveries.c.completed_at.is_(None),
        )
        .limit(_COUNTED)
        .subquery()
    )
    return await session.scalar(sa.select(sa.func.count()).select_from(waiting))


async def lock_ticket(session: Session, delivery_id: UUID) -> int | None:
    """Lock a delivery, and return the number of its ticket; None if the delivery is deleted."""
    return await session.scalar(
        sa.select(deliveries.c.ticket).where(deliveries.c.id == delivery_id).with_for_update()
    )


async def claim(session: Session, delivery_id: UUID) -> Delivery | None:
    """Claim a pending delivery, and mark an interrupted attempt; None if the delivery is final or deleted.

    Of its attempts, only the last one is read.
    """
    row = (
        await session.execute(
            deliveries.update()
            .where(
                deliveries.c.id == delivery_id,
                deliveries.c.status == DeliveryStatus.PENDING,
            )
            .values(claim=deliveries.c.claim + 1)
            .returning(deliveries)
        )
    ).one_or_none()
    if row is None:
        return None
    if row.attempts:
        await session.execute(
            delivery_attempts.update().where(_is_open(delivery_id)).values(error=_CUT_OFF)
        )
    return _delivery(row, (await attempt_queries.newest(session, [delivery_id], 1))[delivery_id])


def _is_open(delivery_id: UUID) -> sa.ColumnElement[bool]:
    """Condition for an attempt that has begun and has no recorded end."""
    return sa.and_(
        delivery_attempts.c.delivery_id == delivery_id,
        delivery_attempts.c.completed_at.is_(None),
        delivery_attempts.c.error.is_(None),
    )


async def begin(
    session: Session,
    delivery: Delivery,
    attempt: Attempt,
    target: ShownTarget,
    request: SentRequest | None,
) -> bool:
    """Record an attempt before it is sent, and delete all but the last `ATTEMPTS_KEPT`.

    Returns False, without a change, if the claim is lost.

    `request`: what a webhook sends; None for a mail.
    """
    values = {"attempts": attempt.number, "target": target}
    if not await _update(session, delivery, values):
        return False
    await attempt_queries.insert(session, delivery.id, attempt, request)
    return True


async def end(
    session: Session,
    delivery: Delivery,
    attempt: Attempt,
    verdict: Verdict,
    status: DeliveryStatus,
) -> bool:
    """Record the end of an attempt and the delivery's new status; False, without a change, if the claim is lost."""
    is_final = status is not DeliveryStatus.PENDING
    completed_at = attempt.completed_at if is_final else None
    values = {"status": status, "error": verdict.error, "completed_at": completed_at}
    if not await _update(session, delivery, values):
        return False
    await session.execute(
        delivery_attempts.update()
        .where(
            delivery_attempts.c.delivery_id == delivery.id,
            delivery_attempts.c.number == attempt.number,
        )
        .values(
            status_code=verdict.status_code,
            error=verdict.error,
            duration_ms=attempt.duration_ms,
            response_headers=verdict.response_headers,
            response_excerpt=verdict.response_excerpt,
            completed_at=attempt.completed_at,
        )
    )
    return True


async def fail(
    session: Session,
    delivery: Delivery,
    error: str,
    at: datetime,
    *,
    recipient_id: UUID | None = None,
) -> bool:
    """Mark a delivery and its open attempt as failed; False, without a change, if the claim is lost.

    `recipient_id`: the recipient whose confirmation releases the delivery (see `release`).
    """
    values = {
        "status": DeliveryStatus.FAILED,
        "error": error,
        "completed_at": at,
        "recipient_id": recipient_id,
    }
    if not await _update(session, delivery, values):
        return False
    await session.execute(
        delivery_attempts.update().where(_is_open(delivery.id)).values(error=error, completed_at=at)
    )
    return True


async def _update(session: Session, delivery: Delivery, values: dict[str, Any]) -> bool:
    updated = await session.execute(
        deliveries.update()
        .where(
            deliveries.c.id == delivery.id,
            deliveries.c.claim == delivery.claim,
            deliveries.c.status == DeliveryStatus.PENDING,
        )
        .values(values)
    )
    return updated.rowcount == 1


async def reopen(session: Session, workspace_id: UUID, delivery_id: UUID) -> bool:
    """Make a final delivery pending again, with as many attempts as a new one and another ticket."""
    updated = await session.execute(
        _REOPEN.where(
            deliveries.c.id == delivery_id,
            deliveries.c.workspace_id == workspace_id,
            deliveries.c.status != DeliveryStatus.PENDING,
        )
    )
    return updated.rowcount == 1


async def release(
    session: Session, recipient_id: UUID, since: datetime, limit: int
) -> list[Delivery]:
    """Make emails held since a moment pending again, oldest first, up to a limit. Attempts are not read."""
    held = (
        sa.select(deliveries.c.id)
        # Not `created_at`: a redelivery holds the email again, and keeps it.
        .where(*_is_held(recipient_id), deliveries.c.completed_at > since)
        .order_by(deliveries.c.id)
        .limit(limit)
    )
    # The condition is repeated: PostgreSQL evaluates the subquery before it waits for row locks, and another
    # transaction may meanwhile redeliver or drop an email.
    released = _REOPEN.where(deliveries.c.id.in_(held), *_is_held(recipient_id))
    return [_delivery(row, ()) for row in await session.execute(released.returning(deliveries))]


async def drop_held(session: Session, recipient_id: UUID, error: str) -> None:
    """Replace the error of held emails that will not be released, and detach them from the recipient."""
    await session.execute(
        deliveries.update().where(*_is_held(recipient_id)).values(recipient_id=None, error=error)
    )


def _is_held(recipient_id: UUID) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        deliveries.c.recipient_id == recipient_id,
        deliveries.c.status == DeliveryStatus.FAILED,
    )


async def plan(session: Session, workspace_id: UUID) -> str:
    """The name of a workspace's plan."""
    return await session.scalar(sa.select(PLAN).where(workspaces.c.id == workspace_id))


async def sender(session: Session, pipeline_id: UUID, version: int) -> Sender | None:
    """Who sends the emails of a version: its author, or an owner if the author has been removed or deleted.

    None if the version has been deleted.
    """
    is_member = sa.exists().where(
        membership_of(users.c.id), memberships.c.workspace_id == pipeline_versions.c.workspace_id
    )
    statement = (
        sa.select(
            users.c.email,
            users.c.email_verified_at,
            pipeline_versions.c.workspace_id,
            is_member.label("is_member"),
            (~has_enabled_member(pipeline_versions.c.workspace_id)).label("is_disabled"),
        )
        .join(pipeline_versions, pipeline_versions.c.created_by == users.c.id)
        .where(
            pipeline_versions.c.pipeline_id == pipeline_id, pipeline_versions.c.version == version
        )
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    owner = None if row.is_member else await _owner(session, row.workspace_id)
    person = owner or row
    return Sender(person.email, row.is_disabled, person.email_verified_at is not None)


async def _owner(session: Session, workspace_id: UUID) -> sa.Row[Any] | None:
    """An enabled owner of a workspace; None if it has none."""
    statement = (
        sa.select(users.c.email, users.c.email_verified_at)
        .join(memberships, membership_of(users.c.id))
        .where(
            memberships.c.workspace_id == workspace_id,
            memberships.c.role == Role.OWNER,
            users.c.disabled_at.is_(None),
        )
    )
    return (await session.execute(statement.order_by(users.c.id).limit(1))).one_or_none()


async def occasion(session: Session, delivery: Delivery) -> Occasion | None:
    """The data that a delivery reports; None if the run or the pipeline has been deleted."""
    is_test = delivery.run_id is None
    return await (_sample if is_test else _run)(session, delivery)


async def _sample(session: Session, delivery: Delivery) -> Occasion | None:
    statement = (
        sa.select(pipelines.c.name.label("pipeline_name"), PLAN)
        .join(workspaces, workspaces.c.id == pipelines.c.workspace_id)
        .where(
            pipelines.c.id == delivery.pipeline_id,
            pipelines.c.workspace_id == delivery.workspace_id,
        )
    )
    row = (await session.execute(statement)).mappings().one_or_none()
    if row is None:
        return None
    return Occasion(
        **row,
        # Receivers identify events by run id. A test event uses the id of the delivery.
        run_id=delivery.id,
        status=RunStatus.COMPLETED,
        trigger_type=TriggerType.MANUAL,
        started_at=delivery.created_at,
        completed_at=delivery.created_at,
        input_data={},
        output=_SAMPLE_OUTPUT,
        error=None,
        cost_usd_micros=0,
        cost_complete=True,
        failed_steps=0,
    )


async def _run(session: Session, delivery: Delivery) -> Occasion | None:
    statement = (
        sa.select(
            pipelines.c.name.label("pipeline_name"),
            PLAN,
            runs.c.id.label("run_id"),
            *(runs.c[name] for name in _REPORTED),
            runs.c.output_is_large,
            large_values.c.value,
        )
        .join(pipelines, pipelines.c.id == runs.c.pipeline_id)
        .join(workspaces, workspaces.c.id == runs.c.workspace_id)
        .outerjoin(large_values, large_values.c.owner_id == runs.c.id)
        .where(runs.c.id == delivery.run_id, runs.c.workspace_id == delivery.workspace_id)
    )
    row = (await session.execute(statement)).mappings().one_or_none()
    if row is None:
        return None
    found = dict(row)
    large = found.pop("value")
    if found.pop("output_is_large"):
        found["output"] = large
    found["status"] = RunStatus(found["status"])
    found["trigger_type"] = TriggerType(found["trigger_type"])
    return Occasion(**found)


async def find(session: Session, workspace_id: UUID, delivery_id: UUID) -> Delivery | None:
    """A delivery of the workspace with the attempts that are kept."""
    row = (
        await session.execute(
            sa.select(deliveries).where(
                deliveries.c.id == delivery_id, deliveries.c.workspace_id == workspace_id
            )
        )
    ).one_or_none()
    if row is None:
        return None
    attempts = await attempt_queries.newest(session, [delivery_id], ATTEMPTS_KEPT)
    return _delivery(row, attempts[delivery_id])


def of_run_statement(run_id: UUID, *, before: UUID | None, limit: int) -> sa.Select[Any]:
    """Deliveries of a run, newest first."""
    return _walk(deliveries.c.run_id, run_id, before, limit)


def of_pipeline_statement(
    pipeline_id: UUID, *, status: DeliveryStatus | None, before: UUID | None, limit: int
) -> sa.Select[Any]:
    """Deliveries of a pipeline, newest first."""
    statement = _walk(deliveries.c.pipeline_id, pipeline_id, before, limit)
    return statement if status is None else statement.where(deliveries.c.status == status)


def _walk(owner: sa.Column[UUID], value: UUID, before: UUID | None, limit: int) -> sa.Select[Any]:
    statement = sa.select(deliveries).where(belongs_to(owner, value))
    if before is not None:
        statement = statement.where(deliveries.c.id < before)
    return statement.order_by(*newest_first(owner)).limit(limit)


async def sweep_tests(session: Session, now: datetime, *, kept: timedelta) -> int:
    """Delete a batch of final test deliveries older than `kept`. A run's deliveries are deleted with the run."""
    is_test = deliveries.c.run_id.is_(None)
    has_ended = deliveries.c.status != DeliveryStatus.PENDING
    return await sweeping.delete_oldest(
        session, deliveries.c.id, ids.first_at(now - kept), _SWEPT, is_test, has_ended
    )


async def sizes(session: Session, statement: sa.Select[Any]) -> list[int]:
    """The sizes of the attempts that `page` reads."""
    found = await session.execute(statement.with_only_columns(deliveries.c.id))
    return await attempt_queries.sizes(session, found.scalars().all(), ATTEMPTS_LISTED)


async def page(session: Session, statement: sa.Select[Any]) -> list[Delivery]:
    """Execute `of_run_statement` or `of_pipeline_statement`; returns the deliveries with their last attempts."""
    rows = (await session.execute(statement)).all()
    attempts = await attempt_queries.newest(session, [row.id for row in rows], ATTEMPTS_LISTED)
    return [_delivery(row, attempts[row.id]) for row in rows]


def _delivery(row: sa.Row[Any], attempts: Sequence[Attempt]) -> Delivery:
    return Delivery(
        id=row.id,
        workspace_id=row.workspace_id,
        pipeline_id=row.pipeline_id,
        pipeline_version=row.pipeline_version,
        run_id=row.run_id,
        event=EventName(row.event),
        target_type=TargetType(row.target_type),
        target_path=row.target_path,
        target=row.target,
        status=DeliveryStatus(row.status),
        ticket=row.ticket,
        claim=row.claim,
        attempts_made=row.attempts,
        attempts_allowed=row.attempts_allowed,
        error=row.error,
        created_at=row.created_at,
        completed_at=row.completed_at,
        attempts=attempts,
    )
