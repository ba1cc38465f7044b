"""Jobs end with the credential that created them."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.accounts.actor import Credential
from stepiq.accounts.keys import service as api_keys
from stepiq.accounts.queries import resets
from stepiq.accounts.signing_in import takeover
from stepiq.core import clock as clocks
from stepiq.core import ids
from stepiq.execution.limits.plans import Plans
from stepiq.runs.bulk import service
from stepiq.runs.bulk.worker import BulkWorker
from stepiq.store.states import BulkAction, BulkStatus
from stepiq.store.tables import bulk_jobs
from tests.support.clients import outcome
from tests.support.make_accounts import actor
from tests.support.query_plans import plan_of, statements, walked_whole

pytestmark = pytest.mark.both_stores


@pytest.fixture
def worker(database, services):
    return BulkWorker(database, services.engine, Plans.load({}))


@pytest.fixture
def create(database):
    """Creates a job of one unknown run."""

    async def create(caller):
        async with database.transaction() as session:
            return await service.create(session, caller, BulkAction.CANCEL, [ids.uuid7()])

    return create


@pytest.fixture
def status(database):
    async def status(job):
        async with database.reading() as session:
            return await session.scalar(
                sa.select(bulk_jobs.c.status).where(bulk_jobs.c.id == job.id)
            )

    return status


@pytest.fixture
def reset(database, make, account):
    """Resets the password of the account."""

    async def reset():
        token = await make.reset(account)
        async with database.transaction() as session:
            await takeover.reset_password(session, token, new_hash="hash")

    return reset


@pytest.fixture
def with_key(make, account):
    """The account as a caller with a new personal key."""

    async def with_key(**options):
        key = await make.api_key(account, **options)
        return actor(account, credential=Credential.API_KEY, key_id=key.id)

    return with_key


class TestPersonalKeys:
    async def test_a_job_is_cancelled_when_its_key_is_revoked(
        self, worker, create, status, with_key, database, account
    ):
        caller = await with_key()
        job = await create(caller)
        async with database.transaction() as session:
            keys = api_keys.personal(caller)
            await api_keys.revoke(session, keys, caller.key_id)

        assert await worker.turn() == 0

        assert await status(job) == BulkStatus.CANCELLED

    async def test_a_job_is_cancelled_when_the_password_is_reset(
        self, worker, create, status, with_key, reset
    ):
        job = await create(await with_key())
        await reset()

        assert await worker.turn() == 0

        assert await status(job) == BulkStatus.CANCELLED

    async def test_a_job_continues_when_its_key_expires(
        self, worker, create, status, with_key, clock
    ):
        job = await create(await with_key(expires_at=clocks.now() + timedelta(hours=1)))
        clock.advance(timedelta(hours=2))

        assert await worker.turn() == 1

        assert await status(job) == BulkStatus.COMPLETED


class TestSessions:
    async def test_a_job_is_cancelled_when_the_password_is_reset(
        self, worker, create, status, reset, account
    ):
        job = await create(actor(account))

        await reset()

        assert await status(job) == BulkStatus.CANCELLED
        assert await worker.turn() == 0

    async def test_a_reset_leaves_the_jobs_of_other_members_and_service_keys(
        self, create, status, reset, account, make
    ):
        member = await make.member(account)
        key = await make.service_key(account)
        by_key = actor(account, credential=Credential.API_KEY, key_id=key.id)
        jobs = [await create(each) for each in (actor(member), by_key)]

        await reset()

        assert [await status(each) for each in jobs] == [BulkStatus.PENDING] * 2

    async def test_a_session_that_a_reset_ended_creates_no_job_in_a_process_that_still_trusts_it(
        self, owner, reset
    ):
        assert (await owner.get("/api/bulk-jobs")).status_code == 200
        await reset()
        body = {"action": "cancel", "run_ids": [str(ids.uuid7())]}

        answer = await owner.post("/api/bulk-jobs", json=body)

        assert outcome(answer) == (401, "credential_invalid")

    @pytest.mark.new_store
    async def test_a_reset_finds_the_jobs_by_an_index(self, database):
        with statements() as seen:
            async with database.transaction() as session:
                await resets.cancel_bulk_jobs(session, ids.uuid7(), clocks.now())

        [(text, parameters)] = seen.items()

        assert not walked_whole(await plan_of(database, text, parameters))
