"""A key that cannot read gets nothing that the routes for reading show: every route that needs no scope to read."""

import re
from typing import Any
from uuid import UUID

import httpx2
import pytest

from stepiq.accounts.actor import ALL_SCOPES, Scope
from stepiq.server.app import create_app
from stepiq.server.routes import Route, routes_of
from stepiq.store.states import RunStatus
from tests.support.clients import login_key

pytestmark = pytest.mark.one_store

__all__ = ["login_key"]

READING = {Scope.PIPELINES_READ, Scope.ACCOUNT_READ}
BLIND = [
    route
    for route in routes_of(create_app())
    if route.access.scopes and READING.isdisjoint(route.access.scopes)
]
"""Each needs an entry in `BODIES` if it takes a body, and what it changes in `stored`."""

STORED = """\
name: Canary
description: A canary
input: {schema: {word: {type: string, default: canary}}}
steps:
  - {id: greet, type: transform, template: "canary {{input.word}}"}
output: {deliver: [{type: webhook, url: "https://canary.example.com", signing_secret_name: CANARY}]}
"""
SENT = {"name": "Sent", "steps": [{"id": "a", "type": "transform", "template": "x"}]}
SECRET = {"name": "TOKEN", "value": "a new value"}
BODIES: dict[str | None, Any] = {
    "bulk_jobs_create": {"action": "cancel", "run_ids": ["0192f0c1-0000-7000-8000-000000000000"]},
    "drafts_create": {"text": "name: Sent"},
    "drafts_run": {"text": "name: Sent\nsteps: [{id: a, type: transform, template: x}]\n"},
    "pipelines_create": SENT,
    "pipelines_update": SENT,
    "reviews_decide": {"decision": "approve"},
    "schedules_create": {"name": "Sent", "cron_expression": "0 9 * * *"},
    "secrets_set": SECRET,
    "secrets_set_for_pipeline": SECRET,
    "webhooks_trigger": {},
}


@pytest.fixture
async def stored(owner: httpx2.AsyncClient, account: Any, make: Any) -> dict[str, Any]:
    """What others have stored and run, by the parameter of a path, with canaries in all of it."""
    body = {"text": STORED, "slug": "stored", "tags": ["canary"]}
    pipeline_id = UUID((await owner.post("/api/pipelines", json=body)).json()["id"])
    pipeline = f"/api/pipelines/{pipeline_id}"
    await owner.put(pipeline, json={"text": STORED})
    started = await owner.post(f"{pipeline}/run", json={"input_data": {"word": "canary"}})
    run_id = UUID(started.json()["id"])
    hosts = ["canary.example.com"]
    await make.secret(account, pipeline_id=pipeline_id, hosts=hosts)
    return {
        "pipeline_id": pipeline_id,
        "run_id": run_id,
        "schedule_id": await make.schedule(
            account, pipeline_id, name="Canary", input_data={"word": "canary"}
        ),
        "secret": await make.secret(account, hosts=hosts) and "TOKEN",
        "delivery_id": await make.delivery(account, pipeline_id),
        "job_id": await make.bulk_job(account, [run_id]),
        "number": 1,
        "step_id": "check",
    }


@pytest.mark.parametrize(
    "route",
    # The run that a key starts shows its pipeline and its result.
    [route for route in BLIND if route.operation_id != "runs_start"],
    ids=lambda route: route.operation_id,
)
async def test_no_answer_has_what_others_have_stored(
    route: Route, owner, account, stored, make, login_key
):
    client = await login_key(account, ALL_SCOPES - READING)
    name, pipeline_id = route.operation_id, stored["pipeline_id"]
    if name == "runs_retry":
        word = {"word": "canary"}
        stored["run_id"] = await make.run(
            account, pipeline_id, status=RunStatus.FAILED, input_data=word, output="canary"
        )
    if name == "pipelines_update":
        pause = f"/api/pipelines/{pipeline_id}/pause"
        await owner.post(pause, json={"reason": "The canary sings."})
    if name == "reviews_decide":
        review = await make.review(
            account, pipeline_id, message="A canary", under_review={"word": "canary"}
        )
        stored["run_id"] = review.run_id
    path = re.sub(r"{(\w+)}", lambda match: str(stored[match[1]]), route.path)

    answer = await client.request(route.method, path, json=BODIES.get(name))

    assert answer.is_success, answer.text
    assert not re.search("canary|example.com|it failed", answer.text.lower())
