"""A server as a separate process, and the command that calls it, also as a separate process."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio

from stepiq.client import AsyncClient
from tests.cli.conftest import Command, Said
from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.ports import free_port
from tests.support.process import ServerProcess, proof_of_operator, running_server

_HERE = Path(__file__).parent
GREETING = """\
name: Greeting # says hello
input:
  schema:
    who: {type: string, required: true}
    count: {type: integer, default: 1}
steps:
  - id: greet
    type: transform
    template: "Hello {{input.who}} x {{input.count}}"
"""
"""A definition that needs no model."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that use the server on its loop."""
    for item in items:
        uses_server = "remote" in getattr(item, "fixturenames", ())
        if uses_server and item.path.is_relative_to(_HERE) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def remote_provider() -> AsyncIterator[RunningFakeProvider]:
    """The provider of `openai/...` models on `remote_server`."""
    async with running_fake_provider() as provider:
        yield provider


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def remote_server(
    tmp_path_factory: pytest.TempPathFactory, remote_provider: RunningFakeProvider
) -> AsyncIterator[ServerProcess]:
    """A server with an administrator."""
    folder = tmp_path_factory.mktemp("remote-server")
    environment = {"OPENAI_API_KEY": "sk-fake", "OPENAI_BASE_URL": remote_provider.url}
    async with running_server(folder, free_port(), environment) as process:
        await _register(process, "admin@example.com")
        yield process


class Remote:
    """The command with the server and a key in its environment. Standard error is not a terminal."""

    def __init__(self, command: Command, url: str, key: str, session: httpx2.AsyncClient) -> None:
        self.command = command
        self._session = session
        self.folder = command.folder
        self.url = url
        self.key = key
        command.environment |= {
            "STEPIQ_SERVER": url,
            "STEPIQ_API_KEY": key,
            "XDG_CONFIG_HOME": str(command.folder / "config"),
        }
        self.api = httpx2.AsyncClient(base_url=url, headers={"X-API-Key": key}, timeout=30)

    async def __call__(self, *arguments: str, stdin: str = "") -> Said:
        return await self.command(*arguments, stdin=stdin)

    async def save(self, slug: str = "greeting", text: str = GREETING) -> dict[str, Any]:
        """Create a pipeline."""
        body = {"slug": slug, "text": text}
        answer = await self.api.post("/api/pipelines", json=body)
        answer.raise_for_status()
        return answer.json()

    async def run(self, slug: str = "greeting", **data: Any) -> dict[str, Any]:
        """Run a pipeline until it ends."""
        body = {"input_data": data or {"who": "Ada"}}
        answer = await self.api.post(f"/api/pipelines/{slug}/run?wait=20", json=body)
        answer.raise_for_status()
        return answer.json()

    async def run_until_review(self, slug: str = "reviewed") -> dict[str, Any]:
        """Run a pipeline until it waits for a review."""
        run = await self.start(slug)
        async with AsyncClient(self.url, api_key=self.key) as client:
            async for event in client.runs.stream(run["id"]):
                if event.type == "review.requested":
                    break
        return run

    async def start(self, slug: str = "greeting") -> dict[str, Any]:
        """Start a run of a pipeline."""
        body = {"input_data": {"who": "Ada"}}
        answer = await self.api.post(f"/api/pipelines/{slug}/run?wait=0", json=body)
        answer.raise_for_status()
        return answer.json()

    async def new_key(self, *scopes: str) -> str:
        """Another key of the account, with these scopes."""
        body = {"name": "other", "scopes": scopes}
        return (await self._session.post("/api/user/api-keys", json=body)).json()["key"]

    def write(self, name: str, text: str = GREETING) -> Path:
        """Write a file into the folder of pipelines."""
        file = self.folder / "flows" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file


@pytest_asyncio.fixture(loop_scope="session")
async def remote(command: Command, remote_server: ServerProcess) -> AsyncIterator[Remote]:
    """The command, with a key of a new account."""
    token = await _register(remote_server, f"{uuid4().hex}@example.com")
    async with httpx2.AsyncClient(
        base_url=remote_server.url, headers={"Authorization": f"Bearer {token}"}, timeout=30
    ) as client:
        made = await client.post("/api/user/api-keys", json={"name": "test"})
        found = Remote(command, remote_server.url, made.json()["key"], client)
        yield found
        await found.api.aclose()


def problem(said: Said) -> dict[str, Any]:
    """The error that a command has printed as its last line."""
    return json.loads(said.err.splitlines()[-1])["error"]


async def _register(process: ServerProcess, email: str) -> str:
    body = {"email": email, "password": "correct horse battery", **proof_of_operator(process.data)}
    async with httpx2.AsyncClient(base_url=process.url, timeout=30) as client:
        answer = await client.post("/api/auth/register", json=body)
    answer.raise_for_status()
    return answer.json()["token"]
