"""The services of this process for single sign-on: the providers, and the sign-ins that browsers have started.

A started sign-in is in a cookie. The server stores nothing until the provider has answered.
"""

import base64
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response

from stepiq.accounts.credentials.cookie import cookie_name
from stepiq.accounts.oidc.documents import provider_client
from stepiq.accounts.oidc.provider import IdentityProvider
from stepiq.core import clock, ids, json
from stepiq.core.http import GuardedClient
from stepiq.core.json import Json, MalformedJson
from stepiq.core.settings.model import Settings
from stepiq.web.limits import Limiter
from stepiq.web.services import AppKey, Services

LIFETIME = timedelta(minutes=10)
"""How long a person has at the provider."""
NAME = "stepiq_sign_in"

_ID_BYTES = 32
_NEXT_CHARACTERS = 1_000
# Printable ASCII without a backslash. Browsers ignore tabs and line breaks in URLs, and read `\` as `/`.
_LOCAL_PATH = re.compile(r"/(?:[!-.0-\[\]-~][!-\[\]-~]*)?")
_NOT_PAGES = ("/api/", "/v1/")


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A sign-in that has not returned from the provider."""

    id: bytes
    """Random. The values for the provider are derived from it."""
    provider: str
    next: str
    """Path of the page to open afterwards."""
    expires_at: datetime
    session_id: UUID | None
    """The session whose account the identity is connected to. None: sign in."""

    @property
    def digest(self) -> bytes:
        """Identifies the sign-in in the database."""
        return sha256(self.id).digest()


class PendingSignIns:
    """Writes and verifies the cookies of one server, and derives the values that the provider gets."""

    def __init__(self, jwt_secret: bytes, base_url: str) -> None:
        self._key = hmac.digest(jwt_secret, b"stepiq OpenID Connect sign-in", "sha256")
        self.name, self._is_secure = cookie_name(NAME, base_url)

    def begin(self, provider: str, *, next_page: str, session_id: UUID | None) -> PendingSignIn:
        """A new sign-in."""
        expires_at = clock.now() + LIFETIME
        new = secrets.token_bytes(_ID_BYTES)
        return PendingSignIn(new, provider, local_path(next_page), expires_at, session_id)

    def state(self, pending: PendingSignIn) -> str:
        """The `state`, which binds the response to the browser that has the cookie."""
        return self._derived(b"state", pending)

    def is_state(self, pending: PendingSignIn, given: str) -> bool:
        """Whether a response has the `state` of the sign-in."""
        return hmac.compare_digest(given.encode(errors="replace"), self.state(pending).encode())

    def nonce(self, pending: PendingSignIn) -> str:
        """The `nonce`, which binds the ID token to the sign-in."""
        return self._derived(b"nonce", pending)

    def verifier(self, pending: PendingSignIn) -> str:
        """The secret of PKCE. The browser does not get it."""
        return self._derived(b"verifier", pending)

    def challenge(self, pending: PendingSignIn) -> str:
        """The S256 challenge of `verifier`."""
        return _text(sha256(self.verifier(pending).encode()).digest())

    def set(self, response: Response, pending: PendingSignIn) -> None:
        """Add the cookie to a response."""
        claims: dict[str, Json] = {
            "id": _text(pending.id),
            "provider": pending.provider,
            "next": pending.next,
            "expires": int(pending.expires_at.timestamp()),
            "session": None if pending.session_id is None else str(pending.session_id),
        }
        payload = _text(json.dumps(claims).encode())
        response.set_cookie(
            self.name,
            f"{payload}.{self._proof(payload)}",
            max_age=int(LIFETIME.total_seconds()),
            path="/",
            secure=self._is_secure,
            httponly=True,
            # Sent with the redirect from the provider, unlike a strict cookie.
            samesite="lax",
        )

    def clear(self, response: Response) -> None:
        """Remove the cookie from the browser."""
        response.delete_cookie(
            self.name, path="/", secure=self._is_secure, httponly=True, samesite="lax"
        )

    def read(self, request: Request) -> PendingSignIn | None:
        """The sign-in of a request's cookie. None if there is none, the server did not write it, or it has expired."""
        payload, _, proof = request.cookies.get(self.name, "").partition(".")
        if not payload or not hmac.compare_digest(
            proof.encode(errors="replace"), self._proof(payload).encode()
        ):
            return None
        try:
            claims = json.as_object(json.loads(_bytes(payload)))
            pending = PendingSignIn(
                id=_bytes(str(claims["id"])),
                provider=str(claims["provider"]),
                next=local_path(str(claims["next"])),
                expires_at=datetime.fromtimestamp(int(str(claims["expires"])), UTC),
                session_id=ids.parse(str(claims["session"])),
            )
        except (ValueError, KeyError, TypeError, MalformedJson):
            return None
        return pending if clock.now() < pending.expires_at else None

    def _derived(self, purpose: bytes, pending: PendingSignIn) -> str:
        return _text(hmac.digest(self._key, purpose + b"\0" + pending.id, "sha256"))

    def _proof(self, payload: str) -> str:
        return _text(hmac.digest(self._key, b"cookie\0" + payload.encode(), "sha256"))


def local_path(text: str) -> str:
    """The text if it is a path of a page of this server, else `/`."""
    is_local = len(text) <= _NEXT_CHARACTERS and _LOCAL_PATH.fullmatch(text) is not None
    return text if is_local and not text.startswith(_NOT_PAGES) else "/"


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


A_MINUTE = 120
"""Maximum starts and returns of sign-ins per minute and client. A company can share one address."""
PATH = "/auth/oidc/{provider}"


@dataclass(frozen=True)
class OidcServices:
    """The configured providers, and the sign-ins in progress."""

    providers: Mapping[str, IdentityProvider]
    pending: PendingSignIns
    http: GuardedClient
    requests: Limiter
    """Counts starts and returns, by client."""

    @classmethod
    def build(cls, services: Services, jwt_secret: bytes) -> "OidcServices":
        """Create the services without calling a provider."""
        http, settings = provider_client(), services.settings
        requests = Limiter(A_MINUTE, timedelta(minutes=1), services.counts("sign-ins"))
        providers = {
            name: IdentityProvider(name, each, http, callback_url(settings, name))
            for name, each in settings.identity_providers.items()
        }
        return cls(providers, PendingSignIns(jwt_secret, settings.base_url), http, requests)

    def label(self, provider: str) -> str:
        """The name of a provider for people, also if it is no longer configured."""
        found = self.providers.get(provider)
        return provider if found is None else found.label

    async def close(self) -> None:
        """Close all connections to providers."""
        await self.http.close()


OIDC = AppKey[OidcServices]("oidc")
OidcDep = Annotated[OidcServices, Depends(OIDC)]


def start_path(provider: str) -> str:
    """The path that starts a sign-in."""
    return f"/api{PATH.format(provider=provider)}/start"


def callback_url(settings: Settings, provider: str) -> str:
    """The URL to register at the provider."""
    return f"{settings.base_url}/api{PATH.format(provider=provider)}/callback"
