import asyncio
from datetime import timedelta
from types import ModuleType

import pytest

from stepiq.execution.admission import waking
from stepiq.execution.admission.control import Admission
from stepiq.execution.runtime import Engine
from stepiq.store.database import Database, StoreUnavailable
from tests.support import loop_time
from tests.support.engine import World


@pytest.mark.one_store
@pytest.mark.parametrize("error", [StoreUnavailable("x"), RuntimeError("A fault.")])
async def test_it_looks_again_after_an_error(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    looked_again = asyncio.Event()
    errors = [error]

    async def wake(database: Database, admission: Admission) -> None:
        if errors:
            raise errors.pop()
        looked_again.set()

    await engine.stop()
    monkeypatch.setattr(waking, "wake", wake)
    loop_time.quicken(1)

    await engine.start()

    await asyncio.wait_for(looked_again.wait(), 10)


@pytest.mark.both_stores
async def test_a_wait_of_more_than_a_minute_follows_a_clock_that_is_set(
    world: World, clock: ModuleType
):
    source = "name: Wait\nsteps: [{id: wait, type: wait, seconds: 7200}]"
    day = timedelta(days=1)
    run_id, heard = await world.start(await world.pipeline(source), run_timeout=day)
    await heard.until("run.status", status="waiting")

    clock.jump(timedelta(hours=2))
    await waking.wake(world.database, world.engine._admission)

    await asyncio.wait_for(heard.until_ended(), 10)
    assert (await world.ended(run_id, heard)).run.status == "completed"
