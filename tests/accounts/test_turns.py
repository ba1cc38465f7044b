import asyncio

import pytest

from stepiq.accounts.errors import Busy
from stepiq.accounts.turns import Turns


class Work:
    """Work that lasts until it is let go, and the order in which it began."""

    def __init__(self, turns):
        self.turns = turns
        self.begun = []
        self.gates = []

    def start(self, who):
        return asyncio.create_task(self._run(who))

    async def _run(self, who):
        async with self.turns.turn(who):
            self.begun.append(who)
            gate = asyncio.Event()
            self.gates.append(gate)
            await gate.wait()

    async def finish_one(self):
        self.gates.pop(0).set()
        await idle()


async def idle():
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
async def work():
    return Work(Turns(1, waiting=6, waiting_each=4))


class TestTurn:
    async def test_so_many_go_at_once(self):
        work = Work(Turns(2, waiting=6, waiting_each=4))
        tasks = [work.start(who) for who in "abc"]
        await idle()
        assert work.begun == ["a", "b"]

        for _ in range(3):
            await work.finish_one()

        assert work.begun == ["a", "b", "c"]
        await asyncio.gather(*tasks)

    async def test_who_has_many_waiting_holds_up_others_by_one(self, work):
        tasks = [work.start(who) for who in "aaaab"]
        await idle()

        for _ in range(5):
            await work.finish_one()

        assert work.begun == ["a", "a", "b", "a", "a"]
        await asyncio.gather(*tasks)

    async def test_beyond_the_bounds_it_refuses(self, work):
        tasks = [work.start("a") for _ in range(5)]
        await idle()
        with pytest.raises(Busy):
            await work.start("a")
        tasks += [work.start(who) for who in "bc"]
        await idle()

        with pytest.raises(Busy):
            await work.start("d")

        for _ in tasks:
            await work.finish_one()
        await asyncio.gather(*tasks)

    async def test_who_leaves_the_queue_holds_up_nobody(self, work):
        first, second, third = (work.start(who) for who in "abc")
        await idle()
        second.cancel()

        await work.finish_one()

        assert work.begun == ["a", "c"]
        await work.finish_one()
        await asyncio.gather(first, third)

    async def test_a_turn_given_to_who_is_just_leaving_goes_on_to_the_next(self, work):
        async with work.turns.turn("a"):
            second, third = work.start("b"), work.start("c")
            await idle()
        second.cancel()

        await idle()

        assert work.begun == ["c"]
        await work.finish_one()
        await third

    async def test_work_that_breaks_gives_its_turn_back(self, work):
        with pytest.raises(ValueError, match="broke"):
            async with work.turns.turn("a"):
                raise ValueError("broke")

        async with work.turns.turn("b"):
            pass
