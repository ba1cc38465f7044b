from datetime import UTC, datetime

import pytest

from stepiq.core import clock
from stepiq.providers import catalogue
from stepiq.providers.catalogue import PriceList


class TestFind:
    def test_a_dated_name_is_the_model_it_dates(self):
        entry = catalogue.find("openai", "gpt-4o-2024-08-06")

        assert entry is not None
        assert (entry.id, entry.context_window) == ("openai/gpt-4o-2024-08-06", 128_000)

    @pytest.mark.parametrize(
        ("provider", "name"),
        [("openai", "gpt-4o-min"), ("openai", "text-embedding-3-small"), ("mine", "gpt-4o")],
    )
    def test_what_is_no_chat_model_of_a_vendor_is_not_found(self, provider: str, name: str):
        assert catalogue.find(provider, name) is None


class TestFindBare:
    @pytest.mark.parametrize(
        ("name", "full"),
        [
            ("gpt-4o", "openai/gpt-4o"),
            ("o3", "openai/o3"),
            ("claude-sonnet-4", "anthropic/claude-sonnet-4"),
            ("claude-sonnet-4-20250514", "anthropic/claude-sonnet-4-20250514"),
            ("gemini-2.5-pro", "google/gemini-2.5-pro"),
            ("mistral-large-latest", "mistral/mistral-large-latest"),
            ("glm-4.6", "zai/glm-4.6"),
        ],
    )
    def test_a_name_leads_to_its_maker(self, name: str, full: str):
        entry = catalogue.find_bare(name)

        assert entry is not None
        assert entry.id == full

    @pytest.mark.parametrize("name", ["my-claude-haiku-4-5", "gpt-99", "llama3.2", ""])
    def test_a_name_that_merely_contains_one_does_not(self, name: str):
        assert catalogue.find_bare(name) is None


class TestNearest:
    KNOWN = ("openai/gpt-4o", "openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5")

    def test_a_bare_name_is_compared_with_names(self):
        assert catalogue.nearest("gpt-4o-min", self.KNOWN)[0] == "openai/gpt-4o-mini"

    def test_a_misspelt_provider_is_seen_through(self):
        assert catalogue.nearest("opnai/gpt-4o", self.KNOWN)[0] == "openai/gpt-4o"

    def test_another_providers_model_is_found_by_its_name(self):
        assert "openai/gpt-4o" in catalogue.nearest("azureopenaiservice/gpt-4o", self.KNOWN)

    @pytest.mark.parametrize(
        ("wanted", "first"),
        [
            ("claude-3.5", "anthropic/claude-3-5-"),
            ("claude-3.5-sonnet", "anthropic/claude-3-5-sonnet"),
            ("gpt-4.0", "openai/gpt-4"),
            ("openai/gpt-4.0", "openai/gpt-4"),
        ],
    )
    def test_a_version_is_found_however_it_is_written(self, wanted: str, first: str):
        known = [entry.id for entry in catalogue.entries()]

        found = catalogue.nearest(wanted, known)

        assert found[0] == first or (first.endswith("-") and found[0].startswith(first))

    def test_all_providers_with_a_model_of_that_name_are_named_in_their_order(self):
        known = ("one/llama-3.3-70b", "two/llama-3.3-70b", "two/other")

        assert catalogue.nearest("llama-3.3-70", known) == list(known[:2])

    def test_nothing_like_it_gives_nothing(self):
        assert catalogue.nearest("zzz", self.KNOWN) == []


class TestPrices:
    def test_a_long_input_makes_all_tokens_dearer(self):
        listed = PriceList("google")

        short = listed.micros("gemini-2.5-pro", 100_000, 0, 0)
        long = listed.micros("gemini-2.5-pro", 300_000, 0, 0)

        assert short == (125_000, 0, 0)
        assert long == (750_000, 0, 0)

    def test_prices_are_those_of_today(self):
        clock.reset()
        clock.advance(datetime(2025, 6, 9, 12, tzinfo=UTC) - clock.now())
        before = PriceList("openai").micros("o3", 100, 0, 0)

        clock.reset()

        assert before == (1000, 0, 0)
        assert PriceList("openai").micros("o3", 100, 0, 0) == (200, 0, 0)

    def test_without_a_price_of_its_own_the_cache_saves_nothing(self):
        assert PriceList("openai").micros("gpt-4-turbo", 10, 4, 0) == (60, 40, 0)

    @pytest.mark.parametrize(
        "listed", [PriceList("nobody"), PriceList(base_url="http://127.0.0.1/v1")]
    )
    def test_nobodys_prices_are_unknown(self, listed: PriceList):
        assert listed.prices("gpt-4o") is None
        assert listed.micros("gpt-4o", 1, 0, 1) is None

    def test_a_model_without_all_its_prices_has_none(self):
        assert PriceList("openai").prices("text-embedding-3-small") is None
        assert PriceList("openai").micros("text-embedding-3-small", 1, 0, 1) is None


class TestEntries:
    def test_vendors_list_models_of_their_own_with_a_price(self):
        entries = catalogue.entries()

        assert {entry.provider for entry in entries} == set(catalogue.VENDORS)
        assert all("streaming" in entry.capabilities for entry in entries)
        assert sum(entry.prices is None for entry in entries) < len(entries) / 10

    def test_abilities_differ(self):
        by_id = {entry.id: entry for entry in catalogue.entries()}

        assert "vision" not in by_id["openai/gpt-3.5-turbo"].capabilities
        assert "tools" not in by_id["openai/o1-mini"].capabilities
