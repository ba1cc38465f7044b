"""Quotas of plans: what a workspace may store, and do in a day."""

import asyncio
from datetime import timedelta
from types import ModuleType
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from stepiq.accounts.service import Account
from stepiq.core import clock, ids
from stepiq.core.settings.model import Settings
from stepiq.execution.limits import quotas
from stepiq.execution.limits.quotas import PlanRedeliveriesExhausted, Quota
from stepiq.store.database import Database
from stepiq.store.states import Role
from stepiq.store.tables import api_keys, pipeline_versions, quota_counts, workspaces
from stepiq.web.services import Services
from tests.support.clients import Login, LoginKey, login, login_key
from tests.support.make import Make
from tests.support.query_plans import query_plan

__all__ = ["login", "login_key"]

DEFINITION = {"name": "Report", "steps": [{"id": "a", "type": "transform", "template": "x"}]}
SCHEDULED = {**DEFINITION, "schedule": {"cron": "0 9 * * *"}}
DAILY = {"name": "Daily", "cron_expression": "0 9 * * *", "timezone": "UTC"}
PLANS = {
    "keys": {"api_keys": 2},
    "drafts": {"drafts": 1},
    "versions": {"versions": 3},
    "bytes": {"definition_bytes": 250},
    "schedules": {"schedules": 2},
    "requests": {"workspace_requests_per_minute": 3},
    "both": {"workspace_requests_per_minute": 3, "requests_per_minute": 2},
    "daily": {"redeliveries_per_day": 3},
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    plans = {name: {"extends": "unlimited", **limits} for name, limits in PLANS.items()}
    return settings.model_copy(update={"plans": plans})


async def all_at_once(client: httpx2.AsyncClient, path: str, body: Any, number: int = 6):
    """Answers to the same request, sent several times at once."""
    return await asyncio.gather(*(client.post(path, json=body) for _ in range(number)))


def statuses(answers: list[httpx2.Response]) -> list[int]:
    return sorted(answer.status_code for answer in answers)


async def pipeline(client: httpx2.AsyncClient, definition: Any = DEFINITION) -> str:
    answer = await client.post("/api/pipelines", json=definition)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def move(database: Database, account: Account, plan: str) -> None:
    async with database.transaction() as session:
        await session.execute(
            workspaces.update().where(workspaces.c.id == account.workspace_id).values(plan=plan)
        )


@pytest.mark.both_stores
class TestApiKeys:
    async def test_no_more_than_the_plan_allows_are_created_at_once(self, login: Login, make: Make):
        client = await login(await make.user(plan="keys"))

        answers = await all_at_once(client, "/api/user/api-keys", {"name": "CI"})

        assert statuses(answers) == [201] * 2 + [403] * 4

    @pytest.mark.one_store
    async def test_a_refusal_names_the_limit_the_value_and_the_setting(
        self, login: Login, make: Make
    ):
        account = await make.user(plan="keys")
        client = await login(account)
        for _ in range(2):
            await make.api_key(account)

        refused = await client.post("/api/user/api-keys", json={"name": "CI"})

        assert refused.json()["code"] == "plan_api_keys_exceeded"
        assert refused.json()["detail"] == (
            "Plan `keys` allows 2 API keys, and the workspace has 2. Revoke a key that you do not use. An administrator can raise "
            "the limit of this workspace with `stepiq workspaces limits ID api_keys=…`, or of all workspaces of the plan with "
            "`api_keys = …` under `[plans.keys]` in `stepiq.toml`."
        )

    @pytest.mark.one_store
    async def test_a_refusal_after_the_limit_was_lowered_names_the_value(
        self, login: Login, make: Make, database: Database
    ):
        account = await make.user(plan="unlimited")
        for _ in range(5):
            await make.api_key(account)
        await move(database, account, "keys")

        refused = await (await login(account)).post("/api/user/api-keys", json={"name": "CI"})

        assert "Plan `keys` allows 2 API keys, and the workspace has 5." in refused.json()["detail"]

    async def test_a_revoked_key_makes_room(self, login: Login, make: Make):
        client = await login(await make.user(plan="keys"))
        made = await all_at_once(client, "/api/user/api-keys", {"name": "CI"}, 2)

        await client.delete(f"/api/user/api-keys/{made[0].json()['id']}")
        again = await client.post("/api/user/api-keys", json={"name": "CI"})

        assert again.status_code == 201

    async def test_expired_keys_of_a_removed_member_do_not_count(
        self, login: Login, make: Make, clock: ModuleType
    ):
        account = await make.user(plan="keys")
        member = await make.member(account)
        for _ in range(2):
            await make.api_key(member, expires_at=clock.now() + timedelta(days=1))
        await make.service_key(account)
        clock.advance(timedelta(days=2))
        client = await login(account)
        refused = await client.post("/api/user/api-keys", json={"name": "CI"})

        await client.delete(f"/api/workspace/members/{member.id}")
        answers = await all_at_once(client, "/api/user/api-keys", {"name": "CI"}, 2)

        assert refused.status_code == 403
        assert statuses(answers) == [201, 403]

    @pytest.mark.new_store
    async def test_counting_reads_an_index_without_revoked_keys(
        self, database: Database, make: Make
    ):
        account, now = await make.user(), clock.now()
        key = {
            "workspace_id": account.workspace_id, "user_id": account.id, "kind": "personal", "name": "CI",
            "prefix": "sk_live_", "scopes": [], "created_at": now,
        }  # fmt: skip
        async with database.transaction() as session:
            rows = [
                {
                    **key, "id": ids.uuid7(), "key_hash": number.to_bytes(32),
                    "revoked_at": now - timedelta(minutes=number),
                }
                for number in range(500)
            ]  # fmt: skip
            await session.execute(api_keys.insert(), rows)
            await session.execute(sa.text("ANALYZE"))

        plan = await query_plan(
            database, quotas.rows_statement(account.workspace_id, Quota.API_KEYS, 3)
        )

        assert "ix_api_keys_not_revoked" in plan


@pytest.mark.both_stores
class TestDrafts:
    async def test_those_of_a_removed_member_do_not_count(self, login: Login, make: Make):
        account = await make.user(plan="drafts")
        member = await make.member(account, Role.EDITOR)
        owner, editor = await login(account), await login(member)
        await editor.post("/api/drafts", json={"text": "name: Theirs"})
        refused = await owner.post("/api/drafts", json={"text": "name: Mine"})

        await owner.delete(f"/api/workspace/members/{member.id}")
        accepted = await owner.post("/api/drafts", json={"text": "name: Mine"})

        assert refused.json()["code"] == "plan_drafts_exceeded"
        assert accepted.status_code == 201


@pytest.mark.both_stores
class TestVersions:
    async def test_no_more_than_the_plan_allows_are_saved_at_once(self, login: Login, make: Make):
        client = await login(await make.user(plan="versions"))
        path = f"/api/pipelines/{await pipeline(client)}"

        answers = await asyncio.gather(*(client.put(path, json=DEFINITION) for _ in range(5)))

        assert statuses(answers) == [200] * 2 + [403] * 3
        refused = next(answer.json() for answer in answers if answer.status_code == 403)
        assert refused["code"] == "plan_versions_exceeded"
        assert (
            "allows 3 stored versions of pipelines, and the workspace has 3." in refused["detail"]
        )
        assert (await client.get(path)).json()["version"] == 3

    @pytest.mark.one_store
    async def test_they_also_count_without_a_limit(
        self, login: Login, make: Make, database: Database
    ):
        account = await make.user(plan="unlimited")
        client = await login(account)
        path = f"/api/pipelines/{await pipeline(client)}"
        for _ in range(4):
            await client.put(path, json=DEFINITION)

        await move(database, account, "versions")
        refused = await (await login(account)).put(path, json=DEFINITION)

        assert "the workspace has 5." in refused.json()["detail"]

    @pytest.mark.one_store
    async def test_a_refused_definition_does_not_count(self, login: Login, make: Make):
        client = await login(await make.user(plan="versions"))
        path = f"/api/pipelines/{await pipeline(client)}"

        await client.put(path, json={"name": "X"})
        for _ in range(2):
            assert (await client.put(path, json=DEFINITION)).status_code == 200

    async def test_deleted_versions_make_room(self, login: Login, make: Make, database: Database):
        account = await make.user(plan="versions")
        client = await login(account)
        path = f"/api/pipelines/{await pipeline(client)}"
        for _ in range(2):
            await client.put(path, json=DEFINITION)
        refused = await client.put(path, json=DEFINITION)

        await client.delete(f"{path}/versions/1")

        assert "Delete versions" in refused.json()["detail"]
        assert (await client.put(path, json=DEFINITION)).status_code == 200
        assert (await client.put(path, json=DEFINITION)).status_code == 403
        async with database.reading() as session:
            rows = await session.execute(sa.select(quota_counts.c.name, quota_counts.c.value))
            counted = {row.name: row.value for row in rows}
            (size,) = await session.execute(
                sa.select(sa.func.sum(sa.func.length(pipeline_versions.c.source)))
            )
        assert counted["versions"] == 3
        assert counted["definition_bytes"] == size[0]

    @pytest.mark.new_store
    @pytest.mark.parametrize(
        "aggregate", [sa.func.count(), sa.func.sum(pipeline_versions.c.counted_bytes)], ids=str
    )
    async def test_counting_texts_of_drafts_reads_only_their_index(
        self, database: Database, make: Make, aggregate: sa.ColumnElement[int]
    ):
        account = await make.user()

        plan = await query_plan(database, quotas.texts_statement(account.workspace_id, aggregate))

        how = "USING COVERING INDEX" if database.is_sqlite else "Index Only Scan using"
        assert f"{how} ix_pipeline_versions_counted" in plan


class TestDefinitionBytes:
    async def test_a_definition_must_fit_into_what_is_left(self, login: Login, make: Make):
        client = await login(await make.user(plan="bytes"))
        text = "name: Größe\nsteps: [{id: a, type: transform, template: x}]\n#".ljust(120, "x")
        headers = {"Content-Type": "application/yaml"}

        answers = [
            await client.post("/api/pipelines", content=text, headers=headers) for _ in range(3)
        ]

        assert [answer.status_code for answer in answers] == [201, 201, 403]
        assert answers[2].json()["code"] == "plan_definition_bytes_exceeded"
        assert "allows 250 bytes" in answers[2].json()["detail"]
        # Two bytes for each of two characters.
        assert "the workspace has 244." in answers[2].json()["detail"]

    @pytest.mark.one_store
    async def test_one_that_is_larger_than_all_of_it_is_refused(self, login: Login, make: Make):
        client = await login(await make.user(plan="bytes"))

        refused = await client.post("/api/pipelines", json={**DEFINITION, "description": "x" * 250})

        assert "the workspace has 0." in refused.json()["detail"]


@pytest.mark.both_stores
class TestSchedules:
    async def test_no_more_than_the_plan_allows_are_created_at_once(self, login: Login, make: Make):
        client = await login(await make.user(plan="schedules"))
        paths = [f"/api/pipelines/{await pipeline(client)}/schedules" for _ in range(2)]

        answers = await asyncio.gather(*(all_at_once(client, path, DAILY, 3) for path in paths))

        assert statuses([*answers[0], *answers[1]]) == [201] * 2 + [403] * 4

    async def test_those_of_definitions_count(self, login: Login, make: Make):
        client = await login(await make.user(plan="schedules"))

        answers = await all_at_once(client, "/api/pipelines", SCHEDULED, 4)

        assert statuses(answers) == [201] * 2 + [403] * 2
        refused = next(answer.json() for answer in answers if answer.status_code == 403)
        assert refused["code"] == "plan_schedules_exceeded"
        assert (
            "allows 2 schedules of active pipelines, and the workspace has 2." in refused["detail"]
        )

    async def test_saving_and_creating_at_once_waits_for_nobody_in_a_circle(
        self, login: Login, make: Make
    ):
        client = await login(await make.user(plan="schedules"))
        path = f"/api/pipelines/{await pipeline(client)}"

        answers = await asyncio.gather(
            *(
                client.put(path, json={"definition": SCHEDULED, "slug": f"s{number}"})
                for number in range(4)
            ),
            *(client.post(f"{path}/schedules", json=DAILY) for _ in range(4)),
        )

        found = statuses(list(answers))
        # All are saved if the definition's schedule came first; otherwise, two others took the places.
        assert found in ([200] * 4 + [201] + [403] * 3, [201] * 2 + [403] * 6)

    async def test_archiving_makes_room_and_restoring_needs_it(self, login: Login, make: Make):
        client = await login(await make.user(plan="schedules"))
        first = await pipeline(client, SCHEDULED)
        await pipeline(client, SCHEDULED)
        await client.delete(f"/api/pipelines/{first}")
        third = await pipeline(client, SCHEDULED)

        refused = await client.post(f"/api/pipelines/{first}/restore")
        await client.delete(f"/api/pipelines/{third}")
        restored = await client.post(f"/api/pipelines/{first}/restore")

        assert refused.json()["code"] == "plan_schedules_exceeded"
        assert "the workspace has 2." in refused.json()["detail"]
        assert restored.status_code == 200

    @pytest.mark.one_store
    async def test_those_that_exist_stay_when_the_limit_is_lowered(
        self, login: Login, make: Make, database: Database
    ):
        account = await make.user(plan="unlimited")
        path = f"/api/pipelines/{await make.pipeline(account)}/schedules"
        client = await login(account)
        made = [(await client.post(path, json=DAILY)).json()["id"] for _ in range(3)]

        await move(database, account, "schedules")
        client = await login(account)

        assert (await client.post(path, json=DAILY)).status_code == 403
        assert len((await client.get(path)).json()["data"]) == 3
        renamed = await client.patch(f"/api/schedules/{made[0]}", json={"name": "Morning"})
        assert renamed.status_code == 200


@pytest.mark.one_store
class TestWorkspaceRequests:
    async def test_all_credentials_of_a_workspace_share_the_limit(
        self, login: Login, login_key: LoginKey, make: Make
    ):
        account = await make.user(plan="requests")
        clients = [await login(account), *[await login_key(account) for _ in range(3)]]

        answers = [await client.get("/api/pipelines") for client in clients]

        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[3].json()["code"] == "rate_limited"
        assert "3 requests per minute for the whole workspace" in answers[3].json()["detail"]
        assert "`workspace_requests_per_minute` under `[plans.requests]`" in answers[3].text
        assert answers[3].headers["Retry-After"] == "60"

    async def test_the_headers_show_the_limit_that_is_reached_first(
        self, login: Login, login_key: LoginKey, make: Make
    ):
        account = await make.user(plan="both")
        first, second = await login(account), await login_key(account)

        shown = [(await client.get("/api/pipelines")).headers for client in (first, second, second)]

        assert [headers["RateLimit-Limit"] for headers in shown] == ["2", "2", "2"]
        assert [headers["RateLimit-Remaining"] for headers in shown] == ["1", "1", "0"]
        last = await first.get("/api/pipelines")
        assert (last.status_code, last.headers["RateLimit-Limit"]) == (429, "3")

    async def test_other_workspaces_are_not_affected(self, login: Login, make: Make):
        busy, other = [await login(await make.user(plan="requests")) for _ in range(2)]
        for _ in range(4):
            await busy.get("/api/pipelines")

        assert (await other.get("/api/pipelines")).status_code == 200


class TestTake:
    async def take(self, services: Services, account: Account, amount: int = 1) -> bool:
        plan: Any = services.plans.get("daily")
        try:
            async with services.database.transaction() as session:
                await quotas.take(
                    session, account.workspace_id, plan, Quota.REDELIVERIES_PER_DAY, amount
                )
        except PlanRedeliveriesExhausted:
            return False
        return True

    @pytest.mark.both_stores
    async def test_it_never_gives_more_than_the_limit(self, services: Services, make: Make):
        account = await make.user()

        taken = await asyncio.gather(*(self.take(services, account) for _ in range(8)))

        assert sum(taken) == 3

    async def test_it_gives_all_of_an_amount_or_nothing(self, services: Services, make: Make):
        account = await make.user()

        assert await self.take(services, account, 2)
        assert not await self.take(services, account, 2)
        assert await self.take(services, account, 1)

    async def test_the_count_of_a_day_restarts_at_midnight(
        self, services: Services, make: Make, clock: ModuleType
    ):
        account = await make.user()
        assert await self.take(services, account, 3)

        clock.advance(timedelta(days=1))

        assert await self.take(services, account, 3)

    @pytest.mark.both_stores
    async def test_a_server_whose_clock_is_behind_continues_the_count_of_the_next_day(
        self, services: Services, make: Make, clock: ModuleType
    ):
        account = await make.user()
        assert await self.take(services, account, 2)
        clock.advance(timedelta(days=1))
        assert await self.take(services, account, 2)

        clock.advance(timedelta(days=-1))
        others = [await self.take(services, account) for _ in range(2)]
        clock.advance(timedelta(days=1))
        after = await self.take(services, account)

        assert (others, after) == ([True, False], False)

    async def test_workspaces_are_counted_separately(self, services: Services, make: Make):
        first, second = await make.user(), await make.user()

        assert await self.take(services, first, 3)
        assert await self.take(services, second, 3)


class TestUsage:
    async def test_usage_shows_all_quotas_and_their_values(self, login: Login, make: Make):
        account = await make.user(plan="schedules")
        client = await login(account)
        await pipeline(client, SCHEDULED)
        await make.api_key(account)

        limits = (await client.get("/api/user/usage")).json()["quotas"]

        shown = [each for each in limits if each["name"] in list(Quota)]
        size = len(httpx2.Request("POST", "http://x", json=SCHEDULED).content)
        assert {quota["name"]: (quota["used"], quota["limit"]) for quota in shown} == {
            "api_keys": (1, None),
            "versions": (1, None),
            "definition_bytes": (size, None),
            "drafts": (0, None),
            "schedules": (1, 2),
            "emails_per_day": (0, None),
            "redeliveries_per_day": (0, None),
        }
        restarts = {quota["name"] for quota in shown if quota["resets_at"] is not None}
        assert restarts == {"emails_per_day", "redeliveries_per_day"}
