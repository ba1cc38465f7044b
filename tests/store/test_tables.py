from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from stepiq.accounts.service import Account
from stepiq.core import clock, ids
from stepiq.store.database import Database
from stepiq.store.states import FINAL_RUN_STATUSES, OperationStatus, RunStatus, StepStatus
from stepiq.store.tables import (
    large_values,
    metadata,
    operation_payloads,
    pipelines,
    run_events,
    run_operations,
    run_steps,
    runs,
    workspaces,
)
from tests.support.make import Make

BROKEN = {"code": "internal", "message": "It broke."}


@pytest.fixture
async def run(make: Make, account: Account) -> UUID:
    return await make.run(account, await make.pipeline(account))


async def _write(database: Database, statement: sa.Executable) -> None:
    async with database.transaction() as session:
        await session.execute(statement)


def _step(run_id: UUID, **values: Any) -> sa.Insert:
    row: dict[str, Any] = {
        "id": ids.uuid7(),
        "run_id": run_id,
        "step_id": "greet",
        "iteration": 1,
        "ordinal": 1,
        "name": "greet",
        "type": "transform",
        "status": StepStatus.RUNNING,
    }
    return run_steps.insert().values(row | values)


class TestRuns:
    @pytest.mark.parametrize("status", sorted(FINAL_RUN_STATUSES))
    async def test_an_ended_one_has_its_end(self, database, run, status):
        values: dict[str, Any] = {"status": status, "started_at": clock.now()}
        if status is RunStatus.FAILED:
            values["error"] = BROKEN

        with pytest.raises(IntegrityError, match="ends_when_final"):
            await _write(database, runs.update().values(values))

        await _write(database, runs.update().values(**values, completed_at=clock.now()))

    @pytest.mark.parametrize("status", sorted(set(RunStatus) - FINAL_RUN_STATUSES))
    async def test_one_that_goes_on_has_none(self, database, run, status):
        values = {"status": status, "started_at": clock.now(), "completed_at": clock.now()}

        with pytest.raises(IntegrityError, match="ends_when_final"):
            await _write(database, runs.update().values(values))

    async def test_a_failed_one_has_its_error(self, database, run):
        values = {"status": RunStatus.FAILED, "completed_at": clock.now()}

        with pytest.raises(IntegrityError, match="error_when_failed"):
            await _write(database, runs.update().values(values))

    async def test_a_completed_one_has_none(self, database, run):
        values = {"status": RunStatus.COMPLETED, "completed_at": clock.now(), "error": BROKEN}

        with pytest.raises(IntegrityError, match="error_when_failed"):
            await _write(database, runs.update().values(values))

    async def test_a_running_one_has_its_start(self, database, run):
        with pytest.raises(IntegrityError, match="running_has_started"):
            await _write(database, runs.update().values(status=RunStatus.RUNNING))

    async def test_states_and_triggers_are_those_of_the_code(self, database, run):
        with pytest.raises(IntegrityError, match="status_known"):
            await _write(database, runs.update().values(status="paused"))
        with pytest.raises(IntegrityError, match="trigger_type_known"):
            await _write(database, runs.update().values(trigger_type="carrier pigeon"))

    async def test_one_is_of_a_version_that_there_is(self, database, run):
        with pytest.raises(IntegrityError):
            await _write(database, runs.update().values(pipeline_version=2))

    async def test_one_takes_all_of_its_own_with_it(self, database, run, make):
        await make.operation(run, await make.step(run), payloads={"request": "x"})
        now = clock.now()
        event = {"run_id": run, "seq": 1, "type": "run.status", "data": {}, "created_at": now}
        await _write(database, run_events.insert().values(event))
        await _write(database, large_values.insert().values(owner_id=run, run_id=run, value="x"))

        await _write(database, runs.delete())

        own = (run_steps, run_operations, operation_payloads, run_events, large_values)
        async with database.reading() as session:
            for table in own:
                assert await session.scalar(sa.select(sa.func.count()).select_from(table)) == 0


class TestRunSteps:
    async def test_an_ended_one_has_its_end(self, database, run):
        with pytest.raises(IntegrityError, match="ends_when_final"):
            await _write(database, _step(run, status=StepStatus.COMPLETED))

    async def test_a_failed_one_has_its_error(self, database, run):
        with pytest.raises(IntegrityError, match="error_when_failed"):
            await _write(database, _step(run, status=StepStatus.FAILED, completed_at=clock.now()))

    async def test_an_execution_is_there_once(self, database, run):
        await _write(database, _step(run))
        await _write(database, _step(run, iteration=2))
        await _write(database, _step(run, branch="0"))

        with pytest.raises(IntegrityError):
            await _write(database, _step(run))

    async def test_iterations_count_from_one(self, database, run):
        with pytest.raises(IntegrityError, match="iteration_counted"):
            await _write(database, _step(run, iteration=0))


class TestRunOperations:
    @pytest.fixture
    async def step(self, make: Make, run: UUID) -> UUID:
        return await make.step(run)

    @pytest.mark.parametrize("status", sorted(set(OperationStatus) - {OperationStatus.RUNNING}))
    async def test_an_ended_one_has_its_end(self, make, run, step, status):
        with pytest.raises(IntegrityError, match="ends_when_final"):
            await make.operation(run, step, status=status, ended_at=None)

        await make.operation(run, step, status=status)

    async def test_a_running_one_has_no_end(self, make, run, step):
        with pytest.raises(IntegrityError, match="ends_when_final"):
            await make.operation(run, step, status=OperationStatus.RUNNING, ended_at=clock.now())

    async def test_a_failed_one_has_an_error(self, make, run, step):
        with pytest.raises(IntegrityError, match="failed_has_error"):
            await make.operation(run, step, status=OperationStatus.FAILED, error=None)

    async def test_a_number_is_unique_in_an_attempt_of_a_step(self, make, run, step):
        await make.operation(run, step)
        await make.operation(run, step, 2)
        await make.operation(run, step, attempt=2)
        await make.operation(run, await make.step(run, "other"))

        with pytest.raises(IntegrityError):
            await make.operation(run, step)

    @pytest.mark.parametrize("column", ["attempt", "number"])
    async def test_attempts_and_numbers_count_from_one(self, make, run, step, column):
        with pytest.raises(IntegrityError, match=f"{column}_counted"):
            await make.operation(run, step, **{column: 0})

    async def test_a_payload_is_a_request_or_a_response(self, make, run, step):
        operation = await make.operation(run, step, payloads={"request": 1, "response": 2})
        other = {"operation_id": operation, "part": "other", "value": 3}

        with pytest.raises(IntegrityError, match="part_known"):
            await _write(make.database, operation_payloads.insert().values(other))

    async def test_a_deleted_step_takes_its_operations_with_it(self, make, database, run, step):
        await make.operation(run, step, payloads={"request": 1})
        kept = await make.operation(run, await make.step(run, "other"))

        await _write(database, run_steps.delete().where(run_steps.c.id == step))

        async with database.reading() as session:
            assert (await session.execute(sa.select(run_operations.c.id))).scalars().all() == [kept]
            assert await session.scalar(sa.select(sa.func.count(operation_payloads.c.part))) == 0


class TestWorkspaces:
    @pytest.mark.parametrize(
        ("unfinished", "admitted"), [(-1, -1), (0, -1), (0, 1), (2, 3)], ids=str
    )
    async def test_no_more_are_admitted_than_there_are(
        self, database, account, unfinished, admitted
    ):
        values = {"unfinished_runs": unfinished, "admitted_runs": admitted}

        with pytest.raises(IntegrityError, match="_counted"):
            await _write(database, workspaces.update().values(values))


class TestPipelines:
    async def test_slugs_differ_within_a_workspace_only(self, database, make, account, stranger):
        await make.pipeline(account, slug="same")
        await make.pipeline(stranger, slug="same")

        with pytest.raises(IntegrityError):
            await make.pipeline(account, slug="same")

    async def test_versions_count_from_one(self, database, make, account):
        await make.pipeline(account)

        with pytest.raises(IntegrityError, match="version_counted"):
            await _write(database, pipelines.update().values(version=0))


class TestMetadata:
    def test_whatever_a_user_owns_says_whose_it_is(self):
        reached_through = {
            "users": "memberships",
            "workspaces": "itself",
            "refresh_tokens": "sessions",
            "run_steps": "runs",
            "run_events": "runs",
            "run_operations": "runs",
            "operation_payloads": "runs",
            "large_values": "runs",
            "password_resets": "users",
            "known_clients": "users",
            "totp_secrets": "users",
            "recovery_codes": "users",
            "identities": "users",
            "counts": "nobody: their keys are digests",
            "spent_sign_ins": "nobody: a sign-in has no account yet",
            "delivery_attempts": "deliveries",
            "asked_addresses": "nobody: all workspaces ask them",
            "schedule_ticks": "schedules",
            "bulk_items": "bulk_jobs",
            "trace_exports": "runs",
            "audit_chains": "itself: its id is that of the workspace",
        }

        without = {
            name for name, table in metadata.tables.items() if "workspace_id" not in table.columns
        }

        assert without == set(reached_through)

    def test_an_index_finds_the_rows_that_a_deletion_takes_with_it(self):
        for table in metadata.tables.values():
            unique = [each for each in table.constraints if isinstance(each, sa.UniqueConstraint)]
            indexes = [table.primary_key, *unique, *table.indexes]
            first = {next(iter(index.columns)).name for index in indexes}
            cascading = {key.parent.name for key in table.foreign_keys if key.ondelete == "CASCADE"}

            assert cascading <= first, table.name

    def test_no_table_has_a_name_of_the_queues(self):
        reserved = ("queues", "streams", "notifications", "operation_outputs", "event_dispatch")

        for name in metadata.tables:
            assert name not in reserved
            assert not name.startswith(("workflow", "application_"))
