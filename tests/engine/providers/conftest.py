"""Providers over settings that a test writes down, and a way to ask them once."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from stepiq.core import settings as core_settings
from stepiq.core.settings import Settings
from stepiq.engine.providers.base import Delta, Finished, Message, Model, ModelRequest, Progress
from stepiq.engine.providers.registry import Providers
from tests.support.fake_provider import RunningFakeProvider

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
    return ModelRequest(messages=(Message("user", prompt),), **fields)


async def ask(model: Model, progress: Progress | None = None, **fields: Any) -> Finished:
    """One whole answer."""
    items = [item async for item in model.stream(request(**fields), progress)]
    last = items[-1]
    assert isinstance(last, Finished)
    assert last.text == "".join(item.text for item in items if isinstance(item, Delta))
    return last
