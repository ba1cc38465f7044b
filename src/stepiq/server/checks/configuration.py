"""Environment variables, the config file, the installation, providers of identities and of models."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from stepiq.accounts.oidc.documents import provider_client
from stepiq.accounts.oidc.errors import SignInFailed, SignInFailure
from stepiq.accounts.oidc.http import callback_url
from stepiq.accounts.oidc.provider import IdentityProvider
from stepiq.core.errors import StepIQError
from stepiq.core.settings import model as settings
from stepiq.core.settings.errors import SettingsInvalid
from stepiq.core.settings.model import RegistrationPolicy, Settings
from stepiq.execution.handlers import unusable_handlers
from stepiq.execution.limits.plans import Plans
from stepiq.language.definitions.step_types import (
    InstallationIncomplete,
    StepTypeConflict,
    packages,
    unusable_types,
)
from stepiq.providers.base import ProviderError
from stepiq.providers.local.weights import weights_path, weights_present
from stepiq.providers.registry import (
    PROBE_SECONDS,
    ModelUnknown,
    ModelUnusable,
    ProviderInfo,
    Providers,
)
from stepiq.server.checks.check import LOOPBACK, Check, failed, fatal, note, ok, warning


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
    failures: dict[str, str] = {}
    # The code of built-in types is imported when it is first needed.
    if not all(package.is_built_in for package in installed.values()):
        failures = {**unusable_handlers(), **unusable_types()}
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
    async with _providers(settings) as providers:
        return ", ".join(
            info.name
            for info in providers.describe()
            if info.usable and info.source == "server_key"
        )


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
        return list(await asyncio.gather(*[_check_identity_provider(each) for each in providers]))


async def _check_identity_provider(provider: IdentityProvider) -> Check:
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
    if issuer.scheme == "http" and issuer.hostname not in LOOPBACK:
        advice = "Use https: someone who can change the traffic could sign in as anybody."
        return warning(name, f"{provider.label} is called without TLS.", advice)
    is_open = provider.settings.create_accounts and not provider.settings.allowed_domains
    if is_open and provider.settings.issuer in _FOR_EVERYBODY:
        advice = f"Set `allowed_domains` or `create_accounts = false` in [oidc.{provider.name}]."
        return warning(name, f"Everyone with an account at {provider.label} can sign in.", advice)
    return ok(name, detail)


async def check_providers(settings: Settings) -> list[Check]:
    """Call every configured provider."""
    try:
        async with _providers(settings) as providers:
            asked = [_check_provider(providers, settings, info) for info in providers.describe()]
            return await asyncio.gather(*asked)
    except SettingsInvalid:
        # The next check reports it.
        return []


async def check_default_model(settings: Settings) -> list[Check]:
    """Which model the steps without `model` use. Calls no provider."""
    try:
        async with _providers(settings) as providers:
            model = providers.default_model()
    except SettingsInvalid as error:
        return [fatal("providers", error)]
    except ModelUnusable as error:
        advice = "Until you fix this, steps without `model` fail."
        if not isinstance(error, ModelUnknown):
            advice += " Only accounts that store a provider key as a secret can run them."
        return [failed("default model", error.message, advice)]
    return [ok("default model", f"{model.id}, for steps without `model`")]


@asynccontextmanager
async def _providers(settings: Settings) -> AsyncGenerator[Providers]:
    providers = Providers(settings)
    try:
        yield providers
    finally:
        await providers.close()


async def _check_provider(providers: Providers, settings: Settings, info: ProviderInfo) -> Check:
    name = f"provider {info.id}"
    if info.id == "local":
        return _check_local(name, settings, info)
    if not info.usable:
        return note(name, "not configured", info.reason or "")
    try:
        models = await providers.probe(info.id)
    except TimeoutError:
        detail = f"{info.name} did not respond within {PROBE_SECONDS:g} s."
        return failed(name, detail, "Check the network, or try again.")
    except ProviderError as error:
        return failed(name, error.message, "Until you fix this, steps that use its models fail.")
    return ok(name, f"{info.name} responds and offers {len(models)} models")


def _check_local(name: str, settings: Settings, info: ProviderInfo) -> Check:
    if not info.usable:
        return note(name, "not installed", info.reason or "")
    if weights_present(settings.cache_path):
        return ok(name, f"weights in {weights_path(settings.cache_path)}")
    return note(
        name,
        "the weights are not on this machine yet",
        "The first step that uses the local model fetches them (98 MB).",
    )
