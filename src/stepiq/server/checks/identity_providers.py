"""The identity providers of single sign-on."""

import asyncio
from urllib.parse import urlsplit

from stepiq.accounts.oidc.documents import provider_client
from stepiq.accounts.oidc.errors import SignInFailed, SignInFailure
from stepiq.accounts.oidc.http import callback_url
from stepiq.accounts.oidc.provider import IdentityProvider
from stepiq.core.settings.model import Settings
from stepiq.server.checks.check import Check, failed, ok, warning

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_FOR_EVERYBODY = frozenset({"https://accounts.google.com"})
"""Issuers at which anyone can get an account."""


async def check_identity_providers(settings: Settings) -> list[Check]:
    """Fetch the documents of every configured provider, and compare the issuers."""
    if not settings.identity_providers:
        return []
    async with provider_client() as http:
        providers = [
            IdentityProvider(name, each, http, callback_url(settings, name))
            for name, each in settings.identity_providers.items()
        ]
        return list(await asyncio.gather(*[_check(each) for each in providers]))


async def _check(provider: IdentityProvider) -> Check:
    name = f"sign-in {provider.name}"
    issuer = urlsplit(provider.settings.issuer)
    try:
        await provider.check()
    except SignInFailed as failure:
        advice = (
            f"Correct [oidc.{provider.name}]. Sign-in with this provider does not work until then."
        )
        if failure.failure is SignInFailure.PROVIDER_UNREACHABLE:
            advice = "Check the network and `issuer`. Sign-in with this provider does not work until then."
        return failed(name, f"{provider.label}: {failure.reason.removesuffix('.')}.", advice)
    detail = f"{provider.label} responds. Its redirect URI is {provider.redirect_uri}"
    if issuer.scheme == "http" and issuer.hostname not in _LOOPBACK:
        advice = "Use https: someone who can change the traffic could sign in as anybody."
        return warning(name, f"{provider.label} is called without TLS.", advice)
    is_open = provider.settings.create_accounts and not provider.settings.allowed_domains
    if is_open and provider.settings.issuer in _FOR_EVERYBODY:
        advice = f"Set `allowed_domains` or `create_accounts = false` in [oidc.{provider.name}]."
        return warning(name, f"Everyone with an account at {provider.label} can sign in.", advice)
    return ok(name, detail)
