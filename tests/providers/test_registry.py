import subprocess
import sys
from pathlib import Path

import pytest

from stepiq.core.settings.environment import environment
from stepiq.core.settings.errors import SettingsInvalid
from stepiq.providers import catalogue
from stepiq.providers.base import Cost, ProviderError, Usage
from stepiq.providers.registry import ModelUnknown, ProviderNotConfigured, Providers
from stepiq.providers.vendors import VENDORS
from tests.providers.conftest import KEY, Configure, ask, settings_with
from tests.support.fake_provider import RunningFakeProvider

GROQ = {
    "base_url": "https://api.groq.com/openai/v1",
    "models": ["llama-3.3-70b-versatile", "meta-llama/llama-4"],
}


WARM = """
import asyncio, sys
from stepiq.core.settings.model import load
from stepiq.providers import catalogue
from stepiq.providers.registry import Providers

before = set(sys.modules)
asyncio.run(Providers(load()).warm())
assert catalogue.find("openai", "gpt-4o") is not None
print(*sys.modules.keys() - before)
"""


@pytest.fixture
def providers(configured: Configure) -> Providers:
    return configured(
        openai_api_key=KEY,
        ollama_base_url="http://127.0.0.1:11434",
        endpoints={"groq": GROQ, "mine": {"base_url": "http://10.0.0.1/v1/"}},
    )


class TestResolve:
    @pytest.mark.parametrize(
        ("written", "full"),
        [
            ("gpt-4o", "openai/gpt-4o"),
            ("gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06"),
            ("openai/gpt-4o", "openai/gpt-4o"),
            ("openai/ft:gpt-4o:acme", "openai/ft:gpt-4o:acme"),
            ("ollama/llama3.2", "ollama/llama3.2"),
            ("ollama/hf.co/acme/model:Q4", "ollama/hf.co/acme/model:Q4"),
            ("local/smollm2-135m", "local/smollm2-135m"),
            ("smollm2-135m", "local/smollm2-135m"),
            ("groq/llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile"),
            ("llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile"),
            ("meta-llama/llama-4", "groq/meta-llama/llama-4"),
            ("mine/anything", "mine/anything"),
        ],
    )
    def test_ids_are_bare_dated_or_with_their_provider(
        self, providers: Providers, written: str, full: str
    ):
        model = providers.resolve(written)

        assert model.id == full
        assert f"{model.provider}/{model.name}" == full

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("gpt-4o-min", "openai/gpt-4o-mini"),
            ("gtp-4o", "openai/gpt-4o"),
            ("opnai/gpt-4o", "openai/gpt-4o"),
            ("claude-sonet-4-5", "anthropic/claude-sonnet-4-5"),
            ("llama-3.3-70b", "groq/llama-3.3-70b-versatile"),
        ],
    )
    def test_an_unknown_id_gets_suggestions(self, providers: Providers, written: str, meant: str):
        with pytest.raises(ModelUnknown) as caught:
            providers.resolve(written)

        assert caught.value.failure == "model_unknown"
        assert f"`{written}`" in caught.value.message
        assert f"Did you mean `{meant}`" in caught.value.message

    def test_an_unknown_provider_gets_the_providers_and_how_to_add_one(self, providers: Providers):
        with pytest.raises(ModelUnknown) as caught:
            providers.resolve("azure/gpt-4o")

        message = caught.value.message
        assert message.startswith("Provider `azure` of model `azure/gpt-4o` does not exist.")
        assert "Did you mean `openai/gpt-4o`" in message
        assert "The providers are `openai`, " in message
        assert "add `[endpoints.NAME]` to `stepiq.toml`" in message

    def test_the_local_model_has_one_name(self, configured: Configure):
        with pytest.raises(ModelUnknown) as caught:
            configured().resolve("local/nope")

        assert caught.value.message == (
            "Model `local/nope` does not exist. The local model is `local/smollm2-135m`."
        )

    @pytest.mark.parametrize("written", ["", "zzz", "/", "nobody/x", "x" * 5000])
    def test_an_id_like_nothing_gets_the_providers(self, providers: Providers, written: str):
        with pytest.raises(ModelUnknown, match="`zai`, `groq`, `mine`, `ollama`, `local`") as e:
            providers.resolve(written)

        assert len(e.value.message) < 500

    def test_a_missing_key_names_its_setting(self, configured: Configure):
        with pytest.raises(ProviderNotConfigured, match="Set `OPENAI_API_KEY`") as caught:
            configured().resolve("gpt-4o")

        assert caught.value.failure == "provider_auth"

    def test_a_missing_key_of_an_endpoint_names_its_variable(self, configured: Configure):
        endpoint = {"base_url": "https://api.groq.com/openai/v1", "api_key_env": "NO_SUCH_KEY"}

        with pytest.raises(ProviderNotConfigured, match="Set `NO_SUCH_KEY`"):
            configured(endpoints={"groq": endpoint}).resolve("groq/llama")

    def test_a_missing_address_names_its_setting(self, configured: Configure):
        with pytest.raises(ProviderNotConfigured, match="Set `OLLAMA_BASE_URL`"):
            configured().resolve("ollama/llama3.2")

    @pytest.mark.parametrize(
        ("written", "variable"),
        [
            ("claude-sonnet-4", "ANTHROPIC_API_KEY"),
            ("google/gemini-2.5-flash", "GOOGLE_API_KEY"),
            ("mistral-small-latest", "MISTRAL_API_KEY"),
            ("zai/glm-5.3", "ZAI_API_KEY"),
        ],
    )
    def test_every_maker_has_a_key_of_its_own(
        self, providers: Providers, written: str, variable: str
    ):
        with pytest.raises(ProviderNotConfigured, match=f"Set `{variable}` .* secret `{variable}`"):
            providers.resolve(written)

    @pytest.mark.parametrize("vendor", ["openai", "anthropic", "google", "mistral", "zai"])
    def test_a_server_of_ones_own_needs_no_key(self, configured: Configure, vendor: str):
        providers = configured(**{f"{vendor}_base_url": "http://127.0.0.1:1/v1"})

        assert not providers.resolve(f"{vendor}/any").is_paid_by_server

    def test_a_built_in_name_cannot_be_taken(self, tmp_path: Path):
        settings = settings_with(tmp_path, endpoints={"ollama": {"base_url": "http://x"}})

        with pytest.raises(SettingsInvalid, match=r"endpoints\.ollama"):
            Providers(settings)


class TestCheck:
    @pytest.mark.parametrize(
        "model_id", ["gpt-4o", "openai/gpt-4o-2024-08-06", "ollama/whatever", "local/smollm2-135m"]
    )
    def test_what_will_work_is_fine(self, providers: Providers, model_id: str):
        assert providers.check(model_id) == []

    def test_an_unknown_id_is_an_error(self, providers: Providers):
        [issue] = providers.check("gpt-4o-min")

        assert (issue.severity, issue.code) == ("error", "model_unknown")
        assert "`openai/gpt-4o-mini`" in issue.message

    def test_a_model_that_cannot_be_used_here_is_a_warning(self, configured: Configure):
        [issue] = configured().check("gpt-4o")

        assert (issue.severity, issue.code) == ("warning", "model_not_usable")
        assert "OPENAI_API_KEY" in issue.message

    @pytest.mark.parametrize("model_id", ["openai/gpt-99", "mine/anything", "groq/other"])
    def test_a_name_the_catalogue_lacks_is_a_warning(self, providers: Providers, model_id: str):
        [issue] = providers.check(model_id)

        assert (issue.severity, issue.code) == ("warning", "model_not_in_catalog")

    def test_a_misspelled_name_is_corrected(self, providers: Providers):
        [issue] = providers.check("openai/gpt-4o-mnii")

        assert "is not in the catalog. Did you mean `openai/gpt-4o-mini`?" in issue.message

    def test_a_name_the_catalogue_lacks_is_also_reported_without_a_key(self, configured: Configure):
        issues = configured().check("openai/gpt-4p")

        assert [each.code for each in issues] == ["model_not_usable", "model_not_in_catalog"]

    @pytest.mark.parametrize("default", ["openai/gpt-4o", "gpt-4x"])
    def test_a_problem_of_the_default_model_is_a_warning(self, configured: Configure, default: str):
        [issue] = configured(default_model=default).check(None)

        assert issue.severity == "warning"
        assert issue.message.startswith(f"STEPIQ_DEFAULT_MODEL: Model `{default}`")

    def test_without_a_default_model_there_is_no_warning(self, configured: Configure):
        assert configured().check(None) == []

    @pytest.mark.parametrize(
        ("model_id", "advice"),
        [
            ("gpt-4o", "Set `OPENAI_API_KEY` to a key of your OpenAI account."),
            ("ollama/a", "Set `OLLAMA_BASE_URL` to your Ollama server, such as http://127.0.0.1:11434."),
            ("mine/a", "Set `MINE_KEY` to its key."),
        ],
    )  # fmt: skip
    def test_without_a_server_no_advice_mentions_a_restart(
        self, tmp_path: Path, model_id: str, advice: str
    ):
        endpoints = {"mine": {"base_url": "http://x", "api_key_env": "MINE_KEY", "models": ["a"]}}
        providers = Providers(settings_with(tmp_path, endpoints=endpoints), is_server=False)

        [issue] = providers.check(model_id)

        assert issue.message.endswith(f"cannot be used here yet. {advice}")


class TestDefaultModel:
    def test_the_setting_goes_first(self, configured: Configure):
        providers = configured(
            default_model="ollama/llama3.2", ollama_base_url="http://x", openai_api_key=KEY
        )

        assert providers.default_model().id == "ollama/llama3.2"

    def test_a_useless_setting_is_named(self, configured: Configure):
        with pytest.raises(ModelUnknown, match=r"^STEPIQ_DEFAULT_MODEL: Model `gpt-4x`"):
            configured(default_model="gpt-4x").default_model()

    def test_then_openai_with_its_small_model(self, providers: Providers):
        assert providers.default_model().id == "openai/gpt-4o-mini"

    @pytest.mark.parametrize(
        ("keys", "chosen"),
        [
            (["zai", "mistral", "google", "anthropic"], "anthropic/claude-haiku-5-5"),
            (["zai", "mistral", "google"], "google/gemini-3.1-flash-lite"),
            (["zai", "mistral"], "mistral/mistral-small-latest"),
            (["zai"], "zai/glm-5.3-flash"),
        ],
    )
    def test_then_the_other_makers_before_endpoints(
        self, configured: Configure, keys: list[str], chosen: str
    ):
        set_up = {f"{vendor}_api_key": KEY for vendor in keys}

        assert configured(endpoints={"groq": GROQ}, **set_up).default_model().id == chosen

    def test_every_small_model_has_a_price(self, configured: Configure):
        set_up = {f"{vendor.id}_api_key": KEY for vendor in VENDORS}
        providers = configured(**set_up)

        assert [vendor.id for vendor in VENDORS] == list(catalogue.VENDORS)
        for vendor in VENDORS:
            model = providers.resolve(f"{vendor.id}/{vendor.small_model}")
            assert model.cost(Usage(1000, 0, 0)) is not None

    def test_then_endpoints_in_their_order(self, configured: Configure):
        endpoints = {
            "nameless": {"base_url": "http://a"},
            "second": {"base_url": "http://b", "models": ["big"], "small_model": "small"},
            "third": {"base_url": "http://c", "models": ["other"]},
        }

        assert configured(endpoints=endpoints).default_model().id == "second/small"

    def test_then_the_local_model(self, configured: Configure):
        assert configured(ollama_base_url="http://x").default_model().id == "local/smollm2-135m"

    def test_nothing_at_all_says_what_can_be_set(
        self, configured: Configure, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)

        with pytest.raises(ProviderNotConfigured, match=r"OPENAI_API_KEY.*pip install .*xllamacpp"):
            configured().default_model()


class TestCost:
    USAGE = Usage(input_tokens=1000, cached_tokens=400, output_tokens=101)

    def test_input_cached_and_output_are_apart(self, providers: Providers):
        cost = providers.resolve("gpt-4o").cost(self.USAGE)

        assert cost == Cost(1500, 500, 1010)
        assert cost is not None
        assert cost.total_usd_micros == 3010

    def test_halves_are_rounded_up(self, providers: Providers):
        cost = providers.resolve("gpt-4o-mini").cost(Usage(10, 0, 0))

        assert cost == Cost(2, 0, 0)

    @pytest.mark.parametrize("model_id", ["ollama/llama3.2", "local/smollm2-135m"])
    def test_what_runs_at_home_is_free(self, providers: Providers, model_id: str):
        assert providers.resolve(model_id).cost(self.USAGE) == Cost(0, 0, 0)

    def test_an_endpoint_has_the_prices_of_who_is_behind_its_url(self, providers: Providers):
        cost = providers.resolve("groq/llama-3.3-70b-versatile").cost(self.USAGE)

        assert cost is not None
        assert cost.input_usd_micros > 0

    @pytest.mark.parametrize("model_id", ["mine/gpt-4o", "openai/gpt-99", "groq/own-model"])
    def test_an_unknown_price_is_null_and_no_guess(self, providers: Providers, model_id: str):
        assert providers.resolve(model_id).cost(self.USAGE) is None


class TestDescribe:
    def test_every_provider_says_whether_and_why_not(self, providers: Providers):
        by_id = {info.id: info for info in providers.describe()}

        assert list(by_id) == [
            "openai", "anthropic", "google", "mistral", "zai", "groq", "mine", "ollama", "local"
        ]  # fmt: skip
        assert (by_id["openai"].usable, by_id["openai"].source) == (True, "server_key")
        assert (by_id["ollama"].usable, by_id["ollama"].source) == (True, "local")
        assert (by_id["local"].usable, by_id["local"].source) == (True, "local")
        assert by_id["local"].models == ("local/smollm2-135m",)
        assert (by_id["anthropic"].usable, by_id["anthropic"].source) == (False, "none")
        assert by_id["anthropic"].reason is not None

    def test_only_a_servers_own_key_costs_credits(self, providers: Providers):
        assert providers.resolve("gpt-4o").is_paid_by_server
        assert not providers.resolve("ollama/llama3.2").is_paid_by_server


class TestModels:
    def test_a_known_model_has_window_price_and_abilities(self, providers: Providers):
        model = providers.model("gpt-4o")

        assert model is not None
        assert (model.id, model.provider, model.context_window) == (
            "openai/gpt-4o",
            "openai",
            128_000,
        )
        assert model.max_output_tokens == 16_384
        assert (model.input_usd_per_million, model.output_usd_per_million) == (2.5, 10.0)
        assert model.cached_input_usd_per_million == 1.25
        assert set(model.capabilities) == {"json", "streaming", "tools", "vision"}
        assert (model.usable, model.reason) == (True, None)

    def test_the_local_model_is_free(self, providers: Providers):
        model = providers.model("local/smollm2-135m")

        assert model is not None
        assert (model.input_usd_per_million, model.output_usd_per_million) == (0.0, 0.0)
        assert model.context_window == 4096

    def test_a_model_that_nobody_lists_has_nulls(self, providers: Providers):
        model = providers.model("mine/anything")

        assert model is not None
        assert (model.name, model.context_window, model.input_usd_per_million) == (
            "anything", None, None
        )  # fmt: skip
        assert providers.model("zzz") is None

    def test_the_list_has_each_model_once_and_all_of_them_can_be_looked_up(
        self, providers: Providers
    ):
        listed = providers.models()
        ids = [model.id for model in listed]

        assert len(ids) == len(set(ids))
        assert {"openai/gpt-4o", "groq/meta-llama/llama-4", "local/smollm2-135m"} <= set(ids)
        assert all(providers.model(model.id) == model for model in listed)

    def test_only_models_that_chat_are_listed(self, providers: Providers):
        names = " ".join(model.id for model in providers.models())

        for other in ("embedding", "whisper", "tts", "realtime", "image", "moderation"):
            assert other not in names


class TestProbe:
    async def test_it_asks_the_server(
        self, configured: Configure, fake_provider: RunningFakeProvider
    ):
        providers = configured(ollama_base_url=fake_provider.url)

        assert "gpt-4o" in await providers.probe("ollama")

    async def test_a_server_that_is_away_is_told(self, configured: Configure):
        with pytest.raises(ProviderError, match="OLLAMA_BASE_URL"):
            await configured(ollama_base_url="http://127.0.0.1:1").probe("ollama")

    @pytest.mark.parametrize("provider", ["openai", "nobody"])
    async def test_what_is_not_configured_is_not_asked(self, configured: Configure, provider: str):
        with pytest.raises(ProviderNotConfigured):
            await configured().probe(provider)


class TestLifetime:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "configured_by",
        [
            {"ANTHROPIC_API_KEY": KEY},
            {"GOOGLE_API_KEY": KEY},
            {"MISTRAL_API_KEY": KEY},
            {"OPENAI_API_KEY": KEY},
            {},
        ],
    )
    def test_warm_loads_the_price_list_and_no_library_of_a_provider(
        self, tmp_path: Path, configured_by: dict[str, str]
    ):
        told = subprocess.run(
            [sys.executable, "-c", WARM],
            env={**environment(), **configured_by, "STEPIQ_DATA_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()

        assert "genai_prices.data" in told
        assert not {"anthropic", "google.genai", "openai", "pydantic_ai"} & set(told)

    async def test_a_closed_provider_opens_again(
        self, configured: Configure, fake_provider: RunningFakeProvider
    ):
        providers = configured(ollama_base_url=fake_provider.url)
        model = providers.resolve("ollama/llama3.2")
        await ask(model)
        await providers.close()

        assert (await ask(model)).text == "echo: Say hello."

    async def test_the_address_of_ollama_needs_no_v1(
        self, configured: Configure, fake_provider: RunningFakeProvider
    ):
        providers = configured(ollama_base_url=f"http://127.0.0.1:{fake_provider.port}/")

        await ask(providers.resolve("ollama/llama3.2"))

        assert fake_provider.requests[0].path == "/v1/chat/completions"
