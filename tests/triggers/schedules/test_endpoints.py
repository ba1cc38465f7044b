from datetime import UTC, datetime, timedelta

import pytest

from stepiq.core import ids
from stepiq.core.clock import iso
from stepiq.store.states import PipelineStatus, TickOutcome
from stepiq.triggers.schedules import queries, service
from stepiq.triggers.schedules.records import Tick
from stepiq.web.pages import encode_cursor

TYPED = """\
name: Typed
input: {schema: {topic: {type: string, required: true}}}
steps: [{id: a, type: transform, template: "{{input.topic}}"}]
"""
WEEKDAYS = {"name": "Weekdays", "cron_expression": "0 9 * * 1-5", "timezone": "Europe/Berlin"}


@pytest.fixture
async def url(pipeline_id):
    return f"/api/pipelines/{pipeline_id}/schedules"


@pytest.fixture
async def schedule_id(account, make, pipeline_id):
    return await make.schedule(account, pipeline_id)


class TestCreate:
    async def test_the_answer_is_the_schedule_with_its_times_in_words(self, owner, url, clock):
        response = await owner.post(url, json=WEEKDAYS)

        made = response.json()
        assert response.status_code == 201
        next_run_at = datetime.fromisoformat(made.pop("next_run_at"))
        assert timedelta(0) < next_run_at - clock.now() <= timedelta(days=4)
        assert next_run_at.minute == 0
        for name in ("id", "created_at", "updated_at"):
            assert made.pop(name)
        assert made == {
            **WEEKDAYS,
            "pipeline_id": url.split("/")[3],
            "description": "At 09:00, Monday through Friday",
            "input_data": {},
            "enabled": True,
            "overlap": "allow",
            "catch_up": "none",
            "from_definition": False,
            "last_run_at": None,
        }

    async def test_one_that_is_not_enabled_does_not_fire(self, owner, url):
        response = await owner.post(url, json={**WEEKDAYS, "enabled": False})

        assert response.json()["next_run_at"] is None

    async def test_what_is_said_is_kept(self, owner, url):
        said = {"input_data": {"name": None}, "overlap": "skip", "catch_up": "last"}

        made = (await owner.post(url, json={**WEEKDAYS, **said})).json()

        assert {name: made[name] for name in said} == said
        assert (await owner.get(f"/api/schedules/{made['id']}")).json() == made

    async def test_the_names_of_definitions_are_accepted(self, owner, url):
        sent = {"name": "Nightly", "cron": "0 2 * * *", "input": {"name": "Ada"}}

        made = (await owner.post(url, json=sent)).json()
        changed = await owner.patch(f"/api/schedules/{made['id']}", json={"cron": "0 3 * * *"})

        assert (made["cron_expression"], made["input_data"]) == ("0 2 * * *", {"name": "Ada"})
        assert changed.json()["cron_expression"] == "0 3 * * *"

    async def test_two_names_for_one_field_are_refused(self, owner, url):
        response = await owner.post(url, json={**WEEKDAYS, "cron": "0 2 * * *"})

        assert response.status_code == 422
        assert [issue["message"] for issue in response.json()["errors"]] == [
            "`cron` is another name for `cron_expression`. Send only one of them."
        ]

    @pytest.mark.parametrize(
        ("wrong", "code"),
        [
            ({"cron_expression": "61 * * * *"}, "cron_invalid"),
            ({"cron_expression": "0 0 30 2 *"}, "cron_invalid"),
            ({"cron_expression": "@daily"}, "cron_invalid"),
            ({"timezone": "Berlin"}, "timezone_unknown"),
            ({"cron_expression": "@daily", "timezone": "CEST"}, "cron_invalid"),
            ({"cron": "@daily"}, "cron_invalid"),
            ({"cron": 3}, "invalid_body"),
        ],
    )
    async def test_times_that_cannot_be_read_are_refused(self, owner, url, wrong, code):
        given = {**WEEKDAYS, **wrong}
        if "cron" in wrong:
            del given["cron_expression"]

        response = await owner.post(url, json=given)

        assert response.status_code == 422
        assert response.json()["code"] == code
        assert [issue["path"] for issue in response.json()["errors"]] == [*wrong]

    @pytest.mark.parametrize(
        "wrong", [{"overlap": "queue"}, {"catch_up": "all"}, {"name": " "}, {"secods": 3}]
    )
    async def test_other_values_and_fields_are_refused(self, owner, url, wrong):
        response = await owner.post(url, json={**WEEKDAYS, **wrong})

        assert response.status_code == 422
        assert response.json()["code"] == "invalid_body"

    async def test_the_input_must_fit_the_pipeline(self, owner, account, make):
        url = f"/api/pipelines/{await make.pipeline(account, source=TYPED)}/schedules"

        refused = await owner.post(url, json=WEEKDAYS)
        taken = await owner.post(url, json={**WEEKDAYS, "input_data": {"topic": "x"}})

        assert (refused.status_code, refused.json()["code"]) == (422, "input_invalid")
        assert taken.status_code == 201

    async def test_a_plan_without_schedules_refuses(self, login, make):
        account = await make.user(plan="free")
        client = await login(account)

        response = await client.post(
            f"/api/pipelines/{await make.pipeline(account)}/schedules", json=WEEKDAYS
        )

        assert response.status_code == 403
        assert response.json()["code"] == "plan_cron_disabled"

    async def test_an_archived_pipeline_refuses(self, owner, account, make):
        pipeline_id = await make.pipeline(account, status=PipelineStatus.ARCHIVED)

        response = await owner.post(f"/api/pipelines/{pipeline_id}/schedules", json=WEEKDAYS)

        assert (response.status_code, response.json()["code"]) == (409, "pipeline_archived")

    async def test_there_is_a_most(self, owner, url, schedule_id, monkeypatch):
        monkeypatch.setattr(service, "MAX_PER_PIPELINE", 1)

        response = await owner.post(url, json=WEEKDAYS)

        assert (response.status_code, response.json()["code"]) == (409, "too_many_schedules")

    async def test_a_key_needs_the_scope(self, login_key, account, url):
        client = await login_key(account, ["pipelines:read", "pipelines:execute"])

        assert (await client.post(url, json=WEEKDAYS)).status_code == 403


@pytest.mark.both_stores
class TestList:
    async def test_pages_go_from_new_to_old(self, owner, account, make, pipeline_id, url):
        made = [str(await make.schedule(account, pipeline_id)) for _ in range(3)]
        await make.schedule(account, await make.pipeline(account))

        first = (await owner.get(f"{url}?limit=2")).json()
        second = (await owner.get(f"{url}?limit=2&cursor={first['next_cursor']}")).json()

        listed = [schedule["id"] for page in (first, second) for schedule in page["data"]]
        assert listed == made[::-1]
        assert second["next_cursor"] is None


class TestPatch:
    async def test_only_what_is_sent_changes(self, owner, schedule_id):
        before = (await owner.get(f"/api/schedules/{schedule_id}")).json()

        after = (await owner.patch(f"/api/schedules/{schedule_id}", json={"name": "New"})).json()

        assert after.pop("updated_at") > before.pop("updated_at")
        assert after == {**before, "name": "New"}
        assert (await owner.get(f"/api/schedules/{schedule_id}")).json()["name"] == "New"

    @pytest.mark.both_stores
    async def test_other_times_move_the_next_one(self, owner, schedule_id):
        patch = {"cron_expression": "30 17 * * *", "timezone": "Asia/Kathmandu"}

        after = (await owner.patch(f"/api/schedules/{schedule_id}", json=patch)).json()

        assert after["next_run_at"].endswith("T11:45:00.000Z")
        assert after["description"] == "At 17:30"

    @pytest.mark.both_stores
    async def test_a_tick_that_is_due_is_not_passed_over(
        self, owner, account, make, pipeline_id, clock
    ):
        due = clock.now() - timedelta(milliseconds=500)
        schedule_id = await make.schedule(account, pipeline_id, next_run_at=due)

        after = (await owner.patch(f"/api/schedules/{schedule_id}", json={"name": "New"})).json()

        assert after["next_run_at"] == iso(due)

    @pytest.mark.parametrize(
        "patch", [{"cron_expression": "x"}, {"timezone": "x"}, {"input_data": {"topic": 1}}]
    )
    async def test_what_cannot_be_is_refused(self, owner, account, make, patch):
        pipeline_id = await make.pipeline(account, source=TYPED)
        schedule_id = await make.schedule(account, pipeline_id, input_data={"topic": "x"})

        response = await owner.patch(f"/api/schedules/{schedule_id}", json=patch)

        assert response.status_code == 422

    @pytest.mark.both_stores
    async def test_times_of_a_definition_are_changed_there(self, owner, account, make, pipeline_id):
        schedule_id = await make.schedule(account, pipeline_id, from_definition=True)
        url = f"/api/schedules/{schedule_id}"

        times = await owner.patch(url, json={"cron_expression": "0 0 * * *"})
        others = await owner.patch(url, json={"input_data": {"name": "Ada"}, "overlap": "skip"})

        assert (times.status_code, times.json()["code"]) == (409, "schedule_of_definition")
        assert others.status_code == 200


class TestDelete:
    @pytest.mark.both_stores
    async def test_it_is_gone_with_its_ticks(self, owner, database, url, schedule_id):
        await _tick(database, schedule_id, 1)

        response = await owner.delete(f"/api/schedules/{schedule_id}")

        assert response.json() == {"id": str(schedule_id), "deleted": True}
        assert (await owner.get(f"/api/schedules/{schedule_id}")).status_code == 404
        assert (await owner.get(url)).json()["data"] == []
        assert (await owner.delete(f"/api/schedules/{schedule_id}")).status_code == 404

    async def test_one_of_a_definition_stays(self, owner, account, make, pipeline_id):
        schedule_id = await make.schedule(account, pipeline_id, from_definition=True)

        assert (await owner.delete(f"/api/schedules/{schedule_id}")).status_code == 409


class TestEnable:
    @pytest.mark.both_stores
    async def test_it_fires_at_its_next_time_from_now_on(
        self, owner, account, make, pipeline_id, clock
    ):
        schedule_id = await make.schedule(account, pipeline_id, cron_expression="*/5 * * * *")
        url = f"/api/schedules/{schedule_id}"
        disabled = (await owner.post(f"{url}/disable")).json()
        clock.advance(timedelta(minutes=12))

        enabled = (await owner.post(f"{url}/enable")).json()

        assert (disabled["enabled"], disabled["next_run_at"]) == (False, None)
        assert enabled["enabled"] is True
        next_run_at = datetime.fromisoformat(enabled["next_run_at"])
        assert timedelta(0) < next_run_at - clock.now() <= timedelta(minutes=5)

    async def test_doing_it_twice_changes_nothing(self, owner, schedule_id):
        url = f"/api/schedules/{schedule_id}"
        before = (await owner.get(url)).json()

        again = (await owner.post(f"{url}/enable")).json()

        assert again["next_run_at"] == before["next_run_at"]

    async def test_under_an_archived_pipeline_it_waits(self, owner, account, make):
        pipeline_id = await make.pipeline(account, status=PipelineStatus.ARCHIVED)
        schedule_id = await make.schedule(account, pipeline_id, enabled=False)

        enabled = (await owner.post(f"/api/schedules/{schedule_id}/enable")).json()

        assert (enabled["enabled"], enabled["next_run_at"]) == (True, None)

    async def test_a_plan_without_schedules_refuses_it_but_lets_disable(self, login, make):
        account = await make.user(plan="free")
        client = await login(account)
        schedule_id = await make.schedule(account, await make.pipeline(account))
        url = f"/api/schedules/{schedule_id}"

        assert (await client.post(f"{url}/disable")).status_code == 200
        assert (await client.post(f"{url}/enable")).json()["code"] == "plan_cron_disabled"


class TestRunNow:
    async def test_a_run_of_the_caller_starts_with_its_input(
        self, owner, account, make, pipeline_id
    ):
        schedule_id = await make.schedule(account, pipeline_id, input_data={"name": "Ada"})
        before = (await owner.get(f"/api/schedules/{schedule_id}")).json()

        response = await owner.post(f"/api/schedules/{schedule_id}/run-now")

        run = response.json()
        after = (await owner.get(f"/api/schedules/{schedule_id}")).json()
        assert response.status_code == 202
        assert (run["trigger_type"], run["status"]) == ("manual", "pending")
        assert run["input_data"] == {"name": "Ada"}
        assert after["next_run_at"] == before["next_run_at"]
        assert after["last_run_at"] is not None

    async def test_a_key_is_called_api(self, login_key, account, schedule_id):
        client = await login_key(account)

        run = (await client.post(f"/api/schedules/{schedule_id}/run-now")).json()

        assert run["trigger_type"] == "api"

    @pytest.mark.both_stores
    async def test_a_key_that_cannot_read_runs_does_not_see_the_input(
        self, login_key, account, schedule_id
    ):
        blind = await login_key(account, ["pipelines:execute"])

        run = (await blind.post(f"/api/schedules/{schedule_id}/run-now")).json()

        assert run.keys() == {"id", "status"}

    async def test_an_archived_pipeline_cannot_run(self, owner, account, make):
        pipeline_id = await make.pipeline(account, status=PipelineStatus.ARCHIVED)
        schedule_id = await make.schedule(account, pipeline_id)

        assert (await owner.post(f"/api/schedules/{schedule_id}/run-now")).status_code == 404


@pytest.mark.both_stores
class TestAll:
    async def test_schedules_of_all_pipelines_come_in_pages(
        self, owner, account, make, pipeline_id
    ):
        first = await make.schedule(account, pipeline_id)
        other = await make.pipeline(account)
        second = await make.schedule(account, other, enabled=False)
        await make.schedule(await make.user(), await make.pipeline(await make.user()))

        newest = (await owner.get("/api/schedules?limit=1")).json()
        rest = (await owner.get(f"/api/schedules?cursor={newest['next_cursor']}")).json()

        listed = [*newest["data"], *rest["data"]]
        assert [each["id"] for each in listed] == [str(second), str(first)]
        assert rest["next_cursor"] is None
        assert listed[1]["pipeline_name"] == "Greeting"
        one = (await owner.get(f"/api/schedules/{first}")).json()
        assert listed[1] == {**one, "pipeline_name": "Greeting", "is_paused": False}

    async def test_filters(self, owner, account, make, pipeline_id):
        enabled = await make.schedule(account, pipeline_id)
        disabled = await make.schedule(account, pipeline_id, enabled=False)
        elsewhere = await make.schedule(account, await make.pipeline(account))

        async def found(query: str) -> set[str]:
            answer = await owner.get(f"/api/schedules?{query}")
            return {each["id"] for each in answer.json()["data"]}

        assert await found("enabled=false") == {str(disabled)}
        assert await found("enabled=true") == {str(enabled), str(elsewhere)}
        assert await found(f"pipeline_id={pipeline_id}") == {str(enabled), str(disabled)}
        assert await found(f"pipeline_id={pipeline_id}&enabled=true") == {str(enabled)}


class TestUpcoming:
    async def test_times_of_all_schedules_come_in_order(self, owner, account, make, pipeline_id):
        hourly = await make.schedule(account, pipeline_id, cron_expression="0 * * * *")
        twice = await make.schedule(account, pipeline_id, cron_expression="30 */1 * * *", name="B")
        await make.schedule(account, pipeline_id, enabled=False)

        answer = (await owner.get("/api/schedules/upcoming?limit=6")).json()

        assert answer["next_cursor"] is None
        times = [entry["run_at"] for entry in answer["data"]]
        assert len(times) == 6
        assert times == sorted(times)
        found = {entry["schedule_id"] for entry in answer["data"]}
        assert found == {str(hourly), str(twice)}
        one = next(entry for entry in answer["data"] if entry["schedule_id"] == str(twice))
        assert one == {
            "schedule_id": str(twice),
            "pipeline_id": str(pipeline_id),
            "pipeline_name": "Greeting",
            "name": "B",
            "run_at": one["run_at"],
        }

    async def test_they_end_where_the_caller_says(self, owner, account, make, pipeline_id, clock):
        await make.schedule(account, pipeline_id, cron_expression="0 * * * *")
        until = iso(clock.now() + timedelta(hours=3))

        answer = (await owner.get("/api/schedules/upcoming", params={"until": until})).json()

        assert len(answer["data"]) == 3
        assert all(entry["run_at"] <= until for entry in answer["data"])

    async def test_twenty_are_told_by_default(self, owner, account, make, pipeline_id):
        await make.schedule(account, pipeline_id, cron_expression="* * * * *")

        assert len((await owner.get("/api/schedules/upcoming")).json()["data"]) == 20

    @pytest.mark.parametrize("query", ["limit=0", "limit=101", "until=tomorrow"])
    async def test_what_cannot_be_read_is_refused(self, owner, query):
        assert (await owner.get(f"/api/schedules/upcoming?{query}")).status_code == 422

    async def test_a_plan_without_schedules_has_none(self, login, make):
        account = await make.user(plan="free")
        await make.schedule(account, await make.pipeline(account))
        client = await login(account)

        assert (await client.get("/api/schedules/upcoming")).json()["data"] == []


class TestTicks:
    async def test_pages_go_from_new_to_old(self, owner, database, schedule_id):
        for day in (1, 2, 3):
            await _tick(database, schedule_id, day)
        url = f"/api/schedules/{schedule_id}/ticks"

        first = (await owner.get(f"{url}?limit=2")).json()
        second = (await owner.get(f"{url}?limit=2&cursor={first['next_cursor']}")).json()

        assert [tick["due_at"][8:10] for tick in first["data"]] == ["03", "02"]
        assert second["next_cursor"] is None
        (tick,) = second["data"]
        assert tick == {
            "due_at": "2026-01-01T09:00:00.000Z",
            "outcome": "skipped",
            "reason": "overlap",
            "run_id": None,
            "recorded_at": "2026-01-01T09:00:00.000Z",
        }

    @pytest.mark.both_stores
    async def test_a_made_up_cursor_breaks_nothing(self, owner, schedule_id):
        cursor = encode_cursor(ids.uuid7())

        response = await owner.get(f"/api/schedules/{schedule_id}/ticks?cursor={cursor}")

        assert response.status_code == 200


async def _tick(database, schedule_id, day: int) -> None:
    at = datetime(2026, 1, day, 9, tzinfo=UTC)
    async with database.transaction() as session:
        await queries.record(
            session, [Tick(schedule_id, at, TickOutcome.SKIPPED, "overlap", None, at)]
        )


class TestPreview:
    async def test_it_shows_words_and_times_without_a_schedule(self, owner, url):
        body = {
            "cron": "0 9 * * 1-5",
            "timezone": "Europe/Berlin",
            "count": 2,
            "after": "2027-03-26T12:00:00Z",
        }

        found = (await owner.post("/api/schedules/preview", json=body)).json()

        assert found == {
            "description": "At 09:00, Monday through Friday",
            "timezone": "Europe/Berlin",
            "next": [
                {
                    "run_at": "2027-03-29T07:00:00.000Z",
                    "local": "2027-03-29T09:00:00+02:00",
                    "note": "The clocks have changed to UTC+02:00 from UTC+01:00.",
                },
                {
                    "run_at": "2027-03-30T07:00:00.000Z",
                    "local": "2027-03-30T09:00:00+02:00",
                    "note": None,
                },
            ],
        }
        assert (await owner.get(url)).json()["data"] == []

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"cron_expression": "61 * * * *"}, "cron_invalid"),
            ({"cron_expression": "0 9 * * *", "timezone": "Mars/Base"}, "timezone_unknown"),
            ({"cron_expression": "0 9 * * *", "count": 51}, "invalid_body"),
        ],
    )
    async def test_problems_are_those_of_schedules(self, owner, body, code):
        answer = await owner.post("/api/schedules/preview", json=body)

        assert (answer.status_code, answer.json()["code"]) == (422, code)
