import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.execution.limits.plans import Plans
from stepiq.pipelines import queries as pipelines
from stepiq.store.database import Database
from stepiq.store.states import CatchUp
from stepiq.store.tables import runs
from stepiq.triggers.schedules import firing, queries
from stepiq.triggers.schedules.ticker import Ticker
from tests.support.locks import until_one_waits
from tests.triggers.schedules.conftest import NINE

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


pytestmark = pytest.mark.both_stores


@pytest.fixture
def url(pipeline_id):
    return f"/api/pipelines/{pipeline_id}"


@pytest.fixture
def at(clock, login, account):
    """Moves the clock to a time, and logs the owner in again."""

    async def at(moment):
        clock.advance(moment - clock.now())
        return await login(account)

    return at


class TestPaused:
    async def test_due_ticks_are_skipped_and_the_schedule_moves_on(
        self, ticker, schedule, outcomes, rows, url, at
    ):
        schedule_id = await schedule()
        owner = await at(NINE - SECOND)
        await owner.post(f"{url}/pause")

        for day in (0, 1):
            await ticker.tick(NINE + day * DAY)

        skipped = [(f"0{day} 09:00", "skipped", "pipeline_paused") for day in (7, 8)]
        assert await outcomes(schedule_id, "%d %H:%M") == skipped
        assert await rows(sa.select(runs)) == []
        shown = (await owner.get(f"/api/schedules/{schedule_id}")).json()
        (listed,) = (await owner.get("/api/schedules")).json()["data"]
        assert shown["next_run_at"] == "2030-01-09T09:00:00.000Z"
        assert (listed["enabled"], listed["is_paused"]) == (True, True)
        refused = await owner.post(f"/api/schedules/{schedule_id}/run-now")
        assert (refused.status_code, refused.json()["code"]) == (409, "pipeline_paused")

    async def test_it_is_not_in_the_list_of_the_next_runs(self, schedule, url, at):
        await schedule()
        owner = await at(NINE - SECOND)
        await owner.post(f"{url}/pause")

        paused = (await owner.get("/api/schedules/upcoming?limit=1")).json()["data"]
        (shown,) = (await owner.get("/api/pipelines?include=stats")).json()["data"]
        await owner.post(f"{url}/resume")

        assert (paused, shown["stats"]["next_run_at"]) == ([], None)
        assert len((await owner.get("/api/schedules/upcoming?limit=1")).json()["data"]) == 1

    async def test_a_schedule_can_be_created_and_changed_meanwhile(self, owner, url):
        await owner.post(f"{url}/pause")

        made = await owner.post(
            f"{url}/schedules", json={"name": "A", "cron_expression": "0 9 * * *"}
        )
        changed = await owner.patch(
            f"/api/schedules/{made.json()['id']}", json={"cron_expression": "30 9 * * *"}
        )

        assert (made.status_code, changed.json()["next_run_at"][11:16]) == (201, "09:30")


class TestResumed:
    @pytest.mark.parametrize(
        ("catch_up", "outcome", "started"),
        [
            (CatchUp.NONE, ("08 09:00", "skipped", "pipeline_paused"), 0),
            (CatchUp.LAST, ("08 09:00", "started", None), 1),
        ],
    )
    async def test_catch_up_decides_about_the_last_skipped_tick(
        self, ticker, schedule, outcomes, rows, url, at, catch_up, outcome, started
    ):
        schedule_id = await schedule(catch_up=catch_up)
        owner = await at(NINE - SECOND)
        await owner.post(f"{url}/pause")
        for day in (0, 1):
            await ticker.tick(NINE + day * DAY)
        owner = await at(NINE + DAY + timedelta(hours=3))

        for _ in range(2):
            await owner.post(f"{url}/resume")
            await ticker.tick()

        skipped = ("07 09:00", "skipped", "pipeline_paused")
        assert await outcomes(schedule_id, "%d %H:%M") == [skipped, outcome]
        assert len(await rows(sa.select(runs))) == started
        shown = (await owner.get(f"/api/schedules/{schedule_id}")).json()
        assert shown["next_run_at"] == "2030-01-09T09:00:00.000Z"

    async def test_a_schedule_with_other_times_does_not_make_up_for_the_old_ones(
        self, ticker, schedule, rows, url, at
    ):
        schedule_id = await schedule(catch_up=CatchUp.LAST)
        owner = await at(NINE - SECOND)
        await owner.post(f"{url}/pause")
        await ticker.tick(NINE)
        owner = await at(NINE + timedelta(hours=3))
        await owner.patch(f"/api/schedules/{schedule_id}", json={"cron_expression": "0 20 * * *"})

        await owner.post(f"{url}/resume")
        await ticker.tick()

        assert await rows(sa.select(runs)) == []

    async def test_a_tick_before_the_pause_is_not_repeated(
        self, ticker, schedule, outcomes, url, at
    ):
        schedule_id = await schedule(catch_up=CatchUp.LAST)
        owner = await at(NINE + SECOND)
        await ticker.tick()
        await owner.post(f"{url}/pause")

        await owner.post(f"{url}/resume")
        await ticker.tick()

        assert await outcomes(schedule_id, "%d %H:%M") == [("07 09:00", "started", None)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
class TestTogether:
    async def test_a_ticker_waits_for_a_pause_that_is_being_committed(
        self, database, settings, account, ticker, schedule, outcomes, pipeline_id
    ):
        other = Database(settings)
        schedule_id = await schedule()

        async with other.transaction(30) as session:
            await pipelines.lock_to_pause(session, account.workspace_id, pipeline_id)
            await pipelines.update(session, pipeline_id, {"paused_at": NINE}, NINE)
            ticking = asyncio.create_task(ticker.tick(NINE))
            await until_one_waits(database)
        await ticking

        await other.close()
        assert await outcomes(schedule_id, "%d %H:%M") == [
            ("07 09:00", "skipped", "pipeline_paused")
        ]

    async def test_resuming_waits_for_a_ticker_that_skips_the_last_tick(
        self, database, settings, engine, schedule, rows, outcomes, url, at
    ):
        other = Database(settings)
        schedule_id = await schedule(catch_up=CatchUp.LAST)
        owner = await at(NINE - SECOND)
        await owner.post(f"{url}/pause")
        owner = await at(NINE + SECOND)
        second = Ticker(other, engine, Plans.load({}))

        async with other.transaction(30) as session:
            taken = await queries.take_due(session, NINE, [schedule_id])
            resuming = asyncio.create_task(owner.post(f"{url}/resume"))
            await until_one_waits(database)
            await firing.fire(session, taken, NINE, engine, Plans.load({}))

        assert (await resuming).status_code == 200
        await second.tick()
        await other.close()
        assert await outcomes(schedule_id, "%d %H:%M") == [("07 09:00", "started", None)]
        assert len(await rows(sa.select(runs))) == 1
