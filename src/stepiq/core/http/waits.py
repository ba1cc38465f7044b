"""Parses the waits that other servers request."""

import email.utils
from datetime import UTC, timedelta

from stepiq.core import clock

LONGEST = timedelta(hours=1)
"""Longer waits are reduced to this."""


def retry_after(value: str | None) -> timedelta | None:
    """The wait in a `Retry-After` header, which has seconds or an HTTP date; at most an hour.

    None if the header is missing, invalid or in the past.
    """
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
    """A wait of so many seconds, at most an hour; None if the number is missing, not positive or not finite."""
    # A comparison with NaN is false.
    if seconds is None or not 0 < seconds < float("inf"):
        return None
    return min(timedelta(seconds=min(seconds, 1e6)), LONGEST)
