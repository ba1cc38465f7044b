"""A worker notices that it was unresponsive, which a run may have caused."""

import asyncio

import pytest

from stepiq.queue.worker_lease import LEASE_SECONDS
from tests.support import loop_time
from tests.support.engine import World
from tests.support.workers import another

only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture(autouse=True)
async def quick_turns() -> None:
    """Turns take 10 ms instead of a second."""
    loop_time.quicken(1)


class TestRunForEver:
    @only_postgresql
    async def test_it_remembers_that_the_process_did_not_respond(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        watching, rounds, done = another(world), list[bool](), asyncio.Event()

        async def let_go(claims: object, overtaken: object) -> None:
            rounds.append(watching._was_held())
            if len(rounds) == 1:
                asyncio.get_running_loop().call_soon(loop_time.skip, LEASE_SECONDS)
            if len(rounds) == 5:
                done.set()

        monkeypatch.setattr(watching, "let_go", let_go)
        task = asyncio.create_task(watching.run_for_ever({}, world.engine.let_go))

        await asyncio.wait_for(done.wait(), 20)

        assert rounds[:5] == [False, *[True] * 4]
        task.cancel()

    @only_postgresql
    async def test_it_notices_that_also_while_it_waits_for_the_database(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        watching, held = another(world), asyncio.get_running_loop().create_future()

        async def take_over(grace_seconds: float) -> int:
            asyncio.get_running_loop().call_soon(loop_time.skip, LEASE_SECONDS)
            await asyncio.sleep(0)
            return 0

        async def let_go(claims: object, overtaken: object) -> None:
            held.set_result(watching._was_held())
            await asyncio.Event().wait()

        monkeypatch.setattr(watching, "take_over", take_over)
        monkeypatch.setattr(watching, "let_go", let_go)
        task = asyncio.create_task(watching.run_for_ever({}, world.engine.let_go))

        assert await asyncio.wait_for(held, 20)

        task.cancel()

    @only_postgresql
    async def test_it_forgets_that_after_some_seconds(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        watching, rounds, done = another(world), list[bool](), asyncio.Event()

        async def let_go(claims: object, overtaken: object) -> None:
            rounds.append(watching._was_held())
            # The process is held once, and then time passes.
            asyncio.get_running_loop().call_soon(
                loop_time.skip, LEASE_SECONDS if len(rounds) == 1 else LEASE_SECONDS / 4
            )
            if True in rounds and not rounds[-1]:
                done.set()

        monkeypatch.setattr(watching, "let_go", let_go)
        task = asyncio.create_task(watching.run_for_ever({}, world.engine.let_go))

        await asyncio.wait_for(done.wait(), 60)

        task.cancel()
