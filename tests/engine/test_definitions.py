import asyncio
import threading
from contextlib import suppress

import pytest

from stepiq.core.ids import uuid7
from stepiq.engine import definitions
from stepiq.engine.definitions import Definitions, VersionNotFound
from stepiq.language.loading import InvalidDefinition, compile_document
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


class TestGet:
    async def test_a_version_is_compiled_once_beside_the_event_loop(self, world: World, compiled):
        pipeline_id, found = await world.pipeline(TEXT), Definitions()

        first = await get(world, found, pipeline_id)

        assert await get(world, found, pipeline_id) is first
        assert found.kept(pipeline_id, 1) is first
        assert compiled == ["aside"]

    async def test_a_small_one_waits_for_no_turn(self, world: World, compiled):
        pipeline_id = await world.pipeline(SMALL)

        await get(world, Definitions(), pipeline_id)

        assert compiled == ["MainThread"]

    async def test_who_asks_meanwhile_waits_for_the_same(self, world: World, compiled):
        pipeline_id, found = await world.pipeline(TEXT), Definitions()

        all_of_them = await asyncio.gather(*(get(world, found, pipeline_id) for _ in range(20)))

        assert len({id(one) for one in all_of_them}) == 1
        assert len(compiled) == 1

    async def test_one_that_gives_up_leaves_the_others_waiting(self, world: World, monkeypatch):
        pipeline_id, found = await world.pipeline(TEXT), Definitions()
        begun, may_end = threading.Event(), threading.Event()

        def compile_slowly(document):
            begun.set()
            may_end.wait(30)
            return compile_document(document)

        monkeypatch.setattr(definitions, "compile_document", compile_slowly)
        first = asyncio.create_task(get(world, found, pipeline_id))
        await asyncio.to_thread(begun.wait, 30)
        second = asyncio.create_task(get(world, found, pipeline_id))
        first.cancel()
        with suppress(asyncio.CancelledError):
            await first

        may_end.set()

        assert first.cancelled()
        assert (await second).name == "T"

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

    async def test_a_version_that_is_not_there_is_not_found(self, world: World):
        with pytest.raises(VersionNotFound):
            await get(world, Definitions(), uuid7())
