import asyncio
import errno
import os
import shutil
import sqlite3
import threading
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from stepiq.core import clock
from stepiq.core.ids import uuid7
from stepiq.core.settings.model import load
from stepiq.store import migrate
from stepiq.store.connections import log_flusher
from stepiq.store.connections.faults import StoreFull, StoreUnavailable
from stepiq.store.database import Database
from stepiq.store.tables import workspaces
from tests.support import loop_time


class Disk:
    """Flushes block until `ready` is set, and raise `error`."""

    def __init__(self) -> None:
        self.flushed: list[int] = []
        """The flushed files."""
        self.ready = threading.Event()
        self.ready.set()
        self.asked = threading.Event()
        self.error: OSError | None = None

    def flush(self, descriptor: int) -> None:
        self.asked.set()
        self.ready.wait()
        if self.error is not None:
            raise self.error
        self.flushed.append(os.fstat(descriptor).st_ino)
        os.fsync(descriptor)


@pytest.fixture
async def database(tmp_path: Path):
    database = Database(load(data_dir=tmp_path))
    migrate.upgrade(database.url)
    yield database
    await database.close()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch):
    disk = Disk()
    monkeypatch.setattr(os, "fdatasync", disk.flush)
    yield disk
    disk.ready.set()


async def add(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(
            workspaces.insert().values(
                id=uuid7(), name="w", name_folded="w", plan="free", created_at=clock.now()
            )
        )


async def count(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(sa.select(sa.func.count()).select_from(workspaces))


async def until_asked(disk: Disk) -> None:
    await asyncio.to_thread(disk.asked.wait)


def times_started(database: Database) -> int:
    """The checkpoint sequence number in the header of the log (https://www.sqlite.org/fileformat2.html#walformat)."""
    return int.from_bytes(Path(log_of(database)).read_bytes()[12:16])


async def until_committed(database: Database, wanted: int) -> None:
    found = 0
    async with asyncio.timeout(10):
        while found < wanted:
            found = await count(database)
            await asyncio.sleep(0)


def log_of(database: Database) -> str:
    return f"{database.path}-wal"


def size_of_log(database: Database) -> int:
    return Path(log_of(database)).stat().st_size


def in_file(path: Path, folder: Path) -> int:
    """How many workspaces the file contains without its write-ahead log."""
    copy = Path(shutil.copy(path, folder / "copy.db"))
    with closing(sqlite3.connect(copy)) as connection:
        return connection.execute("SELECT count(*) FROM workspaces").fetchone()[0]


async def test_a_transaction_ends_when_the_log_is_on_the_disk(database: Database, disk: Disk):
    disk.ready.clear()
    adding = asyncio.create_task(add(database))
    await until_asked(disk)
    await count(database)
    assert not adding.done()

    disk.ready.set()
    await adding

    assert disk.flushed == [await asyncio.to_thread(lambda: os.stat(log_of(database)).st_ino)]


async def test_actions_after_a_commit_wait_for_the_disk(database: Database, disk: Disk):
    happened: list[str] = []

    async def write() -> None:
        async with database.transaction() as session:
            session.after_commit(lambda: happened.append("after"))
            await session.execute(sa.text("UPDATE alembic_version SET version_num = version_num"))

    disk.ready.clear()
    writing = asyncio.create_task(write())
    await until_asked(disk)
    await count(database)
    assert happened == []

    disk.ready.set()
    await writing

    assert happened == ["after"]


async def test_others_write_while_one_waits_for_the_disk_and_share_the_next_flush(
    database: Database, disk: Disk
):
    disk.ready.clear()
    first = asyncio.create_task(add(database))
    await until_asked(disk)
    others = [asyncio.create_task(add(database)) for _ in range(20)]
    await until_committed(database, 21)

    disk.ready.set()
    await asyncio.gather(first, *others)

    assert len(disk.flushed) == 2


async def test_a_cancelled_writer_does_not_end_the_wait_of_others(database: Database, disk: Disk):
    disk.ready.clear()
    first = asyncio.create_task(add(database))
    await until_asked(disk)
    cancelled, other = (asyncio.create_task(add(database)) for _ in range(2))
    await until_committed(database, 3)
    cancelled.cancel()
    await asyncio.wait({cancelled})
    assert not other.done()

    disk.ready.set()
    await asyncio.gather(first, other)

    assert cancelled.cancelled()


async def test_if_the_disk_fails_no_waiting_transaction_is_confirmed(
    database: Database, disk: Disk
):
    disk.ready.clear()
    disk.error = OSError(5, "Input/output error")
    adding = [asyncio.create_task(add(database)) for _ in range(3)]
    await until_asked(disk)

    disk.ready.set()
    results = await asyncio.gather(*adding, return_exceptions=True)

    assert all(isinstance(each, StoreUnavailable) for each in results)
    assert not any(each.was_answered for each in results if isinstance(each, StoreUnavailable))


async def test_after_a_failure_the_database_gets_what_the_disk_may_have_lost(
    database: Database, disk: Disk, tmp_path: Path
):
    loop_time.hold(1)
    disk.error = OSError(5, "Input/output error")
    with pytest.raises(StoreUnavailable):
        await add(database)
    assert database.path is not None
    before = in_file(database.path, tmp_path)

    disk.error = None
    await add(database)

    assert (before, in_file(database.path, tmp_path)) == (0, 2)
    # With the old log, SQLite could copy a part of it over newer pages after a power failure.
    assert size_of_log(database) == 0


async def test_it_recovers_without_a_further_transaction(
    database: Database, disk: Disk, tmp_path: Path
):
    loop_time.quicken(1)
    disk.error = OSError(5, "Input/output error")
    with pytest.raises(StoreUnavailable):
        await add(database)
    disk.error = None
    disk.asked.clear()

    await until_asked(disk)

    assert database.path is not None
    assert in_file(database.path, tmp_path) == 1


async def test_a_failed_checkpoint_is_followed_by_a_recovery(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    loop_time.hold(1)
    flusher = database._flusher
    assert flusher is not None
    flusher._commits_until_move = 2
    await add(database)

    def fail(*_: object, **__: object) -> NoReturn:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(sqlite3, "connect", fail)
        await add(database)
        async with asyncio.timeout(10):
            while not logs:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
    await add(database)

    assert [each["event"] for each in logs] == ["checkpoint_failed"]

    assert size_of_log(database) == 0


async def test_the_next_write_after_a_checkpoint_does_not_have_to_start_the_log_again(
    database: Database,
):
    await add(database)
    before = times_started(database)
    assert database._flusher is not None

    assert await asyncio.to_thread(database._flusher._move_in_background)
    after = times_started(database)
    await add(database)

    assert (after, times_started(database)) == (before + 1, before + 1)


async def test_a_checkpoint_tries_again_while_the_log_is_read(database: Database):
    flusher = database._flusher
    assert flusher is not None
    await add(database)
    async with database.reading() as reader:
        await reader.scalar(sa.select(sa.func.count()).select_from(workspaces))

        # All of it can be moved, but the next write cannot use it from its start.
        assert not await asyncio.to_thread(flusher._move_in_background)

    assert await asyncio.to_thread(flusher._move_in_background)


async def test_a_checkpoint_tries_again_while_another_process_writes(database: Database):
    flusher = database._flusher
    assert database.path is not None
    assert flusher is not None
    await add(database)

    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert not await asyncio.to_thread(flusher._move_in_background)
        other.execute("COMMIT")

    assert await asyncio.to_thread(flusher._move_in_background)


async def test_a_disk_that_hangs_does_not_hold_a_transaction_for_ever(
    database: Database, disk: Disk
):
    loop_time.quicken(30)
    disk.ready.clear()

    with pytest.raises(StoreUnavailable):
        await add(database)


async def test_a_flush_that_a_failed_checkpoint_overlaps_does_not_prevent_the_recovery(
    database: Database, disk: Disk
):
    flusher = database._flusher
    assert flusher is not None
    disk.ready.clear()
    adding = asyncio.create_task(add(database))
    await until_asked(disk)
    failed = Future[bool]()
    failed.set_exception(sqlite3.OperationalError("disk I/O error"))
    flusher._end_move(failed)
    disk.ready.set()
    await adding

    await add(database)

    assert size_of_log(database) == 0


async def test_a_full_disk_is_told(database: Database, disk: Disk):
    disk.error = OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreFull) as caught:
        await add(database)

    assert not caught.value.was_answered


async def test_closing_waits_for_all_who_wait(database: Database, disk: Disk):
    disk.ready.clear()
    adding = [asyncio.create_task(add(database))]
    await until_asked(disk)
    adding.append(asyncio.create_task(add(database)))
    await until_committed(database, 2)
    closing_it = asyncio.create_task(database.close())

    disk.ready.set()
    await asyncio.gather(*adding, closing_it)

    assert len(disk.flushed) == 2


async def test_after_closing_a_transaction_is_refused(database: Database):
    await database.close()

    with pytest.raises(StoreUnavailable):
        await add(database)


async def test_the_log_does_not_grow_with_the_number_of_commits(
    database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(log_flusher, "COMMITS_PER_CHECKPOINT", 10)
    connect = sqlite3.connect

    def connect_patiently(path: Path, **options: Any) -> sqlite3.Connection:
        options["timeout"] = 30.0
        return connect(path, **options)

    monkeypatch.setattr(sqlite3, "connect", connect_patiently)
    flusher = database._flusher
    assert flusher is not None
    flusher._commits_until_move = 10

    async def size_after_a_checkpoint() -> int:
        for _ in range(9):
            await add(database)
        # A reader keeps the log from being restarted, unless the checkpoint waits for it.
        async with database.reading() as first:
            await first.scalar(sa.select(sa.func.count()).select_from(workspaces))
            await add(database)
            moving = flusher._moving
            assert moving is not None
        await asyncio.wait_for(asyncio.wrap_future(moving), 10)
        # Its end is noted in a later iteration of the loop.
        await count(database)
        while flusher._moving is not None:
            await count(database)
            await asyncio.sleep(0)
        return size_of_log(database)

    first = await size_after_a_checkpoint()
    sizes = [await size_after_a_checkpoint() for _ in range(20)]

    assert max(sizes) < 2 * first
