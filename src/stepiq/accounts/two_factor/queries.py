"""Queries of the second factor."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.queries.sealed import SealedTable, columns_of
from stepiq.core.keys.encryption import Sealed, UserOwner
from stepiq.store.database import Session
from stepiq.store.tables import recovery_codes, totp_secrets, users

Row = sa.Row[Any]

_PURPOSE = "two-factor secret"


async def secret(session: Session, user_id: UUID) -> Row | None:
    """The encrypted secret of an account, confirmed or not."""
    statement = sa.select(totp_secrets).where(totp_secrets.c.user_id == user_id)
    return (await session.execute(statement)).one_or_none()


async def insert_secret(session: Session, owner: UserOwner, sealed: Sealed, now: datetime) -> bool:
    """Store a secret that is not confirmed, instead of an earlier one; False if the account has a confirmed one."""
    values = {"id": owner.value_id, "last_step": 0, "created_at": now, **columns_of(sealed)}
    new = session.insert(totp_secrets).values(user_id=owner.user_id, **values)
    statement = new.on_conflict_do_update(
        index_elements=["user_id"], set_=values, where=totp_secrets.c.confirmed_at.is_(None)
    ).returning(totp_secrets.c.id)
    return await session.scalar(statement) is not None


async def confirm(session: Session, secret_id: UUID, step: int, now: datetime) -> bool:
    """Turn a secret on with the code of a time step; False if it was replaced or is on."""
    statement = (
        sa.update(totp_secrets)
        .where(totp_secrets.c.id == secret_id, totp_secrets.c.confirmed_at.is_(None))
        .values(confirmed_at=now, last_step=step)
    )
    return (await session.execute(statement)).rowcount == 1


async def use_step(session: Session, secret_id: UUID, step: int) -> bool:
    """Record that a code was used; False if it or a later one was used before. One of two concurrent calls succeeds."""
    statement = (
        sa.update(totp_secrets)
        .where(totp_secrets.c.id == secret_id, totp_secrets.c.last_step < step)
        .values(last_step=step)
    )
    return (await session.execute(statement)).rowcount == 1


async def replace_codes(
    session: Session, user_id: UUID, digests: Sequence[bytes], now: datetime
) -> None:
    """Store recovery codes instead of the earlier ones."""
    await session.execute(sa.delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    rows = [{"user_id": user_id, "digest": each, "created_at": now} for each in digests]
    await session.execute(sa.insert(recovery_codes), rows)


async def use_code(session: Session, user_id: UUID, digest: bytes, now: datetime) -> bool:
    """Record that a recovery code was used; False if there is none. One of two concurrent calls succeeds."""
    statement = (
        sa.update(recovery_codes)
        .where(
            recovery_codes.c.user_id == user_id,
            recovery_codes.c.digest == digest,
            recovery_codes.c.used_at.is_(None),
        )
        .values(used_at=now)
    )
    return (await session.execute(statement)).rowcount == 1


async def codes_left(session: Session, user_id: UUID) -> int:
    """The number of unused recovery codes."""
    statement = sa.select(sa.func.count()).where(
        recovery_codes.c.user_id == user_id, recovery_codes.c.used_at.is_(None)
    )
    return int(await session.scalar(statement))


async def delete(session: Session, user_id: UUID) -> bool:
    """Delete the secret and the recovery codes of an account; returns whether the secret was confirmed."""
    await session.execute(sa.delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    statement = (
        sa.delete(totp_secrets)
        .where(totp_secrets.c.user_id == user_id)
        .returning(totp_secrets.c.confirmed_at)
    )
    return await session.scalar(statement) is not None


async def user(session: Session, user_id: UUID) -> Row | None:
    """The address of an account, disabled or not, and whether it is verified."""
    is_verified = users.c.email_verified_at.is_not(None).label("is_verified")
    statement = sa.select(users.c.id, users.c.email, is_verified).where(users.c.id == user_id)
    return (await session.execute(statement)).one_or_none()


def new_owner(user_id: UUID, secret_id: UUID) -> UserOwner:
    """The owner of a new secret."""
    return UserOwner(user_id, secret_id, _PURPOSE)


def owner_of(row: Row) -> UserOwner:
    """The owner that a row's secret is bound to."""
    return new_owner(row.user_id, row.id)


SEALED = SealedTable(totp_secrets, owner_of)
"""What the rotation of the master key needs."""
