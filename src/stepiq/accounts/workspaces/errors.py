"""Errors of workspaces, members and invitations."""

from datetime import datetime
from uuid import UUID

from stepiq.core import clock
from stepiq.core.errors import Conflict, Forbidden, Invalid, NotFound


class MemberNotFound(NotFound):
    """The workspace has no such member."""

    code = "member_not_found"

    def __init__(self, user_id: UUID) -> None:
        super().__init__(f"The workspace has no member {user_id}.", user_id=user_id)


class AlreadyMember(Conflict):
    """The person is a member of the workspace already."""

    code = "already_member"

    def __init__(self, email: str) -> None:
        super().__init__(
            f"{email} is already a member of this workspace. To change the role, use the list of members, or "
            "`stepiq members set-role`."
        )


class LastOwner(Conflict):
    """The workspace would be left without an owner."""

    code = "last_owner"
    message = "This is the only owner of the workspace. Give another member the role `owner` first."


class InvitationNotFound(NotFound):
    """The workspace has no such open invitation."""

    code = "invitation_not_found"

    def __init__(self, invitation_id: UUID) -> None:
        super().__init__(
            f"Invitation {invitation_id} does not exist, was used, or has expired.",
            invitation_id=invitation_id,
        )


class WorkspacesRestricted(Forbidden):
    """Only administrators of the server can create workspaces, because registration is not open."""

    code = "workspaces_restricted"
    message = "Only administrators of this server can create workspaces, because registration is not open. Ask one of them."


class OnlyWorkspace(Conflict):
    """The workspace is the only one of its owner, who could no longer log in without it."""

    code = "only_workspace"
    message = (
        "This is your only workspace, and you cannot log in without one. Create or join another workspace first, or ask an "
        "administrator of the server to delete your account."
    )


class WorkspaceNameWrong(Invalid):
    """The name does not confirm the deletion of the workspace."""

    code = "workspace_name_wrong"
    message = "The name does not match this workspace. Write the name exactly as it is shown."


class TooManyWorkspaces(Conflict):
    """The account owns as many workspaces as one account can."""

    code = "too_many_workspaces"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"Your account owns {limit} workspaces, which is the maximum. Use one of them, or ask an administrator of the server to create another."
        )


class TooManyNewWorkspaces(Conflict):
    """The account has created as many workspaces in 30 days as one account can, including deleted ones."""

    code = "too_many_new_workspaces"

    def __init__(self, limit: int, days: int, again_at: datetime) -> None:
        super().__init__(
            f"Your account has created {limit} workspaces in the last {days} days, which is the maximum. Deleted workspaces count, too. You can "
            f"create the next one at {clock.iso(again_at)}. Until then, use one that you own, or ask an administrator of the server to "
            "create another."
        )
