"""Links to runs: their tokens, what they show, and the page behind them."""

import re
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from stepiq.accounts import http as link_door
from stepiq.core import clock, ids
from stepiq.core.settings.model import Settings
from stepiq.runs.errors import RunLinkExpired, RunLinkInvalid
from stepiq.runs.links import RUN_LINK_LIFETIME, RunLinks
from stepiq.runs.reviews.links import ReviewLinks
from stepiq.runs.reviews.records import LinkHolder
from stepiq.store.states import RunStatus, StepStatus
from stepiq.store.tables import run_steps, runs

SECRET = SecretStr("0123456789abcdef0123456789abcdef")
LINKS = RunLinks(Settings(jwt_secret=SECRET))
RUN = ids.uuid7()


def soon():
    return clock.now() + timedelta(hours=1)


@pytest.fixture
async def pipeline_id(account, make) -> UUID:
    return await make.pipeline(account)


@pytest.fixture
async def failed_id(account, make, pipeline_id) -> UUID:
    return await make.run(
        account, pipeline_id, status=RunStatus.FAILED, input_data={"name": "in"}, output="out"
    )


@pytest.fixture
def token(settings):
    """The token of a link to a run."""
    links = RunLinks(settings)

    def token(run_id: UUID) -> str:
        return links.token(run_id, clock.now() + RUN_LINK_LIFETIME)

    return token


@pytest.fixture
def add_step(database):
    async def add(run_id: UUID, ordinal: int, *, branch: str = "", error: str | None = None):
        now = clock.now()
        async with database.transaction() as session:
            await session.execute(
                sa.insert(run_steps).values(
                    id=ids.uuid7(),
                    run_id=run_id,
                    step_id=f"s{ordinal}",
                    branch=branch,
                    iteration=1,
                    ordinal=ordinal,
                    name="A step",
                    type="transform",
                    status=StepStatus.COMPLETED if error is None else StepStatus.FAILED,
                    error=None if error is None else {"code": "step_failed", "message": error},
                    prompt="prompt",
                    output="output",
                    started_at=now,
                    completed_at=now + timedelta(milliseconds=1_234),
                )
            )

    return add


class TestToken:
    def test_it_names_the_run_and_its_end(self):
        until = soon().replace(microsecond=0)

        assert LINKS.read(LINKS.token(RUN, until)) == (RUN, until)

    def test_it_expires(self, clock):
        token = LINKS.token(RUN, soon())
        clock.advance(timedelta(hours=1))

        with pytest.raises(RunLinkExpired, match=r"expired on .* UTC\."):
            LINKS.read(token)

    @pytest.mark.parametrize("place", [0, 20, 24, 30, 63])
    def test_another_character_makes_it_worthless(self, place):
        token = LINKS.token(RUN, soon())
        other = "A" if token[place] != "A" else "B"

        with pytest.raises(RunLinkInvalid):
            LINKS.read(token[:place] + other + token[place + 1 :])

    @pytest.mark.parametrize("token", ["", "abc", "é" * 64, "A" * 64, "A" * 63])
    def test_no_other_text_is_one(self, token):
        with pytest.raises(RunLinkInvalid):
            LINKS.read(token)

    def test_that_of_a_review_is_none(self):
        reviews = ReviewLinks(Settings(jwt_secret=SECRET))

        with pytest.raises(RunLinkInvalid):
            LINKS.read(reviews.token(LinkHolder(RUN, 0)))


class TestOpen:
    async def test_it_shows_how_the_run_went_and_no_data_of_it(
        self, client, failed_id, add_step, token
    ):
        await add_step(failed_id, 1)
        await add_step(failed_id, 2, branch="0", error="It is away.")
        await add_step(failed_id, 3, branch="1")

        answer = await client.post("/api/run-links/open", json={"token": token(failed_id)})

        shown = answer.json()
        assert answer.status_code == 200
        assert (shown["pipeline_name"], shown["status"]) == ("Greeting", "failed")
        assert shown["error"]["code"] == "step_failed"
        assert [(each["step_id"], each["status"]) for each in shown["steps"]] == [
            ("s1", "completed"),
            ("s2", "failed"),
        ]
        assert shown["steps"][0]["duration_ms"] == 1_234
        assert not re.search(r'"(in|out|prompt|output|input_data)"', answer.text)

    @pytest.mark.both_stores
    async def test_many_steps_are_cut(self, client, failed_id, add_step, token):
        for ordinal in range(1, 202):
            await add_step(failed_id, ordinal)

        shown = (await client.post("/api/run-links/open", json={"token": token(failed_id)})).json()

        assert ([each["step_id"] for each in shown["steps"]], shown["more_steps"]) == (
            [f"s{ordinal}" for ordinal in range(1, 201)],
            True,
        )

    async def test_of_a_deleted_run_it_is_not_valid(self, client, database, failed_id, token):
        async with database.transaction() as session:
            await session.execute(sa.delete(runs).where(runs.c.id == failed_id))

        answer = await client.post("/api/run-links/open", json={"token": token(failed_id)})

        assert (answer.status_code, answer.json()["code"]) == (404, "run_link_invalid")

    async def test_one_client_has_so_many_a_minute(self, client, failed_id, token):
        good = {"token": token(failed_id)}
        for _ in range(link_door.LINKS_A_MINUTE):
            await client.post("/api/run-links/open", json={"token": "bad"})

        answer = await client.post("/api/run-links/open", json=good)

        assert answer.status_code == 429
