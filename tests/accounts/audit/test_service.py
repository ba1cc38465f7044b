from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.accounts.audit import recording, service
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import (
    OPERATOR,
    SERVER_CHAIN,
    AuditFilter,
    AuditTarget,
    Fault,
    Head,
    operator_of,
)
from stepiq.accounts.audit.sealing import seal
from stepiq.accounts.audit.service import AuditHeadInvalid
from stepiq.accounts.housekeeping import sweep_audit
from stepiq.store.tables import audit_chains, audit_entries


async def record(database, by, names):
    async with database.transaction() as session:
        for name in names:
            await recording.record(
                session,
                by,
                Action.PIPELINE_ARCHIVED,
                AuditTarget(AuditTargetType.PIPELINE, "1", name),
                before={"é": [1, True, None]},
            )
    async with database.transaction() as session:
        return await seal(session)


@pytest.fixture
async def chain_id(database, account):
    """A chain of five entries, in two batches."""
    await record(database, operator_of(account.workspace_id), "abc")
    await record(database, operator_of(account.workspace_id), "de")
    return account.workspace_id


async def intact(database, chain_id, **options):
    """The result of a check that finds no fault, and the head of the chain."""
    found = await service.check(database, chain_id, **options)
    assert found.fault is None
    assert found.head is not None
    return found, found.head


async def change(database, place, **values):
    async with database.transaction() as session:
        await session.execute(
            sa.update(audit_entries).where(audit_entries.c.sequence == place).values(**values)
        )


async def remove(database, condition):
    async with database.transaction() as session:
        await session.execute(sa.delete(audit_entries).where(condition))


class TestSeal:
    async def test_each_workspace_and_the_server_have_their_own_chain(
        self, database, account, stranger
    ):
        for by in (operator_of(account.workspace_id), operator_of(stranger.workspace_id), OPERATOR):
            await record(database, by, "ab")

        for chain_id in (account.workspace_id, stranger.workspace_id, SERVER_CHAIN):
            found, head = await intact(database, chain_id)
            assert (found.entries, head.sequence) == (2, 2)

    async def test_nothing_is_sealed_twice(self, database, chain_id):
        async with database.transaction() as session:
            assert await seal(session) == 0


class TestCheck:
    async def test_an_empty_chain_is_intact(self, database, account):
        found = await service.check(database, account.workspace_id)

        assert (found.fault, found.entries, found.head) == (None, 0, None)

    @pytest.mark.both_stores
    @pytest.mark.parametrize(
        "values",
        [
            {"target_name": "x"},
            {"actor_kind": "person"},
            {"client": "10.0.0.1"},
            {"before": {"é": [1, True, 0]}},
            {"after": {}},
        ],
    )
    async def test_a_changed_entry_is_found(self, database, chain_id, values):
        await change(database, 3, **values)

        found = await service.check(database, chain_id)

        assert (found.fault, found.fault_at, found.entries) == (Fault.CHANGED, 3, 2)

    @pytest.mark.parametrize("sequence", [1, 2, 4])
    async def test_a_removed_entry_is_found(self, database, chain_id, sequence):
        await remove(database, audit_entries.c.sequence == sequence)

        found = await service.check(database, chain_id)

        assert (found.fault, found.fault_at) == (Fault.MISSING, sequence)

    async def test_removed_last_entries_are_found_by_the_end_of_the_chain(self, database, chain_id):
        await remove(database, audit_entries.c.sequence > 3)

        found = await service.check(database, chain_id)

        assert (found.fault, found.fault_at) == (Fault.TRUNCATED, 4)

    async def test_swapped_entries_are_found(self, database, chain_id):
        await change(database, 2, sequence=99)
        await change(database, 3, sequence=2)
        await change(database, 99, sequence=3)

        found = await service.check(database, chain_id)

        assert (found.fault, found.fault_at) == (Fault.CHANGED, 2)

    @pytest.mark.both_stores
    async def test_a_swap_with_exchanged_hashes_is_found(self, database, chain_id):
        async with database.reading() as session:
            statement = sa.select(audit_entries.c.hash).order_by(audit_entries.c.sequence)
            hashes = list((await session.execute(statement)).scalars())
        await change(database, 2, sequence=99, hash=hashes[2])
        await change(database, 3, sequence=2, hash=hashes[1])
        await change(database, 99, sequence=3)

        assert (await service.check(database, chain_id)).fault_at == 2

    async def test_two_entries_in_one_place_are_found(self, database, chain_id):
        await change(database, 3, sequence=2)

        assert (await service.check(database, chain_id)).fault is not None

    @pytest.mark.both_stores
    async def test_a_whole_new_end_is_found_by_the_expected_head(self, database, chain_id):
        _, head = await intact(database, chain_id)
        await remove(database, audit_entries.c.sequence > 3)
        async with database.transaction() as session:
            last = sa.select(audit_entries.c.hash).where(audit_entries.c.sequence == 3)
            await session.execute(
                sa.update(audit_chains).values(sequence=3, hash=last.scalar_subquery())
            )

        assert (await service.check(database, chain_id)).fault is None
        found = await service.check(database, chain_id, expected=head)
        assert (found.fault, found.fault_at) == (Fault.UNEXPECTED_HEAD, 5)

    async def test_a_grown_chain_contains_its_earlier_head(self, database, account, chain_id):
        _, head = await intact(database, chain_id)
        await record(database, operator_of(account.workspace_id), "f")

        assert (await service.check(database, chain_id, expected=head)).fault is None
        other = Head(head.sequence, "f" * 64)
        found = await service.check(database, chain_id, expected=other)
        assert found.fault is Fault.UNEXPECTED_HEAD

    async def test_a_check_continues_where_the_last_one_stopped(self, database, account, chain_id):
        await record(database, operator_of(account.workspace_id), "x" * 200)

        # It stops behind a batch of 200 entries.
        first, head = await intact(database, chain_id, limit=2)
        rest = await service.check(database, chain_id, after=head.sequence)

        assert (first.entries, first.is_complete) == (200, False)
        assert (rest.entries, rest.is_complete, rest.fault) == (5, True, None)


class TestSweep:
    async def test_a_shortened_chain_is_intact(self, database, account, chain_id, clock):
        _, old = await intact(database, chain_id)
        clock.advance(timedelta(days=10))
        await record(database, operator_of(account.workspace_id), "fg")

        async with database.transaction() as session:
            deleted = await sweep_audit(session, clock.now(), kept=timedelta(days=5))

        assert deleted == 5
        found, head = await intact(database, chain_id)
        assert (found.deleted, found.entries, head.sequence) == (5, 2, 7)
        assert (await service.check(database, chain_id, expected=old)).fault is None
        older = Head(4, old.hash)
        found = await service.check(database, chain_id, expected=older)
        assert found.fault is Fault.HEAD_DELETED

    @pytest.mark.parametrize("days", [5, 50])
    async def test_a_chain_that_is_shortened_during_its_check_is_intact(
        self, database, account, chain_id, clock, monkeypatch, days
    ):
        clock.advance(timedelta(days=10))
        await record(database, operator_of(account.workspace_id), "fg")
        clock.advance(timedelta(days=days - 4))
        exported = service.queries.exported

        async def exported_later(session, *args, **options):
            monkeypatch.undo()
            async with database.transaction() as other:
                await sweep_audit(other, clock.now(), kept=timedelta(days=5))
            async with database.reading() as session:
                return await exported(session, *args, **options)

        monkeypatch.setattr(service.queries, "exported", exported_later)

        found, head = await intact(database, chain_id)

        assert head.sequence == 7
        assert found.deleted == (5 if days == 5 else 7)

    @pytest.mark.both_stores
    async def test_the_rest_of_a_shortened_chain_is_still_protected(
        self, database, account, chain_id, clock
    ):
        clock.advance(timedelta(days=10))
        await record(database, operator_of(account.workspace_id), "fgh")
        async with database.transaction() as session:
            await sweep_audit(session, clock.now(), kept=timedelta(days=5))

        await remove(database, audit_entries.c.sequence == 6)

        assert (await service.check(database, chain_id)).fault is Fault.MISSING


class TestExport:
    async def test_only_sealed_entries_in_the_order_of_the_chain(self, database, account, chain_id):
        async with database.transaction() as session:
            await recording.record(
                session,
                operator_of(account.workspace_id),
                Action.PIPELINE_RESTORED,
                AuditTarget(AuditTargetType.PIPELINE),
            )

        batches = [each async for each in service.export(database, chain_id, AuditFilter())]

        assert [[entry.target_name for entry in each] for each in batches] == [list("abcde")]

    async def test_a_long_chain_in_batches(self, database, account, chain_id):
        for _ in range(2):
            await record(database, operator_of(account.workspace_id), "x" * 200)

        batches = [each async for each in service.export(database, chain_id, AuditFilter())]

        assert [len(each) for each in batches] == [200, 200, 5]
        sequences = [entry.sequence for each in batches for entry in each]
        assert sequences == list(range(1, 406))


class TestHead:
    @pytest.mark.parametrize("text", ["", "5", "5:abc", "x:" + "0" * 64, "-1:" + "0" * 64])
    def test_another_format_is_refused(self, text):
        with pytest.raises(AuditHeadInvalid):
            service.head(text)

    def test_the_printed_form_is_accepted(self):
        head = Head(5, "ab" * 32)

        assert service.head(str(head)) == head
