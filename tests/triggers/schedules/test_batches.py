"""Schedules of all states that are fired in one transaction, and the order of batches and of the runs that they start."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from stepiq.queue import tickets
from stepiq.queue.dbos_threads import Lanes
from stepiq.queue.ticket import FIRST, Queue
from stepiq.store.database import Database
from stepiq.store.states import Overlap, PipelineStatus
from stepiq.store.tables import pipelines, run_events, runs, schedules, workspaces
from stepiq.triggers.schedules import firing
from stepiq.triggers.schedules import ticker as module
from tests.support.make import Make
from tests.support.query_plans import executions
from tests.triggers.schedules.conftest import NINE

pytestmark = pytest.mark.both_stores
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
BACKLOG = Queue.RUNS.lane(FIRST + 1)
TYPED = """\
name: Typed
input: {schema: {topic: {type: string, required: true}}}
steps: [{id: a, type: transform, template: "{{input.topic}}"}]
"""
PLAIN = "name: Plain\nsteps: [{id: a, type: transform, template: x}]\n"
OUTCOMES = {
    "plain": ("started", None),
    "typed": ("started", None),
    "invalid": ("skipped", "input_invalid"),
    "archived": ("skipped", "pipeline_archived"),
    "paused": ("skipped", "pipeline_paused"),
    "disabled": ("skipped", "account_disabled"),
    "no cron": ("skipped", "plan_cron_disabled"),
    "overlapping": ("skipped", "overlap"),
    "unreadable": ("skipped", "cron_invalid"),
    "broken": ("skipped", "internal"),
    "missed": ("missed", "not_running"),
}


@dataclass
class Stage:
    """Makes due schedules of each kind, each in a workspace of its kind."""

    make: Make
    database: Database

    async def set(self):
        make = self.make
        users = {
            "disabled": await make.user(is_disabled=True),
            "no cron": await make.user(plan="free"),
            "usual": await make.user(),
        }
        self.users = {kind: users.get(kind, users["usual"]) for kind in OUTCOMES}
        self.pipelines = {
            kind: await make.pipeline(
                user,
                source=TYPED if kind in ("typed", "invalid") else PLAIN,
                status=PipelineStatus.ARCHIVED if kind == "archived" else PipelineStatus.ACTIVE,
            )
            for kind, user in self.users.items()
        }
        async with self.database.transaction() as session:
            await session.execute(
                sa.update(pipelines)
                .where(pipelines.c.id == self.pipelines["paused"])
                .values(paused_at=NINE)
            )
        return self

    async def due(self, kind):
        schedule_id = await self.make.schedule(
            self.users[kind],
            self.pipelines[kind],
            next_run_at=NINE - HOUR if kind == "missed" else NINE,
            cron_expression="a b c" if kind == "unreadable" else "0 8,9 * * *",
            overlap=Overlap.SKIP if kind == "overlapping" else Overlap.ALLOW,
            input_data={"topic": "x"} if kind == "typed" else {},
        )
        if kind == "overlapping":
            await self.make.run(self.users[kind], self.pipelines[kind], schedule_id=schedule_id)
        return schedule_id


@pytest.fixture
async def stage(make, database):
    return await Stage(make, database).set()


@pytest.fixture
def broken(monkeypatch):
    """The schedules whose ticks raise an unforeseen error."""
    broken, run_id = set(), firing.run_id

    def breaking(schedule_id, due_at, now):
        if schedule_id in broken:
            raise RuntimeError("unforeseen")
        return run_id(schedule_id, due_at, now)

    monkeypatch.setattr(firing, "run_id", breaking)
    return broken


class TestOneBatch:
    @pytest.mark.slow
    @settings(max_examples=25)
    @given(kinds=st.lists(st.sampled_from(sorted(OUTCOMES)), min_size=1, max_size=12))
    async def test_each_schedule_has_the_outcome_that_it_has_alone(
        self, ticker, stage, broken, rows, outcomes, database, kinds
    ):
        made = {await stage.due(kind): kind for kind in kinds}
        broken.clear()
        broken |= {schedule_id for schedule_id, kind in made.items() if kind == "broken"}

        # After a missed tick, the next one is due at once.
        assert await ticker.tick(NINE + SECOND) == len(made) + kinds.count("missed")

        for schedule_id, kind in made.items():
            found = [each[1:] for each in await outcomes(schedule_id)]
            assert (kind, found[0]) == (kind, OUTCOMES[kind])
            started = await rows(
                sa.select(runs.c.id, run_events.c.seq)
                .outerjoin(run_events)
                .where(runs.c.schedule_id == schedule_id, runs.c.trigger_type == "cron")
            )
            assert len(started) == [each[0] for each in found].count("started")
            (next_at,) = await rows(
                sa.select(schedules.c.next_run_at).where(schedules.c.id == schedule_id)
            )
            stays = kind in ("archived", "unreadable")
            assert next_at[0] == (None if stays else NINE + timedelta(hours=23))
        assert await ticker.tick(NINE + SECOND) == 0

    @pytest.mark.slow
    async def test_a_limit_is_used_up_exactly(self, ticker, make, rows, monkeypatch):
        monkeypatch.setattr(module, "BATCH", 60)
        accounts = [await make.user(plan="starter") for _ in range(3)]
        for account in accounts:
            pipeline_id = await make.pipeline(account)
            for _ in range(104):
                await make.schedule(account, pipeline_id, next_run_at=NINE)

        await ticker.tick(NINE)

        found = await rows(sa.select(runs.c.workspace_id, sa.func.count()).group_by("workspace_id"))
        assert {tuple(row) for row in found} == {(each.workspace_id, 100) for each in accounts}
        counted = await rows(
            sa.select(workspaces.c.runs_today, workspaces.c.unfinished_runs).where(
                workspaces.c.id.in_([each.workspace_id for each in accounts])
            )
        )
        assert {tuple(row) for row in counted} == {(100, 100)}

    async def test_large_inputs_make_a_batch_smaller_and_each_workspace_has_its_turn(
        self, ticker, make, rows
    ):
        accounts = [await make.user() for _ in range(3)]
        for account in accounts:
            pipeline_id = await make.pipeline(account)
            for _ in range(2):
                await make.schedule(
                    account, pipeline_id, next_run_at=NINE, input_data={"text": "x" * 2_700_000}
                )

        assert [await ticker.turn(NINE) for _ in range(3)] == [3, 3, 0]

        found = await rows(sa.select(runs.c.workspace_id).order_by(runs.c.created_at))
        assert {row.workspace_id for row in found[:3]} == {each.workspace_id for each in accounts}

    async def test_an_input_that_is_larger_than_a_batch_starts_alone(self, ticker, schedule):
        for _ in range(2):
            await schedule(input_data={"text": "ä" * 4_200_000})

        assert [await ticker.turn(NINE) for _ in range(3)] == [1, 1, 0]

    async def test_a_schedule_stays_due_until_its_version_is_compiled(
        self, ticker, engine, account, make, schedule, outcomes
    ):
        large = await make.pipeline(account, source=PLAIN.replace("x}", "x" * 3_000 + "}"))
        late, soon = await make.schedule(account, large, next_run_at=NINE), await schedule()

        handled = await ticker.turn(NINE)

        assert handled == 1
        assert (await outcomes(late), len(await outcomes(soon))) == ([], 1)
        assert await engine.definitions.wait_compiled(30)
        assert await ticker.turn(NINE) == 1
        assert await outcomes(late) == [("09:00", "started", None)]

    async def test_a_tick_waits_for_versions_to_be_compiled(self, ticker, account, make):
        large = await make.pipeline(account, source=PLAIN.replace("x}", "x" * 3_000 + "}"))
        await make.schedule(account, large, next_run_at=NINE)

        assert await ticker.tick(NINE) == 1

    async def test_the_number_of_statements_does_not_depend_on_the_number_of_schedules(
        self, ticker, schedule, database
    ):
        counts = []
        for number in (2, 40):
            for _ in range(number):
                await schedule()
            with executions() as seen:
                assert await ticker.turn(NINE) == number
            counts.append(len(seen))

        # The first batch also reads the version.
        assert counts[0] - 1 == counts[1] <= 14


class TestFailures:
    async def test_a_broken_statement_ends_the_turn(self, ticker, schedule, rows, monkeypatch):
        monkeypatch.setattr(module, "BATCH", 2)
        for _ in range(3):
            await schedule()

        async def broken(*_):
            raise RuntimeError("unforeseen")

        with monkeypatch.context() as patch:
            patch.setattr(module.queries, "due_of_each", broken)
            assert await ticker.turn(NINE) == 0

        assert await ticker.tick(NINE) == 3
        assert len(await rows(sa.select(runs))) == 3

    @pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
    async def test_schedules_that_another_ticker_has_do_not_end_the_round(
        self, ticker, make, database, settings, monkeypatch
    ):
        monkeypatch.setattr(module, "BATCH", 2)
        # Two batches of 20 workspaces.
        accounts = sorted(
            [await make.user() for _ in range(41)], key=lambda each: each.workspace_id
        )
        for account in accounts:
            pipeline_id = await make.pipeline(account)
            await make.schedule(account, pipeline_id, next_run_at=NINE)
        others = [account.workspace_id for account in accounts[:40]]
        other_database = Database(settings)

        async with other_database.transaction(30) as session:
            assert len(await module.queries.due_of_each(session, NINE, 2, others)) == 40
            assert await ticker.turn(NINE) == 1

        assert await ticker.tick(NINE) == 40
        await other_database.close()


@pytest.fixture
def held(monkeypatch):
    """Whether the lane of backlogs was held, at each batch."""
    lanes = Lanes()
    monkeypatch.setattr(tickets, "LANES", lanes)
    found, fire = [], firing.fire

    async def noting(*arguments):
        found.append(lanes.held_for(BACKLOG) > 0)
        return await fire(*arguments)

    monkeypatch.setattr(firing, "fire", noting)
    return found


class TestBacklog:
    async def test_runs_of_backlogs_wait_until_all_that_is_due_has_started(
        self, ticker, schedule, held, monkeypatch
    ):
        monkeypatch.setattr(module, "BATCH", 4)
        for _ in range(10):
            await schedule()

        await ticker.tick(NINE)

        assert held[:3] == [False, True, True]
        assert tickets.LANES.held_for(BACKLOG) == 0

    async def test_they_do_not_wait_for_one_batch(self, ticker, schedule, held):
        for _ in range(10):
            await schedule()

        await ticker.tick(NINE)

        assert held == [False]
