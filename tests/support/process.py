"""`stepiq serve` as its own process, to be killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2

_ROOT = Path(__file__).parents[2]
_START_SECONDS = 60


class ServerProcess:
    """A server on a port and data folder of its own, started as a user would."""

    def __init__(self, folder: Path, port: int, environment: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "server.log"
        self._environment = {
            **os.environ,
            **environment,
            "STEPIQ_PORT": str(port),
            "STEPIQ_DATA_DIR": str(folder / "data"),
            "STEPIQ_CONFIG_FILE": str(folder / "stepiq.toml"),
            "STEPIQ_LOG_FORMAT": "json",
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and return once it carries runs."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "stepiq",
                "serve",
                cwd=_ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        async with httpx2.AsyncClient() as client, asyncio.timeout(_START_SECONDS):
            while True:
                with suppress(httpx2.TransportError):
                    if (await client.get(f"{self.url}/ready")).status_code == 200:
                        return
                if self._process.returncode is not None:
                    raise RuntimeError(self.log.read_text())
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """End it as a crash would: nothing of it runs any more code."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    async def terminate(self) -> int:
        """Ask it to stop, and give its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await self._process.wait()


@asynccontextmanager
async def running_server(
    folder: Path, port: int, environment: dict[str, str]
) -> AsyncIterator[ServerProcess]:
    server = ServerProcess(folder, port, environment)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


async def first_account(client: httpx2.AsyncClient) -> dict[str, Any]:
    """Headers of the administrator of a new server."""
    body = {"email": "owner@example.com", "password": "correct horse battery"}
    answer = await client.post("/api/auth/register", json=body)
    answer.raise_for_status()
    bearer = {"Authorization": f"Bearer {answer.json()['token']}"}
    key = await client.post("/api/user/api-keys", json={"name": "test"}, headers=bearer)
    return {"X-API-Key": key.json()["key"]}
