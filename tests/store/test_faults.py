"""What only the operator can fix: a full disk, and a damaged file."""

import errno
import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from stepiq.core.settings.model import Settings, load
from stepiq.queue.worker_lease import presence_of
from stepiq.server.checks import Status, before_start
from stepiq.server.checks.store import check_owner, check_store
from stepiq.store import migrate
from stepiq.store.connections import faults
from stepiq.store.connections.faults import StoreDamaged, StoreFull
from stepiq.store.database import Database
from stepiq.store.tables import metadata
from tests.cli.conftest import Command
from tests.server.checks.conftest import named
from tests.support.small_disk import fill, mounted


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", 4) as folder:
        yield folder


@pytest.fixture
async def database(small_disk: Path) -> AsyncIterator[Database]:
    database = Database(load(data_dir=small_disk))
    migrate.upgrade(database.url)
    yield database
    await database.close()


class TestFullDisk:
    async def test_a_write_is_refused_and_readiness_says_so_until_there_is_space(
        self, database: Database, small_disk: Path
    ):
        filler = fill(small_disk)

        with pytest.raises(StoreFull, match="The disk of the database is full"):
            async with database.transaction() as session:
                await session.execute(sa.text("CREATE TABLE large AS SELECT zeroblob(100000)"))
        with pytest.raises(StoreFull):
            await database.ping()

        filler.unlink()
        await database.ping()

    async def test_readiness_says_so_before_anything_is_written(
        self, database: Database, small_disk: Path
    ):
        await database.ping()

        fill(small_disk)

        with pytest.raises(StoreFull):
            await database.ping()

    @pytest.mark.parametrize("name", [".", "data"])
    async def test_doctor_and_the_start_say_so(self, small_disk: Path, name: str):
        settings = load(data_dir=small_disk / name)
        fill(small_disk)

        found = named(await check_store(settings), "data folder")

        assert found.status is Status.FAILED
        assert "has no space left" in found.detail
        with pytest.raises(StoreFull, match="has no space left"):
            await before_start(settings)


class TestNoSpaceForAFolder:
    """Some file systems cannot create the folder that the check creates to try it."""

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
    @pytest.mark.parametrize("name", [".", "data"])
    async def test_doctor_and_the_start_report_a_full_disk(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, name: str
    ):
        settings = load(data_dir=tmp_path / name)

        def refuse(*_: object, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "mkdir", refuse)

        (found,) = await check_store(settings)

        assert found.detail == f"{tmp_path} has no space left. Free space on its disk."
        with pytest.raises(StoreFull, match="has no space left"):
            await before_start(settings)


@pytest.fixture
async def damaged(tmp_path: Path) -> Settings:
    """A database with bytes of something else in the middle."""
    settings = load(data_dir=tmp_path)
    database = Database(settings)
    migrate.upgrade(database.url)
    await database.close()
    assert database.path is not None
    with database.path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(4096 * 20))
    return settings


class TestDamagedFile:
    async def test_doctor_and_the_start_say_so(self, damaged: Settings):
        found = named(await check_store(damaged), "database")

        assert found.status is Status.FAILED
        assert "is damaged" in found.detail
        assert "stepiq restore --force FILE" in found.detail
        with pytest.raises(StoreDamaged, match="is damaged"):
            await before_start(damaged)

    async def test_serve_and_doctor_say_the_same_sentence(self, damaged: Settings):
        command = Command(damaged.data_dir)
        command.environment["STEPIQ_DATA_DIR"] = str(damaged.data_dir)
        command.environment["STEPIQ_LOG_FORMAT"] = "console"

        served, examined = await command("serve", "--port", "0"), await command("doctor")

        (line,) = served.err.splitlines()
        sentence = line.removeprefix("Error: ")
        assert (served.code, examined.code) == (1, 1)
        assert f"{damaged.sqlite_path} is damaged: " in sentence
        assert re.search(rf"^FAILED +database +{re.escape(sentence)}$", examined.out, re.MULTILINE)
        assert "Traceback" not in examined.out + examined.err

    async def test_a_sound_file_passes(self, tmp_path: Path):
        database = Database(load(data_dir=tmp_path))
        migrate.upgrade(database.url)
        assert database.path is not None

        faults.check_file(database.path)

    async def test_a_statement_that_meets_damage_reports_it(self, damaged: Settings):
        database = Database(damaged)

        async def read_all() -> None:
            async with database.reading() as session:
                for table in metadata.tables:
                    await session.execute(sa.text(f"SELECT * FROM {table}"))  # noqa: S608

        with pytest.raises(StoreDamaged):
            await read_all()
        await database.close()


def emptied(folder: Path, *others: str) -> Settings:
    """A database of 0 bytes, and other files with content."""
    (folder / "stepiq.db").touch(mode=0o600)
    for name in others:
        (folder / name).touch(mode=0o600)
        (folder / name).write_text("x" * 64)
    return load(data_dir=folder)


USED = ["stepiq.db-wal", "stepiq.db.lock", "jwt.key", "master.key"]


class TestEmptiedFile:
    @pytest.mark.parametrize("trace", USED)
    async def test_doctor_and_the_start_refuse_it_if_a_server_has_used_it(
        self, tmp_path: Path, trace: str
    ):
        settings = emptied(tmp_path, trace)

        found = named(await check_store(settings), "database")

        assert found.detail == (
            f"The database {tmp_path}/stepiq.db is damaged: it has 0 bytes, although a server has used it ({trace} exists). Stop"
            " the server and restore a backup with `stepiq restore --force FILE`, or delete the file to start with a new"
            " database."
        )
        assert found.status is Status.FAILED
        with pytest.raises(StoreDamaged, match="it has 0 bytes"):
            await before_start(settings)

    @pytest.mark.parametrize("trace", USED)
    def test_no_table_is_created_in_it(self, tmp_path: Path, trace: str):
        database = Database(emptied(tmp_path, trace))

        with pytest.raises(StoreDamaged, match="it has 0 bytes"):
            migrate.upgrade(database.url)

        assert (tmp_path / trace).exists()

    async def test_a_new_empty_file_gets_its_tables(self, tmp_path: Path):
        settings = emptied(tmp_path)

        await before_start(settings)
        migrate.upgrade(Database(settings).url)

        assert "schema " in named(await check_store(settings), "database").detail

    async def test_after_it_was_deleted_there_is_a_new_database(self, tmp_path: Path):
        settings = emptied(tmp_path, "stepiq.db-wal", "stepiq.db.lock")
        (tmp_path / "stepiq.db").unlink()

        await before_start(settings)
        migrate.upgrade(Database(settings).url)

        assert "schema " in named(await check_store(settings), "database").detail


class TestOwner:
    async def test_doctor_names_the_process_that_uses_the_file(self, tmp_path: Path):
        settings = load(data_dir=tmp_path)
        database = Database(settings)
        migrate.upgrade(database.url)
        assert await check_owner(settings) == []
        presence = presence_of(database)

        await presence.acquire()
        (found,) = await check_owner(settings)
        await presence.release()

        assert found.detail == f"stepIQ process {os.getpid()} uses {settings.sqlite_path}"
        assert await check_owner(settings) == []
        await database.close()
