from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stepiq.language.schedules import cron, descriptions
from stepiq.language.schedules.cron import CronInvalid
from tests.support.pace import cpu_limit

MINUTE = timedelta(minutes=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(expression: str, timezone: str, start: str, count: int) -> list[str]:
    """The next times, as the clocks of the zone show them."""
    shown, moment = [], datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(timezone))
    for _ in range(count):
        moment = cron.next_after(expression, timezone, moment)
        assert moment is not None
        shown.append(moment.astimezone(ZoneInfo(timezone)).isoformat(timespec="minutes"))
    return shown


class TestCheck:
    @pytest.mark.parametrize(
        "expression",
        [
            "* * * * *",
            "0 9 * * 1-5",
            "*/15 8-18/2 1,15 JAN-MAR mon",
            "0 0 L * *",
            "0 0 LW * *",
            "0 0 * * 5L",
            "0 0 * * 1#2",
            "0 0 29 2 *",
            "0 0 29 2 */7",
            "*/60 */24 */31 */12 */7",
            "0 0 30 2 1",
            "  0  9 * *\t7 ",
        ],
    )
    def test_what_cron_knows_is_taken(self, expression):
        cron.check(expression)

    @pytest.mark.parametrize(
        ("expression", "word"),
        [
            ("60 * * * *", "valid minute"),
            ("1-60 * * * *", "valid minute"),
            ("*/0 * * * *", "valid minute"),
            ("*/70 * * * *", "valid minute. The step after `/` must be at most 60."),
            ("0,5-59/61 * * * *", "valid minute. The step after `/` must be at most 60."),
            ("0 */25 * * *", "valid hour. The step after `/` must be at most 24."),
            ("5-1 * * * *", "valid minute"),
            ("1,, * * * *", "valid minute"),
            ("² * * * *", "valid minute"),
            ("* 24 * * *", "valid hour"),
            ("* * 0 * *", "valid day of month"),
            ("* * ? * *", "valid day of month"),
            ("* * L/2 * *", "valid day of month"),
            ("* * * 13 *", "valid month"),
            ("* * * FOO *", "valid month"),
            ("* * * * 8", "valid day of week"),
            ("* * * * FRI-MON", "valid day of week"),
            ("* * * * 1#6", "valid day of week"),
        ],
    )
    def test_what_does_not_fit_is_refused_by_the_name_of_its_field(self, expression, word):
        with pytest.raises(CronInvalid, match=word):
            cron.check(expression)

    def test_a_message_about_a_field_is_only_about_that_field(self):
        with pytest.raises(CronInvalid) as caught:
            cron.check("61 9 * * 1-5")

        assert caught.value.message == (
            "`61` is not a valid minute. Allowed: 0-59; ranges `1-5`, lists `1,3` and steps `*/2`."
        )

    @pytest.mark.parametrize(
        ("expression", "advice"),
        [
            ("0 9 1 MA *", "`MA` is not a valid month. Allowed: 1-12"),
            ("@daily", "`@daily` is not supported. Write `0 0 * * *`."),
            ("0 9 * * 1-5 2026", "not 6. Example: "),
        ],
    )
    def test_the_syntax_of_other_crons_gets_ours(self, expression, advice):
        with pytest.raises(CronInvalid) as caught:
            cron.check(expression)

        assert advice in caught.value.message

    @pytest.mark.parametrize("expression", ["", "* * * *", "0 * * * * *", "@reboot", "every day"])
    def test_another_number_of_fields_is_refused(self, expression):
        with pytest.raises(CronInvalid, match="five fields"):
            cron.check(expression)

    @pytest.mark.parametrize(
        "expression",
        ["0 0 30 2 *", "0 0 31 4,6 *", "0 0 */29 2 1#5", "0 0 */15 * 1#2", "0 0 */31 */12 2#5"],
    )
    def test_a_day_that_never_comes_is_refused(self, expression):
        with pytest.raises(CronInvalid, match="never fires"):
            cron.check(expression)

    def test_a_long_expression_is_refused(self):
        with pytest.raises(CronInvalid, match="200 characters"):
            cron.check("0," * 100 + "0 * * * *")


class TestProblems:
    def test_a_wrong_expression_and_a_wrong_zone_are_both_found(self):
        problems = cron.problems("61 9 * * *", "CEST")

        assert [problem.code for problem in problems] == ["cron_invalid", "timezone_unknown"]

    def test_every_wrong_field_is_found(self):
        problems = cron.problems("61 25 * 13 *", "UTC")

        assert [problem.message.partition(".")[0] for problem in problems] == [
            "`61` is not a valid minute",
            "`25` is not a valid hour",
            "`13` is not a valid month",
        ]

    def test_what_can_be_used_has_none(self):
        assert cron.problems("0 9 * * *", "Europe/Berlin") == []


class TestNextAfter:
    def test_it_is_strictly_later(self):
        assert cron.next_after("0 9 * * *", "UTC", at("2026-03-01T09:00")) == at("2026-03-02T09:00")
        assert cron.next_after("0 9 * * *", "UTC", at("2026-03-01T08:59")) == at("2026-03-01T09:00")

    def test_seconds_are_never_part_of_it(self):
        after = at("2026-03-01T08:59:59.999999")

        assert cron.next_after("* * * * *", "Asia/Kathmandu", after) == at("2026-03-01T09:00")

    def test_the_zone_decides(self):
        after = at("2026-03-01T00:00")

        assert cron.next_after("0 9 * * *", "Asia/Kathmandu", after) == at("2026-03-01T03:15")
        assert cron.next_after("0 9 * * *", "America/New_York", after) == at("2026-03-01T14:00")

    @pytest.mark.parametrize("expression", ["0 9 * * *", "0 * * * *"])
    @pytest.mark.parametrize("timezone", ["UTC", "Pacific/Auckland", "America/New_York"])
    def test_beyond_the_end_of_the_calendar_there_is_none(self, expression, timezone):
        assert cron.next_after(expression, timezone, at("9999-12-31T23:59")) is None
        assert cron.firings(expression, timezone, at("9999-12-31T23:59"), 5) == []

    @pytest.mark.parametrize("timezone", ["UTC", "Asia/Tokyo", "America/New_York"])
    def test_times_at_the_beginning_of_the_calendar_are_found(self, timezone):
        found = cron.firings("0 9 * * *", timezone, at("0001-01-01T00:00"), 2)

        assert [each.local.hour for each in found] == [9, 9]

    def test_a_rare_day_is_found(self):
        after = at("2088-03-01T00:00")  # 2100 has no 29 February

        assert cron.next_after("0 0 29 2 */7", "UTC", after) == at("2128-02-29T00:00")


class TestClockChanges:
    """Berlin: 02:00 → 03:00 on 29 March 2026, 03:00 → 02:00 on 25 October 2026."""

    def test_a_time_in_the_gap_fires_once_at_its_end(self):
        assert fires("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00", 3) == [
            "2026-03-28T02:30+01:00",
            "2026-03-29T03:00+02:00",
            "2026-03-30T02:30+02:00",
        ]

    def test_several_times_in_the_gap_fire_once(self):
        assert fires("*/20 2 * * *", "Europe/Berlin", "2026-03-29T00:00", 2) == [
            "2026-03-29T03:00+02:00",
            "2026-03-30T02:00+02:00",
        ]

    def test_the_end_of_the_gap_and_the_same_time_fire_once(self):
        assert fires("0 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00", 2) == [
            "2026-03-29T03:00+02:00",
            "2026-03-30T02:00+02:00",
        ]

    def test_a_time_in_the_repeated_hour_fires_once(self):
        assert fires("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2) == [
            "2026-10-25T02:30+02:00",
            "2026-10-26T02:30+01:00",
        ]

    def test_inside_the_repeated_hour_nothing_fires_again(self):
        second = at("2026-10-25T01:10")  # 02:10, the second time

        assert cron.next_after("*/5 2 * * *", "Europe/Berlin", second) == at("2026-10-26T01:00")

    @pytest.mark.parametrize("hours", ["*", "*/1", "0-23", "0-23/1", "0-11,12-23"])
    @pytest.mark.parametrize(
        ("minutes", "timezone", "start", "times"),
        [
            ("30", "Europe/Berlin", "2026-03-29T00:45", ["01:30+01:00", "03:30+02:00", "04:30+02:00"]),
            ("30", "Europe/Berlin", "2026-10-25T01:45", ["02:30+02:00", "02:30+01:00", "03:30+01:00"]),
            ("0,30", "Europe/Berlin", "2026-03-29T01:15", ["01:30+01:00", "03:00+02:00", "03:30+02:00"]),
            ("45", "Australia/Lord_Howe", "2026-04-05T01:15", ["01:45+11:00", "01:45+10:30", "02:45+10:30"]),
            ("45", "Australia/Lord_Howe", "2026-10-04T01:15", ["01:45+10:30", "02:45+11:00", "03:45+11:00"]),
            ("15", "Australia/Lord_Howe", "2026-10-04T01:00", ["01:15+10:30", "03:15+11:00", "04:15+11:00"]),
        ],
    )  # fmt: skip
    def test_every_hour_fires_whenever_clocks_show_its_minutes(
        self, hours, minutes, timezone, start, times
    ):
        found = fires(f"{minutes} {hours} * * *", timezone, start, 3)

        assert [each[11:] for each in found] == times

    # A day on which clocks change, or one that could be.
    DAYS = (
        ("Europe/Berlin", "2026-03-29"),
        ("Europe/Berlin", "2026-10-25"),
        ("America/New_York", "2026-03-08"),
        ("America/New_York", "2026-11-01"),
        ("Australia/Lord_Howe", "2026-04-05"),
        ("Australia/Lord_Howe", "2026-10-04"),
        ("Africa/Casablanca", "2026-02-15"),
        ("Africa/Casablanca", "2026-03-22"),
        ("Africa/Cairo", "2026-04-24"),
        ("Asia/Kathmandu", "2026-03-29"),
    )

    @pytest.mark.slow
    @settings(max_examples=60, deadline=None)
    @given(
        day=st.sampled_from(DAYS),
        minutes=st.sets(st.integers(0, 59), min_size=1, max_size=4),
        hours=st.none() | st.sets(st.integers(0, 23), min_size=1, max_size=23),
    )
    def test_a_walk_through_every_minute_finds_the_same_times(self, day, minutes, hours):
        timezone, date = day
        window, first_shown = _clocks(timezone, date)
        if hours is None:
            wanted = {moment for moment, shown in window.items() if shown.minute in minutes}
        else:
            wanted = {
                at
                for shown, at in first_shown.items()
                if shown.hour in hours and shown.minute in minutes
            }
        begin, *_ = window
        until = begin + MINUTE * 84 * 60
        expression = f"{_list(minutes)} {'*' if hours is None else _list(hours)} * * *"

        found, moment = set(), begin
        while (moment := cron.next_after(expression, timezone, moment)) and moment < until:
            found.add(moment)

        assert found == {m for m in wanted if begin < m < until}


def _list(values: set[int]) -> str:
    return ",".join(str(value) for value in sorted(values))


@cache
def _clocks(timezone: str, date: str) -> tuple[dict[datetime, datetime], dict[datetime, datetime]]:
    """What clocks show in each minute around a day, and the minute of each time that they could show.

    A time that they show twice has the first minute; one that they skip has that of the next time they show.
    """
    zone, middle = ZoneInfo(timezone), datetime.fromisoformat(date).replace(tzinfo=UTC)
    window = [middle + MINUTE * number for number in range(-36 * 60, 60 * 60)]
    shown_in = {moment: moment.astimezone(zone).replace(tzinfo=None) for moment in window}
    first_shown: dict[datetime, datetime] = {}
    for moment, shown in shown_in.items():
        first_shown.setdefault(shown, moment)
    for shown in reversed(_minutes_between(min(first_shown), max(first_shown))):
        if shown not in first_shown:
            first_shown[shown] = first_shown[shown + MINUTE]
    return shown_in, first_shown


def _minutes_between(start: datetime, end: datetime) -> list[datetime]:
    return [start + MINUTE * number for number in range((end - start) // MINUTE + 1)]


_number = st.integers(0, 70).map(str)
_name = st.sampled_from(["MON", "fri", "JAN", "dec", "L", "LW", "5L", "1#2", "7#5", "*", "?", "1#"])
_item = st.one_of(
    _number,
    _name,
    st.builds("{}-{}".format, _number | _name, _number | _name),
    st.builds("{}/{}".format, st.one_of(_number, _name, st.just("0-59")), _number),
)
_field = st.lists(_item, min_size=1, max_size=3).map(",".join) | st.just("*")
_expression = (
    st.lists(_field, min_size=5, max_size=5).map(" ".join)
    | st.tuples(st.just("0 0"), _field, st.just("*"), _field).map(" ".join)
    | st.tuples(st.just("0 0 */30"), _field, _field).map(" ".join)
)


_moments = st.integers(0, 5_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@pytest.mark.slow
class TestAnyText:
    @settings(max_examples=150, deadline=None)
    @given(
        expression=_expression | st.text(max_size=60),
        timezone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia"]),
        after=_moments,
    )
    @example("0 0 */29 2 1#5", "UTC", at("2026-01-01"))
    @example("0 0 29 2 */7", "Europe/Berlin", at("2088-03-01"))
    @example("* * 30 12 *", "Pacific/Apia", at("2011-12-29"))
    @example("\x1c0 0 1 1 *", "UTC", at("2026-01-01"))
    def test_a_text_is_refused_or_has_a_next_time_and_words(self, expression, timezone, after):
        with cpu_limit(0.05):
            try:
                moment = cron.next_after(expression, timezone, after)
                words = descriptions.describe(expression)
            except CronInvalid:
                moment, words = None, ""

        assert (moment is None) == (words == "")
        assert moment is None or moment > after


class TestFirings:
    def notes(self, expression, start, count=3, timezone="Europe/Berlin"):
        after = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(timezone))
        found = cron.firings(expression, timezone, after, count)
        return [(each.local.isoformat(timespec="minutes"), each.note) for each in found]

    def test_a_skipped_time_fires_after_the_change(self):
        found = self.notes("30 2 * * *", "2027-03-27T00:00", 3)

        assert [note and note.split(".")[0] for _, note in found] == [
            None,
            "The clocks skip the usual time on this day",
            None,
        ]
        assert [shown for shown, _ in found] == [
            "2027-03-27T02:30+01:00",
            "2027-03-28T03:00+02:00",
            "2027-03-29T02:30+02:00",
        ]

    def test_a_time_shown_twice_fires_once(self):
        found = self.notes("30 2 * * *", "2027-10-30T12:00", 2)

        assert found == [
            (
                "2027-10-31T02:30+02:00",
                "The clocks show this time twice on this day. It fires the first time.",
            ),
            ("2027-11-01T02:30+01:00", "The clocks have changed to UTC+01:00 from UTC+02:00."),
        ]

    def test_every_hour_fires_both_times(self):
        found = self.notes("30 * * * *", "2027-10-31T01:45", 3)

        assert [note and note[-20:] for _, note in found][:2] == ["It fires both times."] * 2
        assert found[0][0] == "2027-10-31T02:30+02:00"
        assert found[1][0] == "2027-10-31T02:30+01:00"

    def test_so_does_it_where_clocks_go_back_by_half_an_hour(self):
        found = self.notes("45 * * * *", "2026-04-05T01:15", 3, "Australia/Lord_Howe")

        assert [note and note[-20:] for _, note in found] == [*["It fires both times."] * 2, None]
        assert [shown[11:] for shown, _ in found] == ["01:45+11:00", "01:45+10:30", "02:45+10:30"]

    def test_an_invalid_expression_is_refused(self):
        with pytest.raises(CronInvalid):
            cron.firings("0 0 30 2 *", "UTC", at("2027-01-01"), 1)


HOUR = timedelta(hours=1)
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana")
EXPRESSIONS = (
    "* * * * *",
    "0 9 * * 1-5",
    "*/7 * * * *",
    "0,30 0-2 * * *",
    "30 2 * * *",
    "15 */2 * * *",
    "0 0 L * *",
    "0 0-23 * * *",
    "59 23 1 * 0",
)
# In or beside the weeks in which the zones change their clocks, and others.
STARTS = st.builds(
    lambda month, minutes: datetime(2026, month, 5, tzinfo=UTC) + timedelta(minutes=minutes),
    st.sampled_from((3, 10)),
    st.integers(0, 34 * 24 * 60),
)


class TestHourlyCounts:
    @settings(max_examples=80)
    @given(
        expression=st.sampled_from(EXPRESSIONS),
        zone=st.sampled_from(ZONES),
        start=STARTS,
        hours=st.integers(1, 60),
        later=st.integers(-100, 200),
    )
    def test_they_are_those_of_all_times(self, expression, zone, start, hours, later):
        after = start + timedelta(minutes=17 * later)
        expected = [0] * hours
        moment = max(after, start - timedelta(microseconds=1))
        while (moment := cron.next_after(expression, zone, moment)) < start + hours * HOUR:
            expected[(moment - start) // HOUR] += 1

        assert cron.hourly_counts(expression, zone, start, hours, after=after) == expected

    def test_a_week_of_each_minute_is_quick(self):
        start = datetime(2026, 6, 1, tzinfo=UTC)

        with cpu_limit(0.1):
            counts = cron.hourly_counts(
                "* * * * *", "Europe/Berlin", start, 168, after=start - HOUR
            )

        assert counts == [60] * 168

    def test_days_that_do_not_match_have_none(self):
        friday = datetime(2026, 6, 5, tzinfo=UTC)

        counts = cron.hourly_counts("0 9 * * 1-5", "UTC", friday, 72, after=friday)

        assert counts == [*[0] * 9, 1, *[0] * 62]

    def test_zones_can_differ_by_half_an_hour(self):
        start = datetime(2026, 6, 1, 0, 0, tzinfo=UTC)

        counts = cron.hourly_counts("*/20 9 * * *", "Asia/Kolkata", start, 6, after=start)

        # 9:00 there is 3:30 in UTC.
        assert counts == [0, 0, 0, 2, 1, 0]

    def test_an_hour_that_the_clocks_skip_has_one_time(self):
        start = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)

        counts = cron.hourly_counts("*/10 2 * * *", "Europe/Berlin", start, 3, after=start)

        assert counts == [0, 1, 0]
