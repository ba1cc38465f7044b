import asyncio

import pytest

from stepiq.store.states import PipelineStatus, RunStatus
from tests.pipelines.conftest import AS_YAML, DEFINITION, YAML


class TestGet:
    async def test_a_pipeline_sent_as_json_is_written_as_yaml_when_asked(self, owner, create):
        made = await create()

        response = await owner.get(
            f"/api/pipelines/{made['id']}", headers={"Accept": "application/yaml"}
        )

        assert response.text.startswith("name: Greeting\nsteps:\n  - id: greet\n")
        again = await owner.post("/api/pipelines", content=response.content, headers=AS_YAML)
        assert again.json()["definition"] == DEFINITION

    @pytest.mark.parametrize(
        ("accept", "expected"),
        [
            ("*/*", "application/json"),
            ("application/json", "application/json"),
            ("application/yaml;q=0.5, application/json", "application/json"),
            ("application/yaml;q=0, */*", "application/json"),
            ("application/yaml;q=nonsense", "application/json"),
            ("application/yaml, application/json;q=0.5", "application/yaml"),
            ("application/x-yaml, */*;q=0.1", "application/yaml"),
        ],
    )
    async def test_the_accept_header_decides(self, owner, create, accept, expected):
        made = await create()

        response = await owner.get(f"/api/pipelines/{made['id']}", headers={"Accept": accept})

        assert response.headers["Content-Type"].startswith(expected)
        assert response.headers["Vary"] == "Accept"

    async def test_it_shows_the_newest_run(self, owner, account, make):
        pipeline_id = await make.pipeline(account)
        await make.run(account, pipeline_id, status=RunStatus.COMPLETED)
        newest = await make.run(account, pipeline_id, status=RunStatus.COMPLETED, failed_steps=2)

        response = await owner.get(f"/api/pipelines/{pipeline_id}")

        last_run = response.json()["last_run"]
        assert (last_run["id"], last_run["failed_steps"]) == (str(newest), 2)

    @pytest.mark.parametrize("pipeline_id", ["0192f0c1-0000-7000-8000-000000000000", "nonsense"])
    async def test_unknown_and_malformed_ids_are_not_found(self, owner, pipeline_id):
        response = await owner.get(f"/api/pipelines/{pipeline_id}")

        assert response.status_code == 404


class TestUpdate:
    async def test_it_makes_a_version_and_leaves_the_earlier_one_readable(self, owner, create):
        made = await create()
        changed = {**DEFINITION, "name": "Changed", "description": "New"}

        response = await owner.put(f"/api/pipelines/{made['id']}", json=changed)
        first = await owner.get(f"/api/pipelines/{made['id']}/versions/1")

        assert response.status_code == 200
        assert response.headers["ETag"] == '"v2"'
        assert response.json()["version"] == 2
        assert response.json()["name"] == "Changed"
        assert response.json()["description"] == "New"
        assert response.json()["slug"] == made["slug"]
        assert first.json()["definition"] == DEFINITION

    async def test_tags_lose_the_white_space_around_them(self, owner, create):
        made = await create(tags=["\u00a0a\u2029", "b\u00a0c"])

        assert made["tags"] == ["a", "b\u00a0c"]

    @pytest.mark.both_stores
    async def test_tags_and_slug_stay_unless_given(self, owner, create):
        made = await create(tags=["a"], slug="mine")
        url = f"/api/pipelines/{made['id']}"

        kept = (await owner.put(url, json=DEFINITION)).json()
        moved = (
            await owner.put(url, json={"definition": DEFINITION, "tags": [], "slug": "other"})
        ).json()

        assert (kept["tags"], kept["slug"]) == (["a"], "mine")
        assert (moved["tags"], moved["slug"]) == ([], "other")

    @pytest.mark.both_stores
    async def test_a_slug_that_is_taken_changes_nothing(self, owner, create):
        await create(slug="taken")
        made = await create(slug="mine")
        url = f"/api/pipelines/{made['id']}"

        response = await owner.put(url, json={"definition": DEFINITION, "slug": "taken"})

        assert response.status_code == 409
        assert (await owner.get(url)).json()["version"] == 1
        assert (await owner.get(f"{url}/versions/2")).status_code == 404

    @pytest.mark.parametrize("matching", ['"v1"', "*", '"v7", "v1"'])
    async def test_if_match_lets_the_version_that_was_read_be_saved_over(
        self, owner, create, matching
    ):
        made = await create()

        response = await owner.put(
            f"/api/pipelines/{made['id']}", json=DEFINITION, headers={"If-Match": matching}
        )

        assert response.status_code == 200

    @pytest.mark.parametrize("stale", ['"v2"', "v1", "nonsense", 'W/"v1"'])
    async def test_a_stale_if_match_is_refused_and_names_the_newest(self, owner, create, stale):
        made = await create()

        response = await owner.put(
            f"/api/pipelines/{made['id']}", json=DEFINITION, headers={"If-Match": stale}
        )

        assert response.status_code == 412
        assert response.json()["code"] == "precondition_failed"
        assert '"v1"' in response.json()["detail"]

    @pytest.mark.both_stores
    async def test_many_at_once_get_distinct_versions(self, owner, create):
        made = await create()
        url = f"/api/pipelines/{made['id']}"

        saved = await asyncio.gather(*(owner.put(url, json=DEFINITION) for _ in range(6)))

        assert sorted(response.json()["version"] for response in saved) == [2, 3, 4, 5, 6, 7]

    async def test_a_bad_definition_leaves_the_pipeline_as_it_is(self, owner, create):
        made = await create()
        url = f"/api/pipelines/{made['id']}"

        response = await owner.put(url, json={"name": "X", "steps": []})

        assert response.status_code == 422
        assert (await owner.get(url)).json()["version"] == 1

    async def test_an_archived_pipeline_must_be_restored_first(self, owner, create):
        made = await create()
        url = f"/api/pipelines/{made['id']}"
        await owner.delete(url)

        response = await owner.put(url, json=DEFINITION)

        assert response.status_code == 409
        assert response.json()["code"] == "pipeline_archived"
        assert "/restore" in response.json()["detail"]


class TestPatch:
    @pytest.mark.both_stores
    async def test_it_changes_what_is_given_and_makes_no_version(self, owner, create):
        made = await create(tags=["a"])
        url = f"/api/pipelines/{made['id']}"

        response = await owner.patch(url, json={"name": "New", "tags": ["b"]})

        changed = response.json()
        assert (changed["name"], changed["tags"], changed["version"]) == ("New", ["b"], 1)
        assert changed["description"] == made["description"]

    async def test_nothing_given_changes_nothing(self, owner, create):
        made = await create()
        del made["warnings"]

        response = await owner.patch(f"/api/pipelines/{made['id']}", json={})

        assert response.json() == made

    @pytest.mark.parametrize("body", [{"definition": {}}, {"name": ""}, {"name": "x" * 201}])
    async def test_other_fields_and_bad_values_are_refused(self, owner, create, body):
        made = await create()

        response = await owner.patch(f"/api/pipelines/{made['id']}", json=body)

        assert response.status_code == 422


class TestArchive:
    async def test_it_leaves_the_list_but_stays_readable_with_its_versions(self, owner, create):
        made = await create()
        url = f"/api/pipelines/{made['id']}"

        response = await owner.delete(url)

        assert response.status_code == 200
        assert response.json() == {"id": made["id"], "status": "archived", "deleted": True}
        assert (await owner.get("/api/pipelines")).json()["data"] == []
        assert (await owner.get(url)).json()["status"] == "archived"
        assert (await owner.get(f"{url}/versions/1")).status_code == 200

    async def test_its_runs_stay(self, owner, account, make):
        pipeline_id = await make.pipeline(account)
        run_id = await make.run(account, pipeline_id, status=RunStatus.COMPLETED)

        await owner.delete(f"/api/pipelines/{pipeline_id}")

        assert (await owner.get(f"/api/runs/{run_id}")).status_code == 200
        listed = await owner.get(f"/api/runs?pipeline_id={pipeline_id}")
        assert len(listed.json()["data"]) == 1

    async def test_twice_is_the_same_as_once(self, owner, create):
        made = await create()
        url = f"/api/pipelines/{made['id']}"
        await owner.delete(url)

        assert (await owner.delete(url)).status_code == 200

    async def test_restore_brings_it_back(self, owner, create):
        made = await create()
        url = f"/api/pipelines/{made['id']}"
        await owner.delete(url)

        response = await owner.post(f"{url}/restore")

        assert response.json()["status"] == "active"
        assert len((await owner.get("/api/pipelines")).json()["data"]) == 1

    @pytest.mark.both_stores
    async def test_restore_needs_room_on_the_plan(self, login, make):
        account = await make.user(plan="free")
        client = await login(account)
        archived = await make.pipeline(account, status=PipelineStatus.ARCHIVED)
        others = [await make.pipeline(account) for _ in range(3)]

        refused = await client.post(f"/api/pipelines/{archived}/restore")

        assert refused.status_code == 403
        assert refused.json()["code"] == "plan_pipelines_exceeded"
        assert (await client.post(f"/api/pipelines/{others[0]}/restore")).status_code == 200
        await client.delete(f"/api/pipelines/{others[0]}")
        assert (await client.post(f"/api/pipelines/{archived}/restore")).status_code == 200


class TestList:
    @pytest.mark.both_stores
    async def test_pages_hold_every_pipeline_once_newest_first(self, owner, create):
        made = [(await create())["id"] for _ in range(5)]

        seen, cursor = [], ""
        while cursor is not None:
            query = f"?limit=2&cursor={cursor}" if cursor else "?limit=2"
            page = (await owner.get(f"/api/pipelines{query}")).json()
            seen += [pipeline["id"] for pipeline in page["data"]]
            cursor = page["next_cursor"]

        assert seen == made[::-1]

    @pytest.mark.both_stores
    async def test_it_filters_by_status_tag_and_part_of_the_name(self, owner, create):
        red = await create(name="Red Fox", tags=["animal", "x-y"])
        blue = await create(name="Blue 100%_", tags=["Animal"])
        await owner.delete(f"/api/pipelines/{blue['id']}")

        async def found(query):
            page = (await owner.get(f"/api/pipelines?{query}")).json()
            return [pipeline["id"] for pipeline in page["data"]]

        assert await found("") == [red["id"]]
        assert await found("status=archived") == [blue["id"]]
        assert await found("tag=animal") == [red["id"]]
        assert await found("tag=%20animal%20") == [red["id"]]
        assert await found("tag=anim") == []
        assert await found("status=archived&tag=animal") == []
        assert await found("q=FOX") == [red["id"]]
        assert await found("q=%25_&status=archived") == [blue["id"]]
        assert await found("q=%25") == []

    async def test_names_are_found_without_regard_to_case(self, owner, create):
        vienna = await create(name="Bericht Österreich")
        renamed = await create(name="Other")
        await owner.patch(f"/api/pipelines/{renamed['id']}", json={"name": "ÇA VA 100%"})

        async def found(q):
            page = (await owner.get("/api/pipelines", params={"q": q})).json()
            return [pipeline["id"] for pipeline in page["data"]]

        assert await found("ÖSTERREICH") == await found("österreich") == [vienna["id"]]
        assert await found("ça va 100%") == [renamed["id"]]
        assert await found("ç%100") == []

    async def test_it_shows_each_pipelines_newest_run(self, owner, account, make):
        first, second = await make.pipeline(account), await make.pipeline(account)
        run_id = await make.run(account, first)

        page = (await owner.get("/api/pipelines")).json()

        last_runs = {entry["id"]: entry["last_run"] for entry in page["data"]}
        assert last_runs[str(second)] is None
        assert last_runs[str(first)]["id"] == str(run_id)

    async def test_without_definitions_it_is_otherwise_the_same(self, owner, create):
        await create()

        whole = (await owner.get("/api/pipelines")).json()["data"]
        brief = await owner.get("/api/pipelines", params={"include_definition": False})

        assert whole[0]["definition"]["steps"]
        assert brief.json()["data"] == [whole[0] | {"definition": None}]

    @pytest.mark.parametrize("query", ["status=gone", "limit=0", "limit=101", "cursor=x"])
    async def test_bad_parameters_are_refused(self, owner, query):
        assert (await owner.get(f"/api/pipelines?{query}")).status_code == 422


class TestVersions:
    async def test_they_are_listed_newest_first_in_pages(self, owner, create):
        made = await create()
        url = f"/api/pipelines/{made['id']}"
        await owner.put(url, content=YAML, headers=AS_YAML)
        await owner.put(url, json=DEFINITION)

        first = (await owner.get(f"{url}/versions?limit=2")).json()
        rest = (await owner.get(f"{url}/versions?limit=2&cursor={first['next_cursor']}")).json()

        assert [entry["version"] for entry in first["data"]] == [3, 2]
        assert [entry["source_format"] for entry in first["data"]] == ["json", "yaml"]
        assert [entry["version"] for entry in rest["data"]] == [1]
        assert rest["next_cursor"] is None

    async def test_a_cursor_of_another_list_does_no_harm(self, owner, create):
        made = [await create() for _ in range(2)]
        cursor = (await owner.get("/api/pipelines?limit=1")).json()["next_cursor"]

        page = await owner.get(f"/api/pipelines/{made[0]['id']}/versions?cursor={cursor}")

        assert page.status_code == 200

    async def test_one_can_be_read_as_it_was_sent(self, owner, create):
        made = await create()
        url = f"/api/pipelines/{made['id']}"
        await owner.put(url, content=YAML, headers=AS_YAML)
        await owner.put(url, json=DEFINITION)

        response = await owner.get(f"{url}/versions/2", headers={"Accept": "application/yaml"})

        assert response.content == YAML.encode()

    @pytest.mark.parametrize("number", ["2", "0", "-1", "x", "99999999999999999999"])
    async def test_one_that_is_not_there_is_not_found(self, owner, create, number):
        made = await create()

        response = await owner.get(f"/api/pipelines/{made['id']}/versions/{number}")

        assert response.status_code == 404


class TestScopes:
    async def test_a_key_that_may_only_read_cannot_write(self, login_key, account):
        client = await login_key(account, ["pipelines:read"])

        assert (await client.get("/api/pipelines")).status_code == 200
        refused = await client.post("/api/pipelines", json=DEFINITION)
        assert refused.status_code == 403
        assert refused.json()["code"] == "scope_missing"

    async def test_a_key_that_may_only_write_cannot_read(self, login_key, account):
        client = await login_key(account, ["pipelines:write"])

        assert (await client.post("/api/pipelines", json=DEFINITION)).status_code == 201
        assert (await client.get("/api/pipelines")).status_code == 403
        assert (await client.get("/api/models")).status_code == 403

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("PATCH", ""),
            ("POST", "/pause"),
            ("POST", "/resume"),
            ("POST", "/restore"),
            ("POST", "/versions/1/restore"),
        ],
    )
    async def test_a_key_that_may_only_write_gets_no_definition(
        self, login_key, owner, account, method, path
    ):
        made = (await owner.post("/api/pipelines", json=DEFINITION)).json()
        client = await login_key(account, ["pipelines:write"])

        refused = await client.request(method, f"/api/pipelines/{made['id']}{path}", json={})

        assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
        assert "pipelines:read" in refused.text
        assert "definition" not in refused.json()
