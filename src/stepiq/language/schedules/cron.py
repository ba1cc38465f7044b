"""Cron expressions of five fields in a time zone: their syntax, and when they fire.

Minute, hour, day of month, month, day of week. Supports values, ranges, lists, steps, the names of months and days,
`L` and `LW` for the last day and the last working day of the month, `5L` for its last Friday, and `1#2` for its
second Monday. If both days are given and neither begins with `*`, it is enough that one of them matches.

Daylight saving time: an expression that names hours follows the wall clock, and each of its times fires once. A time
that the change skips fires at the first moment after it; a time that occurs twice fires the first time. An expression
of every hour fires whenever the clock shows its minutes, which keeps its interval if clocks change by whole hours.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from stepiq.core.errors import Invalid
from stepiq.language.schedules import time_zones
from stepiq.language.schedules.time_zones import TimezoneUnknown

MAX_LENGTH = 200
"""Longest expression, in characters."""

FIELDS = (
    ("minute", "0-59", 60),
    ("hour", "0-23", 24),
    ("day of month", "1-31, `L` (the last day) or `LW` (the last working day)", 31),
    ("month", "1-12 or JAN-DEC", 12),
    (
        "day of week",
        "0-7 (0 and 7 are Sunday), SUN-SAT, `5L` (the last Friday) or `1#2` (the second Monday)",
        7,
    ),
)
"""Name, allowed values, and number of values, which is also the largest useful step."""
_NICKNAMES = {
    "@YEARLY": "0 0 1 1 *", "@ANNUALLY": "0 0 1 1 *", "@MONTHLY": "0 0 1 * *", "@WEEKLY": "0 0 * * 0",
    "@DAILY": "0 0 * * *", "@MIDNIGHT": "0 0 * * *", "@HOURLY": "0 * * * *",
}  # fmt: skip
# `L/2` has no meaning, although the library accepts it.
_FIELD = re.compile(r"(?!.*L/)[0-9A-Z*/,#-]+")
_EXAMPLE = "`0 9 * * 1-5` is 9:00 from Monday to Friday"
ANY_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
"""For reading an expression without its times."""
# Every calendar that a year can have: it starts on one of seven weekdays and is a leap year or not.
_CALENDARS = (2001, 2002, 2003, 2005, 2006, 2009, 2010, *range(2000, 2028, 4))
_EVERY_HOUR = set(range(24))
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_EARLIEST = datetime.min.replace(tzinfo=UTC) + _DAY
"""Before it, some zones cannot show the time."""


class CronInvalid(Invalid):
    """The cron expression is not valid, or names a day that no month has."""

    code = "cron_invalid"


@dataclass(frozen=True, slots=True)
class Cron:
    """A valid expression in a time zone."""

    expression: str
    zone: ZoneInfo
    _by_wall_clock: bool

    def next_after(self, after: datetime) -> datetime | None:
        """The first moment after `after` at which it fires, in UTC; None beyond the end of the calendar."""
        return next(self.times(after), None)

    def times(self, after: datetime) -> Iterator[datetime]:
        """The moments after `after` at which it fires, in UTC, to the end of the calendar."""
        try:
            yield from self._by_clock(after) if self._by_wall_clock else self._by_minute(after)
        except (OverflowError, ValueError):
            return

    def _by_clock(self, after: datetime) -> Iterator[datetime]:
        for shown in CronSim(self.expression, after.astimezone(self.zone).replace(tzinfo=None)):
            moment = _moment(shown, self.zone)
            # In the repeated hour, times have fired when the clock first showed them.
            if moment > after:
                yield moment
                after = moment

    def _by_minute(self, after: datetime) -> Iterator[datetime]:
        """Each minute of the days is looked up: where clocks change, the library skips times or repeats them."""
        minute, _, *days = self.expression.split()
        minutes = CronSim(f"{minute} * * * *", ANY_MOMENT).minutes
        today = datetime.combine(after.astimezone(self.zone), time())
        for midnight in CronSim(" ".join(["0", "0", *days]), today - _MINUTE):
            moment = midnight.replace(tzinfo=self.zone).astimezone(UTC)
            end = (midnight + _DAY).replace(tzinfo=self.zone).astimezone(UTC)
            moment += max(0, (after - moment) // _MINUTE + 1) * _MINUTE
            while moment < end:
                if moment.astimezone(self.zone).minute in minutes:
                    yield moment
                moment += _MINUTE

    def note(self, local: datetime, before: datetime) -> str | None:
        """What a change of the clocks does to a time, seen from an earlier one."""
        sim = CronSim(self.expression, ANY_MOMENT)
        if local.hour not in sim.hours or local.minute not in sim.minutes:
            return (
                "The clocks skip the usual time on this day. It fires at the first moment after it."
            )
        if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
            return (
                "The clocks show this time twice on this day. It fires the first time."
                if self._by_wall_clock
                else "The clocks show this time twice on this day. It fires both times."
            )
        if local.utcoffset() != before.utcoffset():
            return f"The clocks have changed to {_offset(local)} from {_offset(before)}."
        return None


def _offset(local: datetime) -> str:
    return f"UTC{local.strftime('%z')[:3]}:{local.strftime('%z')[3:5]}"


@dataclass(frozen=True, slots=True)
class Firing:
    """One time at which an expression fires."""

    run_at: datetime
    """In UTC."""
    local: datetime
    """In the time zone of the expression."""
    note: str | None
    """What a change of the clocks does to this time."""


def firings(expression: str, timezone: str, after: datetime, count: int) -> list[Firing]:
    """The first times after a moment at which the expression fires, in the calendar from its second day on.

    Raises:
        CronInvalid, TimezoneUnknown: as for `compiled`.
    """
    cron = _compiled(expression, timezone)
    found: list[Firing] = []
    after = max(after, _EARLIEST)
    while len(found) < count and (moment := cron.next_after(after)) is not None:
        local = moment.astimezone(cron.zone)
        found.append(Firing(moment, local, cron.note(local, after.astimezone(cron.zone))))
        after = moment
    return found


def problems(expression: str, timezone: str) -> list[CronInvalid | TimezoneUnknown]:
    """The problems of an expression and of its time zone; empty if both are valid."""
    found: list[CronInvalid | TimezoneUnknown] = [*_problems(expression)]
    try:
        time_zones.check(timezone)
    except TimezoneUnknown as error:
        found.append(error)
    return found


def compiled(expression: str, timezone: str) -> Cron:
    """Compile an expression in its time zone.

    Raises:
        CronInvalid: the expression is invalid or never fires; the message names the field.
        TimezoneUnknown: the zone does not exist.
    """
    check(expression)
    time_zones.check(timezone)
    is_hourly = CronSim(expression, ANY_MOMENT).hours == _EVERY_HOUR
    return Cron(expression, ZoneInfo(timezone), _by_wall_clock=not is_hourly)


_compiled = lru_cache(4096)(compiled)


# Many schedules with the same expression become due at the same moment.
@lru_cache(4096)
def next_after(expression: str, timezone: str, after: datetime) -> datetime | None:
    """The first moment after `after` at which the expression fires, in UTC; None beyond the end of the calendar.

    Raises:
        CronInvalid, TimezoneUnknown: as for `compiled`.
    """
    return _compiled(expression, timezone).next_after(after)


def hourly_counts(
    expression: str, timezone: str, start: datetime, hours: int, *, after: datetime
) -> list[int]:
    """How often the expression fires in each of `hours` hours from `start`. Times until `after` do not count.

    On days without a change of the clocks, this takes the same time whether it fires once an hour or each minute.

    Raises:
        CronInvalid, TimezoneUnknown: as for `compiled`.
    """
    cron = _compiled(expression, timezone)
    sim = CronSim(expression, ANY_MOMENT)
    minutes = sorted(sim.minutes)
    counts = [0] * hours
    first, end = max(start, after + timedelta(microseconds=1)), start + hours * _HOUR
    day = first.astimezone(cron.zone).date()
    while (midnight := datetime.combine(day, time(), cron.zone)).astimezone(UTC) < end:
        day += _DAY
        next_midnight = datetime.combine(day, time(), cron.zone)
        if midnight.utcoffset() != next_midnight.utcoffset():
            _count_times(cron, midnight, next_midnight, counts, start, first)
        elif midnight.month in sim.months and sim.match_day(midnight.date()):
            begin = midnight.astimezone(UTC)
            _count_day(begin, sorted(sim.hours), minutes, counts, start, first)
    return counts


def _count_times(
    cron: Cron,
    midnight: datetime,
    next_midnight: datetime,
    counts: list[int],
    start: datetime,
    first: datetime,
) -> None:
    """Count a day on which the clocks change, one time after the other."""
    end = min(start + len(counts) * _HOUR, next_midnight.astimezone(UTC))
    since = max(first, midnight.astimezone(UTC)) - timedelta(microseconds=1)
    for moment in takewhile(lambda each: each < end, cron.times(since)):
        counts[(moment - start) // _HOUR] += 1


def _count_day(
    begin: datetime,
    hours: list[int],
    minutes: list[int],
    counts: list[int],
    start: datetime,
    first: datetime,
) -> None:
    """Count the times on a day without a change of the clocks. Only hours at the ends of the period are compared."""
    number, inside = divmod(begin - start, _HOUR)
    early = bisect_left(minutes, -((inside - _HOUR) // _MINUTE))
    late = len(minutes) - early
    now = (first - start) // _HOUR
    for index in (number + hour for hour in hours):
        if now < index < len(counts) - 1:
            counts[index] += early
            counts[index + 1] += late
        else:
            _count_hour(begin + (index - number) * _HOUR, minutes, counts, start, first)


def _count_hour(
    begin: datetime, minutes: list[int], counts: list[int], start: datetime, first: datetime
) -> None:
    """Count the times in an hour of a zone. It is in two hours of the result if the zones differ by half an hour."""
    number = (begin - start) // _HOUR
    for index in (number, number + 1):
        if 0 <= index < len(counts):
            since, until = max(start + index * _HOUR, first), start + (index + 1) * _HOUR
            # Rounded up: the first minute that is not before the moment.
            lowest, highest = (-((begin - each) // _MINUTE) for each in (since, until))
            counts[index] += max(0, bisect_left(minutes, highest) - bisect_left(minutes, lowest))


def check(expression: str) -> None:
    """Refuse an expression that is invalid or never fires.

    Raises:
        CronInvalid: the first problem.
    """
    for problem in _problems(expression):
        raise problem


def _problems(expression: str) -> list[CronInvalid]:
    """All problems of an expression, by field."""
    if len(expression) > MAX_LENGTH:
        return [CronInvalid(f"A cron expression can have at most {MAX_LENGTH} characters.")]
    fields = expression.upper().split()
    if len(fields) != len(FIELDS):
        return [CronInvalid(_wrong_count(fields))]
    wrong = [
        CronInvalid(_wrong_field(place, text))
        for place, text in enumerate(fields)
        if not _is_field(place, text)
    ]
    if wrong or _ever_fires(expression):
        return wrong
    return [
        CronInvalid(
            f"`{expression}` never fires, because none of its months has that day. Change the day of month or the month."
        )
    ]


def _wrong_count(fields: list[str]) -> str:
    if len(fields) == 1 and (written := _NICKNAMES.get(fields[0])):
        return f"`{fields[0].lower()}` is not supported. Write `{written}`."
    message = f"A cron expression has five fields (minute, hour, day of month, month, day of week), not {len(fields)}."
    return f"{message} Example: {_EXAMPLE}."


def _wrong_field(place: int, text: str) -> str:
    name, allowed, count = FIELDS[place]
    message = f"`{text}` is not a valid {name}."
    if any(_step(item) > count for item in text.split(",")):
        return f"{message} The step after `/` must be at most {count}."
    return f"{message} Allowed: {allowed}; ranges `1-5`, lists `1,3` and steps `*/2`."


def _step(item: str) -> int:
    step = item.partition("/")[2]
    return int(step) if step.isdecimal() else 0


def _is_field(place: int, text: str) -> bool:
    if _FIELD.fullmatch(text) is None:
        return False
    count = FIELDS[place][2]
    others = ["*"] * len(FIELDS)
    # One list item at a time: the library also checks whether the whole field can fire, which is a separate problem.
    for item in text.split(","):
        if _step(item) > count:
            return False
        try:
            CronSim(" ".join([*others[:place], item, *others[place + 1 :]]), ANY_MOMENT)
        except CronSimError:
            return False
    return True


def _ever_fires(expression: str) -> bool:
    try:
        sim = CronSim(expression, ANY_MOMENT)
    except CronSimError:
        return False
    days = (
        day
        for year in _CALENDARS
        for month in sorted(sim.months)
        for day in _month(year, month)
        if sim.match_day(day)
    )
    return next(days, None) is not None


@lru_cache(len(_CALENDARS) * 12)
def _month(year: int, month: int) -> tuple[date, ...]:
    first = date(year, month, 1)
    days = (first + timedelta(days=number) for number in range(31))
    return tuple(day for day in days if day.month == month)


def _moment(shown: datetime, zone: ZoneInfo) -> datetime:
    """The first moment at which clocks of the zone show this time, or the first after a change that skips it."""
    local = shown.replace(tzinfo=zone)
    while local.astimezone(UTC).astimezone(zone) != local:
        local += _MINUTE
    return local.astimezone(UTC)
