"""Work begins on the event loop in turns."""

import asyncio
import time
from itertools import pairwise

from stepiq.core.concurrency.turns import LoopTurns


class Work:
    """Work that begins in turns, and the iterations of the event loop."""

    def __init__(self) -> None:
        self.turns = LoopTurns()
        self.began: list[str] = []
        self.iterations: list[list[str]] = []

    async def _begin(self, owner: str) -> None:
        await self.turns.take(owner)
        self.began.append(owner)
        self.iterations[-1].append(owner)

    def start(self, *owners: str) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self._begin(owner)) for owner in owners]

    async def iterate(self) -> None:
        self.iterations.append([])
        await asyncio.sleep(0)

    async def until(self, number: int) -> None:
        """Iterate until so much work has begun."""
        async with asyncio.timeout(60):
            while len(self.began) < number:
                await self.iterate()


class TestLoopTurns:
    async def test_work_begins_immediately_if_no_other_did(self):
        work = Work()

        work.start("a")
        await work.iterate()

        assert work.began == ["a"]

    async def test_at_most_one_begins_in_an_iteration(self):
        work = Work()

        work.start(*["a"] * 10)
        await work.until(10)

        assert max(map(len, work.iterations)) == 1

    async def test_the_loop_has_as_much_time_for_other_work(self):
        turns = LoopTurns()
        began: list[float] = []

        def compute() -> None:
            began.append(time.monotonic())
            time.sleep(0.02)

        async def begin() -> None:
            await turns.take("a")
            compute()

        await asyncio.gather(*(begin() for _ in range(4)))

        assert all(after - before >= 0.04 for before, after in pairwise(began))

    async def test_after_a_process_was_suspended_work_begins_soon(self):
        turns = LoopTurns()
        turns._is_free = False
        turns._end(time.monotonic() - 600)

        async with asyncio.timeout(60):
            await turns.take("a")

    async def test_an_owner_with_much_work_does_not_delay_another(self):
        work = Work()
        work.start(*["many"] * 100)
        await work.until(5)

        work.start("one")
        await work.until(101)

        assert work.began.index("one") <= 5 + 2

    async def test_an_owner_with_few_turns_lately_does_not_wait_for_all_others_each_time(self):
        work = Work()
        many = [f"hostile {number}" for number in range(20)]
        work.start(*many * 10)
        await work.until(120)

        for step in range(1, 3):
            work.start("one")
            before = len(work.began)
            await work.until(before + 3)
            assert work.began.count("one") == step

    async def test_later_an_owner_has_as_many_turns_as_the_others(self):
        work = Work()
        work.start(*["many"] * 100)
        await work.until(40)

        work.start(*["a", "b"] * 20)
        await work.until(70)

        # Two turns of each before, and then the same number.
        assert 8 <= work.began[40:].count("many") <= 10

    async def test_owners_that_come_and_go_are_not_remembered_for_ever(self):
        work = Work()

        for number in range(0, 2_000, 100):
            work.start(*(f"owner {number + each}" for each in range(100)))
            await work.until(number + 100)

        assert len(work.turns._rounds) <= 1_000

    async def test_owners_that_come_again_after_they_were_forgotten_do_not_delay_one_for_ever(self):
        work = Work()
        work.start(*["steady"] * 100)
        await work.until(10)

        for first in range(0, 4_000, 10):
            work.start(*(f"owner {(first + each) % 1_500}" for each in range(10)))
            # At least ten of them wait all the time.
            await work.until(10 + first)

        assert work.began.count("steady") > 10

    async def test_of_one_owner_what_has_waited_longest_begins_first(self):
        turns = LoopTurns()
        began: list[float] = []

        async def begin(waited_seconds: float) -> None:
            await turns.take("a", waited_seconds)
            began.append(waited_seconds)

        await asyncio.gather(*(begin(seconds) for seconds in (0, 2, 9, 5)))

        # Nobody else waits when the first one comes.
        assert began == [0, 9, 5, 2]

    async def test_the_turn_of_a_cancelled_task_goes_to_the_next(self):
        work = Work()
        tasks = work.start("a", "b", "b", "c")
        await work.iterate()

        tasks[1].cancel()
        tasks[2].cancel()
        await work.until(2)

        assert work.began == ["a", "c"]

    async def test_after_all_work_has_begun_the_next_begins_too(self):
        work = Work()
        work.start("a", "b")
        await work.until(2)

        work.start("c")
        await work.until(3)

        assert work.began == ["a", "b", "c"]
