"""A page of a list ends when its rows are large together, because building it blocks other requests."""

import pytest

from stepiq.core import clock
from stepiq.store.statements.rows import row_sizes
from stepiq.store.tables import deliveries, delivery_attempts, runs
from stepiq.web.pages import PageRequest

pytestmark = pytest.mark.both_stores

COUNT = 20
FITTING = 17
LARGE = "x" * 60_000
"""A MiB is more than 17 of these, and less than 18."""


@pytest.fixture
def make_pipeline(make, account):
    """Makes a pipeline with a large definition."""

    async def make_pipeline():
        step = f"{{id: a, type: transform, template: {LARGE}}}"
        return await make.pipeline(account, source=f"name: X\nsteps: [{step}]\n")

    return make_pipeline


@pytest.fixture
async def pipeline_id(make, account):
    return await make.pipeline(account)


@pytest.fixture
async def run_id(make, account, pipeline_id):
    return await make.run(account, pipeline_id)


@pytest.fixture
def make_delivery(make, account, database, pipeline_id, run_id):
    """Makes a delivery with ten large attempts, and an older one that lists do not show."""

    async def make_delivery():
        delivery_id = await make.delivery(account, pipeline_id, run_id=run_id)
        attempt = {
            "delivery_id": delivery_id,
            "at": clock.now(),
            "response_headers": {"x": "x" * 5_900},
            "response_excerpt": "y" * 100,
        }
        async with database.transaction() as session:
            await session.execute(deliveries.update().values(attempts=11))
            rows = [{**attempt, "number": number} for number in range(1, 12)]
            await session.execute(delivery_attempts.insert(), rows)

    return make_delivery


@pytest.fixture
def make_row(make, account, make_pipeline, make_delivery, pipeline_id):
    """Makes a large row of a list."""

    async def make_row(path):
        if "deliveries" in path:
            return await make_delivery()
        if "schedules" in path:
            return await make.schedule(account, pipeline_id, input_data={"x": LARGE})
        if "reviews" in path:
            return await make.review(account, pipeline_id, under_review=LARGE)
        if "runs" in path:
            return await make.run(account, pipeline_id, input_data={"x": LARGE})
        return await make_pipeline()

    return make_row


@pytest.fixture
def pages(owner, pipeline_id, run_id):
    """The ids of all pages of a list."""

    async def pages(path):
        url = f"/api/{path.format(pipeline_id, run_id=run_id)}"
        found, cursor = [], {}
        while cursor is not None:
            answer = (await owner.get(url, params={"limit": 100, **cursor})).json()
            found.append([each.get("id", each.get("run_id")) for each in answer["data"]])
            cursor = answer["next_cursor"] and {"cursor": answer["next_cursor"]}
        return found

    return pages


class TestLists:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "path",
        [
            "pipelines",
            "runs",
            "reviews",
            "schedules",
            "pipelines/{}/schedules",
            "pipelines/{}/deliveries",
            "runs/{run_id}/deliveries",
        ],
    )
    async def test_a_page_has_the_rows_that_fit_and_a_cursor_for_the_others(
        self, make_row, pages, path
    ):
        for _ in range(COUNT):
            await make_row(path)

        found = await pages(path)

        listed = [each for page in found for each in page]
        assert len(found[0]) == FITTING
        assert len(set(listed)) == len(listed) >= COUNT
        assert listed == sorted(listed, reverse=True)

    @pytest.mark.parametrize(
        "path", ["pipelines?include_definition=false", "runs?include_data=false"]
    )
    async def test_a_page_without_the_large_values_has_all_rows(self, make_row, owner, path):
        for _ in range(COUNT):
            await make_row(path)

        answer = (await owner.get(f"/api/{path}&limit=100")).json()

        assert len(answer["data"]) >= COUNT
        assert answer["next_cursor"] is None


class TestSizes:
    async def test_they_are_in_bytes(self, make, account, database, pipeline_id):
        await make.run(account, pipeline_id, input_data={"x": "é"}, output={"y": 1})

        async with database.reading() as session:
            statement = runs.select()
            assert await row_sizes(session, statement, runs.c.input_data) == [len('{"x":"é"}') + 1]
            both = await row_sizes(session, statement, runs.c.input_data, runs.c.output)

        assert both == [len('{"x":"é"}{"y":1}') + 1]


class TestFitting:
    @pytest.mark.parametrize(
        ("sizes", "limit"),
        [
            ([], 5),
            ([1, 1], 5),
            ([1 << 20, 1], 1),
            ([1 << 19, 1 << 19, 1], 2),
            ([1 << 21, 1 << 21], 1),
        ],
    )
    def test_a_page_has_a_mebibyte_or_one_row(self, sizes, limit):
        assert PageRequest(limit=5, before=None).fitting(sizes).limit == limit
