"""Workspaces that compute take turns."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from stepiq.core.concurrency import pauses
from stepiq.language import offload
from tests.support.computations import as_owner


class TestTakeTurnsAs:
    async def test_others_do_not_wait_for_one_that_has_much_to_compute(self, held):
        hold = held()
        many = [as_owner("a", hold.compute) for _ in range(5)]
        await hold.begun.wait()

        assert await as_owner("b", len, "xyz") == 3
        assert not any(task.done() for task in many)

        hold.done.set()
        await asyncio.gather(*many)

    async def test_owners_with_a_backlog_come_one_after_the_other(self, held):
        holds, order = [held(), held(), held()], list[str]()
        running = [as_owner(name, hold.compute) for name, hold in zip("abx", holds, strict=True)]
        for hold in holds:
            await hold.begun.wait()
        names = ("a1", "a2", "a3", "c1", "c2", "c3")
        waiting = [as_owner(name[0], order.append, name) for name in names]
        await asyncio.sleep(0)
        # The place of one is the reserve, which owners with a backlog cannot use.
        holds[0].done.set()
        holds[2].done.set()
        await asyncio.gather(*waiting)

        assert order[:3] == ["a1", "c1", "a2"]

        holds[1].done.set()
        await asyncio.gather(*running)

    async def test_a_short_computation_does_not_wait_for_long_ones_that_can_pause(self):
        done, paused = threading.Event(), dict.fromkeys("abcde", 0)

        def compute(name: str) -> None:
            while not done.is_set():
                pauses.pause_if_due()
                paused[name] += 1

        # Those of three owners fill all places.
        running = [as_owner(name, compute, name) for name in paused]
        assert [await as_owner("x", len, "abc") for _ in range(3)] == [3, 3, 3]
        while not all(paused.values()):
            assert await as_owner("x", len, "abc") == 3
        assert not any(each.done() for each in running)

        done.set()
        await asyncio.gather(*running)

    async def test_a_suspended_one_continues_even_if_others_compute_all_the_time(self):
        """Its workspace has used much lately, so it cannot begin in the reserve."""
        done, turns = threading.Event(), {"heavy": 0, "a": 0, "b": 0, "c": 0}
        places = offload._Turns(now=lambda: 0.0)
        places._places._activate("heavy").used = 1e9

        def compute(name: str) -> None:
            while not done.is_set():
                pauses.pause_if_due()
                turns[name] += 1

        jobs = {name: offload._Job(lambda _, name=name: compute(name)) for name in turns}
        for name, job in jobs.items():
            places.add(name, job)
        for _ in range(3):
            seen = dict(turns)
            while any(turns[name] == seen[name] for name in turns):
                await asyncio.to_thread(time.sleep, 0)

        done.set()
        for job in jobs.values():
            await asyncio.wrap_future(job.result)

    @pytest.mark.parametrize(
        ("used", "number"), [(1e9, 1), (0.0, 2)], ids=["much use", "a backlog"]
    )
    async def test_what_cannot_use_the_reserve_begins_before_those_that_can_pause_continue(
        self, used: float, number: int
    ):
        done = threading.Event()
        places = offload._Turns(now=lambda: 0.0)
        places._places._activate("x").used = used

        def compute() -> None:
            while not done.is_set():
                pauses.pause_if_due()

        running = [offload._Job(lambda _: compute()) for _ in "abc"]
        for name, job in zip("abc", running, strict=True):
            places.add(name, job)
        short = [offload._Job(lambda _: 3) for _ in range(number)]
        for job in short:
            places.add("x", job)

        for job in short:
            assert await asyncio.wrap_future(job.result) == 3
        assert not any(job.result.done() for job in running)

        done.set()
        for job in running:
            await asyncio.wrap_future(job.result)

    async def test_so_many_at_most_are_suspended(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(offload, "_MOST_SUSPENDED", 0)
        done = threading.Event()
        overdue = [threading.Event() for _ in range(offload._PLACES)]

        def compute(number: int) -> None:
            end = time.thread_time() + 3 * offload._TURN_CPU_SECONDS
            while not done.is_set():
                pauses.pause_if_due()
                if time.thread_time() > end:
                    overdue[number].set()

        running = [as_owner(str(number), compute, number) for number in range(len(overdue))]
        short = as_owner("x", len, "abc")
        for each in overdue:
            assert await asyncio.to_thread(each.wait, 30)

        assert not short.done()

        done.set()
        assert await short == 3
        await asyncio.gather(*running)

    @pytest.mark.parametrize("offloaded", [offload.compute, offload.compute_long])
    async def test_who_computes_little_does_not_wait_for_others(self, held, offloaded):
        holds = [held(), held()]
        running = [
            as_owner(name, hold.compute, offloaded=offloaded)
            for name, hold in zip("aabb", [holds[0]] * 2 + [holds[1]] * 2, strict=True)
        ]
        for hold in holds:
            await hold.begun.wait()

        assert await as_owner("c", len, "xyz", offloaded=offloaded) == 3

        for hold in holds:
            hold.done.set()
        await asyncio.gather(*running)

    async def test_who_computed_much_waits_for_others(self, held):
        now = [0.0]
        turns = offload._Turns(lambda: now[0])

        async def offloaded(function: Callable[..., Any], *args: Any) -> Any:
            return await offload._offload(lambda pause: function(*args), turns=turns)

        def compute_for_long() -> None:
            now[0] += 6

        await as_owner("c", compute_for_long, offloaded=offloaded)
        holds, order = [held(), held()], list[str]()
        running = [
            as_owner(name, hold.compute, offloaded=offloaded)
            for name, hold in zip("ab", holds, strict=True)
        ]
        for hold in holds:
            await hold.begun.wait()
        waiting = [as_owner(name, order.append, name, offloaded=offloaded) for name in "cd"]
        await waiting[1]

        assert order == ["d"]

        for hold in holds:
            hold.done.set()
        await asyncio.gather(*running, *waiting)

    async def test_work_in_a_transaction_does_not_wait_for_other_work(self, held):
        holds = [held() for _ in range(3)]
        running = [as_owner(name, hold.compute) for name, hold in zip("abc", holds, strict=True)]
        for hold in holds:
            await hold.begun.wait()

        assert await as_owner("a", len, "xyz", offloaded=offload.compute_apart) == 3

        for hold in holds:
            hold.done.set()
        await asyncio.gather(*running)
