"""A running engine, a workspace, and a fake provider to talk to."""

from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_network

import pytest
from pydantic import SecretStr

from stepiq.accounts.secrets.reader import StoredSecrets
from stepiq.core.http import GuardedClient, guarded_client
from stepiq.core.settings.model import Settings
from stepiq.execution.runtime import Engine
from stepiq.providers.registry import Providers
from stepiq.store.database import Database
from stepiq.store.pubsub import LocalChanges
from tests.support.engine import World, WorldPlans
from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.make_secrets import keyring
from tests.support.midnight import midnight_is_far

__all__ = ["midnight_is_far"]


@pytest.fixture
async def fake_provider() -> AsyncIterator[RunningFakeProvider]:
    async with running_fake_provider() as provider:
        yield provider


@pytest.fixture
async def providers(
    fake_provider: RunningFakeProvider, settings: Settings
) -> AsyncIterator[Providers]:
    keyed = {
        "openai_api_key": SecretStr("sk-test-0123456789"),
        "openai_base_url": fake_provider.url,
        "ollama_base_url": fake_provider.url.removesuffix("/v1"),
    }
    providers = Providers(settings.model_copy(update=keyed))
    yield providers
    await providers.close()


@pytest.fixture
async def http(settings: Settings) -> AsyncIterator[GuardedClient]:
    """The client of `webhook` steps, to which loopback is open: there the tests' receivers are."""
    open_to_loopback = settings.model_copy(
        update={"allowed_private_networks": (ip_network("127.0.0.0/8"),)}
    )
    async with guarded_client(open_to_loopback) as client:
        yield client


@pytest.fixture
async def engine(
    database: Database,
    changes: LocalChanges,
    providers: Providers,
    http: GuardedClient,
    settings: Settings,
) -> AsyncIterator[Engine]:
    engine = Engine(
        database,
        changes,
        providers,
        WorldPlans(),
        http,
        secrets=StoredSecrets(keyring()),
        crash_limit=settings.run_crash_limit,
    )
    await engine.start()
    yield engine
    await engine.stop(drain=timedelta(0))


@pytest.fixture
async def world(database: Database, changes: LocalChanges, engine: Engine) -> World:
    return await World.create(database, changes, engine)
