"""An engine that executes the runs of the API, with a fake provider."""

from datetime import timedelta

import httpx2
import pytest

from stepiq.core.settings.model import Settings
from stepiq.execution.limits.plans import Plans
from stepiq.execution.runtime import Engine
from stepiq.providers.registry import Providers
from tests.support.clients import session_headers
from tests.support.fake_provider import running_fake_provider


@pytest.fixture
async def fake_provider():
    async with running_fake_provider() as provider:
        yield provider


@pytest.fixture
async def providers(fake_provider, settings: Settings):
    keyed = {"openai_api_key": "sk-test-0123456789", "openai_base_url": fake_provider.url}
    providers = Providers(settings.model_validate({**settings.model_dump(), **keyed}))
    yield providers
    await providers.close()


@pytest.fixture
async def engine(database, changes, providers, http):
    engine = Engine(database, changes, providers, Plans.load({}), http)
    await engine.start()
    yield engine
    await engine.stop(drain=timedelta(0))


@pytest.fixture
async def browser(app, server, make, account):
    headers = await session_headers(app, make, account)
    async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=90) as client:
        yield client
