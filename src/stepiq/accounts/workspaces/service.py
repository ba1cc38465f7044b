"""Operations on workspaces: create, rename and delete them, and change their members."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from stepiq.accounts import service as accounts
from stepiq.accounts.actor import Actor, includes
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, By, Facts
from stepiq.accounts.errors import RoleMissing, WorkspaceNotFound
from stepiq.accounts.queries import keys as key_queries
from stepiq.accounts.queries import members
from stepiq.accounts.queries import sessions as session_queries
from stepiq.accounts.workspaces import queries
from stepiq.accounts.workspaces.errors import (
    LastOwner,
    MemberNotFound,
    OnlyWorkspace,
    TooManyNewWorkspaces,
    TooManyWorkspaces,
    WorkspaceNameWrong,
    WorkspacesRestricted,
)
from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.core.settings.model import RegistrationPolicy, Settings
from stepiq.store.database import Session
from stepiq.store.states import Role

MAX_OWNED = 5
"""How many workspaces an account can own, unless it is an administrator of the server."""
MAX_CREATED = 5
"""How many workspaces such an account can create within `CREATED_WITHIN`. Deleted ones count: each has a plan of its own."""
CREATED_WITHIN = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Removal:
    """What the removal of a member has ended."""

    api_keys_revoked: int
    sessions_ended: int

    @property
    def facts(self) -> dict[str, Json]:
        """What the audit log shows of it."""
        return {
            "api_keys_revoked": self.api_keys_revoked,
            "sessions_ended": self.sessions_ended,
        }


async def create(session: Session, settings: Settings, actor: Actor, *, name: str) -> UUID:
    """Create a workspace that the actor owns; returns its id.

    Raises:
        WorkspacesRestricted: the actor is not an administrator of the server, and registration is not open.
        TooManyWorkspaces: the actor owns `MAX_OWNED` workspaces.
        TooManyNewWorkspaces: the actor has created `MAX_CREATED` workspaces within `CREATED_WITHIN`.
    """
    if not actor.is_admin:
        if settings.effective_registration is not RegistrationPolicy.OPEN:
            raise WorkspacesRestricted
        # Of concurrent calls of one account, each must see the workspaces of the others.
        await accounts.lock(session, actor.user_id)
        owned = await members.workspaces_of(session, actor.user_id)
        if sum(row.role == Role.OWNER for row in owned) >= MAX_OWNED:
            raise TooManyWorkspaces(MAX_OWNED)
        await _count_creation(session, actor.user_id)
    plan = settings.default_plan
    workspace_id = await accounts.create_workspace(session, actor.user_id, name=name, plan=plan)
    await _record(session, actor, Action.WORKSPACE_CREATED, workspace_id, after={"name": name})
    return workspace_id


async def _count_creation(session: Session, user_id: UUID) -> None:
    now = clock.now()
    recent = [at for at in await queries.creations(session, user_id) if at > now - CREATED_WITHIN]
    if len(recent) >= MAX_CREATED:
        raise TooManyNewWorkspaces(MAX_CREATED, CREATED_WITHIN.days, recent[0] + CREATED_WITHIN)
    await queries.set_creations(session, user_id, [*recent, now])


async def rename(session: Session, actor: Actor, *, name: str) -> None:
    """Change the name of the actor's workspace."""
    before = (await one(session, actor)).name
    await queries.rename(session, actor.workspace_id, name)
    await _record(
        session,
        actor,
        Action.WORKSPACE_UPDATED,
        actor.workspace_id,
        before={"name": before},
        after={"name": name},
    )


async def _record(
    session: Session,
    actor: Actor,
    action: Action,
    workspace_id: UUID,
    before: Facts | None = None,
    after: Facts | None = None,
) -> None:
    """Record an action on a workspace, in its own log."""
    target = AuditTarget(AuditTargetType.WORKSPACE, workspace_id)
    await audit.record(
        session, actor, action, target, before=before, after=after, workspace_id=workspace_id
    )


async def one(session: Session, actor: Actor) -> Any:
    """The row of the actor's workspace with the actor's role.

    Raises:
        WorkspaceNotFound: the actor was removed since the credential was checked.
    """
    for row in await members.workspaces_of(session, actor.user_id):
        if row.id == actor.workspace_id:
            return row
    raise WorkspaceNotFound(actor.workspace_id)


async def of_workspace(session: Session, workspace_id: UUID, *, limit: int) -> Sequence[Any]:
    """Rows of the members of any workspace, the newest account first."""
    return await members.page(session, workspace_id, before=None, limit=limit)


async def named(
    session: Session, workspace_id: UUID | None, name: str | None, *, limit: int
) -> Sequence[Any]:
    """Rows of the workspaces with this id, or with this name, or of all workspaces, up to a limit."""
    return await queries.named(session, workspace_id, name, limit=limit)


async def member(session: Session, workspace_id: UUID, user_id: UUID) -> Any:
    """The row of a member of a workspace. Raises MemberNotFound if the workspace has no such member."""
    row = await members.find(session, workspace_id, user_id)
    if row is None:
        raise MemberNotFound(user_id)
    return row


async def change_role(
    session: Session, by: Actor | By, workspace_id: UUID, user_id: UUID, role: Role
) -> Any:
    """Give a member another role; returns the member's row. Running requests of the member end with the old role.

    Raises:
        MemberNotFound: the workspace has no such member.
        RoleMissing: the actor is no longer an admin; only owners make owners, and only owners change the role of an owner.
        LastOwner: the workspace would have no owner.
    """
    found = await _to_change(session, by, workspace_id, user_id, and_becomes=role)
    if found.role != role:
        await set_role(session, workspace_id, user_id, role)
        await audit.record(
            session,
            by,
            Action.MEMBER_ROLE_CHANGED,
            _user(found),
            before={"role": found.role},
            after={"role": role},
        )
    return await member(session, workspace_id, user_id)


async def remove(session: Session, by: Actor | By, workspace_id: UUID, user_id: UUID) -> Removal:
    """Remove a member: end the person's sessions, and revoke their keys of this workspace.

    What the person has created stays. Links that were mailed to the person no longer work.

    Raises:
        MemberNotFound: the workspace has no such member.
        RoleMissing: the actor is no longer an admin; only owners remove owners.
        LastOwner: the workspace would have no owner.
    """
    await accounts.lock(session, user_id)
    found = await _to_change(session, by, workspace_id, user_id)
    done = await end_membership(session, workspace_id, user_id)
    has_left = isinstance(by, Actor) and by.user_id == user_id
    action = Action.MEMBER_LEFT if has_left else Action.MEMBER_REMOVED
    await audit.record(session, by, action, _user(found), after=done.facts)
    return done


async def leave(session: Session, actor: Actor) -> Removal:
    """Remove the actor from the workspace, as `remove` does, whatever their role.

    Raises:
        MemberNotFound: the actor was removed since the credential was checked.
        LastOwner: the actor is the only owner.
    """
    await accounts.lock(session, actor.user_id)
    owners = await members.lock_owners(session, actor.workspace_id)
    if owners == {actor.user_id}:
        raise LastOwner
    found = await member(session, actor.workspace_id, actor.user_id)
    done = await end_membership(session, actor.workspace_id, actor.user_id)
    await audit.record(session, actor, Action.MEMBER_LEFT, _user(found), after=done.facts)
    return done


def _user(row: Any) -> AuditTarget:
    return AuditTarget(AuditTargetType.USER, row.id, row.email)


async def holdings(session: Session, actor: Actor, user_id: UUID) -> queries.Holdings:
    """What a member leaves behind: personal keys, schedules and pipelines.

    Raises:
        MemberNotFound: the workspace has no such member.
    """
    await member(session, actor.workspace_id, user_id)
    return await queries.holdings(session, actor.workspace_id, user_id)


async def _to_change(
    session: Session,
    by: Actor | By,
    workspace_id: UUID,
    user_id: UUID,
    and_becomes: Role | None = None,
) -> Any:
    """The row of a member that a member or the operator changes."""
    # Locks the owners, so that two concurrent changes cannot leave the workspace without one.
    owners = await members.lock_owners(session, workspace_id)
    if isinstance(by, Actor):
        await require_role(session, by, Role.ADMIN)
    found = await member(session, workspace_id, user_id)
    concerns_owner = user_id in owners or and_becomes is Role.OWNER
    if isinstance(by, Actor) and concerns_owner and by.user_id not in owners:
        raise RoleMissing(Role.OWNER, by.role)
    if owners == {user_id} and and_becomes is not Role.OWNER:
        raise LastOwner
    return found


async def require_role(session: Session, actor: Actor, role: Role) -> None:
    """Check the role of a user in the transaction. Processes trust a credential for a few seconds.

    For what outlasts the role, such as a key or another member: someone who has just been removed must not get back in.

    Raises:
        RoleMissing: the actor no longer has at least this role.
    """
    held = await members.lock_role(session, actor.workspace_id, actor.user_id)
    if held is None or not includes(held, role):
        raise RoleMissing(role, held)


def role_to_invite(role: Role) -> Role:
    """The least role with which a member can invite people as `role`."""
    return Role.OWNER if role is Role.OWNER else Role.ADMIN


async def set_role(session: Session, workspace_id: UUID, user_id: UUID, role: Role) -> None:
    """Give a member another role, without checks. Deletes the member's open invitations that this role cannot create."""
    await members.set_role(session, workspace_id, user_id, role)
    refused = [each for each in Role if not includes(role, role_to_invite(each))]
    await queries.delete_invitations_by(session, workspace_id, user_id, refused)


async def end_membership(session: Session, workspace_id: UUID, user_id: UUID) -> Removal:
    """Remove a member with the access of this person, without checks. The caller has locked the account."""
    now, email = clock.now(), await queries.email(session, user_id)
    await members.remove(session, workspace_id, user_id, email, now)
    await queries.forget_recipient(session, workspace_id, email)
    await queries.delete_invitations(session, workspace_id, user_id, email)
    await queries.forget_identity_roles(session, workspace_id, user_id)
    revoked = await key_queries.revoke_all(session, user_id, now, workspace_id=workspace_id)
    ended = await session_queries.end_all(session, user_id, now)
    return Removal(revoked, len(ended))


@dataclass(frozen=True, slots=True)
class Closed:
    """What ended with a workspace."""

    members: Sequence[UUID]
    api_keys_revoked: int


async def delete(session: Session, actor: Actor, *, name: str) -> Closed:
    """Remove all members of the actor's workspace, revoke its keys, and mark it, so that its data is erased.

    Its unfinished runs continue until `disabling.cancel_runs_of`, which must be called after the commit.

    Raises:
        RoleMissing: the actor is no longer an owner.
        WorkspaceNameWrong: `name` is not its name.
        OnlyWorkspace: the actor has no other workspace.
    """
    workspace_id = actor.workspace_id
    # Accounts before workspaces, as everywhere.
    for user_id in await members.user_ids(session, workspace_id):
        await accounts.lock(session, user_id)
    if await queries.name(session, workspace_id) != name:
        raise WorkspaceNameWrong
    await require_role(session, actor, Role.OWNER)
    if len(await members.workspaces_of(session, actor.user_id)) == 1:
        raise OnlyWorkspace
    left = await members.user_ids(session, workspace_id)
    removals = [await end_membership(session, workspace_id, user_id) for user_id in left]
    revoked = await close(session, [workspace_id], is_erased=True)
    await record_deletion(session, actor, workspace_id, name)
    return Closed(left, revoked + sum(each.api_keys_revoked for each in removals))


async def record_deletion(session: Session, by: Actor | By, workspace_id: UUID, name: str) -> None:
    """Record that a workspace is being erased, in the server's own log. The log of the workspace is erased too."""
    target = AuditTarget(AuditTargetType.WORKSPACE, workspace_id, name)
    await audit.record(session, by, Action.WORKSPACE_DELETED, target, workspace_id=None)


async def close(session: Session, workspace_ids: Sequence[UUID], *, is_erased: bool) -> int:
    """Revoke the keys and the invitations of workspaces without members, and mark them to be erased if wanted.

    Returns the number of keys.
    """
    if not workspace_ids:
        return 0
    now = clock.now()
    revoked = await queries.close_workspaces(session, workspace_ids, now)
    if is_erased:
        await queries.mark_erased(session, workspace_ids, now)
    return revoked
