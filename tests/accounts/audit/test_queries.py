"""Reading the log goes by indexes, also if the logs of others are long."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.accounts.audit import queries
from stepiq.accounts.audit.actions import Action, ActorKind, AuditTargetType
from stepiq.accounts.audit.records import AuditFilter
from stepiq.accounts.audit.sealing import seal
from stepiq.accounts.housekeeping import sweep_audit
from stepiq.core import clock, ids
from stepiq.store.tables import audit_entries
from tests.support.query_plans import plan_of, statements, walked_whole

OURS = 300
THEIRS = 3_000


pytestmark = pytest.mark.both_stores


def row(workspace_id, number):
    return {
        "id": ids.uuid7(),
        "workspace_id": workspace_id,
        "at": clock.now(),
        "actor_kind": ActorKind.PERSON,
        "actor_id": ids.uuid7(),
        "key_id": ids.uuid7(),
        "action": Action.PIPELINE_UPDATED if number % 7 else Action.SECRET_DELETED,
        "target_type": AuditTargetType.PIPELINE,
        "target_id": str(number),
        "sequence": number,
        "hash": "0" * 64,
        "sealed_at": clock.now(),
    }


@pytest.fixture
async def grown(database, account, stranger):
    async with database.transaction() as session:
        for workspace_id, count in ((stranger.workspace_id, THEIRS), (account.workspace_id, OURS)):
            rows = [row(workspace_id, number) for number in range(1, count + 1)]
            await session.execute(audit_entries.insert(), rows)
        await session.execute(sa.text("ANALYZE"))
    return rows[10]


@pytest.mark.new_store
class TestStatements:
    async def test_none_reads_the_log_as_a_whole(self, database, account, grown):
        now = clock.now()
        filters = (
            AuditFilter(),
            AuditFilter(actions=(Action.SECRET_DELETED,)),
            AuditFilter(actions=(Action.SECRET_DELETED, Action.SECRET_READ)),
            AuditFilter(actor=grown["actor_id"]),
            AuditFilter(actor=grown["key_id"]),
            AuditFilter(target="11"),
            AuditFilter(since=now - timedelta(days=1), until=now),
        )
        with statements() as seen:
            async with database.transaction() as session:
                for wanted in filters:
                    for before in (None, ids.uuid7()):
                        await queries.page(
                            session, account.workspace_id, wanted, before=before, limit=20
                        )
                for wanted in filters:
                    await queries.exported(session, account.workspace_id, wanted, after=5, limit=20)
                await queries.chains(session, [account.workspace_id])
                await queries.is_erased(session, account.workspace_id)
                await sweep_audit(session, now, kept=timedelta(days=5))

        bad = {
            text: found
            for text, parameters in seen.items()
            if (found := walked_whole(await plan_of(database, text, parameters)))
        }
        assert not bad

    async def test_only_new_entries_are_read_to_seal_them(self, database, grown):
        with statements() as seen:
            async with database.transaction() as session:
                assert await seal(session) == 0

        plans = [
            await plan_of(database, text, parameters)
            for text, parameters in seen.items()
            if "audit_entries" in text
        ]
        assert plans
        assert all("ix_audit_entries_unsealed" in plan for plan in plans)
