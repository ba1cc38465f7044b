"""`stepiq users disable` while a server executes a run of the account. With SQLite, no notification reaches the server."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network

import pytest
import sqlalchemy as sa

from stepiq.cli.administration.accounts import disable_account
from stepiq.execution.limits.plans import Plans
from stepiq.execution.runtime import Engine
from stepiq.store.states import RunStatus
from stepiq.store.tables import runs
from tests.support.clients import login

__all__ = ["login"]

pytestmark = pytest.mark.one_store

TWO_CALLS = """\
name: Two calls
steps:
  - {{id: one, type: webhook, url: "{url}"}}
  - {{id: two, type: webhook, url: "{url}"}}
"""


class Gate:
    """A server on loopback that answers once it may."""

    def __init__(self):
        self.url = ""
        self.calls = 0
        self.arrived, self.may_answer = asyncio.Event(), asyncio.Event()

    async def serve(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        self.calls += 1
        self.arrived.set()
        await self.may_answer.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def running_gate():
    gate = Gate()
    server = await asyncio.start_server(gate.serve, "127.0.0.1", 0)
    gate.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield gate


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"allowed_private_networks": (ip_network("127.0.0.0/8"),)})


@pytest.fixture
async def engine(database, changes, providers, http):
    engine = Engine(database, changes, providers, Plans.load({}), http)
    await engine.start()
    yield engine
    await engine.stop(drain=timedelta(0))


async def test_the_run_is_cancelled_and_stops_at_its_next_step(
    account, make, login, settings, engine, database
):
    client = await login(account)
    async with running_gate() as gate:
        pipeline_id = await make.pipeline(account, source=TWO_CALLS.format(url=gate.url))
        started = await client.post(f"/api/pipelines/{pipeline_id}/run", json={})
        await gate.arrived.wait()

        ended = await disable_account(settings, account.email)
        gate.may_answer.set()
        # The engine can have noticed the end already.
        if tasks := engine._in_hand():
            await asyncio.wait(tasks, timeout=20)

    async with database.reading() as session:
        status = await session.scalar(sa.select(runs.c.status))
    assert started.status_code == 202
    assert ended == (1, 1)
    assert (status, gate.calls) == (RunStatus.CANCELLED, 1)
