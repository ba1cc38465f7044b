"""A separate PostgreSQL server that the harness kills. Committed data must exist after its recovery."""

import asyncio
import os
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

import psycopg

from tests.chaos.ledger import Ledger
from tests.support import postgres
from tests.support.lifetimes import die_with_parent
from tests.support.ports import free_port

_DATABASE = "stepiq"
_START_SECONDS = 60


class Postgres:
    """A server that flushes commits to disk, unlike the server of the suite."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._folder = Path(tempfile.mkdtemp(prefix="stepiq-chaos-postgres-"))
        self.port = free_port()
        self.process: asyncio.subprocess.Process | None = None

    @property
    def database(self) -> str:
        return _DATABASE

    async def create(self) -> None:
        """Create and start the server, with an empty database."""
        await asyncio.to_thread(postgres.initdb, self._folder)
        await self.start()
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {_DATABASE}")

    async def start(self) -> None:
        """Start the server, and wait until it accepts connections. Retries until the old processes have ended."""
        async with asyncio.timeout(_START_SECONDS):
            while True:
                await self._spawn()
                while self.process is not None and self.process.returncode is None:
                    if await asyncio.to_thread(self._answers):
                        self._ledger.note("store_ready")
                        return
                    await asyncio.sleep(0.05)
                await asyncio.sleep(0.1)

    async def kill(self) -> None:
        """Kill the postmaster. Its child processes end when they detect it."""
        assert self.process is not None
        self._ledger.note("store_killed")
        self.process.kill()
        await self.process.wait()

    def kill_backend(self, pick: float) -> bool:
        """Kill one backend process. The server then ends all others and recovers. False if there are no backends."""
        backends = self._backends()
        if not backends:
            return False
        self._ledger.note("store_killed")
        with suppress(ProcessLookupError):
            os.kill(backends[int(pick * len(backends))], signal.SIGKILL)
        return True

    async def until_ready(self) -> None:
        """Wait until the server accepts connections."""
        async with asyncio.timeout(_START_SECONDS):
            while not await asyncio.to_thread(self._answers):
                await asyncio.sleep(0.05)
        self._ledger.note("store_ready")

    async def close(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), 10)
            if self.process.returncode is None:
                self.process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _spawn(self) -> None:
        data = self._folder / "postgres"
        with (self._folder / "server.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(postgres.find("postgres"), "-D", str(data), "-p", str(self.port)),
                *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
                *("-c", "max_connections=300"),
                cwd="/",
                user="postgres" if os.geteuid() == 0 else None,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )

    def _backends(self) -> list[int]:
        with suppress(psycopg.OperationalError), psycopg.connect(self._url("postgres")) as own:
            rows = own.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = %s ORDER BY pid", [_DATABASE]
            )
            return [row[0] for row in rows]
        return []

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(self._url("postgres"), connect_timeout=2).close()
            return True
        return False

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"
