import asyncio
import threading
from contextlib import suppress
from types import SimpleNamespace
from typing import cast

import pytest

from stepiq.core.concurrency.fairness import act_for
from stepiq.core.ids import uuid7
from stepiq.execution import definitions
from stepiq.execution.definitions import Definitions, VersionNotFound
from stepiq.language import offload
from stepiq.language.definitions.loading import InvalidDefinition, compile_document
from stepiq.store.database import Session
from tests.support.engine import World

SMALL = "name: T\nsteps: [{id: t, type: transform, template: x}]"
TEXT = SMALL.replace("x}", "x" * 3_000 + "}")


@pytest.fixture
def compiled(monkeypatch) -> list[str]:
    """On which threads versions were compiled."""
    threads = []

    def compile_and_note(document):
        threads.append(threading.current_thread().name)
        return compile_document(document)

    monkeypatch.setattr(definitions, "compile_document", compile_and_note)
    return threads


async def get(world: World, found: Definitions, pipeline_id, version=1):
    async with world.database.reading() as session:
        return await found.get(session, pipeline_id, version)


async def compute_for(owner: str, function, *args):
    """Call a function in the turns of an owner. Call this in a task of its own."""
    act_for(owner)
    return await offload.compute(function, *args)


class Slowly:
    """Compiles when it may, and knows how many have read the version and wait for that."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.compiled = 0
        self._asked = asyncio.Semaphore(0)

    def compile(self, document):
        self.compiled += 1
        self.may_end.wait(30)
        return compile_document(document)

    async def get(self, world: World, found: Definitions, pipeline_id):
        async with world.database.reading() as session:
            return await found.get(cast(Session, self._watched(session)), pipeline_id, 1)

    async def until_asked(self, count: int) -> None:
        for _ in range(count):
            await self._asked.acquire()

    def _watched(self, session: Session) -> SimpleNamespace:
        async def execute(statement):
            rows = await session.execute(statement)
            # Whoever waits for this runs once the reader has gone on to its next wait.
            self._asked.release()
            return rows

        return SimpleNamespace(execute=execute)


@pytest.fixture
def slowly(monkeypatch) -> Slowly:
    slowly = Slowly()
    monkeypatch.setattr(definitions, "compile_document", slowly.compile)
    return slowly


@pytest.mark.one_store
class TestGet:
    @pytest.mark.both_stores
    async def test_a_version_is_compiled_once_beside_the_event_loop(self, world: World, compiled):
        pipeline_id, found = await world.pipeline(TEXT), Definitions()

        first = await get(world, found, pipeline_id)

        assert await get(world, found, pipeline_id) is first
        assert found.kept(pipeline_id, 1) is first
        assert compiled == ["offload"]

    async def test_a_small_one_waits_for_no_turn(self, world: World, compiled):
        pipeline_id = await world.pipeline(SMALL)

        await get(world, Definitions(), pipeline_id)

        assert compiled == ["MainThread"]

    async def test_who_asks_meanwhile_waits_for_the_same(self, world: World, slowly: Slowly):
        pipeline_id, found = await world.pipeline(TEXT), Definitions()
        asking = [asyncio.create_task(slowly.get(world, found, pipeline_id)) for _ in range(2)]
        await slowly.until_asked(2)

        slowly.may_end.set()

        first, second = await asyncio.gather(*asking)
        assert first is second
        assert slowly.compiled == 1

    async def test_one_that_gives_up_leaves_the_others_waiting(self, world: World, slowly: Slowly):
        pipeline_id, found = await world.pipeline(TEXT), Definitions()
        first, second = (
            asyncio.create_task(slowly.get(world, found, pipeline_id)) for _ in range(2)
        )
        await slowly.until_asked(2)
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first

        slowly.may_end.set()

        assert first.cancelled()
        assert (await second).name == "T"
        assert slowly.compiled == 1

    async def test_what_cannot_be_compiled_is_tried_again_the_next_time(
        self, world: World, monkeypatch
    ):
        pipeline_id, found = await world.pipeline(TEXT), Definitions()

        def refuse(document):
            raise InvalidDefinition("no")

        with monkeypatch.context() as broken:
            broken.setattr(definitions, "compile_document", refuse)
            with pytest.raises(InvalidDefinition):
                await get(world, found, pipeline_id)

        assert (await get(world, found, pipeline_id)).name == "T"

    @pytest.mark.both_stores
    async def test_a_version_that_is_not_there_is_not_found(self, world: World):
        with pytest.raises(VersionNotFound):
            await get(world, Definitions(), uuid7())


@pytest.mark.one_store
class TestGetNow:
    @staticmethod
    async def get_now(world: World, found: Definitions, pipeline_id) -> str | None:
        """The name of the compiled version."""
        async with world.database.reading() as session:
            definition = await found.get_now(session, pipeline_id, 1, "workspace")
        return None if definition is None else definition.name

    async def test_a_large_version_is_compiled_in_the_background(
        self, world: World, slowly: Slowly
    ):
        pipeline_id, found = await world.pipeline(TEXT), Definitions()

        early = [await self.get_now(world, found, pipeline_id) for _ in range(2)]
        slowly.may_end.set()
        was_compiling = await found.wait_compiled(30)

        assert early == [None, None]
        assert was_compiling
        assert (await self.get_now(world, found, pipeline_id)) == "T"
        assert slowly.compiled == 1
        assert not await found.wait_compiled(30)

    @pytest.mark.both_stores
    async def test_a_small_version_is_compiled_at_once(self, world: World, compiled):
        pipeline_id = await world.pipeline(SMALL)

        assert (await self.get_now(world, Definitions(), pipeline_id)) == "T"
        assert compiled == ["MainThread"]

    async def test_an_error_is_raised_once(self, world: World, monkeypatch):
        pipeline_id, found = await world.pipeline(TEXT), Definitions()

        def refuse(document):
            raise InvalidDefinition("no")

        with monkeypatch.context() as broken:
            broken.setattr(definitions, "compile_document", refuse)
            assert await self.get_now(world, found, pipeline_id) is None
            await found.wait_compiled(30)
            with pytest.raises(InvalidDefinition):
                await self.get_now(world, found, pipeline_id)

        assert await self.get_now(world, found, pipeline_id) is None
        await found.wait_compiled(30)
        assert (await self.get_now(world, found, pipeline_id)) == "T"

    @pytest.mark.both_stores
    async def test_a_transaction_does_not_wait_for_the_background(
        self, world: World, slowly: Slowly
    ):
        pipeline_id, found = await world.pipeline(TEXT), Definitions()
        await self.get_now(world, found, pipeline_id)
        asking = asyncio.create_task(slowly.get(world, found, pipeline_id))
        await slowly.until_asked(1)

        slowly.may_end.set()

        assert (await asking).name == "T"
        await found.wait_compiled(30)
        assert slowly.compiled == 2

    async def test_the_background_uses_the_turns_of_the_owner(self, world: World, slowly: Slowly):
        pipeline_id, found = await world.pipeline(TEXT), Definitions()
        may_end = threading.Event()
        busy = asyncio.create_task(compute_for("workspace", may_end.wait, 30))
        await asyncio.sleep(0)
        await self.get_now(world, found, pipeline_id)
        slowly.may_end.set()
        await asyncio.create_task(compute_for("another", int))

        compiled = slowly.compiled
        may_end.set()

        assert compiled == 0
        assert await busy
        await found.wait_compiled(30)
        assert slowly.compiled == 1

    async def test_at_most_fifty_are_compiled_in_the_background(self, world: World, slowly: Slowly):
        found = Definitions()
        pipelines = [await world.pipeline(TEXT) for _ in range(51)]

        early = [await self.get_now(world, found, each) for each in pipelines]
        slowly.may_end.set()
        await found.wait_compiled(30)

        assert early == [None] * 51
        assert sum(found.kept(each, 1) is not None for each in pipelines) == 50
