"""Time zones of the IANA database, and suggestions for unknown names."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from importlib import resources

from stepiq.core.errors import Invalid

_MAX_SHOWN = 64
_MIN_LIKENESS = 0.7
_ABBREVIATIONS = {
    "America/New_York": "EST EDT ET",
    "America/Chicago": "CST CDT CT",
    "America/Denver": "MST MDT MT",
    "America/Los_Angeles": "PST PDT PT",
    "Pacific/Honolulu": "HST HDT",
    "Europe/London": "BST",
    "Europe/Paris": "CEST",
    "Asia/Kolkata": "IST",
    "Asia/Tokyo": "JST",
    "Australia/Sydney": "AEST AEDT",
}
_ZONES = {word: zone for zone, words in _ABBREVIATIONS.items() for word in words.split()}
_REFUSED = frozenset(("EST", "HST", "MST"))
"""Names of the database that mean standard time all year there, which few people expect."""


class TimezoneUnknown(Invalid):
    """The time zone is not a name of the IANA database."""

    code = "timezone_unknown"

    def __init__(self, name: str) -> None:
        super().__init__(_explain(name[:_MAX_SHOWN]))


def check(name: str) -> None:
    """Refuse a text that is not the name of a time zone.

    Raises:
        TimezoneUnknown: the database does not contain it, or contains it as an abbreviation such as `EST`, which means
            standard time all year there.
    """
    if name not in _names() or name in _REFUSED:
        raise TimezoneUnknown(name)


@cache
def _names() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text().split())


@cache
def _places() -> dict[str, str]:
    """Zones by the names that users write for them: name, city or country, in lower case."""
    countries = {code: country.lower() for code, country in _table("iso3166.tab")}
    places: dict[str, str] = {}
    for code, _, zone, *_ in _table("zone.tab"):
        # The largest zone of a country comes first.
        places.setdefault(countries[code], zone)
    zones = sorted(_names() - _REFUSED)
    places |= {_city(zone).lower(): zone for zone in zones}
    return places | {zone.lower(): zone for zone in zones}


def _table(name: str) -> Iterator[list[str]]:
    text = resources.files("tzdata").joinpath("zoneinfo", name).read_text(encoding="utf-8")
    return (line.split("\t") for line in text.splitlines() if line and line[0] != "#")


def _explain(name: str) -> str:
    if zone := _ZONES.get(name.upper()):
        return f"`{name}` is an abbreviation, not a time zone. Use the zone of a place, such as `{zone}`."
    if re.search(r"[+-][0-9]", name):
        return f"`{name}` is an offset, not a time zone. Use the zone of a place, such as `Europe/Berlin`."
    near = _nearest(name.lower().replace(" ", "_"))
    advice = f"Did you mean `{near}`?" if near else "Use a name such as `Europe/Berlin`, or `UTC`."
    return f"`{name}` is not an IANA time zone. {advice}"


def _nearest(name: str) -> str | None:
    city = _city(name)
    near = [
        place
        for place in get_close_matches(name, _places(), 3, _MIN_LIKENESS)
        # Zones of a region share a prefix: `europe/munich` is similar to `europe/zurich`, although the cities are not.
        if get_close_matches(city, [_city(place)], 1, _MIN_LIKENESS)
    ]
    near = near or get_close_matches(city, _places(), 1, _MIN_LIKENESS)
    return _places()[near[0]] if near else None


def _city(name: str) -> str:
    return name.rpartition("/")[2]
