"""Administration of plans and limits by workspace, and what the limits of a workspace change."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.accounts.authentication.authenticator import CACHE_LIFETIME
from stepiq.core import clock, ids
from stepiq.execution.limits.plans import Plans
from stepiq.execution.limits.usage import day_of
from stepiq.store.statements.workspaces import PLAN, WorkspacePlan
from stepiq.store.tables import idempotent_requests, memberships, workspaces
from stepiq.triggers.schedules import queries
from stepiq.triggers.schedules.ticker import Ticker
from tests.support.clients import login, login_key, outcome

__all__ = ["login", "login_key"]

WORKSPACES = "/api/admin/workspaces"
INPUT = {"input_data": {"name": "Ada"}}


@pytest.fixture
async def admin(make, login):
    return await login(await make.user(is_admin=True, name="Root", plan="pro"))


@pytest.fixture
def change(admin, account):
    async def change(**body):
        return await admin.patch(f"{WORKSPACES}/{account.workspace_id}", json=body)

    return change


@pytest.fixture
async def url(account, make):
    return f"/api/pipelines/{await make.pipeline(account)}"


class TestList:
    @pytest.mark.both_stores
    async def test_it_shows_plan_members_and_the_usage_of_this_month(
        self, admin, account, make, clock
    ):
        pipeline_id = await make.pipeline(account)
        today = clock.now()
        month_before = today.replace(day=1) - timedelta(days=1)
        tokens = {"input_tokens": 30, "output_tokens": 12, "cost_usd_micros": 5}
        await make.usage(account, pipeline_id, day_of(today), runs=2, runs_completed=2)
        await make.usage(account, pipeline_id, day_of(today), "openai/gpt-4o", runs=2, **tokens)
        await make.usage(account, pipeline_id, day_of(month_before), runs=9, runs_failed=9)
        await make.credits_spent(account, day_of(today)[:7], 7_500)

        listed = (await admin.get(WORKSPACES)).json()["data"]

        (shown,) = [each for each in listed if each["id"] == str(account.workspace_id)]
        assert shown == {
            "id": str(account.workspace_id),
            "name": account.name,
            "plan": "enterprise",
            "overrides": {},
            "members": 1,
            "usage": {
                "runs": 2,
                "tokens": 42,
                "credits_used": 7,
                "cost_usd_micros": 5,
                "cost_complete": True,
            },
            "created_at": shown["created_at"],
            "deleted_at": None,
        }

    @pytest.mark.both_stores
    async def test_filters_and_pages(self, admin, make):
        ada = await make.user(name="Ada Löve", plan="starter")
        alone = await make.workspace(name="Left 100%")

        async def found(query):
            response = await admin.get(f"{WORKSPACES}?{query}")
            return [each["name"] for each in response.json()["data"]]

        assert await found("") == ["Left 100%", "Ada Löve", "Root"]
        assert await found("q=LÖVE") == await found(f"q={ada.workspace_id}") == ["Ada Löve"]
        assert await found("q=0%25") == ["Left 100%"]
        assert await found("plan=pro") == ["Root"]
        assert await found("has_members=false") == ["Left 100%"]
        assert await found("has_members=true") == ["Ada Löve", "Root"]
        first = (await admin.get(f"{WORKSPACES}?limit=2")).json()
        assert await found(f"cursor={first['next_cursor']}") == ["Root"]
        assert first["data"][0]["id"] == str(alone)

    @pytest.mark.both_stores
    async def test_a_name_is_found_in_any_case_also_after_it_was_changed(self, admin, make, login):
        ada = await make.user(name="ADA LÖVE")

        async def found(wanted):
            response = await admin.get(WORKSPACES, params={"q": wanted})
            return [each["name"] for each in response.json()["data"]]

        assert await found("löve") == await found("Lo\u0308ve") == ["ADA LÖVE"]
        await (await login(ada)).patch("/api/workspace", json={"name": "ÖSTERREICH"})
        assert await found("österreich") == ["ÖSTERREICH"]
        assert await found("löve") == []

    async def test_others_are_refused(self, owner, login_key, account):
        key = await login_key(account)
        path = f"{WORKSPACES}/{account.workspace_id}"

        for client, code in ((owner, "admin_required"), (key, "session_required")):
            for method, route in (
                ("GET", WORKSPACES),
                ("GET", path),
                ("PATCH", path),
                ("DELETE", path),
                ("GET", "/api/admin/plans"),
            ):
                json = {} if method == "PATCH" else None
                response = await client.request(method, route, json=json)
                assert outcome(response) == (403, code), (method, route)

    async def test_an_unknown_workspace_is_not_found(self, admin):
        path = f"{WORKSPACES}/{ids.uuid7()}"
        for method in ("GET", "PATCH", "DELETE"):
            response = await admin.request(method, path, json={} if method == "PATCH" else None)
            assert outcome(response) == (404, "workspace_unknown"), method

    async def test_plans_are_listed_with_their_limits(self, admin):
        listed = (await admin.get("/api/admin/plans")).json()["data"]

        limits = {each["name"]: each["limits"] for each in listed}
        assert set(limits) >= {"unlimited", "free", "pro"}
        assert (limits["free"]["runs_per_day"], limits["unlimited"]["cron"]) == (10, True)


class TestChange:
    @pytest.mark.both_stores
    async def test_limits_replace_those_of_the_plan_until_they_are_restored(self, change, account):
        first = (await change(plan="free", limits={"runs_per_day": 5, "cron": True})).json()
        second = (await change(limits={"runs_per_day": None, "steps": "unlimited"})).json()
        third = (await change(plan="pro")).json()

        assert first["overrides"] == {"runs_per_day": 5, "cron": True}
        assert (first["plan"], first["limits"]["runs_per_day"], first["limits"]["cron"]) == (
            "free",
            5,
            True,
        )
        assert second["overrides"] == {"cron": True, "steps": "unlimited"}
        assert (second["limits"]["runs_per_day"], second["limits"]["steps"]) == (10, None)
        assert (third["limits"]["runs_per_day"], third["limits"]["steps"]) == (500, None)
        assert third["member_list"] == [
            {
                "id": str(account.id),
                "email": account.email,
                "name": account.name,
                "role": "owner",
                "disabled": False,
            }
        ]

    async def test_all_problems_are_listed_as_for_the_config_file(self, change, admin, account):
        limits = {"runs_a_day": 5, "cron": 1, "steps": 0, "pipelines": "many", "drafts": -1}

        refused = await change(limits=limits)

        assert outcome(refused) == (422, "limits_invalid")
        found = {each["path"]: each["message"] for each in refused.json()["errors"]}
        assert set(found) == {f"limits.{name}" for name in limits}
        assert "Did you mean" in found["limits.runs_a_day"]
        assert found["limits.cron"] == "Write true or false."
        assert found["limits.steps"] == 'Write 1 or more, or "unlimited".'
        shown = (await admin.get(f"{WORKSPACES}/{account.workspace_id}")).json()
        assert shown["overrides"] == {}

    async def test_larger_limits_than_the_database_can_compare_are_refused(self, change):
        refused = await change(limits={"runs_per_day": 10**12 + 1})

        assert outcome(refused) == (422, "limits_invalid")
        assert "1,000,000,000,000 or less" in refused.json()["errors"][0]["message"]

    @pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
    async def test_a_change_does_not_wait_for_a_request_with_a_key(self, change, account, database):
        key = {
            "workspace_id": account.workspace_id,
            "route": "POST /api/user/api-keys",
            "key": "once",
            "principal_id": account.id,
            "request_hash": b"",
            "created_at": clock.now(),
        }

        async with database.transaction() as session:
            await session.execute(idempotent_requests.insert().values(key))
            changed = await asyncio.wait_for(change(limits={"pipelines": 2}), 30)

        assert changed.status_code == 200

    async def test_an_unknown_plan_is_refused(self, change):
        assert outcome(await change(plan="gold")) == (422, "plan_unknown")


class TestEffect:
    """Changed limits apply to requests, runs, schedules and stored things."""

    async def test_runs_per_day(self, change, owner, login_key, account, url, clock):
        await change(limits={"runs_per_day": 1})
        clock.advance(CACHE_LIFETIME)
        key = await login_key(account)

        first = await owner.post(f"{url}/run", json=INPUT)
        second = await owner.post(f"{url}/run", json=INPUT)
        hook = await key.post(url.replace("pipelines", "webhooks"), json=INPUT)

        assert first.status_code == 202
        assert outcome(second) == outcome(hook) == (403, "plan_runs_exhausted")
        assert "allows 1 runs per day" in second.json()["detail"]

    @pytest.mark.both_stores
    @pytest.mark.parametrize("limit", [10**12, 10**19])
    async def test_the_largest_limits_also_those_that_an_earlier_version_stored(
        self, database, owner, account, make, clock, limit
    ):
        source = "name: A\nsteps: [{id: a, type: llm, model: openai/gpt-4o, prompt: x}]\n"
        pipeline_id = await make.pipeline(account, source=source)
        names = ("credits_per_month", "runs_at_once", "runs_queued", "runs_per_day", "versions")
        async with database.transaction() as session:
            await session.execute(
                sa.update(workspaces).values(limit_overrides=dict.fromkeys(names, limit))
            )
        clock.advance(CACHE_LIFETIME)

        started = await owner.post(f"/api/pipelines/{pipeline_id}/run", json={})
        saved = await owner.put(
            f"/api/pipelines/{pipeline_id}",
            content=source.replace("prompt: x", "prompt: y"),
            headers={"Content-Type": "application/yaml"},
        )
        me = (await owner.get("/api/user/me")).json()

        assert (started.status_code, saved.status_code) == (202, 200)
        assert {me["limits"][name] for name in names} == {10**12}

    async def test_the_account_shows_them(self, change, owner, clock):
        await owner.get("/api/user/me")
        await change(limits={"runs_per_day": 7, "credits_per_month": 3})
        clock.advance(CACHE_LIFETIME)

        me = (await owner.get("/api/user/me")).json()
        usage = (await owner.get("/api/user/usage")).json()

        assert (me["plan"], me["limits"]["runs_per_day"], me["credits_remaining"]) == (
            "enterprise",
            7,
            3,
        )
        limits = {each["name"]: each["limit"] for each in usage["quotas"]}
        assert (limits["runs_per_day"], limits["credits_per_month"]) == (7, 3)

    async def test_usage_marks_the_limits_that_are_not_those_of_the_plan(
        self, change, owner, clock
    ):
        await change(limits={"runs_per_day": 7, "api_keys": "unlimited", "cron": False})
        clock.advance(CACHE_LIFETIME)

        changed = (await owner.get("/api/user/usage")).json()["quotas"]
        await change(limits={"runs_per_day": None})
        clock.advance(CACHE_LIFETIME)
        restored = (await owner.get("/api/user/usage")).json()["quotas"]

        def marked(quotas):
            return {each["name"] for each in quotas if each["overridden"]}

        assert marked(changed) == {"runs_per_day", "api_keys"}
        assert marked(restored) == {"api_keys"}

    @pytest.mark.parametrize(
        ("limits", "method", "path", "body", "code"),
        [
            ({"pipelines": 1}, "POST", "/api/pipelines", None, "plan_pipelines_exceeded"),
            ({"versions": 0}, "PUT", "{url}", None, "plan_versions_exceeded"),
            ({"steps": 1}, "PUT", "{url}", None, "plan_steps_exceeded"),
            ({"cron": False}, "POST", "{url}/schedules", "schedule", "plan_cron_disabled"),
            ({"schedules": 0}, "POST", "{url}/schedules", "schedule", "plan_schedules_exceeded"),
            ({"drafts": 0}, "POST", "/api/drafts", "draft", "plan_drafts_exceeded"),
            ({"api_keys": 0}, "POST", "/api/user/api-keys", "key", "plan_api_keys_exceeded"),
        ],
    )
    async def test_stored_things(self, change, owner, url, clock, limits, method, path, body, code):
        await change(limits=limits)
        clock.advance(CACHE_LIFETIME)
        step = {"type": "transform", "template": "x"}
        definition = {"name": "A", "steps": [{**step, "id": "a"}, {**step, "id": "b"}]}
        bodies = {
            None: definition,
            "schedule": {"name": "A", "cron_expression": "0 9 * * *"},
            "draft": {"text": "name: A"},
            "key": {"name": "A"},
        }

        refused = await owner.request(method, path.format(url=url), json=bodies[body])

        assert outcome(refused) == (403, code)

    async def test_schedules_use_them(self, change, database, engine, account, make, url, clock):
        pipeline_id = ids.parse(url.rpartition("/")[2])
        schedule_id = await make.schedule(account, pipeline_id, next_run_at=clock.now())
        await change(limits={"cron": False})

        await Ticker(database, engine, Plans.load({})).tick(clock.now())

        async with database.reading() as session:
            (tick,) = await queries.ticks(session, schedule_id, before=None, limit=2)
        assert (tick.outcome, tick.reason) == ("skipped", "plan_cron_disabled")

    async def test_requests_per_minute(self, change, owner, clock):
        await change(limits={"requests_per_minute": 2})
        clock.advance(CACHE_LIFETIME)

        found = [(await owner.get("/api/pipelines")).status_code for _ in range(3)]

        assert found == [200, 200, 429]

    @pytest.mark.both_stores
    async def test_held_runs_start_when_the_limit_is_raised(
        self, change, owner, account, url, database, clock
    ):
        await change(limits={"runs_at_once": 1})
        clock.advance(CACHE_LIFETIME)
        for _ in range(3):
            assert (await owner.post(f"{url}/run", json=INPUT)).status_code == 202

        async def admitted():
            async with database.reading() as session:
                return await session.scalar(
                    sa.select(workspaces.c.admitted_runs).where(
                        workspaces.c.id == account.workspace_id
                    )
                )

        before = await admitted()
        await change(limits={"runs_at_once": 2})
        raised = await admitted()
        await change(limits={"runs_at_once": None})

        assert (before, raised, await admitted()) == (1, 2, 3)

    async def test_what_a_later_version_has_stored_is_ignored(self, owner, account, database):
        async with database.transaction() as session:
            await session.execute(
                sa.update(workspaces)
                .where(workspaces.c.id == account.workspace_id)
                .values(limit_overrides={"of_the_future": 1, "steps": "?", "runs_per_day": 4})
            )

        limits = (await owner.get("/api/user/me")).json()["limits"]

        assert (limits["runs_per_day"], limits["steps"]) == (4, 100)
        assert "of_the_future" not in limits


@pytest.mark.both_stores
class TestErase:
    async def test_only_workspaces_without_members_can_be_erased(
        self, admin, account, make, database
    ):
        alone = await make.workspace()

        refused = await admin.delete(f"{WORKSPACES}/{account.workspace_id}")
        erased = [await admin.delete(f"{WORKSPACES}/{alone}") for _ in range(2)]

        assert outcome(refused) == (409, "workspace_has_members")
        assert [each.json() for each in erased] == [{"id": str(alone), "deleted": True}] * 2
        shown = (await admin.get(f"{WORKSPACES}/{alone}")).json()
        assert (shown["members"], shown["deleted_at"] is None) == (0, False)
        async with database.reading() as session:
            statement = sa.select(sa.func.count()).where(workspaces.c.deleted_at.is_not(None))
            assert await session.scalar(statement) == 1

    async def test_a_removed_member_is_no_member(self, admin, account, database, clock):
        async with database.transaction() as session:
            await session.execute(
                sa.update(memberships)
                .where(memberships.c.workspace_id == account.workspace_id)
                .values(removed_at=clock.now())
            )

        erased = await admin.delete(f"{WORKSPACES}/{account.workspace_id}")

        assert erased.status_code == 200


@pytest.mark.both_stores
class TestPlan:
    @pytest.mark.parametrize(("stored", "overrides"), [(None, ""), ({"steps": 3}, '{"steps":3}')])
    async def test_every_query_reads_the_name_with_the_limits(
        self, database, account, stored, overrides
    ):
        async with database.transaction() as session:
            await session.execute(sa.update(workspaces).values(limit_overrides=stored))

        async with database.reading() as session:
            plan = await session.scalar(
                sa.select(PLAN).where(workspaces.c.id == account.workspace_id)
            )

        assert (plan, type(plan), plan.overrides) == ("enterprise", WorkspacePlan, overrides)

    def test_a_plan_with_limits_is_resolved_once(self):
        plans = Plans.load({})
        plan = WorkspacePlan("free", '{"steps": "unlimited", "cron": true}')

        found = plans.get(plan)

        assert plans.get(WorkspacePlan("free", plan.overrides)) is found
        assert (found.name, found.steps, found.cron, found.webhooks) == ("free", None, True, False)
        assert plans.get(WorkspacePlan("free")) is plans.get("free")
