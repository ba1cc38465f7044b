"""The services of this process for sign-in with OpenID Connect."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

from fastapi import Depends

from stepiq.accounts.oidc.documents import provider_client
from stepiq.accounts.oidc.pending import PendingSignIns
from stepiq.accounts.oidc.provider import IdentityProvider
from stepiq.core.http import GuardedClient
from stepiq.core.settings.model import Settings
from stepiq.web.limits import Limiter
from stepiq.web.services import AppKey

A_MINUTE = 120
"""Maximum starts and returns of sign-ins per minute and client. A company can share one address."""
PATH = "/auth/oidc/{provider}"


@dataclass(frozen=True)
class OidcServices:
    """The configured providers, and the sign-ins in progress."""

    providers: Mapping[str, IdentityProvider]
    pending: PendingSignIns
    http: GuardedClient
    requests: Limiter = field(default_factory=lambda: Limiter(A_MINUTE, timedelta(minutes=1)))
    """Counts starts and returns, by client."""

    @classmethod
    def build(cls, settings: Settings, jwt_secret: bytes) -> "OidcServices":
        """Create the services without calling a provider."""
        http = provider_client()
        providers = {
            name: IdentityProvider(name, each, http, callback_url(settings, name))
            for name, each in settings.identity_providers.items()
        }
        return cls(providers, PendingSignIns(jwt_secret, settings.base_url), http)

    def label(self, provider: str) -> str:
        """The name of a provider for people, also if it is no longer configured."""
        found = self.providers.get(provider)
        return provider if found is None else found.label

    async def close(self) -> None:
        """Close all connections to providers."""
        await self.http.close()


OIDC = AppKey[OidcServices]("oidc")
OidcDep = Annotated[OidcServices, Depends(OIDC)]


def start_path(provider: str) -> str:
    """The path that starts a sign-in."""
    return f"/api{PATH.format(provider=provider)}/start"


def callback_url(settings: Settings, provider: str) -> str:
    """The URL to register at the provider."""
    return f"{settings.base_url}/api{PATH.format(provider=provider)}/callback"
