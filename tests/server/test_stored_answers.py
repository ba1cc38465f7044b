"""How much the server stores of the answers to requests with an `Idempotency-Key`."""

import pytest
import sqlalchemy as sa

from stepiq.store.tables import drafts, idempotent_requests, schedules
from tests.support.clients import outcome

pytestmark = pytest.mark.both_stores

KEY = {"Idempotency-Key": "b7c1a6e0-order-17"}
LARGE = "x" * 16 * 1024


@pytest.fixture
async def pipeline_id(account, make):
    return await make.pipeline(account)


@pytest.fixture
def stored(database):
    """The sizes of the stored answers."""

    async def stored():
        async with database.reading() as session:
            sizes = sa.select(sa.func.length(idempotent_requests.c.body))
            return list((await session.execute(sizes)).scalars())

    return stored


class TestLargeAnswers:
    @pytest.mark.parametrize(
        ("path", "table", "body"),
        [
            ("drafts", drafts, {"text": LARGE}),
            (
                "pipelines/{}/schedules",
                schedules,
                {"name": "Daily", "cron_expression": "0 0 * * *", "input_data": {"x": LARGE}},
            ),
        ],
    )
    async def test_one_is_not_stored_and_the_request_has_one_effect(
        self, owner, database, stored, pipeline_id, path, table, body
    ):
        url = f"/api/{path.format(pipeline_id)}"

        first, again = [await owner.post(url, json=body, headers=KEY) for _ in range(2)]

        assert first.status_code == 201
        assert outcome(again) == (409, "idempotency_answer_lost")
        assert max(await stored()) < 200
        async with database.reading() as session:
            assert await session.scalar(sa.select(sa.func.count()).select_from(table)) == 1

    async def test_another_request_with_its_key_is_refused(self, owner):
        first = await owner.post("/api/drafts", json={"text": LARGE}, headers=KEY)

        other = await owner.post("/api/drafts", json={"text": "name: Other"}, headers=KEY)

        assert first.status_code == 201
        assert outcome(other) == (422, "idempotency_key_reused")

    async def test_that_of_a_run_is_repeated(self, owner, pipeline_id):
        url, body = f"/api/pipelines/{pipeline_id}/run", {"input_data": {"x": LARGE}}

        first, again = [await owner.post(url, json=body, headers=KEY) for _ in range(2)]

        assert (first.status_code, again.status_code) == (202, 202)
        assert again.json() == first.json()

    async def test_so_is_that_of_a_new_pipeline(self, owner):
        step = {"id": "ask", "prompt": LARGE}
        body = {"name": "Large", "steps": [step]}

        first, again = [
            await owner.post("/api/pipelines", json=body, headers=KEY) for _ in range(2)
        ]

        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == first.json()


class TestRequestsThatCanBeRepeated:
    @pytest.mark.parametrize("act", ["pause", "resume", "restore"])
    async def test_no_answer_about_a_pipeline_is_stored(self, owner, stored, pipeline_id, act):
        url = f"/api/pipelines/{pipeline_id}/{act}"

        first, again = [await owner.post(url, headers=KEY) for _ in range(2)]

        assert (first.status_code, again.status_code) == (200, 200)
        assert _state(again) == _state(first)
        assert await stored() == []

    @pytest.mark.parametrize("act", ["enable", "disable"])
    async def test_no_answer_about_a_schedule_is_stored(
        self, owner, account, make, stored, pipeline_id, act
    ):
        url = f"/api/schedules/{await make.schedule(account, pipeline_id)}/{act}"

        first, again = [await owner.post(url, headers=KEY) for _ in range(2)]

        assert (first.status_code, again.status_code) == (200, 200)
        assert _state(again) == _state(first)
        assert await stored() == []


def _state(answer):
    return {name: value for name, value in answer.json().items() if name != "updated_at"}
