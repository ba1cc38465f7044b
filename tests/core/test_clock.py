from datetime import UTC, datetime, timedelta, timezone

from stepiq.core import clock


class TestNow:
    def test_it_is_the_systems_time_in_utc(self):
        before = datetime.now(UTC)
        now = clock.now()

        assert before <= now <= datetime.now(UTC)
        assert now.utcoffset() == timedelta(0)

    def test_it_moves_when_told_until_it_is_put_back(self):
        before = clock.now()
        clock.advance(timedelta(days=30))
        clock.advance(timedelta(days=1))
        assert timedelta(days=31) <= clock.now() - before < timedelta(days=31, minutes=1)

        clock.reset()

        assert clock.now() - before < timedelta(minutes=1)


class TestReadable:
    def test_it_is_english_and_names_the_zone(self):
        moment = datetime(2026, 11, 29, 23, 5, tzinfo=timezone(timedelta(hours=9)))

        assert clock.readable(moment) == "29 Nov 2026, 14:05 UTC"
        assert clock.readable(datetime(2027, 1, 3, tzinfo=UTC)) == "3 Jan 2027, 00:00 UTC"


class TestIso:
    def test_it_is_utc_with_milliseconds_and_z(self):
        moment = datetime(2026, 2, 27, 12, 0, 4, 500_999, tzinfo=timezone(timedelta(hours=2)))

        assert clock.iso(moment) == "2026-02-27T10:00:04.500Z"

    def test_whole_seconds_have_milliseconds_too(self):
        assert clock.iso(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000Z"
