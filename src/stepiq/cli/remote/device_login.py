"""Gets a key from a server: shows a code, and waits until a person has confirmed it in the browser (RFC 8628)."""

import re
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from stepiq.cli.output.console import ExitCode, say
from stepiq.cli.remote.failures import ReportedFailure, fail
from stepiq.cli.remote.target import LOOPBACK
from stepiq.client import ApiError, ServerError, ServerUnreachableError
from stepiq.client.connection import DEFAULT_RETRIES, DEFAULT_TIMEOUT, ServerConnection
from stepiq.client.requests import ApiRequest, json_body_of
from stepiq.client.sync.transport import Transport
from stepiq.core.control_characters import escape_line

_PATH = "/api/auth/device"
_SLOWER_SECONDS = 5.0
"""How much longer RFC 8628 lets a program wait after `slow_down`."""
_LONGEST_SECONDS = 60.0
_REFUSALS = {
    "access_denied": "The login was refused in the browser, or the session that allowed it has ended.",
    "expired_token": "The code has expired. Run `stepiq login` again.",
}
"""The final answers of the server, by their codes in RFC 8628."""
_LONGEST_HOST = 64


@dataclass(frozen=True, slots=True)
class ShownLogin:
    """A login that waits for a person."""

    device_code: str
    user_code: str
    page: str
    """URL of the page, without the code."""
    interval_seconds: float
    lasts_seconds: float

    @property
    def page_with_code(self) -> str:
        """URL of the page with the code, so that nobody has to type it."""
        return f"{self.page}?code={self.user_code}"


@contextmanager
def without_credential(server: str) -> Generator[Transport]:
    """Connections to a server. A key of the environment may be one of another server, so it is not sent."""
    connection = ServerConnection(
        server,
        api_key=None,
        access_token=None,
        workspace=None,
        timeout=DEFAULT_TIMEOUT,
        max_retries=DEFAULT_RETRIES,
    )
    transport = Transport(connection)
    try:
        yield transport
    finally:
        transport.close()


def start(transport: Transport) -> ShownLogin:
    """Start a login, which states the name of this machine."""
    found = _post(transport, _PATH, {"host_name": host_name()})
    return ShownLogin(
        device_code=found["device_code"],
        user_code=escape_line(found["user_code"]),
        page=page_at(escape_line(found["verification_uri"]), transport.connection.server),
        interval_seconds=float(found["interval"]),
        lasts_seconds=float(found["expires_in"]),
    )


def wait_for_key(transport: Transport, started: ShownLogin) -> dict[str, Any]:
    """Ask for the key until a person has decided. Short failures of the server or the network do not end this.

    Raises:
        Exit: the login was refused or has expired.
        ApiError: the plan allows no further key.
        ServerUnreachableError: the server was still not reachable when the code expired.
    """
    pause, ends_at = started.interval_seconds, time.monotonic() + started.lasts_seconds
    while True:
        sleep(pause)
        try:
            return _post(transport, f"{_PATH}/token", {"device_code": started.device_code})
        except (ServerUnreachableError, ServerError):
            if time.monotonic() >= ends_at:
                raise
            pause = min(2 * pause, _LONGEST_SECONDS)
        except ApiError as error:
            if error.code == "slow_down":
                pause += _SLOWER_SECONDS
            elif error.code in _REFUSALS:
                refusal = ReportedFailure(
                    ExitCode.REFUSED,
                    error.code,
                    _REFUSALS[error.code],
                    error.status,
                    error.request_id,
                )
                fail(refusal)
            elif error.code != "authorization_pending":
                raise


def sleep(seconds: float) -> None:
    """Wait between two requests."""
    time.sleep(seconds)


def show(started: ShownLogin) -> None:
    """Print the code and the page."""
    say("Open this page, and check that it shows the same code:")
    say()
    say(f"  {started.page_with_code}")
    say()
    say("  Code: ", newline=False)
    say(started.user_code, color="cyan")
    say()


def host_name() -> str | None:
    """The name of this machine, in characters that the server accepts; None if it has none."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname()).strip("-")[:_LONGEST_HOST]
    return name or None


def _post(transport: Transport, path: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"content-type": "application/json"}
    request = ApiRequest("POST", path, headers=headers, body=json_body_of(body))
    return transport.send(request).json()


def page_at(stated: str, server: str) -> str:
    """The page that the server states. If only its own machine could open it, the page at the URL that was used."""
    parts = urlsplit(stated)
    is_own = parts.hostname in LOOPBACK and urlsplit(server).hostname not in LOOPBACK
    is_page = parts.scheme in ("http", "https") and not is_own
    return stated if is_page else f"{server}/device"
