"""`stepiq backup` and `stepiq restore`, on both stores."""

import asyncio
import base64
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa

from stepiq.accounts.secrets.reader import StoredSecrets
from stepiq.accounts.service import Account
from stepiq.cli.database import known_revisions
from stepiq.core import keys
from stepiq.core.encryption import Keyring, fingerprint
from stepiq.core.settings import Settings, load
from stepiq.store import migrate
from stepiq.store.database import Database
from stepiq.store.states import RunStatus
from stepiq.store.tables import runs, workspaces
from tests.cli.conftest import Cli, Command
from tests.support.make import Make
from tests.support.stores import PostgresStores

FILE = "backup.zip"
VALUE = "a secret of an account"

# Ends as a kill would, at the so manieth call of a function, before that does anything.
_KILLED = """
import os, sys
from stepiq.cli.backups import sqlite
from stepiq.cli.main import main
calls, real = [], sqlite.{where}
def die(*arguments):
    calls.append(arguments)
    return os._exit(9) if len(calls) == {call} else real(*arguments)
sqlite.{where} = die
sys.argv = ["stepiq", "restore", {file!r}, "--force"]
main()
"""

only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@dataclass(frozen=True)
class Kept:
    """What a server keeps: an account with a secret, and a run that has not ended."""

    account: Account
    pipeline_id: UUID
    run_id: UUID


def within(action: Callable[[Database, Settings], Any]) -> Any:
    """Do something with the database that the environment names now."""

    async def act() -> Any:
        configured = load()
        database = Database(configured)
        try:
            return await action(database, configured)
        finally:
            await database.close()

    return asyncio.run(act())


@pytest.fixture
def kept(folder: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.setenv("STEPIQ_DATABASE_URL", database_url)

    async def fill(database: Database, configured: Settings) -> Kept:
        make = Make(database)
        account = await make.user()
        await make.secret(account, "TOKEN", VALUE, keys=Keyring(configured))
        pipeline_id = await make.pipeline(account)
        run_id = await make.run(account, pipeline_id, status=RunStatus.RUNNING)
        return Kept(account, pipeline_id, run_id)

    return within(fill)


@pytest.fixture
def move(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Callable[[], None]]:
    """Go on another machine: an empty database, a data folder with nothing in it."""
    url, stores = f"sqlite:///{tmp_path / 'elsewhere' / 'stepiq.db'}", None
    if not database_url.startswith("sqlite"):
        stores = request.getfixturevalue("postgres_stores")
        assert isinstance(stores, PostgresStores)
        url = stores.create_empty()

    def go() -> None:
        monkeypatch.setenv("STEPIQ_DATABASE_URL", url)
        monkeypatch.setenv("STEPIQ_DATA_DIR", str(tmp_path / "elsewhere"))

    yield go
    if stores is not None:
        stores.drop(url)


def secret_of(kept: Kept) -> str:
    """The account's secret, read with the keys that are here now."""

    async def read(database: Database, configured: Settings) -> str:
        async with database.reading() as session:
            found = await StoredSecrets(Keyring(configured)).read(
                session,
                workspace_id=kept.account.workspace_id,
                pipeline_id=kept.pipeline_id,
                names=["TOKEN"],
            )
        return found["TOKEN"]

    return within(read)


def run_ids() -> list[UUID]:
    async def read(database: Database, _: Settings) -> list[UUID]:
        async with database.reading() as session:
            return list((await session.execute(sa.select(runs.c.id))).scalars())

    return within(read)


def add_run(kept: Kept) -> UUID:
    async def add(database: Database, _: Settings) -> UUID:
        return await Make(database).run(kept.account, kept.pipeline_id)

    return within(add)


def rewrite(change: Callable[[dict[str, Any]], None], **more: bytes) -> None:
    """The same archive with another manifest, and further members."""
    file = Path(FILE)
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    change(manifest)
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {**members, **more}.items():
            archive.writestr(name, content)


class TestBackup:
    def test_it_says_what_it_holds_but_not_the_key(self, cli: Cli, kept: Kept, database_url: str):
        said = cli("backup", FILE)

        with zipfile.ZipFile(FILE) as archive:
            manifest = json.loads(archive.read("manifest.json"))
            everything = b"".join(archive.read(name) for name in archive.namelist())
        in_force = keys.master_key(load())
        assert said.code == 0
        assert manifest["store"] == (
            "sqlite" if database_url.startswith("sqlite") else "postgresql"
        )
        assert manifest["schema_revision"] == known_revisions()[0]
        assert manifest["master_key"] == fingerprint(in_force)
        assert manifest["secrets"] == {fingerprint(in_force): 1}
        assert base64.b64encode(in_force) not in everything
        assert "Keep a copy of" in said.err
        assert "master.key" in said.err

    def test_others_of_this_machine_cannot_read_it(self, cli: Cli, kept: Kept):
        cli("backup", FILE)

        assert Path(FILE).stat().st_mode & 0o777 == 0o600
        assert sorted(path.name for path in Path().iterdir() if "backup" in path.name) == [FILE]

    def test_a_file_that_is_there_stays(self, cli: Cli, kept: Kept):
        Path(FILE).write_text("precious")

        said = cli("backup", FILE)

        assert said.code == 2
        assert Path(FILE).read_text() == "precious"

    def test_a_folder_that_is_not_there_is_named(self, cli: Cli, kept: Kept):
        said = cli("backup", "nowhere/backup.zip")

        assert said.code == 2
        assert "nowhere" in said.err

    def test_nothing_is_no_backup(self, cli: Cli, database_url: str, move: Callable[[], None]):
        move()

        said = cli("backup", FILE)

        assert said.code == 1
        assert "nothing to back up" in said.err
        assert not Path(FILE).exists()

    def test_no_key_is_made_by_it(
        self, cli: Cli, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_DATA_DIR", str(tmp_path / "without"))

        said = cli("backup", FILE)

        assert said.code == 0
        assert "neither in it nor on this machine" in said.err
        assert not (tmp_path / "without" / "master.key").exists()

    @only_sqlite
    def test_a_damaged_database_is_not_copied(self, cli: Cli, kept: Kept, tmp_path: Path):
        with (tmp_path / "stepiq.db").open("r+b") as file:
            file.seek(8192)
            file.write(os.urandom(200_000))

        said = cli("backup", FILE)

        assert said.code == 1
        assert not Path(FILE).exists()


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
        assert "is not here" not in said.err
        assert run_ids() == [kept.run_id]
        assert secret_of(kept) == VALUE

    def test_another_key_is_told_with_what_to_do(
        self, cli: Cli, kept: Kept, move: Callable[[], None]
    ):
        cli("backup", FILE)
        needed = fingerprint(keys.master_key(load()))
        move()
        keys.master_key(load())

        said = cli("restore", FILE)

        assert said.code == 0
        assert f"1 stored secret is under the master key {needed}, which is not here" in said.err
        assert "STEPIQ_PREVIOUS_MASTER_KEYS" in said.err

    def test_with_keys_it_needs_nothing_else(self, cli: Cli, kept: Kept, move: Callable[[], None]):
        jwt = keys.jwt_secret(load())
        made = cli("backup", FILE, "--with-keys")
        move()

        said = cli("restore", FILE)

        assert "whoever has it can read every secret" in made.err
        assert "are in the data folder" in said.err
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
        assert "which is not here" in said.err

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
        assert "nothing to do" in cli("migrate").out

    def test_a_backup_of_an_older_version_is_brought_up_to_date(
        self, cli: Cli, kept: Kept, move: Callable[[], None]
    ):
        oldest = known_revisions()[-1]
        within(lambda database, _: asyncio.to_thread(migrate.downgrade, database.url, oldest))
        cli("backup", FILE)
        move()

        said = cli("restore", FILE)

        assert "of an older version" in said.err
        assert f"went from {oldest} to {known_revisions()[0]}" in cli("migrate").out

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
        assert "damaged or cut short" in said.err
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

    @pytest.mark.parametrize("name", ["../stepiq.db", "/etc/passwd", "keys/../../master.key"])
    def test_one_with_members_of_its_own(self, cli: Cli, kept: Kept, name: str, tmp_path: Path):
        cli("backup", FILE)
        rewrite(lambda manifest: None, **{name: b"mine"})
        before = set(tmp_path.rglob("*"))

        said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert "is no part of a backup" in said.err
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

    def test_one_of_the_other_store(
        self, cli: Cli, kept: Kept, database_url: str, monkeypatch: pytest.MonkeyPatch
    ):
        cli("backup", FILE)
        other = "postgresql://u:geheim@127.0.0.1:9/none" if "sqlite" in database_url else ""
        monkeypatch.setenv("STEPIQ_DATABASE_URL", other)

        said = cli("restore", FILE)

        assert said.code == 1
        assert "goes back where it came from" in said.err

    @pytest.mark.parametrize("content", [b"", b"not a backup", b"PK\x05\x06" + 18 * b"\0"])
    def test_what_is_no_backup(self, cli: Cli, kept: Kept, content: bytes):
        Path(FILE).write_bytes(content)

        said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert FILE in said.err

    def test_a_file_that_is_not_there(self, cli: Cli, kept: Kept):
        assert "There is no file" in cli("restore", FILE).err


@only_sqlite
class TestSqlite:
    async def test_while_a_server_has_the_file_it_stays(self, command: Command, kept: Kept):
        command.environment |= {"STEPIQ_DATABASE_URL": os.environ["STEPIQ_DATABASE_URL"]}
        command.environment |= {"STEPIQ_PORT": "0"}
        server = await command.start("serve")
        try:
            assert server.stdout is not None
            await asyncio.wait_for(server.stdout.readline(), 60)
            made = await command("backup", FILE)
            said = await command("restore", FILE, "--force")
        finally:
            server.kill()
            await server.communicate()

        assert made.code == 0, made.err
        assert said.code == 1
        assert f"pid {server.pid}" in said.err

    def test_the_old_database_is_kept_with_what_its_log_held(
        self, cli: Cli, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        cli("backup", FILE)
        path = tmp_path / "stepiq.db"
        with closing(sqlite3.connect(path)) as crashed:
            crashed.execute("PRAGMA wal_autocheckpoint=0")
            crashed.execute("UPDATE runs SET claim = 41")
            crashed.commit()
            log, index = (Path(f"{path}{suffix}").read_bytes() for suffix in ("-wal", "-shm"))
        # As a kill leaves them: what was committed stands in the log only.
        Path(f"{path}-wal").write_bytes(log)
        Path(f"{path}-shm").write_bytes(index)

        said = cli("restore", FILE, "--force")

        (old,) = tmp_path.glob("stepiq.db.before-restore-*")
        assert str(old) in said.err
        assert [row[0] for row in sqlite3.connect(old).execute("SELECT claim FROM runs")] == [41]
        assert [row[0] for row in sqlite3.connect(path).execute("SELECT claim FROM runs")] == [0]

    def test_a_damaged_database_is_replaced_and_kept_as_it_is(
        self, cli: Cli, kept: Kept, tmp_path: Path
    ):
        cli("backup", FILE)
        (tmp_path / "stepiq.db").write_bytes(b"nothing that SQLite knows" * 1000)

        said = cli("restore", FILE, "--force")

        (old,) = tmp_path.glob("stepiq.db.before-restore-*")
        assert said.code == 0, said.err
        assert old.read_bytes().startswith(b"nothing that SQLite knows")
        assert run_ids() == [kept.run_id]

    @pytest.mark.parametrize(
        ("where", "call"),
        [("_check", 1), ("_set_aside", 1), ("sync_folder", 1), ("sync_folder", 2)],
    )
    def test_killed_anywhere_it_leaves_one_of_both_databases_whole(
        self, cli: Cli, kept: Kept, tmp_path: Path, where: str, call: int
    ):
        cli("backup", FILE)
        later = add_run(kept)
        script = _KILLED.format(where=where, call=call, file=FILE)

        killed = subprocess.run([sys.executable, "-c", script])

        assert killed.returncode == 9
        assert set(run_ids()) in ({kept.run_id, later}, {kept.run_id})
        assert cli("restore", FILE, "--force").code == 0
        assert run_ids() == [kept.run_id]
        assert not [path for path in tmp_path.iterdir() if "restoring" in path.name]

    def test_a_full_disk_leaves_the_database_as_it_was(
        self, cli: Cli, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        from stepiq.cli.backups.archive import Reader

        cli("backup", FILE)
        before = {path.name for path in tmp_path.iterdir()}

        def fill_up(_self: Reader, target: Any) -> None:
            target.write(b"SQLite format 3")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Reader, "copy_database", fill_up)

        said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert "No space left on device" in said.err
        assert run_ids() == [kept.run_id]
        assert {path.name for path in tmp_path.iterdir()} - before <= {"stepiq.db.lock"}


@only_postgresql
class TestPostgres:
    def test_while_somebody_is_connected_it_stays(self, cli: Cli, kept: Kept, database_url: str):
        cli("backup", FILE)
        with psycopg.connect(database_url, application_name="stepiq worker"):
            said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert "in use by stepiq worker" in said.err

    def test_a_failure_in_the_middle_changes_nothing(self, cli: Cli, kept: Kept, database_url: str):
        cli("backup", FILE)
        with psycopg.connect(database_url) as connection:
            connection.execute(
                "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
                " IF tg_tag = 'CREATE INDEX' THEN RAISE 'no index here'; END IF; END $$"
            )
            connection.execute("CREATE EVENT TRIGGER refusing ON ddl_command_end EXECUTE FUNCTION refuse()")  # fmt: skip

        said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert "no index here" in said.err
        assert run_ids() == [kept.run_id]

    def test_killed_in_the_middle_it_changes_nothing(
        self, cli: Cli, kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ):
        cli("backup", FILE)
        programs = tmp_path / "programs"
        programs.mkdir()
        real = shutil.which("pg_restore")
        killing = programs / "pg_restore"
        killing.write_text(f'#!/bin/sh\n{real} "$@" | head -c 30000\nkill -9 $PPID\n')
        killing.chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

        killed = subprocess.run([sys.executable, "-m", "stepiq", "restore", FILE, "--force"])

        assert killed.returncode == -9
        assert run_ids() == [kept.run_id]

    def test_tables_of_an_extension_stay(self, cli: Cli, kept: Kept, database_url: str):
        with psycopg.connect(database_url) as connection:
            connection.execute("CREATE TABLE noted (id int)")
            connection.execute("CREATE EXTENSION IF NOT EXISTS plpgsql")
            connection.execute("ALTER EXTENSION plpgsql ADD TABLE noted")
        cli("backup", FILE)

        assert cli("restore", FILE, "--force").code == 0
        with psycopg.connect(database_url) as connection:
            assert connection.execute("SELECT count(*) FROM noted").fetchone() == (0,)

    def test_without_the_programs_it_is_told_what_to_install(
        self, cli: Cli, kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ):
        monkeypatch.setenv("PATH", str(tmp_path))

        said = cli("backup", FILE)

        assert said.code == 1
        assert "pg_dump is not installed" in said.err
        assert "postgresql-client" in said.err

    def test_the_password_goes_by_the_environment_alone(
        self,
        cli: Cli,
        kept: Kept,
        database_url: str,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ):
        programs = tmp_path / "programs"
        programs.mkdir()
        spy = programs / "pg_dump"
        spy.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\nprintf %s "$PGPASSWORD" > {tmp_path}/given\nexit 3\n')  # fmt: skip
        spy.chmod(0o755)
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        with_password = database_url.replace("postgres@", "postgres:geheim%40@")
        monkeypatch.setenv("STEPIQ_DATABASE_URL", with_password)

        said = cli("backup", FILE)

        assert said.code == 1
        assert (tmp_path / "given").read_text() == "geheim@"
        assert "geheim" not in (tmp_path / "arguments").read_text() + said.out + said.err
