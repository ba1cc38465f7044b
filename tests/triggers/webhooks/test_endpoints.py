import pytest

from stepiq.core import ids
from stepiq.web.guard import MAX_BODY_BYTES

TYPED = """\
name: Typed
input:
  schema:
    topic: {type: string, required: true}
steps:
  - id: a
    type: transform
    template: "{{input.topic}}"
"""
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def sender(login_key, account):
    return await login_key(account, ["webhooks:trigger"])


@pytest.fixture
async def url(account, make):
    return f"/api/webhooks/{await make.pipeline(account, source=TYPED)}"


class TestReceive:
    async def test_the_answer_is_the_one_of_the_reference(self, sender, url):
        response = await sender.post(
            url, json={"input_data": {"topic": "AI agents", "language": "en"}}
        )

        accepted = response.json()
        assert response.status_code == 202
        assert accepted == {
            "accepted": True,
            "run_id": accepted["run_id"],
            "status": "pending",
            "pipeline_id": url.rpartition("/")[2],
        }

    @pytest.mark.parametrize(
        ("body", "payload"),
        [
            ({"input_data": {"topic": "a", "x": 1}}, {"topic": "a", "x": 1}),
            ({"input_data": {"topic": "a"}, "more": 1}, {"topic": "a"}),
            ({"topic": "a"}, {"topic": "a"}),
            ({"topic": "a", "input_data": "text"}, {"topic": "a", "input_data": "text"}),
            ({"topic": "a", "input_data": None}, {"topic": "a", "input_data": None}),
        ],
    )
    async def test_the_payload_is_the_object_under_input_data_or_the_whole_body(
        self, sender, owner, url, body, payload
    ):
        accepted = (await sender.post(url, json=body)).json()

        run = (await owner.get(f"/api/runs/{accepted['run_id']}")).json()
        assert run["input_data"] == payload
        assert run["trigger_type"] == "webhook"

    async def test_it_answers_under_the_public_base_too(self, sender, url):
        assert (await sender.post(f"/v1{url}", json={"topic": "a"})).status_code == 202

    async def test_a_payload_that_does_not_fit_is_told_field_by_field(self, sender, url):
        response = await sender.post(url, json={"input_data": {"topic": 3}})

        assert response.status_code == 422
        assert response.json()["code"] == "input_invalid"
        assert "topic" in response.json()["errors"][0]["path"]

    @pytest.mark.parametrize("body", ["[]", "3", '"x"', "null", "true"])
    async def test_json_that_is_no_object_is_refused(self, sender, url, body):
        response = await sender.post(url, content=body, headers=JSON)

        assert (response.status_code, response.json()["code"]) == (422, "payload_invalid")

    @pytest.mark.parametrize(
        ("content", "content_type", "status", "code"),
        [
            ("{", "application/json", 400, "malformed_json"),
            ("", "application/json", 400, "body_missing"),
            ('{"a": NaN}', "application/json", 400, "malformed_json"),
            ("[" * 100_000, "application/json", 400, "malformed_json"),
            ("a: 1", "application/yaml", 415, "unsupported_media_type"),
            ("a=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        ],
    )
    async def test_bodies_that_cannot_be_read_are_refused(
        self, sender, url, content, content_type, status, code
    ):
        response = await sender.post(url, content=content, headers={"Content-Type": content_type})

        assert (response.status_code, response.json()["code"]) == (status, code)
        assert "Send application/yaml" not in response.json()["detail"]
        assert "or application/yaml" not in response.json()["detail"]


class TestCredentials:
    async def test_without_a_credential_nothing_happens(self, client, url):
        response = await client.post(url, json={"topic": "a"})

        assert response.status_code == 401
        assert response.json()["detail"] == (
            "This requires an API key. Send `X-API-Key: sk_live_…`."
        )

    async def test_a_session_is_not_enough(self, owner, url):
        response = await owner.post(url, json={"topic": "a"})

        assert (response.status_code, response.json()["code"]) == (401, "api_key_required")

    async def test_with_both_the_key_counts(self, owner, make, account, url):
        key = await make.api_key(account)

        response = await owner.post(url, json={"topic": "a"}, headers={"X-API-Key": key.text})

        assert response.status_code == 202

    async def test_with_both_the_keys_scopes_count(self, owner, make, account, url):
        key = await make.api_key(account, scopes=["pipelines:read"])

        response = await owner.post(url, json={"topic": "a"}, headers={"X-API-Key": key.text})

        assert (response.status_code, response.json()["code"]) == (403, "scope_missing")

    async def test_a_wrong_key_is_refused(self, client, url):
        response = await client.post(url, json={"topic": "a"}, headers={"X-API-Key": "sk_live_x"})

        assert response.status_code == 401

    async def test_a_key_without_the_scope_is_refused(self, login_key, account, url):
        client = await login_key(account, ["pipelines:execute"])

        response = await client.post(url, json={"topic": "a"})

        assert (response.status_code, response.json()["code"]) == (403, "scope_missing")


class TestOrder:
    """What is wrong first is told first: 413, 401, 404, 403 of the plan, then what the body says."""

    async def test_a_pipeline_that_is_not_there_comes_before_plan_and_body(self, login_key, make):
        client = await login_key(await make.user(plan="free"))

        response = await client.post(f"/api/webhooks/{ids.uuid7()}", content="{", headers=JSON)

        assert (response.status_code, response.json()["code"]) == (404, "pipeline_not_found")

    async def test_an_archived_pipeline_is_not_found(self, sender, owner, url):
        await owner.delete(url.replace("webhooks", "pipelines"))

        response = await sender.post(url, json={"topic": "a"})

        assert (response.status_code, response.json()["code"]) == (404, "pipeline_not_found")
        assert "is archived" in response.json()["detail"]

    @pytest.mark.parametrize("content", ['{"topic": "a"}', "{", "[]"])
    async def test_the_plan_comes_before_the_body(self, login_key, make, content):
        free = await make.user(plan="free")
        client = await login_key(free)
        pipeline_id = await make.pipeline(free)

        response = await client.post(f"/api/webhooks/{pipeline_id}", content=content, headers=JSON)

        assert (response.status_code, response.json()["code"]) == (403, "plan_webhooks_disabled")
        assert "workspaces limits" in response.json()["detail"]

    async def test_a_body_that_is_too_large_is_not_looked_at(self, client):
        url, content = f"/api/webhooks/{ids.uuid7()}", b"x" * (MAX_BODY_BYTES + 1)

        response = await client.post(url, content=content, headers=JSON)

        assert (response.status_code, response.json()["code"]) == (413, "body_too_large")

    async def test_no_credential_comes_before_everything_else(self, client):
        response = await client.post(f"/api/webhooks/{ids.uuid7()}", content="{", headers=JSON)

        assert response.status_code == 401
