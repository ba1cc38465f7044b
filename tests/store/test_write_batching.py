import asyncio

import pytest

from stepiq.core.errors import Conflict
from stepiq.store.database import StoreUnavailable
from stepiq.store.write_batching import WriteBatcher


class Work:
    """Notes what is done together; holds a batch while `may_go` is not set."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.begun = asyncio.Event()
        self.may_go = asyncio.Event()
        self.may_go.set()

    async def together(self, items):
        self.batches.append(list(items))
        self.begun.set()
        await self.may_go.wait()
        if "broken" in items:
            raise ValueError("broken")
        if "away" in items:
            raise StoreUnavailable("away")
        if "locked" in items:
            error = StoreUnavailable("locked")
            error.was_answered = True
            raise error
        return [Conflict(item) if item == "refused" else item.upper() for item in items]


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def gatherer(database, work):
    return WriteBatcher(database, work.together, most=4)


async def all_of(gatherer, items):
    return await asyncio.gather(*map(gatherer.add, items), return_exceptions=True)


class TestAdd:
    async def test_it_returns_what_came_of_it(self, gatherer):
        assert await gatherer.add("a") == "A"

    async def test_what_comes_together_shares_a_transaction(self, gatherer, work):
        results = await all_of(gatherer, "abcdefghij")
        await gatherer.add("k")

        assert results == list("ABCDEFGHIJ")
        assert [len(batch) for batch in work.batches] == [4, 4, 2, 1]

    async def test_what_comes_meanwhile_goes_next(self, gatherer, work):
        work.may_go.clear()
        first = asyncio.create_task(gatherer.add("a"))
        await work.begun.wait()
        rest = asyncio.create_task(all_of(gatherer, "bc"))
        await asyncio.sleep(0)
        work.may_go.set()

        assert (await first, await rest) == ("A", ["B", "C"])
        assert work.batches == [["a"], ["b", "c"]]

    async def test_keys_take_turns(self, gatherer, work):
        # All of them share a lane on PostgreSQL, too.
        a, b, c = 0, 4, 8
        work.may_go.clear()
        added = [asyncio.create_task(gatherer.add(f"a{number}", a)) for number in range(7)]
        await work.begun.wait()
        later = (("b0", b), ("c0", c), ("b1", b))
        added += [asyncio.create_task(gatherer.add(item, key)) for item, key in later]
        await asyncio.sleep(0)
        work.may_go.set()
        await asyncio.gather(*added)

        assert work.batches[1:] == [["a4", "b0", "c0", "a5"], ["b1", "a6"]]

    async def test_a_refusal_is_its_callers_own(self, gatherer, work):
        results = await all_of(gatherer, ["a", "refused", "b"])

        assert [type(result) for result in results] == [str, Conflict, str]
        assert len(work.batches) == 1

    async def test_a_fault_with_one_is_not_the_others(self, gatherer, work):
        results = await all_of(gatherer, ["a", "broken", "b"])

        assert [type(result) for result in results] == [str, ValueError, str]
        assert work.batches[1:] == [["a"], ["broken"], ["b"]]

    async def test_a_store_that_is_away_fails_all_and_is_asked_again(self, gatherer):
        results = await all_of(gatherer, ["a", "away", "b"])

        assert [type(result) for result in results] == [StoreUnavailable] * 3
        assert await gatherer.add("c") == "C"

    async def test_a_deadlock_fails_only_who_meets_it_again(self, gatherer, work):
        results = await all_of(gatherer, ["a", "locked", "b"])

        assert [type(result) for result in results] == [str, StoreUnavailable, str]
        assert work.batches[1:] == [["a"], ["locked"], ["b"]]

    async def test_a_deadlock_is_no_reason_to_give_up_on_who_waits(self, database, work):
        gatherer = WriteBatcher(database, work.together, most=1, gives_up=True)

        results = await all_of(gatherer, ["locked", "a", "b"])

        assert [type(result) for result in results] == [StoreUnavailable, str, str]

    async def test_a_store_that_goes_away_is_not_asked_for_each_one(self, gatherer, work):
        results = await all_of(gatherer, ["broken", "away", "a", "b"])

        assert [type(result) for result in results] == [ValueError, *[StoreUnavailable] * 3]
        assert work.batches[1:] == [["broken"], ["away"]]

    @pytest.mark.parametrize("gives_up", [True, False])
    async def test_who_waits_behind_it_fails_where_soon_is_wanted(self, database, work, gives_up):
        gatherer = WriteBatcher(database, work.together, most=1, gives_up=gives_up)

        results = await all_of(gatherer, ["away", "a", "b"])

        assert [type(result) for result in results[1:]] == [
            StoreUnavailable if gives_up else str
        ] * 2
        assert await gatherer.add("c") == "C"

    async def test_who_gives_up_while_waiting_has_asked_for_nothing(self, database, work):
        gatherer = WriteBatcher(database, work.together, most=1)
        work.may_go.clear()
        tasks = [asyncio.create_task(gatherer.add(item)) for item in ("first", "gone", "stays")]
        first, gone, stays = tasks
        await work.begun.wait()
        gone.cancel()
        await asyncio.wait({gone})
        work.may_go.set()
        await asyncio.gather(first, stays)

        assert gone.cancelled()
        assert work.batches == [["first"], ["stays"]]

    async def test_who_gives_up_later_ends_when_it_is_done(self, gatherer, work):
        work.may_go.clear()
        gone = asyncio.create_task(gatherer.add("gone"))
        await work.begun.wait()
        for _ in range(3):
            gone.cancel()
            await asyncio.sleep(0.001)
        assert not gone.done()
        work.may_go.set()

        with pytest.raises(asyncio.CancelledError):
            await gone

    async def test_what_is_refused_to_who_gave_up_is_nobodys(self, gatherer, work):
        work.may_go.clear()
        gone = asyncio.create_task(gatherer.add("refused"))
        await work.begun.wait()
        gone.cancel()
        await asyncio.sleep(0)
        work.may_go.set()

        with pytest.raises(asyncio.CancelledError):
            await gone


class TestEnd:
    async def test_a_process_that_stops_in_the_middle_leaves_nobody_waiting(self, gatherer, work):
        work.may_go.clear()
        waiting = [asyncio.create_task(gatherer.add(item)) for item in "abcdef"]
        await work.begun.wait()
        (lane,) = {lane for lane in gatherer._lanes if lane._working}
        lane._working.cancel()

        done, _ = await asyncio.wait(waiting, timeout=20)

        assert all(task.cancelled() for task in done)
        assert len(done) == 6


class TestLanes:
    async def test_on_postgresql_one_key_does_not_hold_up_all_others(self, database, work):
        gatherer = WriteBatcher(database, work.together)
        work.may_go.clear()
        waiting = [asyncio.create_task(gatherer.add(str(key), key)) for key in range(8)]
        await work.begun.wait()
        for _ in range(5):
            await asyncio.sleep(0)

        assert len(work.batches) == (1 if database.is_sqlite else 4)
        work.may_go.set()
        await asyncio.gather(*waiting)

    async def test_one_keys_work_goes_in_the_order_it_came(self, database, work):
        gatherer = WriteBatcher(database, work.together, most=1)
        await asyncio.gather(*(gatherer.add(str(number), "key") for number in range(5)))

        assert work.batches == [[str(number)] for number in range(5)]
