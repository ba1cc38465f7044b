"""The steps of a run in pages, without prompts and outputs."""

from datetime import timedelta

import pytest

from stepiq.core import clock, ids
from stepiq.execution.records import events
from stepiq.runs.operations import queries
from stepiq.store.states import RunStatus, StepStatus
from tests.support.query_plans import query_plan


@pytest.fixture
async def run_id(make, account):
    return await make.run(account, await make.pipeline(account), status=RunStatus.COMPLETED)


async def pages(client, run_id, limit):
    """All pages."""
    found, query = [], {"limit": limit}
    while True:
        answer = await client.get(f"/api/runs/{run_id}/steps", params=query)
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        if found[-1]["next_cursor"] is None:
            return found
        query["cursor"] = found[-1]["next_cursor"]


class TestListSteps:
    async def test_pages_hold_every_step_once_in_order(self, owner, make, run_id):
        for ordinal in (3, 1, 2, 5, 4):
            await make.step(run_id, f"s{ordinal}", ordinal=ordinal)

        found = await pages(owner, run_id, 2)

        assert [len(page["data"]) for page in found] == [2, 2, 1]
        listed = [step["step_id"] for page in found for step in page["data"]]
        assert listed == ["s1", "s2", "s3", "s4", "s5"]

    @pytest.mark.both_stores
    async def test_a_step_has_what_a_row_shows(self, owner, make, run_id):
        at = clock.now()
        step = await make.step(
            run_id,
            status=StepStatus.FAILED,
            branch="2/0",
            iteration=3,
            attempts=2,
            model="openai/gpt-4o",
            prompt="hidden",
            output="hidden",
            input_tokens=9,
            cached_tokens=1,
            output_tokens=3,
            cost={"input": 5, "cached": 1, "output": 20},
        )
        for attempt, queued in ((1, 1_500), (2, 250)):
            begun = at + timedelta(milliseconds=queued)
            await make.operation(
                run_id, step, attempt=attempt, queued_at=at, started_at=begun, ended_at=begun
            )

        ((page,), whole) = await pages(owner, run_id, 50), await owner.get(f"/api/runs/{run_id}")

        (row,) = page["data"]
        (full,) = whole.json()["steps"]
        same = {name: full[name] for name in row.keys() & full.keys()}
        assert row == same | {"error_code": "step_failed", "queued_ms": 1_750, "ordinal": 1}
        assert not row.keys() & {"prompt", "output", "error"}
        assert (row["branch"], row["iteration"], row["cost_usd_micros"]) == ("2/0", 3, 26)

    async def test_without_calls_there_is_no_time_in_queues(self, owner, make, run_id):
        step = await make.step(run_id)
        await make.operation(run_id, step, started_at=None)

        ((page,),) = (await pages(owner, run_id, 50),)

        assert page["data"][0]["queued_ms"] is None

    async def test_it_says_after_which_event_the_stream_goes_on(self, owner, teller, make, account):
        run_id = await make.run(account, await make.pipeline(account))
        await teller.log(run_id, 2)
        await teller.event(run_id, events.run_status(RunStatus.RUNNING))

        ((page,),) = (await pages(owner, run_id, 50),)

        assert (page["data"], page["last_seq"]) == ([], 3)

    async def test_runs_of_others_are_not_found(self, login, stranger, run_id):
        other = await login(stranger)

        for wanted in (run_id, ids.uuid7()):
            answer = await other.get(f"/api/runs/{wanted}/steps")
            assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")

    @pytest.mark.parametrize("query", ["limit=1001", "limit=0", "cursor=x"])
    async def test_bad_parameters_are_refused(self, owner, run_id, query):
        assert (await owner.get(f"/api/runs/{run_id}/steps?{query}")).status_code == 422


@pytest.mark.both_stores
@pytest.mark.new_store
class TestStatements:
    async def test_a_page_walks_an_index_in_its_order(self, database):
        statement = queries.steps_statement(ids.uuid7(), after=3, limit=200)

        plan = await query_plan(database, statement)

        assert "ix_run_steps_run_id_ordinal" in plan
        assert "TEMP B-TREE" not in plan
        assert "Sort" not in plan

    async def test_times_in_queues_are_found_by_the_steps(self, database):
        statement = queries.queued_statement(
            [ids.uuid7(), ids.uuid7()], is_sqlite=database.is_sqlite
        )

        plan = await query_plan(database, statement)

        assert "uq_run_operations" in plan or "sqlite_autoindex_run_operations_2" in plan
