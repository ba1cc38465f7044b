from uuid import UUID

import pytest

from stepiq.pipelines import service
from tests.support.clients import login

__all__ = ["login"]

FIRST = """\
name: Greeting # the first one
steps:
  - id: greet
    type: transform
    template: Hello
"""
SECOND = FIRST.replace("Hello", "Hi").replace("name: Greeting", "name: Greetings")
YAML = {"Content-Type": "application/yaml"}


@pytest.fixture
async def url(owner):
    """Of a pipeline with two versions."""
    created = (await owner.post("/api/pipelines", content=FIRST, headers=YAML)).json()
    url = f"/api/pipelines/{created['id']}"
    await owner.put(url, content=SECOND, headers=YAML)
    return url


class TestDiff:
    async def test_it_shows_text_and_fields(self, owner, url):
        response = await owner.get(f"{url}/versions/1/diff/2")

        assert response.status_code == 200
        assert response.json() == {
            "before": 1,
            "after": 2,
            "text": "--- v1.yaml\n+++ v2.yaml\n@@ -1,5 +1,5 @@\n"
            "-name: Greeting # the first one\n+name: Greetings # the first one\n"
            " steps:\n   - id: greet\n     type: transform\n"
            "-    template: Hello\n+    template: Hi\n",
            "changes": [
                {"op": "replace", "path": "name", "before": "Greeting", "after": "Greetings"},
                {"op": "replace", "path": "steps[0].template", "before": "Hello", "after": "Hi"},
            ],
        }

    async def test_it_works_the_other_way_round(self, owner, url):
        body = (await owner.get(f"{url}/versions/2/diff/1")).json()

        assert body["changes"][1]["before"] == "Hi"
        assert body["text"].startswith("--- v2.yaml\n+++ v1.yaml\n")

    async def test_a_version_does_not_differ_from_itself(self, owner, url):
        body = (await owner.get(f"{url}/versions/1/diff/1")).json()

        assert (body["text"], body["changes"]) == ("", [])

    async def test_the_side_that_there_is_not_is_left_out(self, owner, url):
        await owner.put(
            url,
            json={"name": "Greeting", "steps": [{"id": "b", "type": "transform", "template": "x"}]},
        )
        changes = (await owner.get(f"{url}/versions/1/diff/3")).json()["changes"]

        assert [sorted(change) for change in changes] == [
            ["before", "op", "path"],
            ["after", "op", "path"],
        ]

    async def test_a_pipeline_saved_as_json_is_compared_as_yaml(self, owner, url):
        await owner.put(
            url,
            json={
                "name": "Greetings",
                "steps": [{"id": "greet", "type": "transform", "template": "Hi"}],
            },
        )

        body = (await owner.get(f"{url}/versions/2/diff/3")).json()

        assert body["changes"] == []
        assert "-name: Greetings # the first one\n+name: Greetings\n" in body["text"]

    @pytest.mark.parametrize("pair", ["1/diff/9", "9/diff/1", "0/diff/1", "1/diff/x"])
    async def test_what_is_not_there_is_not_found(self, owner, url, pair):
        assert (await owner.get(f"{url}/versions/{pair}")).status_code == 404


class TestRestore:
    async def test_an_earlier_version_becomes_the_newest_byte_for_byte(self, owner, url):
        response = await owner.post(f"{url}/versions/1/restore")

        assert (response.status_code, response.headers["ETag"]) == (200, '"v3"')
        assert (response.json()["version"], response.json()["name"]) == (3, "Greeting")
        text = await owner.get(f"{url}/versions/3", headers={"Accept": "application/yaml"})
        assert text.text == FIRST
        assert (await owner.get(f"{url}/versions/2/diff/3")).json()["changes"] != []
        assert (await owner.get(f"{url}/versions/1/diff/3")).json()["text"] == ""

    async def test_it_is_read_before_the_transaction(self, owner, url, monkeypatch):
        monkeypatch.delattr(service, "load")

        assert (await owner.post(f"{url}/versions/1/restore")).status_code == 200

    async def test_so_does_one_that_was_saved_as_json(self, owner):
        definition = {"name": "X", "steps": [{"id": "a", "type": "transform", "template": "x"}]}
        made = await owner.post("/api/pipelines", json={"definition": definition, "name": "Y"})
        url = f"/api/pipelines/{made.json()['id']}"

        restored = (await owner.post(f"{url}/versions/1/restore")).json()

        assert (restored["version"], restored["definition"]) == (2, definition)

    async def test_a_stale_if_match_saves_nothing(self, owner, url):
        stale = await owner.post(f"{url}/versions/1/restore", headers={"If-Match": '"v1"'})
        fresh = await owner.post(f"{url}/versions/1/restore", headers={"If-Match": '"v2"'})

        assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
        assert fresh.json()["version"] == 3

    async def test_an_archived_pipeline_stays_as_it_is(self, owner, url):
        await owner.delete(url)

        response = await owner.post(f"{url}/versions/1/restore")

        assert (response.status_code, response.json()["code"]) == (409, "pipeline_archived")

    async def test_a_version_that_is_not_there_is_not_found(self, owner, url):
        response = await owner.post(f"{url}/versions/9/restore")

        assert (response.status_code, response.json()["code"]) == (404, "version_not_found")

    async def test_it_documents_the_refusals_of_saving(self, app):
        document = app.openapi()
        pipeline = "/api/pipelines/{pipeline_id}"

        def examples(path: str, method: str, status: str) -> set[str]:
            response = document["paths"][path][method]["responses"][status]
            if "$ref" in response:
                response = document["components"]["responses"][response["$ref"].split("/")[-1]]
            return set(response["content"]["application/problem+json"]["examples"])

        for status in ("403", "409", "412", "422"):
            saved = examples(pipeline, "put", status)
            restored = examples(f"{pipeline}/versions/{{number}}/restore", "post", status)
            # A restoration has no body and no draft, and its pipeline exists.
            assert saved - {"invalid_body", "invalid_query", "plan_pipelines_exceeded"} <= restored

    async def test_what_the_plan_no_longer_allows_is_refused(self, login, make):
        account = await make.user(plan="free")
        steps = [{"id": f"s{n}", "type": "transform", "template": "x"} for n in range(6)]
        client = await login(account)
        source = "name: X\nsteps:\n" + "".join(
            f"  - {{id: {step['id']}, type: transform, template: x}}\n" for step in steps
        )
        pipeline_id = await make.pipeline(account, source=source)

        response = await client.post(f"/api/pipelines/{pipeline_id}/versions/1/restore")

        assert (response.status_code, response.json()["code"]) == (403, "plan_steps_exceeded")


class TestDelete:
    async def test_it_is_gone_and_the_others_stay(self, owner, url):
        deleted = await owner.delete(f"{url}/versions/1")

        assert deleted.status_code == 200
        assert deleted.json() == {"id": url.rpartition("/")[2], "version": 1, "deleted": True}
        assert (await owner.get(f"{url}/versions/1")).json()["code"] == "version_not_found"
        listed = (await owner.get(f"{url}/versions")).json()["data"]
        assert [version["version"] for version in listed] == [2]

    async def test_its_number_is_not_used_again(self, owner, url):
        await owner.delete(f"{url}/versions/1")

        saved = await owner.put(url, content=FIRST, headers=YAML)

        assert saved.json()["version"] == 3

    async def test_the_newest_one_stays(self, owner, url):
        refused = await owner.delete(f"{url}/versions/2")

        assert (refused.status_code, refused.json()["code"]) == (409, "version_in_use")
        assert "is the newest one" in refused.json()["detail"]

    async def test_one_with_runs_stays(self, owner, url):
        await owner.post(f"{url}/run", json={"version": 1})

        refused = await owner.delete(f"{url}/versions/1")

        assert (refused.status_code, refused.json()["code"]) == (409, "version_in_use")
        assert "has runs" in refused.json()["detail"]
        assert (await owner.get(f"{url}/versions/1")).status_code == 200

    @pytest.mark.both_stores
    async def test_it_works_for_archived_pipelines(self, owner, url):
        await owner.delete(url)

        assert (await owner.delete(f"{url}/versions/1")).status_code == 200

    async def test_a_version_that_does_not_exist_is_not_found(self, owner, url):
        assert (await owner.delete(f"{url}/versions/7")).json()["code"] == "version_not_found"

    async def test_nobody_else_can_delete_it(self, owner, url, login, stranger):
        other = await login(stranger)

        assert (await other.delete(f"{url}/versions/1")).status_code == 404
        assert (await owner.get(f"{url}/versions/1")).status_code == 200

    async def test_a_run_of_a_version_that_another_process_has_deleted_is_not_started(
        self, owner, url, database, engine
    ):
        pipeline_id = UUID(url.rpartition("/")[2])
        async with database.reading() as session:
            await engine.definitions.get(session, pipeline_id, 1)
        await owner.delete(f"{url}/versions/1")
        # This process has compiled it, so it does not read it again.
        assert engine.definitions.kept(pipeline_id, 1) is not None

        refused = await owner.post(f"{url}/run", json={"version": 1})

        assert (refused.status_code, refused.json()["code"]) == (404, "version_not_found")
