"""Time zones of the IANA database, and suggestions for unknown names."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from stepiq.core import clock
from stepiq.core.errors import Invalid

_MAX_SHOWN = 64
_MAX_OFFERED = 3
_MIN_LIKENESS = 0.7
_OFFSET = re.compile(r"(?:UTC|GMT)? ?([+-])([0-9]{1,2})(?::?([0-9]{2}))?", re.IGNORECASE)
_ABBREVIATIONS = re.compile(r"(.+) \(([A-Za-z]+(?:/[A-Z]+)?)\)(?: - (.+))?")
_PREFERRED = frozenset(("Pacific/Honolulu",))
"""Zones that come before others with the same abbreviation, although they have no daylight saving time."""
_GENERIC = {"ET": "EST", "CT": "CST", "MT": "MST", "PT": "PST"}
"""Abbreviations for both standard and daylight saving time, and the one of standard time."""
_OF_REGIONS = {
    zone.partition("/")[0].lower(): zone
    for zone in (
        "Africa/Lagos", "America/New_York", "Antarctica/McMurdo", "Asia/Kolkata", "Australia/Sydney", "Europe/Paris",
    )
}  # fmt: skip
"""A well-known zone of each region. `Pacific`, `Atlantic` and `Indian` are missing, because they can also mean other places."""


class TimezoneUnknown(Invalid):
    """The time zone is not a name of the IANA database."""

    code = "timezone_unknown"

    def __init__(self, name: str) -> None:
        super().__init__(_explain(name[:_MAX_SHOWN]))


@dataclass(frozen=True, slots=True)
class _Rules:
    """One of the sets of time zone rules in use at present, with its largest zone."""

    zone: str
    region: str
    abbreviations: tuple[str, ...]
    """Of standard time and of daylight saving time; empty for regions without English abbreviations."""


def check(name: str) -> None:
    """Refuse a text that is not the name of a time zone.

    Raises:
        TimezoneUnknown: the database does not contain it, or contains it as an abbreviation such as `EST`, which means
            standard time all year there.
    """
    if name not in _names() or name in _ambiguous():
        raise TimezoneUnknown(name)


@cache
def _names() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text().split())


def _table(name: str) -> Iterator[list[str]]:
    text = resources.files("tzdata").joinpath("zoneinfo", name).read_text(encoding="utf-8")
    return (line.split("\t") for line in text.splitlines() if line and line[0] != "#")


@cache
def _rules() -> tuple[_Rules, ...]:
    """Rules with daylight saving time first, then those with one abbreviation, then the others."""
    found: list[_Rules] = []
    for _, _, zone, *comment in _table("zonenow.tab"):
        named = _ABBREVIATIONS.match(" ".join(comment))
        if named is None:
            found.append(_Rules(zone, zone, ()))
        else:
            abbreviations = tuple(named[2].upper().split("/"))
            region = named[3] or named[1]
            # Only these comments begin with the largest area. Others list areas by name.
            if len(abbreviations) > 1:
                region = region.partition(";")[0]
            found.append(_Rules(zone, region, abbreviations))
    return tuple(sorted(found, key=lambda rules: -len(rules.abbreviations)))


@cache
def _ambiguous() -> frozenset[str]:
    pairs = {rules.abbreviations for rules in _rules()}
    return frozenset(name for name in _names() if (name, name.replace("S", "D", 1)) in pairs)


@cache
def _places() -> dict[str, str]:
    """Zones by the names that users write for them: name, city or country, in lower case."""
    countries = {code: country.lower() for code, country in _table("iso3166.tab")}
    places: dict[str, str] = {}
    for code, _, zone, *_ in _table("zone.tab"):
        # The largest zone of a country comes first.
        places.setdefault(countries[code], zone)
    zones = sorted(_names() - _ambiguous())
    places |= {_city(zone).lower(): zone for zone in zones}
    return places | {zone.lower(): zone for zone in zones}


def _explain(name: str) -> str:
    if offset := _OFFSET.fullmatch(name):
        return _explain_offset(name, *offset.groups())
    if listed := _zones_of(name.upper()):
        return f"`{name}` is an abbreviation, not a time zone. Use the zone of a place: {listed}."
    if example := _OF_REGIONS.get(name.strip("/").lower()):
        return f"`{name}` is a region, not a time zone. Use a zone of it, such as `{example}`."
    advice = _advise(name)
    return f"`{name}` is not an IANA time zone. {advice}"


def _advise(name: str) -> str:
    place = name.lower().replace(" ", "_")
    if place not in _places() and (listed := _zones_of(_abbreviation(name))):
        return f"Use the zone of a place: {listed}."
    near = _nearest(place)
    return f"Did you mean `{near}`?" if near else "Use a name such as `Europe/Berlin`, or `UTC`."


def _abbreviation(name: str) -> str:
    """The abbreviation that is meant by a name such as `EST5`, `ESTT`, `US/EST` or `ET`."""
    found = re.sub(r"(.)\1\Z", r"\1", _city(name).upper().rstrip("0123456789 "))
    return _GENERIC.get(found, found)


def _zones_of(abbreviation: str) -> str:
    """The zones that use an abbreviation, for a message; empty if there is none."""
    regions = [rules for rules in _rules() if abbreviation in rules.abbreviations]
    regions.sort(key=lambda rules: rules.zone not in _PREFERRED)
    offered = [f"`{rules.zone}` ({rules.region})" for rules in regions[:_MAX_OFFERED]]
    return " or ".join([", ".join(offered[:-1]), offered[-1]] if offered[1:] else offered)


def _nearest(name: str) -> str | None:
    places, city = _places(), _city(name)
    if swapped := places.get("/".join(reversed(name.split("/")))):
        return swapped
    near = [
        place
        for place in get_close_matches(name, places, 3, _MIN_LIKENESS)
        # Zones of a region share a prefix: `europe/munich` is similar to `europe/zurich`, although the cities are not.
        if get_close_matches(city, [_city(place)], 1, _MIN_LIKENESS)
    ]
    near = near or get_close_matches(city, places, 1, _MIN_LIKENESS)
    return places[near[0]] if near else None


def _city(name: str) -> str:
    return name.rpartition("/")[2]


def _explain_offset(name: str, sign: str, hours: str, minutes: str | None) -> str:
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    zones = [rules.zone for rules in _rules() if _standard_offset(rules.zone) == offset]
    place = f"such as `{zones[0]}`" if zones else "such as `Europe/Berlin`"
    message = f"`{name}` is an offset, not a time zone. Use the zone of a place, {place}"
    # The signs of these names are those of POSIX, where west is positive.
    fixed = f"Etc/GMT{'-' if sign == '+' else '+'}{int(hours)}"
    if fixed not in _names() or int(minutes or 0):
        return f"{message}."
    return f"{message}, or `{fixed}` for this offset all year."


def _standard_offset(zone: str) -> timedelta:
    year = clock.now().year
    moments = (datetime(year, month, 1, tzinfo=ZoneInfo(zone)) for month in (1, 7))
    return min(moment.utcoffset() or timedelta(0) for moment in moments)
