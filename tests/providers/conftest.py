"""Providers over settings that a test writes down, and a way to ask them once."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stepiq.core.settings import model as core_settings
from stepiq.core.settings.model import Settings
from stepiq.providers.base import (
    CallProgress,
    Delta,
    Finished,
    Message,
    Model,
    ModelRequest,
    ProviderError,
)
from stepiq.providers.registry import Providers
from tests.execution.conftest import fake_provider
from tests.support.anthropic_server import AnthropicServer
from tests.support.chat_server import CompatibleServer, MistralServer, ZaiServer
from tests.support.fake_provider import RunningFakeProvider
from tests.support.gemini_server import GeminiServer
from tests.support.vendor_server import VendorServer

__all__ = ["fake_provider"]

KEY = "sk-proj-4f7Qm2ZxLkT9vB8cR1nS6wYd3eH5gJ0a"
STRICT = {
    "type": "object",
    "properties": {"score": {"type": "integer"}},
    "required": ["score"],
    "additionalProperties": False,
}
"""A schema that OpenAI guarantees."""

Configure = Callable[..., Providers]


@pytest.fixture
async def configured(tmp_path: Path) -> AsyncIterator[Configure]:
    """Make providers from settings given by name; `endpoints` as in the config file."""
    made: list[Providers] = []

    def make(**values: Any) -> Providers:
        providers = Providers(settings_with(tmp_path, **values))
        made.append(providers)
        return providers

    yield make
    for providers in made:
        await providers.close()


def settings_with(folder: Path, **values: Any) -> Settings:
    return core_settings.load(data_dir=folder, config_file=folder / "stepiq.toml", **values)


@pytest.fixture
def openai(configured: Configure, fake_provider: RunningFakeProvider) -> Model:
    """`openai/gpt-4o` with a key, served by the fake provider."""
    providers = configured(openai_api_key=KEY, openai_base_url=fake_provider.url)
    return providers.resolve("openai/gpt-4o")


def request(prompt: str = "Say hello.", **fields: Any) -> ModelRequest:
    return ModelRequest(messages=(Message.of_text("user", prompt),), **fields)


@dataclass
class Spoken:
    """One maker's server and its model."""

    vendor: str
    server: VendorServer
    model: Model
    providers: Providers


SERVERS: dict[str, tuple[type[VendorServer], str]] = {
    "anthropic": (AnthropicServer, "claude-haiku-4-5"),
    "google": (GeminiServer, "gemini-2.5-flash"),
    "mistral": (MistralServer, "mistral-small-latest"),
    "zai": (ZaiServer, "glm-4.5-air"),
}


@asynccontextmanager
async def speaking(vendor: str, configured: Configure) -> AsyncIterator[Spoken]:
    """A running server of that maker, configured with a key, and its usual model."""
    make, name = SERVERS[vendor]
    server = make()
    async with server.running():
        url = f"{server.url}/api/paas/v4" if vendor == "zai" else server.url
        providers = configured(**{f"{vendor}_api_key": KEY, f"{vendor}_base_url": url})
        yield Spoken(vendor, server, providers.resolve(f"{vendor}/{name}"), providers)


@pytest.fixture(params=list(SERVERS))
async def spoken(request: pytest.FixtureRequest, configured: Configure) -> AsyncIterator[Spoken]:
    """Each maker in turn."""
    async with speaking(request.param, configured) as each:
        yield each


async def failure(model: Model, **fields: Any) -> ProviderError:
    """How a call fails."""
    with pytest.raises(ProviderError) as caught:
        await ask(model, **fields)
    return caught.value


async def ask(model: Model, progress: CallProgress | None = None, **fields: Any) -> Finished:
    """One whole answer."""
    items = [item async for item in model.stream(request(**fields), progress)]
    last = items[-1]
    assert isinstance(last, Finished)
    assert last.text == "".join(item.text for item in items if isinstance(item, Delta))
    return last


@pytest.fixture
async def server() -> AsyncIterator[CompatibleServer]:
    server = CompatibleServer()
    async with server.running():
        yield server


@pytest.fixture
def model(configured: Configure, server: CompatibleServer) -> Model:
    return configured(endpoints={"mine": {"base_url": server.url}}).resolve("mine/llama")
