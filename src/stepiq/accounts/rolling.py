"""Replaces API keys."""

from datetime import datetime, timedelta
from uuid import UUID

from stepiq.accounts import service
from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.errors import KeyNotFound
from stepiq.accounts.queries import keys as key_queries
from stepiq.core import clock
from stepiq.execution import quotas
from stepiq.store.database import Session


async def roll(
    session: Session,
    actor: Actor,
    key_id: UUID,
    *,
    overlap_seconds: int,
    expires_at: datetime | None,
    plan: quotas.PlanLimits,
) -> service.CreatedKey:
    """Create a key with the name and scopes of another, which expires after the overlap. 0: it is revoked at once.

    Raises:
        KeyNotFound: the workspace has no such key, or it has been revoked.
        PlanKeysExceeded: the plan does not allow both keys. Without an overlap, it always does.
        SessionRequired, KeyExpiryPast, CredentialInvalid: as for `service.create_key`.
    """
    service.require_person(actor)
    now = clock.now()
    old = await key_queries.lock(session, actor.workspace_id, key_id)
    if old is None:
        raise KeyNotFound(key_id)
    if overlap_seconds:
        ends_at = now + timedelta(seconds=overlap_seconds)
        if old.expires_at is None or old.expires_at > ends_at:
            await key_queries.expire(session, key_id, ends_at)
    else:
        await key_queries.revoke(session, actor.workspace_id, key_id, now)
    if expires_at is None and old.expires_at is not None:
        expires_at = now + (old.expires_at - old.created_at)
    return await service.create_key(
        session,
        actor,
        name=old.name,
        scopes=[Scope(scope) for scope in old.scopes],
        expires_at=expires_at,
        plan=plan,
    )
