"""Environment variables, the config file, and the installation."""

import asyncio
from urllib.parse import urlsplit

from stepiq.accounts.oidc.documents import provider_client
from stepiq.accounts.oidc.errors import SignInFailed, SignInFailure
from stepiq.accounts.oidc.http import callback_url
from stepiq.accounts.oidc.provider import IdentityProvider
from stepiq.core.errors import StepIQError
from stepiq.core.settings import model as settings
from stepiq.core.settings.model import RegistrationPolicy, Settings
from stepiq.execution.handlers import unusable_handlers
from stepiq.execution.limits.plans import Plans
from stepiq.language.definitions.step_types import (
    InstallationIncomplete,
    StepTypeConflict,
    packages,
    unusable_types,
)
from stepiq.providers.registry import Providers
from stepiq.server.checks.check import Check, failed, fatal, ok, warning


async def check_settings(configured: Settings) -> list[Check]:
    """The names of the given settings, without values because some are secrets, and unknown variables."""
    given = sorted(
        settings.variable_name(field)
        for field in configured.model_fields_set - {"endpoints", "plans"}
    )
    file = configured.config_file.absolute()
    from_file = f"; {file} is read" if file.exists() else ""
    found = [ok("settings", f"{', '.join(given) or 'all at their defaults'}{from_file}")]
    for name, nearest in settings.unknown_variables(configured).items():
        advice = f"Did you mean {nearest}?" if nearest else "Remove it, or correct its name."
        found.append(
            warning("settings", f"{name} is set, but this setting does not exist.", advice)
        )
    return found


async def check_step_types(_: Settings) -> list[Check]:
    """Whether the step types that are installed can be used."""
    try:
        installed = packages()
    except (InstallationIncomplete, StepTypeConflict) as error:
        return [fatal("step types", error)]
    failures = {
        name: reason
        for module in (unusable_handlers(), unusable_types())
        for name, reason in module.items()
    }
    usable = [
        name if package.is_built_in else f"{name} ({package.distribution})"
        for name, package in sorted(installed.items())
        if name not in failures
    ]
    return [
        ok("step types", ", ".join(usable)),
        *(
            failed(
                "step types",
                f"The package {installed[name].distribution} of the step type `{name}` has an error. {reason}",
                "Install it in a version that fits this server, or uninstall it.",
            )
            for name, reason in failures.items()
        ),
    ]


async def check_accounts(settings: Settings) -> list[Check]:
    """Whether the plans are valid, and whether open registration allows unlimited spending."""
    try:
        plans = Plans.load(settings.plans)
        plan = plans.require(settings.default_plan)
    except StepIQError as error:
        return [fatal("plans", error)]
    found = [ok("plans", f"{', '.join(plans.names())}; new accounts get {plan.name}")]
    is_open = settings.registration is RegistrationPolicy.OPEN
    if is_open and plan.credits_per_month is None and (paid := await _paid_by_server(settings)):
        found.append(
            warning(
                "registration",
                f"Anyone who can reach {settings.base_url} can register and use the server's key of {paid} without limit.",
                "Set STEPIQ_REGISTRATION to `invite`, or STEPIQ_DEFAULT_PLAN to a plan with limits, such as `free`.",
            )
        )
    return found


async def _paid_by_server(settings: Settings) -> str:
    providers = Providers(settings)
    try:
        found = [
            info.name
            for info in providers.describe()
            if info.usable and info.source == "server_key"
        ]
    finally:
        await providers.close()
    return ", ".join(found)


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
