"""The server that the demo starts, in a process of its own, and stops again."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from stepiq.cli.api import Api
from stepiq.core.errors import Unavailable

_START_SECONDS = 60
_STOP_SECONDS = 30
_LOOK_AGAIN_SECONDS = 0.05
_HOST = "127.0.0.1"


class DemoServerFailed(Unavailable):
    """The server of the demo did not start. The message repeats the server's own message."""

    code = "demo_server_failed"


@asynccontextmanager
async def demo_server(port: int, log: Path) -> AsyncGenerator[Api]:
    """A client of a server that runs until the block ends.

    Args:
        port: 0 for a free one.
        log: where the server's own words go; overwritten.

    Raises:
        DemoServerFailed: the port is taken, the server ended, or it is not ready within a minute.
    """
    port = _free_port(port)
    process = await _start(port, log)
    api = Api(f"http://{_HOST}:{port}")
    try:
        await _wait_until_ready(process, api, log)
        yield api
    finally:
        await api.close()
        await _stop(process)


async def _start(port: int, log: Path) -> asyncio.subprocess.Process:
    command = ["-m", "stepiq", "serve", "--host", _HOST, "--port", str(port)]
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C is for the demo, which then stops the server in good order.
            start_new_session=True,
        )


async def _wait_until_ready(process: asyncio.subprocess.Process, api: Api, log: Path) -> None:
    ended = asyncio.create_task(process.wait())
    try:
        async with asyncio.timeout(_START_SECONDS):
            while not await api.is_ready():
                await asyncio.wait({ended}, timeout=_LOOK_AGAIN_SECONDS)
                if ended.done():
                    raise DemoServerFailed(f"The server did not start. {_last_words(log)}")
    except TimeoutError:
        raise DemoServerFailed(
            f"The server was not ready after {_START_SECONDS} s. {_last_words(log)}"
        ) from None
    finally:
        ended.cancel()


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    said = lines[-1].removeprefix("Error: ") if lines else "It said nothing."
    return f"{said} (log: {log})"


def _free_port(wanted: int) -> int:
    """The port that is wanted, or any for 0."""
    try:
        with socket.create_server((_HOST, wanted)) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        raise DemoServerFailed(
            f"The server cannot listen on {_HOST}:{wanted}: {error.strerror}. "
            "Stop what is using it, or leave --port out to take a free one."
        ) from None
