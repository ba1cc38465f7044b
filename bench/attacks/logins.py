"""Attacks by clients without an account, which keep the server busy at its login."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from client import Connection
from workspaces import Workspace, log_in

from attacks.base import Attack, Extra
from stepiq.store.database import Database


async def _guess(url: str, number: int, pause: float, address_of: Callable[[int], str]) -> None:
    for attempt in range(1_000_000):
        connection = Connection(url, x_forwarded_for=address_of(attempt))
        login = {"email": f"x{number}-{attempt}@example.com", "password": "wrong password"}
        with suppress(OSError, EOFError):
            await connection.request("POST", "/api/auth/login", login)
        connection.close()
        # This process measures too, so it must not be busy all the time.
        await asyncio.sleep(pause)


async def _send_half(url: str, source: str) -> None:
    """Hold a connection with an incomplete request. If the server closes it, open another one."""
    target = urlsplit(url)
    while True:
        with suppress(OSError):
            to, port = target.hostname, target.port
            reader, writer = await asyncio.open_connection(to, port, local_addr=(source, 0))
            writer.write(b"POST /api/auth/login HTTP/1.1\r\nHost: half")
            await reader.read()
            writer.close()
        await asyncio.sleep(1)


def many_addresses(url: str) -> list[Coroutine[Any, Any, None]]:
    """300 clients, each of which changes its address."""
    nets = range(300)
    return [
        _guess(url, net, 0.5, lambda each, net=net: f"203.0.{net % 250}.{each % 100}")
        for net in nets
    ]


def five_addresses(url: str) -> list[Coroutine[Any, Any, None]]:
    """62 clients at each of five addresses in five networks, which are soon refused at once."""
    return [_guess(url, n, 2.0, lambda _, place=n % 5: f"203.0.{place}.7") for n in range(310)]


def half_sent(url: str) -> list[Coroutine[Any, Any, None]]:
    """1,224 incomplete requests from six addresses."""
    return [_send_half(url, f"127.0.0.{2 + number % 6}") for number in range(1_224)]


def while_logging_in(clients: Callable[[str], list[Coroutine[Any, Any, None]]]) -> Attack:
    """An attack on logins by clients without an account. Meanwhile, the bystander logs in again and again."""

    @asynccontextmanager
    async def attack(
        hostile: list[Workspace], store: Database, bystander: Workspace
    ) -> AsyncIterator[Extra]:
        logins: list[float] = []

        async def log_in_again() -> None:
            while True:
                logins.append(await log_in(bystander))
                await asyncio.sleep(0.2)

        tasks = [asyncio.create_task(client) for client in clients(bystander.url)]
        await asyncio.sleep(2)
        tasks.append(asyncio.create_task(log_in_again()))

        async def longest() -> dict[str, float]:
            return {"login": max(logins)}

        yield longest
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    return attack
