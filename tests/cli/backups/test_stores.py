"""What a restore meets in the files of a server."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.backups.conftest import FILE, Kept, add_run, run_ids
from tests.cli.conftest import Cli, Command

pytestmark = pytest.mark.one_store

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


def claim(path: Path) -> int:
    """The column of the only run in a database."""
    with closing(sqlite3.connect(path)) as connection:
        ((number,),) = connection.execute("SELECT claim FROM runs").fetchall()
    return number


class TestRestore:
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
        assert claim(old) == 41
        assert claim(path) == 0

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

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("where", "call"),
        [("_checked", 1), ("_set_aside", 1), ("sync_folder", 1), ("sync_folder", 2)],
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
