"""Accounts, workspaces, sessions and API keys."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from stepiq.accounts import service
from stepiq.accounts.actor import ALL_SCOPES, Actor, Credential, Scope
from stepiq.accounts.keys import service as api_keys
from stepiq.accounts.queries import invitations, members, resets
from stepiq.accounts.service import Account
from stepiq.core import clock, ids
from stepiq.execution.limits.plans import Plans
from stepiq.store.database import Database, Session
from stepiq.store.states import Role
from stepiq.store.tables import users, workspaces
from stepiq.store.types import fold

_UNLIMITED = Plans.load({}).get("unlimited")

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class MadeKey:
    """An API key and its text."""

    id: UUID
    text: str


@cache
def _password_hash() -> str:
    # Weak parameters, because tests create many accounts. Verification reads the parameters from the hash.
    return PasswordHash([Argon2Hasher(memory_cost=8, time_cost=1, parallelism=1)]).hash(PASSWORD)


def actor(
    account: Account,
    *,
    credential: Credential = Credential.SESSION,
    scopes: frozenset[Scope] = ALL_SCOPES,
    key_id: UUID | None = None,
    session_id: UUID | None = None,
) -> Actor:
    """An account as the caller of a service."""
    return Actor(
        workspace_id=account.workspace_id,
        user_id=account.id,
        credential=credential,
        key_id=key_id,
        session_id=session_id,
        role=account.role,
        scopes=scopes,
        is_admin=account.is_admin,
        plan=account.plan,
    )


async def revoke_key(session: Session, account: Account, key_id: UUID) -> None:
    """Revoke a personal key of an account."""
    caller = actor(account)
    await api_keys.revoke(session, api_keys.personal(caller), key_id)


class MakeAccounts:
    database: Database

    async def user(
        self,
        *,
        email: str | None = None,
        name: str | None = None,
        plan: str = "enterprise",
        is_admin: bool = False,
        is_disabled: bool = False,
        is_verified: bool = True,
    ) -> Account:
        """Insert an account with a workspace. Its password is `PASSWORD`."""
        async with self.database.transaction() as session:
            account = await service.create_account(
                session,
                email=email or f"{uuid4().hex}@example.com",
                name=name,
                password_hash=_password_hash(),
                is_admin=is_admin,
                plan=plan,
                is_verified=is_verified,
            )
        if is_disabled:
            await self.disable(account)
        return account

    async def disable(self, account: Account) -> None:
        """Disable an account."""
        async with self.database.transaction() as session:
            await session.execute(
                sa.update(users).where(users.c.id == account.id).values(disabled_at=clock.now())
            )

    async def workspace(self, *, name: str = "Workspace", plan: str = "enterprise") -> UUID:
        """Insert a workspace without members."""
        workspace_id = ids.uuid7()
        async with self.database.transaction() as session:
            await session.execute(
                sa.insert(workspaces).values(
                    id=workspace_id,
                    name=name,
                    name_folded=fold(name),
                    plan=plan,
                    created_at=clock.now(),
                )
            )
        return workspace_id

    async def member(self, of: Account, role: Role = Role.EDITOR, **user: Any) -> Account:
        """Insert an account whose only workspace is that of another account."""
        async with self.database.transaction() as session:
            invited, token = await invitations.insert(
                session,
                user.get("email") or f"{uuid4().hex}@example.com",
                workspace_id=of.workspace_id,
                role=role,
                invited_by=of.id,
            )
            return await service.create_account(
                session,
                email=invited.email,
                name=user.get("name"),
                password_hash=_password_hash(),
                is_admin=user.get("is_admin", False),
                plan=of.plan,
                is_verified=user.get("is_verified", True),
                invitation=await service.spend_invitation(session, token, invited.email),
            )

    async def invitation(self, account: Account, email: str = "invited@example.com") -> UUID:
        """Insert an invitation to the workspace of an account."""
        async with self.database.transaction() as session:
            row, _ = await invitations.insert(
                session,
                email,
                workspace_id=account.workspace_id,
                role=Role.VIEWER,
                invited_by=account.id,
            )
        return row.id

    async def join(self, account: Account, of: Account | UUID, role: Role = Role.EDITOR) -> UUID:
        """Make an account a member of a workspace, or of that of another account; returns the workspace's id."""
        workspace_id = of if isinstance(of, UUID) else of.workspace_id
        async with self.database.transaction() as session:
            await members.add(
                session, members.NewMember(workspace_id, account.id, role, clock.now())
            )
        return workspace_id

    async def service_key(
        self, account: Account, *, scopes: Sequence[Scope] | None = None
    ) -> MadeKey:
        """Create a service key of an account's workspace."""
        async with self.database.transaction() as session:
            made = await api_keys.create(
                session,
                actor(account),
                api_keys.of_workspace(actor(account)),
                name="Service",
                scopes=scopes,
                expires_at=None,
                plan=_UNLIMITED,
            )
        return MadeKey(made.row.id, made.text)

    async def reset(self, account: Account) -> str:
        """Insert a reset of the password, as the email contains it; returns its token."""
        token = secrets.token_urlsafe()
        async with self.database.transaction() as session:
            await resets.insert(session, account.id, token, timedelta(hours=1))
        return token

    async def session(self, account: Account) -> service.SignedIn:
        """Open a session of an account."""
        async with self.database.transaction() as session:
            return await service.open_session(session, account.id)

    async def api_key(
        self,
        account: Account,
        *,
        name: str = "Key",
        scopes: Sequence[Scope] | None = None,
        expires_at: datetime | None = None,
    ) -> MadeKey:
        """Create an API key of an account."""
        async with self.database.transaction() as session:
            made = await api_keys.create(
                session,
                actor(account),
                api_keys.personal(actor(account)),
                name=name,
                scopes=scopes,
                expires_at=expires_at,
                plan=_UNLIMITED,
            )
        return MadeKey(made.row.id, made.text)
