"""Shapes of logins with a code in the API."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from stepiq.accounts.actor import Scope
from stepiq.accounts.schemas import Token, WorkspaceBrief
from stepiq.web.bodies import StrictModel, Timestamp, View

# Only what occurs in host names, because a person reads it before the login is confirmed: no sentence can be sent.
_HostName = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
]
_UserCode = Annotated[str, StringConstraints(min_length=1, max_length=20)]


class NewDeviceLogin(StrictModel):
    """A login to start."""

    host_name: _HostName | None = None
    """Name of the machine, for the person who confirms the login, and for the name of the key."""


class DeviceCodesView(View):
    """A login that waits for a person. The names are those of RFC 8628."""

    device_code: str
    """The secret with which the program asks for its key."""
    user_code: str
    """The code that the person compares."""
    verification_uri: str
    """The page on which the person enters the code."""
    verification_uri_complete: str
    """The same page with the code."""
    expires_in: int
    """How long the codes work, in seconds."""
    interval: int
    """How long the program must wait between two requests for its key, in seconds."""


class DeviceCode(StrictModel):
    """A login that waits for its key."""

    device_code: Token


class DeviceKeyView(View):
    """The API key of the login, which is shown only once."""

    id: UUID
    name: str
    key: str
    scopes: list[Scope]
    expires_at: Timestamp
    email: str
    """The person who has confirmed the login."""
    workspace: WorkspaceBrief


class UserCode(StrictModel):
    """The code that a program shows."""

    user_code: _UserCode
    """Case, spaces and hyphens do not matter."""


class DeviceDecision(UserCode):
    """A decision about a login."""

    approve: bool
    """Whether the program gets a key that acts as you in the workspace."""


class DeviceLoginView(View):
    """A login that waits for a decision. Its program states the host name: it proves nothing."""

    host_name: str | None
    client: str
    """The address of the program: an IPv4 address, or the /64 of an IPv6 address."""
    created_at: Timestamp
    expires_at: Timestamp
    scopes: list[Scope]
    """What the key can do. Your role in the workspace limits it."""
    key_days: Annotated[int, Field(ge=1)]
    """After how many days the key expires."""


class DecidedDeviceLogin(View):
    """A decision about a login."""

    approved: bool
    workspace: WorkspaceBrief
