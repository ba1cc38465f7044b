"""What is asked of the store for reviews goes by indexes, also where many have been closed and others have many open."""

import pytest
import sqlalchemy as sa

from stepiq.core import ids
from stepiq.store.tables import reviews
from stepiq.web.pages import encode_cursor
from tests.support.history import grow
from tests.support.query_plans import plan_of, statements, walked_whole

CLOSED = 3_000
OPEN_ELSEWHERE = 1_000


pytestmark = pytest.mark.both_stores


@pytest.fixture
async def grown(database, account, stranger, make, ask, pipeline_id):
    """One open review of ours among many."""
    await grow(database, account, pipeline_id)
    theirs = await make.review(stranger, await make.pipeline(stranger))
    ours = await ask(under_review="Draft")
    async with database.transaction() as session:
        for review_id, number, is_open in (
            (ours.id, CLOSED, False),
            (theirs.id, OPEN_ELSEWHERE, True),
        ):
            found = await session.execute(sa.select(reviews).where(reviews.c.id == review_id))
            row = dict(found.one()._mapping)
            closed_at = None if is_open else row["requested_at"]
            await session.execute(
                reviews.insert(),
                [
                    {**row, "id": ids.uuid7(), "iteration": count, "closed_at": closed_at}
                    for count in range(2, number)
                ],
            )
        if not database.is_sqlite:
            await session.execute(sa.text("ANALYZE"))
    return ours


@pytest.mark.new_store
class TestStatements:
    @pytest.mark.slow
    async def test_none_reads_a_table_as_a_whole(self, database, owner, client, grown, token):
        link = {"token": token(grown)}
        with statements() as seen:
            first = await owner.get("/api/reviews?limit=1")
            later = await owner.get(f"/api/reviews?cursor={encode_cursor(ids.uuid7())}")
            await owner.get(grown.url)
            await owner.get(f"{grown.url}?iteration=1")
            opened = await client.post("/api/reviews/open", json=link)
            decided = await client.post("/api/reviews/decide", json={**link, "decision": "approve"})
            await owner.post(grown.url, json={"decision": "approve"})

        assert (opened.status_code, decided.status_code) == (200, 200)
        assert [review["iteration"] for review in first.json()["data"]] == [1]
        assert later.json()["data"] == first.json()["data"]
        bad = {}
        for text, parameters in seen.items():
            plan = await plan_of(database, text, parameters)
            if whole := walked_whole(plan):
                bad[text] = (whole, plan)
        assert len(seen) > 8
        assert bad == {}
