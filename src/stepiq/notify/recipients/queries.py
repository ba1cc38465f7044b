"""Queries of recipients. Addresses are lower case."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.store.database import Session
from stepiq.store.statements.workspaces import belongs_to, membership_of, newest_first
from stepiq.store.tables import memberships, recipients, users


class RecipientStatus(StrEnum):
    """Whether a recipient wants the emails of a workspace."""

    CONFIRMED = "confirmed"
    """Gets the emails."""
    ASKED = "asked"
    """Has the email with the question. Other emails are held."""
    NOT_ASKED = "not_asked"
    """The email with the question has not been sent yet, or could not be sent."""
    EXPIRED = "expired"
    """Did not answer in time. The next email to this address asks again."""
    REFUSED = "refused"
    """Does not want emails from this server."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """An address that a workspace sends email to."""

    id: UUID
    workspace_id: UUID
    email: str
    asked_at: datetime
    """When the current request for confirmation began. A retry of its email does not change it."""
    sent_at: datetime | None
    """When the mail server accepted the confirmation email."""
    retry_at: datetime | None
    """When the next retry may start; None: at any time."""
    confirmed_at: datetime | None


async def is_member(session: Session, workspace_id: UUID, email: str) -> bool:
    """Whether an address is the verified address of an enabled member."""
    found = sa.exists().where(
        users.c.email == email,
        users.c.email_verified_at.is_not(None),
        users.c.disabled_at.is_(None),
        membership_of(users.c.id),
        memberships.c.workspace_id == workspace_id,
    )
    return bool(await session.scalar(sa.select(found)))


async def find(session: Session, workspace_id: UUID, email: str) -> Recipient | None:
    """A recipient of a workspace."""
    return await _one(
        session,
        sa.select(recipients).where(
            recipients.c.workspace_id == workspace_id, recipients.c.email == email
        ),
    )


async def page(
    session: Session, workspace_id: UUID, *, before: UUID | None, limit: int
) -> list[Recipient]:
    """Recipients of a workspace, the one that was first asked last comes first."""
    statement = sa.select(recipients).where(belongs_to(recipients.c.workspace_id, workspace_id))
    if before is not None:
        statement = statement.where(recipients.c.id < before)
    ordered = statement.order_by(*newest_first(recipients.c.workspace_id)).limit(limit)
    return [_recipient(row) for row in await session.execute(ordered)]


async def lock(session: Session, recipient_id: UUID) -> Recipient | None:
    """Lock and return a recipient. No other transaction can change the row until this one ends."""
    wanted = sa.select(recipients).where(recipients.c.id == recipient_id)
    return await _one(session, wanted.with_for_update(key_share=True))


async def _one(session: Session, statement: sa.Executable) -> Recipient | None:
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else _recipient(row)


def _recipient(row: sa.Row[Any]) -> Recipient:
    return Recipient(
        row.id,
        row.workspace_id,
        row.email,
        row.asked_at,
        row.sent_at,
        row.retry_at,
        row.confirmed_at,
    )


async def begin_ask(
    session: Session,
    new_id: UUID,
    workspace_id: UUID,
    email: str,
    *,
    now: datetime,
    lifetime: timedelta,
    retried_within: timedelta,
    trying: timedelta,
) -> Recipient | None:
    """Claim the sending of a confirmation email.

    None if it has been sent, if another process is sending it, or if it cannot be retried yet. An existing recipient
    keeps their id.

    After `lifetime`, a recipient who has not confirmed can be asked again. For `retried_within`, an email that could not be
    sent is retried as the same ask. For `trying`, other processes do not send it.
    """
    is_unsent = recipients.c.sent_at.is_(None)
    is_over = sa.or_(
        recipients.c.asked_at <= now - lifetime,
        sa.and_(is_unsent, recipients.c.asked_at <= now - retried_within),
    )
    is_free = sa.or_(recipients.c.retry_at.is_(None), recipients.c.retry_at <= now)
    new = session.insert(recipients).values(
        id=new_id, workspace_id=workspace_id, email=email, asked_at=now, retry_at=now + trying
    )
    asked_at = sa.case((is_over, new.excluded.asked_at), else_=recipients.c.asked_at)
    begun = new.on_conflict_do_update(
        index_elements=["workspace_id", "email"],
        set_={"asked_at": asked_at, "sent_at": None, "retry_at": new.excluded.retry_at},
        where=sa.and_(recipients.c.confirmed_at.is_(None), is_free, sa.or_(is_over, is_unsent)),
    )
    return await _one(session, begun.returning(*recipients.c))


async def note_sent(session: Session, asked: Recipient, now: datetime) -> None:
    """Record that the mail server accepted the confirmation email."""
    await session.execute(_of_ask(asked).values(sent_at=now, retry_at=None))


async def note_unsent(session: Session, asked: Recipient, retry_at: datetime | None) -> None:
    """Record when the next retry may start, unless another process has sent the email."""
    await session.execute(
        _of_ask(asked).where(recipients.c.sent_at.is_(None)).values(retry_at=retry_at)
    )


def _of_ask(asked: Recipient) -> sa.Update:
    return recipients.update().where(
        recipients.c.id == asked.id, recipients.c.asked_at == asked.asked_at
    )


async def asked_by(session: Session, workspace_id: UUID, since: datetime, at_most: int) -> int:
    """The number of recipients a workspace has asked since a moment, at most `at_most`."""
    asked = (
        sa.select(recipients.c.id)
        .where(recipients.c.workspace_id == workspace_id, recipients.c.asked_at > since)
        .limit(at_most)
    )
    return await session.scalar(sa.select(sa.func.count()).select_from(asked.subquery()))


async def confirm(session: Session, recipient_id: UUID, now: datetime | None) -> None:
    """Record that a recipient has confirmed a workspace's emails; None withdraws the confirmation."""
    await session.execute(
        recipients.update().where(recipients.c.id == recipient_id).values(confirmed_at=now)
    )
