"""The session cookie of browsers, its CSRF token, and the checks of requests that use it.

Both values are HMACs of the session's id, so the database does not contain them. The store decides how long they are
valid: as long as the session.
"""

import base64
import hmac
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Request, Response

from stepiq.accounts.errors import CredentialInvalid, CrossSiteRequest, CsrfTokenInvalid
from stepiq.core import clock, ids

CSRF_HEADER = "X-CSRF-Token"
NAME = "stepiq_session"
"""The name of the cookie, without the prefix and the port that a server adds."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_OWN_SITES = frozenset({"same-origin", "none"})
"""`Sec-Fetch-Site` of requests from our own pages, and from the address bar."""
_SAFE_METHODS = frozenset({"GET", "HEAD"})


class SessionCookies:
    """Writes and verifies the cookies of one server."""

    def __init__(self, jwt_secret: bytes, base_url: str) -> None:
        """Derive the keys from the signing key, so that all processes of a server use the same ones."""
        self._cookie_key = hmac.digest(jwt_secret, b"stepiq session cookie", "sha256")
        self._csrf_key = hmac.digest(jwt_secret, b"stepiq CSRF token", "sha256")
        url = urlsplit(base_url)
        self._origin = f"{url.scheme}://{url.netloc}"
        self.name, self._is_secure = cookie_name(NAME, base_url)

    def value_of(self, request: Request) -> str | None:
        """The value of the cookie, if the request authenticates with it: it has no credential in a header."""
        if "authorization" in request.headers or "x-api-key" in request.headers:
            return None
        return request.cookies.get(self.name)

    def session_of(self, value: str) -> UUID:
        """The session of a cookie's value. It may have ended.

        Raises:
            CredentialInvalid: this server has not issued the value.
        """
        text, _, _ = value.partition(".")
        session_id = ids.parse(text)
        if session_id is None or not _is_equal(value, self._value(session_id)):
            raise CredentialInvalid("The session cookie is not valid. Log in again.")
        return session_id

    def csrf_token(self, session_id: UUID) -> str:
        """The value that requests of a session must repeat in `X-CSRF-Token`."""
        return _sign(self._csrf_key, session_id)

    def check_request(self, request: Request, session_id: UUID) -> None:
        """Check that a request that uses the cookie comes from a page of this server.

        Raises:
            CrossSiteRequest: a page of another origin has sent it.
            CsrfTokenInvalid: it can change data, and has no CSRF token or a wrong one.
        """
        self.check_origin(request)
        if request.method in _SAFE_METHODS:
            return
        if not _is_equal(request.headers.get(CSRF_HEADER, ""), self.csrf_token(session_id)):
            raise CsrfTokenInvalid

    def check_origin(self, request: Request) -> None:
        """Refuse a request that a browser has sent for a page of another origin. Other clients may omit the headers.

        Raises:
            CrossSiteRequest: a page of another origin has sent it.
        """
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site is not None:
            if site not in _OWN_SITES:
                raise CrossSiteRequest
            return
        # Without TLS, browsers send `Sec-Fetch-Site` to loopback only. A proxy can change `Host`.
        if origin is None or origin == self._origin:
            return
        # Not `urlsplit`, which raises an error for text that is not a URL.
        if origin.partition("://")[2] != request.headers.get("host", ""):
            raise CrossSiteRequest

    def set(self, response: Response, session_id: UUID, *, expires_at: datetime) -> None:
        """Add the cookie to a response."""
        response.set_cookie(
            self.name,
            self._value(session_id),
            max_age=round((expires_at - clock.now()).total_seconds()),
            path="/",
            secure=self._is_secure,
            httponly=True,
            samesite="strict",
        )

    def clear(self, response: Response) -> None:
        """Remove the cookie from the browser."""
        response.delete_cookie(
            self.name, path="/", secure=self._is_secure, httponly=True, samesite="strict"
        )

    def _value(self, session_id: UUID) -> str:
        return f"{session_id}.{_sign(self._cookie_key, session_id)}"


def cookie_name(name: str, base_url: str) -> tuple[str, bool]:
    """The name of a cookie at a server, and whether browsers must send the cookie with TLS only."""
    url = urlsplit(base_url)
    is_secure = url.scheme == "https"
    # Browsers send cookies to all ports of a host. Without the port in the name, servers on one host would overwrite
    # each other's cookie.
    has_own_port = url.port not in (None, _DEFAULT_PORTS.get(url.scheme))
    full = f"{name}_{url.port}" if has_own_port else name
    # With this prefix, browsers refuse cookies that other hosts of the domain set.
    return (f"__Host-{full}" if is_secure else full), is_secure


def _sign(key: bytes, session_id: UUID) -> str:
    digest = hmac.digest(key, session_id.bytes, "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _is_equal(given: str, expected: str) -> bool:
    # Headers are Latin-1, and `compare_digest` accepts only ASCII texts.
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
