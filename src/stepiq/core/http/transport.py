"""The transport for URLs from tenants: every new connection goes to an address that has just been checked.

The check is below the pool, where connections are opened. So the checked address is always the one that is used, even
if the name resolved to another one before. The name is still used in the `Host` header and in TLS.
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_address

import httpx2

from stepiq.core.http import urls
from stepiq.core.http.addresses import Address, plain, refusal
from stepiq.core.http.connection_pool import PooledTransport
from stepiq.core.http.errors import EgressBlocked
from stepiq.core.http.resolver import Resolver
from stepiq.core.observability import logging, metrics
from stepiq.core.settings.model import Network

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
        ssl_context: ssl.SSLContext,
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
