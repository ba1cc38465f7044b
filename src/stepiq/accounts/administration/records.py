"""Data classes of the administration of users."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from stepiq.accounts.workspaces.service import Removal


class Data(StrEnum):
    """What happens to the data of a deleted user."""

    KEEP = "keep"
    """Workspaces stay, also those without other members."""
    ERASE = "erase"
    """Workspaces without other members are erased."""


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users a list has. None: any."""

    email: str | None = None
    q: str | None = None
    """A part of the address or of the name."""
    is_disabled: bool | None = None
    is_admin: bool | None = None


@dataclass(frozen=True, slots=True)
class Deletion:
    """What the deletion of a user has done."""

    sessions_ended: int
    api_keys_revoked: int
    removals: dict[UUID, Removal]
    """What ended in each workspace of the user."""
    left: list[UUID]
    """Workspaces that no longer have a member. They stay, or are being erased."""
