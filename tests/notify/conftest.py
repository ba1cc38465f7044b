"""A server whose deliveries leave: a running engine with an outbox, and a scripted receiver on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import httpx2
import pytest

from stepiq.accounts.service import Account
from stepiq.core.http import GuardedClient
from stepiq.core.mail import Mailer
from stepiq.core.settings.model import Settings
from stepiq.execution.definitions import Definitions
from stepiq.execution.limits.plans import Plans
from stepiq.execution.protocols import SecretValue
from stepiq.execution.records.run import ClaimedRun
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

        def are_final(found: Any) -> bool:
            return sum(each["status"] != "pending" for each in found["data"]) >= final

        found = await self._once(f"/api/runs/{run_id}/deliveries", are_final, seconds)
        return found["data"]

    async def status(self, run_id: str, *wanted: str) -> Any:
        """A run, once it has one of these statuses."""
        return await self._once(f"/api/runs/{run_id}", lambda found: found["status"] in wanted)

    async def ended(self, run_id: str) -> Any:
        """A run, once it has ended."""
        return await self.status(run_id, "completed", "failed", "cancelled")

    async def finished(self, delivery_id: str) -> Any:
        """A delivery, once it is final."""
        path = f"/api/deliveries/{delivery_id}"
        return await self._once(path, lambda found: found["status"] != "pending")

    async def attempted(self, run_id: str, count: int) -> Any:
        """The one delivery of a run, once so many attempts have begun."""

        def have_begun(found: Any) -> bool:
            return bool(found["data"]) and len(found["data"][0]["attempts"]) >= count

        return (await self._once(f"/api/runs/{run_id}/deliveries", have_begun))["data"][0]

    async def answered(self, run_id: str, count: int) -> Any:
        """The one delivery of a run, once so many attempts have ended."""

        def have_ended(found: Any) -> bool:
            attempts = found["data"][0]["attempts"] if found["data"] else []
            return len(attempts) >= count and attempts[count - 1]["duration_ms"] is not None

        return (await self._once(f"/api/runs/{run_id}/deliveries", have_ended))["data"][0]

    async def _once(self, path: str, holds: Callable[[Any], bool], seconds: float = 20) -> Any:
        """What a path answers, once it holds. A request takes as much CPU as a short run, so the pauses grow."""
        begun = time.monotonic()
        async with asyncio.timeout(seconds):
            while not holds(found := (await self.client.get(path)).json()):  # noqa: ASYNC110 - a store tells nobody
                await asyncio.sleep(max(0.02, (time.monotonic() - begun) / 10))
        return found

    async def sent(self, source: str, **input_data: Any) -> Any:
        """Run a pipeline that has one target, and wait until its delivery is final."""
        run_id = await self.run(await self.pipeline(source), **input_data)
        [delivery] = await self.deliveries(run_id)
        return delivery


@pytest.fixture
def sender(owner: httpx2.AsyncClient, make: Make, account: Account) -> Sender:
    return Sender(owner, make, account)
