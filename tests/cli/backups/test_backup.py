"""`stepiq backup`."""

import base64
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from stepiq.core.keys import files as keys
from stepiq.core.keys.encryption import fingerprint
from stepiq.core.settings.model import load
from stepiq.store.migrate import known_revisions
from tests.cli.backups.conftest import FILE, Kept
from tests.cli.conftest import Cli

pytestmark = pytest.mark.one_store


class TestBackup:
    def test_it_says_what_it_holds_but_not_the_key(self, cli: Cli, kept: Kept):
        said = cli("backup", FILE)

        with zipfile.ZipFile(FILE) as archive:
            manifest = json.loads(archive.read("manifest.json"))
            everything = b"".join(archive.read(name) for name in archive.namelist())
        in_force = keys.master_key(load())
        assert said.code == 0
        assert manifest["store"] == "sqlite"
        assert manifest["schema_revision"] == known_revisions()[0]
        assert manifest["master_key"] == fingerprint(in_force)
        assert manifest["secrets"] == {fingerprint(in_force): 2}
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

    def test_nothing_is_no_backup(self, cli: Cli, folder: Path, move: Callable[[], None]):
        move()

        said = cli("backup", FILE)

        assert said.code == 1
        assert "so there is nothing to back up" in said.err
        assert not Path(FILE).exists()

    def test_no_key_is_made_by_it(
        self, cli: Cli, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("STEPIQ_DATA_DIR", str(tmp_path / "without"))

        said = cli("backup", FILE)

        assert said.code == 0
        assert "Neither the backup nor this machine has the master key." in said.err
        assert not (tmp_path / "without" / "master.key").exists()

    def test_a_damaged_database_is_not_copied(self, cli: Cli, kept: Kept, tmp_path: Path):
        with (tmp_path / "stepiq.db").open("r+b") as file:
            file.seek(8192)
            file.write(os.urandom(200_000))

        said = cli("backup", FILE)

        assert said.code == 1
        assert not Path(FILE).exists()

    def test_postgresql_is_refused_with_the_command_to_use(
        self, cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv(
            "STEPIQ_DATABASE_URL", "postgresql://me:geheim@db.example.com:5433/flows"
        )

        said = cli("backup", FILE)

        assert said.code == 2
        assert (
            f"pg_dump --format=custom --file={FILE} postgresql://me@db.example.com:5433/flows"
            in said.err
        )
        assert "geheim" not in said.err
        assert not Path(FILE).exists()
