import asyncio
import base64

import pytest

from stepiq.core.encryption import Keyring
from stepiq.core.settings import load
from stepiq.server.checks import Status
from stepiq.server.checks.secrets import check_secrets
from stepiq.server.checks.store import check_store
from stepiq.store.database import Database
from tests.support.make import Make


def written(key):
    return base64.b64encode(key * 32).decode()


@pytest.fixture
def store(folder, database_url, monkeypatch):
    """Three secrets under the key `a`, which the server has."""
    monkeypatch.setenv("STEPIQ_DATABASE_URL", database_url)
    monkeypatch.setenv("STEPIQ_ALLOW_UNSAFE_STORE", "true")
    monkeypatch.setenv("STEPIQ_MASTER_KEY", written(b"a"))

    async def fill():
        configured = load()
        database = Database(configured)
        make = Make(database)
        account = await make.user()
        for name in ("A", "B", "C"):
            await make.secret(account, name, keys=Keyring(configured))
        await database.close()

    asyncio.run(fill())


def checked():
    return asyncio.run(check_secrets(load()))


class TestRotate:
    def test_secrets_move_from_the_old_key_to_the_new(self, cli, store, monkeypatch):
        monkeypatch.setenv("STEPIQ_MASTER_KEY", written(b"b"))
        monkeypatch.setenv("STEPIQ_PREVIOUS_MASTER_KEYS", written(b"a"))

        counted, moved = cli("keys", "rotate", "--dry-run"), cli("keys", "rotate")
        monkeypatch.delenv("STEPIQ_PREVIOUS_MASTER_KEYS")
        again = cli("keys", "rotate")

        assert "3 with earlier keys of this server." in counted.out
        assert "Nothing was changed." in counted.out
        assert "3 of 3 re-encrypted" in moved.out
        assert "you can remove earlier keys" in moved.out
        assert "3 secrets: 3 with the current master key" in again.out
        assert counted.code == moved.code == again.code == 0

    def test_without_the_old_key_nothing_is_touched(self, cli, store, monkeypatch):
        monkeypatch.setenv("STEPIQ_MASTER_KEY", written(b"b"))

        said = cli("keys", "rotate")
        monkeypatch.setenv("STEPIQ_MASTER_KEY", written(b"a"))

        assert said.code == 1
        assert "3 secrets with a master key that this server does not have" in said.out
        assert "all with the current" in checked()[0].detail

    def test_a_key_file_is_replaced_and_the_old_key_kept(self, cli, store, folder, monkeypatch):
        data = folder / "data"
        data.mkdir(mode=0o700)
        monkeypatch.delenv("STEPIQ_MASTER_KEY")
        (data / "master.key").write_text(written(b"a"))
        (data / "master.key").chmod(0o600)

        said = cli("keys", "rotate", "--generate")

        assert said.code == 0
        assert "Created a new master.key." in said.out
        assert "3 of 3 re-encrypted" in said.out
        assert (data / "previous-master.keys").read_text().strip() == written(b"a")
        (data / "previous-master.keys").unlink()
        assert checked()[0].status is Status.OK

    def test_keys_of_the_environment_cannot_be_made_here(self, cli, store):
        said = cli("keys", "rotate", "--generate")

        assert said.code == 1
        assert "STEPIQ_PREVIOUS_MASTER_KEYS" in said.err


class TestCheckSecrets:
    def test_a_database_that_is_not_there_has_none(self, folder):
        assert checked() == []

    def test_all_is_well_under_the_current_key(self, store):
        assert checked()[0].status is Status.OK

    def test_an_earlier_key_is_worth_a_note(self, store, monkeypatch):
        monkeypatch.setenv("STEPIQ_PREVIOUS_MASTER_KEYS", written(b"a"))
        monkeypatch.setenv("STEPIQ_MASTER_KEY", written(b"b"))

        assert checked()[0].status is Status.NOTE

    def test_another_key_is_a_failure_that_names_the_old_one(self, store, monkeypatch):
        monkeypatch.setenv("STEPIQ_MASTER_KEY", written(b"b"))

        check = checked()[0]

        assert check.status is Status.FAILED
        assert "3 of 3 cannot be read: this server does not have their master key (" in check.detail

    def test_a_missing_key_is_a_failure_and_none_is_made(self, store, folder, monkeypatch):
        monkeypatch.delenv("STEPIQ_MASTER_KEY")

        assert "3 stored, but this server does not have their master key." in checked()[0].detail
        assert not (folder / "data" / "master.key").exists()

    def test_a_damaged_key_is_reported_by_its_own_check(self, store, monkeypatch):
        monkeypatch.setenv("STEPIQ_MASTER_KEY", "short")

        assert checked() == []
        found = asyncio.run(check_store(load()))
        assert [check.name for check in found if check.error] == ["master key"]
