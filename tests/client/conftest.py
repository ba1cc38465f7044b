from collections.abc import AsyncIterator

import pytest

from stepiq.client import retries
from tests.support.client_twins import KINDS, Twin, twin_of
from tests.support.scripted_server import ScriptedServer, scripted_server


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "STEPIQ_SERVER",
        "STEPIQ_HOST",
        "STEPIQ_PORT",
        "STEPIQ_API_KEY",
        "STEPIQ_WORKSPACE",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def script() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as found:
        yield found


@pytest.fixture
async def twin(kind: str, script: ScriptedServer, quick: None) -> AsyncIterator[Twin]:
    """A client of the scripted server."""
    async with twin_of(kind, script.url, api_key="sk_live_test", timeout=30) as found:
        yield found


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts that a test does not notice."""
    monkeypatch.setattr(retries, "backoff", lambda _: 0.001)
