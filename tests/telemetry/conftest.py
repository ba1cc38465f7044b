"""A running engine whose runs are queued for the export, and a collector on loopback."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from ipaddress import ip_network

import pytest
from pydantic import SecretStr

from stepiq.accounts.secrets.reader import StoredSecrets
from stepiq.core.http import GuardedClient
from stepiq.core.settings.model import Settings
from stepiq.execution.runtime import Engine
from stepiq.providers.registry import Providers
from stepiq.store.database import Database
from stepiq.store.pubsub import LocalChanges
from stepiq.telemetry.exporter import TraceExporter
from tests.support.engine import World, WorldPlans
from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.make_secrets import keyring
from tests.support.otlp import CollectorServer, running_collector
from tests.support.receiver import Receiver, running_receiver


@pytest.fixture
async def collector() -> AsyncIterator[CollectorServer]:
    async with running_collector() as collector:
        yield collector


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


@pytest.fixture
async def fake_provider() -> AsyncIterator[RunningFakeProvider]:
    async with running_fake_provider() as provider:
        yield provider


@pytest.fixture
def settings(
    settings: Settings, collector: CollectorServer, fake_provider: RunningFakeProvider
) -> Settings:
    here = {
        "allowed_private_networks": (ip_network("127.0.0.0/8"),),
        "openai_api_key": SecretStr("sk-test-0123456789"),
        "openai_base_url": fake_provider.url,
        "otlp_endpoint": collector.url,
    }
    return settings.model_copy(update=here)


@pytest.fixture
async def engine(
    database: Database, changes: LocalChanges, providers: Providers, http: GuardedClient
) -> AsyncIterator[Engine]:
    engine = Engine(
        database,
        changes,
        providers,
        WorldPlans(),
        http,
        secrets=StoredSecrets(keyring()),
        exports_traces=True,
    )
    await engine.start()
    yield engine
    await engine.stop(drain=timedelta(0))


@pytest.fixture
async def world(database: Database, changes: LocalChanges, engine: Engine) -> World:
    return await World.create(database, changes, engine)


@pytest.fixture
async def exporter(settings: Settings, database: Database) -> AsyncIterator[TraceExporter]:
    async with aclosing(TraceExporter(settings, database)) as exporter:
        yield exporter
