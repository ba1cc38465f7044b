import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from stepiq.execution.limits.plans import Plans
from stepiq.triggers.schedules import service
from tests.support.locks import until_one_waits
from tests.support.make_accounts import actor

STEPS = [{"id": "a", "type": "transform", "template": "x"}]
DAILY = {"name": "P", "steps": STEPS, "schedule": {"cron": "0 9 * * *", "timezone": "Asia/Tokyo"}}


@pytest.fixture
def schedules(owner):
    async def schedules(pipeline_id):
        return (await owner.get(f"/api/pipelines/{pipeline_id}/schedules")).json()["data"]

    return schedules


@pytest.fixture
async def url(owner):
    """A pipeline whose definition has a schedule."""
    made = await owner.post("/api/pipelines", json=DAILY)
    assert made.status_code == 201
    return f"/api/pipelines/{made.json()['id']}"


class TestVersionSaved:
    async def test_a_definition_brings_its_schedule(self, schedules, url):
        (schedule,) = await schedules(url.rpartition("/")[2])

        assert schedule["from_definition"] is True
        assert (schedule["cron_expression"], schedule["timezone"]) == ("0 9 * * *", "Asia/Tokyo")
        assert schedule["next_run_at"].endswith("T00:00:00.000Z")

    async def test_a_later_version_changes_it_and_keeps_what_was_set_by_hand(
        self, owner, schedules, url
    ):
        pipeline_id = url.rpartition("/")[2]
        (before,) = await schedules(pipeline_id)
        await owner.patch(
            f"/api/schedules/{before['id']}", json={"input_data": {"a": 1}, "overlap": "skip"}
        )

        await owner.put(url, json={**DAILY, "schedule": {"cron": "30 * * * *"}})

        (after,) = await schedules(pipeline_id)
        assert (after["id"], after["input_data"], after["overlap"]) == (
            before["id"],
            {"a": 1},
            "skip",
        )
        assert (after["cron_expression"], after["timezone"]) == ("30 * * * *", "UTC")
        assert after["next_run_at"][14:16] == "30"

    async def test_one_that_says_the_same_changes_nothing(self, owner, schedules, url):
        before = await schedules(url.rpartition("/")[2])

        await owner.put(url, json={**DAILY, "description": "Other"})

        assert await schedules(url.rpartition("/")[2]) == before

    @pytest.mark.both_stores
    async def test_one_that_switches_it_off_keeps_it(self, owner, schedules, url):
        off = {**DAILY["schedule"], "enabled": False}

        await owner.put(url, json={**DAILY, "schedule": off})

        (after,) = await schedules(url.rpartition("/")[2])
        assert (after["enabled"], after["next_run_at"]) == (False, None)

    async def test_one_without_it_deletes_it_and_no_other(self, owner, schedules, url):
        other = {"name": "Other", "cron_expression": "0 0 * * *"}
        made = (await owner.post(f"{url}/schedules", json=other)).json()

        await owner.put(url, json={"name": "P", "steps": STEPS})

        assert [one["id"] for one in await schedules(url.rpartition("/")[2])] == [made["id"]]

    async def test_a_plan_without_schedules_refuses_the_whole_pipeline(self, login, make):
        client = await login(await make.user(plan="free"))

        refused = await client.post("/api/pipelines", json=DAILY)

        assert (refused.status_code, refused.json()["code"]) == (403, "plan_cron_disabled")
        assert (await client.get("/api/pipelines")).json()["data"] == []


class TestArchived:
    async def test_its_schedules_stop_and_come_back(self, owner, schedules, url, clock):
        pipeline_id = url.rpartition("/")[2]
        # It does not become due while the pipeline is archived.
        hour = (clock.now().hour + 12) % 24
        await owner.put(url, json={**DAILY, "schedule": {"cron": f"0 {hour} * * *"}})
        disabled = {"name": "Off", "cron_expression": "0 0 * * *", "enabled": False}
        await owner.post(f"{url}/schedules", json=disabled)
        before = await schedules(pipeline_id)

        await owner.delete(url)
        archived = await schedules(pipeline_id)
        clock.advance(timedelta(minutes=5))
        await owner.post(f"{url}/restore")

        assert [one["next_run_at"] for one in archived] == [None, None]
        assert [one["enabled"] for one in archived] == [one["enabled"] for one in before]
        after = await schedules(pipeline_id)
        assert after[0]["next_run_at"] is None
        assert after[1]["next_run_at"] == before[1]["next_run_at"]


@pytest.mark.both_stores
class TestEnabledAtTheSameTime:
    @pytest.fixture
    def enabled_during(self, database, engine, owner, account):
        """Enables a schedule of the account in a transaction that ends after another request has begun."""

        async def enabled_during(schedule_id, request):
            async with database.transaction() as session:
                await service.patch(
                    session,
                    actor(account),
                    UUID(schedule_id),
                    engine=engine,
                    plan=Plans.load({}).get("enterprise"),
                    changes={"enabled": True},
                )
                requested = asyncio.create_task(request)
                await until_one_waits(database)
            assert (await requested).status_code == 200
            return (await owner.get(f"/api/schedules/{schedule_id}")).json()

        return enabled_during

    @pytest.fixture
    async def disabled(self, owner, url):
        """The id of a disabled schedule of the pipeline."""
        body = {"name": "Off", "cron_expression": "0 0 * * *", "enabled": False}
        return (await owner.post(f"{url}/schedules", json=body)).json()["id"]

    async def test_it_fires_after_a_restore(self, owner, url, disabled, enabled_during):
        await owner.delete(url)

        schedule = await enabled_during(disabled, owner.post(f"{url}/restore"))

        assert schedule["enabled"]
        assert schedule["next_run_at"] is not None

    async def test_it_does_not_fire_after_an_archive(self, owner, url, disabled, enabled_during):
        schedule = await enabled_during(disabled, owner.delete(url))

        assert schedule["enabled"]
        assert schedule["next_run_at"] is None
