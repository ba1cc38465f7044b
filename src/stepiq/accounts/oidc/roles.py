"""Which roles a person's groups give, and the memberships that follow from them."""

from collections.abc import Iterable
from uuid import UUID

from stepiq.accounts.actor import includes
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, person
from stepiq.accounts.oidc import queries
from stepiq.accounts.oidc.queries import Connected
from stepiq.accounts.queries import members
from stepiq.accounts.workspaces import service as workspaces
from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.core.observability import logging
from stepiq.core.settings.oidc import OidcSettings
from stepiq.store.database import Session
from stepiq.store.states import Role

log = logging.get(__name__)


def wanted(settings: OidcSettings, groups: Iterable[str]) -> dict[UUID, Role]:
    """The role in each workspace for a person with these groups. Of several roles, the highest counts."""
    found: dict[UUID, Role] = {}
    for group in groups:
        for grant in settings.groups.get(group, ()):
            workspace_id, role = grant.workspace or settings.workspace, Role(grant.role)
            if workspace_id is None:
                continue
            held = found.get(workspace_id)
            if held is None or includes(role, held):
                found[workspace_id] = role
    if settings.workspace is not None:
        found.setdefault(settings.workspace, Role(settings.role))
    return found


async def apply(session: Session, identity: Connected, roles: dict[UUID, Role]) -> None:
    """Make the memberships that an identity gives equal to `roles`.

    Other memberships are not changed: those that an invitation has created, and owners.
    """
    recorded_roles = await queries.roles_of(session, identity.id)
    present = await queries.existing_workspaces(session, roles)
    for workspace_id in roles.keys() - present:
        log.warning("oidc_workspace_missing", workspace_id=str(workspace_id))
    for workspace_id in sorted(present):
        role, is_ours = roles[workspace_id], workspace_id in recorded_roles
        if await _give(session, identity, workspace_id, role, is_ours=is_ours):
            await queries.record_role(session, identity.id, workspace_id, role)
    lost = sorted(recorded_roles.keys() - roles.keys())
    if lost:
        await _take(session, identity, lost)


async def _give(
    session: Session, identity: Connected, workspace_id: UUID, role: Role, *, is_ours: bool
) -> bool:
    """Give a role, and return whether the membership comes from the identity."""
    current = await members.find(session, workspace_id, identity.user_id)
    if current is None:
        new = members.NewMember(workspace_id, identity.user_id, role, clock.now())
        if not await members.add(session, new):
            return False
        await _record(session, identity, workspace_id, before=None, after=role)
        return True
    held = Role(current.role)
    if is_ours and held not in (role, Role.OWNER):
        await workspaces.set_role(session, workspace_id, identity.user_id, role)
        await _record(session, identity, workspace_id, before=held, after=role)
    return is_ours


async def _take(session: Session, identity: Connected, workspace_ids: list[UUID]) -> None:
    others = await queries.roles_of_others(session, identity.id, identity.user_id)
    for workspace_id in workspace_ids:
        await queries.forget_role(session, identity.id, workspace_id)
        other = others.get(workspace_id)
        if other is not None:
            await _give(session, identity, workspace_id, other, is_ours=True)
        else:
            await _remove(session, identity, workspace_id)


async def _remove(session: Session, identity: Connected, workspace_id: UUID) -> None:
    owners = await members.lock_owners(session, workspace_id)
    current = await members.find(session, workspace_id, identity.user_id)
    if current is None:
        return
    if owners == {identity.user_id}:
        # Nobody else could manage the workspace.
        log.warning("oidc_last_owner_kept", workspace_id=str(workspace_id))
        return
    await workspaces.end_membership(session, workspace_id, identity.user_id)
    held = Role(current.role)
    await _record(session, identity, workspace_id, before=held, after=None)


async def _record(
    session: Session,
    identity: Connected,
    workspace_id: UUID,
    *,
    before: Role | None,
    after: Role | None,
) -> None:
    """Record that the groups of a person gave, changed or removed a membership."""
    action = Action.MEMBER_ROLE_CHANGED
    if before is None:
        action = Action.MEMBER_ADDED
    elif after is None:
        action = Action.MEMBER_REMOVED
    await audit.record(
        session,
        person(identity.user_id, identity.email, workspace_id),
        action,
        AuditTarget(AuditTargetType.USER, identity.user_id, identity.email),
        before=None if before is None else _facts(before, identity),
        after=None if after is None else _facts(after, identity),
    )


def _facts(role: Role, identity: Connected) -> dict[str, Json]:
    return {"role": role.value, "provider": identity.provider}
