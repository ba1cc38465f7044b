"""Identities in Python."""

from dataclasses import dataclass
from uuid import UUID

from stepiq.accounts.oidc.errors import SignInFailure
from stepiq.core.settings.oidc import OidcSettings


@dataclass(frozen=True, slots=True)
class Connected:
    """An identity that is connected to an account."""

    id: UUID
    user_id: UUID
    email: str
    """The address of the account."""
    provider: str
    """Name of the provider in the settings."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A provider, and what the operator has decided about it."""

    provider: str
    settings: OidcSettings


@dataclass(frozen=True, slots=True)
class Refused:
    """The person cannot sign in. The transaction must be committed, because it removes what they no longer have."""

    failure: SignInFailure
    reason: str
