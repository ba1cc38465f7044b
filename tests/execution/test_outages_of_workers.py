"""Outages of the database that end the leases of live workers."""

import asyncio
import math
from collections.abc import Callable
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.queue import recovery
from stepiq.queue.recovery import Recovery
from stepiq.queue.worker_lease import SessionPresence, presence_of
from stepiq.store.tables import runs
from tests.support import loop_time
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.workers import (
    another,
    asking,
    cut_lease,
    restored_late,
    say_that_somebody_else_has_it,
)

only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


class Checks:
    """The results of `take_over`, and a wait that looks again after each."""

    def __init__(self, watching: Recovery, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: list[int] = []
        self._checked = asyncio.Condition()
        self._take_over = watching.take_over
        monkeypatch.setattr(watching, "take_over", self._note)

    async def _note(self, grace_seconds: float) -> int:
        taken = await self._take_over(grace_seconds)
        async with self._checked:
            self.taken.append(taken)
            self._checked.notify_all()
        return taken

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30), self._checked:
            await self._checked.wait_for(condition)


async def claim_of(world: World, run_id: UUID) -> int | None:
    async with world.database.reading() as session:
        return await session.scalar(sa.select(runs.c.claim).where(runs.c.id == run_id))


class TestTakeOver:
    async def test_nobody_is_gone_while_this_workers_own_lease_is_lost_or_has_just_returned(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        # Only `taking` is to take the tickets over.
        monkeypatch.setattr(recovery, "GRACE_SECONDS", 600.0)
        fake_provider.configure(token_ms=10_000)
        _, heard = await asking(world)
        fake_provider.configure(token_ms=0)
        await say_that_somebody_else_has_it(world)
        taking = another(world)

        taking._presence.restored_at = math.inf
        assert await taking.take_over() == 0

        # It waits for others for three seconds.
        with loop_time.within(2):
            taking._presence.restored_at = asyncio.get_running_loop().time()
            assert await taking.take_over() == 0

        taking._presence.restored_at -= 600
        assert await taking.take_over() == 1
        await asyncio.wait_for(heard.until_ended(), 30)

    async def test_who_comes_back_before_its_tickets_are_taken_keeps_them(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        fake_provider.configure(token_ms=10_000)
        run_id, _ = await asking(world)
        taking, absent = another(world), [{world.engine._presence.executor_id}, set[str]()]

        async def comes_back(session: object, executors: object) -> set[str]:
            return absent.pop(0)

        monkeypatch.setattr(taking._presence, "absent", comes_back)

        assert await taking.take_over() == 0

        assert absent == []
        assert await claim_of(world, run_id) == 1
        assert await world.engine._tickets.unstarted() == set()

    async def test_so_do_all_if_this_worker_loses_its_own_lease_meanwhile(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        fake_provider.configure(token_ms=10_000)
        await asking(world)
        taking, checks = another(world), 0

        async def lose_the_own_lease(session: object, executors: object) -> set[str]:
            nonlocal checks
            checks += 1
            taking._presence.restored_at = -math.inf if checks == 1 else math.inf
            return {world.engine._presence.executor_id}

        monkeypatch.setattr(taking._presence, "absent", lose_the_own_lease)

        assert await taking.take_over() == 0

        assert checks == 2


class TestRunForEver:
    @only_postgresql
    async def test_after_a_cut_of_all_connections_a_worker_keeps_its_runs_although_it_is_back_last(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        loop_time.quicken(1)
        monkeypatch.setattr(recovery, "GRACE_SECONDS", 0.05)
        monkeypatch.setattr(recovery, "_OUTAGE_GRACE_SECONDS", 600.0)
        fake_provider.configure(token_ms=10_000)
        run_id, _ = await asking(world)
        last, first = world.engine._presence, presence_of(world.database)
        assert isinstance(last, SessionPresence)
        assert isinstance(first, SessionPresence)
        await first.acquire()
        last_may_return = restored_late(last, monkeypatch)
        first_may_return = restored_late(first, monkeypatch)
        watching = Recovery(world.database, world.changes, world.engine._tickets, first)
        checks = Checks(watching, monkeypatch)
        task = asyncio.create_task(watching.run_for_ever({}, world.engine.let_go))
        try:
            # One after the other, because two sessions do not end at the same moment.
            await cut_lease(world.database, first)
            await checks.until(lambda: first.restored_at == math.inf)
            await cut_lease(world.database, last)
            first_may_return.set()
            await checks.until(lambda: first.restored_at < math.inf)
            since_then = len(checks.taken)
            await checks.until(lambda: len(checks.taken) >= since_then + 3)
            async with world.database.reading() as session:
                assert await first.absent(session, [last.executor_id]) == {last.executor_id}
            last_may_return.set()
            await checks.until(lambda: last.restored_at < math.inf)
        finally:
            task.cancel()
            await first.release()

        assert set(checks.taken) == {0}
        assert await claim_of(world, run_id) == 1
