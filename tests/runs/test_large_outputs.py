"""Responses with the large outputs of a run."""

import asyncio
import gc
import tracemalloc

import pytest

from stepiq.core import json
from stepiq.runs import answers, queries, schemas
from stepiq.store.states import RunStatus
from stepiq.store.tables import large_values

pytestmark = pytest.mark.both_stores

EMPTY_OBJECTS: json.Json = [{} for _ in range(300_000)]
"""It needs 0.9 MB as JSON, and 20 MB in Python."""


@pytest.fixture
def add_output(make, database):
    async def add_output(run_id, value, ordinal=1, **values):
        step = await make.step(
            run_id, f"s{ordinal}", ordinal=ordinal, output_is_large=True, **values
        )
        row = {"owner_id": step, "run_id": run_id, "value": value}
        async with database.transaction() as session:
            await session.execute(large_values.insert().values(row))

    return add_output


@pytest.fixture
async def ended(account, make):
    pipeline_id = await make.pipeline(account)
    return await make.run(account, pipeline_id, status=RunStatus.COMPLETED)


class TestDetail:
    async def test_it_needs_memory_for_what_it_sends_not_for_the_values(
        self, owner, ended, add_output
    ):
        text = json.SerializedJson.of(EMPTY_OBJECTS)
        for ordinal in range(4):
            await add_output(ended, text, ordinal)
        await owner.get(f"/api/runs/{ended}")
        gc.collect()
        tracemalloc.start()

        answer = await owner.get(f"/api/runs/{ended}")

        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        size = len(answer.content)
        assert size > 4 * len(text)
        assert peak < 6 * size

    @pytest.mark.parametrize(
        "value", [{"b": 1e300, "a": [None, 0.1, -0.0, 2**70]}, '"output":null', "ä\u2028😀\\", []]
    )
    @pytest.mark.parametrize("is_large", [False, True])
    async def test_an_output_is_shown_as_it_was_recorded(
        self, owner, make, ended, add_output, value, is_large
    ):
        texts = {"prompt": '"output":null', "system_prompt": '\\"output":', "name": '"output":'}
        if is_large:
            await add_output(ended, value, **texts)
        else:
            await make.step(ended, "s1", output=value, **texts)

        answer = await owner.get(f"/api/runs/{ended}")

        [step] = answer.json()["steps"]
        assert step["output"] == value
        assert f'"output":{json.dumps(value)},"error":null' in answer.text
        assert {name: step[name] for name in texts} == texts
        assert list(step) == list(schemas.StepView.model_fields)

    async def test_a_workspace_reads_and_builds_two_at_a_time(
        self, owner, account, stranger, make, login, ended, monkeypatch
    ):
        read, steps = [], queries.steps

        async def noted(session, run_id):
            read.append(run_id)
            return await steps(session, run_id)

        monkeypatch.setattr(queries, "steps", noted)
        other_run = await make.run(stranger, await make.pipeline(stranger))
        building, client = answers._places, await login(stranger)

        async with building.place(account.workspace_id), building.place(account.workspace_id):
            third = asyncio.create_task(owner.get(f"/api/runs/{ended}"))
            while not (third.done() or building._waiting):  # noqa: ASYNC110 - it signals nothing
                await asyncio.sleep(0)
            of_other = await client.get(f"/api/runs/{other_run}")
            has_waited = not third.done()
            read_meanwhile = list(read)

        assert has_waited
        assert read_meanwhile == [other_run]
        assert of_other.status_code == 200
        assert (await third).status_code == 200
