"""Tickers that share the work: none of them fires what another has, and what one leaves behind the next does."""

import asyncio
import os
import time
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.core import ids
from stepiq.execution.limits.plans import Plans
from stepiq.store.database import Database, StoreUnavailable
from stepiq.store.tables import runs, schedule_ticks, schedules, workspaces
from stepiq.triggers.schedules import ticker as module
from stepiq.triggers.schedules.ticker import Ticker
from tests.support import pace
from tests.support.forked_command import ForkedCommand
from tests.triggers.schedules.conftest import NINE

SECOND = timedelta(seconds=1)


pytestmark = pytest.mark.both_stores


class TestSeveralTickers:
    async def test_each_tick_fires_once(self, settings, database, engine, schedule, rows):
        other_database = Database(settings)
        made = [await schedule() for _ in range(250)]
        plans = Plans.load({})
        tickers = [Ticker(each, engine, plans) for each in (database, other_database, database)]

        handled = await asyncio.gather(*(each.tick(NINE) for each in tickers))

        await other_database.close()
        assert sum(handled) == 250
        found = await rows(sa.select(runs.c.schedule_id))
        assert sorted(row.schedule_id for row in found) == sorted(made)

    async def test_one_that_dies_in_a_batch_leaves_it_to_the_next(
        self, database, engine, schedule, rows, monkeypatch
    ):
        made = [await schedule() for _ in range(20)]
        ticker = Ticker(database, engine, Plans.load({}))
        reached, never = asyncio.Event(), asyncio.Event()
        advance = module.queries.advance

        async def dying(session, moves):
            reached.set()
            await never.wait()

        monkeypatch.setattr(module.queries, "advance", dying)
        dead = asyncio.create_task(ticker.tick(NINE))
        await reached.wait()
        dead.cancel()
        await asyncio.wait({dead})
        monkeypatch.setattr(module.queries, "advance", advance)
        assert await rows(sa.select(runs)) == []

        await ticker.tick(NINE)

        found = await rows(sa.select(runs.c.schedule_id))
        assert sorted(row.schedule_id for row in found) == sorted(made)


async def ticked(ticker: Ticker) -> None:
    """Fire what is due at nine, again after an outage, as `Ticker.run_for_ever` does.

    PostgreSQL ends transactions that are idle for three seconds, which also happens if the machine is very slow.
    """
    while True:
        with suppress(StoreUnavailable):
            await ticker.tick(NINE)
            return


class TestBurst:
    @pytest.fixture
    async def thousand(self, database, account, make, pipeline_id):
        """A thousand schedules of one pipeline, all due at nine."""
        first = await make.schedule(account, pipeline_id, next_run_at=NINE)
        async with database.transaction() as session:
            made = await module.queries.find(session, account.workspace_id, first)
            assert made is not None
            copies = [replace(made, id=ids.uuid7()) for _ in range(999)]
            await session.execute(sa.insert(schedules), [asdict(copy) for copy in copies])

    @pytest.fixture
    def each_started_once(self, rows):
        async def each_started_once():
            found = await rows(sa.select(runs.c.id, runs.c.schedule_id))
            assert len(found) == len({row.schedule_id for row in found}) == 1_000
            told = await rows(sa.select(schedule_ticks.c.run_id))
            assert {row.run_id for row in told} == {row.id for row in found}
            (workspace,) = await rows(sa.select(workspaces))
            assert workspace.unfinished_runs == workspace.runs_today == 1_000

        return each_started_once

    @pytest.mark.slow
    async def test_a_thousand_at_once_are_started_within_seconds_though_a_ticker_dies(
        self, settings, database, engine, thousand, each_started_once, monkeypatch
    ):
        other_database = Database(settings)
        plans = Plans.load({})
        reached, advance = asyncio.Event(), module.queries.advance

        async def watched(session, moves):
            await advance(session, moves)
            reached.set()

        monkeypatch.setattr(module.queries, "advance", watched)
        began, computed = time.monotonic(), time.process_time()

        dying = asyncio.create_task(Ticker(other_database, engine, plans).tick(NINE))
        living = asyncio.create_task(ticked(Ticker(database, engine, plans)))
        await reached.wait()
        dying.cancel()
        await asyncio.wait({dying})
        await living
        await Ticker(database, engine, plans).tick(NINE + SECOND)
        computed, took = time.process_time() - computed, time.monotonic() - began

        await other_database.close()
        await each_started_once()
        # About 0.6 and 1; the second depends on what else the machine does.
        slower = pace.slowness()
        assert computed < 3 * slower
        assert took < 10 * slower

    @pytest.fixture
    async def process(self, settings, tmp_path):
        """Starts a ticker in another process; it begins to fire when a line is written to it."""
        started = []

        async def process():
            arguments = [str(settings.data_dir), settings.database_url, NINE.isoformat()]
            program = "tests.support.ticker_process"
            new = await ForkedCommand.start(arguments, tmp_path, os.environ, program=program)
            started.append(new)
            assert new.stdout is not None
            assert await new.stdout.readline() == b"ready\n"
            return new

        yield process
        for each in started:
            if each.returncode is None:
                each.kill()
            await each.wait()

    @pytest.fixture
    def at_least(self, rows):
        async def at_least(number):
            while (found := len(await rows(sa.select(runs.c.id)))) < number:  # noqa: ASYNC110 - another process tells nobody
                await asyncio.sleep(0)
            return found

        return at_least

    @pytest.mark.slow
    async def test_a_process_that_is_killed_in_its_middle_leaves_and_doubles_nothing(
        self, database, engine, thousand, each_started_once, process, at_least
    ):
        killed = await process()
        killed.stdin.write(b"go\n")
        by_it = await at_least(50)
        living = asyncio.create_task(ticked(Ticker(database, engine, Plans.load({}))))
        by_both = await at_least(by_it + 150)

        killed.kill()
        await killed.wait()
        await living
        await Ticker(database, engine, Plans.load({})).tick(NINE + SECOND)

        assert killed.returncode == -9
        assert 50 <= by_it < by_both < 1_000
        await each_started_once()

    @pytest.mark.slow
    async def test_three_processes_that_are_killed_one_after_the_other_double_nothing(
        self, database, engine, thousand, each_started_once, process, at_least
    ):
        tickers = [await process() for _ in range(3)]
        for each in tickers:
            each.stdin.write(b"go\n")
        killed_at = []
        for each in tickers:
            killed_at.append(await at_least((killed_at or [0])[-1] + 40))
            each.kill()
            await each.wait()
        left = await at_least(0)

        handled = await Ticker(database, engine, Plans.load({})).tick(NINE + SECOND)

        assert killed_at[0] < killed_at[1] < killed_at[2] <= left < 1_000
        assert left + handled == 1_000
        await each_started_once()
