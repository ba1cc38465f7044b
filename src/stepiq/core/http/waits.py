"""How long another server asks to wait."""

import email.utils
from datetime import UTC, timedelta

from stepiq.core import clock

LONGEST = timedelta(hours=1)
"""Nobody is waited for longer."""


def retry_after(value: str | None) -> timedelta | None:
    """What `Retry-After` says: seconds or an HTTP date. Nonsense and the past count as nothing, more than an hour as an hour."""
    if value is None:
        return None
    try:
        return bounded(float(value))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - clock.now()
    return min(wait, LONGEST) if wait > timedelta(0) else None


def bounded(seconds: float | None) -> timedelta | None:
    """So many seconds, at most an hour; None for what is no time to wait."""
    # A comparison with what is no number is false.
    if seconds is None or not 0 < seconds < float("inf"):
        return None
    return min(timedelta(seconds=min(seconds, 1e6)), LONGEST)
