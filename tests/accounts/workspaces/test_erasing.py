"""Erasing leaves no row of a workspace in any table, and touches no other workspace."""

import asyncio
import os
import signal
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from structlog.testing import capture_logs

from stepiq.accounts.audit import recording, service
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, Fault, Head, operator_of
from stepiq.accounts.audit.sealing import seal
from stepiq.accounts.workspaces import erasing as queries
from stepiq.accounts.workspaces.erasing import GRACE, Eraser
from stepiq.core import clock as core_clock
from stepiq.core import ids
from stepiq.store.database import StoreUnavailable
from stepiq.store.states import RunStatus
from stepiq.store.tables import audit_chains, audit_entries, metadata, runs, workspaces
from tests.support.forked_command import ForkedCommand
from tests.support.whole_workspace import CHILDREN, fill

pytestmark = pytest.mark.both_stores


@pytest.fixture
def rows_of(database):
    """The number of rows of a workspace in each table, without empty ones."""

    async def rows_of(workspace_id):
        found = {}
        async with database.reading() as session:
            for table in metadata.sorted_tables:
                condition = None
                if table in (workspaces, audit_chains):
                    condition = table.c.id == workspace_id
                elif "workspace_id" in table.c:
                    condition = table.c.workspace_id == workspace_id
                if condition is not None:
                    statement = sa.select(sa.func.count()).select_from(table).where(condition)
                    found[table.name] = await session.scalar(statement)
            for table in CHILDREN:
                found[table.name] = await session.scalar(
                    sa.select(sa.func.count()).select_from(table)
                )
        return {name: number for name, number in found.items() if number}

    return rows_of


@pytest.fixture
def mark(database):
    async def mark(workspace_id):
        async with database.transaction() as session:
            await session.execute(
                sa.update(workspaces)
                .where(workspaces.c.id == workspace_id)
                .values(deleted_at=core_clock.now() - GRACE - timedelta(seconds=1))
            )

    return mark


class TestErase:
    async def test_no_row_is_left_in_any_table_and_others_keep_theirs(
        self, database, engine, account, stranger, make, rows_of, mark
    ):
        await fill(database, make, account)
        filled = await rows_of(account.workspace_id)
        await fill(database, make, stranger)
        kept = await rows_of(stranger.workspace_id)
        await mark(account.workspace_id)

        erased = await Eraser(database, engine).erase_all()

        owned = {table.name for table in queries.owned_tables()}
        children = {table.name for table in CHILDREN}
        assert set(filled) == owned | children | {"workspaces", "audit_chains"}
        assert erased == 1
        left = await rows_of(account.workspace_id)
        assert {name for name in left if name not in children} == set()
        after = await rows_of(stranger.workspace_id)
        assert {name: after[name] for name in owned} == {name: kept[name] for name in owned}
        # `kept` was counted when both workspaces had children.
        assert {name: 2 * after[name] for name in children} == {
            name: kept[name] for name in children
        }

    async def test_unfinished_runs_are_cancelled_first(
        self, database, engine, account, make, mark, monkeypatch
    ):
        pipeline_id = await make.pipeline(account)
        run_id = await make.run(account, pipeline_id, status=RunStatus.PENDING)
        await mark(account.workspace_id)
        seen = []

        async def delete(session):
            seen.append(await session.scalar(sa.select(runs.c.status).where(runs.c.id == run_id)))
            return 0

        monkeypatch.setattr(queries, "parts", lambda workspace_id: [delete])
        monkeypatch.setattr(queries, "delete_workspace", _nothing)

        await Eraser(database, engine).erase_all()

        assert seen == [RunStatus.CANCELLED]

    async def test_it_waits_until_no_process_trusts_the_credentials(
        self, database, engine, account, clock
    ):
        async with database.transaction() as session:
            await session.execute(sa.update(workspaces).values(deleted_at=clock.now()))
        eraser = Eraser(database, engine)

        assert await eraser.erase_all() == 0
        clock.advance(GRACE)
        assert await eraser.erase_all() == 1

    async def test_a_row_that_appears_at_the_end_delays_the_end(
        self, database, engine, account, make, mark, monkeypatch, rows_of
    ):
        await make.pipeline(account)
        await mark(account.workspace_id)
        with monkeypatch.context() as patched:
            patched.setattr(queries, "parts", lambda workspace_id: [])
            with pytest.raises(IntegrityError):
                await Eraser(database, engine).erase(account.workspace_id)

        assert await Eraser(database, engine).erase(account.workspace_id)
        assert await rows_of(account.workspace_id) == {}

    async def test_a_large_run_is_deleted_in_batches(
        self, database, engine, account, make, mark, rows_of
    ):
        # A batch has 500 events. A step counts as some of them.
        pipeline_id = await make.pipeline(account)
        run_id = await make.run(account, pipeline_id, status=RunStatus.COMPLETED, last_seq=501)
        for number in range(120):
            await make.step(run_id, f"s{number}", ordinal=number)
        await mark(account.workspace_id)
        delete_runs = queries.parts(account.workspace_id)[0]

        async def batch():
            async with database.transaction() as session:
                return await delete_runs(session)

        assert [await batch() for _ in range(4)] == [100, 20, 1, 0]

        assert await Eraser(database, engine).erase_all() == 1
        assert await rows_of(account.workspace_id) == {}

    @pytest.mark.parametrize("error", [ValueError("broke"), StoreUnavailable("away")])
    async def test_one_that_fails_delays_no_other(
        self, database, engine, account, stranger, mark, monkeypatch, error
    ):
        await mark(account.workspace_id)
        await mark(stranger.workspace_id)
        parts = queries.parts

        def failing(workspace_id):
            if workspace_id == account.workspace_id:
                raise error
            return parts(workspace_id)

        monkeypatch.setattr(queries, "parts", failing)

        with capture_logs() as logs:
            assert await Eraser(database, engine).erase_all() == 1

        (line,) = [line for line in logs if line["event"].startswith("erasing_")]
        assert line["workspace_id"] == str(account.workspace_id)

    async def test_many_that_fail_delay_no_later_one(
        self, database, engine, account, mark, monkeypatch
    ):
        await mark(account.workspace_id)
        now = core_clock.now()
        broken = [ids.uuid7() for _ in range(25)]
        row = {"name": "w", "name_folded": "w", "plan": "free", "created_at": now}
        row |= {"deleted_at": now - 2 * GRACE}
        async with database.transaction() as session:
            await session.execute(workspaces.insert(), [{"id": each, **row} for each in broken])
        parts = queries.parts

        def failing(workspace_id):
            if workspace_id in broken:
                raise ValueError("broke")
            return parts(workspace_id)

        monkeypatch.setattr(queries, "parts", failing)

        with capture_logs():
            assert await Eraser(database, engine).erase_all() == 1

    async def test_its_audit_log_has_no_fault_while_it_is_erased(self, database, account, mark):
        async with database.transaction() as session:
            await record_archiving(session, account.workspace_id)
            await record_archiving(session, account.workspace_id)
            await seal(session)
            await session.execute(sa.delete(audit_entries).where(audit_entries.c.sequence == 1))

        assert (await service.check(database, account.workspace_id)).fault is Fault.MISSING
        await mark(account.workspace_id)
        assert (await service.check(database, account.workspace_id)).fault is None

    async def test_changes_of_its_audit_log_are_found_while_it_is_erased(
        self, database, account, mark
    ):
        async with database.transaction() as session:
            await record_archiving(session, account.workspace_id)
            await seal(session)
        await mark(account.workspace_id)
        other = Head(1, "0" * 64)
        # The entry of the expected head may already be deleted.
        found = await service.check(database, account.workspace_id, expected=other)
        assert found.fault is None

        async with database.transaction() as session:
            await session.execute(sa.update(audit_entries).values(target_name="Other"))

        assert (await service.check(database, account.workspace_id)).fault is Fault.CHANGED

    async def test_an_expected_head_is_missing_after_it_was_erased(
        self, database, engine, account, mark
    ):
        async with database.transaction() as session:
            await record_archiving(session, account.workspace_id)
            await seal(session)
        head = (await service.check(database, account.workspace_id)).head
        await mark(account.workspace_id)
        await Eraser(database, engine).erase_all()

        found = await service.check(database, account.workspace_id, expected=head)

        assert found.fault is Fault.UNEXPECTED_HEAD

    async def test_an_entry_that_appears_at_the_end_leaves_no_chain(
        self, database, engine, account, mark, monkeypatch
    ):
        await mark(account.workspace_id)
        parts = queries.parts

        async def record(session):
            await record_archiving(session, account.workspace_id)
            return 0

        monkeypatch.setattr(queries, "parts", lambda workspace_id: [*parts(workspace_id), record])

        assert await Eraser(database, engine).erase(account.workspace_id)

        async with database.transaction() as session:
            assert await seal(session) == 0

    async def test_several_processes_erase_it_once(
        self, database, engine, account, make, mark, rows_of
    ):
        await fill(database, make, account)
        await mark(account.workspace_id)
        erasers = [Eraser(database, engine) for _ in range(3)]

        erased = await asyncio.gather(*(each.erase(account.workspace_id) for each in erasers))

        assert sorted(erased) == [False, False, True]
        assert await rows_of(account.workspace_id) == {}


async def record_archiving(session, workspace_id):
    target = AuditTarget(AuditTargetType.PIPELINE, "1", "Report")
    await recording.record(session, operator_of(workspace_id), Action.PIPELINE_ARCHIVED, target)


async def _nothing(session, workspace_id):
    return None


async def _erased(eraser, workspace_id):
    # PostgreSQL may not have noticed yet that the process with the lock is dead.
    for _ in range(200):
        if await eraser.erase(workspace_id):
            return True
        await asyncio.sleep(0.05)
    return False


@pytest.mark.slow
class TestKilled:
    async def test_after_kill_9_it_continues_where_it_was(
        self, database, settings, engine, account, make, mark, rows_of, tmp_path
    ):
        await fill(database, make, account)
        workspace_id: UUID = account.workspace_id
        await mark(workspace_id)
        # Cancelling the unfinished run adds rows.
        before = 2 * sum((await rows_of(workspace_id)).values())
        variables = {
            **os.environ,
            "STEPIQ_DATABASE_URL": settings.database_url or "",
            "STEPIQ_DATA_DIR": str(settings.data_dir),
            "STEPIQ_ALLOW_UNSAFE_STORE": "true",
        }

        for batches in (1, 3, 6):
            process = await ForkedCommand.start(
                [str(workspace_id)],
                tmp_path,
                {name: value for name, value in variables.items() if value},
                program="tests.support.eraser_process",
            )
            assert process.stdout is not None
            for number in range(batches):
                if number > 0:
                    process.stdin.write(b"\n")
                assert (await process.stdout.readline()).startswith(b"batch")
            process.send_signal(signal.SIGKILL)
            await process.wait()
            left = sum((await rows_of(workspace_id)).values())
            assert 0 < left < before
            before = left

        assert await _erased(Eraser(database, engine), workspace_id)
        assert await rows_of(workspace_id) == {}
