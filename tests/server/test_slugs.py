"""Every route with a pipeline in its path takes the slug of the pipeline instead of its id."""

import re

import pytest
from fastapi.routing import APIRoute

from stepiq.core import ids
from stepiq.server.app import ROUTERS
from tests.support.clients import login, login_key

__all__ = ["login", "login_key"]

DEFINITION = {
    "name": "Greeting",
    "output": {"deliver": [{"type": "webhook", "url": "https://hooks.example.com/x", "signing_secret_name": "TOKEN"}]},
    "steps": [{"id": "a", "type": "transform", "template": "x"}],
}  # fmt: skip
BODIES = {
    ("PUT", "/pipelines/{pipeline_id}"): DEFINITION,
    ("PATCH", "/pipelines/{pipeline_id}"): {"name": "Renamed"},
    ("PUT", "/pipelines/{pipeline_id}/draft"): {"text": "name: Draft"},
    ("POST", "/pipelines/{pipeline_id}/run"): {},
    ("POST", "/webhooks/{pipeline_id}"): {},
    ("POST", "/pipelines/{pipeline_id}/schedules"): {"name": "x", "cron_expression": "0 9 * * *"},
    ("POST", "/pipelines/{pipeline_id}/secrets"): {"name": "OTHER", "value": "a long value"},
}
ID = "0192f0c5-1d39-7a01-9d2c-3b5e7f901a08"
VALUES = {"number": "1", "other": "2", "secret": "TOKEN"}
ROUTES = [
    (method, route.path)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and "{pipeline_id}" in route.path
    for method in sorted(route.methods or ())
]
SECRET = {"name": "TOKEN", "value": "correct horse battery staple"}
NEW = [
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"), "TIME"),
    (re.compile(r'"duration_ms":\d+'), '"duration_ms":0'),
    (re.compile(r"first|second"), "SLUG"),
]


def plain(text):
    """An answer without what differs between any two."""
    for pattern, name in NEW:
        text = pattern.sub(name, text)
    return text


async def ask(client, method, path, reference):
    filled = path.format(pipeline_id=reference, **VALUES)
    return await client.request(method, f"/api{filled}", json=BODIES.get((method, path)))


@pytest.fixture
def saved(owner):
    async def saved(slug):
        """A pipeline with two versions, a secret and a draft; its id."""
        body = {"definition": DEFINITION, "slug": slug}
        created = await owner.post("/api/pipelines", json=body)
        url = f"/api/pipelines/{created.json()['id']}"
        await owner.put(url, json={**DEFINITION, "description": "Changed"})
        await owner.post(f"{url}/secrets", json=SECRET)
        await owner.put(f"{url}/draft", json={"text": "name: T"})
        return created.json()["id"]

    return saved


@pytest.mark.parametrize(("method", "path"), ROUTES)
class TestEveryRoute:
    async def test_answers_the_same_for_the_id_and_the_slug(
        self, login_key, owner, account, saved, method, path
    ):
        client = await login_key(account) if path.startswith("/webhooks") else owner
        first_id = await saved("first")
        await saved("second")

        by_id = await ask(client, method, path, first_id)
        by_slug = await ask(client, method, path, "second")

        assert by_id.status_code < 500
        assert by_id.json().get("code") not in ("pipeline_not_found", "not_found")
        assert by_slug.status_code == by_id.status_code
        assert plain(by_slug.text) == plain(by_id.text)

    @pytest.mark.one_store
    async def test_an_unknown_slug_and_a_foreign_one_are_not_found(
        self, login_key, account, stranger, make, method, path
    ):
        client = await login_key(account)
        await make.pipeline(stranger, slug="theirs")

        foreign = await ask(client, method, path, "theirs")
        unknown = await ask(client, method, path, "nowhere")

        assert (foreign.status_code, unknown.status_code) == (404, 404)
        assert foreign.json()["code"] == "pipeline_not_found"
        assert "`theirs`" in foreign.json()["detail"]
        assert foreign.json()["detail"].replace("theirs", "nowhere") == unknown.json()["detail"]

    @pytest.mark.one_store
    async def test_a_caller_without_the_scope_does_not_learn_which_slugs_exist(
        self, login_key, account, make, method, path
    ):
        await make.pipeline(account, slug="ours")
        client = await login_key(account, scopes=["account:read"])

        existing = await ask(client, method, path, "ours")
        unknown = await ask(client, method, path, "nowhere")

        assert (existing.status_code, unknown.status_code) == (403, 403)


@pytest.mark.one_store
class TestPaths:
    def test_no_path_of_the_api_can_be_a_slug(self):
        paths = {
            route.path
            for router in ROUTERS
            for route in router.routes
            if isinstance(route, APIRoute)
        }
        found = {
            match[1]
            for path in paths
            if (match := re.match(r"/(?:pipelines|webhooks)/([^/{]+)", path))
        }

        assert found
        assert not any(ids.is_slug(each) for each in found)

    async def test_a_wrong_method_is_refused_for_a_slug_as_for_an_id(self, owner, saved):
        pipeline_id = await saved("first")

        by_slug = await owner.post("/api/pipelines/first", json={})

        by_id = await owner.post(f"/api/pipelines/{pipeline_id}", json={})
        assert (by_slug.status_code, by_id.status_code) == (405, 405)
        assert by_slug.headers["Allow"] == by_id.headers["Allow"]

    @pytest.mark.parametrize("reference", ["A b", "-x", "%ff", "x" * 300, "validate", "draft-1"])
    async def test_what_is_no_slug_is_not_found(self, owner, reference):
        response = await owner.get(f"/api/pipelines/{reference}/versions")

        assert response.status_code == 404
        assert response.json()["code"] == "pipeline_not_found"

    async def test_the_slug_of_a_pipeline_that_was_only_run_is_not_found(self, owner):
        draft = (await owner.post("/api/drafts", json={"text": "x"})).json()
        body = {"pipeline_id": draft["pipeline_id"], "format": "json",
                "text": '{"name": "T", "steps": [{"id": "a", "type": "transform", "template": "x"}]}'}  # fmt: skip
        started = await owner.post("/api/runs/draft", json=body)

        response = await owner.get(f"/api/pipelines/draft-{draft['pipeline_id']}")

        assert started.status_code == 202
        assert response.status_code == 404

    async def test_a_draft_of_a_pipeline_is_run_by_its_slug(self, owner, saved):
        pipeline_id = await saved("first")
        text = "{name: T, steps: [{id: a, type: transform, template: x}]}"

        body = {"pipeline_id": "first", "text": text}
        started = await owner.post("/api/runs/draft", json=body)
        unknown = await owner.post("/api/runs/draft", json={**body, "pipeline_id": "Other"})

        assert (started.status_code, started.json()["pipeline_id"]) == (202, pipeline_id)
        assert (unknown.status_code, unknown.json()["code"]) == (404, "pipeline_not_found")


@pytest.mark.one_store
class TestArchivedAndRenamed:
    async def test_an_archived_pipeline_keeps_its_slug(self, owner, saved):
        pipeline_id = await saved("first")
        await owner.delete("/api/pipelines/first")

        read = await owner.get("/api/pipelines/first")
        taken = await owner.post("/api/pipelines", json={"definition": DEFINITION, "slug": "first"})
        restored = await owner.post("/api/pipelines/first/restore")

        assert (read.json()["id"], read.json()["status"]) == (pipeline_id, "archived")
        assert taken.status_code == 409
        assert "POST /api/pipelines/first/restore" in taken.json()["detail"]
        assert restored.json()["status"] == "active"

    async def test_a_renamed_pipeline_has_only_its_new_slug(self, owner, saved):
        pipeline_id = await saved("first")

        await owner.put("/api/pipelines/first", json={"definition": DEFINITION, "slug": "second"})

        assert (await owner.get("/api/pipelines/second")).json()["id"] == pipeline_id
        assert (await owner.get("/api/pipelines/first")).status_code == 404


@pytest.mark.one_store
class TestShapes:
    @pytest.mark.parametrize(
        ("slug", "message"),
        [
            ("Weekly", "Must have 1 to 80 lower-case letters"),
            ("-a", "Must have 1 to 80 lower-case letters"),
            ("a" * 81, "Must have 1 to 80 lower-case letters"),
            ("a\n", "Must have 1 to 80 lower-case letters"),
            (ID, "Must not have the form of an id."),
            (ID.replace("-", ""), "Must not have the form of an id."),
            ("validate", "Must not be `validate`"),
            ("estimate", "Must not be `estimate`"),
        ],
    )
    async def test_what_a_path_could_confuse_is_refused(self, owner, slug, message):
        response = await owner.post("/api/pipelines", json={"definition": DEFINITION, "slug": slug})

        (issue,) = response.json()["errors"]
        assert response.status_code == 422
        assert (issue["path"], issue["code"]) == ("slug", "invalid_slug")
        assert issue["message"].startswith(message)

    @pytest.mark.parametrize("name", ["Validate", ID, "!?"])
    async def test_a_slug_made_from_a_name_can_be_used(self, owner, name):
        created = await owner.post("/api/pipelines", json={**DEFINITION, "name": name})

        read = await owner.get(f"/api/pipelines/{created.json()['slug']}")

        assert created.json()["slug"].startswith("pipeline")
        assert read.json()["id"] == created.json()["id"]
