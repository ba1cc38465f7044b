"""Models: which providers answer, and what a step gets that names none."""

import asyncio

from stepiq.cli.checks.check import Check, failed, note, ok
from stepiq.core.settings import Settings
from stepiq.engine.providers.base import ProviderError
from stepiq.engine.providers.local_weights import weights_path, weights_present
from stepiq.engine.providers.registry import ModelUnusable, ProviderInfo, Providers

_PATIENCE_SECONDS = 10


async def check_providers(settings: Settings) -> list[Check]:
    """Every provider that could be used here, and the default model."""
    providers = Providers(settings)
    try:
        asked = [_check(providers, settings, info) for info in providers.describe()]
        found = [check for check in await asyncio.gather(*asked) if check is not None]
        return [*found, _check_default(providers)]
    finally:
        await providers.close()


async def _check(providers: Providers, settings: Settings, info: ProviderInfo) -> Check | None:
    name = f"provider {info.id}"
    if info.id == "local":
        return _check_local(name, settings, info)
    if not info.usable:
        # A vendor that this version does not speak to is nothing that anybody here could set.
        return note(name, "not configured", info.reason or "") if _can_be_set(info) else None
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            models = await providers.probe(info.id)
    except TimeoutError:
        detail = f"{info.name} did not answer within {_PATIENCE_SECONDS} s."
        return failed(name, detail, "Check the network, or try again.")
    except ProviderError as error:
        return failed(name, error.message, "Steps that ask its models fail until then.")
    return ok(name, f"{info.name} answers and offers {len(models)} models")


def _can_be_set(info: ProviderInfo) -> bool:
    return "not supported" not in (info.reason or "")


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


def _check_default(providers: Providers) -> Check:
    try:
        model = providers.default_model()
    except ModelUnusable as error:
        return failed("default model", error.message, "Steps that name no model fail until then.")
    return ok("default model", f"{model.id}, for steps that name none")
