"""What recipients read and write. Addresses are lower case."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.engine.usage import day_of
from stepiq.store import sweeping
from stepiq.store.database import Session
from stepiq.store.tables import asked_addresses, memberships, recipients, users


@dataclass(frozen=True, slots=True)
class Recipient:
    """An address that a workspace wants to write to."""

    id: UUID
    email: str
    asked_at: datetime
    confirmed_at: datetime | None


async def is_welcome(session: Session, workspace_id: UUID, email: str) -> bool:
    """Whether an address has confirmed, or is the verified one of a member."""
    has_confirmed = sa.exists().where(
        recipients.c.workspace_id == workspace_id,
        recipients.c.email == email,
        recipients.c.confirmed_at.is_not(None),
    )
    is_member = sa.exists().where(
        users.c.email == email,
        users.c.email_verified_at.is_not(None),
        users.c.disabled_at.is_(None),
        memberships.c.user_id == users.c.id,
        memberships.c.workspace_id == workspace_id,
    )
    return bool(await session.scalar(sa.select(sa.or_(has_confirmed, is_member))))


async def find(session: Session, workspace_id: UUID, email: str) -> Recipient | None:
    """A recipient of a workspace."""
    return await _one(
        session,
        sa.select(recipients).where(
            recipients.c.workspace_id == workspace_id, recipients.c.email == email
        ),
    )


async def lock(session: Session, recipient_id: UUID) -> Recipient | None:
    """A recipient, whom nobody else can change until this transaction ends."""
    wanted = sa.select(recipients).where(recipients.c.id == recipient_id)
    return await _one(session, wanted.with_for_update(key_share=True))


async def _one(session: Session, statement: sa.Select[Any]) -> Recipient | None:
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    return Recipient(row.id, row.email, row.asked_at, row.confirmed_at)


async def note_asked(
    session: Session,
    new_id: UUID,
    workspace_id: UUID,
    email: str,
    *,
    now: datetime,
    unless_since: datetime,
) -> UUID | None:
    """Note that a recipient is asked now, and return their id; None if they were asked since a moment."""
    asked = (
        session.insert(recipients)
        .values(id=new_id, workspace_id=workspace_id, email=email, asked_at=now)
        .on_conflict_do_update(
            index_elements=["workspace_id", "email"],
            set_={"asked_at": now},
            where=recipients.c.asked_at <= unless_since,
        )
        .returning(recipients.c.id)
    )
    return (await session.execute(asked)).scalar_one_or_none()


async def forget(session: Session, recipient_id: UUID) -> None:
    """Delete a recipient who was not asked after all."""
    await session.execute(
        recipients.delete().where(
            recipients.c.id == recipient_id, recipients.c.confirmed_at.is_(None)
        )
    )


async def asked_by(session: Session, workspace_id: UUID, since: datetime, at_most: int) -> int:
    """How many recipients a workspace has asked since a moment, counted up to a limit."""
    asked = (
        sa.select(recipients.c.id)
        .where(recipients.c.workspace_id == workspace_id, recipients.c.asked_at > since)
        .limit(at_most)
    )
    return await session.scalar(sa.select(sa.func.count()).select_from(asked.subquery()))


async def count_ask(session: Session, email: str, now: datetime, limit: int) -> bool:
    """Count that an address is asked today; False, and nothing is counted, if it was asked as often as allowed."""
    new = session.insert(asked_addresses).values(email=email, day=day_of(now), asked=1)
    is_today = asked_addresses.c.day == new.excluded.day
    asked = sa.case((is_today, asked_addresses.c.asked), else_=0) + 1
    counted = new.on_conflict_do_update(
        index_elements=["email"],
        set_={"day": new.excluded.day, "asked": asked},
        where=sa.and_(asked <= limit, asked_addresses.c.refused_at.is_(None)),
    ).returning(asked_addresses.c.asked)
    return (await session.execute(counted)).one_or_none() is not None


async def has_refused(session: Session, email: str) -> bool:
    """Whether an address does not want to be asked."""
    statement = sa.select(asked_addresses.c.refused_at).where(asked_addresses.c.email == email)
    return await session.scalar(statement) is not None


async def confirm(session: Session, recipient_id: UUID, now: datetime) -> None:
    """Note that a recipient wants the emails of a workspace."""
    await session.execute(
        recipients.update().where(recipients.c.id == recipient_id).values(confirmed_at=now)
    )


async def forget_refusal(session: Session, email: str) -> None:
    """Let other workspaces ask an address again."""
    await session.execute(
        asked_addresses.update().where(asked_addresses.c.email == email).values(refused_at=None)
    )


async def refuse(session: Session, recipient_id: UUID, email: str, now: datetime) -> None:
    """Note that an address wants neither the emails of a workspace nor to be asked by others."""
    await session.execute(
        recipients.update().where(recipients.c.id == recipient_id).values(confirmed_at=None)
    )
    refused = session.insert(asked_addresses).values(
        email=email, day=day_of(now), asked=0, refused_at=now
    )
    await session.execute(
        refused.on_conflict_do_update(index_elements=["email"], set_={"refused_at": now})
    )


async def forget_unconfirmed(session: Session, before: datetime, limit: int) -> int:
    """Delete recipients who were asked before a moment and have not confirmed, up to a limit; returns how many."""
    return await sweeping.delete_oldest(
        session, recipients.c.asked_at, before, limit, recipients.c.confirmed_at.is_(None)
    )


async def forget_asks(session: Session, before: str, limit: int) -> int:
    """Delete counts of days before one, except of addresses that want no email, up to a limit; returns how many."""
    return await sweeping.delete_oldest(
        session, asked_addresses.c.day, before, limit, asked_addresses.c.refused_at.is_(None)
    )
