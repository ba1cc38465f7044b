"""Webhooks whose pipeline asks for its sender's signature."""

import hashlib
import hmac
from datetime import timedelta

import pytest

from stepiq.execution.protocols import SecretValue
from stepiq.triggers.webhooks.inbox import SECRET_LIFETIME, Inbox

pytestmark = pytest.mark.one_store

SECRET = "It's a Secret to Everybody"
BODY = b'{"topic":  "a"}'
JSON = {"Content-Type": "application/json"}
SIGNED = """\
name: Signed
steps:
  - {id: a, type: transform, template: "{{input.topic}}"}
webhook:
  verify: {scheme: github, secret_name: GITHUB_SECRET}
"""


class Stored:
    """Secrets that a test can change."""

    def __init__(self) -> None:
        self.values = {"GITHUB_SECRET": SECRET, "OTHER": "x"}
        self.asked: list[tuple[object, ...]] = []

    async def read(self, session, *, workspace_id, pipeline_id, names):
        assert session is not None
        self.asked.append((workspace_id, pipeline_id, *names))
        return {name: SecretValue(self.values[name]) for name in names if name in self.values}

    async def note_run(self, run, found):
        pass

    async def settle(self):
        pass


@pytest.fixture
def stored(app, database, changes, engine) -> Stored:
    stored = Stored()
    app.state.inbox = Inbox(database, changes, engine, stored)
    return stored


@pytest.fixture
async def sender(login_key, account):
    return await login_key(account, ["webhooks:trigger"])


@pytest.fixture
async def url(account, make):
    return f"/api/webhooks/{await make.pipeline(account, source=SIGNED)}"


def signed(body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {**JSON, "X-Hub-Signature-256": f"sha256={digest}"}


class TestReceive:
    async def test_a_signed_one_starts_a_run(self, stored, sender, url, account):
        response = await sender.post(url, content=BODY, headers=signed())

        assert response.status_code == 202
        ((workspace_id, pipeline_id, *names),) = stored.asked
        assert workspace_id == account.workspace_id
        assert str(pipeline_id) in url
        assert names == ["GITHUB_SECRET"]

    @pytest.mark.parametrize(
        ("headers", "message"),
        [
            (JSON, "X-Hub-Signature-256 is missing"),
            (signed(BODY + b" "), "does not match the body"),
            (signed(secret="another"), "does not match the body"),
        ],
    )
    async def test_any_other_is_refused_and_starts_nothing(
        self, stored, sender, owner, url, headers, message
    ):
        response = await sender.post(url, content=BODY, headers=headers)

        assert (response.status_code, response.json()["code"]) == (401, "signature_invalid")
        assert message in response.json()["detail"]
        assert (await owner.get("/api/runs")).json()["data"] == []

    async def test_the_key_is_needed_besides(self, stored, client, url):
        response = await client.post(url, content=BODY, headers=signed())

        assert (response.status_code, response.json()["code"]) == (401, "credential_missing")

    async def test_a_secret_that_is_not_stored_is_told(self, stored, sender, url):
        del stored.values["GITHUB_SECRET"]

        response = await sender.post(url, content=BODY, headers=signed())

        assert (response.status_code, response.json()["code"]) == (401, "signature_secret_missing")
        assert "`GITHUB_SECRET` is not stored" in response.json()["detail"]

    async def test_a_secret_that_is_no_key_is_told(self, stored, sender, account, make):
        source = SIGNED.replace("github", "standard")
        url = f"/api/webhooks/{await make.pipeline(account, source=source)}"

        response = await sender.post(url, content=BODY, headers=signed())

        assert response.json()["code"] == "signature_secret_unusable"

    async def test_the_stored_secret_counts_the_pipelines_own_first(self, sender, owner, url):
        pipeline = url.replace("webhooks", "pipelines")
        await owner.post("/api/user/secrets", json={"name": "GITHUB_SECRET", "value": "everybodys"})
        await owner.post(f"{pipeline}/secrets", json={"name": "GITHUB_SECRET", "value": SECRET})

        own = await sender.post(url, content=BODY, headers=signed())
        other = await sender.post(url, content=BODY, headers=signed(secret="everybodys"))

        assert (own.status_code, other.status_code) == (202, 401)

    async def test_a_repeated_request_has_one_run(self, stored, sender, owner, url):
        headers = {**signed(), "Idempotency-Key": "delivery-1"}

        first = await sender.post(url, content=BODY, headers=headers)
        again = await sender.post(url, content=BODY, headers=headers)

        assert first.json() == again.json()
        assert again.headers["Idempotent-Replayed"] == "true"
        assert len((await owner.get("/api/runs")).json()["data"]) == 1


class TestOrder:
    """A signature comes after pipeline and plan, and before what the body says."""

    async def test_pipeline_and_plan_come_first(self, stored, login_key, make, url):
        free = await make.user(plan="free")
        client = await login_key(free)
        own = f"/api/webhooks/{await make.pipeline(free, source=SIGNED)}"

        foreign = await client.post(url, content=BODY, headers=JSON)
        plan = await client.post(own, content=BODY, headers=JSON)

        assert (foreign.status_code, foreign.json()["code"]) == (404, "pipeline_not_found")
        assert (plan.status_code, plan.json()["code"]) == (403, "plan_webhooks_disabled")

    @pytest.mark.parametrize(
        ("body", "status"), [(b"{", 400), (b"[]", 422), (b"", 400), (b"\xff", 400)]
    )
    async def test_the_body_comes_last(self, stored, sender, url, body, status):
        unsigned = await sender.post(url, content=body, headers=JSON)
        right = await sender.post(url, content=body, headers=signed(body))

        assert unsigned.json()["code"] == "signature_invalid"
        assert right.status_code == status


class TestSecrets:
    async def test_a_changed_secret_counts_within_five_seconds(self, stored, sender, url, clock):
        await sender.post(url, content=BODY, headers=signed())
        stored.values["GITHUB_SECRET"] = "changed"

        clock.advance(SECRET_LIFETIME - timedelta(seconds=4))
        before = await sender.post(url, content=BODY, headers=signed())
        clock.advance(timedelta(seconds=4))
        after = await sender.post(url, content=BODY, headers=signed())
        new = await sender.post(url, content=BODY, headers=signed(secret="changed"))

        assert [before.status_code, after.status_code, new.status_code] == [202, 401, 202]
        assert len(stored.asked) == 2


class TestChanges:
    """What is at hand in the process follows what its owner does, at once."""

    async def test_an_archived_pipeline_is_refused_and_a_restored_one_taken(
        self, stored, sender, owner, url
    ):
        pipeline = url.replace("webhooks", "pipelines")
        statuses = [(await sender.post(url, content=BODY, headers=signed())).status_code]

        await owner.delete(pipeline)
        statuses.append((await sender.post(url, content=BODY, headers=signed())).status_code)
        await owner.post(f"{pipeline}/restore")
        statuses.append((await sender.post(url, content=BODY, headers=signed())).status_code)

        assert statuses == [202, 404, 202]

    async def test_a_new_version_counts(self, stored, sender, owner, url):
        await sender.post(url, content=BODY, headers=signed())

        saved = await owner.put(
            url.replace("webhooks", "pipelines"),
            content=SIGNED.replace("webhook:\n  verify: {scheme: github, secret_name: GITHUB_SECRET}\n", ""),
            headers={"Content-Type": "application/yaml"},
        )  # fmt: skip
        response = await sender.post(url, content=BODY, headers=JSON)

        run = (await owner.get(f"/api/runs/{response.json()['run_id']}")).json()
        assert saved.status_code == 200
        assert run["pipeline_version"] == 2
