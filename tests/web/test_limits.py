import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.core import clock as core_clock
from stepiq.core import ids
from stepiq.store.database import Database
from stepiq.web.counts import MemoryCounts, SharedCounts, counts_of
from stepiq.web.limits import Limiter
from tests.support.watched_sql import watched

MINUTE = timedelta(minutes=1)

Make = Callable[..., Limiter]


@pytest.fixture
def make_limiter(database: Database) -> Make:
    return lambda limit: Limiter(limit, MINUTE, counts_of(database, "tests"))


@pytest.mark.both_stores
class TestHit:
    async def test_the_limit_is_reached_by_the_one_after_it(self, make_limiter: Make):
        limiter = make_limiter(3)

        decisions = [await limiter.hit("a") for _ in range(5)]

        assert [each.is_allowed for each in decisions] == [True, True, True, False, False]
        assert [each.remaining for each in decisions] == [2, 1, 0, 0, 0]

    async def test_a_large_limit_is_reached_exactly_too(self, make_limiter: Make):
        limiter = make_limiter(107)

        decisions = await asyncio.gather(*(limiter.hit("a") for _ in range(120)))

        assert [each.is_allowed for each in decisions] == [True] * 107 + [False] * 13
        assert [each.remaining for each in decisions] == [*range(106, -1, -1), *[0] * 13]

    async def test_a_period_begins_with_the_first_one_and_says_when_it_ends(
        self, make_limiter: Make, clock
    ):
        limiter = make_limiter(1)
        await limiter.hit("a")
        clock.advance(timedelta(seconds=30))

        refused = await limiter.hit("a")
        clock.advance(timedelta(seconds=30))

        assert not refused.is_allowed
        assert timedelta(seconds=20) < refused.reset <= timedelta(seconds=30)
        assert (await limiter.hit("a")).is_allowed

    async def test_what_is_refused_does_not_count(self, make_limiter: Make, clock):
        limiter = make_limiter(1)
        for _ in range(60):
            await limiter.hit("a")
            clock.advance(timedelta(seconds=1))

        assert (await limiter.hit("a")).is_allowed

    async def test_keys_do_not_share(self, make_limiter: Make):
        limiter = make_limiter(1)
        await limiter.hit("a")

        assert (await limiter.hit("b")).is_allowed

    async def test_a_key_may_have_a_limit_of_its_own(self, make_limiter: Make):
        limiter = make_limiter(1)

        decisions = [await limiter.hit("a", limit=2) for _ in range(3)]

        assert [each.is_allowed for each in decisions] == [True, True, False]
        assert decisions[0].limit == 2

    async def test_a_limit_that_was_lowered_leaves_nothing(self, make_limiter: Make):
        limiter = make_limiter(100)
        for _ in range(4):
            await limiter.hit("a")

        refused = await limiter.hit("a", limit=2)

        assert (refused.is_allowed, refused.remaining) == (False, 0)

    async def test_a_clock_that_is_set_back_refuses_nobody_for_longer(
        self, make_limiter: Make, clock
    ):
        limiter = make_limiter(1)
        clock.jump(timedelta(days=1))
        await limiter.hit("a")
        clock.jump(-timedelta(days=1))

        assert (await limiter.hit("a")).is_allowed

    async def test_one_that_was_given_back_is_free_again(self, make_limiter: Make):
        limiter = make_limiter(2)
        await limiter.hit("a")
        await limiter.hit("a")
        assert not (await limiter.hit("a")).is_allowed

        await limiter.give_back("a")

        assert (await limiter.hit("a")).is_allowed
        assert not (await limiter.hit("a")).is_allowed

    async def test_a_cleared_key_starts_again(self, make_limiter: Make):
        limiter = make_limiter(1)
        await limiter.hit("a")

        await limiter.clear("a")

        assert (await limiter.hit("a")).is_allowed


@pytest.mark.one_store
class TestMemory:
    async def test_the_quietest_keys_are_forgotten(self):
        limiter = Limiter(2, MINUTE, MemoryCounts(max_keys=2))
        await limiter.hit("a")
        await limiter.hit("b")
        await limiter.hit("a")
        await limiter.hit("c")

        assert not (await limiter.hit("a")).is_allowed
        assert (await limiter.hit("b")).remaining == 1

    @given(st.lists(st.integers(0, 20), max_size=100), st.integers(1, 5))
    def test_no_period_ever_has_more_than_the_limit(self, pauses, limit):
        limiter = Limiter(limit, MINUTE)
        begun = None
        count = 0
        for pause in pauses:
            core_clock.advance(timedelta(seconds=pause))
            decision = asyncio.run(limiter.hit("a"))
            if begun is None or core_clock.now() - begun >= MINUTE:
                begun, count = core_clock.now(), 0
            count += decision.is_allowed
            assert count <= limit


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
class TestProcesses:
    """Each object counts as one process."""

    @pytest.mark.parametrize("limit", [1, 10, 100])
    async def test_together_they_allow_no_more_than_the_limit(self, database: Database, limit):
        processes = [Limiter(limit, MINUTE, SharedCounts(database, "x")) for _ in range(3)]
        hits = [each.hit("a") for _ in range(limit + 5) for each in processes]

        allowed = sum(each.is_allowed for each in await asyncio.gather(*hits))

        assert allowed == limit

    async def test_one_may_leave_a_twentieth_to_another_unused(self, database: Database):
        one, other = (Limiter(100, MINUTE, SharedCounts(database, "x")) for _ in range(2))
        await one.hit("a")

        allowed = [(await other.hit("a")).is_allowed for _ in range(101)]

        assert sum(allowed) == 95

    async def test_limits_of_other_names_do_not_share(self, database: Database):
        one, other = (Limiter(1, MINUTE, SharedCounts(database, name)) for name in "xy")
        await one.hit("a")

        assert (await other.hit("a")).is_allowed

    async def test_the_hits_of_a_flood_execute_no_statements(self, database: Database):
        limiter = Limiter(1, timedelta(hours=1), SharedCounts(database, "x"))
        await limiter.hit("a")
        await limiter.hit("a")
        seen: list[str] = []

        with watched(lambda _, sql, __: seen.append(sql)):
            flood = [await limiter.hit("a") for _ in range(200)]

        assert not any(each.is_allowed for each in flood)
        # One per second that has passed.
        assert len([sql for sql in seen if "INSERT" in sql]) <= 1 + len(flood) // 100

    async def test_another_process_may_clear_a_key(self, database: Database, clock):
        one, other = (Limiter(1, MINUTE, SharedCounts(database, "x")) for _ in range(2))
        await one.hit("a")
        assert not (await other.hit("a")).is_allowed

        await one.clear("a")
        clock.advance(timedelta(seconds=1))

        assert (await other.hit("a")).is_allowed

    async def test_keys_are_not_stored(self, database: Database):
        user = ids.uuid7()
        limiter = Limiter(1, MINUTE, SharedCounts(database, "x"))
        values: list[object] = []

        with watched(lambda _, __, given: values.extend(given)):
            await limiter.hit(("ada@example.com", user))

        assert values
        assert "ada" not in repr(values)
