"""A keep-alive HTTP/1.1 client that costs little beside the server it measures. Loopback only."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit


class Connection:
    """One connection; requests go one after the other."""

    def __init__(self, url: str, **headers: str) -> None:
        parts = urlsplit(url)
        if parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise SystemExit(f"Benchmarks load this machine only, and {url} is another one.")
        self._host, self._port = parts.hostname, parts.port or 80
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> tuple[int, Any]:
        """Status and JSON body of one exchange."""
        reader, writer = await self._open()
        data = body.encode() if isinstance(body, str) else b""
        if body is not None and not isinstance(body, str):
            data = json.dumps(body).encode()
        writer.write(self._head(method, path, len(data), content_type) + data)
        status, headers = await read_head(reader)
        length = int(headers.get("content-length", "0"))
        return status, json.loads(await reader.readexactly(length) if length else b"null")

    async def stream(self, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which the events of `path` arrive, line by line."""
        reader, writer = await self._open()
        self._reader = self._writer = None
        writer.write(self._head("GET", path, 0, "application/json"))
        status, _ = await read_head(reader)
        if status != 200:
            raise SystemExit(f"GET {path} answered {status}.")
        return reader, writer

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self._reader, self._writer

    def _head(self, method: str, path: str, length: int, content_type: str) -> bytes:
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self._host}:{self._port}",
            f"Content-Length: {length}",
        ]
        if length:
            lines.append(f"Content-Type: {content_type}")
        lines += [f"{name}: {value}" for name, value in self._headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers of a response."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    return int(first.split(" ", 2)[1]), headers
