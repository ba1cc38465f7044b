import asyncio

import pytest

from stepiq.engine import waking
from stepiq.engine.admission import Admission
from stepiq.engine.runtime import Engine
from stepiq.store.database import Database, StoreUnavailable


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
    monkeypatch.setattr(waking, "_EVERY_SECONDS", 0)

    await engine.start()

    await asyncio.wait_for(looked_again.wait(), 10)
