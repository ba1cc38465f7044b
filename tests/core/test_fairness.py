"""Places are shared fairly, none is lost, and every caller gets one."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepiq.core.concurrency.fairness import FairSemaphore, TooManyWaiting, act_for, current_owner


class Time:
    """A clock that moves only when a test moves it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Callers:
    """Callers that keep their places until told otherwise."""

    def __init__(self, places: FairSemaphore) -> None:
        self.places = places
        self.began: list[str] = []
        self.running: list[tuple[str, asyncio.Event]] = []
        self.waiting: list[tuple[str, asyncio.Task[None]]] = []

    def start(self, *owners: str, urgent: bool = False) -> None:
        for owner in owners:
            task = asyncio.create_task(self._run(owner, urgent))
            self.waiting.append((owner, task))

    async def settle(self) -> None:
        for _ in range(4):
            await asyncio.sleep(0)
        self.waiting = [(owner, task) for owner, task in self.waiting if not task.done()]

    async def begin(self, *owners: str, urgent: bool = False) -> None:
        """Start callers one after the other. The first word of each is its owner."""
        for owner in owners:
            self.start(owner, urgent=urgent)
            await self.settle()

    async def finish(self, index: int = 0) -> None:
        self.running.pop(index)[1].set()
        await self.settle()

    async def _run(self, owner: str, urgent: bool) -> None:
        async with self.places.place(owner.split()[0], urgent=urgent):
            self.began.append(f"urgent {owner}" if urgent else owner)
            done = asyncio.Event()
            self.running.append((owner, done))
            self.waiting.remove(
                next(each for each in self.waiting if each[1] is asyncio.current_task())
            )
            await done.wait()


class TestPlace:
    async def test_as_many_run_at_once_as_there_are_places(self):
        callers = Callers(FairSemaphore(2))

        await callers.begin("a", "b", "c")

        assert callers.began == ["a", "b"]

    async def test_use_need_not_count(self):
        now = Time()
        callers = Callers(FairSemaphore(1, counts_use=False, now=now))
        await callers.begin("much")
        now.seconds = 30
        await callers.begin("much")
        now.seconds = 31
        await callers.begin("little")

        await callers.finish()
        await callers.finish()

        assert callers.began == ["much", "much", "little"]

    async def test_a_free_place_goes_to_the_owner_with_the_fewest(self):
        callers = Callers(FairSemaphore(3))
        await callers.begin("a", "a", "b", "a", "b", "c")

        await callers.finish(2)
        await callers.finish(0)

        assert callers.began[3:] == ["b", "c"] or callers.began[3:] == ["c", "b"]

    async def test_owners_take_turns(self):
        now = Time()
        callers = Callers(FairSemaphore(1, now=now))
        await callers.begin("a", "a", "a", "a", "b")

        for _ in range(4):
            now.seconds += 1
            await callers.finish()

        assert callers.began == ["a", "b", "a", "a", "a"]

    async def test_one_caller_does_not_wait_for_all_calls_of_twenty_owners(self):
        now = Time()
        callers = Callers(FairSemaphore(1, now=now))
        hostile = [f"h{index}" for index in range(20)]
        await callers.begin(*hostile * 3)
        for _ in range(20):
            now.seconds += 1
            await callers.finish()

        await callers.begin("new")
        for _ in range(20):
            now.seconds += 1
            await callers.finish()

        assert "new" in callers.began

    async def test_recent_use_counts_as_waiting_less(self):
        now = Time()
        callers = Callers(FairSemaphore(1, now=now))
        await callers.begin("a")
        now.seconds = 30
        await callers.begin("a", "a")
        now.seconds = 35
        await callers.begin("b")

        await callers.finish()

        assert callers.began == ["a", "b"]

    async def test_an_owner_has_no_more_than_its_share(self):
        callers = Callers(FairSemaphore(4, share=2))

        await callers.begin("a", "a", "a", "b")

        assert callers.began == ["a", "a", "b"]
        await callers.finish()
        assert callers.began == ["a", "a", "b", "a"]

    async def test_the_reserve_is_for_owners_without_a_place(self):
        callers = Callers(FairSemaphore(4, reserve=2))

        await callers.begin("a", "a", "a", "b", "c", "d")

        assert callers.began == ["a", "a", "b", "c"]

    async def test_an_owner_with_much_recent_use_cannot_use_the_reserve(self):
        now = Time()
        callers = Callers(FairSemaphore(2, reserve=1, little_use_seconds=5, now=now))
        await callers.begin("a")
        now.seconds = 30
        await callers.begin("b")
        await callers.finish()
        await callers.begin("c")

        await callers.begin("a")

        assert [owner for owner, _ in callers.waiting] == ["a"]
        assert callers.places.free == 0

    async def test_an_owner_with_a_backlog_cannot_use_the_reserve(self):
        callers = Callers(FairSemaphore(2, share=1, reserve=1))
        await callers.begin("a", "b", "c", "c", "d")
        assert callers.began == ["a", "b"]

        await callers.finish()
        assert callers.began == ["a", "b", "d"]

        await callers.finish()
        await callers.finish()
        assert callers.began == ["a", "b", "d", "c"]

    async def test_an_owner_that_wants_no_place_has_no_backlog(self):
        callers = Callers(FairSemaphore(2, share=1, reserve=1))
        await callers.begin("a", "a", "b")
        await callers.finish()
        await callers.finish()
        await callers.finish()
        await callers.begin("b")

        await callers.begin("a")

        assert callers.began == ["a", "b", "a", "b", "a"]

    async def test_and_does_not_block_those_that_can(self):
        now = Time()
        callers = Callers(FairSemaphore(2, reserve=1, little_use_seconds=5, now=now))
        await callers.begin("a")
        now.seconds = 30
        await callers.begin("b", "c", "a")
        await callers.finish()
        now.seconds = 100
        await callers.begin("d")
        assert [owner for owner, _ in callers.waiting] == ["a", "d"]

        await callers.finish()

        assert callers.began == ["a", "b", "c", "d"]

    async def test_an_urgent_caller_overtakes_only_callers_of_its_owner(self):
        now = Time()
        callers = Callers(FairSemaphore(1, now=now))
        for owner in ("z", "a", "a", "b", "b"):
            now.seconds += 1
            await callers.begin(owner)
        now.seconds += 1
        await callers.begin("b", "c", urgent=True)

        for _ in range(6):
            await callers.finish()

        assert callers.began == ["z", "a", "urgent b", "urgent c", "a", "b", "b"]

    async def test_urgent_callers_and_others_take_turns_in_the_order_of_their_arrival(self):
        callers = Callers(FairSemaphore(1))
        await callers.begin("a 0", "a 1", "a 2")
        await callers.begin("a 3", "a 4", "a 5", urgent=True)

        for _ in range(5):
            await callers.finish()

        assert callers.began == [
            "a 0",
            "urgent a 3",
            "a 1",
            "urgent a 4",
            "a 2",
            "urgent a 5",
        ]

    async def test_an_urgent_caller_that_stops_waiting_leaves_the_turn_of_its_owner(self):
        now = Time()
        callers = Callers(FairSemaphore(1, now=now))
        for owner in ("z", "a", "b"):
            now.seconds += 1
            await callers.begin(owner)
        await callers.begin("a", urgent=True)
        callers.waiting[-1][1].cancel()
        await callers.settle()

        for _ in range(2):
            await callers.finish()

        assert callers.began == ["z", "a", "b"]

    async def test_a_caller_that_stops_waiting_blocks_nobody(self):
        callers = Callers(FairSemaphore(1))
        await callers.begin("a", "b", "c")
        callers.waiting[0][1].cancel()

        await callers.finish()

        assert callers.began == ["a", "c"]

    async def test_a_place_granted_to_a_caller_that_is_just_cancelled_goes_to_the_next(self):
        places = FairSemaphore(1)
        callers = Callers(places)
        assert places.take("a")
        await callers.begin("b", "c")
        places.release("a")
        callers.waiting[0][1].cancel()

        await callers.settle()

        assert callers.began == ["c"]

    async def test_an_error_returns_the_place(self):
        places = FairSemaphore(1)
        with pytest.raises(ValueError, match="broke"):
            async with places.place("a"):
                raise ValueError("broke")

        assert places.free == 1

    async def test_too_many_waiting_callers_are_refused(self):
        callers = Callers(FairSemaphore(1, max_waiting=6, max_waiting_of_owner=2))
        await callers.begin("a", "a", "a")
        with pytest.raises(TooManyWaiting):
            await callers.places.acquire("a")

        await callers.begin("b")
        with pytest.raises(TooManyWaiting):
            await callers.places.acquire("b")

        await callers.begin("c", "d", "e")
        with pytest.raises(TooManyWaiting):
            await callers.places.acquire("f")

    def test_a_reserve_of_all_places_is_refused(self):
        with pytest.raises(ValueError, match="reserve"):
            FairSemaphore(2, reserve=2)


class TestTake:
    def test_it_refuses_when_all_places_are_taken(self):
        places = FairSemaphore(2)

        assert [places.take("a"), places.take("a"), places.take("b")] == [True, True, False]
        assert places.held("a") == 2

    def test_owners_of_the_past_are_forgotten(self):
        places = FairSemaphore(1)
        for index in range(3_000):
            assert places.take(index)
            places.release(index)

        assert len(places._shares) == 1_000

    async def test_it_does_not_overtake_callers_of_the_same_owner(self):
        callers = Callers(FairSemaphore(2, share=1))
        await callers.begin("a", "a")

        assert not callers.places.take("a")
        assert callers.places.take("b")


class TestUsesLittle:
    async def test_use_counts_while_it_lasts_and_is_forgotten_later(self):
        now = Time()
        places = FairSemaphore(2, little_use_seconds=5, now=now)
        assert places.uses_little("a")

        assert places.take("a")
        assert places.uses_little("a")
        now.seconds += 6
        assert not places.uses_little("a")
        assert places.uses_little("b")
        places.release("a")
        assert not places.uses_little("a")

        now.seconds += 60
        assert places.uses_little("a")


class TestOwner:
    async def test_tasks_act_for_the_owner_of_the_task_that_created_them(self):
        act_for("a")

        async def owner() -> object:
            return current_owner()

        assert await asyncio.create_task(owner()) == "a"


async def _walk(steps: list[tuple[int, str]], make: Callable[[Time], FairSemaphore]) -> None:
    """Start, finish and cancel callers, and check the rules after each step."""
    now = Time()
    places = make(now)
    callers = Callers(places)
    for number, what in steps:
        now.seconds += number
        owner = "abcdef"[number % 6]
        match what:
            case "start" | "start urgent":
                callers.start(owner, urgent=what == "start urgent")
            case "finish" if callers.running:
                callers.running.pop(number % len(callers.running))[1].set()
            case "cancel" if callers.waiting:
                callers.waiting[number % len(callers.waiting)][1].cancel()
            case "settle":
                await callers.settle()
                _check(callers)
            case _:
                pass
    await callers.settle()
    _check(callers)
    left = len(callers.waiting) + len(callers.running)
    for _ in range(left):
        await callers.finish()
        _check(callers)
    assert not callers.waiting
    assert places.free == places.size


def _check(callers: Callers) -> None:
    places = callers.places
    held = Counter(owner for owner, _ in callers.running)
    assert held.total() == places.size - places.free <= places.size
    assert all(count <= places.share for count in held.values())
    # More places than the reserve are free only if every waiting owner has its share.
    if places.free > places.reserve:
        assert all(held[owner] >= places.share for owner, _ in callers.waiting)


class TestProperties:
    @settings(max_examples=50, deadline=None)
    @given(
        steps=st.lists(
            st.tuples(
                st.integers(0, 40),
                st.sampled_from(["start", "start", "start urgent", "finish", "cancel", "settle"]),
            ),
            max_size=60,
        ),
        size=st.integers(1, 5),
        share=st.integers(1, 5),
        reserve=st.integers(0, 4),
        little_use=st.sampled_from([0.0, 5.0, float("inf")]),
    )
    def test_no_place_is_lost_and_every_caller_gets_one(
        self,
        steps: list[tuple[int, str]],
        size: int,
        share: int,
        reserve: int,
        little_use: float,
    ):
        def make(now: Time) -> FairSemaphore:
            return FairSemaphore(
                size,
                share=share,
                reserve=min(reserve, size - 1),
                little_use_seconds=little_use,
                now=now,
            )

        asyncio.run(_walk(steps, make))

    @settings(max_examples=20, deadline=None)
    @given(st.integers(2, 30), st.integers(1, 4))
    def test_a_stream_of_new_owners_does_not_starve_one_that_used_much(
        self, seconds: int, size: int
    ):
        async def starve() -> int:
            now = Time()
            callers = Callers(FairSemaphore(size, now=now))
            await callers.begin(*["much"] * size)
            now.seconds = 300
            for _ in range(size):
                await callers.finish()
            rounds = 0
            await callers.begin(*[f"first-{index}" for index in range(size)], "much")
            while "much" not in callers.began[size:] and rounds < 1_000:
                rounds += 1
                now.seconds += seconds
                await callers.begin(f"new-{rounds}")
                await callers.finish()
            for _, task in callers.waiting:
                task.cancel()
            with suppress(IndexError):
                while True:
                    await callers.finish()
            return rounds

        # Use of the last minutes counts at most 87 seconds for each place.
        assert asyncio.run(starve()) * seconds <= 90 * size + 10 * seconds
