"""What an operation sent and received, from rows as a worker writes them."""

import pytest
import sqlalchemy as sa

from stepiq.core import ids
from stepiq.store.states import OperationStatus
from stepiq.store.tables import large_values

FAILURE = {"code": "provider_error", "message": "The provider failed."}


class TestPayloads:
    @pytest.mark.both_stores
    async def test_the_messages_begin_with_the_prompts_of_the_step(
        self, make, run_id, shown, operation
    ):
        step = await make.step(run_id, prompt="Greet.", system_prompt="Be brief.")
        turns = [{"role": "assistant", "text": "Hu."}, {"role": "user", "text": "Again."}]
        await make.operation(run_id, step, request={"temperature": 0.5, "messages": turns})

        found = await operation(await shown(run_id))

        assert found["request"] == {
            "temperature": 0.5,
            "messages": [
                {"role": "system", "text": "Be brief."},
                {"role": "user", "text": "Greet."},
                *turns,
            ],
        }

    async def test_a_call_with_other_prompts_than_the_step_has_its_own(
        self, make, run_id, shown, operation
    ):
        step = await make.step(run_id, prompt="First", system_prompt="Be kind.")
        request = {"model": None, "prompt": "Second", "system_prompt": None}
        await make.operation(run_id, step, request=request)

        found = await operation(await shown(run_id))

        assert found["request"] == {
            "model": None, "messages": [{"role": "user", "text": "Second"}],
        }  # fmt: skip

    async def test_a_request_that_was_not_recorded_is_null(self, make, run_id, shown, operation):
        await make.operation(run_id, await make.step(run_id, prompt="Greet."))

        assert (await operation(await shown(run_id)))["request"] is None

    async def test_a_request_whose_prompts_were_not_recorded_is_null(
        self, make, run_id, shown, operation
    ):
        await make.operation(run_id, await make.step(run_id), request={"messages": []})

        assert (await operation(await shown(run_id)))["request"] is None

    @pytest.mark.both_stores
    async def test_a_missing_response_of_a_completed_one_is_the_output_of_the_step(
        self, make, run_id, shown, operation, database
    ):
        step = await make.step(run_id, output_is_large=True)
        output = {"owner_id": step, "run_id": run_id, "value": "long"}
        async with database.transaction() as session:
            await session.execute(sa.insert(large_values).values(output))
        await make.operation(run_id, step)

        assert (await operation(await shown(run_id)))["response"] == "long"

    async def test_only_the_last_one_responds_with_the_output_of_the_step(
        self, owner, make, run_id
    ):
        step = await make.step(run_id, output="of attempt 2")
        first = await make.operation(run_id, step)
        last = await make.operation(run_id, step, attempt=2)

        found = [
            (await owner.get(f"/api/runs/{run_id}/operations/{each}")).json()["response"]
            for each in (first, last)
        ]

        assert found == [None, "of attempt 2"]

    async def test_a_failed_one_has_no_response(self, make, run_id, shown, operation):
        step = await make.step(run_id, output="from another attempt")
        await make.operation(run_id, step, status=OperationStatus.FAILED)

        assert (await operation(await shown(run_id)))["response"] is None

    @pytest.mark.both_stores
    async def test_large_ones_are_read_from_where_they_are_stored(
        self, make, run_id, shown, operation
    ):
        step = await make.step(run_id, output="shorter")
        payloads = {"request": {"url": "x" * 70_000}, "response": "y" * 70_000}
        await make.operation(run_id, step, kind="http_call", payloads=payloads)

        found = await operation(await shown(run_id))

        assert {part: found[part] for part in payloads} == payloads

    async def test_only_the_run_that_has_it_shows_an_operation(
        self, owner, make, run_id, account, pipeline_id
    ):
        operation = await make.operation(run_id, await make.step(run_id))
        other = await make.run(account, pipeline_id)

        for run, code in ((other, "operation_not_found"), (ids.uuid7(), "run_not_found")):
            answer = await owner.get(f"/api/runs/{run}/operations/{operation}")
            assert (answer.status_code, answer.json()["code"]) == (404, code)
