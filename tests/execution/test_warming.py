"""The price list of models is loaded when the start is over: not by commands that soon end."""

import asyncio

import pytest

from stepiq.core.http import GuardedClient
from stepiq.execution.limits.plans import Plans
from stepiq.execution.runtime import Engine
from stepiq.providers.registry import Providers
from stepiq.store.database import Database
from stepiq.store.pubsub import LocalChanges
from tests.support import loop_time


@pytest.fixture
def warmed(monkeypatch) -> asyncio.Event:
    event = asyncio.Event()

    async def warm(self: Providers) -> None:
        event.set()

    monkeypatch.setattr(Providers, "warm", warm)
    return event


@pytest.fixture
def idle(database: Database, changes: LocalChanges, providers: Providers, http: GuardedClient):
    return Engine(database, changes, providers, Plans.load({}), http)


async def test_a_second_after_the_start_they_are_loaded(idle: Engine, warmed):
    loop_time.quicken(1)
    await idle.start()

    async with asyncio.timeout(10):
        await warmed.wait()

    await idle.stop()


async def test_before_that_they_are_not(idle: Engine, warmed):
    loop_time.hold(1)
    await idle.start()

    await idle.stop()

    assert not warmed.is_set()
