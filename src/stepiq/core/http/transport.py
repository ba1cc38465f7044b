"""The transport for URLs from tenants: every new connection goes to an address that has just been checked.

The check is below the pool, where connections are opened. So the checked address is always the one that is used, even
if the name resolved to another one before. The name is still used in the `Host` header and in TLS.

DNS lookups run in separate threads, so that a slow name server does not delay other work.
"""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Protocol

import httpx2

from stepiq.core.concurrency.fairness import FairSemaphore, Owner, current_owner, workspace_of
from stepiq.core.http import urls
from stepiq.core.http.connection_pool import PooledTransport
from stepiq.core.http.urls import Address, EgressBlocked, plain, refusal
from stepiq.core.observability import logging, metrics
from stepiq.core.recent import Recent
from stepiq.core.settings.model import Network

_LOOKUPS = 64
_LOOKUPS_OF_OWNER = 8
_LITTLE_USE_SECONDS = 10.0
_KEPT_SECONDS = 30.0
_FAILURE_KEPT_SECONDS = 2.0
"""Shorter than the delays of most retries."""

Found = Sequence[str] | Exception
"""The addresses of a name, or the reason why it has none."""


class Resolver(Protocol):
    """Finds the addresses of a name."""

    async def resolve(self, host: str) -> Sequence[str]:
        """All addresses of a host, the preferred one first.

        Raises:
            OSError: the host has no address, or the lookup failed.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Kept:
    found: Found
    until: float


class SystemResolver:
    """The resolver of the operating system, with at most 64 lookups at once, and at most 8 of a workspace.

    Workspaces take turns. Half of the lookups are reserved for owners with little use, so names that never resolve delay
    only their owner. A lookup cannot be aborted: it occupies its place until the system gives up, even if no caller
    waits for it.

    Addresses are cached for 30 seconds, and failures for 2. A caller must check the addresses each time before it
    connects to one of them.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._places = FairSemaphore(
            _LOOKUPS,
            share=_LOOKUPS_OF_OWNER,
            reserve=_LOOKUPS // 2,
            little_use_seconds=_LITTLE_USE_SECONDS,
        )
        self._kept: Recent[str, _Kept] = Recent(1_000)
        self._running: dict[str, asyncio.Future[Found]] = {}

    async def resolve(self, host: str) -> Sequence[str]:
        """All addresses of a host, the preferred one first, as `getaddrinfo` returns them."""
        found = self._known(host)
        if found is None:
            found = await self._look_up(host)
        if isinstance(found, Exception):
            # A copy, because a raised exception references the variables of all functions that it passes through.
            raise copy(found)
        return found

    def _known(self, host: str) -> Found | None:
        kept = self._kept.get(host)
        return kept.found if kept is not None and self._now() < kept.until else None

    async def _look_up(self, host: str) -> Found:
        if host not in self._running:
            owner = workspace_of(current_owner())
            await self._places.acquire(owner)
            # Another caller may have looked it up in the meantime.
            if (found := self._known(host)) is not None or host in self._running:
                self._places.release(owner)
                if found is not None:
                    return found
            else:
                self._start(host, owner)
        # Other callers may wait for the same lookup, so cancelling one of them must not cancel it.
        return await asyncio.shield(self._running[host])

    def _start(self, host: str, owner: Owner) -> None:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Found] = loop.create_future()

        def settle(found: Found) -> None:
            self._places.release(owner)
            del self._running[host]
            self._keep(host, found)
            answer.set_result(found)

        def look_up() -> None:
            try:
                found: Found = _addresses(host)
            except Exception as error:  # raised in the callers
                found = error.with_traceback(None)
            with suppress(RuntimeError):  # the loop has ended in the meantime
                loop.call_soon_threadsafe(settle, found)

        self._running[host] = answer
        # Not a thread pool: the interpreter waits for a pool's threads at exit, and a lookup can take half a minute.
        thread = threading.Thread(target=look_up, name="stepiq-resolve", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            loop.call_soon(settle, OSError("no thread could be started"))

    def _keep(self, host: str, found: Found) -> None:
        seconds = _FAILURE_KEPT_SECONDS if isinstance(found, Exception) else _KEPT_SECONDS
        self._kept[host] = _Kept(found, self._now() + seconds)


def _addresses(host: str) -> Sequence[str]:
    entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


RESOLVE = timedelta(seconds=5)
"""Time limit of a DNS lookup."""

log = logging.get(__name__)


class NameUnknown(httpx2.ConnectError):
    """The host name has no address."""


class NameUnanswered(httpx2.ConnectError):
    """DNS gave no answer, so it is not known whether the host name has an address."""


class GuardedTransport(PooledTransport):
    """Sends requests to public addresses and to those of `allowed`."""

    def __init__(
        self,
        *,
        allowed: Sequence[Network],
        resolver: Resolver,
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        super().__init__(ssl_context, self._checked)
        self._allowed = allowed
        self._resolver = resolver

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request.

        Raises:
            EgressBlocked: its address must not be called; nothing was sent.
            httpx2.LocalProtocolError: the request is not valid HTTP; nothing was sent.
        """
        urls.check_url(request.url, self._allowed)
        return await super().handle_async_request(request)

    async def _checked(self, host: str) -> list[str]:
        addresses = [plain(address) for address in await self._find(host)]
        for address in addresses:
            # One forbidden address refuses the name, because the name server controls the order of addresses.
            if reason := refusal(address, self._allowed):
                metrics.egress_blocked.inc()
                # Without the host, which can contain a secret.
                log.warning("egress_blocked", address=str(address))
                raise EgressBlocked(host, reason)
        return [str(address) for address in addresses]

    async def _find(self, host: str) -> list[Address]:
        if (address := urls.literal(host)) is not None:
            return [address]
        try:
            async with asyncio.timeout(RESOLVE.total_seconds()):
                found = await self._resolver.resolve(host)
        except TimeoutError:
            raise NameUnanswered(f"DNS gave no answer for `{host}` in time.") from None
        except (OSError, UnicodeError) as error:
            if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
                raise NameUnanswered(f"DNS gave no answer for `{host}`.") from None
            raise NameUnknown(f"`{host}` was not found in DNS.") from None
        if not found:
            raise NameUnknown(f"`{host}` was not found in DNS.")
        return [ip_address(text) for text in found]
