"""Errors of the administration of users."""

from collections.abc import Sequence
from uuid import UUID

from stepiq.core.errors import Conflict


class LastAdministrator(Conflict):
    """The server would have no administrator left."""

    code = "last_administrator"

    def __init__(self) -> None:
        super().__init__(
            "This is the only administrator of the server. Make another account an administrator first."
        )


class OwnsWorkspaces(Conflict):
    """The account is the only owner of workspaces that have other members."""

    code = "owns_workspaces"

    def __init__(self, workspaces: Sequence[tuple[UUID, str]]) -> None:
        named = ", ".join(f"“{name}” ({workspace_id})" for workspace_id, name in workspaces)
        super().__init__(
            f"The account is the only owner of workspaces that have other members: {named}. Another member of each must become "
            "its owner first.",
            workspaces=len(workspaces),
        )
