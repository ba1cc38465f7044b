"""The server of the demo, which runs in a separate process until the demo ends."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from stepiq.client import AsyncClient
from stepiq.client.aio.transport import AsyncTransport
from stepiq.client.connection import DEFAULT_TIMEOUT, ServerConnection
from stepiq.core import http
from stepiq.core.errors import Unavailable
from stepiq.core.keys.data_folder import create_private
from stepiq.core.settings.environment import environment
from stepiq.server.connections.listening import bind

_START_SECONDS = 60
_STOP_SECONDS = 30
_HOST = "127.0.0.1"


class DemoServerFailed(Unavailable):
    """The server of the demo did not start. The message repeats the server's own message."""

    code = "demo_server_failed"


@asynccontextmanager
async def demo_server(port: int, log: Path) -> AsyncGenerator[AsyncClient]:
    """Run a server until the block ends, and yield a client of it.

    Args:
        port: port of the server. 0 selects a free port.
        log: file for the log of the server. It is overwritten.

    Raises:
        AddressInUse, AddressUnusable: the server cannot listen on the port.
        DemoServerFailed: the server ended, or it was not ready within a minute.
    """
    bind(_HOST, port, "--port").close()
    process = await _start(port, log)
    try:
        url = await _address(process, log)
        connection = ServerConnection(
            url,
            api_key=None,
            access_token=None,
            workspace=None,
            timeout=DEFAULT_TIMEOUT,
            max_retries=0,
        )
        async with AsyncClient.over(AsyncTransport(connection, http.operator_client())) as client:
            yield client
    finally:
        await _stop(process)


async def _start(port: int, log: Path) -> asyncio.subprocess.Process:
    command = ["-m", "stepiq", "serve", "--host", _HOST, "--port", str(port)]
    create_private(log)
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            # With these, the server prints its local address, which the demo calls, and its errors as text.
            env=environment(STEPIQ_PUBLIC_URL="", STEPIQ_LOG_FORMAT="console"),
            # Ctrl-C then reaches only the demo, which stops the server.
            start_new_session=True,
        )


async def _address(process: asyncio.subprocess.Process, log: Path) -> str:
    """The URL that the server prints when it is ready."""
    lines = cast("asyncio.StreamReader", process.stdout)
    try:
        async with asyncio.timeout(_START_SECONDS):
            async for line in lines:
                _, is_ready, url = line.decode().strip().rpartition(" is ready at ")
                if is_ready:
                    return url
    except TimeoutError:
        raise DemoServerFailed(
            f"The server was not ready after {_START_SECONDS} s. {_last_line(log)}"
        ) from None
    raise DemoServerFailed(f"The server did not start. {_last_line(log)}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    line = lines[-1].removeprefix("Error: ") if lines else "It printed nothing."
    return f"{line} (log: {log})"
