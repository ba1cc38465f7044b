"""The one place that asks for the time, so that tests can move it."""

import time
from datetime import UTC, datetime, timedelta

_offset = timedelta(0)
_jumped = timedelta(0)
# A locale of the process must not change the language.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def now() -> datetime:
    """The current instant, aware, in UTC."""
    return datetime.now(UTC) + _offset + _jumped


def monotonic() -> float:
    """Seconds from a fixed moment. Nobody can set this clock, so it measures how much time passes."""
    return time.monotonic() + _offset.total_seconds()


def advance(by: timedelta) -> None:
    """Let time pass in this process; only tests do."""
    global _offset
    _offset += by


def jump(by: timedelta) -> None:
    """Set this process's clock, as a time server does, without any time passing; only tests do."""
    global _jumped
    _jumped += by


def reset() -> None:
    """Undo every `advance` and `jump`."""
    global _offset, _jumped
    _offset = _jumped = timedelta(0)


def iso(moment: datetime) -> str:
    """An instant as the API writes it: ISO 8601, UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def readable(moment: datetime) -> str:
    """An instant for people, such as `29 Nov 2026, 14:05 UTC`."""
    moment = moment.astimezone(UTC)
    month = _MONTHS[moment.month - 1]
    return f"{moment.day} {month} {moment.year}, {moment:%H:%M} UTC"


def parse(text: str) -> datetime:
    """An instant from ISO 8601 text that names its zone.

    Raises:
        ValueError: it is none, or names no zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment.astimezone(UTC)
