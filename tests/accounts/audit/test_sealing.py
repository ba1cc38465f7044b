import asyncio
from contextlib import suppress

import pytest

from stepiq.accounts.audit import queries, recording, sealing
from stepiq.accounts.audit.actions import Action, ActorKind, AuditTargetType
from stepiq.accounts.audit.records import OPERATOR, SERVER_CHAIN, AuditTarget, By
from stepiq.accounts.audit.service import check
from stepiq.core.errors import Unavailable
from stepiq.store.pubsub import AUDIT_RECORDED
from tests.support import loop_time

pytestmark = pytest.mark.both_stores


async def record(database, number=1):
    async with database.transaction() as session:
        for _ in range(number):
            await recording.record(
                session, OPERATOR, Action.USER_ENABLED, AuditTarget(AuditTargetType.USER)
            )


@pytest.fixture
async def sealer(database, changes):
    """A sealer that only works when it is woken."""
    # It looks for entries every second.
    loop_time.hold(1)
    database.on_signal(AUDIT_RECORDED, lambda: changes.publish(AUDIT_RECORDED, None))
    task = asyncio.create_task(sealing.Sealer(database, changes).run_for_ever())
    yield
    task.cancel()
    # It may be using a connection, which must be free when the database is closed.
    with suppress(asyncio.CancelledError):
        await task


async def sealed(database, number):
    """Wait until the server's log has so many sealed entries."""
    async with asyncio.timeout(20):
        while True:
            found = await check(database, SERVER_CHAIN)
            if found.entries == number:
                return found
            await asyncio.sleep(0.01)


class TestSealer:
    async def test_a_commit_wakes_it(self, database, sealer):
        await record(database)
        await sealed(database, 1)
        await record(database, 2)

        found = await sealed(database, 3)

        assert (found.fault, found.unsealed) == (None, 0)

    async def test_many_entries_are_sealed_in_batches(self, database, sealer, monkeypatch):
        monkeypatch.setattr(sealing, "BATCH", 3)

        await record(database, 8)

        assert (await sealed(database, 8)).fault is None

    async def test_a_rolled_back_entry_neither_exists_nor_wakes_it(self, database, changes):
        woken = []
        database.on_signal(AUDIT_RECORDED, lambda: woken.append(1))

        async def fail():
            async with database.transaction() as session:
                target = AuditTarget(AuditTargetType.USER)
                await recording.record(session, OPERATOR, Action.USER_ENABLED, target)
                raise Unavailable("Broken.")

        with pytest.raises(Unavailable):
            await fail()

        assert not woken
        assert (await check(database, SERVER_CHAIN)).unsealed == 0

    async def test_sealers_of_several_processes_do_not_disturb_each_other(self, database, account):
        by = By(ActorKind.OPERATOR, account.workspace_id)
        for _ in range(5):
            async with database.transaction() as session:
                for name in "abcd":
                    target = AuditTarget(AuditTargetType.USER, name=name)
                    await recording.record(session, by, Action.USER_ENABLED, target)

        async def seal():
            async with database.transaction() as session:
                return await sealing.seal(session)

        numbers = await asyncio.gather(*(seal() for _ in range(4)))

        assert sum(numbers) == 20
        found = await check(database, account.workspace_id)
        assert (found.fault, found.entries) == (None, 20)


class TestRecord:
    async def test_long_values_are_cut(self, database, account):
        async with database.transaction() as session:
            await recording.record(
                session,
                By(ActorKind.OPERATOR, account.workspace_id),
                Action.WORKSPACE_UPDATED,
                AuditTarget(AuditTargetType.WORKSPACE, name="n" * 600),
                after={"text": "t" * 600, "list": list(range(60)), "null": None},
            )
            (entry,) = await queries.unsealed(session, 10)

        assert entry.target_name == "n" * 500 + "…"
        assert entry.after == {
            "text": "t" * 500 + "…", "list": [*range(50), "…"], "null": None,
        }  # fmt: skip

    def test_only_changed_fields_are_named(self):
        found = recording.changes({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": None})

        assert found == ({"b": 2}, {"b": 3})
