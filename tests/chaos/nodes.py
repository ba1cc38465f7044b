"""The processes of stepIQ, restarted as by a service manager, so that faults only need to end them."""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import httpx2

from tests.chaos.ledger import Ledger
from tests.support.forked import ForkedProcess

_ROOT = Path(__file__).parents[2]
_LOOK_SECONDS = 0.05
_WORKER_IS_READY = b'"worker_ready"'


class Role(StrEnum):
    """The role of a process."""

    SERVE = "serve"
    API = "api"
    WORKER = "worker"

    @property
    def carries(self) -> bool:
        return self is not Role.API

    @property
    def answers(self) -> bool:
        return self is not Role.WORKER

    @property
    def arguments(self) -> list[str]:
        return {
            Role.SERVE: ["serve"],
            Role.API: ["serve", "--no-worker"],
            Role.WORKER: ["worker"],
        }[self]


@dataclass
class Node:
    """One process, which is restarted whenever it ends."""

    name: str
    role: Role
    port: int
    environment: Mapping[str, str]
    folder: Path
    ledger: Ledger
    rest_seconds: float = 0.0
    """Delay before the next restart."""
    is_ready: bool = False
    is_paused: bool = False
    process: ForkedProcess | None = None
    _keeping: asyncio.Task[None] | None = None
    _looking: asyncio.Task[None] | None = None
    _became_ready: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start the process, and restart it until `stop`."""
        self._keeping = asyncio.create_task(self._keep())

    async def until_ready(self) -> None:
        """Wait until the process responds to requests, or executes runs."""
        async with self._became_ready:
            await self._became_ready.wait_for(lambda: self.is_ready)

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal. Returns False if no process is running."""
        if self.process is None or self.process.poll() is not None:
            return False
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.is_ready = False
            if self._looking is not None:
                # It may already have a response of the process that ends now.
                self._looking.cancel()
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        return True

    async def stop(self) -> None:
        """Kill the process without a restart."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()

    async def _keep(self) -> None:
        while True:
            offset = self.log.stat().st_size if self.log.exists() else 0
            environment = {**os.environ, **self.environment, "STEPIQ_PORT": str(self.port)}
            self.process = ForkedProcess(self.role.arguments, _ROOT, environment, self.log)
            self.ledger.note("started", node=self.name, pid=self.process.pid)
            self._looking = asyncio.create_task(self._look(offset))
            code = await self.process.wait()
            self._looking.cancel()
            was_ready, self.is_ready, self.is_paused = self.is_ready, False, False
            self.ledger.note("exited", node=self.name, code=code, was_ready=was_ready)
            rest, self.rest_seconds = self.rest_seconds, 0.2
            await asyncio.sleep(rest)

    async def _look(self, offset: int) -> None:
        async with httpx2.AsyncClient(timeout=5) as client:
            while not await self._has_come_up(client, offset):
                await asyncio.sleep(_LOOK_SECONDS)
        async with self._became_ready:
            self.ledger.note("ready", node=self.name)
            self.is_ready = True
            self._became_ready.notify_all()

    async def _has_come_up(self, client: httpx2.AsyncClient, offset: int) -> bool:
        if self.role is Role.WORKER:
            with self.log.open("rb") as log:
                log.seek(offset)
                return _WORKER_IS_READY in log.read()
        with suppress(httpx2.TransportError):
            return (await client.get(f"{self.url}/health")).status_code == 200
        return False
