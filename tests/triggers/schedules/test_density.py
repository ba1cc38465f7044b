"""The number of runs that schedules start in each hour."""

from datetime import timedelta

import pytest

from stepiq.core.clock import iso
from stepiq.triggers.schedules import service


class TestDensity:
    async def test_runs_are_counted_by_schedule_and_hour(
        self, owner, account, make, pipeline_id, clock
    ):
        often = await make.schedule(account, pipeline_id, cron_expression="*/15 * * * *", name="A")
        await make.schedule(account, pipeline_id, enabled=False)
        later = clock.now() + timedelta(days=180)
        yearly = f"0 0 {later.day} {later.month} *"
        await make.schedule(account, pipeline_id, cron_expression=yearly, timezone="UTC")
        start = clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)

        answer = (
            await owner.get("/api/schedules/density", params={"from": iso(start), "hours": 3})
        ).json()

        assert answer == {
            "schedules": [
                {
                    "schedule_id": str(often),
                    "pipeline_id": str(pipeline_id),
                    "pipeline_name": "Greeting",
                    "name": "A",
                    "runs": [4, 4, 4],
                }
            ],
            "is_complete": True,
        }

    async def test_the_past_does_not_count(self, owner, account, make, pipeline_id, clock):
        await make.schedule(account, pipeline_id, cron_expression="* * * * *")
        start = iso(clock.now() - timedelta(hours=2))

        answer = await owner.get("/api/schedules/density", params={"from": start, "hours": 3})

        runs = answer.json()["schedules"][0]["runs"]
        assert runs[:2] == [0, 0]
        assert runs[2] >= 59

    async def test_only_one_pipeline_on_request(self, owner, account, make, pipeline_id):
        mine = await make.schedule(account, pipeline_id, cron_expression="0 * * * *")
        other = await make.pipeline(account)
        await make.schedule(account, other, cron_expression="0 * * * *")

        answer = await owner.get(f"/api/schedules/density?pipeline_id={pipeline_id}")

        found = answer.json()["schedules"]
        assert [each["schedule_id"] for each in found] == [str(mine)]
        assert sum(found[0]["runs"]) == 168

    async def test_two_hundred_schedules_are_counted(
        self, owner, account, make, pipeline_id, monkeypatch
    ):
        monkeypatch.setattr(service, "MAX_COUNTED", 2)
        for _ in range(3):
            await make.schedule(account, pipeline_id, cron_expression="0 * * * *")

        answer = (await owner.get("/api/schedules/density")).json()

        assert len(answer["schedules"]) == 2
        assert not answer["is_complete"]

    @pytest.mark.parametrize("hours", [1, 200])
    async def test_the_end_of_the_calendar_has_none(self, owner, account, make, pipeline_id, hours):
        await make.schedule(account, pipeline_id, cron_expression="* * * * *")
        query = f"from=9999-12-31T23:00:00Z&hours={hours}"

        answer = await owner.get(f"/api/schedules/density?{query}")

        assert (answer.status_code, answer.json()["schedules"]) == (200, [])

    @pytest.mark.parametrize("query", ["hours=0", "hours=201", "from=tomorrow", "pipeline_id=x"])
    async def test_what_cannot_be_read_is_refused(self, owner, query):
        assert (await owner.get(f"/api/schedules/density?{query}")).status_code == 422

    async def test_other_workspaces_and_plans_without_schedules_see_none(
        self, owner, login, account, make, pipeline_id
    ):
        await make.schedule(account, pipeline_id, cron_expression="0 * * * *")
        stranger = await make.user()
        free = await make.user(plan="free")
        await make.schedule(free, await make.pipeline(free))

        for other in (stranger, free):
            client = await login(other)
            answer = await client.get("/api/schedules/density")
            assert answer.json() == {"schedules": [], "is_complete": True}
