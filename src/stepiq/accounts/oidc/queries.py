"""Queries of identities, of the roles that they give, and of sign-ins that have returned."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.oidc.errors import SignInFailure
from stepiq.core import ids
from stepiq.core.settings.oidc import OidcSettings
from stepiq.store.database import Session
from stepiq.store.states import Role
from stepiq.store.tables import identities, identity_roles, spent_sign_ins, users, workspaces

Row = sa.Row[Any]


async def spend(session: Session, digest: bytes, expires_at: datetime) -> bool:
    """Record that a sign-in has returned; False if it has returned before. Only one of two concurrent calls succeeds."""
    new = session.insert(spent_sign_ins).values(digest=digest, expires_at=expires_at)
    once = new.on_conflict_do_nothing().returning(spent_sign_ins.c.digest)
    return (await session.execute(once)).first() is not None


async def find(session: Session, issuer: str, subject: str) -> Row | None:
    """The identity of a person at an issuer, with the state of its account."""
    statement = (
        sa.select(identities, users.c.disabled_at, users.c.email.label("account_email"))
        .join(users, users.c.id == identities.c.user_id)
        .where(identities.c.issuer == issuer, identities.c.subject == subject)
    )
    return (await session.execute(statement)).first()


async def insert(
    session: Session,
    *,
    user_id: UUID,
    provider: str,
    issuer: str,
    subject: str,
    email: str | None,
    now: datetime,
) -> UUID | None:
    """Store an identity, and return its id. None if the person at this issuer has one."""
    new = session.insert(identities).values(
        id=ids.uuid7(),
        user_id=user_id,
        provider=provider,
        issuer=issuer,
        subject=subject,
        email=email,
        created_at=now,
        last_used_at=now,
    )
    unless_known = new.on_conflict_do_nothing(index_elements=["issuer", "subject"])
    return (await session.execute(unless_known.returning(identities.c.id))).scalar()


async def touch(
    session: Session, identity_id: UUID, *, provider: str, email: str | None, now: datetime
) -> None:
    """Record a sign-in with an identity."""
    await session.execute(
        sa.update(identities)
        .where(identities.c.id == identity_id)
        .values(provider=provider, email=email, last_used_at=now)
    )


async def restore(session: Session, identity_id: UUID) -> None:
    """Accept sign-ins with a suspended identity again."""
    await session.execute(
        sa.update(identities).where(identities.c.id == identity_id).values(suspended_at=None)
    )


async def of_user(session: Session, user_id: UUID) -> Sequence[Row]:
    """The identities of an account, oldest first."""
    statement = (
        sa.select(identities).where(identities.c.user_id == user_id).order_by(identities.c.id)
    )
    return (await session.execute(statement)).all()


async def lock_user(session: Session, user_id: UUID) -> Row | None:
    """Lock an account until the transaction ends, and return its password hash and address."""
    statement = (
        sa.select(users.c.password_hash, users.c.email)
        .where(users.c.id == user_id)
        .with_for_update()
    )
    return (await session.execute(statement)).first()


async def delete(session: Session, identity_id: UUID) -> None:
    """Delete an identity, and the record of the roles that it gives."""
    await session.execute(sa.delete(identities).where(identities.c.id == identity_id))


async def roles_of(session: Session, identity_id: UUID) -> dict[UUID, Role]:
    """The roles that an identity gives, by workspace."""
    statement = sa.select(identity_roles.c.workspace_id, identity_roles.c.role).where(
        identity_roles.c.identity_id == identity_id
    )
    return {row.workspace_id: Role(row.role) for row in await session.execute(statement)}


async def roles_of_others(session: Session, identity_id: UUID, user_id: UUID) -> dict[UUID, Role]:
    """The roles that the other identities of an account give, by workspace."""
    statement = (
        sa.select(identity_roles.c.workspace_id, identity_roles.c.role)
        .join(identities, identities.c.id == identity_roles.c.identity_id)
        .where(identities.c.user_id == user_id, identities.c.id != identity_id)
    )
    return {row.workspace_id: Role(row.role) for row in await session.execute(statement)}


async def record_role(session: Session, identity_id: UUID, workspace_id: UUID, role: Role) -> None:
    """Record that an identity gives a role."""
    added = session.insert(identity_roles).values(
        identity_id=identity_id, workspace_id=workspace_id, role=role
    )
    await session.execute(
        added.on_conflict_do_update(
            index_elements=["identity_id", "workspace_id"], set_={"role": added.excluded.role}
        )
    )


async def forget_role(session: Session, identity_id: UUID, workspace_id: UUID) -> None:
    """Record that an identity no longer gives a role in a workspace."""
    await session.execute(
        sa.delete(identity_roles).where(
            identity_roles.c.identity_id == identity_id,
            identity_roles.c.workspace_id == workspace_id,
        )
    )


async def existing_workspaces(session: Session, wanted: Collection[UUID]) -> set[UUID]:
    """Those of the given workspaces that exist and are not being erased."""
    if not wanted:
        return set()
    statement = sa.select(workspaces.c.id).where(
        workspaces.c.id.in_(wanted), workspaces.c.deleted_at.is_(None)
    )
    return set((await session.execute(statement)).scalars())


async def account_with(session: Session, email: str) -> Row | None:
    """The account with an address, disabled or not, with or without a workspace."""
    statement = sa.select(users.c.id, users.c.password_hash, users.c.disabled_at).where(
        users.c.email == email
    )
    return (await session.execute(statement)).first()


async def is_admin(session: Session, user_id: UUID) -> bool:
    """Whether an account is an administrator of the server."""
    return bool(await session.scalar(sa.select(users.c.is_admin).where(users.c.id == user_id)))


async def gives_admin(session: Session, identity_id: UUID) -> bool:
    """Whether an account is an administrator because of an identity."""
    return bool(
        await session.scalar(
            sa.select(identities.c.gives_admin).where(identities.c.id == identity_id)
        )
    )


async def set_admin(session: Session, identity_id: UUID, user_id: UUID, *, is_admin: bool) -> None:
    """Make an account an administrator because of an identity, or undo this."""
    await session.execute(sa.update(users).where(users.c.id == user_id).values(is_admin=is_admin))
    await session.execute(
        sa.update(identities).where(identities.c.id == identity_id).values(gives_admin=is_admin)
    )


@dataclass(frozen=True, slots=True)
class Connected:
    """An identity that is connected to an account."""

    id: UUID
    user_id: UUID
    email: str
    """The address of the account."""
    provider: str
    """Name of the provider in the settings."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A provider, and what the operator has decided about it."""

    provider: str
    settings: OidcSettings


@dataclass(frozen=True, slots=True)
class Refused:
    """The person cannot sign in. The transaction must be committed, because it removes what they no longer have."""

    failure: SignInFailure
    reason: str
