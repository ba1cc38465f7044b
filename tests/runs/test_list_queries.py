import random
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import pytest
import sqlalchemy as sa

from stepiq.core import ids
from stepiq.runs import list_queries, queries
from stepiq.runs.records import Filter
from stepiq.runs.streams.lists import matches, may_match
from stepiq.store.states import CallerType, RunStatus, TriggerType
from stepiq.store.tables import pipeline_versions
from stepiq.web.pages import PageRequest, decode_cursor
from tests.support.make_pipelines import GREETING
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


pytestmark = pytest.mark.both_stores


def statement(database, wanted, before=None):
    return list_queries.page_statement(
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
    @pytest.mark.slow
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
            index = "INDEX" if wanted.created_after else "COVERING INDEX"
            assert plan.count(f"SEARCH runs USING {index}") == 1

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


DRIVEN = [
    (Filter(error_code="timeout"), "ix_runs_workspace_id_error_code_id"),
    (Filter(caller_id=PIPELINE), "ix_runs_workspace_id_caller_id_id"),
    (Filter(with_failures=True), "ix_runs_with_failures"),
    (Filter(pipeline_id=PIPELINE, version=3), "ix_runs_pipeline_id_pipeline_version_id"),
]
REST = [
    {},
    {"statuses": TWO},
    {"trigger_type": CRON, "tag": "a"},
    {"q": "weekly", "created_after": MOMENT},
    {"q": "01a20e5f-c10a"},
]


@pytest.mark.new_store
class TestDrivenPages:
    @pytest.mark.parametrize("before", [None, ids.uuid7()])
    async def test_a_filter_with_an_index_of_its_own_walks_it(self, database, before):
        for (wanted, index), rest in product(DRIVEN, REST):
            asked = replace(wanted, **rest)
            plan = await query_plan(database, statement(database, asked, before))
            end = await query_plan(
                database, list_queries.scan_end_statement(ids.uuid7(), asked, before=before)
            )

            assert f" {index} " in plan, asked
            assert plan.count("ix_runs_") == 1, asked
            assert not walked_whole(plan), asked
            assert f" {index} " in end, asked


@pytest.mark.one_store
class TestIdRange:
    @pytest.mark.parametrize("length", [8, 9, 12, 14, 23, 24, 36])
    def test_it_contains_the_ids_that_begin_with_the_text(self, length):
        run_id = ids.uuid7()

        for text in (str(run_id)[:length], str(run_id).upper()[:length], run_id.hex[:length]):
            bounds = list_queries.id_range(text)

            assert bounds
            assert bounds[0] <= run_id.int <= bounds[1]

    @pytest.mark.parametrize(
        "text",
        [
            "01a20e5",
            "-01a20e5f",
            "01a2-0e5f",
            "01a20e5f--c10a",
            "01a20e5fc-10a",
            "01a20e5f-c10a7000",
            "01a20e5f-c10a-7000-8000-000000000000-",
            "2026-11-30",
            "a1a20e5f",
            "01a20e5g",
        ],
    )
    def test_other_texts_are_not_the_beginning_of_an_id(self, text):
        assert list_queries.id_range(text) is None


CALLERS = [ids.uuid7() for _ in range(2)]


@pytest.fixture
async def varied(make, account, database):
    """Runs with all kinds of properties, newest first."""
    turn = random.Random(7)  # noqa: S311 - not for secrets
    pipeline_ids = []
    for name, tags in (("Weekly report", ["a", "b"]), ("Daily", ["b"]), ("Plain", [])):
        pipeline_ids.append(
            await make.pipeline(account, source=GREETING.replace("Greeting", name), tags=tags)
        )
    other = await make.pipeline(account, source=GREETING)
    async with database.transaction() as session:
        for pipeline_id in pipeline_ids:
            await session.execute(
                sa.insert(pipeline_versions).from_select(
                    [column.name for column in pipeline_versions.c],
                    sa.select(
                        *(
                            sa.literal(2) if column.name == "version" else column
                            for column in pipeline_versions.c
                        )
                    ).where(pipeline_versions.c.pipeline_id == pipeline_id),
                )
            )
    assert other not in pipeline_ids
    for _ in range(60):
        await make.run(
            account,
            turn.choice(pipeline_ids),
            status=(
                status := turn.choice([RunStatus.FAILED, RunStatus.COMPLETED, RunStatus.PENDING])
            ),
            trigger_type=turn.choice([CRON, TriggerType.API]),
            caller_id=(caller := turn.choice([None, *CALLERS])),
            caller_type=None if caller is None else CallerType.API_KEY,
            pipeline_version=turn.choice([1, 2]),
            failed_steps=turn.choice([0, 2]) if status is RunStatus.COMPLETED else 0,
        )
    return pipeline_ids


class TestPage:
    @pytest.mark.slow
    async def test_pages_hold_what_the_filter_of_streams_matches(
        self, database, account, varied, monkeypatch
    ):
        """Any combination of filters, with pages that end before they are full."""
        monkeypatch.setattr(list_queries, "SCANNED", 7)
        turn = random.Random(8)  # noqa: S311 - not for secrets
        async with database.reading() as session:
            everything = await pages(session, account, Filter(), 100)
            middle = everything[30].created_at
            for _ in range(150):
                chosen = {
                    "pipeline_id": varied[0],
                    "version": 2,
                    "statuses": turn.choice([ONE, frozenset({"failed", "completed"})]),
                    "trigger_type": CRON,
                    "tag": "b",
                    "q": turn.choice(["EEKLY", str(everything[3].id)]),
                    "error_code": turn.choice(["step_failed", "timeout"]),
                    "caller_id": CALLERS[0],
                    "with_failures": True,
                    "created_after": middle,
                    "created_before": middle,
                }
                number = turn.randint(1, 4)
                names = turn.sample(sorted(chosen), number)
                if "version" in names:
                    names.append("pipeline_id")
                wanted = Filter(**{name: chosen[name] for name in names})

                found = await pages(session, account, wanted, turn.choice([1, 4, 50]))

                expected = [
                    run for run in everything if may_match(run, wanted) and matches(run, wanted)
                ]
                assert [run.id for run in found] == [run.id for run in expected], wanted

    async def test_runs_of_other_workspaces_are_not_found(
        self, database, account, stranger, varied
    ):
        async with database.reading() as session:
            for wanted in (
                Filter(error_code="step_failed"),
                Filter(caller_id=CALLERS[0]),
                Filter(with_failures=True),
                Filter(pipeline_id=varied[0], version=1),
                Filter(tag="b"),
            ):
                assert await pages(session, account, wanted, 50), wanted
                assert not await pages(session, stranger, wanted, 50), wanted

    @pytest.mark.parametrize("q", ["2026-11-30", "20261130", "deadbeef"])
    async def test_a_text_with_which_no_id_begins_finds_names(self, database, account, make, q):
        named = await make.pipeline(account, source=GREETING.replace("Greeting", f"Report {q}"))
        run_id = await make.run(account, named)

        async with database.reading() as session:
            found = await pages(session, account, Filter(q=q), 50)

        assert [run.id for run in found] == [run_id]
        assert may_match(found[0], Filter(q=q))


async def pages(session, account, wanted, limit):
    """All runs that match, page by page."""
    request = PageRequest(limit, None)
    listed = []
    while True:
        found = await list_queries.page_ids(
            session, account.workspace_id, wanted, before=request.before, limit=request.fetch
        )
        listed += await list_queries.page(session, account.workspace_id, found.ids[:limit])
        cursor = request.cursor(found.ids, found.scanned_to)
        if cursor is None:
            return listed
        request = PageRequest(limit, decode_cursor(cursor))


@SQLITE
@pytest.mark.new_store
class TestEventsStatement:
    async def test_it_walks_the_primary_key(self, database):
        statement = queries.events_statement(ids.uuid7(), after=3, limit=51)

        plan = await query_plan(database, statement)

        assert "SEARCH run_events USING INDEX sqlite_autoindex_run_events_1" in plan
        assert "TEMP B-TREE" not in plan
