from datetime import timedelta
from functools import partial
from itertools import count

import pytest
import sqlalchemy as sa

from stepiq.core import clock
from stepiq.language.schedules import cron
from stepiq.store.states import CatchUp, Overlap, PipelineStatus, RunStatus
from stepiq.store.tables import runs, schedule_ticks, schedules, workspaces
from stepiq.triggers.schedules import firing
from stepiq.triggers.schedules import ticker as module
from tests.support.query_plans import plan_of, statements, walked_whole
from tests.triggers.schedules.conftest import NINE

SECOND = timedelta(seconds=1)
MINUTELY = "* * * * *"
TYPED = """\
name: Typed
input: {schema: {topic: {type: string, required: true}}}
steps: [{id: a, type: transform, template: "{{input.topic}}"}]
"""


pytestmark = pytest.mark.both_stores


@pytest.fixture
def started(rows):
    async def started(schedule_id):
        return await rows(sa.select(runs).where(runs.c.schedule_id == schedule_id))

    return started


@pytest.fixture
def break_schedule(monkeypatch):
    """Makes the ticks of a schedule raise an unforeseen error."""

    def break_schedule(bad):
        run_id = firing.run_id

        def breaking(schedule_id, due_at, now):
            if schedule_id == bad:
                raise RuntimeError("unforeseen")
            return run_id(schedule_id, due_at, now)

        monkeypatch.setattr(firing, "run_id", breaking)

    return break_schedule


@pytest.fixture
def stored(rows):
    async def stored(schedule_id):
        return (await rows(sa.select(schedules).where(schedules.c.id == schedule_id)))[0]

    return stored


class TestTick:
    async def test_a_due_schedule_starts_a_run_and_moves_on(
        self, ticker, schedule, started, outcomes, stored, pipeline_id, account
    ):
        schedule_id = await schedule(input_data={"name": "Ada"})

        handled = await ticker.tick(NINE + SECOND)

        (run,) = await started(schedule_id)
        assert handled == 1
        assert (run.pipeline_id, run.workspace_id) == (pipeline_id, account.workspace_id)
        assert (run.trigger_type, run.status, run.ticket) == ("cron", "pending", 1)
        assert run.input_data == {"name": "Ada"}
        assert await outcomes(schedule_id) == [("09:00", "started", None)]
        after = await stored(schedule_id)
        assert after.next_run_at == NINE + timedelta(days=1)
        assert after.last_run_at == NINE + SECOND

    async def test_before_its_time_nothing_happens(self, ticker, schedule, started):
        schedule_id = await schedule()

        assert await ticker.tick(NINE - SECOND) == 0
        assert await started(schedule_id) == []

    async def test_schedules_follow_a_clock_that_is_set(self, ticker, schedule, started, clock):
        due_at = clock.now() + timedelta(days=400)
        schedule_id = await schedule(next_run_at=due_at)
        assert await ticker.tick() == 0

        clock.jump(timedelta(days=400))

        assert await ticker.tick() == 1
        assert len(await started(schedule_id)) == 1

    async def test_a_second_look_starts_nothing_more(self, ticker, schedule, started):
        schedule_id = await schedule()
        await ticker.tick(NINE)

        assert await ticker.tick(NINE + SECOND) == 0
        assert len(await started(schedule_id)) == 1

    async def test_many_are_done_in_several_batches(self, ticker, schedule, rows, monkeypatch):
        monkeypatch.setattr(module, "BATCH", 2)
        made = [await schedule() for _ in range(5)]

        assert [await ticker.turn(NINE) for _ in range(4)] == [2, 2, 1, 0]
        assert {row.schedule_id for row in await rows(sa.select(runs))} == set(made)

    async def test_many_of_one_workspace_do_not_delay_those_of_another(
        self, ticker, schedule, make, rows, monkeypatch
    ):
        monkeypatch.setattr(module, "BATCH", 4)
        for _ in range(20):
            await schedule()
        others = [await make.user() for _ in range(2)]
        of_others = {
            await make.schedule(other, await make.pipeline(other), next_run_at=NINE + SECOND)
            for other in others
        }

        await ticker.turn(NINE + SECOND)

        started = [row.schedule_id for row in await rows(sa.select(runs.c.schedule_id))]
        assert of_others < set(started)
        assert len(started) == 1 + 1 + 1

    async def test_what_becomes_due_meanwhile_is_in_the_next_batch(
        self, ticker, make, rows, monkeypatch
    ):
        monkeypatch.setattr(module, "BATCH", 4)
        # A batch has 20 workspaces.
        accounts = [await make.user() for _ in range(43)]
        # The last one in the order of turns.
        *crowd, other = sorted(accounts, key=lambda account: account.workspace_id)
        for account in crowd:
            pipeline_id = await make.pipeline(account)
            for _ in range(2):
                await make.schedule(account, pipeline_id, next_run_at=NINE)
        late = await make.schedule(other, await make.pipeline(other), next_run_at=NINE + SECOND)
        await ticker.turn(NINE)

        await ticker.turn(NINE + SECOND)

        started = [row.schedule_id for row in await rows(sa.select(runs.c.schedule_id))]
        assert late in started
        assert len(started) <= 20 + 20

    async def test_each_workspace_has_its_turn_before_one_has_another(
        self, ticker, make, rows, monkeypatch
    ):
        monkeypatch.setattr(module, "BATCH", 2)
        # A batch has 20 workspaces.
        accounts = [await make.user() for _ in range(50)]
        for account in accounts:
            pipeline_id = await make.pipeline(account)
            for _ in range(2):
                await make.schedule(account, pipeline_id, next_run_at=NINE)

        assert [await ticker.turn(NINE) for _ in range(3)] == [20, 20, 10]

        started = await rows(sa.select(runs.c.workspace_id))
        assert {row.workspace_id for row in started} == {each.workspace_id for each in accounts}

    @pytest.mark.new_store
    async def test_one_statement_finds_those_of_all_workspaces_in_an_index(
        self, ticker, make, database, monkeypatch
    ):
        monkeypatch.setattr(module, "BATCH", 4)
        for _ in range(4):
            account = await make.user()
            pipeline_id = await make.pipeline(account)
            for _ in range(2):
                await make.schedule(account, pipeline_id, next_run_at=NINE)

        with statements() as seen:
            await ticker.turn(NINE)

        ((text, values),) = [each for each in seen.items() if text_of_each(each[0])]
        assert text.count("LIMIT") == 4
        plan = await plan_of(database, text, values)
        assert walked_whole(plan) == set()
        assert plan.count("ix_schedules_workspace_id") == 4

    async def test_a_broken_one_among_many_delays_only_its_own_workspace(
        self, ticker, schedule, make, rows, outcomes, monkeypatch, break_schedule
    ):
        monkeypatch.setattr(module, "BATCH", 2)
        for _ in range(4):
            await schedule()
        bad = await schedule()
        break_schedule(bad)
        while await ticker.tick(NINE):
            pass

        assert len(await rows(sa.select(runs))) == 4
        assert await outcomes(bad) == [("09:00", "skipped", "internal")]

    async def test_a_run_counts_as_one_of_the_workspace(self, ticker, schedule, rows):
        for _ in range(3):
            await schedule()

        await ticker.tick(NINE)

        (workspace,) = await rows(sa.select(workspaces))
        assert (workspace.unfinished_runs, workspace.admitted_runs) == (3, 3)
        assert workspace.runs_today == 3

    async def test_a_tick_that_has_an_outcome_is_not_started_again(
        self, ticker, schedule, started, outcomes, database, stored
    ):
        schedule_id = await schedule()
        await ticker.tick(NINE)
        async with database.transaction() as session:
            # As if the server's clock had been set back and the schedule edited meanwhile.
            await session.execute(sa.update(schedules).values(next_run_at=NINE))

        await ticker.tick(NINE)

        assert len(await started(schedule_id)) == 1
        assert len(await outcomes(schedule_id)) == 1
        assert (await stored(schedule_id)).next_run_at == NINE + timedelta(days=1)


def text_of_each(text: str) -> bool:
    """Whether a statement looks for the due schedules of given workspaces."""
    return "UNION ALL" in text and "RECURSIVE" not in text


class TestSkipped:
    async def test_overlap_skips_while_the_last_run_goes_on(
        self, ticker, schedule, started, outcomes, database
    ):
        schedule_id = await schedule(cron_expression=MINUTELY, overlap=Overlap.SKIP)
        for minute in range(3):
            await ticker.tick(NINE + timedelta(minutes=minute))
        async with database.transaction() as session:
            await session.execute(
                sa.update(runs).values(status=RunStatus.CANCELLED, completed_at=NINE)
            )

        await ticker.tick(NINE + timedelta(minutes=3))

        assert len(await started(schedule_id)) == 2
        assert await outcomes(schedule_id) == [
            ("09:00", "started", None),
            ("09:01", "skipped", "overlap"),
            ("09:02", "skipped", "overlap"),
            ("09:03", "started", None),
        ]

    async def test_without_it_runs_overlap(self, ticker, schedule, started):
        schedule_id = await schedule(cron_expression=MINUTELY)

        for minute in range(3):
            await ticker.tick(NINE + timedelta(minutes=minute))

        assert len(await started(schedule_id)) == 3

    async def test_an_input_that_does_not_fit_any_more_is_no_run(
        self, ticker, account, make, outcomes, stored
    ):
        pipeline_id = await make.pipeline(account, source=TYPED)
        schedule_id = await make.schedule(account, pipeline_id, next_run_at=NINE)

        await ticker.tick(NINE)

        assert await outcomes(schedule_id) == [("09:00", "skipped", "input_invalid")]
        assert (await stored(schedule_id)).next_run_at == NINE + timedelta(days=1)
        assert (await stored(schedule_id)).last_run_at is None

    async def test_an_archived_pipeline_stops_its_schedules(
        self, ticker, account, make, outcomes, stored
    ):
        pipeline_id = await make.pipeline(account, status=PipelineStatus.ARCHIVED)
        schedule_id = await make.schedule(account, pipeline_id, next_run_at=NINE)

        await ticker.tick(NINE)

        assert await outcomes(schedule_id) == [("09:00", "skipped", "pipeline_archived")]
        assert (await stored(schedule_id)).next_run_at is None

    async def test_what_the_plan_refuses_is_skipped_and_holds_nobody_up(
        self, ticker, make, outcomes, schedule, started
    ):
        poor = await make.user(plan="free")
        starter = await make.user(plan="starter")
        of_poor = await make.schedule(poor, await make.pipeline(poor), next_run_at=NINE)
        full = await make.pipeline(starter)
        several = [await make.schedule(starter, full, next_run_at=NINE) for _ in range(102)]
        of_rich = await schedule()

        await ticker.tick(NINE)

        assert await outcomes(of_poor) == [("09:00", "skipped", "plan_cron_disabled")]
        found = [(await outcomes(one))[0][1:] for one in several]
        assert found.count(("started", None)) == 100
        assert found.count(("skipped", "plan_runs_exhausted")) == 2
        assert len(await started(of_rich)) == 1

    async def test_runs_beyond_the_slots_wait_for_one(self, ticker, make, rows):
        account = await make.user(plan="starter")
        pipeline_id = await make.pipeline(account)
        for _ in range(8):
            await make.schedule(account, pipeline_id, next_run_at=NINE)

        await ticker.tick(NINE)

        tickets = sorted(row.ticket for row in await rows(sa.select(runs)))
        assert tickets == [0, 0, 0, 1, 1, 1, 1, 1]

    async def test_one_that_breaks_lets_the_others_pass(
        self, ticker, schedule, started, outcomes, stored, break_schedule
    ):
        good, bad, better = [await schedule() for _ in range(3)]
        break_schedule(bad)

        assert await ticker.tick(NINE) == 3
        assert [len(await started(one)) for one in (good, bad, better)] == [1, 0, 1]
        assert await outcomes(bad) == [("09:00", "skipped", "internal")]
        assert (await stored(bad)).next_run_at == NINE + timedelta(days=1)

    async def test_one_that_cannot_even_be_given_up_keeps_nobody_from_theirs(
        self, ticker, schedule, started, stored, monkeypatch
    ):
        bad, good = [await schedule() for _ in range(2)]
        take_due = module.queries.take_due

        async def broken(session, now, wanted):
            if bad in wanted:
                raise RuntimeError("unforeseen")
            return await take_due(session, now, wanted)

        monkeypatch.setattr(module.queries, "take_due", broken)

        assert await ticker.tick(NINE) == 1
        assert [len(await started(one)) for one in (bad, good)] == [0, 1]
        assert (await stored(bad)).next_run_at == NINE

    async def test_one_that_another_ticker_gave_up_meanwhile_is_left_alone(
        self, ticker, schedule, started, monkeypatch
    ):
        bad, good = [await schedule() for _ in range(2)]
        take_due, calls = module.queries.take_due, []

        async def taken_elsewhere(session, now, wanted):
            if bad not in wanted:
                return await take_due(session, now, wanted)
            calls.append(wanted)
            if len(calls) == 1:
                raise RuntimeError("unforeseen")
            return []

        monkeypatch.setattr(module.queries, "take_due", taken_elsewhere)
        await ticker._one_by_one(NINE, [bad, good])

        assert len(await started(good)) == 1

    async def test_schedules_of_a_disabled_account_start_nothing(
        self, ticker, make, outcomes, schedule, started
    ):
        other = await make.user(is_disabled=True)
        of_other = await make.schedule(other, await make.pipeline(other), next_run_at=NINE)
        of_owner = await schedule()

        await ticker.tick(NINE)

        assert await outcomes(of_other) == [("09:00", "skipped", "account_disabled")]
        assert [len(await started(one)) for one in (of_other, of_owner)] == [0, 1]

    async def test_an_expression_that_cannot_be_read_any_more_stops(
        self, ticker, schedule, outcomes, stored, started
    ):
        bad, good = await schedule(cron_expression="a b c"), await schedule()

        await ticker.tick(NINE)

        assert await outcomes(bad) == [("09:00", "skipped", "cron_invalid")]
        assert (await stored(bad)).next_run_at is None
        assert len(await started(good)) == 1


class TestMissed:
    async def test_ticks_of_an_idle_hour_are_recorded_and_start_nothing(
        self, ticker, schedule, started, outcomes, stored
    ):
        schedule_id = await schedule(cron_expression="*/20 * * * *")

        await ticker.tick(NINE + timedelta(minutes=50))

        assert await started(schedule_id) == []
        assert await outcomes(schedule_id) == [
            ("09:00", "missed", "not_running"),
            ("09:20", "missed", "not_running"),
            ("09:40", "missed", "not_running"),
        ]
        assert (await stored(schedule_id)).next_run_at == NINE + timedelta(hours=1)

    async def test_a_minute_late_is_on_time(self, ticker, schedule, outcomes):
        schedule_id = await schedule()

        await ticker.tick(NINE + timedelta(seconds=60))

        assert await outcomes(schedule_id) == [("09:00", "started", None)]

    async def test_the_last_one_is_made_up_for(self, ticker, schedule, started, outcomes):
        schedule_id = await schedule(cron_expression="*/20 * * * *", catch_up=CatchUp.LAST)
        now = NINE + timedelta(minutes=50)

        await ticker.tick(now)

        (run,) = await started(schedule_id)
        assert int(run.id) >> 80 == int(now.timestamp() * 1000)
        assert await outcomes(schedule_id) == [
            ("09:00", "missed", "not_running"),
            ("09:20", "missed", "not_running"),
            ("09:40", "started", None),
        ]

    async def test_one_that_is_on_time_makes_up_for_all(self, ticker, schedule, started, outcomes):
        schedule_id = await schedule(cron_expression="*/20 * * * *", catch_up=CatchUp.LAST)

        await ticker.tick(NINE + timedelta(minutes=40))

        assert len(await started(schedule_id)) == 1
        assert [outcome for _, outcome, _ in await outcomes(schedule_id)] == [
            "missed",
            "missed",
            "started",
        ]

    async def test_a_month_of_minutes_is_told_in_short(self, ticker, schedule, outcomes, rows):
        schedule_id = await schedule(cron_expression=MINUTELY)

        await ticker.tick(NINE + timedelta(days=30))

        found = await rows(sa.select(schedule_ticks).order_by(schedule_ticks.c.due_at))
        assert (found[0].due_at, found[0].reason) == (NINE, "not_running_for_long")
        assert {row.reason for row in found[1:-2]} == {"not_running"}
        assert len(found) == 1 + 100 + 2  # those of the last minute are on time
        assert (await outcomes(schedule_id))[-1][1] == "started"

    async def test_few_more_ticks_are_computed_than_recorded(
        self, ticker, schedule, outcomes, monkeypatch
    ):
        schedule_id = await schedule(cron_expression="7-59/10 * * * *")
        next_after, asked = cron.next_after, []

        def counted(expression, timezone, after):
            asked.append(after)
            return next_after(expression, timezone, after)

        monkeypatch.setattr(cron, "next_after", counted)

        await ticker.tick(NINE + timedelta(days=5))

        assert len(await outcomes(schedule_id)) == 101
        assert len(asked) < 150

    async def test_it_decides_about_one_of_each_workspace_even_then(
        self, ticker, schedule, make, outcomes, monkeypatch
    ):
        # Each look at the clock is a second later.
        monkeypatch.setattr(clock, "monotonic", partial(next, count()))
        for _ in range(3):
            await schedule(cron_expression="*/20 * * * *")
        account = await make.user()
        pipeline_id = await make.pipeline(account)
        newest = await make.schedule(
            account,
            pipeline_id,
            next_run_at=NINE + timedelta(minutes=40),
            cron_expression="*/20 * * * *",
        )

        handled = await ticker.turn(NINE + timedelta(minutes=40))

        assert handled == 2
        assert [outcome for _, outcome, _ in await outcomes(newest)] == ["started"]

    async def test_a_transaction_decides_about_few_schedules_if_that_takes_long(
        self, ticker, schedule, outcomes, monkeypatch
    ):
        # Each look at the clock is a second later.
        monkeypatch.setattr(clock, "monotonic", partial(next, count()))
        schedule_ids = [await schedule(cron_expression="*/20 * * * *") for _ in range(3)]

        first = await ticker.turn(NINE + timedelta(minutes=50))
        others = await ticker.tick(NINE + timedelta(minutes=50))

        assert (first, others) == (1, 2)
        for schedule_id in schedule_ids:
            assert len(await outcomes(schedule_id)) == 3
