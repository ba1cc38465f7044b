"""An HTTP server on loopback that follows a script, with failures that a real server has rarely."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """One response."""

    status: int = 200
    body: Any = field(default_factory=dict[str, Any])
    """Sent as JSON, or unchanged if it is bytes."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    cut_at: int | None = None
    """The number of bytes of the body after which the connection is closed."""

    def encoded(self) -> bytes:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        lines = [f"HTTP/1.1 {self.status} X", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body[: self.cut_at]


DROP = "drop"
"""Close the connection without a response."""
SILENCE = "silence"
"""Send no response, and leave the connection open."""


@dataclass
class Received:
    """One request."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Answers each request with the next entry of the script, and then with `otherwise`."""

    def __init__(self) -> None:
        self.script: list[Answer | str] = []
        self.otherwise = Answer()
        self.received: list[Received] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while (request := await _read(reader)) is not None:
                self.received.append(request)
                answer = self.script.pop(0) if self.script else self.otherwise
                if answer == SILENCE:
                    await reader.read()
                if isinstance(answer, str):
                    break
                writer.write(answer.encoded())
                await writer.drain()
                if answer.cut_at is not None:
                    break
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Received | None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(method, target, headers, body)


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    script = ScriptedServer()
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    script.url = f"http://127.0.0.1:{port}"
    try:
        yield script
    finally:
        server.close()
