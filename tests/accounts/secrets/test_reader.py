import pytest

from stepiq.accounts.secrets import service
from stepiq.accounts.secrets.reader import StoredSecrets
from stepiq.core.keys.encryption import SecretUnreadable
from tests.support.make_secrets import keyring

ALL = ("A", "B", "C")


@pytest.fixture
async def pipeline_id(make, account):
    return await make.pipeline(account)


async def read(database, account, pipeline_id, names=ALL, keys=None):
    async with database.reading() as session:
        found = await StoredSecrets(keys or keyring()).read(
            session, workspace_id=account.workspace_id, pipeline_id=pipeline_id, names=names
        )
    return {name: secret.value for name, secret in found.items()}


class TestRead:
    async def test_the_pipelines_own_go_before_the_accounts(
        self, database, make, account, pipeline_id
    ):
        await make.secret(account, "A", "its value", pipeline_id=pipeline_id)
        await make.secret(account, "A", "the account's")
        await make.secret(account, "B", "the account's too")

        found = await read(database, account, pipeline_id)

        assert found == {"A": "its value", "B": "the account's too"}

    async def test_others_are_not_read(self, database, make, account, stranger, pipeline_id):
        await make.secret(account, "A", pipeline_id=await make.pipeline(account))
        await make.secret(stranger, "B")
        await make.secret(account, "D")

        assert await read(database, account, pipeline_id) == {}

    async def test_the_newest_value_is_read(self, database, make, account, pipeline_id):
        for value in ("first value", "second value"):
            await make.secret(account, "A", value)

        assert await read(database, account, pipeline_id) == {"A": "second value"}

    async def test_another_master_key_is_an_error(self, database, make, account, pipeline_id):
        await make.secret(account, "A")

        with pytest.raises(SecretUnreadable, match="`A` is encrypted with the master key"):
            await read(database, account, pipeline_id, keys=keyring(b"o"))


class TestStoredNames:
    async def test_only_those_that_are_asked_for_and_stored(
        self, database, make, account, pipeline_id
    ):
        await make.secret(account, "A")
        await make.secret(account, "B", pipeline_id=pipeline_id)
        await make.secret(account, "D")

        async with database.reading() as session:
            workspace = account.workspace_id
            everywhere = await service.stored_names(session, workspace, ALL)
            there = await service.stored_names(session, workspace, ALL, pipeline_id)
            none = await service.stored_names(session, workspace, ())

        assert (everywhere, there, none) == ({"A"}, {"A", "B"}, frozenset())
