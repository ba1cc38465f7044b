"""Starting many runs at once, by an engine that executes none."""

from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.accounts.service import Account
from stepiq.core.ids import uuid7
from stepiq.core.json import Json
from stepiq.execution.limits.plans import Plan, Plans
from stepiq.execution.records.run import RunCaller
from stepiq.execution.runtime import Engine
from stepiq.store.database import Database
from stepiq.store.states import CallerType, TriggerType
from stepiq.store.tables import run_events, runs
from stepiq.triggers.schedules.firing import Refusal, WantedRun, start_many
from tests.support.make import Make
from tests.support.query_plans import executions

pytestmark = pytest.mark.both_stores
TYPED = """\
name: Typed
input: {schema: {topic: {type: string, required: true}}}
steps: [{id: a, type: transform, template: "{{input.topic}}"}]
"""
MODEL = "name: Asks\nsteps: [{id: a, model: openai/gpt-4o-mini, prompt: x}]\n"
PLANS = Plans.load({})


def wanted(
    account: Account,
    pipeline_id: UUID,
    *,
    plan: Plan | None = None,
    version: int = 1,
    input_data: dict[str, Json] | None = None,
) -> WantedRun:
    return WantedRun(
        id=uuid7(),
        workspace_id=account.workspace_id,
        pipeline_id=pipeline_id,
        version=version,
        plan=plan or PLANS.get("enterprise"),
        trigger=TriggerType.MANUAL,
        input_data=input_data or {},
        caller=RunCaller(CallerType.USER, account.id),
    )


@pytest.fixture
def start(database: Database, engine: Engine):
    async def start(*runs: WantedRun) -> list[Refusal | None]:
        async with database.transaction() as session:
            return await start_many(session, runs, engine=engine)

    return start


async def stored(database: Database) -> set[UUID]:
    async with database.reading() as session:
        found = set((await session.execute(sa.select(runs.c.id))).scalars())
        logged = list((await session.execute(sa.select(run_events.c.run_id))).scalars())
    assert sorted(logged) == sorted(found)
    return found


class TestStartMany:
    async def test_runs_of_several_workspaces_are_accepted(
        self, start, database, make: Make, account, stranger
    ):
        both = [wanted(each, await make.pipeline(each)) for each in (account, stranger)]

        assert await start(*both) == [None, None]
        assert await stored(database) == {run.id for run in both}

    async def test_nothing_wanted_is_nothing_done(self, start):
        assert await start() == []

    async def test_the_input_is_completed_by_the_schema(self, start, database, make, account):
        pipeline_id = await make.pipeline(
            account,
            source=TYPED.replace("required: true", "default: AI"),
        )
        await start(wanted(account, pipeline_id))

        async with database.reading() as session:
            assert await session.scalar(sa.select(runs.c.input_data)) == {"topic": "AI"}

    async def test_each_refusal_has_its_place_and_lets_the_others_start(
        self, start, database, make, account
    ):
        typed, plain = await make.pipeline(account, source=TYPED), await make.pipeline(account)
        given = [
            wanted(account, typed),
            wanted(account, plain),
            wanted(account, plain, version=7),
            wanted(account, typed, input_data={"topic": "x"}),
            wanted(account, typed, input_data={"topic": 3}),
        ]

        refusals = await start(*given)

        codes = [None if refusal is None else refusal.code for refusal in refusals]
        assert codes == ["input_invalid", None, "version_not_found", None, "input_invalid"]
        assert await stored(database) == {given[1].id, given[3].id}

    async def test_a_limit_that_is_reached_refuses_the_rest(self, start, database, make, account):
        starter, pipeline_id = PLANS.get("starter"), await make.pipeline(account)
        assert starter.runs_per_day == 100
        given = [wanted(account, pipeline_id, plan=starter) for _ in range(103)]

        refusals = await start(*given)

        assert refusals[:100] == [None] * 100
        assert {refusal.code for refusal in refusals[100:]} == {"plan_runs_exhausted"}
        assert await stored(database) == {run.id for run in given[:100]}

    async def test_the_number_of_statements_does_not_depend_on_the_number_of_runs(
        self, start, database, engine, make, account, monkeypatch
    ):
        monkeypatch.setattr(engine, "spends_credits", lambda *_: True)
        pipeline_id = await make.pipeline(account, source=MODEL)
        await start(*(wanted(account, pipeline_id) for _ in range(2)))

        counts: list[int] = []
        for number in (2, 40):
            with executions() as seen:
                await start(*(wanted(account, pipeline_id) for _ in range(number)))
            counts.append(len(seen))

        assert counts[0] == counts[1] <= 10
