import asyncio
import functools
from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.accounts.secrets.reader import StoredSecrets
from stepiq.core import ids
from stepiq.execution.limits.plans import Plans
from stepiq.execution.limits.runs import QueueFull
from stepiq.execution.records.run import NewRun
from stepiq.store.connections import waiting as answer_time
from stepiq.store.database import StoreUnavailable
from stepiq.store.states import TriggerType
from stepiq.store.tables import runs, workspaces
from stepiq.triggers.webhooks.inbox import Inbox
from tests.support.make_secrets import keyring

pytestmark = pytest.mark.both_stores


@pytest.fixture
async def accept(database, changes, engine, account):
    """Accepts a run of the account."""
    inbox = Inbox(database, changes, engine, StoredSecrets(keyring()))
    yield functools.partial(inbox.accept, account.workspace_id)
    # What accepts also connects to the queue.
    await engine._tickets.stop()


@pytest.fixture
async def pipeline_id(make, account):
    return await make.pipeline(account)


@pytest.fixture
def wanted(account, pipeline_id):
    """Makes what makes a run."""

    def wanted(input_data=None, *, plan="enterprise", pipeline=pipeline_id):
        run = NewRun(
            id=ids.uuid7(),
            workspace_id=account.workspace_id,
            pipeline_id=pipeline,
            pipeline_version=1,
            trigger_type=TriggerType.WEBHOOK,
            input_data=input_data or {},
            timeout=timedelta(hours=1),
            plan=Plans.load({"free": {"runs_at_once": 1, "runs_queued": 1}}).get(plan),
            spends_credits=False,
        )

        async def prepare(session):
            assert session is not None
            return run

        return prepare

    return wanted


async def kept(database) -> int:
    async with database.reading() as session:
        return await session.scalar(sa.select(sa.func.count()).select_from(runs))


class TestAccept:
    async def test_a_run_is_durable_when_it_returns(self, accept, wanted, database):
        await accept(wanted())

        assert await kept(database) == 1

    async def test_what_comes_together_shares_a_transaction(
        self, accept, wanted, database, engine, monkeypatch
    ):
        sizes = []
        accept_many = engine.accept_many

        async def counted(session, batch):
            sizes.append(len(batch))
            return await accept_many(session, batch)

        monkeypatch.setattr(engine, "accept_many", counted)

        await asyncio.gather(*(accept(wanted()) for _ in range(25)))
        await accept(wanted())

        assert sizes == [20, 5, 1]
        assert await kept(database) == 26

    async def test_a_refusal_is_one_callers_own(self, accept, wanted, database, account):
        results = await asyncio.gather(
            *(accept(wanted(plan="free")) for _ in range(3)), return_exceptions=True
        )

        assert [type(result) for result in results] == [type(None), type(None), QueueFull]
        assert await kept(database) == 2
        async with database.reading() as session:
            row = (await session.execute(sa.select(workspaces.c.unfinished_runs))).one()
        assert row.unfinished_runs == 2

    async def test_a_fault_with_one_is_not_the_others(self, accept, wanted, database):
        unknown = wanted(pipeline=ids.uuid7())

        results = await asyncio.gather(
            *(accept(each) for each in (wanted(), unknown, wanted())),
            return_exceptions=True,
        )

        assert [result is None for result in results] == [True, False, True]
        assert await kept(database) == 2

    async def test_a_store_that_is_away_fails_all_of_them(
        self, accept, wanted, engine, monkeypatch, database
    ):
        async def away(session, batch):
            raise StoreUnavailable("The database did not respond.")

        with monkeypatch.context() as patched:
            patched.setattr(engine, "accept_many", away)
            results = await asyncio.gather(
                *(accept(wanted()) for _ in range(3)), return_exceptions=True
            )

        assert [type(result) for result in results] == [StoreUnavailable] * 3
        await accept(wanted())
        assert await kept(database) == 1


async def test_a_batch_counts_as_requests(accept, wanted):
    seen = []
    prepare = wanted()

    async def note(session):
        seen.append(answer_time.is_answering())
        return await prepare(session)

    await accept(note)

    assert seen == [True]
