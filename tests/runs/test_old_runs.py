"""Runs in a database of the release before: they look the same after the upgrade, and that release can still work."""

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from stepiq.runs import schemas, service
from stepiq.runs.operations import schemas as operation_schemas
from stepiq.runs.operations import service as operations
from stepiq.runs.operations.records import START
from stepiq.store import migrate
from stepiq.web.pages import Page
from tests.support import old_runs
from tests.support.make_accounts import actor
from tests.support.old_runs import OldRuns

pytestmark = [pytest.mark.both_stores, pytest.mark.new_store]

BEFORE = "202611261546"
"""The last revision without operations."""


@pytest.fixture
def url(database_url):
    return make_url(database_url)


@pytest.fixture
async def pipeline_id(make, account):
    return await make.pipeline(account)


@pytest.fixture
def old_store(url, owner, pipeline_id):
    """An engine and the tables of the database, whose schema is that of the release before."""
    migrate.downgrade(url, BEFORE)
    engine = migrate.sync_engine(url)
    yield engine, old_runs.reflected(engine)
    engine.dispose()


def insert(store, runs):
    engine, tables = store
    for name in ("runs", "run_steps", "run_events", "large_values"):
        old_runs.write(engine, (tables[name], getattr(runs, name)))


def contents(store):
    """All rows of the tables of the release before."""
    engine, tables = store
    with engine.connect() as connection:
        return {
            name: sorted(map(repr, connection.execute(sa.select(table))))
            for name, table in tables.items()
            if name != "alembic_version"
        }


def columns(engine, names):
    found = sa.inspect(engine)
    return {
        (name, column["name"]): (
            repr(column["type"]),
            column["nullable"],
            str(column["default"]),
        )
        for name in names
        for column in found.get_columns(name)
    }


class TestUpgrade:
    @pytest.mark.slow
    @pytest.mark.timeout(600)
    async def test_runs_of_every_status_look_the_same(
        self, url, old_store, owner, account, database, pipeline_id
    ):
        old = OldRuns(2_000, account.workspace_id, pipeline_id)
        insert(old_store, old)
        rows = contents(old_store)

        migrate.upgrade(url)

        assert contents(old_store) == rows
        await self._compare_lists(owner, old)
        # Prime numbers, so that all combinations of statuses and types are among them.
        async with database.reading() as session:
            for run in old.runs[::11]:
                found = schemas.run_detail(await service.read(database, actor(account), run["id"]))
                assert found.model_dump(mode="json") == old.shown_run(run)
                await self._compare_steps(session, actor(account), old, run)
        for run in old.runs[::43]:
            await self._compare_answers(owner, old, run)

    async def _compare_steps(self, session, reader, old, run):
        for step, expected in old.shown_steps(run):
            execution = await operations.step(session, reader, run["id"], step["step_id"])
            made = await operations.page(session, execution, after=START, limit=9)
            views = [operation_schemas.operation_view(each) for each in made]
            page = Page(data=views, next_cursor=None)
            found = operation_schemas.step_detail(execution, page).model_dump(mode="json")
            assert found == without_payloads(expected)

    async def _compare_lists(self, owner, old):
        found: list[object] = []
        query = {"limit": "100"}
        while True:
            page = (await owner.get("/api/runs", params=query)).json()
            found += page["data"]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]

        assert found == list(old.listed_runs())

    async def _compare_answers(self, owner, old, run):
        path = f"/api/runs/{run['id']}"
        assert (await owner.get(path)).json() == old.shown_run(run)
        assert (await owner.get(f"{path}/events")).json()["data"] == old.shown_events(run)
        for step, expected in old.shown_steps(run):
            answer = await owner.get(f"{path}/steps/{step['step_id']}")
            assert answer.json() == without_payloads(expected)
            for operation in expected["operations"]:
                answer = await owner.get(
                    f"/api/runs/{operation['run_id']}/operations/{operation['id']}"
                )
                assert answer.json() == operation


class TestReleaseBefore:
    """A worker that does not know the new tables, on the migrated database."""

    @pytest.mark.slow
    def test_it_can_write_all_that_it_did(self, url, old_store, account, pipeline_id):
        migrate.upgrade(url)
        old = OldRuns(200, account.workspace_id, pipeline_id)

        insert(old_store, old)

        engine, tables = old_store
        assert sum(map(len, contents(old_store).values())) > 1_000
        with engine.begin() as connection:
            for name in ("run_steps", "runs"):
                same = {column: column for column in tables[name].c}
                connection.execute(sa.update(tables[name]).values(same))
            connection.execute(sa.delete(tables["runs"]))
        found = contents(old_store)
        assert not any(found[name] for name in ("runs", "run_steps", "run_events", "large_values"))

    @pytest.mark.slow
    def test_its_tables_have_not_changed(self, url, old_store):
        engine, tables = old_store
        before = columns(engine, tables)

        migrate.upgrade(url)

        # Later columns are only added.
        assert columns(engine, tables).items() >= before.items()


def without_payloads(step):
    operations = [
        {name: value for name, value in each.items() if name not in ("request", "response")}
        for each in step["operations"]
    ]
    return {**step, "operations": operations}
