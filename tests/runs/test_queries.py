from datetime import UTC, datetime

import pytest

from stepiq.core import ids
from stepiq.runs import queries
from stepiq.runs.records import Filter
from stepiq.store.states import RunStatus, TriggerType
from tests.support.query_plans import query_plan

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PIPELINE = ids.uuid7()
ONE = frozenset({RunStatus.FAILED})
TWO = frozenset({RunStatus.FAILED, RunStatus.RUNNING})
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@SQLITE
class TestPageStatement:
    @pytest.mark.parametrize("before", [None, ids.uuid7()])
    @pytest.mark.parametrize(
        "wanted",
        [
            Filter(),
            Filter(pipeline_id=ids.uuid7()),
            Filter(statuses=frozenset({RunStatus.FAILED})),
            Filter(statuses=frozenset({RunStatus.FAILED, RunStatus.RUNNING, RunStatus.PENDING})),
            Filter(trigger_type=TriggerType.CRON),
            Filter(created_after=MOMENT, created_before=MOMENT),
            Filter(q="01a20e5f-c10a"),
            Filter(q="weekly"),
            Filter(q="weekly", pipeline_id=ids.uuid7(), statuses=frozenset({RunStatus.FAILED})),
        ],
    )
    async def test_it_walks_an_index_in_order(self, database, wanted, before):
        statement = queries.page_statement(ids.uuid7(), wanted, before=before, limit=51)

        plan = await query_plan(database, statement)

        lines = plan.splitlines()
        sorts = [n for n, line in enumerate(lines) if "TEMP B-TREE" in line]
        assert "SCAN runs" not in plan
        assert "SEARCH runs USING INDEX ix_runs_" in plan
        # Only what a walk has fetched, a page at most, is sorted, to be merged with the others.
        assert all(lines[n - 1].startswith("SCAN walk_") for n in sorts)

    @pytest.mark.parametrize(
        ("wanted", "index", "walks"),
        [
            (Filter(), "ix_runs_workspace_id_id", 1),
            (Filter(statuses=ONE), "ix_runs_workspace_id_status_id", 1),
            (Filter(statuses=TWO), "ix_runs_workspace_id_status_id", 2),
            (Filter(trigger_type=TriggerType.CRON), "ix_runs_workspace_id_trigger_type_id", 1),
            (Filter(pipeline_id=PIPELINE), "ix_runs_pipeline_id_id", 1),
            (Filter(pipeline_id=PIPELINE, statuses=ONE), "ix_runs_pipeline_id_status_id", 1),
            (Filter(pipeline_id=PIPELINE, statuses=TWO), "ix_runs_pipeline_id_status_id", 2),
        ],
    )
    async def test_what_is_asked_for_has_an_index_of_its_own(self, database, wanted, index, walks):
        statement = queries.page_statement(ids.uuid7(), wanted, before=None, limit=51)

        plan = await query_plan(database, statement)

        assert plan.count(f"SEARCH runs USING INDEX {index} ") == walks

    async def test_a_moment_bounds_the_walk(self, database):
        wanted = Filter(created_after=MOMENT)
        statement = queries.page_statement(ids.uuid7(), wanted, before=None, limit=51)

        assert "id>?" in await query_plan(database, statement)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
class TestPageStatementOnPostgres:
    @pytest.mark.parametrize(
        ("wanted", "index"),
        [
            (Filter(), "ix_runs_workspace_id_id"),
            (Filter(statuses=ONE), "ix_runs_workspace_id_status_id"),
            (Filter(statuses=TWO), "ix_runs_workspace_id_status_id"),
            (Filter(trigger_type=TriggerType.CRON), "ix_runs_workspace_id_trigger_type_id"),
            (Filter(pipeline_id=PIPELINE), "ix_runs_pipeline_id_id"),
            (Filter(pipeline_id=PIPELINE, statuses=ONE), "ix_runs_pipeline_id_status_id"),
            (Filter(pipeline_id=PIPELINE, statuses=TWO), "ix_runs_pipeline_id_status_id"),
        ],
    )
    async def test_it_walks_an_index_backwards(self, database, wanted, index):
        statement = queries.page_statement(ids.uuid7(), wanted, before=None, limit=51)

        plan = await query_plan(database, statement)

        assert f"Index Scan Backward using {index} on runs" in plan
        assert "Seq Scan" not in plan


@SQLITE
class TestEventsStatement:
    async def test_it_walks_the_primary_key(self, database):
        statement = queries.events_statement(ids.uuid7(), after=3, limit=51)

        plan = await query_plan(database, statement)

        assert "SEARCH run_events USING INDEX sqlite_autoindex_run_events_1" in plan
        assert "TEMP B-TREE" not in plan
