"""A forked `stepiq` command with pipes, as `asyncio.create_subprocess_exec` gives it."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.forked import ForkedProcess


class ForkedCommand(ForkedProcess):
    """A `stepiq` command, with the subset of `asyncio.subprocess.Process` that tests of commands need."""

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader | None = None
    stderr: asyncio.StreamReader | None = None

    @classmethod
    async def start(
        cls,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        terminal: int | None = None,
        program: str = "stepiq",
        python: str | None = None,
    ) -> "ForkedCommand":
        """Start a command or another program. Its output goes to `stdout` and `stderr`, or to the descriptor of a terminal."""
        given, taken = os.pipe()
        outputs = [os.pipe(), os.pipe()] if terminal is None else []
        writable = [write for _, write in outputs] if terminal is None else [terminal] * 2
        try:
            process = cls(arguments, folder, environment, [given, *writable], program, python)
        finally:
            for each in (given, *(write for _, write in outputs)):
                os.close(each)
        process.stdin = await _writer(taken)
        if outputs:
            process.stdout, process.stderr = [await _reader(read) for read, _ in outputs]
        return process

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def communicate(self, data: bytes = b"") -> tuple[bytes, bytes]:
        """Write to the standard input, close it, and wait for the end. Returns what was printed since the last read."""
        with suppress(ConnectionError):
            self.stdin.write(data)
            await self.stdin.drain()
        self.stdin.close()
        out, err, _ = await asyncio.gather(_rest(self.stdout), _rest(self.stderr), self.wait())
        return out, err

    async def wait(self) -> int:
        code = await super().wait()
        self.stdin.close()
        return code


async def _rest(stream: asyncio.StreamReader | None) -> bytes:
    return b"" if stream is None else await stream.read()


async def _reader(descriptor: int) -> asyncio.StreamReader:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2**20)
    protocol = asyncio.StreamReaderProtocol(reader)
    await loop.connect_read_pipe(lambda: protocol, os.fdopen(descriptor, "rb"))
    return reader


async def _writer(descriptor: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(descriptor, "wb")
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)
