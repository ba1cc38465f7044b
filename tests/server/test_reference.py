"""The public API reference, line by line, with real curl against a fresh server."""

import asyncio
import json
import re
import shlex
from dataclasses import dataclass, field

import pytest

from tests.support.live import Live

pytestmark = pytest.mark.one_store

ROUTES = """\
POST/api/auth/registerEmail + password signup
POST/api/auth/loginReturns JWT token
POST/api/auth/refreshRefresh JWT token
POST/api/auth/forgot-passwordSend reset email
GET/api/pipelinesList user's pipelines
POST/api/pipelinesCreate pipeline (JSON or YAML body)
GET/api/pipelines/:idGet pipeline details
PUT/api/pipelines/:idUpdate pipeline (creates new version)
DELETE/api/pipelines/:idArchive pipeline (soft delete)
POST/api/pipelines/:id/runTrigger a run
POST/api/webhooks/:pipelineIdTrigger a run via inbound webhook (API key)
GET/api/runsList runs (filterable)
GET/api/runs/:idGet run details + step executions
GET/api/runs/:id/streamSSE stream for real-time updates
POST/api/runs/:id/cancelCancel a running pipeline
GET/api/pipelines/:id/schedulesList schedules
POST/api/pipelines/:id/schedulesCreate schedule
POST/api/schedules/:id/enableEnable schedule
GET/api/schedules/upcomingList next scheduled runs
GET/api/user/meCurrent user profile
GET/api/user/usageUsage stats (tokens, cost, runs)
GET/api/user/api-keysList API keys (metadata only)
POST/api/user/api-keysCreate API key
DELETE/api/user/api-keys/:idRevoke API key
POST/api/user/secretsCreate/update encrypted secret
"""
"""As printed: method, path and what it does, run together."""

EXAMPLE = r"""curl -X POST "https://api.stepiq.sh/v1/api/webhooks/<pipeline-id>" \
  -H "Content-Type: application/json" \
  -H "X-API-Key: sk_live_xxxxxxxx" \
  -d '{"input_data":{"topic":"AI agents","language":"en"}}'"""
"""As printed."""

BASE = "https://api.stepiq.sh/v1"
DEFINITION = {
    "name": "Report",
    "input": {"schema": {"topic": {"type": "string", "required": True}}},
    "steps": [{"id": "a", "type": "transform", "template": "{{input.topic}}"}],
}
YAML = "name: Report\nsteps:\n  - id: a\n    type: transform\n    template: Hello\n"
NOBODYS = "01900000-0000-7000-8000-000000000000"
PERSON = {"email": "ada@example.com", "password": "at-least-8-characters"}


@dataclass
class Answer:
    status: int
    media_type: str
    text: str

    @property
    def body(self):
        return json.loads(self.text)


@dataclass
class Reader:
    """Somebody who follows the reference with curl."""

    server: Live
    token: str = ""
    key: str = ""
    used: set[tuple[str, str]] = field(default_factory=set)

    async def run(self, command: str) -> Answer:
        """A command as printed, which a shell runs with the server's address instead of the public one."""
        command = command.replace(BASE, f"{self.server.url}/v1")
        written = command.replace(
            "curl ", r"curl -sS --max-time 20 -w '\n%{http_code} %{content_type}' ", 1
        )
        process = await asyncio.create_subprocess_shell(
            written, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        text, _, last = out.decode().rpartition("\n")
        status, _, media_type = last.partition(" ")
        return Answer(int(status), media_type, text)

    async def ask(
        self, method: str, path: str, data: object = None, *, by: str = "token", **ids: str
    ) -> Answer:
        """One line of the reference."""
        self.used.add((method, path))
        for name, value in ids.items():
            path = path.replace(f":{name}", value)
        parts = ["curl", "-X", method, BASE + path]
        if by == "token" and self.token:
            parts += ["-H", f"Authorization: Bearer {self.token}"]
        if by == "key":
            parts += ["-H", f"X-API-Key: {self.key}"]
        if isinstance(data, str):
            parts += ["-H", "Content-Type: application/yaml", "--data-binary", data]
        elif data is not None:
            parts += ["-H", "Content-Type: application/json", "-d", json.dumps(data)]
        return await self.run(shlex.join(parts))


@pytest.fixture
async def reader(server, make) -> Reader:
    """With an account, its token and a key, all by the reference."""
    await make.user(is_admin=True)
    reader = Reader(server)
    registered = await reader.ask("POST", "/api/auth/register", PERSON)
    assert registered.status == 201
    reader.token = registered.body["token"]
    created = await reader.ask("POST", "/api/user/api-keys", {"name": "CI"})
    assert created.status == 201
    reader.key = created.body["key"]
    assert reader.key.startswith("sk_live_")
    return reader


async def made(reader: Reader, definition: object = DEFINITION) -> str:
    created = await reader.ask("POST", "/api/pipelines", definition)
    assert created.status == 201, created.text
    return created.body["id"]


def example(reader: Reader, pipeline_id: str, key: str) -> str:
    return EXAMPLE.replace("<pipeline-id>", pipeline_id).replace("sk_live_xxxxxxxx", key)


def printed():
    """Method and path of each line: the path ends where a capital letter begins the explanation."""
    for line in ROUTES.splitlines():
        found = re.match(r"([A-Z]+)(/api/(?:[a-z/-]|:id|:pipelineId)+)[A-Z]", line)
        assert found, line
        yield found[1], found[2]


@pytest.mark.slow
class TestEveryLine:
    async def test_works_as_printed(self, reader):
        login = await reader.ask("POST", "/api/auth/login", PERSON, by="")
        assert (login.status, login.body["token_type"]) == (200, "Bearer")
        refreshed = await reader.ask(
            "POST", "/api/auth/refresh", {"refresh_token": login.body["refresh_token"]}, by=""
        )
        assert refreshed.status == 200
        reader.token = refreshed.body["token"]
        forgotten = await reader.ask(
            "POST", "/api/auth/forgot-password", {"email": PERSON["email"]}, by=""
        )
        assert forgotten.status == 202

        pipeline_id = await made(reader)
        assert (await reader.ask("POST", "/api/pipelines", YAML)).status == 201
        listed = await reader.ask("GET", "/api/pipelines")
        assert {row["name"] for row in listed.body["data"]} == {"Report"}
        assert (await reader.ask("GET", "/api/pipelines/:id", id=pipeline_id)).body["version"] == 1
        saved = await reader.ask("PUT", "/api/pipelines/:id", DEFINITION, id=pipeline_id)
        assert (saved.status, saved.body["version"]) == (200, 2)

        scheduled = await reader.ask(
            "POST",
            "/api/pipelines/:id/schedules",
            {"name": "Daily", "cron_expression": "0 9 * * *", "input_data": {"topic": "x"}},
            id=pipeline_id,
        )
        assert scheduled.status == 201, scheduled.text
        schedules = await reader.ask("GET", "/api/pipelines/:id/schedules", id=pipeline_id)
        assert [row["name"] for row in schedules.body["data"]] == ["Daily"]
        enabled = await reader.ask("POST", "/api/schedules/:id/enable", id=scheduled.body["id"])
        assert (enabled.status, enabled.body["enabled"]) == (200, True)
        upcoming = await reader.ask("GET", "/api/schedules/upcoming")
        assert upcoming.body["data"][0]["pipeline_name"] == "Report"

        run = await reader.ask(
            "POST", "/api/pipelines/:id/run", {"input_data": {"topic": "x"}}, id=pipeline_id
        )
        assert (run.status, run.body["status"]) == (202, "pending")
        hooked = await reader.ask(
            "POST", "/api/webhooks/:pipelineId", {"topic": "x"}, by="key", pipelineId=pipeline_id
        )
        assert hooked.status == 202
        assert len((await reader.ask("GET", "/api/runs")).body["data"]) == 2
        run_id = run.body["id"]
        assert (await reader.ask("GET", "/api/runs/:id", id=run_id)).body["steps"] is not None
        cancelled = await reader.ask("POST", "/api/runs/:id/cancel", id=run_id)
        assert (cancelled.status, cancelled.body["status"]) == (200, "cancelled")
        stream = await reader.ask("GET", "/api/runs/:id/stream", id=run_id)
        assert stream.media_type.startswith("text/event-stream")
        assert "event: run.status" in stream.text

        assert (await reader.ask("GET", "/api/user/me")).body["email"] == PERSON["email"]
        assert (await reader.ask("GET", "/api/user/usage")).body["runs"]["total"] >= 0
        secret = {"name": "TOKEN", "value": "a-long-secret-value"}
        assert (await reader.ask("POST", "/api/user/secrets", secret)).status == 201
        assert (await reader.ask("POST", "/api/user/secrets", secret)).status == 200
        keys = (await reader.ask("GET", "/api/user/api-keys")).body["data"]
        assert "key" not in keys[0]
        revoked = await reader.ask("DELETE", "/api/user/api-keys/:id", id=keys[0]["id"])
        assert (revoked.status, revoked.body["deleted"]) == (200, True)
        archived = await reader.ask("DELETE", "/api/pipelines/:id", id=pipeline_id)
        assert (archived.status, archived.body["status"]) == (200, "archived")

        assert reader.used >= set(printed())

    async def test_models_and_providers_are_listed(self, reader):
        for path in ("/api/models", "/api/models/providers"):
            assert (await reader.ask("GET", path)).body["data"]

    @pytest.mark.parametrize("by", ["token", "key"])
    async def test_either_credential_opens_it(self, reader, by):
        pipeline_id = await made(reader)
        for path in ("/api/pipelines", "/api/runs", "/api/user/me", "/api/schedules/upcoming"):
            assert (await reader.ask("GET", path, by=by)).status == 200
        data = {"input_data": {"topic": "x"}}
        answer = await reader.ask("POST", "/api/pipelines/:id/run", data, by=by, id=pipeline_id)
        assert answer.status == 202


@pytest.mark.slow
class TestInboundWebhook:
    async def test_the_example_gets_the_answer_that_is_printed(self, reader):
        pipeline_id = await made(reader)

        answer = await reader.run(example(reader, pipeline_id, reader.key))

        assert (answer.status, answer.media_type) == (202, "application/json")
        run_id = answer.body["run_id"]
        assert answer.body == {
            "accepted": True,
            "run_id": run_id,
            "status": "pending",
            "pipeline_id": pipeline_id,
        }
        run = (await reader.ask("GET", "/api/runs/:id", id=run_id)).body
        assert run["trigger_type"] == "webhook"
        assert run["input_data"]["topic"] == "AI agents"

    async def test_every_status_it_names_is_given(self, reader):
        pipeline_id = await made(reader)
        archived = await made(reader)
        await reader.ask("DELETE", "/api/pipelines/:id", id=archived)
        path, ids = "/api/webhooks/:pipelineId", {"pipelineId": pipeline_id}

        missing = await reader.ask("POST", path, {"topic": "x"}, by="", **ids)
        invalid = await reader.run(EXAMPLE.replace("<pipeline-id>", pipeline_id))
        unknown = await reader.run(example(reader, NOBODYS, reader.key))
        inactive = await reader.run(example(reader, archived, reader.key))
        mismatched = await reader.ask("POST", path, {"input_data": {"topic": 7}}, by="key", **ids)

        statuses = [each.status for each in (missing, invalid, unknown, inactive, mismatched)]
        assert statuses == [401, 401, 404, 404, 422]
        assert mismatched.body["code"] == "input_invalid"
        assert mismatched.body["errors"][0]["path"] == "topic"
