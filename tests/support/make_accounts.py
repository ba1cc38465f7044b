"""Accounts, workspaces, sessions and API keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID, uuid4

import sqlalchemy as sa
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from stepiq.accounts import service
from stepiq.accounts.actor import ALL_SCOPES, Actor, Credential, Scope
from stepiq.accounts.service import Account
from stepiq.billing.plans import Plans
from stepiq.core import clock, ids
from stepiq.store.database import Database
from stepiq.store.tables import users, workspaces

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
        scopes=scopes,
        is_admin=account.is_admin,
        plan=account.plan,
    )


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
                    id=workspace_id, name=name, plan=plan, created_at=clock.now()
                )
            )
        return workspace_id

    async def session(self, account: Account) -> service.SignedIn:
        """Open a session of an account."""
        async with self.database.transaction() as session:
            return await service.open_session(session, account)

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
            made = await service.create_key(
                session,
                actor(account),
                name=name,
                scopes=scopes,
                expires_at=expires_at,
                plan=_UNLIMITED,
            )
        return MadeKey(made.row.id, made.text)
