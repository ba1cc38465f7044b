"""A server that is killed again and again, and both clients: no event is missing or repeated, no call has two effects."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stepiq.core.settings.model import Settings
from tests.support.client_twins import twin_of
from tests.support.ports import free_port
from tests.support.process import ServerProcess, first_account, running_server
from tests.support.receiver import Receiver, Reply, running_receiver

KILLS = int(os.environ.get("STEPIQ_TEST_CYCLES", "5"))
ITEMS = 12 * KILLS + 50
LONG = f"""\
name: Long
steps:
  - id: p
    type: parallel
    for_each: '{list(range(ITEMS))}'
    max_concurrency: 3
    steps:
      - {{id: w, type: webhook, method: POST, url: 'URL/{{{{item}}}}', retry: {{max_attempts: 10, backoff_ms: 50}}}}
"""
SHORT = "name: Short\nsteps: [{id: a, type: transform, template: x}]\n"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


@pytest.fixture
async def server(settings: Settings, tmp_path: Path) -> AsyncIterator[ServerProcess]:
    environment = {
        "STEPIQ_DATABASE_URL": settings.database_url,
        "STEPIQ_ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8",
    }
    async with running_server(tmp_path, free_port(), environment) as server:
        yield server


@pytest.mark.slow
@pytest.mark.timeout(300 + 20 * KILLS)
async def test_streams_and_calls_survive_kills(server: ServerProcess, receiver: Receiver):
    async with httpx2.AsyncClient(base_url=server.url, timeout=30) as http:
        key = (await first_account(http, server.data))["X-API-Key"]
    async with (
        twin_of("sync", server.url, api_key=key, max_retries=60) as one,
        twin_of("async", server.url, api_key=key, max_retries=60) as other,
    ):
        over = asyncio.Event()
        # The long run does not end before the kills are over.
        receiver.reply_with(*[Reply(delay=0.15)] * (ITEMS - 20), Reply(after=over))
        twins = (one, other)
        long = LONG.replace("URL", receiver.url)
        pipeline = await other.call(lambda client: client.pipelines.create(long))
        short = await other.call(lambda client: client.pipelines.create(SHORT))
        run = await other.call(lambda client: client.runs.start(pipeline.id))

        def follow(client: Any) -> Any:
            return client.runs.stream(run.id)

        reading = [asyncio.create_task(twin.all(follow)) for twin in twins]
        waiting = [
            asyncio.create_task(twin.call(lambda client: client.runs.wait(run.id)))
            for twin in twins
        ]
        started: list[str] = []
        answered = asyncio.Event()

        async def start_all_the_time(twin: Any) -> None:
            while not over.is_set():
                begun = await twin.call(lambda client: client.runs.start(short.id))
                started.append(begun.id)
                answered.set()

        starting = [asyncio.create_task(start_all_the_time(twin)) for twin in twins]
        for kill in range(KILLS):
            if kill % 2:
                # Otherwise, too few calls would succeed between the kills.
                answered.clear()
                await answered.wait()
            else:
                await asyncio.sleep(random.uniform(0.05, 0.6))  # noqa: S311 - not a secret
            assert not reading[0].done(), "the run is too short for this test"
            await server.kill()
            await server.start()
        over.set()
        await asyncio.gather(*starting)

        read = await asyncio.gather(*reading)
        ended = await asyncio.gather(*waiting)
        recorded = await other.all(lambda client: client.runs.list_events(run.id, limit=100))
        runs = await other.all(lambda client: client.runs.list(pipeline_id=short.id, limit=100))

    expected = [event.seq for event in recorded]
    assert sorted(expected) == [*range(1, len(expected) + 1)]
    for events in read:
        assert [event.seq for event in events] == sorted(expected)
        assert events[-1].data.status == "completed"
    assert [each.status for each in ended] == ["completed", "completed"]
    assert len(started) > KILLS / 2
    assert sorted(started) == sorted(each.id for each in runs)
