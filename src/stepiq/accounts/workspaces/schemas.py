"""Shapes of workspaces, members and invitations in the API."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AliasChoices, Field

from stepiq.accounts.schemas import ApiKeyView, Email, Name, Token
from stepiq.store.states import Role
from stepiq.web.bodies import FROM_TEXT, StrictModel, Timestamp, View

RoleField = Annotated[Role, FROM_TEXT]


class WorkspaceView(View):
    """A workspace that you are a member of."""

    id: UUID
    name: str
    role: Role
    """Your role."""
    plan: str
    created_at: Timestamp


class NewWorkspace(StrictModel):
    """A workspace to create or to rename."""

    name: Name


class WorkspaceDeletion(StrictModel):
    """A workspace to delete."""

    name: str
    """Its name, to confirm that it is the right one."""


class DeletedWorkspaceView(View):
    """The deleted workspace. Its data is erased in the background."""

    id: UUID
    deleted: Literal[True] = True
    members_removed: int
    """With you."""
    api_keys_revoked: int


class MemberView(View):
    """A member of the workspace."""

    id: UUID
    """The id of the user."""
    email: str
    name: str
    role: Role
    disabled: bool
    """Whether an administrator of the server has disabled the account."""
    joined_at: Timestamp


class RoleChange(StrictModel):
    """The new role of a member."""

    role: RoleField


class HeldThing(View):
    """A schedule or a pipeline."""

    id: UUID
    name: str


class MemberHoldings(View):
    """What a member leaves behind."""

    api_keys: list[ApiKeyView]
    """Personal keys, which are revoked when the member is removed. Programs that use them need another key."""
    schedules: list[HeldThing]
    """Enabled schedules that the member created. They continue."""
    pipelines: list[HeldThing]
    """Active pipelines whose newest version the member saved. They stay."""


class RemovedMember(View):
    """The removed member."""

    id: UUID
    deleted: Literal[True] = True
    api_keys_revoked: int
    sessions_ended: int


class WorkspaceInvitation(StrictModel):
    """A person to invite to the workspace."""

    email: Email
    role: RoleField = Role.EDITOR


class InvitationView(View):
    """An open invitation to the workspace."""

    id: UUID
    email: str
    role: Role
    invited_by: UUID | None
    """The id of the member."""
    created_at: Timestamp
    expires_at: Timestamp


class CreatedInvitation(InvitationView):
    """A new invitation with its link, which is shown only once."""

    url: str
    """The link for the person. It works once, within seven days, for this address only."""
    emailed: bool
    """Whether the link was emailed. If not, send it to the person."""
    unsent_reason: str | None
    """Why the link was not emailed; null if it was."""


class DeletedInvitation(View):
    """The withdrawn invitation."""

    id: UUID
    deleted: Literal[True] = True


class InvitationToken(StrictModel):
    """The token of an invitation."""

    invitation: Token


class InvitationBrief(View):
    """What an invitation is for."""

    email: str
    workspace_name: str | None
    """The workspace to join. Null: the person gets a workspace of their own."""
    role: Role | None
    has_account: bool
    """Whether the address has an account. If so, the person logs in to join; if not, the person registers."""
    expires_at: Timestamp


class ServiceKeyView(ApiKeyView):
    """A service key of the workspace, without the key."""

    created_by: Annotated[UUID, Field(validation_alias=AliasChoices("created_by", "user_id"))]
    """The member that created the key."""


class CreatedServiceKey(ServiceKeyView):
    """A new service key with its text, which is shown only once."""

    key: str
