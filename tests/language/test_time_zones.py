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
            ("London/Europe", "Europe/London"),
            ("new york/America", "America/New_York"),
            ("Pacific", "US/Pacific"),
            ("Indian", "Asia/Kolkata"),
        ],
    )
    def test_a_place_or_a_misspelled_name_gets_its_zone(self, name, zone):
        shown = f"`{name}` is not an IANA time zone. Did you mean `{zone}`?"

        assert refusal(name) == shown

    @pytest.mark.parametrize(
        ("name", "zone"),
        [
            ("Europe", "Europe/Paris"),
            ("america/", "America/New_York"),
            ("Australia", "Australia/Sydney"),
        ],
    )
    def test_a_region_gets_one_of_its_zones(self, name, zone):
        shown = f"`{name}` is a region, not a time zone. Use a zone of it, such as `{zone}`."

        assert refusal(name) == shown

    @pytest.mark.parametrize(
        "name",
        [
            "EST5",
            "ESTT",
            "MSTT",
            "HST1",
            "EST",
            "MST",
            "HST",
            "CST",
            "UTC+2",
            "Europe",
        ],
    )
    def test_every_zone_that_is_offered_passes_the_check(self, name):
        offered = re.findall(r"`([^`]+)`", refusal(name).partition(" ")[2])

        assert offered
        for zone in offered:
            time_zones.check(zone)

    @pytest.mark.parametrize(
        ("name", "zone"),
        [
            ("EST5", "America/New_York"),
            ("MSTT", "America/Denver"),
            ("HST1", "Pacific/Honolulu"),
            ("US/EST", "America/New_York"),
            ("ET", "America/New_York"),
            ("pt", "America/Los_Angeles"),
        ],
    )
    def test_a_misspelled_abbreviation_gets_zones_of_its_region(self, name, zone):
        start = f"`{name}` is not an IANA time zone. Use the zone of a place: `{zone}` ("

        assert refusal(name).startswith(start)

    @pytest.mark.parametrize("name", ["Best", "Test", "WST", "BRST"])
    def test_a_word_like_an_abbreviation_does_not_get_its_zones(self, name):
        assert "Use the zone of a place" not in refusal(name)

    def test_a_city_without_a_zone_does_not_get_another_city_of_its_region(self):
        assert refusal("Europe/Munich").endswith("Use a name such as `Europe/Berlin`, or `UTC`.")

    @pytest.mark.parametrize(
        ("name", "zones"),
        [
            ("CEST", "`Europe/Paris` (central Europe)."),
            ("PST", "`America/Los_Angeles` (US)."),
            ("pdt", "`America/Los_Angeles` (US)."),
            ("BST", "`Europe/London` (United Kingdom)."),
            ("IST", "`Europe/Dublin` (Ireland) or `Asia/Kolkata` (India)."),
            ("JST", "`Asia/Tokyo` (Japan)."),
            # The database has these three, as standard time all year.
            ("EST", "`America/New_York` (US & Canada), "),
            ("MST", "`America/Denver` (US), "),
            ("HST", "`Pacific/Honolulu` (Hawaii) or `America/Adak` (western Aleutians in Alaska)."),
        ],
    )  # fmt: skip
    def test_an_abbreviation_gets_zones_of_its_region(self, name, zones):
        start = f"`{name}` is an abbreviation, not a time zone. Use the zone of a place: {zones}"

        assert refusal(name).startswith(start)

    @pytest.mark.parametrize(
        ("name", "advice"),
        [
            ("UTC+2", "such as `Europe/Athens`, or `Etc/GMT-2` for this offset all year."),
            ("gmt-5", "such as `America/New_York`, or `Etc/GMT+5` for this offset all year."),
            ("+02:00", "such as `Europe/Athens`, or `Etc/GMT-2` for this offset all year."),
            ("UTC+5:30", "such as `Asia/Kolkata`."),
            ("UTC+99", "such as `Europe/Berlin`."),
        ],
    )
    def test_an_offset_gets_a_zone_with_it(self, name, advice):
        assert refusal(name) == (
            f"`{name}` is an offset, not a time zone. Use the zone of a place, {advice}"
        )
