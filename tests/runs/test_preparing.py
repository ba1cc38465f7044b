"""Routes that start a run prepare all of it, and accept it last."""

import re

import pytest
import sqlalchemy as sa

from stepiq.store.states import RunStatus, StepStatus
from stepiq.store.tables import idempotent_requests, workspaces
from tests.support.audit_log import recorded
from tests.support.query_plans import rest_of_transaction

SOURCE = """\
name: Greet
input: {schema: {count: {type: number, default: 1.0}}}
steps:
  - {id: a, type: transform, template: "x"}
  - {id: b, type: transform, template: "y"}
"""
COUNTS_IN = re.compile(r"UPDATE workspaces SET .*unfinished_runs")
ACCEPTS = re.compile(
    r"(WITH \w+ AS\s+\()?INSERT INTO (dbos\.)?(runs|run_events|run_steps|workflow_status|workflow_input)\b"
)


async def of_pipeline(client, account, make, pipeline_id, **extra):
    return await client.post(f"/api/pipelines/{pipeline_id}/run", json={}, **extra)


async def of_draft(client, account, make, pipeline_id, **extra):
    body = {"pipeline_id": str(pipeline_id), "text": SOURCE}
    return await client.post("/api/runs/draft", json=body, **extra)


async def retry(client, account, make, pipeline_id, **extra):
    ended = await make.run(account, pipeline_id, status=RunStatus.FAILED, input_data={"count": 2.0})
    await make.step(ended, "a", output="x", input_tokens=3)
    await make.step(ended, "b", ordinal=2, status=StepStatus.FAILED)
    return await client.post(f"/api/runs/{ended}/retry", json={"from": "b"}, **extra)


async def of_schedule(client, account, make, pipeline_id, **extra):
    schedule_id = await make.schedule(account, pipeline_id)
    return await client.post(f"/api/schedules/{schedule_id}/run-now", **extra)


async def of_webhook(client, account, make, pipeline_id, **extra):
    return await client.post(f"/api/webhooks/{pipeline_id}", json={}, **extra)


pytestmark = pytest.mark.both_stores
STARTS = pytest.mark.parametrize("start", [of_pipeline, of_draft, retry, of_schedule])


@STARTS
class TestAnswer:
    async def test_it_is_the_run_as_the_api_shows_it(self, owner, account, make, start):
        pipeline_id = await make.pipeline(account, source=SOURCE, tags=("daily", "x"))

        answer = await start(owner, account, make, pipeline_id)

        accepted = answer.json()
        shown = (await owner.get(f"/api/runs/{accepted['id']}")).json()
        del shown["steps"]
        assert accepted == shown

    async def test_the_caller_can_be_a_key(self, owner, login_key, account, make, start):
        client = await login_key(
            account, ["pipelines:execute", "pipelines:read", "pipelines:write"]
        )
        pipeline_id = await make.pipeline(account, source=SOURCE, tags=("daily", "x"))

        accepted = (await start(client, account, make, pipeline_id)).json()

        shown = (await owner.get(f"/api/runs/{accepted['id']}")).json()
        del shown["steps"]
        assert accepted == shown


async def refuse_runs(database, account):
    """Let the plan of the workspace allow no run."""
    async with database.transaction() as session:
        await session.execute(
            workspaces.update()
            .where(workspaces.c.id == account.workspace_id)
            .values(limit_overrides={"runs_per_day": 0})
        )


@STARTS
async def test_a_run_that_is_refused_leaves_nothing(database, owner, account, make, start):
    pipeline_id = await make.pipeline(account, source=SOURCE)
    await refuse_runs(database, account)

    answers = [
        await start(owner, account, make, pipeline_id, headers={"Idempotency-Key": "order-1"})
        for _ in range(1 if start in (retry, of_schedule) else 2)
    ]

    assert {answer.json()["code"] for answer in answers} == {"plan_runs_exhausted"}
    assert [each.action for each in await recorded(database) if "run" in each.action] == []
    async with database.reading() as session:
        kept = await session.scalar(sa.select(sa.func.count()).select_from(idempotent_requests))
    assert kept == 0


async def test_a_stored_draft_that_was_run_and_deleted_is_not_run_again(owner, account, make):
    pipeline_id = await make.pipeline(account, source=SOURCE)
    draft = f"/api/pipelines/{pipeline_id}/draft"
    kept = await owner.put(draft, json={"text": SOURCE, "format": "yaml", "revision": None})
    body = {"pipeline_id": str(pipeline_id)}
    headers = {"Idempotency-Key": "order-1"}
    first = await owner.post("/api/runs/draft", json=body, headers=headers)
    deleted = await owner.delete(draft)

    again = await owner.post("/api/runs/draft", json=body, headers=headers)

    assert (kept.status_code, deleted.status_code) == (200, 200)
    assert (again.status_code, again.json()) == (202, first.json())


@pytest.mark.parametrize("start", [of_pipeline, of_draft, retry, of_schedule, of_webhook])
async def test_the_counters_are_locked_last(database, owner, login_key, account, make, start):
    """Until the end of the transaction, nobody else can start or end a run of the workspace."""
    pipeline_id = await make.pipeline(account, source=SOURCE)
    client = await login_key(account, ["webhooks:trigger"]) if start is of_webhook else owner
    # The answer to this one is known, and stored, after the acceptance.
    headers = {} if start is of_schedule else {"Idempotency-Key": "order-1"}

    with rest_of_transaction(COUNTS_IN) as statements:
        answer = await start(client, account, make, pipeline_id, headers=headers)

    assert answer.is_success
    assert COUNTS_IN.match(statements[0])
    # PostgreSQL: the count, the run with its first event, and the ticket. A retry also copies steps.
    expected = 5 if database.is_sqlite else 3
    assert len(statements) == expected + (start is retry)
    assert [text for text in statements[1:] if not ACCEPTS.match(text)] == []
