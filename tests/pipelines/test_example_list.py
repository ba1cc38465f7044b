import pytest

from stepiq.pipelines.examples import read_examples

pytestmark = pytest.mark.one_store


class TestListExamples:
    async def test_it_lists_the_files_with_their_names_and_inputs(self, owner):
        response = await owner.get("/api/examples")

        assert response.status_code == 200
        found = {each["id"]: each for each in response.json()["data"]}
        assert list(found) == [each.name for each in read_examples()]
        meeting = found["meeting_request"]
        assert meeting["name"] == "Answer a meeting request"
        assert meeting["source"].startswith("# Reads day and time")
        assert meeting["input_data"]["message"]

    async def test_each_can_be_saved_and_started_with_its_input(self, owner):
        examples = (await owner.get("/api/examples")).json()["data"]
        order = next(each for each in examples if each["id"] == "order_summary")

        saved = await owner.post(
            "/api/pipelines",
            content=order["source"],
            headers={"Content-Type": "application/yaml"},
        )
        run = await owner.post(
            f"/api/pipelines/{saved.json()['id']}/run",
            json={"input_data": order["input_data"]},
        )

        assert (saved.status_code, run.status_code) == (201, 202)

    async def test_it_needs_a_credential(self, client):
        assert (await client.get("/api/examples")).status_code == 401
