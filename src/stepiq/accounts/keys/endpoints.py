"""Routes of API keys: the one of the request, those of the caller, and the service keys of the workspace."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from pydantic import Field

from stepiq.accounts import recorded, schemas
from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.audit.actions import Action
from stepiq.accounts.authentication import current_rights
from stepiq.accounts.errors import (
    CredentialInvalid,
    EmailUnverified,
    KeyExpiryPast,
    KeyNotFound,
    KeyRequired,
    MemberRequired,
    RoleMissing,
    ScopeMissing,
    SessionRequired,
)
from stepiq.accounts.http import (
    AuthServices,
    DoorsDep,
    KeyHolder,
    MemberNeeds,
    Person,
    WorkspaceAdmin,
)
from stepiq.accounts.keys import service
from stepiq.accounts.queries import keys as queries
from stepiq.accounts.workspaces.schemas import CreatedServiceKey, ServiceKeyView
from stepiq.accounts.workspaces.service import require_role
from stepiq.execution.limits.quotas import PlanKeysExceeded
from stepiq.store.database import Session
from stepiq.store.states import Role
from stepiq.web.bodies import JsonInteger, StrictModel
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import Services, ServicesDep
from stepiq.web.transactions import Read, Tx


class KeyRoll(StrictModel):
    """How to replace an API key."""

    overlap_seconds: Annotated[JsonInteger, Field(ge=0, le=30 * 86_400)] = 86_400
    """How long the old key still works. 0: it is revoked at once."""
    expires_at: schemas.KeyExpiry | None = None
    """When the new key expires. Default: after as long as the old key was valid, or never."""


class RolledApiKey(schemas.CreatedApiKey):
    """A new API key with its text, which is shown only once."""

    replaces: UUID
    """The old key."""


router = new_router("API keys")
service_keys = new_router("Service keys")

Reader = Annotated[Actor, Depends(MemberNeeds(Scope.ACCOUNT_READ))]
Holder = Annotated[Actor, Depends(KeyHolder(Scope.ACCOUNT_READ, is_key_only=True))]

_CURRENT = "/user/api-keys/current"
_CURRENT_PROBLEMS = problems(KeyRequired, ScopeMissing, MemberRequired, KeyNotFound)
_ADMIN_ONLY = (SessionRequired, RoleMissing)


# Before the routes of keys by their ids.
@router.get(_CURRENT, responses=_CURRENT_PROBLEMS)
async def get_current_key(caller: Holder, read: Read) -> schemas.ApiKeyView:
    """The personal API key of the request, without its text."""
    return schemas.ApiKeyView.model_validate(await service.current(read, caller))


@router.delete(_CURRENT, responses=_CURRENT_PROBLEMS)
async def revoke_current_key(caller: Holder, tx: Tx, doors: DoorsDep) -> schemas.DeletedApiKey:
    """Revoke the personal API key of the request. It is no longer accepted. `stepiq logout` does this."""
    row = await service.revoke(tx, service.personal(caller), caller.key_id)
    return await _revoked(tx, caller, doors, Action.API_KEY_REVOKED, row)


@router.get("/user/api-keys", responses=problems(ScopeMissing, MemberRequired))
async def list_keys(caller: Reader, read: Read, page: PageQuery) -> Page[schemas.ApiKeyView]:
    """Your API keys in the workspace."""
    own = service.personal(caller)
    rows = await queries.page(read, own, before=page.before, limit=page.fetch)
    return page.page(rows, schemas.ApiKeyView.model_validate, lambda row: row.id)


@router.post(
    "/user/api-keys",
    status_code=201,
    responses=problems(SessionRequired, CredentialInvalid, KeyExpiryPast, PlanKeysExceeded),
)
async def create_key(
    caller: Person, services: ServicesDep, tx: Tx, body: schemas.NewApiKey
) -> schemas.CreatedApiKey:
    """Create an API key that acts as you in the workspace. The key is shown only in this response: copy it.

    The key can do what its scopes and your role both allow. It ends with your membership.
    """
    made = await _create(tx, services, caller, service.personal(caller), body)
    await recorded.on_key(tx, caller, Action.API_KEY_CREATED, made.row)
    return schemas.CreatedApiKey(**_shown(schemas.ApiKeyView, made))


@router.delete("/user/api-keys/{key_id}", responses=problems(SessionRequired, KeyNotFound))
async def revoke_key(
    caller: Person, tx: Tx, doors: DoorsDep, key_id: UUID
) -> schemas.DeletedApiKey:
    """Revoke an API key. It is no longer accepted."""
    row = await service.revoke(tx, service.personal(caller), key_id)
    return await _revoked(tx, caller, doors, Action.API_KEY_REVOKED, row)


@router.post(
    "/user/api-keys/{key_id}/roll",
    status_code=201,
    responses=problems(
        SessionRequired, CredentialInvalid, KeyNotFound, KeyExpiryPast, PlanKeysExceeded
    ),
)
async def roll_key(
    caller: Person,
    services: ServicesDep,
    doors: DoorsDep,
    tx: Tx,
    key_id: UUID,
    body: KeyRoll | None = None,
) -> RolledApiKey:
    """Replace an API key by a new one with the same name and scopes. The new key is shown only in this response.

    The old key expires after `overlap_seconds`.
    """
    wanted = body or KeyRoll()
    made = await service.roll(
        tx,
        caller,
        service.personal(caller),
        key_id,
        overlap_seconds=wanted.overlap_seconds,
        expires_at=wanted.expires_at,
        plan=services.plans.get(caller.plan),
    )
    await recorded.on_key(
        tx,
        caller,
        Action.API_KEY_ROLLED,
        made.row,
        replaces=str(key_id),
        overlap_seconds=wanted.overlap_seconds,
    )
    tx.after_commit(lambda: doors.authenticator.forget(key_id))
    return RolledApiKey(**_shown(schemas.ApiKeyView, made), replaces=key_id)


@service_keys.get("/workspace/service-keys", responses=problems(*_ADMIN_ONLY))
async def list_service_keys(
    caller: WorkspaceAdmin, read: Read, page: PageQuery
) -> Page[ServiceKeyView]:
    """The service keys of the workspace. Requires the role `admin`."""
    of_workspace = service.of_workspace(caller)
    rows = await queries.page(read, of_workspace, before=page.before, limit=page.fetch)
    return page.page(rows, ServiceKeyView.model_validate, lambda row: row.id)


@service_keys.post(
    "/workspace/service-keys",
    status_code=201,
    responses=problems(
        *_ADMIN_ONLY, CredentialInvalid, EmailUnverified, KeyExpiryPast, PlanKeysExceeded
    ),
)
async def create_service_key(
    caller: WorkspaceAdmin, services: ServicesDep, tx: Tx, body: schemas.NewApiKey
) -> CreatedServiceKey:
    """Create a key that belongs to the workspace and not to a person. Requires the role `admin`. Shown only once: copy it."""
    # Accounts before memberships, as everywhere.
    await current_rights.require_verified(tx, services.settings, caller)
    await require_role(tx, caller, Role.ADMIN)
    made = await _create(tx, services, caller, service.of_workspace(caller), body)
    await recorded.on_key(tx, caller, Action.SERVICE_KEY_CREATED, made.row)
    return CreatedServiceKey(**_shown(ServiceKeyView, made))


@service_keys.delete(
    "/workspace/service-keys/{key_id}", responses=problems(*_ADMIN_ONLY, KeyNotFound)
)
async def revoke_service_key(
    caller: WorkspaceAdmin, tx: Tx, doors: DoorsDep, key_id: UUID
) -> schemas.DeletedApiKey:
    """Revoke a service key. Requires the role `admin`."""
    row = await service.revoke(tx, service.of_workspace(caller), key_id)
    return await _revoked(tx, caller, doors, Action.SERVICE_KEY_REVOKED, row)


async def _create(
    tx: Session,
    services: Services,
    caller: Actor,
    belongs: queries.Belonging,
    body: schemas.NewApiKey,
) -> service.CreatedKey:
    return await service.create(
        tx,
        caller,
        belongs,
        name=body.name,
        scopes=body.scopes,
        expires_at=body.expires_at,
        plan=services.plans.get(caller.plan),
    )


def _shown(view: type[schemas.ApiKeyView], made: service.CreatedKey) -> dict[str, Any]:
    return {**view.model_validate(made.row).model_dump(), "key": made.text}


async def _revoked(
    tx: Session, caller: Actor, doors: AuthServices, action: Action, row: Any
) -> schemas.DeletedApiKey:
    await recorded.on_key(tx, caller, action, row)
    tx.after_commit(lambda: doors.authenticator.forget(row.id))
    return schemas.DeletedApiKey(id=row.id)
