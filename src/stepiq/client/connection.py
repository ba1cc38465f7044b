"""How to reach a server: from arguments, else from environment variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from stepiq import __version__
from stepiq.client.errors import ConfigurationError

_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- addresses to call, not to listen on
DEFAULT_TIMEOUT = 60.0
DEFAULT_RETRIES = 4
USER_AGENT = f"stepiq-client/{__version__}"


@dataclass(frozen=True, slots=True)
class ServerConnection:
    """The server, the credential, and the limits of each call."""

    server: str
    api_key: str | None = field(repr=False)
    access_token: str | None = field(repr=False)
    workspace: str | None
    timeout: float
    """Seconds that the server may take to respond to one attempt."""
    max_retries: int
    """How often a request is repeated after a temporary failure."""

    @classmethod
    def of(
        cls,
        server: str | None,
        *,
        api_key: str | None,
        access_token: str | None,
        workspace: str | None,
        timeout: float,
        max_retries: int,
    ) -> "ServerConnection":
        """Complete the arguments with `STEPIQ_SERVER`, `STEPIQ_API_KEY` and `STEPIQ_WORKSPACE`.

        Without `STEPIQ_SERVER`, the server is where `stepiq serve` listens with the same environment.

        Raises:
            ConfigurationError: the URL or a credential cannot be used.
        """
        if api_key is None and access_token is None:
            api_key = os.environ.get("STEPIQ_API_KEY") or None
        if workspace is None:
            workspace = os.environ.get("STEPIQ_WORKSPACE") or None
        return cls(
            _checked_server(server or os.environ.get("STEPIQ_SERVER") or default_server()),
            api_key=_checked_header("API key", api_key),
            access_token=_checked_header("access token", access_token),
            workspace=_checked_header("workspace", workspace),
            timeout=timeout,
            max_retries=max_retries,
        )

    def with_token(self, access_token: str, workspace: str | None) -> "ServerConnection":
        """The same connection with the access token of a session.

        Raises:
            ConfigurationError: the token or the workspace cannot be used.
        """
        return replace(
            self,
            api_key=None,
            access_token=_checked_header("access token", access_token),
            workspace=self.workspace
            if workspace is None
            else _checked_header("workspace", workspace),
        )

    def headers(self) -> Mapping[str, str]:
        """The headers of every request."""
        found = {"user-agent": USER_AGENT}
        if self.access_token is not None:
            found["authorization"] = f"Bearer {self.access_token}"
            # An API key belongs to one workspace, and the server refuses the header with it.
            if self.workspace is not None:
                found["x-workspace"] = self.workspace
        elif self.api_key is not None:
            found["x-api-key"] = self.api_key
        return found


def default_server() -> str:
    """The URL at which `stepiq serve` listens with this environment: `STEPIQ_HOST` and `STEPIQ_PORT`."""
    host = os.environ.get("STEPIQ_HOST") or "127.0.0.1"
    host = _LOOPBACK_OF.get(host, host)
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{os.environ.get('STEPIQ_PORT') or 8080}"


def _checked_server(server: str) -> str:
    try:
        parts = urlsplit(server)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_usable = False
        parts = None
    if parts is None or not is_usable or parts.query or parts.fragment:
        raise ConfigurationError(
            f"Invalid URL of the server: {server!r}. Write it as https://stepiq.example.com"
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            "The URL of the server contains a user name or a password. Use an API key instead."
        )
    return server.rstrip("/")


def _checked_header(name: str, value: str | None) -> str | None:
    if value is None:
        return None
    text = value.strip()
    if not (text and text.isascii() and text.isprintable()):
        raise ConfigurationError(
            f"The {name} is empty or contains characters that are not allowed."
        )
    return text
