import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from stepiq.core.concurrency.fairness import act_for
from stepiq.store.connections import waiting as answer_time
from stepiq.store.connections.waiting import WriterPlace
from stepiq.store.database import Database, Session


class Writing:
    """Callers of one place that note the order in which they got it."""

    def __init__(self) -> None:
        self.places = WriterPlace()
        self.order: list[str] = []

    async def write(self, name: str, *, urgent: bool = False) -> None:
        async with self.places.place(urgent=urgent):
            self.order.append(f"urgent {name}" if urgent else name)
            await asyncio.sleep(0)

    async def request(self, workspace: str, *, urgent: bool = False) -> None:
        act_for(workspace)
        with answer_time.answering():
            await self.write(workspace, urgent=urgent)

    async def after_many(self, request: Coroutine[Any, Any, None]) -> None:
        """Make a request while fifty of the workspace "many" wait."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(50):
                tasks.create_task(self.request("many"))
            await asyncio.sleep(0)
            tasks.create_task(request)


class TestWriterPlace:
    async def test_other_work_has_every_second_turn_whoever_sends_requests(self):
        writing = Writing()
        async with asyncio.TaskGroup() as tasks:
            for number in range(60):
                tasks.create_task(writing.request(f"workspace {number % 20}"))
            for _ in range(10):
                tasks.create_task(writing.write("journal"))

        assert 8 <= Counter(writing.order[:20])["journal"] <= 12

    async def test_requests_have_every_second_turn_while_there_is_much_other_work(self):
        writing = Writing()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(60):
                tasks.create_task(writing.write("journal"))
            for _ in range(10):
                tasks.create_task(writing.request("workspace"))

        assert 8 <= Counter(writing.order[:20])["workspace"] <= 12

    async def test_workspaces_that_send_requests_take_turns(self):
        writing = Writing()

        await writing.after_many(writing.request("one"))

        assert writing.order.index("one") < 10

    async def test_an_urgent_request_overtakes_others_of_its_workspace(self):
        writing = Writing()

        await writing.after_many(writing.request("many", urgent=True))

        assert writing.order.index("urgent many") < 5

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    async def test_it_is_the_place_of_the_writer_of_sqlite(self, database: Database):
        order: list[str] = []

        async def write(name: str) -> None:
            async with database.transaction():
                order.append(name)
                await asyncio.sleep(0)

        async def request() -> None:
            act_for("workspace")
            with answer_time.answering():
                await write("request")

        async with asyncio.TaskGroup() as tasks:
            for _ in range(60):
                tasks.create_task(write("other"))
            for _ in range(10):
                tasks.create_task(request())

        assert 6 <= Counter(order[:20])["request"] <= 14

    async def test_a_cancelled_caller_leaves_the_place_to_others(self):
        writing = Writing()
        async with writing.places.place():
            waiting = [asyncio.create_task(writing.request("many")) for _ in range(5)]
            await asyncio.sleep(0)
            for each in waiting:
                each.cancel()
            await asyncio.wait(waiting)

        async with asyncio.timeout(10):
            await writing.request("one")
        assert writing.order == ["one"]


class TestSharedPlaces:
    @pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
    @pytest.mark.parametrize("kind", ["transaction", "reading"])
    async def test_they_are_the_connections_to_postgresql(self, database: Database, kind: str):
        order: list[bool] = []
        open_ = getattr(database, kind)

        async def use(session: AbstractAsyncContextManager[Session], *, urgent: bool) -> None:
            act_for("workspace")
            async with session:
                order.append(urgent)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(60):
                tasks.create_task(use(open_(), urgent=False))
            await asyncio.sleep(0)
            tasks.create_task(use(open_(urgent=True), urgent=True))

        assert order.index(True) < 25
