"""Data classes of the administration of workspaces."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from stepiq.store.workspace_plan import WorkspacePlan

LimitValue = int | bool | str
"""A limit as in the config file: a number, true or false, or `unlimited`."""


@dataclass(frozen=True, slots=True)
class WorkspaceFilter:
    """Which workspaces a list has. None: any."""

    q: str | None = None
    """A part of the name, or an id."""
    plan: str | None = None
    has_members: bool | None = None


@dataclass(frozen=True, slots=True)
class ListedWorkspace:
    """A workspace with its usage in this month (UTC)."""

    id: UUID
    name: str
    plan: WorkspacePlan
    overrides: Mapping[str, LimitValue]
    """Limits that replace those of the plan, as in the config file."""
    members: int
    created_at: datetime
    deleted_at: datetime | None
    """Set while its data is being erased."""
    runs: int = 0
    tokens: int = 0
    credits_used: int = 0
    cost_usd_micros: int = 0
    cost_complete: bool = True


@dataclass(frozen=True, slots=True)
class ListedMember:
    """A member of a workspace."""

    id: UUID
    email: str
    name: str
    role: str
    disabled: bool
