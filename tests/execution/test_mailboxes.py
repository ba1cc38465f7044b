from datetime import timedelta

from stepiq.core import clock
from stepiq.execution.limits import mailboxes

DAY = timedelta(days=1)


class TestCount:
    async def test_a_server_whose_clock_is_behind_continues_the_count_of_the_next_day(
        self, database
    ):
        now = clock.now()

        async with database.transaction() as session:
            counted = [
                await mailboxes.count(session, "ada@example.com", at)
                for at in (now, now, now + DAY, now + DAY, now, now, now + DAY)
            ]

        assert counted == [True, True, True, True, True, False, False]

    async def test_the_count_restarts_on_the_next_day(self, database):
        now = clock.now()

        async with database.transaction() as session:
            counted = [
                await mailboxes.count(session, "ada@example.com", at)
                for at in (now, now, now, now, now + DAY)
            ]

        assert counted == [True, True, True, False, True]
