"""Providers and the default model."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from stepiq.core.settings.errors import SettingsInvalid
from stepiq.core.settings.model import Settings
from stepiq.providers.base import ProviderError
from stepiq.providers.local.weights import weights_path, weights_present
from stepiq.providers.registry import (
    PROBE_SECONDS,
    ModelUnknown,
    ModelUnusable,
    ProviderInfo,
    Providers,
)
from stepiq.server.checks.check import Check, failed, fatal, note, ok


async def check_providers(settings: Settings) -> list[Check]:
    """Call every configured provider."""
    try:
        async with _providers(settings) as providers:
            asked = [_check(providers, settings, info) for info in providers.describe()]
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


async def _check(providers: Providers, settings: Settings, info: ProviderInfo) -> Check:
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
