"""Whatever happens to runs: a workspace never uses more than its limit, and a call that fits is never refused."""

import asyncio
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.core import clock as core_clock
from stepiq.core.ids import uuid7
from stepiq.execution.journal.reservations import settle_left_over
from stepiq.execution.journal.writing import ClaimLost, Ending, JournalEntry
from stepiq.execution.limits.runs import next_month
from stepiq.execution.limits.usage import month_of
from stepiq.execution.records import events
from stepiq.execution.records.run import ClaimedRun, StepRecord
from stepiq.store.states import RunStatus, StepStatus
from stepiq.store.tables import run_steps, runs, workspaces
from tests.support.engine import Limits, World
from tests.support.stores import on_sqlite

SOURCE = "name: T\nsteps: [{id: t, type: transform, template: x}]"
RUNS = 4
TURNS = 60
_EVENT = events.step_log(events.execution("s", "", 1), "info", "Something happened.")


@dataclass
class Worked:
    """A run in the hands of a worker, and what its step has reserved as the test knows it."""

    run: ClaimedRun
    record: StepRecord
    held: int = 0


@dataclass
class Books:
    """The credits of the workspace as the test knows them."""

    limit: int | None
    used: int = 0
    month: str = ""
    worked: dict[UUID, Worked] = field(default_factory=dict[UUID, Worked])
    left_over: int = 0
    """Of cancelled runs whose worker is gone."""

    @property
    def reserved(self) -> int:
        return sum(each.held for each in self.worked.values()) + self.left_over

    def left(self, month: str) -> int:
        assert self.limit is not None
        return self.limit * 1_000 - self.used_in(month) - self.reserved

    def used_in(self, month: str) -> int:
        return self.used if self.month == month else 0

    def pay(self, tokens: int, month: str) -> None:
        if tokens:
            self.used, self.month = tokens + self.used_in(month), month


class History:
    """Several runs of one workspace at a time, each with a step that calls models."""

    def __init__(self, world: World, pipeline_id: UUID, chance: random.Random) -> None:
        self.world, self.pipeline_id, self.chance = world, pipeline_id, chance
        self.journal = world.engine._journal
        self.books = Books(limit=20)
        self.refused = self.granted = 0

    async def turn(self) -> None:
        books = self.books
        if len(books.worked) < RUNS:
            await self._begin()
            return
        act = self.chance.choice(
            (
                *[self._call] * 10, self._settle, self._settle, self._take_over, self._lose,
                self._cancel, self._cancel_without_worker, self._end, self._change_plan, self._wait,
            )
        )  # fmt: skip
        await act()

    async def finish(self) -> None:
        """End all runs, and release what workers left behind."""
        for worked in list(self.books.worked.values()):
            await self._end(worked)
        core_clock.advance(timedelta(seconds=31))
        await settle_left_over(self.world.database)
        self.books.left_over = 0

    async def check(self) -> None:
        """The store agrees with the books, and is within the limit."""
        async with self.world.database.reading() as session:
            row = (
                await session.execute(
                    sa.select(workspaces).where(workspaces.c.id == self.world.workspace_id)
                )
            ).one()
            held = await session.scalar(
                sa.select(
                    sa.func.coalesce(sa.func.sum(run_steps.c.reserved_tokens), 0)
                ).select_from(run_steps.join(runs, runs.c.id == run_steps.c.run_id))
            )
        books = self.books
        assert row.credit_reserved == held == books.reserved
        assert (row.credit_tokens, row.credit_month) == (books.used, books.month)

    async def _begin(self) -> None:
        # Not by the engine, which would carry it.
        run_id = uuid7()
        async with self.world.database.transaction() as session:
            await session.execute(
                runs.insert().values(
                    id=run_id,
                    workspace_id=self.world.workspace_id,
                    pipeline_id=self.pipeline_id,
                    pipeline_version=1,
                    trigger_type="api",
                    status=RunStatus.PENDING,
                    input_data={},
                    ticket=1,
                    last_seq=0,
                    deadline_at=core_clock.now() + timedelta(days=1_000),
                    created_at=core_clock.now(),
                )
            )
            await session.execute(
                workspaces.update()
                .where(workspaces.c.id == self.world.workspace_id)
                .values(
                    unfinished_runs=workspaces.c.unfinished_runs + 1,
                    admitted_runs=workspaces.c.admitted_runs + 1,
                )
            )
        await self._claim(run_id)

    async def _claim(self, run_id: UUID) -> None:
        run = await self.journal.claim(run_id)
        assert run is not None
        found = list(run.steps.values())
        record = found[0] if found else StepRecord(uuid7(), "s", "S", "llm", 1, model="openai/a")
        run.add(record)
        self.books.worked[run_id] = Worked(run, record)

    def _any(self) -> Worked:
        return self.chance.choice(list(self.books.worked.values()))

    def _month(self) -> str:
        return month_of(core_clock.now())

    def _use(self, worked: Worked) -> int:
        """A call ends: it has used some of what it had reserved."""
        used = self.chance.randint(0, worked.held)
        if worked.held and used:
            worked.record.meter.input_tokens += used
            worked.record.meter.credit_tokens += used
        worked.record.reservation.is_used = False
        return used

    async def _write(self, worked: Worked, ending: Ending | None = None) -> None:
        await self.journal.write(worked.run, JournalEntry([worked.record], [_EVENT], ending))

    async def _call(self) -> None:
        """Several steps ask at the same time, right after their last calls or once these are settled."""
        month, sizes = self._month(), (1, 900, 3_000, 9_000, 19_000)
        some = self.chance.sample(list(self.books.worked.values()), self.chance.randint(1, RUNS))
        for worked in some:
            self.books.pay(self._use(worked), month)
            worked.record.status, worked.record.started_at = StepStatus.RUNNING, core_clock.now()
        are_settled = self.chance.random() < 0.5
        if are_settled:
            await asyncio.gather(*(self._write(worked) for worked in some))
        for worked in some:
            worked.held = 0
        left = None if self.books.limit is None else self.books.left(month)
        asked = {worked.run.id: self.chance.choice(sizes) for worked in some}
        for worked in some:
            worked.record.reservation.ask(asked[worked.run.id])

        await asyncio.gather(*(self._write(worked) for worked in some))

        for worked in some:
            worked.held = worked.record.reservation.held
        if left is None:
            assert all(each.held == 0 and each.record.reservation.is_unlimited for each in some)
            return
        granted = sum(each.held for each in some)
        assert granted <= max(0, left)
        for each in some:
            wanted, shortage = asked[each.run.id], each.record.reservation.shortage
            if shortage is None:
                self.granted += 1
                assert each.held == wanted
                continue
            self.refused += 1
            assert each.held == 0
            assert shortage.used + shortage.reserved + wanted > shortage.limit
            # A call waits if it fits once others have ended, and that is so.
            assert (
                shortage.passes(wanted) == (self.books.used_in(month) + wanted <= shortage.limit)
                or not are_settled
            )
            assert granted + wanted > left or not are_settled

    async def _settle(self) -> None:
        worked = self._any()
        if not worked.record.attempts and worked.record.started_at is None:
            return
        self.books.pay(self._use(worked), self._month())
        await self._write(worked)
        worked.held = 0

    async def _take_over(self) -> None:
        """A worker is gone in the middle of a call, and another one continues."""
        await self._claim(self._any().run.id)

    async def _lose(self) -> None:
        """A worker returns after another one has taken its run over: it changes nothing."""
        lost = self._any()
        await self._claim(lost.run.id)
        lost.record.reservation.ask(500)
        with pytest.raises(ClaimLost):
            await self._write(lost)

    async def _cancel(self) -> None:
        worked = self._any()
        del self.books.worked[worked.run.id]
        await self._cancel_by_user(worked)
        self.books.pay(self._use(worked), self._month())
        await self.journal.count_cancelled(worked.run, worked.record)

    async def _cancel_without_worker(self) -> None:
        """The worker is gone when the user cancels: nobody settles the call."""
        worked = self._any()
        del self.books.worked[worked.run.id]
        await self._cancel_by_user(worked)
        self.books.left_over += worked.held

    async def _cancel_by_user(self, worked: Worked) -> None:
        async with self.world.database.transaction() as session:
            await self.world.engine.cancel(session, self.world.workspace_id, worked.run.id)

    async def _end(self, worked: Worked | None = None) -> None:
        worked = worked or self._any()
        record = worked.record
        self.books.pay(self._use(worked), self._month())
        record.started_at = record.completed_at = core_clock.now()
        record.status = StepStatus.COMPLETED
        await self._write(worked, Ending(RunStatus.COMPLETED, output=1))
        del self.books.worked[worked.run.id]

    async def _change_plan(self) -> None:
        self.books.limit = self.chance.choice((20, 20, 20, 5, 60, None))
        await self.world.set_plan(Limits(credits_per_month=self.books.limit))

    async def _wait(self) -> None:
        """Time passes, sometimes into the next month."""
        if self.chance.random() < 0.3:
            core_clock.advance(next_month(core_clock.now()) - core_clock.now())
        else:
            core_clock.advance(timedelta(seconds=31))
        await settle_left_over(self.world.database)
        self.books.left_over = 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, *on_sqlite(2, 3)])
async def test_the_limit_holds_and_nothing_stays_reserved(world: World, clock: Any, seed: int):
    """Calls of several runs at the same time, failures, cancels, takeovers, lost workers, new plans and new months."""
    history = History(world, await world.pipeline(SOURCE), random.Random(seed))  # noqa: S311 - not a secret
    await world.set_plan(Limits(credits_per_month=20))

    for _ in range(TURNS):
        await history.turn()
        await history.check()
    await history.finish()

    await history.check()
    assert (await world.workspace()).credit_reserved == 0
    assert history.granted > 0
    assert history.refused > 0
