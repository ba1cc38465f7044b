"""The state of the server, as administrators see it."""

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.core import clock
from stepiq.execution.limits.plans import Plans
from stepiq.execution.runtime import Engine
from stepiq.store.states import DeliveryStatus, RunStatus
from stepiq.store.tables import deliveries, runs
from tests.support.clients import login, login_key

__all__ = ["login", "login_key"]

PATHS = ("workers", "queues", "stuck-runs", "failing-deliveries", "health", "settings")


@pytest.fixture
async def admin(login, make):
    return await login(await make.user(is_admin=True))


class TestAccess:
    async def test_only_administrators_with_a_session_see_it(self, owner, login_key, make):
        key = await login_key(await make.user(is_admin=True))
        for path in PATHS:
            assert (await owner.get(f"/api/admin/{path}")).json()["code"] == "admin_required"
            assert (await key.get(f"/api/admin/{path}")).json()["code"] == "session_required"


@pytest.mark.both_stores
class TestWorkers:
    @pytest.fixture
    async def engine(self, database, changes, providers, http):
        engine = Engine(database, changes, providers, Plans.load({}), http)
        await engine.start()
        yield engine
        await engine.stop(drain=timedelta(0))

    async def test_a_live_worker_is_listed(self, engine, admin):
        (worker,) = (await admin.get("/api/admin/workers")).json()["data"]

        assert worker["name"].startswith("worker-")
        assert (worker["is_live"], worker["is_this_process"]) == (True, True)
        assert (worker["runs"], worker["deliveries"]) == (0, 0)


class TestQueues:
    async def test_waiting_runs_are_counted_with_their_age(self, admin, owner, make, account):
        pipeline_id = await make.pipeline(account)
        await owner.post(f"/api/pipelines/{pipeline_id}/run", json={})

        found = (await admin.get("/api/admin/queues")).json()

        waiting = {each["kind"]: each["waiting"] for each in found["queues"]}
        assert waiting == {"runs": 1, "deliveries": 0}
        assert (found["held_runs"], found["counted_up_to"]) == (0, 10_000)


@pytest.mark.both_stores
class TestStuckRuns:
    async def test_each_has_a_reason(self, admin, owner, make, account, database):
        pipeline_id = await make.pipeline(account)
        url = f"/api/pipelines/{pipeline_id}/run"
        ids = [(await owner.post(url, json={})).json()["id"] for _ in range(4)]
        waiting = await make.run(account, pipeline_id, status=RunStatus.WAITING)
        now = clock.now()
        table = "workflow_status" if database.is_sqlite else "dbos.workflow_status"
        async with database.transaction() as session:
            for run_id, values in (
                (UUID(ids[0]), {"deadline_at": now - timedelta(seconds=1)}),
                (UUID(ids[1]), {"crashes": 2}),
                (waiting, {"wake_at": now - timedelta(minutes=2)}),
            ):
                await session.execute(runs.update().where(runs.c.id == run_id).values(**values))
            await session.execute(
                sa.text(
                    f"UPDATE {table} SET created_at = created_at - 61000 WHERE workflow_uuid LIKE :id"  # noqa: S608
                ),
                {"id": f"{ids[2]}%"},
            )

        found = (await admin.get("/api/admin/stuck-runs")).json()["data"]

        assert {each["id"]: each["reason"] for each in found} == {
            ids[0]: "overdue",
            ids[1]: "crashing",
            ids[2]: "waiting_for_worker",
            str(waiting): "not_woken",
        }
        assert {each["pipeline_name"] for each in found} == {"Greeting"}


@pytest.mark.both_stores
class TestFailingDeliveries:
    async def test_failed_and_repeated_ones_are_listed(self, admin, make, account, database):
        pipeline_id = await make.pipeline(account)
        failed = await make.delivery(account, pipeline_id)
        await make.delivery(account, pipeline_id, status=DeliveryStatus.DELIVERED)
        await make.delivery(account, pipeline_id, status=DeliveryStatus.PENDING)
        repeated = await make.delivery(account, pipeline_id, status=DeliveryStatus.PENDING)
        async with database.transaction() as session:
            await session.execute(
                deliveries.update().where(deliveries.c.id == repeated).values(attempts=2)
            )

        found = (await admin.get("/api/admin/failing-deliveries")).json()["data"]

        assert [each["id"] for each in found] == [str(repeated), str(failed)]
        assert found[1]["error"] == "It failed."
        assert found[1]["target"]["url"] == "https://example.com/hook"


class TestHealth:
    async def test_checks_are_those_of_doctor(self, admin):
        found = (await admin.get("/api/admin/health")).json()

        names = {check["name"] for check in found["checks"]}
        assert {"settings", "database", "sandbox", "plans"} <= names
        assert not any(name.startswith("provider ") or name == "mail" for name in names)
        assert found["ok"] is all(check["status"] != "failed" for check in found["checks"])


class TestSettings:
    async def test_values_are_shown_without_secrets(self, admin, services):
        services.settings = services.settings.model_copy(
            update={
                "openai_api_key": services.settings.jwt_secret or "sk-secret",
                "openai_base_url": "https://user:hunter2hunter2@models.example.com/v1?token=concealed",
            }
        )

        answer = await admin.get("/api/admin/settings")

        found = {each["name"]: each for each in answer.json()["settings"]}
        assert found["OPENAI_API_KEY"]["value"] == "set"
        assert found["OPENAI_API_KEY"]["is_secret"] is True
        assert found["OPENAI_BASE_URL"]["value"] == "https://models.example.com/v1"
        assert found["STEPIQ_RUN_CRASH_LIMIT"]["value"] == "3"
        assert found["STEPIQ_RUN_CRASH_LIMIT"]["source"] == "default"
        assert found["STEPIQ_PORT"]["description"].startswith("TCP port")
        for secret in ("sk-secret", "hunter2", "concealed"):
            assert secret not in answer.text
