"""The server's side of one run. Only the format of a child's messages is trusted."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from stepiq.core import json
from stepiq.core.json import Json
from stepiq.language import offload
from stepiq.sandbox import frames, limits
from stepiq.sandbox.frames import Job


@dataclass(frozen=True, slots=True)
class Ran:
    """`main` returned."""

    output: Json


@dataclass(frozen=True, slots=True)
class CodeFailed:
    """The code raised, is invalid, did not return JSON (`code_error`), or exceeded a limit (`code_limit`)."""

    code: Literal["code_error", "code_limit"]
    message: str
    """For the owner of the pipeline. Begins with the line of the source, if it is known."""
    reason: str = ""
    """For the operator: why the system could not isolate the code. Empty if it could."""


Outcome = Ran | CodeFailed


START_SECONDS = 10
"""Time limit until the code starts. The first child waits until the interpreters are loaded."""
_GRACE_SECONDS = 0.25
"""Extra time in which the interpreter ends by itself and reports the line. After it, the process is killed."""
_BREATH_LINES = 500
_LONGEST_FRAME = limits.MAX_OUTPUT_BYTES


class SpawnFailed(Enum):
    """Why the code did not run: its process failed to start."""

    GONE = "it ended before the code started"
    SILENT = "it did not respond"


class Conversation:
    """Sends a job to a child and receives its output and outcome."""

    def __init__(self, job: Job, data: bytes, log: Callable[[str], None]) -> None:
        self._job = job
        self._data = data
        self._log = log
        self._log_left = limits.MAX_LOG_BYTES + len(limits.LOG_CUT) + 2
        self._started = False

    async def hold(self, connection: socket.socket) -> Outcome | SpawnFailed:
        """Send the job over `connection` and wait for its outcome."""
        try:
            async with asyncio.timeout(START_SECONDS) as deadline:
                ending = await self._talk(connection, deadline)
            # Outside of the timeout, because parsing may wait for its turn.
            return ending if isinstance(ending, CodeFailed) else await _read(ending)
        except TimeoutError:
            told, otherwise = limits.too_long(self._job.timeout_seconds), SpawnFailed.SILENT
        except (asyncio.IncompleteReadError, OSError, frames.BrokenFrame):
            told, otherwise = limits.DIED, SpawnFailed.GONE
        return CodeFailed("code_limit", told) if self._started else otherwise

    async def _talk(
        self, connection: socket.socket, deadline: asyncio.Timeout
    ) -> CodeFailed | bytes:
        async with _opened(connection) as (reader, writer):
            writer.write(frames.pack(frames.JOB, self._job.pack()))
            writer.write(frames.pack(frames.INPUT, self._data))
            await writer.drain()
            while True:
                kind, payload = await frames.read(reader, _LONGEST_FRAME)
                match kind:
                    case frames.STARTED:
                        self._started = True
                        end = self._job.timeout_seconds + _GRACE_SECONDS
                        deadline.reschedule(asyncio.get_running_loop().time() + end)
                    case frames.LINES:
                        await self._note(payload)
                    case frames.RESULT:
                        return payload
                    case frames.ERROR:
                        return CodeFailed("code_error", _text(payload))
                    case frames.LIMIT:
                        return CodeFailed("code_limit", _text(payload))
                    case frames.NOT_CONFINED:
                        return CodeFailed("code_limit", limits.NOT_CONFINED, _text(payload))
                    case _:
                        raise frames.BrokenFrame

    async def _note(self, payload: bytes) -> None:
        if self._log_left <= 0:
            return  # only a compromised child exceeds the limit
        kept = payload[: self._log_left]
        self._log_left -= len(kept) + 1
        for count, line in enumerate(_text(kept).split("\n")):
            if count % _BREATH_LINES == _BREATH_LINES - 1:
                await asyncio.sleep(0)
            self._log(line)


@asynccontextmanager
async def _opened(
    connection: socket.socket,
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        reader, writer = await asyncio.open_unix_connection(sock=connection)
    except BaseException:
        connection.close()
        raise
    try:
        yield reader, writer
    finally:
        # No graceful close, because the process is killed next.
        writer.transport.abort()


def _text(payload: bytes) -> str:
    # The store cannot hold U+0000.
    return payload.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


async def _read(payload: bytes) -> Outcome:
    try:
        return Ran(await offload.read(json.loads, payload))
    except json.MalformedJson as malformed:
        message = f"The result of `main` cannot be stored. {malformed}"
        return CodeFailed("code_error", message[: limits.MAX_MESSAGE_CHARACTERS])
