import pytest

from stepiq.core.settings.model import Settings, variable_name
from stepiq.providers.vendors import VENDORS, Vendor

BY_ID = {vendor.id: vendor for vendor in VENDORS}


class TestBaseUrl:
    @pytest.mark.parametrize(
        ("vendor", "written", "used"),
        [
            ("openai", "http://gate/v1/", "http://gate/v1"),
            ("openai", "http://gate", "http://gate"),
            ("anthropic", "http://gate/v1", "http://gate"),
            ("anthropic", "http://gate/claude/", "http://gate/claude"),
            ("google", "http://gate/v1beta/", "http://gate"),
            ("mistral", "http://gate", "http://gate/v1"),
            ("mistral", "http://gate/v1", "http://gate/v1"),
            ("zai", "http://gate/api/coding/paas/v4/", "http://gate/api/coding/paas/v4"),
        ],
    )
    def test_an_end_that_is_always_there_may_be_written_or_not(
        self, vendor: str, written: str, used: str
    ):
        assert BY_ID[vendor].base_url(written) == used

    @pytest.mark.parametrize("vendor", VENDORS, ids=lambda each: each.id)
    def test_a_public_address_is_itself(self, vendor: Vendor):
        assert vendor.base_url(vendor.url) == vendor.url


class TestSettings:
    @pytest.mark.parametrize("vendor", VENDORS, ids=lambda each: each.id)
    def test_every_one_names_variables_that_are_read(self, vendor: Vendor):
        variables = {variable_name(field) for field in Settings.model_fields}

        assert {vendor.key_setting, vendor.url_setting} <= variables
