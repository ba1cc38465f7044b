"""Shapes of accounts, sessions and API keys in the API."""

import re
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from stepiq.accounts.actor import Scope
from stepiq.accounts.credentials.api_keys import LONGEST_LIFETIME
from stepiq.core import addresses, clock
from stepiq.store.states import Role
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
Code = Annotated[str, StringConstraints(min_length=1, max_length=100)]
"""A code of an authenticator app, or a recovery code."""


class Registration(StrictModel):
    """A new account."""

    email: Email
    password: Password
    name: Name | None = None
    """Default: the part of the address before the @."""
    setup_token: Token | None = None
    """Only for the first account of a server."""
    invitation: Token | None = None
    """The token of an invitation. It is valid for one address only. If it is to a workspace, the account joins that one."""


class Login(StrictModel):
    """A person's credentials."""

    email: Email
    password: Annotated[str, StringConstraints(max_length=1_024)]
    invitation: Token | None = None
    """The token of an invitation to a workspace, to join it."""
    code: Code | None = None
    """For an account with two-factor sign-in: the code of the authenticator app, or a recovery code."""


class Refresh(StrictModel):
    """A session to continue."""

    refresh_token: Token


class Logout(StrictModel):
    """Which sessions to end."""

    all: bool = False
    """End all sessions of the account instead of this one."""


class SessionsEnded(View):
    """The result of a logout."""

    sessions_ended: int


class EndedByReset(View):
    """What the reset of an unverified account has ended."""

    service_keys_revoked: int
    schedules_disabled: int
    invitations_withdrawn: int
    runs_cancelled: int
    two_factor_disabled: bool


class PasswordResetDone(SessionsEnded):
    """The result of a password reset."""

    api_keys_revoked: int
    ended: EndedByReset | None = None
    """Missing if the account was verified."""


class ForgottenPassword(StrictModel):
    """The account to reset."""

    email: Email


class PasswordResetRequested(View):
    """The same text for every address."""

    accepted: Literal[True] = True
    message: str = "If an account with this address exists, it will receive an email."


class NewPassword(StrictModel):
    """A new password, with the token from a reset email."""

    token: Token
    password: Password


class VerificationToken(StrictModel):
    """The token of a verification email."""

    token: Token


class EmailVerificationView(View):
    """An email address and whether it is verified."""

    email: str
    email_verified: bool


class PasswordChange(StrictModel):
    """A new password, with the current one."""

    current_password: Annotated[str, StringConstraints(max_length=1_024)]
    new_password: Password


class WorkspaceBrief(View):
    """A workspace."""

    id: UUID
    name: str


class UserView(View):
    """An account, and the limits of the workspace's plan."""

    id: UUID
    email: str
    email_verified: bool
    """Whether the address is verified. If not, some requests may get `email_unverified`."""
    name: str
    workspace: WorkspaceBrief
    """The workspace of the request: that of the API key, the one in `X-Workspace`, or your first one."""
    role: Role
    """Your role in it."""
    plan: str
    """The plan of the workspace."""
    limits: dict[str, int | bool | None]
    """The limits of the plan, by name. Null is unlimited."""
    credits_remaining: int | None
    """Credits left in this month. Null is unlimited."""
    is_admin: bool
    created_at: Timestamp


class SessionView(View):
    """A new session."""

    user: UserView
    token: str
    """Access token, for `Authorization: Bearer`."""
    refresh_token: str
    """Use it once to get a new pair of tokens."""
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 — the kind of the token, not one
    expires_in: int
    """Seconds until the access token expires."""


class BrowserSession(View):
    """A session whose credential is in a cookie."""

    user: UserView
    csrf_token: str
    """For `X-CSRF-Token`. It belongs to this session."""
    expires_at: Timestamp
    """When the session ends, unless it is extended."""


def _unique(scopes: list[Scope]) -> list[Scope]:
    return sorted(set(scopes))


def _not_too_late(expires_at: datetime) -> datetime:
    if expires_at - clock.now() > LONGEST_LIFETIME:
        raise ValueError("must be at most 100 years from now; omit it for a key that never expires")
    return expires_at


KeyExpiry = Annotated[Instant, AfterValidator(_not_too_late)]
"""When a new key expires."""


class NewApiKey(StrictModel):
    """A new API key."""

    name: Name
    """Purpose of the key, to find it when you want to revoke it."""
    scopes: (
        Annotated[list[Annotated[Scope, FROM_TEXT]], Field(min_length=1), AfterValidator(_unique)]
        | None
    ) = None
    """Scopes of the key. Default: all scopes."""
    expires_at: KeyExpiry | None = None
    """When it expires, with a time zone. Default: never."""


class ApiKeyView(View):
    """An API key, without the key."""

    id: UUID
    name: str
    prefix: str
    """The first characters of the key."""
    scopes: list[Scope]
    expires_at: Timestamp | None
    last_used_at: Timestamp | None
    """Accurate to the minute."""
    created_at: Timestamp


class CreatedApiKey(ApiKeyView):
    """A new API key with its text, which is shown only once."""

    key: str


class DeletedApiKey(View):
    """The revoked key."""

    id: UUID
    deleted: Literal[True] = True
