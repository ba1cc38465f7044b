"""Users and their workspaces."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.queries import members
from stepiq.core import clock, ids
from stepiq.store.database import Session
from stepiq.store.statements.workspaces import PLAN, membership_of
from stepiq.store.states import FINAL_RUN_STATUSES, RunStatus, TriggerType
from stepiq.store.tables import memberships, runs, users, workspaces
from stepiq.store.types import fold

Row = sa.Row[Any]

_SETUP_LOCK = 0x73746570  # an arbitrary key that no other lock uses

_ACCOUNT = (
    users.c.id,
    users.c.email,
    users.c.email_verified_at,
    users.c.name,
    users.c.password_hash,
    users.c.is_admin,
    users.c.created_at,
    workspaces.c.id.label("workspace_id"),
    workspaces.c.name.label("workspace_name"),
    memberships.c.role,
    PLAN,
    workspaces.c.credit_month,
    workspaces.c.credit_tokens,
)


async def is_empty(session: Session) -> bool:
    """Whether the server has no account."""
    return await session.scalar(sa.select(users.c.id).limit(1)) is None


async def administrator(session: Session) -> str | None:
    """The address of the oldest administrator whose account is not disabled."""
    is_active = users.c.is_admin & users.c.disabled_at.is_(None)
    return await session.scalar(
        sa.select(users.c.email).where(is_active).order_by(users.c.id).limit(1)
    )


async def is_taken(session: Session, email: str) -> bool:
    """Whether an account has this address, disabled or not."""
    return await session.scalar(sa.select(users.c.id).where(users.c.email == email)) is not None


async def lock_setup(session: Session) -> None:
    """Serialize transactions that create the first account. SQLite has only one writer at a time anyway."""
    if session.dialect == "postgresql":
        await session.execute(sa.select(sa.func.pg_advisory_xact_lock(_SETUP_LOCK)))


async def account_by_email(session: Session, email: str) -> Row | None:
    """An enabled account with its first workspace, whose columns are None if it has none."""
    return await _enabled(session, users.c.email == email)


async def account_by_id(
    session: Session, user_id: UUID, *, workspace_id: UUID | None = None
) -> Row | None:
    """An enabled account with a workspace, or with its first one, whose columns are None if it is not a member."""
    return await _enabled(session, users.c.id == user_id, workspace_id)


async def any_by_email(session: Session, email: str) -> Row | None:
    """An account with its first workspace, disabled or not."""
    return (await session.execute(_every().where(users.c.email == email))).first()


def _every(workspace_id: UUID | None = None) -> Any:
    wanted = members.first_workspace(users.c.id) if workspace_id is None else workspace_id
    is_member = membership_of(users.c.id) & (memberships.c.workspace_id == wanted)
    return (
        sa.select(*_ACCOUNT, users.c.disabled_at)
        .outerjoin(memberships, is_member)
        .outerjoin(workspaces, workspaces.c.id == memberships.c.workspace_id)
    )


async def set_disabled(session: Session, user_id: UUID, at: datetime | None) -> None:
    """Disable an account, or enable it if `at` is None."""
    await session.execute(sa.update(users).where(users.c.id == user_id).values(disabled_at=at))


async def unfinished_runs(session: Session, workspace_id: UUID) -> Sequence[UUID]:
    """Ids of the runs of a workspace that have not ended."""
    # With these lists, the index of the workspace's runs finds them without scanning the history.
    statement = sa.select(runs.c.id).where(
        runs.c.workspace_id == workspace_id,
        runs.c.trigger_type.in_(TriggerType),
        runs.c.status.in_(set(RunStatus) - FINAL_RUN_STATUSES),
    )
    return (await session.execute(statement)).scalars().all()


async def _enabled(
    session: Session, condition: sa.ColumnElement[bool], workspace_id: UUID | None = None
) -> Row | None:
    statement = _every(workspace_id).where(condition, users.c.disabled_at.is_(None))
    return (await session.execute(statement)).first()


def default_name(email: str) -> str:
    """The name of a person who gives none: the part of the address before the @."""
    return email.partition("@")[0]


async def insert_account(
    session: Session,
    *,
    email: str,
    name: str | None,
    password_hash: str,
    is_admin: bool,
    is_verified: bool,
) -> UUID | None:
    """Store a new account; returns its id, or None if the address is taken.

    `is_verified`: whether the address is known to be the person's.
    """
    now = clock.now()
    name = name or default_name(email)
    values = {
        "id": ids.uuid7(),
        "email": email,
        "name": name,
        "name_folded": fold(name),
        "password_hash": password_hash,
        "is_admin": is_admin,
        "created_at": now,
        "email_verified_at": now if is_verified else None,
    }
    new = session.insert(users).values(values).on_conflict_do_nothing(index_elements=["email"])
    return (await session.execute(new.returning(users.c.id))).scalar()


async def insert_workspace(
    session: Session, workspace_id: UUID, *, name: str, plan: str, created_at: datetime
) -> None:
    """Store a workspace, which has no member yet."""
    await session.execute(
        sa.insert(workspaces).values(
            id=workspace_id, name=name, name_folded=fold(name), plan=plan, created_at=created_at
        )
    )


async def lock_user(session: Session, user_id: UUID, *, to_change: bool) -> Row | None:
    """Lock an enabled account until the transaction ends; returns its password hash and address.

    Opening a session and ending all sessions lock out each other here, so that no session opened with an old password
    survives a password change.
    """
    statement = (
        sa.select(users.c.password_hash, users.c.email)
        .where(users.c.id == user_id, users.c.disabled_at.is_(None))
        .with_for_update(read=not to_change, key_share=to_change)
    )
    return (await session.execute(statement)).first()


async def lock_administrators(session: Session) -> set[UUID]:
    """Lock the enabled administrators, so that two transactions cannot remove the last two."""
    statement = (
        sa.select(users.c.id)
        .where(users.c.is_admin, users.c.disabled_at.is_(None))
        .order_by(users.c.id)
        .with_for_update(key_share=True)
    )
    return set((await session.execute(statement)).scalars())


async def is_verified(session: Session, user_id: UUID) -> bool:
    """Whether the address of an account is verified."""
    statement = sa.select(users.c.id).where(
        users.c.id == user_id, users.c.email_verified_at.is_not(None)
    )
    return await session.scalar(statement) is not None


async def verify(session: Session, user_id: UUID, now: datetime) -> None:
    """Mark the address of an account as verified. An earlier verification keeps its time."""
    await session.execute(
        sa.update(users)
        .where(users.c.id == user_id, users.c.email_verified_at.is_(None))
        .values(email_verified_at=now)
    )


async def update_password(session: Session, user_id: UUID, password_hash: str) -> None:
    """Replace the password hash."""
    await session.execute(
        sa.update(users).where(users.c.id == user_id).values(password_hash=password_hash)
    )
