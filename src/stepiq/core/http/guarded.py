"""The HTTP client for URLs from tenants: public addresses only, with limits on time and size."""

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import TracebackType
from typing import Self

import httpx2

from stepiq.core.http import messages, urls
from stepiq.core.http.connection_pool import USER_AGENT, Client, NoCookies
from stepiq.core.http.transport import (
    GuardedTransport,
    NameUnanswered,
    NameUnknown,
    Resolver,
    SystemResolver,
)
from stepiq.core.http.urls import HeaderInvalid, RequestInvalid, UrlInvalid
from stepiq.core.settings.model import Network, Settings

DEFAULT_MAX_BYTES = 1024 * 1024

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
# All characters except control characters and lone surrogates, which UTF-8 cannot encode.
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\ud7ff\ue000-\U0010ffff]*")
_OURS = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)  # fmt: skip
"""Headers that control the transfer of a message. Setting them would allow request smuggling."""
_KEPT_ACROSS = frozenset({b"accept", b"accept-language", b"user-agent"})
"""The only headers that are sent to another origin, because any other header can be a credential."""
_OF_BODIES = frozenset({b"content-type", b"content-encoding", b"content-language"})
_ANSWERS_WITHOUT_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"})
"""OpenSSL's reasons if the response to the handshake is not TLS; the reason depends on its version."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits of a call."""

    connect: timedelta = timedelta(seconds=5)
    """For the connection, including the DNS lookup."""
    read: timedelta = timedelta(seconds=30)
    """For the first part of the response, and between two parts."""
    total: timedelta = timedelta(seconds=60)
    """For the whole call, including redirects and reading the body."""


DEFAULT_TIMEOUTS = Timeouts()


@dataclass(frozen=True, slots=True)
class Reply:
    """The response of the server, with any status."""

    status_code: int
    headers: httpx2.Headers
    body: bytes
    """Decoded, and at most `max_bytes` long."""
    is_cut: bool
    """Whether the body is longer than `body`."""
    url: str
    """URL of the response, after redirects. Its path and query can contain a secret."""


class FailureKind(StrEnum):
    """Why there is no response."""

    NAME = "name"
    """The host name has no address."""
    NO_DNS = "no_dns"
    """DNS gave no answer, so it is not known whether the host name has an address."""
    CONNECT = "connect"
    """The connection was refused, or the host cannot be reached."""
    TLS = "tls"
    """The TLS certificate is not trusted, often because it has expired or is for another host."""
    NO_TLS = "no_tls"
    """The server does not use TLS on this port."""
    HANDSHAKE = "handshake"
    """The TLS handshake failed for another reason, such as no common version of TLS."""
    TIMEOUT = "timeout"
    """A time limit was exceeded."""
    PROTOCOL = "protocol"
    """The connection was closed early, or the response is not valid HTTP or has an unsupported encoding."""
    REDIRECTS = "redirects"
    """There were too many redirects."""


@dataclass(frozen=True, slots=True)
class NetworkFailure:
    """There is no response, or an incomplete one. A retry can help."""

    kind: FailureKind
    message: str
    """A sentence that can contain the host and the port, but no other part of the URL. See `urls.mask_host`."""
    status_code: int | None = None
    """Set if the response had begun."""


class GuardedClient:
    """Calls URLs from tenants, over a connection pool that all tenants share.

    It uses HTTP/1.1, stores no cookies, and ignores environment variables.
    """

    def __init__(
        self,
        *,
        allowed: Sequence[Network] = (),
        resolver: Resolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._allowed = allowed
        transport = GuardedTransport(
            allowed=allowed,
            resolver=resolver or SystemResolver(),
            ssl_context=ssl_context,
        )
        self.http: Client = Client(
            transport=transport,
            headers={"User-Agent": USER_AGENT},
            follow_redirects=False,
            trust_env=False,
            # A cookie for one tenant must not be sent with the request of another.
            cookies=NoCookies(),
        )
        """For libraries that build their own requests. It has the same guards, but the caller must limit the body."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self.http.aclose()

    def check(self, url: str) -> httpx2.URL:
        """Parse and check a URL without a DNS lookup, for forms and definitions.

        Raises:
            UrlInvalid: it is not a URL that can be called.
            EgressBlocked: its host is an address that must not be called.
        """
        return urls.check_url(url, self._allowed)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        max_bytes: int = DEFAULT_MAX_BYTES,
        max_redirects: int = 0,
        permit: Callable[[httpx2.URL], None] | None = None,
    ) -> Reply | NetworkFailure:
        """Call a URL and read at most `max_bytes` of the response.

        Each redirect is checked like the first URL. A redirect to another origin drops all headers except `Accept`,
        `Accept-Language` and `User-Agent`; if it would resend the body, it is returned instead of followed. A 303 is
        followed with GET, as are 301 and 302 after a POST.

        Args:
            method: the HTTP method, such as `POST`.
            url: an absolute URL.
            headers: sent in UTF-8, without white space around values. Headers that control the transfer, such as
                `Host`, `Connection` and `Content-Length`, are refused.
            content: the body.
            timeouts: the time limits.
            max_bytes: limit of the decoded body. If it is longer, the rest is not read, and the connection is closed.
            max_redirects: limit of redirects; one more is a failure. With 0, a redirect is returned like any response.
            permit: raises for a URL that must not be called. Called before each DNS lookup, also for redirects.

        Raises:
            UrlInvalid, HeaderInvalid, RequestInvalid: the request or a redirect cannot be sent.
            EgressBlocked: the URL, or one that it redirects to, must not be called.
        """

        def check(url: str | httpx2.URL) -> httpx2.URL:
            checked = urls.check_url(url, self._allowed)
            if permit is not None:
                permit(checked)
            return checked

        hop = _Hop(method.upper(), check(url), _checked(headers), content)
        try:
            async with asyncio.timeout(timeouts.total.total_seconds()):
                return await self._follow(hop, timeouts, max_bytes, max_redirects, check)
        except TimeoutError:
            return hop.failure(FailureKind.TIMEOUT, "did not answer in time")
        except httpx2.LocalProtocolError:
            raise RequestInvalid(
                "The request cannot be sent: its method, URL or headers are not valid HTTP."
            ) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            return _failure(hop, error)

    async def _follow(
        self,
        hop: "_Hop",
        timeouts: Timeouts,
        max_bytes: int,
        max_redirects: int,
        check: Callable[[httpx2.URL], object],
    ) -> Reply | NetworkFailure:
        for left in range(max_redirects, -1, -1):
            reply = await self._once(hop, timeouts, max_bytes)
            if isinstance(reply, NetworkFailure) or not max_redirects:
                return reply
            following = hop.after(reply)
            if following is None:
                return reply
            if left:
                check(following)
                hop.move(reply.status_code, following)
        return hop.failure(FailureKind.REDIRECTS, f"redirects more than {max_redirects} times")

    async def _once(
        self, hop: "_Hop", timeouts: Timeouts, max_bytes: int
    ) -> Reply | NetworkFailure:
        hop.status_code = None
        seconds = timeouts.connect.total_seconds()
        request = self.http.build_request(
            hop.method,
            hop.url,
            headers=[(b"Accept-Encoding", b"identity"), *hop.headers],
            content=hop.content,
            timeout=httpx2.Timeout(timeouts.read.total_seconds(), connect=seconds, pool=seconds),
        )
        response = await self.http.send(request, stream=True)
        try:
            hop.status_code = response.status_code
            if messages.encoding_of(response) not in messages.DECODED:
                return hop.failure(
                    FailureKind.PROTOCOL, "answered with an unsupported `Content-Encoding`"
                )
            body, is_cut = await messages.read_body(response, max_bytes)
        finally:
            await response.aclose()
        return Reply(response.status_code, response.headers, body, is_cut, str(hop.url))


def guarded_client(settings: Settings) -> GuardedClient:
    """The client for URLs from tenants. It can also call the addresses in `allowed_private_networks`."""
    return GuardedClient(allowed=settings.allowed_private_networks)


@dataclass(slots=True)
class _Hop:
    """The current request of a chain of redirects."""

    method: str
    url: httpx2.URL
    headers: list[tuple[bytes, bytes]]
    content: bytes | None
    status_code: int | None = field(default=None, init=False)

    @property
    def port(self) -> int:
        return self.url.port or (443 if self.url.scheme == "https" else 80)

    def failure(self, kind: FailureKind, what: str) -> NetworkFailure:
        return NetworkFailure(kind, f"`{urls.host_of(self.url)}` {what}.", self.status_code)

    def after(self, reply: Reply) -> httpx2.URL | None:
        """The URL to follow after a reply; None if the reply is final."""
        location = reply.headers.get("location")
        if reply.status_code not in _REDIRECTS or location is None:
            return None
        try:
            target = self.url.join(location)
        except (httpx2.InvalidURL, ValueError):
            raise UrlInvalid("the server redirects to an invalid URL") from None
        keeps_body = self.content is not None and not self._becomes_get(reply.status_code)
        return None if keeps_body and not self._is_same_origin(target) else target

    def move(self, status_code: int, target: httpx2.URL) -> None:
        """Change to the request that follows a redirect."""
        if self._becomes_get(status_code):
            self.method = "GET"
            self.content = None
            self.headers = [each for each in self.headers if each[0].lower() not in _OF_BODIES]
        if not self._is_same_origin(target):
            self.headers = [each for each in self.headers if each[0].lower() in _KEPT_ACROSS]
        self.url = target

    def _becomes_get(self, status_code: int) -> bool:
        if status_code == 303:
            return self.method != "HEAD"
        return status_code in (301, 302) and self.method == "POST"

    def _is_same_origin(self, target: httpx2.URL) -> bool:
        return (self.url.scheme, self.url.raw_host, self.url.port) == (
            target.scheme,
            target.raw_host,
            target.port,
        )


def _checked(headers: Mapping[str, str] | None) -> list[tuple[bytes, bytes]]:
    checked: list[tuple[bytes, bytes]] = []
    for name, value in (headers or {}).items():
        if not _HEADER_NAME.fullmatch(name):
            raise HeaderInvalid(
                name, "its name has a character that is not allowed in header names"
            )
        if name.lower() in _OURS:
            raise HeaderInvalid(name, "stepIQ sets this header. Remove it")
        if not _HEADER_VALUE.fullmatch(value):
            raise HeaderInvalid(
                name, "its value has a control character or a line break. Remove it"
            )
        # White space around a value is not part of it.
        checked.append((name.encode(), value.strip(" \t").encode()))
    return checked


def _failure(hop: _Hop, error: Exception) -> NetworkFailure:
    if isinstance(error, NameUnanswered):
        return hop.failure(FailureKind.NO_DNS, "was not found: DNS gave no answer")
    if isinstance(error, NameUnknown):
        return hop.failure(FailureKind.NAME, "could not be found in DNS")
    if isinstance(error, httpx2.TimeoutException):
        return hop.failure(FailureKind.TIMEOUT, "did not answer in time")
    if isinstance(error, httpx2.DecodingError):
        what = "sent a body that is incomplete, or not in its `Content-Encoding`"
        return hop.failure(FailureKind.PROTOCOL, what)
    if isinstance(error, httpx2.ConnectError):
        return _connect_failure(hop, error)
    return hop.failure(
        FailureKind.PROTOCOL, "closed the connection early, or did not answer in HTTP"
    )


def _connect_failure(hop: _Hop, error: httpx2.ConnectError) -> NetworkFailure:
    match error.__cause__:
        case ssl.SSLCertVerificationError():
            return hop.failure(FailureKind.TLS, "does not have a trusted TLS certificate")
        case ssl.SSLError(reason=reason) if reason in _ANSWERS_WITHOUT_TLS:
            return hop.failure(FailureKind.NO_TLS, f"does not use TLS on port {hop.port}")
        case ssl.SSLError():
            return hop.failure(FailureKind.HANDSHAKE, "failed the TLS handshake")
        case _:
            what = f"refused the connection on port {hop.port}, or cannot be reached"
            return hop.failure(FailureKind.CONNECT, what)
