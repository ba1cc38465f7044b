"""The connections of a process to PostgreSQL, shared by its workspaces."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import sqlalchemy as sa

from stepiq.core.concurrency.fairness import act_for
from stepiq.store.connections import postgresql
from stepiq.store.database import Database, StoreUnavailable

only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

WRITING, SHARE, ALL = 3, 10, 15


@asynccontextmanager
async def busy(
    database: Database, owner: str, number: int, *, writing: bool = False
) -> AsyncGenerator[None]:
    """Transactions of an owner that end with the block. As many as the owner can have at once have begun."""
    begun, done = asyncio.Semaphore(0), asyncio.Event()

    async def use() -> None:
        act_for(owner)
        async with database.transaction() if writing else database.reading():
            begun.release()
            await done.wait()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(number):
            tasks.create_task(use())
        for _ in range(min(number, WRITING if writing else SHARE)):
            await begun.acquire()
        yield
        done.set()


class TestConnections:
    @only_postgresql
    async def test_a_workspace_leaves_some_to_others(self, database: Database):
        async with busy(database, "many", ALL + 5):
            assert database.connections() == {"all": SHARE}

            async with database.transaction() as session:
                assert await session.scalar(sa.select(1)) == 1

    @only_postgresql
    async def test_few_transactions_of_a_workspace_write_at_once(self, database: Database):
        async with busy(database, "many", ALL + 5, writing=True):
            assert database.connections() == {"all": WRITING}

            async with busy(database, "many", SHARE - WRITING):
                assert database.connections() == {"all": SHARE}
            async with busy(database, "other", ALL + 5, writing=True):
                assert database.connections() == {"all": 2 * WRITING}

    @only_postgresql
    async def test_who_gets_none_in_time_still_had_time_to_finish(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ):
        async with AsyncExitStack() as stack:
            for owner, number in (("many", SHARE), ("more", ALL - SHARE)):
                await stack.enter_async_context(busy(database, owner, number))
            monkeypatch.setattr(postgresql, "wait_seconds", lambda left: left / 100)

            async with asyncio.timeout(20):
                with pytest.raises(StoreUnavailable):
                    async with database.transaction():
                        pass

    @pytest.mark.parametrize(("left", "wait"), [(3.5, 2.5), (0.5, 0.25), (30, 29)])
    def test_a_second_is_left_or_half_of_the_time(self, left: float, wait: float):
        assert postgresql.wait_seconds(left) == wait
