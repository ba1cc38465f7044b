"""Tests of the proxy with a real PostgreSQL server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests.chaos.proxy import Cut, Proxy
from tests.support import loop_time
from tests.support.stores import PostgresStores


@pytest.fixture
def database(postgres_stores: PostgresStores, tmp_path: Path):
    url = postgres_stores.create(tmp_path)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE notes (text text)")
    yield url
    postgres_stores.drop(url)


@pytest.fixture
async def proxy(database: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(make_url(database).port or 5432)
    await proxy.start()
    yield proxy
    await proxy.close()


@pytest.fixture
def through(proxy: Proxy, database: str) -> str:
    """The database's URL through the proxy."""
    return make_url(database).set(port=proxy.port).render_as_string(hide_password=False)


def notes(database: str) -> list[str]:
    with psycopg.connect(database) as connection:
        return [row[0] for row in connection.execute("SELECT text FROM notes ORDER BY text")]


async def connect(url: str) -> "psycopg.AsyncConnection[tuple[object, ...]]":
    connection = await psycopg.AsyncConnection.connect(url)
    # Prepares statements at their second execution, as in a server that has been running.
    connection.prepare_threshold = 1
    return connection


async def write(connection: "psycopg.AsyncConnection[tuple[object, ...]]", text: str) -> None:
    await connection.execute("INSERT INTO notes VALUES (%s)", [text])
    await connection.commit()


class TestCutCommit:
    async def test_behind_it_everything_is_kept_and_nobody_knows(
        self, proxy: Proxy, through: str, database: str
    ):
        async with await connect(through) as connection:
            for number in range(3):
                await write(connection, f"{number}")
            cutting = asyncio.create_task(proxy.cut_commit(Cut.AFTER, b"INSERT INTO notes"))
            await asyncio.sleep(0)

            with pytest.raises(psycopg.OperationalError):
                await write(connection, "unknown")

        assert await cutting
        assert notes(database) == ["0", "1", "2", "unknown"]

    async def test_before_it_nothing_is_kept(self, proxy: Proxy, through: str, database: str):
        async with await connect(through) as connection:
            await write(connection, "kept")
            cutting = asyncio.create_task(proxy.cut_commit(Cut.BEFORE, b"INSERT INTO notes"))
            await asyncio.sleep(0)

            with pytest.raises(psycopg.OperationalError):
                await write(connection, "lost")

        assert await cutting
        assert notes(database) == ["kept"]

    async def test_other_transactions_pass(self, proxy: Proxy, through: str, database: str):
        async with await connect(through) as first, await connect(through) as second:
            cutting = asyncio.create_task(proxy.cut_commit(Cut.AFTER, b"DELETE FROM notes"))
            await write(first, "1")
            await second.execute("DELETE FROM notes")
            with pytest.raises(psycopg.OperationalError):
                await second.commit()
            await write(first, "2")

        assert await cutting
        assert notes(database) == ["2"]

    async def test_a_long_statement_that_comes_in_pieces_is_read_whole(
        self, proxy: Proxy, through: str, database: str
    ):
        text = "x" * 1_000_000
        async with await connect(through) as connection:
            await write(connection, text)

        assert notes(database) == [text]

    async def test_it_gives_up_when_nobody_commits(self, proxy: Proxy):
        loop_time.quicken(5)

        assert not await proxy.cut_commit(Cut.AFTER)


class TestRefuse:
    async def test_connections_are_cut_and_refused_until_it_starts_again(
        self, proxy: Proxy, through: str
    ):
        async with await connect(through) as connection:
            proxy.refuse()
            with pytest.raises(psycopg.OperationalError):
                await connection.execute("SELECT 1")
            with pytest.raises(psycopg.OperationalError):
                await connect(through)

        await proxy.start()

        async with await connect(through) as connection:
            await connection.execute("SELECT 1")


class TestHold:
    async def test_what_is_said_waits(self, proxy: Proxy, through: str):
        async with await connect(through) as connection:
            proxy.hold()
            asking = asyncio.create_task(connection.execute("SELECT 1"))
            await asyncio.sleep(0.1)
            assert not asking.done()

            proxy.release()

            assert await (await asking).fetchone() == (1,)


class TestCutAll:
    async def test_connections_are_cut_and_new_ones_pass(self, proxy: Proxy, through: str):
        async with await connect(through) as connection:
            assert proxy.cut_all() == 1
            with pytest.raises(psycopg.OperationalError):
                await connection.execute("SELECT 1")

        async with await connect(through) as connection:
            await connection.execute("SELECT 1")

    async def test_so_are_those_that_are_not_forwarded_yet(self, proxy: Proxy, through: str):
        proxy.hold()
        connecting = asyncio.create_task(connect(through))
        while not proxy.connections:
            await asyncio.sleep(0.01)

        assert proxy.cut_all() == 1

        proxy.release()
        with pytest.raises(psycopg.OperationalError):
            await connecting
