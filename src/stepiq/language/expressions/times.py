"""CEL's timestamps and durations in nanoseconds, and their text formats."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

_SECOND = 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
"""Limits of the years 1 to 9999."""
_MAX_DURATION = 315_576_000_000 * _SECOND
"""Ten thousand years, in nanoseconds."""

_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]((?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9})[0-9]*)?(Z|z|[+-][0-9]{2}:[0-9]{2})"
)
_DURATION = re.compile(r"([+-]?)((?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:h|ms|us|ns|m|s))+)")
_DURATION_PART = re.compile(r"([0-9]*)\.?([0-9]*)(h|ms|us|ns|m|s)")
_UNITS = {
    "h": 3600 * _SECOND, "m": 60 * _SECOND, "s": _SECOND, "ms": 10**6, "us": 10**3, "ns": 1,
}  # fmt: skip
_OFFSET = re.compile(r"([+-]?)([0-9]{1,2}):([0-9]{2})")
_MAX_LENGTH = 100


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """An instant, in nanoseconds since 1970."""

    nanos: int


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time in nanoseconds."""

    nanos: int


def timestamp(nanos: int) -> Timestamp | None:
    """The instant, or None outside the years 1 to 9999."""
    return Timestamp(nanos) if _FIRST_SECOND <= nanos // _SECOND <= _LAST_SECOND else None


def duration(nanos: int) -> Duration | None:
    """The length of time, or None beyond ten thousand years."""
    return Duration(nanos) if abs(nanos) <= _MAX_DURATION else None


def read_timestamp(text: str) -> Timestamp | None:
    """Parse `2024-01-31T09:00:00Z` (RFC 3339); None if the text is invalid."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return None
    day, time, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{time}{zone.upper()}")
    except ValueError:
        return None
    nanos = (moment - _EPOCH) // timedelta(seconds=1) * _SECOND
    return timestamp(nanos + int((fraction or "0").ljust(9, "0")))


def read_duration(text: str) -> Duration | None:
    """Parse `1h30m` or `2.5s`; None if the text is invalid."""
    found = _DURATION.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if found is None:
        return None
    nanos = 0
    for whole, fraction, unit in _DURATION_PART.findall(found[2]):
        nanos += int(whole or "0") * _UNITS[unit]
        nanos += int(fraction or "0") * _UNITS[unit] // 10 ** len(fraction)
    return duration(-nanos if found[1] == "-" else nanos)


def write_timestamp(value: Timestamp) -> str:
    """ISO 8601 in UTC, with 0, 3, 6 or 9 digits of a fraction, as needed."""
    seconds, nanos = divmod(value.nanos, _SECOND)
    moment = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None)
    return f"{moment.isoformat()}{_fraction(nanos)}Z"


def write_duration(value: Duration) -> str:
    """Seconds with the unit, such as `5400s`."""
    seconds, nanos = divmod(abs(value.nanos), _SECOND)
    return f"{'-' if value.nanos < 0 else ''}{seconds}{_fraction(nanos)}s"


def _fraction(nanos: int) -> str:
    digits = f"{nanos:09}"
    for kept in (0, 3, 6):
        if not digits[kept:].strip("0"):
            return f".{digits[:kept]}" if kept else ""
    return f".{digits}"


def read_zone(name: str) -> tzinfo | None:
    """The time zone of an IANA name or an offset such as `+05:30`; None if it does not exist."""
    if found := _OFFSET.fullmatch(name):
        sign, hours, minutes = found.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-offset if sign == "-" else offset) if offset < timedelta(days=1) else None
    try:
        return ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        # The exception of ZoneInfo depends on how much the name looks like a path.
        return None


def calendar(value: Timestamp, zone: tzinfo) -> datetime | None:
    """The local time of an instant in a zone; None at the ends of the calendar."""
    seconds, nanos = divmod(value.nanos, _SECOND)
    moment = _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return None


def toward_zero(nanos: int, unit: int) -> int:
    """The number of whole units in a number of nanoseconds, rounded toward zero."""
    return nanos // unit if nanos >= 0 else -(-nanos // unit)
