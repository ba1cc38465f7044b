"""The worker of bulk jobs, also if it stops in the middle."""

import asyncio
import os
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count

import pytest
import sqlalchemy as sa

from stepiq.accounts.actor import Credential
from stepiq.accounts.keys import service as api_keys
from stepiq.accounts.queries import members
from stepiq.accounts.workspaces import service as workspaces
from stepiq.core import clock as clocks
from stepiq.core import ids
from stepiq.core.concurrency.fairness import OwnShare, current_owner
from stepiq.execution.limits.plans import Plans
from stepiq.runs.bulk import queries, service
from stepiq.runs.bulk.worker import BulkWorker
from stepiq.store.database import Database, StoreUnavailable
from stepiq.store.states import BulkAction, BulkItemStatus, BulkStatus, Role, RunStatus
from stepiq.store.tables import bulk_items, bulk_jobs, runs
from tests.support.audit_log import recorded
from tests.support.forked_command import ForkedCommand
from tests.support.make_accounts import actor
from tests.support.query_plans import query_plan, walked_whole

pytestmark = pytest.mark.both_stores


@pytest.fixture
def worker(database, services):
    return BulkWorker(database, services.engine, Plans.load({}))


@pytest.fixture
async def pipeline_id(make, account):
    return await make.pipeline(account)


@pytest.fixture
def job(database, account):
    """Creates a job."""

    async def job(action, run_ids, creator=account, **options):
        async with database.transaction() as session:
            return await service.create(session, actor(creator), action, run_ids, **options)

    return job


@pytest.fixture
def result(database, account):
    """A job with its items."""

    async def result(job, reader=account):
        async with database.reading() as session:
            found = await service.get(session, actor(reader), job.id)
            statement = queries.items_statement(job.id, None, after=0, limit=10_000)
            return found, await queries.items(session, statement)

    return result


@pytest.fixture
def retries(database):
    """How often each run was retried."""

    async def retries():
        async with database.reading() as session:
            found = await session.execute(
                sa.select(runs.c.retry_of).where(runs.c.retry_of.is_not(None))
            )
            return Counter(found.scalars())

    return retries


class TestTurn:
    async def test_it_cancels_runs_and_says_why_it_cannot(
        self, worker, job, result, account, make, pipeline_id, database
    ):
        waiting = await make.run(account, pipeline_id)
        ended = await make.run(account, pipeline_id, status=RunStatus.COMPLETED)
        missing = ids.uuid7()
        made = await job(BulkAction.CANCEL, [waiting, ended, missing])

        assert await worker.turn() == 3
        assert await worker.turn() == 0

        found, items = await result(made)
        assert [(item.run_id, item.status, item.code) for item in items] == [
            (waiting, BulkItemStatus.DONE, None),
            (ended, BulkItemStatus.FAILED, "run_already_finished"),
            (missing, BulkItemStatus.FAILED, "run_not_found"),
        ]
        assert (found.status, found.total, found.done, found.failed) == ("completed", 3, 1, 2)
        assert [(each.code, each.count) for each in found.failures] == [
            ("run_already_finished", 1),
            ("run_not_found", 1),
        ]
        assert found.started_at is not None
        async with database.reading() as session:
            status = await session.scalar(sa.select(runs.c.status).where(runs.c.id == waiting))
        assert status == RunStatus.CANCELLED

    async def test_it_retries_runs(self, worker, job, result, account, make, pipeline_id, retries):
        ended = await make.run(account, pipeline_id, status=RunStatus.FAILED)
        made = await job(BulkAction.RETRY, [ended])

        await worker.turn()

        _, (item,) = await result(made)
        assert await retries() == {ended: 1}
        assert item.new_run_id is not None

    async def test_runs_of_other_workspaces_are_not_changed(
        self, worker, job, result, account, make, stranger
    ):
        theirs = await make.run(stranger, await make.pipeline(stranger))
        made = await job(BulkAction.CANCEL, [theirs])

        await worker.turn()

        _, (item,) = await result(made)
        assert item.code == "run_not_found"

    async def test_jobs_of_a_workspace_are_executed_in_order(
        self, worker, job, result, account, make, pipeline_id
    ):
        # One more than a turn has.
        run_ids = [await make.run(account, pipeline_id) for _ in range(21)]
        first = await job(BulkAction.CANCEL, run_ids)
        second = await job(BulkAction.CANCEL, run_ids[:1])

        await worker.turn()

        assert [(await result(each))[0].status for each in (first, second)] == [
            BulkStatus.RUNNING,
            BulkStatus.PENDING,
        ]

    async def test_workspaces_take_turns(
        self, worker, job, result, account, make, stranger, pipeline_id
    ):
        large = await job(BulkAction.CANCEL, [ids.uuid7() for _ in range(30)])
        small = await job(BulkAction.CANCEL, [ids.uuid7()], stranger)

        await worker.turn()

        assert (await result(large))[0].failed == 20
        assert (await result(small, stranger))[0].failed == 1

    async def test_jobs_of_a_few_workspaces_do_not_keep_out_those_of_others(
        self, worker, job, result, account, stranger, monkeypatch
    ):
        monkeypatch.setattr("stepiq.runs.bulk.worker._JOBS", 1)
        run_ids = [ids.uuid7() for _ in range(50)]
        made = {each: await job(BulkAction.CANCEL, run_ids, each) for each in (account, stranger)}

        for tried in (1, 2):
            for _ in made:
                assert await worker.turn() == 20

            for creator, each in made.items():
                assert (await result(each, creator))[0].failed == 20 * tried

    async def test_its_work_counts_for_the_workspace_of_the_job(
        self, worker, job, account, stranger, make, monkeypatch
    ):
        owners = []
        take = queries.take

        async def noted(*args):
            owners.append(current_owner())
            return await take(*args)

        monkeypatch.setattr(queries, "take", noted)
        for each in (account, stranger):
            run_id = await make.run(each, await make.pipeline(each), status=RunStatus.FAILED)
            await job(BulkAction.RETRY, [run_id], creator=each)

        await worker.turn()

        assert set(owners) == {
            OwnShare("bulk jobs", each.workspace_id) for each in (account, stranger)
        }
        assert current_owner() is None

    async def test_a_job_that_takes_long_waits_for_its_next_turn(
        self, worker, job, result, monkeypatch
    ):
        # Each look at the clock is a second later.
        monkeypatch.setattr(clocks, "monotonic", partial(next, count()))
        made = await job(BulkAction.CANCEL, [ids.uuid7() for _ in range(5)])

        await worker.turn()

        assert (await result(made))[0].failed == 1

    async def test_it_waits_while_the_queue_of_the_plan_is_full(
        self, database, services, job, result, make, clock, retries
    ):
        account = await make.user(plan="free")
        limits = {"free": {"runs_per_day": "unlimited", "runs_at_once": 1, "runs_queued": 0}}
        worker = BulkWorker(database, services.engine, Plans.load(limits))
        pipeline_id = await make.pipeline(account)
        ended = [await make.run(account, pipeline_id, status=RunStatus.FAILED) for _ in range(2)]
        made = await job(BulkAction.RETRY, ended, account)

        assert await worker.turn() == 1
        assert await worker.turn() == 0
        _, (first, _) = await result(made, account)
        async with database.transaction() as session:
            await services.engine.cancel(session, account.workspace_id, first.new_run_id)
        assert await worker.turn() == 0
        clock.advance(timedelta(seconds=6))
        assert await worker.turn() == 1

        found, _ = await result(made, account)
        assert (found.done, found.failed) == (2, 0)
        assert await retries() == dict.fromkeys(ended, 1)

    async def test_a_cancelled_job_changes_no_more_runs(
        self, worker, job, result, database, account, make, pipeline_id
    ):
        made = await job(BulkAction.CANCEL, [await make.run(account, pipeline_id)])
        async with database.transaction() as session:
            await service.cancel(session, actor(account), made.id)

        assert await worker.turn() == 0

        found, (item,) = await result(made)
        assert (found.status, item.status) == (BulkStatus.CANCELLED, BulkItemStatus.PENDING)

    async def test_the_jobs_of_a_disabled_account_are_cancelled(
        self, worker, job, result, account, make
    ):
        made = await job(BulkAction.CANCEL, [ids.uuid7()])
        await make.disable(account)

        assert await worker.turn() == 0

        assert (await result(made))[0].status is BulkStatus.CANCELLED

    async def test_the_jobs_of_a_member_are_cancelled_when_the_role_is_too_low(
        self, worker, database, result, account, make
    ):
        member = await make.member(account, Role.OPERATOR)
        async with database.transaction() as session:
            made = await service.create(session, actor(member), BulkAction.CANCEL, [ids.uuid7()])
            await members.set_role(session, account.workspace_id, member.id, Role.VIEWER)

        assert await worker.turn() == 0

        assert (await result(made))[0].status is BulkStatus.CANCELLED

    @pytest.mark.parametrize("is_revoked", [False, True])
    async def test_the_jobs_of_a_service_key_end_with_the_key_and_not_with_its_creator(
        self, worker, database, result, account, make, pipeline_id, is_revoked
    ):
        admin = await make.member(account, Role.ADMIN)
        key = await make.service_key(admin)
        caller = replace(
            actor(admin), role=None, credential=Credential.API_KEY, key_id=key.id, session_id=None
        )
        run_id = await make.run(account, pipeline_id)
        async with database.transaction() as session:
            made = await service.create(session, caller, BulkAction.CANCEL, [run_id])
            await workspaces.remove(session, actor(account), account.workspace_id, admin.id)
            if is_revoked:
                keys = api_keys.of_workspace(actor(account))
                await api_keys.revoke(session, keys, key.id)

        await worker.turn()

        expected = BulkStatus.CANCELLED if is_revoked else BulkStatus.COMPLETED
        assert (await result(made))[0].status is expected

    async def test_the_jobs_of_a_service_key_are_cancelled_when_no_member_is_enabled(
        self, worker, database, result, account, make, pipeline_id, retries
    ):
        key = await make.service_key(account)
        caller = replace(
            actor(account), role=None, credential=Credential.API_KEY, key_id=key.id, session_id=None
        )
        ended = await make.run(account, pipeline_id, status=RunStatus.FAILED)
        async with database.transaction() as session:
            made = await service.create(session, caller, BulkAction.RETRY, [ended])
        await make.disable(account)

        assert await worker.turn() == 0

        assert (await result(made))[0].status is BulkStatus.CANCELLED
        assert await retries() == {}

    async def test_a_bug_fails_one_item_only(
        self, worker, job, result, account, make, pipeline_id, services, monkeypatch
    ):
        run_ids = [await make.run(account, pipeline_id) for _ in range(2)]
        made = await job(BulkAction.CANCEL, run_ids)
        cancel = services.engine.cancel

        async def broken(session, workspace_id, run_id):
            if run_id == run_ids[0]:
                raise ZeroDivisionError
            await cancel(session, workspace_id, run_id)

        monkeypatch.setattr(services.engine, "cancel", broken)

        assert await worker.turn() == 2

        _, items = await result(made)
        assert [item.code for item in items] == ["internal", None]

    async def test_a_store_that_is_busy_with_a_workspace_does_not_stop_the_jobs_of_others(
        self, worker, job, result, stranger, account, make, pipeline_id, monkeypatch
    ):
        hindered = await job(BulkAction.CANCEL, [await make.run(account, pipeline_id)])
        other = await job(BulkAction.CANCEL, [ids.uuid7()], stranger)
        take = queries.take

        async def hinder(session, job_id):
            if job_id == hindered.id:
                busy = StoreUnavailable("busy")
                busy.was_answered = True
                raise busy
            return await take(session, job_id)

        monkeypatch.setattr(queries, "take", hinder)

        assert await worker.turn() == 1

        assert (await result(other, stranger))[0].failed == 1
        with pytest.raises(StoreUnavailable):
            await worker.turn()

    async def test_an_item_whose_result_is_not_stored_is_not_changed(
        self, worker, job, account, make, pipeline_id, monkeypatch, retries
    ):
        ended = await make.run(account, pipeline_id, status=RunStatus.FAILED)
        await job(BulkAction.RETRY, [ended])
        settle, answers = queries.settle, iter([False, True])

        async def away_at_first(*asked):
            await settle(*asked)
            if not next(answers):
                raise StoreUnavailable("away")

        monkeypatch.setattr(queries, "settle", away_at_first)
        with pytest.raises(StoreUnavailable):
            await worker.turn()
        assert await retries() == {}

        await worker.turn()

        assert await retries() == {ended: 1}


class TestAuditLog:
    @pytest.mark.parametrize("kind", ["person", "personal_key", "service_key"])
    async def test_it_has_an_entry_for_each_changed_run_with_the_actor_of_the_job(
        self, worker, database, account, make, pipeline_id, kind
    ):
        caller, actor_id, key_id = actor(account), account.id, None
        if kind != "person":
            create = make.api_key if kind == "personal_key" else make.service_key
            key_id = (await create(account)).id
            caller = replace(caller, credential=Credential.API_KEY, key_id=key_id)
        if kind == "service_key":
            caller, actor_id = replace(caller, role=None), key_id
        waiting = await make.run(account, pipeline_id)
        ended = await make.run(account, pipeline_id, status=RunStatus.FAILED)
        async with database.transaction() as session:
            for action in BulkAction:
                await service.create(session, caller, action, [waiting, ended])

        for _ in range(4):
            await worker.turn()

        entries = [each for each in await recorded(database) if each.target_type == "run"]
        cancelled, *retried = sorted(entries, key=lambda each: each.action)
        assert (cancelled.action, cancelled.target_id) == ("run.cancelled", str(waiting))
        assert [(each.action, each.after["retry_of"]) for each in retried] == [
            ("run.retried", str(each)) for each in (waiting, ended)
        ]
        actors = {(each.actor_kind, each.actor_id, each.key_id) for each in entries}
        assert actors == {(kind, actor_id, key_id)}


class TestSeveralWorkers:
    @pytest.mark.slow
    async def test_no_run_is_retried_twice(
        self, settings, database, services, job, result, account, make, pipeline_id, retries
    ):
        other = Database(settings)
        ended = [await make.run(account, pipeline_id, status=RunStatus.FAILED) for _ in range(30)]
        made = await job(BulkAction.RETRY, ended)
        workers = [
            BulkWorker(each, services.engine, Plans.load({})) for each in (database, other, other)
        ]

        async def work(worker):
            while (await result(made))[0].completed_at is None:
                await worker.turn()

        async with asyncio.timeout(60):
            await asyncio.gather(*map(work, workers))

        await other.close()
        found, _ = await result(made)
        assert (found.done, found.failed) == (30, 0)
        assert await retries() == dict.fromkeys(ended, 1)

    @pytest.mark.slow
    async def test_a_process_that_is_killed_leaves_and_doubles_nothing(
        self, settings, database, worker, job, result, account, make, pipeline_id, retries, tmp_path
    ):
        ended = [await make.run(account, pipeline_id, status=RunStatus.FAILED) for _ in range(150)]
        made = await job(BulkAction.RETRY, ended)
        for share in (20, 60, 100):
            arguments = [str(settings.data_dir), settings.database_url]
            program = "tests.support.bulk_process"
            process = await ForkedCommand.start(arguments, tmp_path, os.environ, program=program)
            while (await result(made))[0].done < share:  # noqa: ASYNC110 - another process works
                await asyncio.sleep(0.01)
            process.kill()
            await process.wait()

        async with asyncio.timeout(60):
            while (await result(made))[0].completed_at is None:
                await worker.turn()

        found, items = await result(made)
        assert (found.done, found.failed) == (150, 0)
        assert await retries() == dict.fromkeys(ended, 1)
        assert len({item.new_run_id for item in items}) == 150


class TestDeleteEnded:
    async def test_old_jobs_are_deleted_with_their_items(
        self, worker, job, database, account, clock
    ):
        await job(BulkAction.CANCEL, [ids.uuid7()])
        await worker.turn()
        kept = await job(BulkAction.CANCEL, [ids.uuid7()])
        clock.advance(timedelta(days=1))

        async with database.transaction() as session:
            assert await queries.delete_ended(session, clocks.now(), 5) == 1

            left = list((await session.execute(sa.select(bulk_jobs.c.id))).scalars())
            items = list((await session.execute(sa.select(bulk_items.c.job_id))).scalars())
        assert left == items == [kept.id]


@pytest.mark.new_store
class TestStatements:
    async def test_unfinished_jobs_are_found_by_an_index(self, database):
        statement = queries.first_statement(clocks.now(), 100, after=ids.uuid7())

        plan = await query_plan(database, statement)

        bound = "workspace_id>?" if database.is_sqlite else "Index Cond: (workspace_id > "
        assert "ix_bulk_jobs_unfinished" in plan
        assert bound in plan
        assert "TEMP B-TREE" not in plan
        assert "Sort" not in plan

    @pytest.mark.parametrize("status", [None, BulkItemStatus.FAILED])
    async def test_items_are_found_by_an_index(self, database, status):
        statement = queries.items_statement(ids.uuid7(), status, after=3, limit=50)

        plan = await query_plan(database, statement)

        assert not walked_whole(plan)
        assert "TEMP B-TREE" not in plan

    async def test_jobs_are_listed_by_an_index(self, database):
        statement = queries.page_statement(ids.uuid7(), before=ids.uuid7(), limit=50)

        plan = await query_plan(database, statement)

        assert "ix_bulk_jobs_workspace_id_id" in plan
