"""A full disk of the SQLite file, while a server runs."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from structlog.testing import capture_logs

from stepiq.core.settings.model import Settings
from tests.support.engine import World
from tests.support.receiver import Receiver, Reply, running_receiver
from tests.support.small_disk import fill, mounted
from tests.support.stores import SqliteStores

LARGE = b"x" * 900_000
ONE_CALL = """
name: One call
steps:
  - {id: call, type: webhook, method: POST, url: URL}
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "data", 16) as folder:
        yield folder


@pytest.fixture
def settings(default_settings: Settings, sqlite_stores: SqliteStores, small_disk: Path) -> Settings:
    here = {"database_url": sqlite_stores.create(small_disk), "data_dir": small_disk}
    return default_settings.model_copy(update=here)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


class TestFullDisk:
    async def test_ready_says_so_until_there_is_space(
        self, client: httpx2.AsyncClient, small_disk: Path
    ):
        filler = fill(small_disk)

        full = await client.get("/ready")
        filler.unlink()
        again = await client.get("/ready")

        assert (full.status_code, full.json()["code"]) == (503, "store_full")
        assert "Retry-After" in full.headers
        assert again.status_code == 200

    async def test_a_request_that_writes_is_refused_until_there_is_space(
        self, owner: httpx2.AsyncClient, small_disk: Path
    ):
        definition = {
            "name": "Large",
            "steps": [{"id": "a", "type": "transform", "template": "x" * 50_000}],
        }
        filler = fill(small_disk)

        full = await owner.post("/api/pipelines", json=definition)
        filler.unlink()
        again = await owner.post("/api/pipelines", json=definition)

        assert (full.status_code, full.json()["code"]) == (503, "store_full")
        assert again.status_code == 201

    async def test_a_run_waits_and_continues_without_repeating_its_call_when_there_is_space(
        self, world: World, receiver: Receiver, small_disk: Path
    ):
        is_full = asyncio.Event()
        receiver.reply_with(Reply(body=LARGE, after=is_full))
        pipeline_id = await world.pipeline(ONE_CALL.replace("URL", receiver.url))
        run_id, heard = await world.start(pipeline_id)
        await receiver.until(1)
        filler = fill(small_disk)

        with capture_logs() as logs:
            is_full.set()
            async with asyncio.timeout(30):
                while not any(each["event"] == "run_waits_for_store" for each in logs):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.02)
        filler.unlink()
        await asyncio.wait_for(heard.until_ended(), 30)

        ended = await world.ended(run_id, heard)
        assert (ended.run.status, ended.run.claim) == ("completed", 1)
        assert len(receiver.received) == 1
        assert [event.seq for event in ended.events] == list(range(1, len(ended.events) + 1))
