"""Operations on API keys: the keys of members, and the service keys of a workspace."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from stepiq.accounts.actor import ALL_SCOPES, Actor, Scope
from stepiq.accounts.authentication import current_rights
from stepiq.accounts.credentials import api_keys as keys
from stepiq.accounts.errors import KeyExpiryPast, KeyNotFound
from stepiq.accounts.queries import keys as key_queries
from stepiq.accounts.queries.keys import Belonging, Row
from stepiq.accounts.service import require_person
from stepiq.core import clock, ids
from stepiq.execution.limits import quotas
from stepiq.execution.limits.plans import Plan
from stepiq.execution.limits.quotas import Quota
from stepiq.store.database import Session


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new API key. `text` is not stored."""

    row: Any
    text: str


def personal(actor: Actor) -> Belonging:
    """The actor's own keys in the workspace."""
    return Belonging(actor.workspace_id, actor.user_id)


def of_workspace(actor: Actor) -> Belonging:
    """The service keys of the workspace."""
    return Belonging(actor.workspace_id, None)


async def create(
    session: Session,
    actor: Actor,
    belongs: Belonging,
    *,
    name: str,
    scopes: Sequence[Scope] | None,
    expires_at: datetime | None,
    plan: Plan,
) -> CreatedKey:
    """Create an API key.

    `scopes`: None for all. `expires_at`: None for never.

    Raises:
        PlanKeysExceeded: the workspace has as many keys as its plan allows.
        SessionRequired: the actor is an API key.
        KeyExpiryPast: the expiry is in the past.
        CredentialInvalid: the session has ended since it was checked.
    """
    require_person(actor)
    await current_rights.require_session(session, actor)
    now = clock.now()
    if expires_at is not None and expires_at <= now:
        raise KeyExpiryPast
    await quotas.require_room(session, actor.workspace_id, plan, Quota.API_KEYS)
    new = keys.generate()
    row = await key_queries.insert(
        session,
        id=ids.uuid7(),
        workspace_id=actor.workspace_id,
        kind=belongs.kind,
        user_id=actor.user_id,
        name=name,
        prefix=new.prefix,
        key_hash=new.digest,
        scopes=sorted(ALL_SCOPES if scopes is None else scopes),
        expires_at=expires_at,
        created_at=now,
    )
    return CreatedKey(row, new.text)


async def revoke(session: Session, belongs: Belonging, key_id: UUID | None) -> Any:
    """Revoke a key, and return its row. Requests in progress with it are completed.

    Raises:
        KeyNotFound: the key does not exist, or it has been revoked.
    """
    row = None if key_id is None else await key_queries.lock(session, belongs, key_id)
    if row is None:
        raise KeyNotFound(key_id)
    await key_queries.revoke(session, row.id, clock.now())
    return row


async def current(session: Session, actor: Actor) -> Any:
    """The row of the actor's personal key.

    Raises:
        KeyNotFound: the actor uses a session, or the key was revoked since it was checked.
    """
    row = None
    if actor.key_id is not None:
        row = await key_queries.find(session, personal(actor), actor.key_id)
    if row is None:
        raise KeyNotFound(actor.key_id)
    return row


async def roll(
    session: Session,
    actor: Actor,
    belongs: Belonging,
    key_id: UUID,
    *,
    overlap_seconds: int,
    expires_at: datetime | None,
    plan: Plan,
) -> CreatedKey:
    """Create a key with the name and scopes of another, which expires after the overlap. 0: it is revoked at once.

    Raises:
        KeyNotFound: the key does not exist, or it has been revoked.
        PlanKeysExceeded: the plan does not allow both keys. Without an overlap, it always does.
        SessionRequired, KeyExpiryPast, CredentialInvalid: as for `create`.
    """
    # Accounts before keys, as everywhere.
    await current_rights.require_session(session, actor)
    now = clock.now()
    old = await key_queries.lock(session, belongs, key_id)
    if old is None:
        raise KeyNotFound(key_id)
    lifetime = _lifetime(old)
    if overlap_seconds:
        ends_at = now + timedelta(seconds=overlap_seconds)
        if old.expires_at is None or old.expires_at > ends_at:
            await key_queries.expire(session, key_id, ends_at, lifetime)
    else:
        await key_queries.revoke(session, key_id, now)
    if expires_at is None and lifetime:
        expires_at = now + min(timedelta(seconds=lifetime), keys.LONGEST_LIFETIME)
    return await create(
        session,
        actor,
        belongs,
        name=old.name,
        scopes=[Scope(scope) for scope in old.scopes],
        expires_at=expires_at,
        plan=plan,
    )


def _lifetime(key: Row) -> int:
    """Seconds for which a key was valid before it was first rolled; 0: without an end."""
    before: int | None = key.lifetime_before_roll
    if before is not None:
        return before
    if key.expires_at is None:
        return 0
    return max(1, round((key.expires_at - key.created_at).total_seconds()))
