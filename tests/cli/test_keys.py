import asyncio
import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from stepiq.core.keys.encryption import Keyring, fingerprint
from stepiq.core.settings.model import load
from stepiq.server.checks import Status
from stepiq.server.checks.store import check_secrets
from tests.cli.conftest import Command, within
from tests.support.later_version import add_migrations
from tests.support.make import Make

KEY_A = fingerprint(b"a" * 32)


def written(key):
    return base64.b64encode(key * 32).decode()


@pytest.fixture
def store(folder, database_url, monkeypatch):
    """Three secrets under the key `a`, which the server has."""
    monkeypatch.setenv("STEPIQ_DATABASE_URL", database_url)
    monkeypatch.setenv("STEPIQ_ALLOW_UNSAFE_STORE", "true")
    monkeypatch.setenv("STEPIQ_MASTER_KEY", written(b"a"))

    async def fill(database, configured):
        make = Make(database)
        account = await make.user()
        for name in ("A", "B", "C"):
            await make.secret(account, name, keys=Keyring(configured))

    within(fill)


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
        assert "all with the current" in checked()[1].detail

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
        assert checked()[1].status is Status.OK

    def test_a_dry_run_changes_nothing(self, cli, folder):
        cli("migrate")
        before = sorted(path.name for path in (folder / "data").iterdir())

        said = cli("keys", "rotate", "--dry-run")

        assert said.code == 0
        assert said.out == "0 secrets. This server has no master key.\nNothing was changed.\n"
        assert sorted(path.name for path in (folder / "data").iterdir()) == before

    def test_without_any_key_none_is_made(self, cli, store, folder, monkeypatch):
        monkeypatch.delenv("STEPIQ_MASTER_KEY")

        said = cli("keys", "rotate")

        assert said.code == 1
        assert "Set STEPIQ_MASTER_KEY to this key, or restore master.key from its copy" in said.out
        assert not (folder / "data" / "master.key").exists()

    def test_another_schema_is_not_changed(self, cli, store, tmp_path, monkeypatch):
        add_migrations(monkeypatch, tmp_path, "SELECT 1")

        said = cli("keys", "rotate")

        assert said.code == 2
        assert "Run `stepiq migrate` first." in said.err

    def test_keys_of_the_environment_cannot_be_made_here(self, cli, store):
        said = cli("keys", "rotate", "--generate")

        assert said.code == 1
        assert "STEPIQ_PREVIOUS_MASTER_KEYS" in said.err


class TestServe:
    @pytest.mark.slow
    def test_with_another_key_it_warns_and_works(self, store, command: Command, folder: Path):
        command.environment |= {
            **{
                name: os.environ[name]
                for name in ("STEPIQ_DATABASE_URL", "STEPIQ_ALLOW_UNSAFE_STORE")
            },
            "STEPIQ_MASTER_KEY": written(b"b"),
        }

        lines, code = asyncio.run(started(command))

        (warning,) = [line for line in lines if line["event"] == "startup_warning"]
        assert warning["level"] == "warning"
        assert (
            "3 of 3 secrets cannot be read: this server does not have their master key"
            in warning["problem"]
        )
        assert f"({KEY_A})" in warning["problem"]
        assert "Set STEPIQ_MASTER_KEY to this key." in warning["problem"]
        assert lines[-1]["event"] == "server_ready"
        assert code == 0


async def started(command: Command) -> tuple[list[dict[str, Any]], int]:
    """The log of a server until it is ready, and its exit code when it is told to end."""
    process = await command.start("serve", "--port", "0")
    lines: list[dict[str, Any]] = []
    try:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            while not lines or lines[-1]["event"] != "server_ready":
                lines.append(json.loads(await process.stderr.readline()))
        process.terminate()
        await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return lines, process.returncode or 0


class TestCheckSecrets:
    def test_a_new_server_creates_its_key_for_the_first_secret(self, folder):
        (key,) = checked()

        assert key.detail == (
            f"will be created in {folder}/data/master.key when you store the first secret"
        )

    def test_all_is_well_under_the_current_key(self, store):
        key, secrets = checked()

        assert key.detail == "from STEPIQ_MASTER_KEY"
        assert secrets.status is Status.OK

    def test_an_earlier_key_is_worth_a_note(self, store, monkeypatch):
        monkeypatch.setenv("STEPIQ_PREVIOUS_MASTER_KEYS", written(b"a"))
        monkeypatch.setenv("STEPIQ_MASTER_KEY", written(b"b"))

        assert checked()[1].status is Status.NOTE

    def test_another_key_is_a_failure_that_names_the_old_one(self, store, monkeypatch):
        monkeypatch.setenv("STEPIQ_MASTER_KEY", written(b"b"))

        check = checked()[1]

        assert check.status is Status.FAILED
        assert check.detail == (
            f"3 of 3 secrets cannot be read: this server does not have their master key ({KEY_A})."
        )
        assert check.advice.startswith("Set STEPIQ_MASTER_KEY to this key. If other secrets use")

    def test_a_missing_key_is_one_failure_that_names_it_and_none_is_made(
        self, store, folder, monkeypatch
    ):
        monkeypatch.delenv("STEPIQ_MASTER_KEY")

        (check,) = checked()

        assert check.status is Status.FAILED
        assert (
            f"3 of 3 secrets cannot be read: this server does not have their master key ({KEY_A})."
            in check.detail
        )
        assert check.advice.startswith("Set STEPIQ_MASTER_KEY to this key, or restore master.key")
        assert not (folder / "data" / "master.key").exists()

    @pytest.mark.parametrize("name", ["STEPIQ_MASTER_KEY", "STEPIQ_PREVIOUS_MASTER_KEYS"])
    def test_a_damaged_key_fails(self, store, monkeypatch, name):
        monkeypatch.setenv(name, "short")

        (check,) = checked()

        assert check.error is not None
        assert check.detail.startswith(f"{name} must be 32 bytes in base64.")
