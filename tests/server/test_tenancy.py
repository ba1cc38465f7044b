"""Two workspaces see nothing of each other: every route, with ids that belong to somebody else."""

import json
import re

import pytest
from fastapi.routing import APIRoute

from stepiq.core import ids
from stepiq.server.app import ROUTERS
from stepiq.store.states import RunStatus
from tests.support.clients import login, login_key

pytestmark = pytest.mark.one_store

__all__ = ["login", "login_key"]

DEFINITION = {"name": "X", "steps": [{"id": "a", "type": "transform", "template": "x"}]}
BODIES = {
    ("PUT", "/pipelines/{pipeline_id}"): DEFINITION,
    ("PATCH", "/pipelines/{pipeline_id}"): {"name": "Taken over"},
    ("PUT", "/pipelines/{pipeline_id}/draft"): {"text": "taken over"},
    ("POST", "/pipelines/{pipeline_id}/run"): {},
    ("POST", "/runs/{run_id}/reviews/{step_id}"): {"decision": "approve"},
    ("POST", "/webhooks/{pipeline_id}"): {},
    ("POST", "/pipelines/{pipeline_id}/schedules"): {"name": "x", "cron_expression": "0 9 * * *"},
    ("PATCH", "/schedules/{schedule_id}"): {"name": "Taken over"},
    ("POST", "/pipelines/{pipeline_id}/secrets"): {"name": "TOKEN", "value": "taken over"},
}
OURS = {
    "pipeline_id",
    "run_id",
    "operation_id",
    "key_id",
    "session_id",
    "identity_id",
    "schedule_id",
    "secret",
    "delivery_id",
    "job_id",
    "invitation_id",
}
PLAIN = {
    "number": "1",
    "other": "1",
    "step_id": "check",
    "model_id": None,
    "user_id": None,
    "workspace_id": None,
}
"""Other parameters: a value for each, or None for routes that show nothing of a workspace."""

ROUTES = [
    (method, route.path)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]
WITH_IDS = [
    (method, path)
    for method, path in ROUTES
    if "{" in path and not any(PLAIN.get(name, "") is None for name in re.findall(r"{(\w+)", path))
]
WITHOUT_IDS = [
    path
    for method, path in ROUTES
    # The stream has no end, and its own tests.
    if method == "GET"
    and "{" not in path
    and not path.startswith(("/models", "/user/me", "/runs/stream"))
]


def fill(path, values):
    def value(match):
        name = match[1]
        return str(values[name]) if name in OURS else PLAIN[name]

    return "/api" + re.sub(r"{(\w+)(?::\w+)?}", value, path)


@pytest.fixture
async def theirs(stranger, make):
    """What the stranger has."""
    pipeline_id = await make.pipeline(stranger, slug="theirs")
    run_id = await make.run(stranger, pipeline_id, status=RunStatus.RUNNING)
    await make.review(stranger, pipeline_id, run_id=run_id)
    step = await make.step(run_id, "check")
    return {
        "pipeline_id": pipeline_id,
        "run_id": run_id,
        "operation_id": await make.operation(run_id, step),
        "schedule_id": await make.schedule(stranger, pipeline_id),
        "key_id": (await make.api_key(stranger)).id,
        "session_id": (await make.session(stranger)).session_id,
        "identity_id": await make.identity(stranger),
        "secret": await make.secret(stranger),
        "delivery_id": await make.delivery(stranger, pipeline_id),
        "job_id": await make.bulk_job(stranger, [run_id]),
        "invitation_id": await make.invitation(stranger),
    }


async def ask(client, method, path, values):
    """An answer without what differs between any two: the id asked for and the request's own."""
    response = await client.request(method, fill(path, values), json=BODIES.get((method, path)))
    text = response.text
    for name, value in values.items():
        text = text.replace(str(value), name)
    body = json.loads(text)
    body.pop("request_id", None)
    return response.status_code, body


async def ask_everywhere(client, values):
    """The answer of each route with ids. None of them may change what is theirs."""
    return {(method, path): await ask(client, method, path, values) for method, path in WITH_IDS}


class TestForeignIds:
    async def test_they_look_like_unknown_ones(self, login_key, account, theirs):
        client = await login_key(account)
        unknown = {name: ids.uuid7() for name in theirs}

        foreign = await ask_everywhere(client, theirs)

        assert {status for status, _ in foreign.values()} <= {403, 404}
        assert foreign == await ask_everywhere(client, unknown)

    async def test_they_look_so_with_a_session_too(self, owner, theirs):
        unknown = {name: ids.uuid7() for name in theirs}

        foreign = await ask_everywhere(owner, theirs)

        assert {status for status, _ in foreign.values()} <= {401, 404}
        assert foreign == await ask_everywhere(owner, unknown)


class TestForeignThings:
    async def test_nothing_of_them_changes(self, login, owner, stranger, theirs):
        client = await login(stranger)
        urls = [f"/api/pipelines/{theirs['pipeline_id']}", f"/api/runs/{theirs['run_id']}"]
        urls.append(f"/api/schedules/{theirs['schedule_id']}")
        urls.append(f"/api/runs/{theirs['run_id']}/reviews/check")
        before = [(await client.get(url)).json() for url in urls]

        foreign = await ask_everywhere(owner, theirs)

        assert 404 in {status for status, _ in foreign.values()}
        assert (await owner.get("/api/user/me")).status_code == 200
        assert [(await client.get(url)).json() for url in urls] == before

    async def test_no_list_shows_them(self, owner, theirs):
        texts = {path: (await owner.get(f"/api{path}")).text for path in WITHOUT_IDS}

        shown = [
            path for path in texts if any(str(value) in texts[path] for value in theirs.values())
        ]
        assert shown == []

    async def test_a_filter_does_not_reach_them(self, owner, theirs):
        by_pipeline = await owner.get(f"/api/runs?pipeline_id={theirs['pipeline_id']}")
        several = await owner.get(
            f"/api/runs?pipeline_id={theirs['pipeline_id']}&status=running&status=failed"
        )
        by_id = await owner.get(f"/api/runs?q={theirs['run_id']}")
        by_name = await owner.get("/api/runs?q=Greeting")

        for response in (by_pipeline, several, by_id, by_name):
            assert response.json()["data"] == []

    async def test_a_slug_of_theirs_is_free(self, owner, theirs):
        response = await owner.post(
            "/api/pipelines", json={"definition": DEFINITION, "slug": "theirs"}
        )

        assert response.status_code == 201
