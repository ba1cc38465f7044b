import jsonschema_rs
import pytest

from stepiq.language.definitions.json_schema import document

pytestmark = pytest.mark.one_store

URL = "/api/schema/pipeline.json"


class TestGetPipelineSchema:
    async def test_anybody_gets_the_schema_of_documents(self, client):
        response = await client.get(URL)

        assert response.status_code == 200
        assert response.headers["Content-Type"] == "application/schema+json"
        assert response.json() == document()

    async def test_it_can_be_checked_with(self, client):
        schema = (await client.get(URL)).json()

        assert jsonschema_rs.is_valid(schema, {"name": "x", "steps": [{"id": "a", "prompt": "x"}]})
        assert not jsonschema_rs.is_valid(schema, {"name": "x", "stepz": []})

    async def test_it_may_be_kept_for_a_while(self, client):
        response = await client.get(URL)

        assert response.headers["Cache-Control"] == "public, max-age=300"
        assert response.headers["ETag"].startswith('"')

    @pytest.mark.parametrize("form", ["{}", "W/{}", '"old", {}', "*"])
    async def test_whoever_has_it_is_told_so(self, client, form):
        tag = (await client.get(URL)).headers["ETag"]

        response = await client.get(URL, headers={"If-None-Match": form.format(tag)})

        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["ETag"] == tag
        assert response.headers["Cache-Control"] == "public, max-age=300"

    async def test_whoever_has_another_gets_this_one(self, client):
        response = await client.get(URL, headers={"If-None-Match": '"old"'})

        assert response.status_code == 200

    async def test_it_answers_under_the_versions_prefix_too(self, client):
        assert (await client.get(f"/v1{URL}")).json() == document()
