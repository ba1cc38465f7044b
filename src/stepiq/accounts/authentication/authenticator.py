"""Checks credentials, at many thousand requests per second.

Results are cached for 5 seconds in each process. A revoked key or session is therefore refused immediately by the
process that revoked it, and within 5 seconds by others. The same holds for a member who is removed or gets another
role, and for the service keys of a workspace that is deleted, or whose last enabled member is disabled or deleted.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from stepiq.accounts.actor import SCOPES_OF_ROLE, Actor, Credential, Scope, with_included
from stepiq.accounts.credentials import api_keys as keys
from stepiq.accounts.credentials.tokens import AccessTokens
from stepiq.accounts.errors import (
    CredentialInvalid,
    CredentialMissing,
    NoWorkspace,
    WorkspaceNotFound,
)
from stepiq.accounts.queries import keys as key_queries
from stepiq.accounts.queries import sessions as session_queries
from stepiq.core import clock
from stepiq.core.recent import Recent
from stepiq.store.database import Database
from stepiq.store.states import KeyKind, Role

CACHE_LIFETIME = timedelta(seconds=5)
"""How long a checked credential is trusted without reading the store."""

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _CachedCredential:
    actor: Actor
    expires_at: datetime | None
    read_at: datetime


class _CheckedCredentials(Generic[Key]):
    """An LRU cache of checked credentials, whose entries expire after `CACHE_LIFETIME`."""

    def __init__(self) -> None:
        self._entries: Recent[Key, _CachedCredential] = Recent(10_000)
        self.changes = 0
        """Number of invalidations. Data read before the last one may be stale."""

    def get(self, key: Key, now: datetime) -> Actor | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        fresh = timedelta(0) <= now - entry.read_at < CACHE_LIFETIME
        if not fresh or (entry.expires_at is not None and entry.expires_at <= now):
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry.actor

    def put(self, key: Key, entry: _CachedCredential, changes: int) -> None:
        """Store an entry, unless an invalidation followed its read. `changes` is the count from before the read."""
        if changes == self.changes:
            self._entries[key] = entry

    def forget(self, concerned: UUID) -> None:
        """Drop the entries of one key, session, user or workspace."""
        self.changes += 1
        for key, entry in list(self._entries.items()):
            actor = entry.actor
            if concerned in (actor.key_id, actor.session_id, actor.user_id, actor.workspace_id):
                del self._entries[key]


class Authenticator:
    """Determines the actor of a request from its credentials."""

    def __init__(self, database: Database, tokens: AccessTokens) -> None:
        self._database = database
        self._tokens = tokens
        self._sessions: _CheckedCredentials[tuple[UUID, UUID | None]] = _CheckedCredentials()
        self._keys: _CheckedCredentials[bytes] = _CheckedCredentials()
        self._used_sessions = session_queries.last_uses(database)
        self._used_keys = key_queries.last_uses(database)

    async def authenticate(
        self, authorization: str | None, api_key: str | None, workspace_id: UUID | None = None
    ) -> Actor:
        """The actor for the headers `Authorization` and `X-API-Key`.

        One header is enough. If both are sent, both must be valid and belong to the same workspace, and the session is
        used.

        Without `workspace_id`, the workspace is that of the key, or the first of the session's user.

        Raises:
            CredentialMissing: neither was sent.
            CredentialInvalid: a credential is not valid, or the two belong to different workspaces.
            WorkspaceNotFound: the workspace is not that of the key, or the user is not a member of it.
            NoWorkspace: the user is not a member of any workspace.
        """
        machine = None if api_key is None else await self._by_key(api_key)
        if machine is not None and workspace_id not in (None, machine.workspace_id):
            raise WorkspaceNotFound(workspace_id)
        person = None
        if authorization is not None:
            named = workspace_id if machine is None else machine.workspace_id
            try:
                person = await self._by_token(authorization, named)
            except WorkspaceNotFound:
                if machine is None:
                    raise
                raise CredentialInvalid(
                    "The token and the API key belong to different workspaces."
                ) from None
        if person is None:
            if machine is None:
                raise CredentialMissing
            return machine
        return person

    def forget(self, concerned: UUID) -> None:
        """Drop the cached state of a key, session, user or workspace, given by id, because it has changed."""
        self._sessions.forget(concerned)
        self._keys.forget(concerned)

    async def settle(self) -> None:
        """Wait for pending updates of `last_used_at`."""
        await self._used_sessions.settle()
        await self._used_keys.settle()

    async def _by_token(self, authorization: str, workspace_id: UUID | None) -> Actor:
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise CredentialInvalid(
                "`Authorization` must be `Bearer TOKEN`, where TOKEN is the `token` that a login returns. "
                "Send API keys in the `X-API-Key` header instead."
            )
        if token.startswith(keys.PREFIX):
            raise CredentialInvalid(
                "`Authorization` contains an API key. Send it in the `X-API-Key` header instead."
            )
        claims = self._tokens.check(token)
        actor = await self.by_session(claims.session_id, workspace_id)
        if actor.user_id != claims.user_id:
            raise CredentialInvalid("The session has ended. Log in again.")
        return actor

    async def by_session(self, session_id: UUID, workspace_id: UUID | None = None) -> Actor:
        """The actor of a session whose id the caller has verified, in a workspace or in the user's first one.

        Raises:
            CredentialInvalid: the session has ended, or its account is disabled.
            WorkspaceNotFound: the user is not a member of the workspace.
            NoWorkspace: the user is not a member of any workspace.
        """
        now, wanted = clock.now(), (session_id, workspace_id)
        actor = self._sessions.get(wanted, now)
        if actor is None:
            changes = self._sessions.changes
            async with self._database.reading() as session:
                row = await session_queries.live(
                    session, session_id, now, workspace_id=workspace_id
                )
            if row is None:
                raise CredentialInvalid("The session has ended. Log in again.")
            if row.workspace_id is None:
                raise NoWorkspace if workspace_id is None else WorkspaceNotFound(workspace_id)
            actor = session_actor(row)
            self._sessions.put(wanted, _CachedCredential(actor, row.expires_at, now), changes)
        self._used_sessions.note([session_id])
        return actor

    async def _by_key(self, text: str) -> Actor:
        if (problem := keys.problem(text)) is not None:
            raise CredentialInvalid(problem)
        digest = keys.digest(text)
        now = clock.now()
        actor = self._keys.get(digest, now)
        if actor is None:
            changes = self._keys.changes
            async with self._database.reading() as session:
                row = await key_queries.live(session, digest, now)
            if row is None:
                raise CredentialInvalid("The API key is unknown, expired or revoked.")
            actor = _key_actor(row)
            self._keys.put(digest, _CachedCredential(actor, row.expires_at, now), changes)
        if actor.key_id is not None:
            self._used_keys.note([actor.key_id])
        return actor


def session_actor(row: Any) -> Actor:
    """The actor of a row of `queries.sessions.live` with a workspace."""
    role = Role(row.role)
    return Actor(
        workspace_id=row.workspace_id,
        user_id=row.user_id,
        credential=Credential.SESSION,
        key_id=None,
        session_id=row.id,
        role=role,
        scopes=SCOPES_OF_ROLE[role],
        is_admin=row.is_admin,
        plan=row.plan,
    )


def _key_actor(row: Any) -> Actor:
    # Ignores scopes that this version no longer has.
    known = {scope.value for scope in Scope}
    scopes = with_included(Scope(scope) for scope in row.scopes if scope in known)
    role = Role(row.role) if row.kind == KeyKind.PERSONAL else None
    return Actor(
        workspace_id=row.workspace_id,
        user_id=row.user_id,
        credential=Credential.API_KEY,
        key_id=row.id,
        session_id=None,
        role=role,
        scopes=scopes if role is None else scopes & SCOPES_OF_ROLE[role],
        is_admin=False,
        plan=row.plan,
    )
