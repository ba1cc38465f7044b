import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.language.schedules import time_zones
from stepiq.language.schedules.time_zones import TimezoneUnknown


def refusal(name: str) -> str:
    with pytest.raises(TimezoneUnknown) as caught:
        time_zones.check(name)
    return caught.value.message


class TestCheck:
    @pytest.mark.parametrize(
        "name",
        [
            "UTC",
            "GMT",
            "Europe/Berlin",
            "US/Eastern",
            "CET",
            "EST5EDT",
            "Etc/GMT-2",
            "Asia/Calcutta",
        ],
    )
    def test_names_of_the_database_are_known(self, name):
        time_zones.check(name)

    @pytest.mark.parametrize(
        "name", ["", "Mars/Olympus", "../UTC", "Mars", "x" * 500, "Europe/Berlin\x00"]
    )
    def test_an_unknown_zone_is_refused(self, name):
        assert "is not an IANA time zone" in refusal(name)

    @given(st.text(max_size=80))
    def test_every_text_is_known_or_refused(self, name):
        with suppress(TimezoneUnknown):
            time_zones.check(name)


class TestAdvice:
    @pytest.mark.parametrize(
        ("name", "zone"),
        [
            ("europe/berlin", "Europe/Berlin"),
            ("Berlin", "Europe/Berlin"),
            ("Europe/Berln", "Europe/Berlin"),
            ("Asia/Berlin", "Europe/Berlin"),
            ("Canada/Eastrn", "Canada/Eastern"),
            ("New York", "America/New_York"),
            ("Germany", "Europe/Berlin"),
            ("united states", "America/New_York"),
            ("utc", "UTC"),
            ("Pacific", "US/Pacific"),
        ],
    )
    def test_a_place_or_a_misspelled_name_gets_its_zone(self, name, zone):
        shown = f"`{name}` is not an IANA time zone. Did you mean `{zone}`?"

        assert refusal(name) == shown

    @pytest.mark.parametrize(
        "name",
        [
            "EST",
            "MST",
            "HST",
            "CST",
            "UTC+2",
        ],
    )
    def test_every_zone_that_is_offered_passes_the_check(self, name):
        offered = re.findall(r"`([^`]+)`", refusal(name).partition(" ")[2])

        assert offered
        for zone in offered:
            time_zones.check(zone)

    def test_a_city_without_a_zone_does_not_get_another_city_of_its_region(self):
        assert refusal("Europe/Munich").endswith("Use a name such as `Europe/Berlin`, or `UTC`.")

    @pytest.mark.parametrize(
        ("name", "zone"),
        [
            ("CEST", "Europe/Paris"),
            ("pdt", "America/Los_Angeles"),
            # The database has it, as standard time all year.
            ("EST", "America/New_York"),
        ],
    )
    def test_an_abbreviation_gets_a_zone_of_its_region(self, name, zone):
        assert refusal(name) == (
            f"`{name}` is an abbreviation, not a time zone. Use the zone of a place, such as `{zone}`."
        )

    @pytest.mark.parametrize("name", ["UTC+2", "gmt-5", "+02:00"])
    def test_an_offset_gets_an_example(self, name):
        assert refusal(name).endswith("Use the zone of a place, such as `Europe/Berlin`.")
