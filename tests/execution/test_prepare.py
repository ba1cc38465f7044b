"""The queue's own tables, made by whichever process starts first."""

import asyncio

from sqlalchemy.engine import make_url

from stepiq.queue import tickets
from tests.support.stores import PostgresStores


class TestPrepare:
    async def test_several_processes_may_start_on_an_empty_database_at_once(
        self, postgres_stores: PostgresStores
    ):
        url = make_url(postgres_stores.create_empty())
        starting = [asyncio.create_task(asyncio.to_thread(tickets.prepare, url)) for _ in range(3)]

        _, waiting = await asyncio.wait(starting, timeout=60)

        # Also ends those that wait for each other.
        postgres_stores.drop(url.render_as_string(hide_password=False))
        await asyncio.gather(*starting, return_exceptions=True)
        assert not waiting
        assert [task.exception() for task in starting] == [None] * 3
