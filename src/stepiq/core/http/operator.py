"""The client for addresses that the operator configures."""

from collections.abc import Mapping
from http.cookiejar import CookieJar
from typing import Any

import httpx2

from stepiq import __version__
from stepiq.core.http.sharded_pool import MOST_OF_A_POOL, SpreadTransport

Client = httpx2.AsyncClient
"""What this package makes, for annotations."""

USER_AGENT = f"stepiq/{__version__}"

_TIMEOUT = httpx2.Timeout(connect=10, write=60, read=3600, pool=3600)
"""Only connecting is hurried here: how long an answer may take is the step's `timeout_seconds` to say."""

LIMITS = httpx2.Limits(
    max_connections=None, max_keepalive_connections=MOST_OF_A_POOL, keepalive_expiry=30
)
"""Of one pool. A process carries 500 runs at once, and none may wait for another's connection."""


class NoCookies(CookieJar):
    """Keeps no cookie, and does not read those that arrive."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Ignore the cookies of a response."""


def operator_client(headers: Mapping[str, str] | None = None) -> Client:
    """A client for addresses the operator configures: model providers, a local Ollama, other fixed services.

    It may reach private addresses, so a URL that a tenant wrote never goes through it. Redirects are not followed: they
    would carry credentials to an address that nobody configured. Proxy variables of the environment are not read.

    Args:
        headers: what every request sends, such as the credential of the one service this client is for.
    """
    trusted = httpx2.create_ssl_context(trust_env=False)
    return Client(
        transport=SpreadTransport(lambda: httpx2.AsyncHTTPTransport(trusted, limits=LIMITS)),
        headers={"User-Agent": USER_AGENT, **(headers or {})},
        timeout=_TIMEOUT,
        follow_redirects=False,
        trust_env=False,
        # The calls of all workspaces share the client.
        cookies=NoCookies(),
    )
