"""A worker notices that it was unresponsive, which a run may have caused."""

import asyncio
import time

import pytest

from stepiq.queue import recovery
from tests.support.engine import World
from tests.support.workers import another

only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


class TestRunForEver:
    @only_postgresql
    async def test_it_remembers_that_the_process_did_not_respond(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(recovery, "_EVERY_SECONDS", 0.01)
        monkeypatch.setattr(recovery, "_HELD_SECONDS", 0.1)
        watching, rounds, done = another(world), list[bool](), asyncio.Event()

        async def let_go(claims: object, overtaken: object) -> None:
            rounds.append(watching._was_held())
            if len(rounds) == 1:
                asyncio.get_running_loop().call_soon(time.sleep, 0.2)
            if len(rounds) == 5:
                done.set()

        monkeypatch.setattr(watching, "let_go", let_go)
        task = asyncio.create_task(watching.run_for_ever({}, world.engine._let_go))

        await asyncio.wait_for(done.wait(), 20)

        assert rounds[1:5] == [True] * 4
        task.cancel()

    @only_postgresql
    async def test_it_notices_that_also_while_it_waits_for_the_database(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(recovery, "_EVERY_SECONDS", 0.01)
        monkeypatch.setattr(recovery, "_HELD_SECONDS", 0.1)
        watching, held = another(world), asyncio.get_running_loop().create_future()

        async def take_over(grace_seconds: float) -> int:
            asyncio.get_running_loop().call_soon(time.sleep, 0.2)
            await asyncio.sleep(0)
            return 0

        async def let_go(claims: object, overtaken: object) -> None:
            held.set_result(watching._was_held())
            await asyncio.Event().wait()

        monkeypatch.setattr(watching, "take_over", take_over)
        monkeypatch.setattr(watching, "let_go", let_go)
        task = asyncio.create_task(watching.run_for_ever({}, world.engine._let_go))

        assert await asyncio.wait_for(held, 20)

        task.cancel()

    @only_postgresql
    async def test_it_forgets_that_after_some_seconds(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(recovery, "_EVERY_SECONDS", 0.01)
        monkeypatch.setattr(recovery, "_HELD_SECONDS", 0.1)
        monkeypatch.setattr(recovery, "_HELD_LATELY_SECONDS", 0.2)
        watching, rounds, done = another(world), list[bool](), asyncio.Event()

        async def let_go(claims: object, overtaken: object) -> None:
            if not rounds:
                asyncio.get_running_loop().call_soon(time.sleep, 0.2)
            rounds.append(watching._was_held())
            if True in rounds and not rounds[-1]:
                done.set()

        monkeypatch.setattr(watching, "let_go", let_go)
        task = asyncio.create_task(watching.run_for_ever({}, world.engine._let_go))

        await asyncio.wait_for(done.wait(), 20)

        task.cancel()
