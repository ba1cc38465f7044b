"""Computes which ticks of a schedule are due, and which were missed. Uses neither the clock nor the store."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from stepiq.store.states import CatchUp
from stepiq.triggers.schedules.records import Schedule

GRACE = timedelta(seconds=60)
"""How late a tick may be handled and still count as on time."""
LISTED = 100
"""Maximum number of missed ticks recorded individually."""

_FIRST_WINDOW = timedelta(minutes=LISTED)
_WIDENED = 8
_MARGIN = 1.1
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Look:
    """What to do about a due schedule."""

    due: datetime | None
    """The tick that starts a run, or None."""
    missed: Sequence[datetime]
    """Missed ticks, oldest first; only the 100 newest if there are more."""
    missed_from: datetime | None
    """The first missed tick if some are not listed, else None."""
    next_at: datetime | None
    """When the schedule fires next. May be in the past."""


def look(schedule: Schedule, due_at: datetime, now: datetime) -> Look:
    """Evaluate a schedule since `due_at`, its first tick without an outcome.

    Raises:
        CronInvalid, TimezoneUnknown: this version of the server no longer accepts the expression or the timezone.
    """
    too_late = now - GRACE
    if due_at >= too_late:
        return Look(due_at, (), None, schedule.next_after(due_at))
    missed = _before(schedule, due_at, too_late)
    missed_from = None if missed[0] == due_at else due_at
    next_at = schedule.next_after(missed[-1])
    is_made_up = schedule.catch_up is CatchUp.LAST and (next_at is None or next_at > now)
    if is_made_up:
        return Look(missed[-1], missed[:-1], missed_from, next_at)
    return Look(None, missed, missed_from, next_at)


def run_id(schedule_id: UUID, due_at: datetime, now: datetime) -> UUID:
    """The id of a tick's run: the same in every process, and ordered by start time among other runs.

    A version 7 UUID: the time, then 74 bits of a hash of schedule and tick.
    """
    # A catch-up run is ordered by its actual start.
    moment = due_at if now - due_at <= GRACE else now
    milliseconds = int(moment.timestamp() * 1000)
    tick = f"{schedule_id}:{due_at.timestamp():.0f}"
    drawn = int.from_bytes(hashlib.sha256(tick.encode()).digest()[:10]) & ((1 << 74) - 1)
    high, low = drawn >> 62, drawn & ((1 << 62) - 1)
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low)


def _before(schedule: Schedule, first: datetime, end: datetime) -> list[datetime]:
    """The newest ticks from `first`, itself a tick, to before `end`. Searches backwards, for long outages."""
    found: list[datetime] = []
    start, window = end, _FIRST_WINDOW
    while start > first and len(found) < LISTED:
        start, until = max(first, start - window), start
        earlier = _ticks(schedule, start, until)
        found = earlier + found
        # As long as the missing ones take if they are as dense as these, because each tick takes time.
        wanted = (LISTED - len(found)) * _MARGIN / len(earlier) if earlier else _WIDENED
        window *= min(wanted, _WIDENED)
    if start == first and found[:1] != [first]:
        found.insert(0, first)
    return found[-LISTED:]


def _ticks(schedule: Schedule, start: datetime, until: datetime) -> list[datetime]:
    """The ticks from `start` to before `until`."""
    found: list[datetime] = []
    moment: datetime | None = start - _MICROSECOND
    while (moment := schedule.next_after(moment)) is not None and moment < until:
        found.append(moment)
    return found
