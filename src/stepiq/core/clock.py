"""The one place that asks for the time, so that tests can move it."""

from datetime import UTC, datetime, timedelta

_offset = timedelta(0)


def now() -> datetime:
    """The current instant, aware, in UTC."""
    return datetime.now(UTC) + _offset


def advance(by: timedelta) -> None:
    """Move this process's clock forward; only tests do."""
    global _offset
    _offset += by


def reset() -> None:
    """Undo every `advance`."""
    global _offset
    _offset = timedelta(0)


def iso(moment: datetime) -> str:
    """An instant as the API writes it: ISO 8601, UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """An instant from ISO 8601 text that names its zone.

    Raises:
        ValueError: it is none, or names no zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment.astimezone(UTC)
