"""Serves an app in the event loop of a test, on a free port of the loopback interface."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any

import uvicorn


class PromptServer(uvicorn.Server):
    """Notices at once that it is to stop. The library looks every 0.1 s."""

    @cached_property
    def _stopping(self) -> asyncio.Event:
        return asyncio.Event()

    def stop(self) -> None:
        """Stop serving. `serve` returns after that."""
        self._stopping.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._stopping.wait()


class _Server(PromptServer):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # pytest handles signals.
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # The library would wait 0.1 s for connections to close.
        for server in self.servers:
            server.close()
        # Before the tasks are cancelled, because the library would answer with status 500.
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)
        for task in self.server_state.tasks:
            task.cancel()
        async with asyncio.timeout(10):
            while self.server_state.tasks:
                await asyncio.wait(self.server_state.tasks)


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[int]:
    """Serve an ASGI app; returns its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
            )
        )
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started:
                await asyncio.sleep(0.001)
                if task.done():
                    task.result()
            yield listener.getsockname()[1]
        finally:
            server.stop()
            await task
