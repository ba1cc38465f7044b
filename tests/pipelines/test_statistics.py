"""Statistics of pipelines in their list, and the runs and authors of versions."""

from datetime import timedelta

import pytest

from stepiq.core import clock, ids
from stepiq.pipelines import queries, statistics
from stepiq.store.states import RunStatus
from tests.support.query_plans import query_plan, statements, walked_whole

pytestmark = pytest.mark.both_stores


@pytest.fixture
def day():
    """The day that was some days ago."""
    return lambda ago: (clock.now().date() - timedelta(days=ago)).isoformat()


async def listed(client, query="include=stats"):
    answer = await client.get(f"/api/pipelines?{query}")
    assert answer.status_code == 200, answer.text
    return {pipeline["id"]: pipeline for pipeline in answer.json()["data"]}


class TestStats:
    async def test_they_sum_the_last_seven_days(self, owner, account, make, day):
        pipeline_id = await make.pipeline(account)
        counts = {"runs": 4, "runs_completed": 2, "runs_failed": 1, "runs_cancelled": 1}
        await make.usage(account, pipeline_id, day(0), **counts)
        await make.usage(
            account, pipeline_id, day(0), "openai/a", runs=4, cost_usd_micros=70, input_tokens=1
        )
        await make.usage(account, pipeline_id, day(6), runs=1, runs_completed=1)
        await make.usage(
            account, pipeline_id, day(6), "openai/b", cost_usd_micros=5, cost_complete=False
        )
        await make.usage(account, pipeline_id, day(7), runs=9, runs_failed=9, cost_usd_micros=9)

        stats = (await listed(owner))[str(pipeline_id)]["stats"]

        assert stats == {
            "days": [day(ago) for ago in range(6, -1, -1)],
            "runs": [1, 0, 0, 0, 0, 0, 4],
            "completed": 3,
            "failed": 1,
            "cancelled": 1,
            "success_rate": 0.75,
            "cost_usd_micros": 75,
            "cost_complete": False,
            "next_run_at": None,
        }

    async def test_without_runs_there_is_no_rate(self, owner, account, make):
        pipeline_id = await make.pipeline(account)

        stats = (await listed(owner))[str(pipeline_id)]["stats"]

        assert (stats["runs"], stats["success_rate"]) == ([0] * 7, None)
        assert stats["cost_complete"] is True

    async def test_the_next_run_is_that_of_the_first_enabled_schedule(self, owner, account, make):
        pipeline_id = await make.pipeline(account)
        now = clock.now()
        for hours, enabled in ((1, False), (3, True), (2, True)):
            await make.schedule(
                account, pipeline_id, enabled=enabled, next_run_at=now + timedelta(hours=hours)
            )

        stats = (await listed(owner))[str(pipeline_id)]["stats"]

        assert stats["next_run_at"] == clock.iso(now + timedelta(hours=2))

    async def test_they_must_be_asked_for(self, owner, account, make):
        pipeline_id = await make.pipeline(account)

        assert (await listed(owner, ""))[str(pipeline_id)]["stats"] is None
        assert (await owner.get("/api/pipelines?include=runs")).status_code == 422

    async def test_a_page_takes_as_many_statements_as_one_pipeline(
        self, owner, account, make, database
    ):
        numbers = []
        for _ in range(2):
            await make.pipeline(account)
            with statements() as seen:
                await listed(owner)
            numbers.append(
                len([text for text in seen if "usage_days" in text or "schedules" in text])
            )

        assert numbers == [2, 2]


class TestVersions:
    async def test_they_have_their_authors_and_runs(self, owner, account, make, monkeypatch):
        monkeypatch.setattr(queries, "MAX_RUNS", 2)
        pipeline_id = await make.pipeline(account)
        for _ in range(2):
            await make.run(account, pipeline_id, status=RunStatus.COMPLETED)

        (version,) = (await owner.get(f"/api/pipelines/{pipeline_id}/versions")).json()["data"]
        await make.run(account, pipeline_id)
        (more,) = (await owner.get(f"/api/pipelines/{pipeline_id}/versions")).json()["data"]

        author = {"id": str(account.id), "name": account.name, "email": account.email}
        assert version["author"] == author
        assert version["created_by"] == str(account.id)
        assert (version["runs"], version["runs_complete"]) == (2, True)
        assert (more["runs"], more["runs_complete"]) == (2, False)


@pytest.mark.new_store
class TestStatements:
    async def test_days_are_found_by_the_primary_key(self, database):
        statement = statistics.days_statement(
            ids.uuid7(), [ids.uuid7(), ids.uuid7()], ["2026-03-01", "2026-03-02"]
        )

        plan = await query_plan(database, statement)

        assert "usage_days_1" in plan or "pk_usage_days" in plan
        assert not walked_whole(plan)

    async def test_schedules_are_found_by_their_pipelines(self, database):
        statement = statistics.next_runs_statement([ids.uuid7(), ids.uuid7()])

        plan = await query_plan(database, statement)

        assert not walked_whole(plan)
