from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from stepiq.core import clock
from stepiq.core.ids import uuid7
from stepiq.execution.interpreter import executor
from stepiq.store.database import Database


@pytest.mark.both_stores
async def test_a_run_without_a_sign_of_life_gets_no_time_back(database: Database):
    hour, now = timedelta(hours=1), clock.now()
    run = SimpleNamespace(id=uuid7(), created_at=now - 2 * hour, deadline_at=now - hour)

    await executor.restore(database, cast(Any, run), hour)

    assert run.deadline_at == now - hour
