"""Starts the process of the local model at the first call, and restarts it after it has died."""

import asyncio
import importlib.util
import json
import os
import secrets
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

from stepiq.core.observability import logging
from stepiq.providers.local.server import LocalServerOptions
from stepiq.providers.local.weights import (
    CONTEXT_WINDOW,
    LocalModelUnavailable,
    WeightsFetch,
    weights_damaged,
)
from stepiq.providers.places import Endpoint, FailurePlace

if TYPE_CHECKING:
    from stepiq.providers.openai.chat import ChatConnection

log = logging.get(__name__)

_START_SECONDS = 60
_STOP_SECONDS = 2
_LIBRARY = "xllamacpp"
_REQUIREMENT = "xllamacpp>=2026.10,<2027"
"""The same as in pyproject.toml."""
MAX_OUTPUT_TOKENS = 512
"""Longest answer. A model this small may repeat itself endlessly, while other workspaces wait for the process."""


def local_unavailable() -> str | None:
    """Why the local model cannot be used here, or None if it can."""
    if importlib.util.find_spec(_LIBRARY) is None:
        return f"The local model needs the library {_LIBRARY}, which is not installed. Install it with: {_installation()}"
    return None


def _installation() -> str:
    """The command that installs the library into the environment of this process."""
    python = shlex.quote(sys.executable)
    has_pip = importlib.util.find_spec("pip") is not None
    tool = f"{python} -m pip install" if has_pip else f"uv pip install --python {python}"
    return f"{tool} {shlex.quote(_REQUIREMENT)}"


ENVIRONMENT = {"TZ": "UTC"}
"""The environment of the process. The server's contains keys, which must not be available to native code."""


class LocalServer:
    """The local model as a server with the Chat Completions API."""

    def __init__(self, weights: WeightsFetch) -> None:
        self._weights = weights
        self._starting = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._connection: ChatConnection | None = None

    async def connection(self) -> "ChatConnection":
        """Return a connection to the process. Starts it if it is not running; fetches the weights if they are missing.

        Raises:
            LocalModelUnavailable: it cannot start; the message says why.
            OSError: the machine has too little memory, or too many processes or open files.
        """
        async with self._starting:
            if self._connection is not None and self._process and self._process.returncode is None:
                return self._connection
            await self._stop()
            if reason := local_unavailable():
                raise LocalModelUnavailable(reason)
            self._connection = await self._start(await self._weights.path())
            return self._connection

    async def close(self) -> None:
        """Stop the process if it is running."""
        async with self._starting:
            await self._stop()

    @property
    def pid(self) -> int | None:
        """Id of the process while it is running."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process and running else None

    async def _start(self, weights: Path) -> "ChatConnection":
        key = secrets.token_urlsafe(24)
        options = LocalServerOptions(
            model_path=str(weights),
            api_key=key,
            context_window=CONTEXT_WINDOW,
            threads=_threads(),
        )
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "stepiq.providers.local.server",
            env=ENVIRONMENT,
            cwd="/",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        url = await self._handshake(self._process, options)
        log.info("local_model_started", pid=self._process.pid)
        place = FailurePlace(
            provider="local",
            label="The local model",
            base_url=url,
            key_setting=None,
            url_setting="STEPIQ_CACHE_DIR",
            when_unreachable="Its process has ended. The next attempt starts it again.",
        )
        from stepiq.providers.openai.chat import ChatConnection

        return ChatConnection(Endpoint(place, f"{url}/v1", key, keeps_connections=False))

    async def _handshake(
        self, process: asyncio.subprocess.Process, options: LocalServerOptions
    ) -> str:
        requests = cast("asyncio.StreamWriter", process.stdin)
        replies = cast("asyncio.StreamReader", process.stdout)
        try:
            async with asyncio.timeout(_START_SECONDS):
                requests.write(json.dumps(asdict(options)).encode() + b"\n")
                await requests.drain()
                line = await replies.readline()
            return str(json.loads(line)["url"])
        except (TimeoutError, OSError, ValueError, KeyError):
            await self._stop()
            raise LocalModelUnavailable(
                f"The local model did not start. {await asyncio.to_thread(_cause, Path(options.model_path))}"
            ) from None
        except asyncio.CancelledError:
            # Cancelling the caller must not leave a starting process behind.
            await asyncio.shield(self._stop())
            raise

    async def _stop(self) -> None:
        connection, self._connection = self._connection, None
        process, self._process = self._process, None
        if connection is not None:
            await connection.close()
        if process is None:
            return
        # The process ends when its standard input is closed.
        cast("asyncio.StreamWriter", process.stdin).close()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            # It is probably still reading the weights.
            process.kill()
            await process.wait()


def _cause(weights: Path) -> str:
    if weights_damaged(weights):
        return f"{weights} is damaged. Delete it; the next call fetches it again."
    return "Check that 300 MB of memory are free. To use another model, set OPENAI_API_KEY, or OLLAMA_BASE_URL and STEPIQ_DEFAULT_MODEL."


def _threads() -> int:
    # Inference threads spin while they wait for each other. With one thread for each core, any other load (such as this
    # server) made the model eighteen times slower than a single thread, which generates 60 tokens a second.
    return max(1, min(4, (os.cpu_count() or 1) // 2))
