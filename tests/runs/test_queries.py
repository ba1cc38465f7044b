from datetime import UTC, datetime
from itertools import product

import pytest

from stepiq.core import ids
from stepiq.runs import queries
from stepiq.runs.records import Filter
from stepiq.store.states import RunStatus, TriggerType
from tests.support.query_plans import query_plan, walked_whole

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PIPELINE = ids.uuid7()
ONE = frozenset({RunStatus.FAILED})
TWO = frozenset({RunStatus.FAILED, RunStatus.RUNNING})
CRON = TriggerType.CRON
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)

FILTERS = [
    Filter(
        pipeline_id=pipeline_id,
        statuses=statuses,
        trigger_type=trigger_type,
        created_after=created_after,
        q=q,
    )
    for pipeline_id, statuses, trigger_type, created_after, q in product(
        (None, PIPELINE),
        (frozenset[RunStatus](), ONE, TWO),
        (None, CRON),
        (None, MOMENT),
        (None, "01a20e5f-c10a", "weekly"),
    )
]


def statement(database, wanted, before=None):
    return queries.page_statement(
        ids.uuid7(), wanted, before=before, limit=51, is_sqlite=database.is_sqlite
    )


def index_of(wanted: Filter) -> str:
    """The index whose order is that of what is wanted, so that a page reads what it shows."""
    by_name = wanted.q == "weekly"
    owner = "pipeline_id" if wanted.pipeline_id or by_name else "workspace_id"
    has_kinds = wanted.statuses or wanted.trigger_type
    return f"ix_runs_{owner}_trigger_type_status_id" if has_kinds else f"ix_runs_{owner}_id"


@pytest.mark.new_store
class TestPageStatement:
    @pytest.mark.parametrize("before", [None, ids.uuid7()])
    async def test_whatever_is_asked_for_has_an_index_in_its_order(self, database, before):
        for wanted in FILTERS:
            plan = await query_plan(database, statement(database, wanted, before))

            assert f" {index_of(wanted)} " in plan, wanted
            assert not walked_whole(plan), wanted
            others = plan.count("ix_runs_") - plan.count(index_of(wanted))
            assert not others, wanted

    @SQLITE
    async def test_a_list_by_one_index_is_not_sorted(self, database):
        for wanted in (
            Filter(),
            Filter(pipeline_id=PIPELINE),
            Filter(statuses=ONE, trigger_type=CRON),
            Filter(pipeline_id=PIPELINE, statuses=ONE, trigger_type=CRON),
        ):
            plan = await query_plan(database, statement(database, wanted))

            assert "TEMP B-TREE" not in plan
            assert plan.count("SEARCH runs USING INDEX") == 1

    @SQLITE
    async def test_walks_that_are_merged_read_ids_alone(self, database):
        plan = await query_plan(database, statement(database, Filter(statuses=TWO)))

        assert "SEARCH runs USING COVERING INDEX ix_runs_workspace_id_trigger_type" in plan

    @pytest.mark.parametrize("statuses", [frozenset[RunStatus](), ONE])
    async def test_a_moment_bounds_the_walk(self, database, statuses):
        wanted = Filter(created_after=MOMENT, statuses=statuses)

        plan = await query_plan(database, statement(database, wanted))

        # As part of what is looked up in the index, not of what is asked of each row.
        assert ("id>?" if database.is_sqlite else "(id >= '") in plan
        if not database.is_sqlite:
            conditions = [line for line in plan.splitlines() if "(id >= '" in line]
            assert all("Index Cond:" in line for line in conditions)


@SQLITE
@pytest.mark.new_store
class TestEventsStatement:
    async def test_it_walks_the_primary_key(self, database):
        statement = queries.events_statement(ids.uuid7(), after=3, limit=51)

        plan = await query_plan(database, statement)

        assert "SEARCH run_events USING INDEX sqlite_autoindex_run_events_1" in plan
        assert "TEMP B-TREE" not in plan
