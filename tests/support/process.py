"""stepIQ in separate processes, for tests that kill, stop and restart it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2

from stepiq.accounts.signing_in.registration import setup_token
from tests.support.forked import ForkedProcess

_ROOT = Path(__file__).parents[2]
_START_SECONDS = 120


def config_file(folder: Path) -> str:
    """Create an empty config file, so that none in the working directory is read."""
    file = folder / "stepiq.toml"
    file.touch()
    return str(file)


class Process:
    """One `stepiq` process, started as by a user."""

    program = "stepiq"
    """As for `ForkedProcess`."""

    def __init__(self, log: Path, environment: Mapping[str, str], *arguments: str) -> None:
        self.log = log
        self._environment = {
            **os.environ,
            # The suite's PostgreSQL runs without fsync.
            "STEPIQ_ALLOW_UNSAFE_STORE": "true",
            # Tests may kill a process many times during one step.
            "STEPIQ_RUN_CRASH_LIMIT": "0",
            # Tests kill the process that serves.
            "STEPIQ_PROCESSES": "1",
            **environment,
            "STEPIQ_LOG_FORMAT": "json",
        }
        self._arguments = arguments
        self._process: ForkedProcess | None = None

    async def start(self) -> None:
        """Start the process, and return when it is ready."""
        begin = self.log.stat().st_size if self.log.exists() else 0
        self._process = ForkedProcess(
            self._arguments, _ROOT, self._environment, self.log, self.program
        )
        # A client for each question would load the certificates of the machine each time.
        async with asyncio.timeout(_START_SECONDS), httpx2.AsyncClient() as client:
            while not await self._is_there(begin, client):
                if self._process.poll() is not None:
                    raise RuntimeError(self.log.read_text())
                await asyncio.sleep(0.05)

    async def _is_there(self, begin: int, client: httpx2.AsyncClient) -> bool:
        return b'"worker_ready"' in self.log.read_bytes()[begin:]

    async def kill(self) -> None:
        """Kill the process with SIGKILL, as in a crash."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    def pause(self) -> None:
        """Stop the process with SIGSTOP, as on an overloaded machine."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue the process after `pause`."""
        self._send(signal.SIGCONT)

    async def terminate(self) -> int:
        """Send SIGTERM, and return the exit code."""
        self._send(signal.SIGTERM)
        assert self._process is not None
        return await self._process.wait()

    def children(self) -> list[int]:
        """The child processes, oldest first. Needs Linux."""
        assert self._process is not None
        pid = self._process.pid
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


class ServerProcess(Process):
    """A server with its own port and data folder."""

    def __init__(
        self, folder: Path, port: int, environment: Mapping[str, str], *arguments: str
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.data = folder / "data"
        own = {
            "STEPIQ_PORT": str(port),
            "STEPIQ_DATA_DIR": str(self.data),
            "STEPIQ_CONFIG_FILE": config_file(folder),
        }
        log = folder / f"server-{port}.log"
        super().__init__(log, {**environment, **own}, "serve", *arguments)

    async def _is_there(self, begin: int, client: httpx2.AsyncClient) -> bool:
        with suppress(httpx2.TransportError):
            return (await client.get(f"{self.url}/ready")).status_code == 200
        return False


class EarlierServerProcess(ServerProcess):
    """A server whose clock begins at another time, in ISO 8601."""

    program = "tests.support.at_time"

    def __init__(
        self, folder: Path, port: int, environment: Mapping[str, str], begins_at: str
    ) -> None:
        super().__init__(folder, port, environment)
        self._arguments = (begins_at, *self._arguments)


class WorkerProcess(Process):
    """A worker without an API, next to servers with the same folder."""

    def __init__(self, folder: Path, name: str, environment: Mapping[str, str]) -> None:
        own = {
            "STEPIQ_DATA_DIR": str(folder / "data"),
            "STEPIQ_CONFIG_FILE": config_file(folder),
        }
        super().__init__(folder / f"{name}.log", {**environment, **own}, "worker")


@asynccontextmanager
async def running_server(
    folder: Path, port: int, environment: dict[str, str], begins_at: str | None = None
) -> AsyncIterator[ServerProcess]:
    """A server, whose clock begins at a time in ISO 8601 if it is given."""
    if begins_at is None:
        server = ServerProcess(folder, port, environment)
    else:
        server = EarlierServerProcess(folder, port, environment, begins_at)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


def proof_of_operator(data: Path) -> dict[str, str]:
    """The field with which a request can register the first account of the server with this data folder."""
    return {"setup_token": setup_token((data / "jwt.key").read_bytes().strip())}


async def first_account(client: httpx2.AsyncClient, data: Path) -> dict[str, Any]:
    """Register the administrator of a new server with this data folder, and return the headers of an API key."""
    login = {"email": "owner@example.com", "password": "correct horse battery"}
    body = login | proof_of_operator(data)
    answer = await client.post("/api/auth/register", json=body)
    answer.raise_for_status()
    bearer = {"Authorization": f"Bearer {answer.json()['token']}"}
    key = await client.post("/api/user/api-keys", json={"name": "test"}, headers=bearer)
    return {"X-API-Key": key.json()["key"]}
