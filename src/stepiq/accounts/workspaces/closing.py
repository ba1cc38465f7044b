"""Closes workspaces. `erasing` deletes their data in the background."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from stepiq.accounts import service as accounts
from stepiq.accounts.actor import Actor
from stepiq.accounts.queries import members
from stepiq.accounts.workspaces import queries, recorded, service
from stepiq.accounts.workspaces.errors import OnlyWorkspace, WorkspaceNameWrong
from stepiq.core import clock
from stepiq.store.database import Session
from stepiq.store.states import Role


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
    await service.require_role(session, actor, Role.OWNER)
    if len(await members.workspaces_of(session, actor.user_id)) == 1:
        raise OnlyWorkspace
    left = await members.user_ids(session, workspace_id)
    removals = [await service.end_membership(session, workspace_id, user_id) for user_id in left]
    revoked = await close(session, [workspace_id], is_erased=True)
    await recorded.deleted(session, actor, workspace_id, name)
    return Closed(left, revoked + sum(each.api_keys_revoked for each in removals))


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
