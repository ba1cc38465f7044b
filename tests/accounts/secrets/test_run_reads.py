import asyncio

import pytest

from stepiq.accounts.audit.recording import EntryBatcher
from stepiq.accounts.secrets.reader import StoredSecrets
from stepiq.core import clock, ids
from stepiq.execution.protocols import SecretValue
from stepiq.execution.records.run import ClaimedRun
from stepiq.store.states import TriggerType
from tests.support.audit_log import recorded
from tests.support.make_secrets import keyring
from tests.support.query_plans import statements


@pytest.fixture
async def run(make, account):
    pipeline_id = await make.pipeline(account)
    now = clock.now()
    return ClaimedRun(
        id=await make.run(account, pipeline_id),
        workspace_id=account.workspace_id,
        pipeline_id=pipeline_id,
        pipeline_version=1,
        trigger_type=TriggerType.API,
        input_data={},
        claim=1,
        started_at=now,
        created_at=now,
        deadline_at=now,
    )


@pytest.fixture
def found():
    return {name: SecretValue(f"value of {name}", None, ids.uuid7()) for name in ("A", "B")}


def reader(database):
    return StoredSecrets(keyring(), entries=EntryBatcher(database))


class TestRecord:
    async def test_each_secret_is_recorded_once(self, database, run, found):
        for reads in (reader(database), reader(database)):
            await reads.note_run(run, found)
            await reads.note_run(run, found)

        rows = await recorded(database)
        assert sorted(row.target_name for row in rows) == ["A", "B"]
        (row, _) = rows
        assert (row.action, row.actor_kind, row.actor_id) == ("secret.read", "run", run.id)
        assert row.actor_name
        assert row.client is None
        assert "value of" not in str(rows)

    @pytest.mark.both_stores
    async def test_it_takes_one_statement(self, database, run, found):
        with statements() as seen:
            await reader(database).note_run(run, found)

        assert len([each for each in seen if "audit_entries" in str(each)]) == 1

    @pytest.mark.both_stores
    async def test_runs_share_statements(self, database, run, found):
        reads = reader(database)
        other = {name: SecretValue("x", None, ids.uuid7()) for name in ("C", "D", "E")}
        with statements() as seen:
            await asyncio.gather(
                *(reads.note_run(run, {name: each}) for name, each in other.items())
            )

        # The first may be written alone, while the others wait.
        assert len([each for each in seen if "audit_entries" in str(each)]) <= 2
        assert len(await recorded(database)) == 3

    async def test_a_run_without_secrets_costs_nothing(self, database, run):
        with statements() as seen:
            await reader(database).note_run(run, {})

        assert not list(seen)
