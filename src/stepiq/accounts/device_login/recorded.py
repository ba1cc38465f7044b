"""Records decisions about logins with a code in the audit log."""

from typing import Any

from stepiq.accounts import recorded
from stepiq.accounts.actor import Actor
from stepiq.accounts.audit.actions import Action
from stepiq.accounts.device_login import service
from stepiq.core.json import Json
from stepiq.store.database import Session


async def approved(session: Session, actor: Actor, row: Any) -> None:
    """Record that a person confirmed a login."""
    scopes: list[Json] = [scope.value for scope in service.scopes_for(actor)]
    after: dict[str, Json] = {**_facts(row), "scopes": scopes}
    await recorded.on_self(session, actor, Action.DEVICE_LOGIN_APPROVED, after)


async def denied(session: Session, actor: Actor, row: Any) -> None:
    """Record that a person refused a login."""
    await recorded.on_self(session, actor, Action.DEVICE_LOGIN_DENIED, _facts(row))


def _facts(row: Any) -> dict[str, Json]:
    return {"host_name": row.host_name, "client": row.client}
