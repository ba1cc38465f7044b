"""What a server asks of its store as it works, on tables that have grown: all of it goes by indexes.

The statements are those that are really sent, by a real engine that carries a run from its acceptance to its delivery.
"""

from datetime import timedelta

import pytest

from stepiq.core import clock
from stepiq.execution.journal.reservations import settle_left_over
from stepiq.execution.limits.plans import Plans
from stepiq.server import worker
from stepiq.store.states import DeliveryStatus, RunStatus
from stepiq.triggers.schedules import ticker as schedule_ticker
from stepiq.triggers.schedules.ticker import Ticker
from tests.notify import conftest as notify
from tests.support.clients import login_key
from tests.support.history import grow
from tests.support.query_plans import plan_of, statements, walked_whole
from tests.support.receiver import Receiver

__all__ = ["login_key"]

definitions, engine, mailer, outbox = (
    notify.definitions,
    notify.engine,
    notify.mailer,
    notify.outbox,
)
receiver, sender, settings, vault = (
    notify.receiver,
    notify.sender,
    notify.settings,
    notify.vault,
)

QUERIES = (
    "",
    "status=failed",
    "status=failed&status=cancelled",
    "trigger_type=cron",
    "trigger_type=cron&status=failed",
    "created_after=2026-01-01T00:00:00Z&created_before=2027-01-01T00:00:00Z",
    "q=Report",
    "q=Report&status=failed",
    "q=01a20e5f",
    "error_code=timeout",
    "error_code=timeout&trigger_type=cron&include_data=false",
    "caller_id=01a20e5f-c10a-7000-8000-000000000000&status=failed&tag=a",
    "tag=a",
)
GROUPS = ("day", "model", "pipeline", "caller")
PARTS = ("", "?steps=false", "/steps", "/events", "/stream", "/deliveries")


pytestmark = pytest.mark.both_stores


@pytest.fixture
async def pipeline_id(database, sender, receiver: Receiver, account):
    """A pipeline with a long history, on a plan where everything is counted."""
    found = await sender.pipeline(notify.PIPELINE.format(url=receiver.url))
    await grow(database, account, found)
    return found


@pytest.mark.new_store
class TestStatements:
    @pytest.mark.slow
    async def test_a_working_server_reads_no_table_as_a_whole(
        self, database, engine, owner, login_key, account, sender, make, pipeline_id, settings
    ):
        key = await login_key(account)
        test_delivery = await make.delivery(account, pipeline_id)
        waiting = await make.run(account, pipeline_id, status=RunStatus.WAITING)
        with statements() as seen:
            await self._carry(key, sender, pipeline_id)
            assert (await key.post(f"/api/runs/{waiting}/cancel")).status_code == 200
            await self._schedule(owner, database, engine, pipeline_id)
            await self._read(owner, pipeline_id)
            await self._read_steps(owner, make, account, pipeline_id)
            await owner.post(f"/api/deliveries/{test_delivery}/redeliver")
            await sender.finished(str(test_delivery))
            assert await worker.sweep(database, worker.sweeps(settings)) > 0
            clock.advance(timedelta(days=40))
            assert await settle_left_over(database) == 0
            assert await worker.sweep(database, worker.sweeps(settings)) > 0

        bad = {}
        for text, parameters in seen.items():
            plan = await plan_of(database, text, parameters)
            if whole := walked_whole(plan):
                bad[text] = (whole, plan)
        assert len(seen) > 80
        assert not bad, "\n\n".join(
            f"{whole}: {text}\n{plan}" for text, (whole, plan) in bad.items()
        )

    async def _carry(self, key, sender, pipeline_id) -> None:
        """A run and a delivery, from their beginning to their end, by all ways in."""
        accepted = await key.post(
            f"/api/webhooks/{pipeline_id}", json={"topic": "x"}, headers={"Idempotency-Key": "k"}
        )
        await sender.deliveries(accepted.json()["run_id"])
        answer = await key.post(f"/api/pipelines/{pipeline_id}/run?wait=20", json={})
        assert answer.status_code == 200

    async def _schedule(self, owner, database, engine, pipeline_id) -> None:
        path = f"/api/pipelines/{pipeline_id}/schedules"
        body = {"name": "Often", "cron_expression": "* * * * *", "overlap": "skip"}
        schedule = (await owner.post(path, json=body)).json()["id"]
        ticker = Ticker(database, engine, Plans.load({}))
        with pytest.MonkeyPatch.context() as patch:
            # More is due than one batch, so workspaces take turns.
            patch.setattr(schedule_ticker, "BATCH", 1)
            assert await ticker.tick(clock.now() + timedelta(minutes=2)) > 0
        for found in (
            path,
            f"/api/schedules/{schedule}",
            f"/api/schedules/{schedule}/ticks",
            "/api/schedules",
            "/api/schedules?enabled=true&limit=1",
            "/api/schedules/upcoming",
            "/api/schedules/density",
            f"/api/schedules/density?pipeline_id={pipeline_id}",
        ):
            assert (await owner.get(found)).status_code == 200

    async def _read(self, owner, pipeline_id) -> None:
        newest = (await owner.get("/api/runs?limit=1")).json()
        run_id, cursor = newest["data"][0]["id"], newest["next_cursor"]
        lists = [f"/api/runs?{query}" for query in QUERIES]
        lists += [f"/api/runs?{query}&cursor={cursor}" for query in QUERIES]
        lists += [f"/api/runs?pipeline_id={pipeline_id}&{query}" for query in QUERIES]
        lists += [f"/api/runs?pipeline_id={pipeline_id}&version=1&{query}" for query in QUERIES]
        lists += [f"/api/user/usage?group_by={key}" for key in GROUPS]
        lists += [f"/api/runs/{run_id}{part}" for part in PARTS]
        deliveries = f"/api/pipelines/{pipeline_id}/deliveries"
        lists += [deliveries, *(f"{deliveries}?status={status}" for status in DeliveryStatus)]
        lists += ["/api/pipelines?include=stats", "/api/user/usage?group_by=caller&by_day=true"]
        lists += ["/api/bulk-jobs", "/api/bulk-jobs?limit=1"]
        lists += ["/api/pipelines", "/api/user/me", f"/api/pipelines/{pipeline_id}/versions"]
        for path in lists:
            assert (await owner.get(path)).status_code == 200, path

    async def _read_steps(self, owner, make, account, pipeline_id) -> None:
        run_id = await make.run(account, pipeline_id, status=RunStatus.COMPLETED)
        step = await make.step(run_id)
        operation = await make.operation(run_id, step, payloads={"request": 1})
        retry = await make.run(account, pipeline_id, status=RunStatus.COMPLETED, retry_of=run_id)
        await make.step(retry, is_reused=True)
        for path in (
            f"{run_id}/steps/greet?iteration=1&branch=",
            f"{retry}/steps/greet",
            f"{run_id}/steps",
            f"{run_id}/operations/{operation}",
        ):
            assert (await owner.get(f"/api/runs/{path}")).status_code == 200, path
