"""A Phoenix server on loopback, installed into an environment of its own."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2

from tests.support.ports import free_port

_ROOT = Path(__file__).parents[2]
_BINARY = _ROOT / "build" / "phoenix" / "bin" / "phoenix"
_START_SECONDS = 400
"""It imports hundreds of packages. Until they are compiled once, it takes a minute on a busy machine."""


class Phoenix:
    """A running server."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def spans(self, trace_id: str, count: int) -> list[dict[str, Any]]:
        """The spans of a trace, once there are so many, as the REST API of Phoenix returns them."""
        async with asyncio.timeout(60), httpx2.AsyncClient(base_url=self.url) as client:
            while True:
                answer = await client.get("/v1/projects/default/spans", params={"limit": 1000})
                if answer.status_code == 200:
                    found = [
                        span
                        for span in answer.json()["data"]
                        if span["context"]["trace_id"] == trace_id
                    ]
                    if len(found) >= count:
                        return found
                await asyncio.sleep(0.2)


@asynccontextmanager
async def running_phoenix(folder: Path) -> AsyncIterator[Phoenix]:
    """Install Phoenix if necessary, and run it with its data in a folder."""
    script = _ROOT / "scripts" / "install_phoenix.py"
    await asyncio.to_thread(subprocess.run, [sys.executable, script], check=True)
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    environment |= {
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    }
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            _BINARY, "serve", env=environment, stdout=log, stderr=log
        )
    phoenix = Phoenix(f"http://127.0.0.1:{port}")
    try:
        async with asyncio.timeout(_START_SECONDS), httpx2.AsyncClient() as client:
            while not await _is_ready(client, phoenix.url):
                assert process.returncode is None, (folder / "log").read_text()
                await asyncio.sleep(0.2)
        yield phoenix
    finally:
        process.kill()
        await process.wait()


async def _is_ready(client: httpx2.AsyncClient, url: str) -> bool:
    with suppress(httpx2.TransportError):
        return (await client.get(f"{url}/healthz")).status_code == 200
    return False
