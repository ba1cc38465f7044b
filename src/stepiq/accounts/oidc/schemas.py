"""Shapes of identity providers and identities in the API."""

from typing import Literal
from uuid import UUID

from stepiq.web.bodies import Timestamp, View


class IdentityProviderView(View):
    """A provider that people can sign in with."""

    id: str
    name: str
    start_path: str
    """Open it in a browser to sign in."""


class IdentityProvidersView(View):
    """The providers of this server."""

    data: list[IdentityProviderView]
    needs_setup: bool
    """Whether the server has no account yet. The first one must be created before anyone can sign in."""


class IdentityView(View):
    """An identity that can sign in to the account."""

    id: UUID
    provider: str
    """Id of the provider."""
    provider_name: str
    email: str | None
    """The address that the provider sent at the last sign-in."""
    created_at: Timestamp
    last_used_at: Timestamp
    suspended: bool
    """Whether a reset of the password has suspended it, until it is connected again."""


class IdentitiesView(View):
    """The identities of an account."""

    data: list[IdentityView]
    has_password: bool
    """Whether the account can also sign in with a password."""


class DisconnectedIdentityView(View):
    """The disconnected identity."""

    id: UUID
    deleted: Literal[True] = True
