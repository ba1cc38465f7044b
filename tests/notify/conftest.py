"""A server whose deliveries leave: a running engine with an outbox, and a scripted receiver on loopback."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import httpx2
import pytest

from stepiq.accounts.service import Account
from stepiq.billing.plans import Plans
from stepiq.core.http import GuardedClient
from stepiq.core.mail import Mailer
from stepiq.core.settings import Settings
from stepiq.execution.definitions import Definitions
from stepiq.execution.protocols import SecretValue
from stepiq.execution.records import ClaimedRun
from stepiq.execution.runtime import Engine
from stepiq.notify import delivery_worker, records
from stepiq.notify import outbox as outboxes
from stepiq.notify.outbox import DeliveryOutbox
from stepiq.providers.registry import Providers
from stepiq.store.database import Database, Session
from stepiq.store.pubsub import LocalChanges
from tests.support.clients import login, login_key
from tests.support.make import Make
from tests.support.receiver import Receiver, running_receiver

__all__ = ["login", "login_key"]

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PIPELINE = """
name: Report
input:
  schema: {{topic: {{type: string}}}}
steps:
  - {{id: write, type: transform, template: "About {{{{input.topic}}}}"}}
output:
  deliver:
    - type: webhook
      url: {url}
      signing_secret_name: SIGNING
"""
BROKEN_STEP = 'template: "{{input.topic.no.such}}"'


@dataclass
class Vault:
    """Stored secrets by name, the same for every pipeline."""

    values: dict[str, str] = field(default_factory=lambda: {"SIGNING": SECRET})
    hosts: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    async def read(
        self, session: Session, *, workspace_id: UUID, pipeline_id: UUID, names: Collection[str]
    ) -> dict[str, SecretValue]:
        return {
            name: SecretValue(value, self.hosts.get(name))
            for name, value in self.values.items()
            if name in names
        }

    async def note_run(self, run: ClaimedRun, found: Mapping[str, SecretValue]) -> None:
        pass

    async def settle(self) -> None:
        pass


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


def set_pauses(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
    """Set the three pauses between the attempts of a delivery."""
    pauses = tuple(timedelta(seconds=each) for each in seconds)
    for module in (records, delivery_worker):
        monkeypatch.setattr(module, "PAUSES", pauses)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses between attempts, for tests that do not measure them."""
    set_pauses(monkeypatch, 0.02, 0.02, 0.02)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"allowed_private_networks": (ip_network("127.0.0.0/8"),)})


@pytest.fixture
def vault() -> Vault:
    return Vault()


@pytest.fixture
def mailer(settings: Settings) -> Mailer:
    return Mailer(settings)


@pytest.fixture
def definitions() -> Definitions:
    return Definitions()


@pytest.fixture
def outbox(
    settings: Settings,
    database: Database,
    definitions: Definitions,
    vault: Vault,
    http: GuardedClient,
    mailer: Mailer,
) -> DeliveryOutbox:
    return outboxes.build(
        settings,
        database,
        definitions=definitions,
        plans=Plans.load(settings.plans),
        secrets=vault,
        http=http,
        mailer=mailer,
    )


@pytest.fixture
async def engine(
    database: Database,
    changes: LocalChanges,
    providers: Providers,
    settings: Settings,
    http: GuardedClient,
    definitions: Definitions,
    outbox: DeliveryOutbox,
) -> AsyncIterator[Engine]:
    plans = Plans.load(settings.plans)
    engine = Engine(
        database, changes, providers, plans, http, definitions=definitions, outbox=outbox
    )
    await engine.start()
    yield engine
    await engine.stop(drain=timedelta(0))


@dataclass
class Sender:
    """An account whose pipelines send things."""

    client: httpx2.AsyncClient
    make: Make
    account: Account

    async def pipeline(self, source: str) -> UUID:
        return await self.make.pipeline(self.account, source=source)

    async def run(self, pipeline_id: UUID, **input_data: Any) -> str:
        """Start a run; its id."""
        answer = await self.client.post(
            f"/api/pipelines/{pipeline_id}/run", json={"input_data": input_data}
        )
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    async def deliveries(self, run_id: str, *, final: int = 1, seconds: float = 20) -> list[Any]:
        """The deliveries of a run, once so many are final."""
        async with asyncio.timeout(seconds):
            while True:
                answer = await self.client.get(f"/api/runs/{run_id}/deliveries")
                found = answer.json()["data"]
                if sum(each["status"] != "pending" for each in found) >= final:
                    return found
                await asyncio.sleep(0.02)

    async def status(self, run_id: str, *wanted: str) -> Any:
        """A run, once it has one of these statuses."""
        async with asyncio.timeout(20):
            while True:
                found = (await self.client.get(f"/api/runs/{run_id}")).json()
                if found["status"] in wanted:
                    return found
                await asyncio.sleep(0.02)

    async def ended(self, run_id: str) -> Any:
        """A run, once it has ended."""
        return await self.status(run_id, "completed", "failed", "cancelled")

    async def finished(self, delivery_id: str) -> Any:
        """A delivery, once it is final."""
        async with asyncio.timeout(20):
            while True:
                found = (await self.client.get(f"/api/deliveries/{delivery_id}")).json()
                if found["status"] != "pending":
                    return found
                await asyncio.sleep(0.02)

    async def attempted(self, run_id: str, count: int) -> Any:
        """The one delivery of a run, once so many attempts have begun."""
        async with asyncio.timeout(20):
            while True:
                found = await self.deliveries(run_id, final=0)
                if found and len(found[0]["attempts"]) >= count:
                    return found[0]
                await asyncio.sleep(0.02)

    async def answered(self, run_id: str, count: int) -> Any:
        """The one delivery of a run, once so many attempts have ended."""
        async with asyncio.timeout(20):
            while True:
                found = await self.attempted(run_id, count)
                if found["attempts"][count - 1]["duration_ms"] is not None:
                    return found
                await asyncio.sleep(0.02)

    async def sent(self, source: str, **input_data: Any) -> Any:
        """Run a pipeline that has one target, and wait until its delivery is final."""
        run_id = await self.run(await self.pipeline(source), **input_data)
        [delivery] = await self.deliveries(run_id)
        return delivery


@pytest.fixture
def sender(owner: httpx2.AsyncClient, make: Make, account: Account) -> Sender:
    return Sender(owner, make, account)
