"""A server that is killed in the middle of a delivery: what receivers saw of it, on both stores."""

import asyncio
import base64
import json
import time
import urllib.parse
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from stepiq.core.settings.model import Settings
from stepiq.store.database import Database
from tests.support.ports import free_port
from tests.support.process import ServerProcess, first_account, running_server
from tests.support.receiver import Received, Receiver, Reply, running_receiver

PAUSES = (1, 2, 4)
CLOSE = 0.3
TAKEN_OVER = 4
"""Seconds after a start until the work of a killed worker continues, with one of grace and one for a busy machine."""
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PIPELINE = """
name: Told
steps: [{{id: a, type: transform, template: "done"}}]
output:
  deliver:
    - {{type: webhook, url: "{url}/hook", signing_secret_name: SIGNING}}
"""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


@pytest.fixture
async def server(settings: Settings, tmp_path: Path) -> AsyncIterator[ServerProcess]:
    port = free_port()
    environment = {
        "STEPIQ_DATABASE_URL": settings.database_url,
        "STEPIQ_ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8",
    }
    async with running_server(tmp_path, port, environment) as server:
        yield server


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=server.url, timeout=30) as client:
        client.headers.update(await first_account(client, server.data))
        body = {"name": "SIGNING", "value": SECRET}
        (await client.post("/api/user/secrets", json=body)).raise_for_status()
        yield client


async def start(client: httpx2.AsyncClient, receiver: Receiver, source: str = PIPELINE) -> str:
    """Run a pipeline that tells the receiver; the run's id."""
    pipeline = await client.post(
        "/api/pipelines",
        content=source.format(url=receiver.url),
        headers={"Content-Type": "application/yaml"},
    )
    assert pipeline.status_code == 201, pipeline.text
    run = await client.post(f"/api/pipelines/{pipeline.json()['id']}/run", json={})
    assert run.status_code == 202, run.text
    return run.json()["id"]


async def delivery_of(client: httpx2.AsyncClient, run_id: str) -> Any:
    """The run's one delivery, once it is final."""
    async with asyncio.timeout(60):
        while True:
            found = (await client.get(f"/api/runs/{run_id}/deliveries")).json()["data"]
            if found and found[0]["status"] != "pending":
                return found[0]
            await asyncio.sleep(0.05)


async def recorded(client: httpx2.AsyncClient, run_id: str, attempts: int) -> None:
    """Wait until the results of so many attempts of the run's one delivery are recorded."""
    async with asyncio.timeout(30):
        while True:
            found = (await client.get(f"/api/runs/{run_id}/deliveries")).json()["data"]
            made = found[0]["attempts"] if found else []
            if len(made) == attempts and made[-1]["duration_ms"] is not None:
                return
            await asyncio.sleep(0.01)


async def tickets_left(database: Database) -> int:
    """The tickets of runs and deliveries that the server has not finished."""
    schema = "" if database.is_sqlite else "dbos."
    async with database.reading() as session:
        count = sa.text(f"SELECT count(*) FROM {schema}workflow_status")  # noqa: S608
        return (await session.execute(count)).scalar_one()


def numbers(received: list[Received]) -> list[int]:
    return [request.json["meta"]["attempt"] for request in received]


@pytest.mark.slow
class TestKill:
    async def test_attempts_go_on_where_they_were_wherever_the_kill_falls(
        self,
        server: ServerProcess,
        client: httpx2.AsyncClient,
        receiver: Receiver,
        database: Database,
    ):
        """In each pause, one after the other: the fourth attempt is the last, whatever happened between."""
        receiver.reply_with(503)
        run_id = await start(client, receiver)

        started: list[float] = []
        for attempt in (1, 2, 3):
            await receiver.until(attempt)
            await recorded(client, run_id, attempt)
            await server.kill()
            await server.start()
            started.append(time.monotonic())
        await receiver.until(4)
        delivery = await delivery_of(client, run_id)

        assert await tickets_left(database) == 0
        # It ends what it has begun.
        assert await server.terminate() == 0
        assert numbers(receiver.received) == [1, 2, 3, 4]
        assert [a["status_code"] for a in delivery["attempts"]] == [503] * 4
        assert delivery["status"] == "failed"
        assert len({r.headers["webhook-id"] for r in receiver.received}) == 1
        for number, wanted in enumerate(PAUSES):
            # The start may outlast the pause; then the attempt follows it, on PostgreSQL when the delivery has been taken
            # over.
            latest = max(wanted + CLOSE, started[number] - receiver.answered[number] + TAKEN_OVER)
            assert wanted - CLOSE <= receiver.pauses[number] <= latest

    async def test_an_attempt_that_is_cut_off_counts(
        self,
        server: ServerProcess,
        client: httpx2.AsyncClient,
        receiver: Receiver,
        database: Database,
    ):
        receiver.reply_with(Reply(delay=30), 503, 503, Reply(delay=30), 200)
        run_id = await start(client, receiver)

        for attempt in (1, 4):
            await receiver.until(attempt, timeout=60)
            await server.kill()
            await server.start()
        delivery = await delivery_of(client, run_id)

        assert await tickets_left(database) == 0
        assert numbers(receiver.received) == [1, 2, 3, 4]
        assert delivery["status"] == "failed"
        assert "server stopped" in delivery["attempts"][0]["error"]
        assert "server stopped" in delivery["error"]
        assert (await client.post(f"/api/deliveries/{delivery['id']}/redeliver")).status_code == 200
        assert (await delivery_of(client, run_id))["status"] == "delivered"
        assert numbers(receiver.received) == [1, 2, 3, 4, 5]

    async def test_a_kill_between_the_run_s_end_and_the_first_attempt_loses_nothing(
        self, server: ServerProcess, client: httpx2.AsyncClient, receiver: Receiver
    ):
        run_ids = [await start(client, receiver) for _ in range(3)]

        await server.kill()
        await server.start()

        for run_id in run_ids:
            assert (await _ended(client, run_id))["status"] == "completed"
            assert (await delivery_of(client, run_id))["status"] == "delivered"
        assert {r.json["run"]["id"] for r in receiver.received} == set(run_ids)

    async def test_a_stop_lets_an_attempt_end(
        self, server: ServerProcess, client: httpx2.AsyncClient, receiver: Receiver
    ):
        receiver.reply_with(Reply(delay=2))
        run_id = await start(client, receiver)
        await receiver.until(1)

        assert await server.terminate() == 0
        await server.start()

        assert (await delivery_of(client, run_id))["status"] == "delivered"
        assert len(receiver.received) == 1


TOKEN = 't0ken/with "quotes" & more+0123456789'
LEAKY = """
name: Leaky
steps: [{{id: a, type: transform, template: "done"}}]
output:
  deliver:
    - type: webhook
      url: "{url}/hook?key={{{{env.TOKEN}}}}"
      signing_secret_name: SIGNING
      headers: {{Authorization: "Bearer {{{{env.TOKEN}}}}"}}
"""


def ways_to_write(secret: str) -> set[str]:
    """A secret as receivers may send it back."""
    plain = secret.encode()
    return {
        secret,
        base64.b64encode(plain).decode(),
        base64.b64encode(b"Bearer " + plain).decode(),
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        json.dumps(secret)[1:-1],
    }


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
class TestSecrets:
    async def test_a_receiver_that_sends_them_back_leaves_none_anywhere(
        self,
        client: httpx2.AsyncClient,
        receiver: Receiver,
        tmp_path: Path,
    ):
        await client.post("/api/user/secrets", json={"name": "TOKEN", "value": TOKEN})
        ways = [way for secret in (SECRET, TOKEN) for way in ways_to_write(secret)]
        receiver.reply_with(
            Reply(503, body=ways[0].encode(), headers={"X-Leak": ways[0]}),
            *[Reply(400, body=way.encode(), headers={"X-Leak": way}) for way in ways[1:]],
        )
        run_id = await start(client, receiver, LEAKY)
        delivery = await delivery_of(client, run_id)
        for _ in ways[2:]:
            await client.post(f"/api/deliveries/{delivery['id']}/redeliver")
            delivery = await delivery_of(client, run_id)

        shown = json.dumps(delivery, ensure_ascii=False)
        assert len(delivery["attempts"]) == len(ways)
        assert delivery["target"]["url"].endswith("/hook?key=[secret:TOKEN]")
        assert TOKEN in urllib.parse.unquote(receiver.received[0].path)
        # On PostgreSQL the folder holds logs and mail; what its tables hold is what the API shows.
        kept = everything_in(tmp_path) + shown.encode()
        for way in ways:
            assert way.encode() not in kept


async def _ended(client: httpx2.AsyncClient, run_id: str) -> Any:
    async with asyncio.timeout(60):
        while True:
            run = (await client.get(f"/api/runs/{run_id}")).json()
            if run["status"] not in ("pending", "running"):
                return run
            await asyncio.sleep(0.05)
