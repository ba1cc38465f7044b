"""`stepiq restore`."""

import base64
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stepiq.core.keys import files as keys
from stepiq.core.keys.encryption import fingerprint
from stepiq.core.settings.model import Settings, load
from stepiq.store.database import Database
from stepiq.store.migrate import known_revisions
from stepiq.store.tables import workspaces
from tests.cli.backups.conftest import (
    FILE,
    VALUE,
    Kept,
    add_run,
    is_code_accepted,
    rewrite,
    run_ids,
    secret_of,
)
from tests.cli.conftest import Cli, within
from tests.support.later_version import add_migrations
from tests.support.make import Make

pytestmark = pytest.mark.one_store


class TestRestore:
    def test_a_new_machine_has_all_of_it_and_reads_secrets_with_the_same_key(
        self, cli: Cli, kept: Kept, move: Callable[[], None], monkeypatch: pytest.MonkeyPatch
    ):
        cli("backup", FILE)
        key = base64.b64encode(keys.master_key(load())).decode()
        move()
        monkeypatch.setenv("STEPIQ_MASTER_KEY", key)

        said = cli("restore", FILE)

        assert said.code == 0, said.err
        assert "does not have" not in said.err
        assert run_ids() == [kept.run_id]
        assert secret_of(kept) == VALUE
        assert is_code_accepted(kept)

    def test_another_key_is_told_with_what_to_do(
        self, cli: Cli, kept: Kept, move: Callable[[], None]
    ):
        cli("backup", FILE)
        needed = fingerprint(keys.master_key(load()))
        move()
        keys.master_key(load())

        said = cli("restore", FILE)

        assert said.code == 0
        assert (
            f"2 stored secrets are encrypted with the master key {needed}, which this server does not have"
            in said.err
        )
        assert "STEPIQ_PREVIOUS_MASTER_KEYS" in said.err

    def test_with_keys_it_needs_nothing_else(self, cli: Cli, kept: Kept, move: Callable[[], None]):
        jwt = keys.jwt_secret(load())
        made = cli("backup", FILE, "--with-keys")
        move()

        said = cli("restore", FILE)

        assert "anyone who has the file can read every secret" in made.err
        assert "were restored into the data folder" in said.err
        assert secret_of(kept) == VALUE
        assert keys.jwt_secret(load()) == jwt

    def test_keys_that_are_there_stay_and_the_others_still_decrypt(
        self, cli: Cli, kept: Kept, move: Callable[[], None]
    ):
        cli("backup", FILE, "--with-keys")
        move()
        own, jwt = keys.master_key(load()), keys.jwt_secret(load())

        cli("restore", FILE)

        assert (keys.master_key(load()), keys.jwt_secret(load())) == (own, jwt)
        assert secret_of(kept) == VALUE

    def test_keys_of_the_environment_are_not_replaced(
        self, cli: Cli, kept: Kept, move: Callable[[], None], monkeypatch: pytest.MonkeyPatch
    ):
        cli("backup", FILE, "--with-keys")
        move()
        monkeypatch.setenv("STEPIQ_MASTER_KEY", base64.b64encode(b"b" * 32).decode())

        said = cli("restore", FILE)

        assert said.code == 0
        assert "unzip -p backup.zip keys/master.key" in said.err
        assert "which this server does not have" in said.err

    def test_a_database_that_is_there_is_replaced_only_when_told(self, cli: Cli, kept: Kept):
        cli("backup", FILE)
        later = add_run(kept)

        refused = cli("restore", FILE)
        assert refused.code == 1
        assert "--force" in refused.err
        assert set(run_ids()) == {kept.run_id, later}

        assert cli("restore", FILE, "--force").code == 0
        assert run_ids() == [kept.run_id]

    def test_what_a_newer_version_has_changed_goes(self, cli: Cli, kept: Kept):
        cli("backup", FILE)

        async def upgrade(database: Database, _: Settings) -> None:
            async with database.transaction() as session:
                await session.execute(
                    sa.text("CREATE TABLE newer (run_id uuid REFERENCES runs (id))")
                )
                await session.execute(sa.text("UPDATE alembic_version SET version_num = 'newer'"))

        within(upgrade)

        said = cli("restore", FILE, "--force")

        assert said.code == 0, said.err
        assert "already has schema" in cli("migrate").out

    def test_a_backup_of_an_older_version_is_brought_up_to_date(
        self,
        cli: Cli,
        kept: Kept,
        move: Callable[[], None],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ):
        cli("backup", FILE)
        move()
        older = known_revisions()[0]
        (newest,) = add_migrations(monkeypatch, tmp_path, "SELECT 1")

        said = cli("restore", FILE)

        assert "from an older version" in said.err
        assert f"upgraded the schema from {older} to {newest}" in cli("migrate").out

    def test_a_copy_made_while_others_write_is_of_one_moment(
        self, cli: Cli, kept: Kept, move: Callable[[], None]
    ):
        async def fill(database: Database, _: Settings) -> None:
            make = Make(database)
            for _number in range(60):
                text = base64.b64encode(os.urandom(60_000)).decode()
                await make.run(kept.account, kept.pipeline_id, input_data={"text": text})

        within(fill)
        stop, went_on = threading.Event(), threading.Event()

        def write() -> None:
            async def add(database: Database, _: Settings) -> None:
                while not stop.is_set():
                    await Make(database).run(kept.account, kept.pipeline_id)
                    went_on.set()

            within(add)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            assert went_on.wait(30)
            assert cli("backup", FILE).code == 0
            went_on.clear()
            assert went_on.wait(30)
        finally:
            stop.set()
            writer.join()
        last = len(run_ids())
        move()
        cli("restore", FILE)

        async def count(database: Database, _: Settings) -> int:
            async with database.reading() as session:
                return await session.scalar(sa.select(workspaces.c.unfinished_runs))

        # A run and the counter of its workspace are written together.
        assert 61 < len(run_ids()) == within(count) < last


class TestRefused:
    def test_one_that_is_cut_short(self, cli: Cli, kept: Kept, move: Callable[[], None]):
        cli("backup", FILE)
        content = Path(FILE).read_bytes()
        Path(FILE).write_bytes(content[: len(content) // 2])
        move()

        said = cli("restore", FILE)

        assert said.code == 1
        assert "damaged or incomplete" in said.err
        assert not (Path("elsewhere") / "stepiq.db").exists()

    def test_one_with_a_changed_byte(self, cli: Cli, kept: Kept):
        cli("backup", FILE)
        content = bytearray(Path(FILE).read_bytes())
        content[len(content) // 2] ^= 1
        Path(FILE).write_bytes(content)

        said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert "damaged" in said.err
        assert run_ids() == [kept.run_id]

    def test_a_file_of_another_kind(self, cli: Cli, kept: Kept):
        Path(FILE).write_text("name: Greet\n")

        said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert "is not a backup of stepIQ. Give a file that `stepiq backup` created." in said.err

    @pytest.mark.parametrize("name", ["../stepiq.db", "/etc/passwd", "keys/../../master.key"])
    def test_one_with_members_of_its_own(self, cli: Cli, kept: Kept, name: str, tmp_path: Path):
        cli("backup", FILE)
        rewrite(lambda manifest: None, **{name: b"mine"})
        before = set(tmp_path.rglob("*"))

        said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert "is not a backup of stepIQ: it contains" in said.err
        assert set(tmp_path.rglob("*")) == before

    def test_one_that_lists_what_it_does_not_hold(self, cli: Cli, kept: Kept):
        cli("backup", FILE)
        content = {"sha256": "0" * 64, "size_bytes": 1}
        rewrite(lambda manifest: manifest["contents"].update({"keys/jwt.key": content}))

        assert "damaged" in cli("restore", FILE, "--force").err

    def test_one_in_a_newer_format(self, cli: Cli, kept: Kept):
        cli("backup", FILE)

        def newer(manifest: dict[str, Any]) -> None:
            manifest.clear()
            manifest.update({"format": 2, "stepiq": "9.1.0", "parts": []})

        rewrite(newer)

        said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert "Install stepIQ 9.1.0 or newer" in said.err

    def test_one_of_a_newer_schema(self, cli: Cli, kept: Kept):
        cli("backup", FILE)
        rewrite(lambda manifest: manifest.update(schema_revision="299901010000", stepiq="9.1.0"))

        said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert "299901010000" in said.err
        assert "Install stepIQ 9.1.0 or newer" in said.err

    def test_a_dump_of_pg_dump(self, cli: Cli, kept: Kept):
        Path(FILE).write_bytes(b"PGDMP\x01\x0e")

        said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert f"{FILE} is a dump of PostgreSQL, which `pg_restore` restores." in said.err
        assert run_ids() == [kept.run_id]

    @pytest.mark.parametrize("content", [b"", b"not a backup", b"PK\x05\x06" + 18 * b"\0"])
    def test_what_is_no_backup(self, cli: Cli, kept: Kept, content: bytes):
        Path(FILE).write_bytes(content)

        said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert FILE in said.err

    def test_a_file_that_is_not_there(self, cli: Cli, kept: Kept):
        said = cli("restore", "nope.zip")

        assert said.code == 2
        assert said.err == (
            "Error: File nope.zip does not exist. Give a file that `stepiq backup` created.\n"
        )
