"""Shapes of the administration of users in the API."""

from typing import Annotated, Literal
from uuid import UUID

from stepiq.accounts.administration.records import Data
from stepiq.store.states import Role
from stepiq.web.bodies import FROM_TEXT, StrictModel, Timestamp, View


class UserChange(StrictModel):
    """Changes of an account by an administrator. Omitted fields and null leave a value unchanged."""

    disabled: bool | None = None
    """Whether to disable the account."""
    is_admin: bool | None = None
    """Whether it is an administrator of the server."""
    email_verified: Literal[True] | None = None
    """True marks the address as verified."""


class AdminUserView(View):
    """An account as administrators see it."""

    id: UUID
    email: str
    email_verified: bool
    name: str
    plan: str | None
    """The plan of the account's first workspace. Null if it is not a member of any."""
    workspaces: int
    """Number of workspaces of which it is a member."""
    is_admin: bool
    disabled: bool
    """Whether the account is disabled."""
    created_at: Timestamp


class UserWorkspaceView(View):
    """A workspace of an account."""

    id: UUID
    name: str
    role: Role
    members: int
    owners: int


class AdminUserDetailView(AdminUserView):
    """An account with its workspaces and credentials."""

    memberships: list[UserWorkspaceView]
    """The first workspace first."""
    sessions: int
    """Sessions that have not ended."""
    api_keys: int
    """Personal API keys that work."""
    two_factor: bool
    """Whether it has two-factor sign-in."""


class UserDeletion(StrictModel):
    """What happens to the data of a deleted account."""

    data: Annotated[Data, FROM_TEXT]
    """`erase` also erases the workspaces that have no other member."""


class DeletedUserView(View):
    """A deleted account."""

    id: UUID
    deleted: Literal[True] = True
    data: Data
    sessions_ended: int
    api_keys_revoked: int
    workspaces_left: list[UUID]
    """Workspaces that no longer have a member. With `erase`, they are being erased."""


class PasswordLinkView(View):
    """A link with which the user sets a new password, once."""

    link: str
    """Shown only in this response."""
    expires_at: Timestamp
    emailed: bool
    """Whether it was also sent to the address of the account."""
