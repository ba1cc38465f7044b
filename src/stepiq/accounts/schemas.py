"""Shapes of accounts, sessions and API keys in the API."""

import re
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from stepiq.accounts.actor import Scope
from stepiq.core import addresses
from stepiq.web.bodies import FROM_TEXT, Instant, StrictModel, Timestamp, View

_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_MAX_EMAIL = 254


def normalise_email(text: str) -> str:
    """An address as it is kept and compared: without spaces around it, in lower case.

    Raises:
        ValueError: it is none. Whether it exists only a mail to it can tell.
    """
    email = text.strip().lower()
    local, _, domain = email.rpartition("@")
    if (
        len(email) > _MAX_EMAIL
        or addresses.parse(email) is None
        or not _DOMAIN.fullmatch(domain)
        or local.startswith(".")
        or local.endswith(".")
        or ".." in local
    ):
        raise ValueError("must be an email address, such as ada@example.com")
    return email


Email = Annotated[str, StringConstraints(max_length=1_000), AfterValidator(normalise_email)]
Password = Annotated[str, StringConstraints(min_length=8, max_length=1_024)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Token = Annotated[str, StringConstraints(max_length=200)]


class Registration(StrictModel):
    """A new account."""

    email: Email
    password: Password
    name: Name | None = None
    """Default: what stands before the @ of the address."""
    setup_token: Token | None = None
    """Only for a server's first account, when it is not registered from the server's own machine."""
    invitation: Token | None = None
    """The token of an invitation, which is for one address."""


class Login(StrictModel):
    """A person's credentials."""

    email: Email
    password: Annotated[str, StringConstraints(max_length=1_024)]


class Refresh(StrictModel):
    """A session to go on with."""

    refresh_token: Token


class Logout(StrictModel):
    """Which sessions to end."""

    all: bool = False
    """All of the account's, on every device, instead of this one."""


class SessionsEnded(View):
    """What has ended."""

    sessions_ended: int


class Forgotten(StrictModel):
    """An account whose password is forgotten."""

    email: Email


class ResetRequested(View):
    """The same for every address."""

    accepted: Literal[True] = True
    message: str = "If there is an account with this address, a mail is on its way to it."


class Reset(StrictModel):
    """A new password, by the token of a mail."""

    token: Token
    password: Password


class PasswordChange(StrictModel):
    """A new password, by the current one."""

    current_password: Annotated[str, StringConstraints(max_length=1_024)]
    new_password: Password


class UserView(View):
    """An account and what its plan allows."""

    id: UUID
    email: str
    name: str
    plan: str
    limits: dict[str, int | bool | None]
    """What the plan allows, by name; null is unlimited."""
    credits_remaining: int | None
    """Of this month; null is unlimited."""
    is_admin: bool
    created_at: Timestamp


class SessionView(View):
    """A session just opened."""

    user: UserView
    token: str
    """Access token, for `Authorization: Bearer`."""
    refresh_token: str
    """Gives a new pair, once."""
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 — the kind of the token, not one
    expires_in: int
    """Seconds the access token is good for."""


def _unique(scopes: list[Scope]) -> list[Scope]:
    return sorted(set(scopes))


class NewKey(StrictModel):
    """An API key to be made."""

    name: Name
    """What it is for, so that its owner knows which one to revoke."""
    scopes: (
        Annotated[list[Annotated[Scope, FROM_TEXT]], Field(min_length=1), AfterValidator(_unique)]
        | None
    ) = None
    """What it may do. Default: everything that keys may do."""
    expires_at: Instant | None = None
    """When it stops working, with its time zone. Default: never."""


class KeyView(View):
    """An API key, without the key."""

    id: UUID
    name: str
    prefix: str
    """Its first characters."""
    scopes: list[Scope]
    expires_at: Timestamp | None
    last_used_at: Timestamp | None
    """To the minute."""
    created_at: Timestamp


class CreatedKey(KeyView):
    """An API key just made: the only time its text is shown."""

    key: str


class Deleted(View):
    """What has been deleted."""

    id: UUID
    deleted: Literal[True] = True
