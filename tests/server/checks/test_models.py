import asyncio
import socket
from collections.abc import Iterable
from pathlib import Path

import pytest

from stepiq.core.settings.model import Settings, load
from stepiq.providers import registry
from stepiq.providers.local.weights import weights_path
from stepiq.server.checks import Status
from stepiq.server.checks.configuration import check_default_model, check_providers
from tests.server.checks.conftest import named
from tests.support.anthropic_server import AnthropicServer
from tests.support.fake_provider import RunningFakeProvider


class TestCheckProviders:
    async def test_a_provider_that_answers_tells_its_models(
        self, folder: Path, provider: RunningFakeProvider
    ):
        settings = load(openai_base_url=provider.url, openai_api_key="sk-ours-123456")

        found = await check_providers(settings)

        assert named(found, "provider openai").detail == "OpenAI responds and offers 2 models"
        (default,) = await check_default_model(settings)
        assert default.detail.startswith("openai/gpt-4o-mini")

    async def test_a_refused_key_fails_without_being_repeated(
        self, folder: Path, provider: RunningFakeProvider
    ):
        provider.configure(api_key="sk-right")
        settings = load(openai_base_url=provider.url, openai_api_key="sk-wrong-0123456789")

        found = named(await check_providers(settings), "provider openai")

        assert found.status is Status.FAILED
        assert "OPENAI_API_KEY" in found.detail
        assert "0123456789" not in found.detail

    async def test_a_provider_that_does_not_answer_in_time_fails(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(registry, "PROBE_SECONDS", 0.2)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
            settings = load(openai_base_url=url, openai_api_key="sk-ours-123456")

            found = named(await check_providers(settings), "provider openai")

        assert found.status is Status.FAILED
        assert "did not respond within" in found.detail

    @pytest.mark.parametrize(
        ("provider", "variable"),
        [
            ("ollama", "OLLAMA_BASE_URL"),
            ("anthropic", "ANTHROPIC_API_KEY"),
            ("google", "GOOGLE_API_KEY"),
            ("mistral", "MISTRAL_API_KEY"),
            ("zai", "ZAI_API_KEY"),
        ],
    )
    async def test_what_could_be_set_is_noted(self, here: Settings, provider: str, variable: str):
        found = named(await check_providers(here), f"provider {provider}")

        assert found.status is Status.NOTE
        assert variable in found.advice

    async def test_every_maker_is_asked_in_its_own_protocol(self, folder: Path):
        server = AnthropicServer()
        async with server.running():
            settings = load(anthropic_base_url=server.url, anthropic_api_key="sk-ant-ours-123456")

            found = await check_providers(settings)

        told = named(found, "provider anthropic")
        assert told.detail == "Anthropic responds and offers 2 models"
        (default,) = await check_default_model(settings)
        assert default.detail.startswith("anthropic/claude-haiku-5-5")

    async def test_loading_a_library_does_not_count_as_waiting_for_the_provider(
        self, folder: Path, provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        loaded: list[str] = []

        async def load_slowly(libraries: Iterable[str]) -> None:
            for _ in range(3):
                await asyncio.sleep(0)
            loaded.extend(libraries)

        monkeypatch.setattr(registry, "_load", load_slowly)
        monkeypatch.setattr(registry, "PROBE_SECONDS", 0)

        await check_providers(
            load(anthropic_base_url=provider.url, anthropic_api_key="sk-ours-123456")
        )

        assert loaded

    async def test_it_says_whether_the_weights_of_the_local_model_are_here(
        self, here: Settings, tmp_path: Path
    ):
        settings = here.model_copy(update={"cache_dir": tmp_path})
        missing = named(await check_providers(settings), "provider local")
        with weights_path(tmp_path).open("wb") as file:
            file.truncate(98_362_432)
        present = named(await check_providers(settings), "provider local")

        assert (missing.status, present.status) == (Status.NOTE, Status.OK)
        assert str(weights_path(tmp_path)) in present.detail

    async def test_without_the_library_there_is_no_default_model(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(
            "stepiq.providers.sources.local_unavailable", lambda: "It is not installed."
        )

        found = await check_providers(load())

        assert named(found, "provider local").status is Status.NOTE
        (default,) = await check_default_model(load())
        assert default.status is Status.FAILED
        assert default.advice.startswith("Until you fix this, steps without `model` fail. Only")

    async def test_no_key_helps_a_default_model_that_is_unknown(self, folder: Path):
        (default,) = await check_default_model(load(default_model="gpt5"))

        assert default.status is Status.FAILED
        assert default.advice == "Until you fix this, steps without `model` fail."
