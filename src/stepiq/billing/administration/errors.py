"""Errors of the administration of workspaces."""

from uuid import UUID

from stepiq.core.errors import Conflict, NotFound


class NoSuchWorkspace(NotFound):
    """The server has no workspace with this id."""

    code = "workspace_unknown"

    def __init__(self, workspace_id: UUID) -> None:
        super().__init__(f"Workspace {workspace_id} does not exist.", workspace_id=workspace_id)


class WorkspaceHasMembers(Conflict):
    """Administrators of the server erase only workspaces without members."""

    code = "workspace_has_members"

    def __init__(self, workspace_id: UUID, members: int) -> None:
        has = "a member" if members == 1 else f"{members} members"
        super().__init__(
            f"Workspace {workspace_id} has {has}. Administrators of the server can erase only workspaces without members.",
            workspace_id=workspace_id,
        )
