"""The HTTP client for addresses that the operator configures."""

import ssl
from collections.abc import Mapping
from functools import cache
from http.cookiejar import CookieJar
from typing import Any

import httpx2

from stepiq import __version__
from stepiq.core.http.connection_pool import PooledTransport, system_addresses

Client = httpx2.AsyncClient
"""The type of clients, for annotations."""

USER_AGENT = f"stepiq/{__version__}"

_TIMEOUT = httpx2.Timeout(connect=10, write=60, read=3600, pool=3600)
"""Short only for connecting, because the step's `timeout_seconds` limits the time for a response."""


class NoCookies(CookieJar):
    """A cookie jar that stores no cookies and does not parse received ones."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Ignore the cookies of a response."""


@cache
def trusted() -> ssl.SSLContext:
    """The system's certificates. All clients share them, because reading them takes tens of milliseconds."""
    return httpx2.create_ssl_context(trust_env=False)


def operator_client(headers: Mapping[str, str] | None = None) -> Client:
    """A client for addresses that the operator configures, such as model providers, a local Ollama or other services.

    It can call private addresses, so never use it for URLs from tenants. It does not follow redirects, which could send
    credentials to an address that is not configured. It ignores proxy variables of the environment.

    Args:
        headers: sent with every request, such as the credential of the client's service.
    """
    return Client(
        transport=PooledTransport(trusted(), system_addresses),
        headers={"User-Agent": USER_AGENT, **(headers or {})},
        timeout=_TIMEOUT,
        follow_redirects=False,
        trust_env=False,
        # The calls of all workspaces share the client.
        cookies=NoCookies(),
    )
