"""What only the operator can fix: a full disk, and a damaged file."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from stepiq.core.settings import Settings, load
from stepiq.queue.worker_lease import presence_of
from stepiq.server.checks import Status, before_start
from stepiq.server.checks.store import check_owner, check_store
from stepiq.store import faults, migrate
from stepiq.store.database import Database
from stepiq.store.faults import StoreDamaged, StoreFull
from tests.server.checks.conftest import named


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", folder],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("Only root can mount a small disk, and not in every container.")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Use all space that is left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    assert shutil.disk_usage(folder).free == 0
    return filler


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

    async def test_doctor_and_the_start_say_so(self, small_disk: Path):
        settings = load(data_dir=small_disk)
        fill(small_disk)

        found = named(await check_store(settings), "data folder")

        assert found.status is Status.FAILED
        assert "has no space left" in found.detail
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

    def test_serve_ends_with_one_sentence(self, damaged: Settings):
        environment = {
            "PATH": os.environ["PATH"],
            "STEPIQ_DATA_DIR": str(damaged.data_dir),
            "STEPIQ_PORT": "0",
        }
        ran = subprocess.run(
            [sys.executable, "-m", "stepiq", "serve"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert ran.returncode == 1
        assert "is damaged" in ran.stderr
        assert "Traceback" not in ran.stderr

    async def test_a_sound_file_passes(self, tmp_path: Path):
        database = Database(load(data_dir=tmp_path))
        migrate.upgrade(database.url)
        assert database.path is not None

        faults.check_file(database.path)

    async def test_a_statement_that_meets_damage_reports_it(self, damaged: Settings):
        database = Database(damaged)
        tables = ("runs", "run_steps", "run_events", "accounts", "pipelines", "api_keys")

        async def read_all() -> None:
            async with database.reading() as session:
                for table in tables:
                    await session.execute(sa.text(f"SELECT * FROM {table}"))  # noqa: S608

        with pytest.raises(StoreDamaged):
            await read_all()
        await database.close()


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
