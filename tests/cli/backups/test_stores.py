"""What a restore meets in one kind of store only."""

import asyncio
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.backups.conftest import (
    FILE,
    Kept,
    add_run,
    only_postgresql,
    only_sqlite,
    run_ids,
)
from tests.cli.conftest import Cli, Command

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


@only_sqlite
class TestSqlite:
    async def test_while_a_server_has_the_file_it_stays(self, command: Command, kept: Kept):
        command.environment |= {"STEPIQ_DATABASE_URL": os.environ["STEPIQ_DATABASE_URL"]}
        # For people, the command says on standard output that it is ready.
        command.environment |= {"STEPIQ_PORT": "0", "STEPIQ_LOG_FORMAT": "console"}
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
        with (
            psycopg.connect(database_url, application_name="stepiq"),
            psycopg.connect(database_url, application_name="stepiq worker"),
            psycopg.connect(database_url, application_name="other 2.0"),
        ):
            said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert re.search(
            r"is in use by other 2\.0( at [\d.]+)?, stepIQ( at [\d.]+)?\. Stop every", said.err
        )

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
        assert "need pg_dump, which is not installed" in said.err
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
