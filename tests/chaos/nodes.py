"""The processes of stepIQ, each kept running as a service manager would, so that faults only have to end them."""

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
    """What a process does."""

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
    """One place for a process; when it ends, for whatever reason, it is started again."""

    name: str
    role: Role
    port: int
    environment: Mapping[str, str]
    folder: Path
    ledger: Ledger
    rest_seconds: float = 0.0
    """How long the place stays empty when its process ends next."""
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
        """Keep it running from now on."""
        self._keeping = asyncio.create_task(self._keep())

    async def until_ready(self) -> None:
        """Returns once it answers, or carries runs."""
        async with self._became_ready:
            await self._became_ready.wait_for(lambda: self.is_ready)

    def signal(self, number: signal.Signals) -> bool:
        """Send it a signal; False if there is no process."""
        if self.process is None or self.process.poll() is not None:
            return False
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.is_ready = False
            if self._looking is not None:
                # It may have received an answer already, from the process that ends now.
                self._looking.cancel()
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        return True

    async def stop(self) -> None:
        """End it for good."""
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
