"""Checking credentials, many thousand times a second.

What a credential gave is kept for 5 seconds in the process, so a revoked key or session is refused at the latest 5
seconds after, and at once by the process that revoked it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from stepiq.accounts import keys
from stepiq.accounts.actor import ALL_SCOPES, Actor, Credential, Scope
from stepiq.accounts.errors import CredentialInvalid, CredentialMissing
from stepiq.accounts.queries import keys as key_queries
from stepiq.accounts.queries import sessions as session_queries
from stepiq.accounts.tokens import AccessTokens
from stepiq.core import clock, logging, tasks
from stepiq.core.errors import StepIQError
from stepiq.store.database import Database

CACHE_LIFETIME = timedelta(seconds=5)
"""How long what a credential gave is believed without asking the store."""
TOUCH_INTERVAL = timedelta(minutes=1)
"""How exactly `last_used_at` is kept."""

_CACHED = 10_000

log = logging.get(__name__)

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Entry:
    actor: Actor
    expires_at: datetime | None
    read_at: datetime


class _Recent(Generic[Key]):
    """The last few thousand answers, each for a few seconds."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self.changes = 0
        """How often something was forgotten: what was read before the last time may be out of date."""

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

    def put(self, key: Key, entry: _Entry, changes: int) -> None:
        """Keep an answer, unless something was forgotten since it was asked for, when there were so many changes."""
        if changes != self.changes:
            return
        self._entries[key] = entry
        self._entries.move_to_end(key)
        if len(self._entries) > _CACHED:
            self._entries.popitem(last=False)

    def forget(self, concerned: UUID) -> None:
        """Drop what was read of one key, session or user."""
        self.changes += 1
        for key, entry in list(self._entries.items()):
            actor = entry.actor
            if concerned in (actor.key_id, actor.session_id, actor.user_id):
                del self._entries[key]


class Authenticator:
    """Tells who a request's credentials belong to."""

    def __init__(self, database: Database, tokens: AccessTokens) -> None:
        self._database = database
        self._tokens = tokens
        self._sessions: _Recent[UUID] = _Recent()
        self._keys: _Recent[bytes] = _Recent()
        self._touched: OrderedDict[UUID, datetime] = OrderedDict()
        self._touching: set[asyncio.Task[None]] = set()

    async def authenticate(self, authorization: str | None, api_key: str | None) -> Actor:
        """The actor behind the headers `Authorization` and `X-API-Key`.

        Either will do. When both are sent, both must count and belong to the same workspace, and the session acts.

        Raises:
            CredentialMissing: neither was sent.
            CredentialInvalid: one that was sent does not count.
        """
        person = None if authorization is None else await self._by_session(authorization)
        machine = None if api_key is None else await self._by_key(api_key)
        if person is None:
            if machine is None:
                raise CredentialMissing
            return machine
        if machine is not None and machine.workspace_id != person.workspace_id:
            raise CredentialInvalid("The token and the API key belong to different accounts.")
        return person

    def forget(self, concerned: UUID) -> None:
        """Ask the store again about a key, session or user, given by id: it has changed."""
        self._sessions.forget(concerned)
        self._keys.forget(concerned)

    async def settle(self) -> None:
        """Finish noting which keys were used."""
        await tasks.finish(self._touching)

    async def _by_session(self, authorization: str) -> Actor:
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
        now = clock.now()
        actor = self._sessions.get(claims.session_id, now)
        if actor is None:
            changes = self._sessions.changes
            async with self._database.reading() as session:
                row = await session_queries.live(session, claims.session_id, now)
            if row is None:
                raise CredentialInvalid("The session has ended. Log in again.")
            actor = _session_actor(row)
            self._sessions.put(claims.session_id, _Entry(actor, row.expires_at, now), changes)
        if actor.user_id != claims.user_id:
            raise CredentialInvalid("The session has ended. Log in again.")
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
            self._keys.put(digest, _Entry(actor, row.expires_at, now), changes)
        if actor.key_id is not None:
            self._note_use(actor.key_id, now)
        return actor

    def _note_use(self, key_id: UUID, now: datetime) -> None:
        noted = self._touched.get(key_id)
        if noted is not None and now - noted < TOUCH_INTERVAL:
            return
        self._touched[key_id] = now
        self._touched.move_to_end(key_id)
        if len(self._touched) > _CACHED:
            self._touched.popitem(last=False)
        task = asyncio.create_task(self._touch(key_id, now))
        self._touching.add(task)
        task.add_done_callback(self._touching.discard)

    async def _touch(self, key_id: UUID, now: datetime) -> None:
        try:
            async with self._database.transaction() as session:
                await key_queries.touch(session, key_id, now=now, unless_since=now - TOUCH_INTERVAL)
        except StepIQError as error:
            # The date is a convenience: a store that is away for a moment must not fail the request.
            log.warning("key_use_not_recorded", code=error.code)


def _session_actor(row: Any) -> Actor:
    return Actor(
        workspace_id=row.workspace_id,
        user_id=row.user_id,
        credential=Credential.SESSION,
        key_id=None,
        session_id=row.id,
        scopes=ALL_SCOPES,
        is_admin=row.is_admin,
        plan=row.plan,
    )


def _key_actor(row: Any) -> Actor:
    # A scope that this version does not know any more gives nothing.
    known = {scope.value for scope in Scope}
    return Actor(
        workspace_id=row.workspace_id,
        user_id=row.user_id,
        credential=Credential.API_KEY,
        key_id=row.id,
        session_id=None,
        scopes=frozenset(Scope(scope) for scope in row.scopes if scope in known),
        is_admin=False,
        plan=row.plan,
    )
