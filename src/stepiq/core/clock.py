"""The only source of the time, so that tests can move it."""

import time
from datetime import UTC, datetime, timedelta

_offset = timedelta(0)
_jumped = timedelta(0)
# Not from `strftime`, because the locale of the process would change the language.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def now() -> datetime:
    """The current instant, aware, in UTC."""
    return datetime.now(UTC) + _offset + _jumped


def monotonic() -> float:
    """Seconds since a fixed moment. This clock cannot be set, so it measures elapsed time."""
    return time.monotonic() + _offset.total_seconds()


def advance(by: timedelta) -> None:
    """Move both clocks of this process forward. Only for tests."""
    global _offset
    _offset += by


def jump(by: timedelta) -> None:
    """Move `now` without `monotonic`, as a time server does. Only for tests."""
    global _jumped
    _jumped += by


def reset() -> None:
    """Undo all calls of `advance` and `jump`."""
    global _offset, _jumped
    _offset = _jumped = timedelta(0)


def iso(moment: datetime) -> str:
    """An instant in the format of the API: ISO 8601, UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def readable(moment: datetime) -> str:
    """An instant for people, such as `29 Nov 2026, 14:05 UTC`."""
    moment = moment.astimezone(UTC)
    month = _MONTHS[moment.month - 1]
    return f"{moment.day} {month} {moment.year}, {moment:%H:%M} UTC"


def parse(text: str) -> datetime:
    """An instant from ISO 8601 text with a time zone.

    Raises:
        ValueError: the text is not ISO 8601, or has no time zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment.astimezone(UTC)
