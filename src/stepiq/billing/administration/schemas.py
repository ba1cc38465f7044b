"""Shapes of the administration of workspaces in the API."""

from typing import Literal
from uuid import UUID

from stepiq.store.states import Role
from stepiq.web.bodies import StrictModel, Timestamp, View

Limit = int | bool | None


class PlanView(View):
    """A plan of the server."""

    name: str
    limits: dict[str, Limit]
    """The limits by name. Null is unlimited."""


class WorkspaceChange(StrictModel):
    """Changes of a workspace by an administrator of the server. Omitted fields and null leave a value unchanged."""

    plan: str | None = None
    """Name of a plan."""
    limits: dict[str, int | bool | str | None] | None = None
    """Limits that replace those of the plan, by name: a number, a boolean or `unlimited`. Null restores the limit of the plan."""


class WorkspaceUsageView(View):
    """The usage of a workspace in this month (UTC)."""

    runs: int
    """Ended runs."""
    tokens: int
    credits_used: int
    cost_usd_micros: int
    cost_complete: bool


class AdminWorkspaceView(View):
    """A workspace as administrators of the server see it."""

    id: UUID
    name: str
    plan: str
    overrides: dict[str, int | bool | str]
    """Limits that replace those of the plan."""
    members: int
    usage: WorkspaceUsageView
    created_at: Timestamp
    deleted_at: Timestamp | None
    """Set while its data is being erased."""


class AdminMemberView(View):
    """A member of a workspace."""

    id: UUID
    email: str
    name: str
    role: Role
    disabled: bool


class AdminWorkspaceDetailView(AdminWorkspaceView):
    """A workspace with its limits and members."""

    limits: dict[str, Limit]
    """The limits that apply. Null is unlimited."""
    member_list: list[AdminMemberView]
    """Up to 100 members, those who joined first come first."""


class ErasedWorkspaceView(View):
    """A workspace whose data is being erased."""

    id: UUID
    deleted: Literal[True] = True
