"""A step of a run with its operations, from rows as a worker writes them."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.core import clock, ids
from stepiq.store.states import OperationKind, OperationStatus, StepStatus
from stepiq.store.tables import runs
from stepiq.web.pages import encode_cursor

FAILURE = {"code": "provider_error", "message": "The provider failed."}


class TestStep:
    async def test_it_is_shown_as_in_its_run(self, owner, make, run_id, shown):
        await make.step(run_id, output="Hi.", model="m", prompt="p", input_tokens=3)

        step = await shown(run_id)

        (expected,) = (await owner.get(f"/api/runs/{run_id}")).json()["steps"]
        assert {name: step[name] for name in expected} == expected
        assert step.keys() - expected.keys() == {"executed_in", "operations", "next_cursor"}

    async def test_the_last_iteration_is_the_default(self, make, run_id, shown):
        for iteration in (1, 2, 3):
            await make.step(run_id, iteration=iteration, ordinal=iteration)

        assert (await shown(run_id))["iteration"] == 3
        assert (await shown(run_id, iteration=2))["iteration"] == 2

    @pytest.mark.both_stores
    async def test_the_branch_that_began_last_is_the_default(self, make, run_id, shown):
        for ordinal, branch in ((1, "0"), (3, "1"), (2, "2")):
            await make.step(run_id, branch=branch, ordinal=ordinal)
        await make.step(run_id, branch="0", iteration=2, ordinal=4)

        assert (await shown(run_id, iteration=1))["branch"] == "1"
        assert (await shown(run_id, branch="0"))["iteration"] == 2
        assert (await shown(run_id, branch="2"))["branch"] == "2"

    async def test_an_empty_branch_is_the_one_outside_branches(self, make, run_id, shown):
        await make.step(run_id, ordinal=1)
        await make.step(run_id, branch="0", ordinal=2)

        assert (await shown(run_id, branch=""))["branch"] == ""
        assert (await shown(run_id))["branch"] == "0"

    @pytest.mark.parametrize(
        ("step_id", "query"),
        [("other", {}), ("greet", {"iteration": 2}), ("greet", {"branch": "0"})],
        ids=str,
    )
    async def test_an_execution_that_does_not_exist_is_not_found(
        self, owner, make, run_id, step_id, query
    ):
        await make.step(run_id)

        answer = await owner.get(f"/api/runs/{run_id}/steps/{step_id}", params=query)

        assert (answer.status_code, answer.json()["code"]) == (404, "step_not_found")
        assert (
            answer.json()["detail"]
            == f"Run {run_id} has not executed this step, or not in this iteration and branch. To list the steps that it has "
            "executed, use GET /api/runs/ID."
        )

    async def test_a_run_that_does_not_exist_is_not_found(self, owner):
        answer = await owner.get(f"/api/runs/{ids.uuid7()}/steps/greet")

        assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")

    @pytest.mark.both_stores
    async def test_a_key_that_cannot_read_gets_neither_the_step_nor_its_operations(
        self, login_key, account, make, run_id
    ):
        step = await make.step(run_id, prompt="confidential")
        operation = await make.operation(run_id, step, response="confidential")
        blind = await login_key(account, ["pipelines:execute", "pipelines:write"])

        for path in ("steps/greet", f"operations/{operation}", f"operations/{step}"):
            answer = await blind.get(f"/api/runs/{run_id}/{path}")

            assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
            assert "confidential" not in answer.text


class TestOperations:
    @pytest.mark.both_stores
    async def test_one_is_shown_with_all_that_was_recorded(self, make, run_id, shown):
        now = clock.now()
        step = await make.step(run_id)
        operation = await make.operation(
            run_id,
            step,
            number=2,
            attempt=3,
            kind=OperationKind.MODEL_CALL,
            status=OperationStatus.FAILED,
            starts=2,
            key="k",
            error=FAILURE,
            model="openai/gpt-4o",
            paid_by="server_key",
            input_tokens=9,
            cached_tokens=4,
            output_tokens=2,
            tokens_estimated=True,
            cost={"input": 5, "cached": 1, "output": 20},
            queued_at=now,
            started_at=now + timedelta(milliseconds=5),
            first_piece_at=now + timedelta(milliseconds=50),
            ended_at=now + timedelta(milliseconds=255),
        )

        (found,) = (await shown(run_id))["operations"]

        assert found == {
            "id": str(operation),
            "run_id": str(run_id),
            "attempt": 3,
            "number": 2,
            "kind": "model_call",
            "status": "failed",
            "starts": 2,
            "idempotency_key": "k",
            "error": FAILURE,
            "model": "openai/gpt-4o",
            "paid_by": "server_key",
            "input_tokens": 9,
            "cached_tokens": 4,
            "output_tokens": 2,
            "tokens_estimated": True,
            "cost_usd_micros": 26,
            "cost_usd_micros_by_part": {"input": 5, "cached": 1, "output": 20},
            "queued_at": clock.iso(now),
            "started_at": clock.iso(now + timedelta(milliseconds=5)),
            "first_piece_at": clock.iso(now + timedelta(milliseconds=50)),
            "completed_at": clock.iso(now + timedelta(milliseconds=255)),
            "duration_ms": 250,
            "request_is_omitted": False,
            "response_is_omitted": False,
        }

    @pytest.mark.both_stores
    async def test_an_unknown_price_is_null(self, make, run_id, shown):
        await make.operation(run_id, await make.step(run_id), input_tokens=1)

        (found,) = (await shown(run_id))["operations"]

        assert (found["cost_usd_micros"], found["cost_usd_micros_by_part"]) == (None, None)

    async def test_a_kind_of_a_later_version_is_shown(self, make, run_id, shown):
        await make.operation(run_id, await make.step(run_id), kind="tool_call")

        assert [each["kind"] for each in (await shown(run_id))["operations"]] == ["tool_call"]

    async def test_one_that_an_earlier_version_left_running_is_cancelled(self, make, run_id, shown):
        step = await make.step(run_id, status=StepStatus.CANCELLED)
        await make.operation(run_id, step, status=OperationStatus.RUNNING)

        (found,) = (await shown(run_id))["operations"]

        assert found["status"] == "cancelled"
        assert found["completed_at"] is not None

    async def test_they_come_in_order_and_in_pages(self, make, run_id, shown):
        step = await make.step(run_id)
        await make.operation(run_id, await make.step(run_id, "other"))
        places = [(1, 1), (1, 2), (2, 1), (2, 2), (10, 1)]
        for attempt, number in reversed(places):
            await make.operation(run_id, step, number, attempt=attempt)

        found, cursor, pages = [], None, 0
        while cursor or not pages:
            page = await shown(run_id, limit=2, **({"cursor": cursor} if cursor else {}))
            found += [(each["attempt"], each["number"]) for each in page["operations"]]
            cursor, pages = page["next_cursor"], pages + 1

        assert (found, pages) == (places, 3)

    async def test_a_cursor_of_another_list_is_harmless(self, make, run_id, shown):
        await make.operation(run_id, await make.step(run_id))

        assert (await shown(run_id, cursor=encode_cursor(run_id)))["operations"] == []


@pytest.mark.both_stores
class TestReusedSteps:
    async def test_they_show_the_operations_of_the_run_that_executed_them(
        self, make, run_id, retry_of, shown, operation
    ):
        executed = await make.operation(run_id, await make.step(run_id, output="first"))
        second = await retry_of(run_id)
        await make.step(second, output="second", is_reused=True)
        third = await retry_of(second)
        await make.step(third, output="edited", is_reused=True)

        step = await shown(third)

        assert (step["output"], step["executed_in"]) == ("edited", str(run_id))
        assert [each["id"] for each in step["operations"]] == [str(executed)]
        assert (await operation(step))["response"] == "first"

    async def test_they_show_none_if_that_run_was_deleted(
        self, make, run_id, retry_of, shown, database
    ):
        await make.operation(run_id, await make.step(run_id))
        second = await retry_of(run_id)
        await make.step(second, model="m", is_reused=True)
        async with database.transaction() as session:
            await session.execute(sa.delete(runs).where(runs.c.id == run_id))

        step = await shown(second)

        assert (step["executed_in"], step["operations"]) == (None, [])

    async def test_other_workspaces_are_not_searched(self, make, stranger, retry_of, shown):
        theirs = await make.run(stranger, await make.pipeline(stranger))
        await make.operation(theirs, await make.step(theirs))
        second = await retry_of(theirs)
        await make.step(second, is_reused=True)

        step = await shown(second)

        assert (step["executed_in"], step["operations"]) == (None, [])
