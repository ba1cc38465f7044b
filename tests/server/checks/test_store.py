import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import sqlalchemy as sa

from stepiq.core.settings.model import Settings, load
from stepiq.server.checks import Status
from stepiq.server.checks.store import check_secrets, check_store
from stepiq.store import migrate, postgres_checks
from stepiq.store.connections.faults import UnsafeStore
from stepiq.store.database import Database
from tests.server.checks.conftest import named, ordinary_user
from tests.support.later_version import add_migrations

UNSAFE = UnsafeStore("It loses things. Turn it on.")


OLD = postgres_checks.StoreUnsupported("It is PostgreSQL 14. Use another.")


class TestCheckStore:
    async def test_a_database_that_is_up_to_date_is_well(self, settings: Settings):
        found = named(await check_store(settings), "database")

        assert found.status is Status.OK
        assert "schema " in found.detail

    async def test_an_older_schema_is_brought_up_by_serve(
        self, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        add_migrations(monkeypatch, tmp_path, "SELECT 1")

        found = named(await check_store(settings), "database")

        assert found.status is Status.NOTE
        assert "stepiq migrate" in found.advice

    async def test_a_newer_schema_fails(self, settings: Settings, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(migrate, "known_revisions", lambda: ["0001"])

        found = named(await check_store(settings), "database")

        assert found.status is Status.FAILED
        assert "of a newer stepIQ" in found.detail

    async def test_an_empty_database_is_set_up_by_serve(self, settings: Settings):
        database = Database(settings)
        async with database.transaction() as session:
            await session.execute(sa.text("DELETE FROM alembic_version"))
        await database.close()

        assert "empty" in named(await check_store(settings), "database").detail

    async def test_a_database_that_does_not_answer_fails(self, folder: Path):
        settings = load(database_url="postgresql://u:geheim@127.0.0.1:9/none")

        found = named(await check_store(settings), "database")

        assert found.status is Status.FAILED
        assert "geheim" not in found.detail

    async def test_a_file_that_is_no_database_fails(self, here: Settings):
        here.data_dir.mkdir(mode=0o700)
        (here.data_dir / "stepiq.db").write_text("a letter, not a database " * 100)

        assert named(await check_store(here), "database").status is Status.FAILED

    @pytest.mark.parametrize(
        ("flaw", "is_allowed", "status"),
        [
            (UNSAFE, False, Status.FAILED),
            (UNSAFE, True, Status.WARNING),
            (OLD, True, Status.FAILED),
        ],
    )
    async def test_what_is_wrong_with_a_database_server_is_told(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch, flaw, is_allowed, status
    ):
        monkeypatch.setattr(postgres_checks, "flaws", lambda _: [flaw])
        settings = settings.model_copy(update={"allow_unsafe_store": is_allowed})

        found = named(await check_store(settings), "database server")

        assert found.status is status
        assert found.detail == flaw.message

    async def test_a_folder_that_others_can_open_is_closed_by_the_start(self, here: Settings):
        here.data_dir.mkdir()
        here.data_dir.chmod(0o755)

        found = named(await check_store(here), "data folder")

        assert found.status is Status.WARNING
        assert "closes it to them when it starts" in found.advice

    async def test_somebody_elses_folder_that_is_open_to_all_fails(
        self, here: Settings, monkeypatch: pytest.MonkeyPatch
    ):
        here.data_dir.mkdir()
        here.data_dir.chmod(0o755)
        owner = here.data_dir.stat().st_uid
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

        found = named(await check_store(here), "data folder")

        assert found.error is not None
        assert "chmod o-rwx" in found.detail

    async def test_a_folder_of_ones_own_is_well(self, here: Settings):
        here.data_dir.mkdir(mode=0o700)

        assert named(await check_store(here), "data folder").status is Status.OK

    async def test_a_full_disk_is_noted(self, here: Settings, monkeypatch: pytest.MonkeyPatch):
        here.data_dir.mkdir(mode=0o700)
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1024**2))

        assert "1 MiB left" in named(await check_store(here), "data folder").detail

    # Even root can create nothing in these.
    @pytest.mark.parametrize(
        ("path", "problem"),
        [
            ("/proc/self/data", "/proc/self/data cannot be created: The server cannot write to "),
            ("/proc/self", "The server cannot write to /proc/self (No such file or directory)."),
        ],
    )
    async def test_a_folder_that_cannot_be_written_fails(
        self, folder: Path, path: str, problem: str
    ):
        (found,) = await check_store(load(data_dir=path))

        assert found.error is not None
        assert found.detail.startswith(problem)
        assert "STEPIQ_DATA_DIR" in found.detail

    async def test_a_folder_without_the_right_to_write_fails(self, folder: Path):
        settings = load(data_dir="/etc")

        with ordinary_user():
            (found,) = await check_store(settings)

        assert found.error is not None
        assert found.detail.startswith("The server cannot write to /etc (Permission denied).")

    @pytest.mark.parametrize("path", ["afile", "afile/data"])
    async def test_a_file_is_no_data_folder(self, folder: Path, path: str):
        (folder / "afile").write_text("")

        (found,) = await check_store(load(data_dir=path))

        assert found.error is not None
        assert f"{folder}/afile is a file, not a folder." in found.detail

    async def test_keys_that_were_given_are_not_looked_for_in_files(self, folder: Path):
        settings = load(jwt_secret="x" * 32, master_key="eA==" * 8)

        found = [*await check_store(settings), *await check_secrets(settings)]

        assert named(found, "jwt key").detail == "from STEPIQ_JWT_SECRET"
        assert named(found, "master key").status is Status.FAILED

    async def test_keys_that_were_made_are_found(self, here: Settings):
        here.data_dir.mkdir(mode=0o700)
        key = here.data_dir / "jwt.key"
        key.write_text("x" * 64)
        key.chmod(0o600)

        assert named(await check_store(here), "jwt key").detail == str(key.absolute())
