"""One identity provider: where to send the browser, and who has come back."""

import asyncio
import base64
import hmac
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from urllib.parse import quote_plus, urlencode, urlsplit

from stepiq.accounts.oidc import documents, id_tokens
from stepiq.accounts.oidc.documents import Metadata
from stepiq.accounts.oidc.errors import SignInFailed, SignInFailure
from stepiq.accounts.oidc.id_tokens import ExpectedToken
from stepiq.accounts.schemas import normalise_email
from stepiq.core import clock
from stepiq.core.http import GuardedClient
from stepiq.core.settings.oidc import OidcSettings

LIFETIME = timedelta(hours=1)
"""How long a document is used without fetching it again."""
PAUSE = timedelta(seconds=10)
"""Shortest time between two attempts after a failure, and between two refreshes before the document expires."""

Value = TypeVar("Value")


class Cached(Generic[Value]):
    """One document. Concurrent callers wait for the same request."""

    def __init__(self, fetch: Callable[[], Awaitable[Value]]) -> None:
        """Cache what `fetch` returns. It raises SignInFailed if there is no document."""
        self._fetch = fetch
        self._lock = asyncio.Lock()
        self._value: Value | None = None
        self._failure: SignInFailed | None = None
        self._fetched = self._refreshed = self._failed = -math.inf

    async def get(self) -> Value:
        """The document, at most `LIFETIME` old.

        Raises:
            SignInFailed: it cannot be fetched, or this failed within the last `PAUSE`.
        """
        async with self._lock:
            if self._value is not None and _is_within(self._fetched, LIFETIME):
                return self._value
            if self._failure is not None and _is_within(self._failed, PAUSE):
                raise SignInFailed(self._failure.failure, self._failure.reason)
            return await self._load()

    async def refresh(self) -> Value:
        """The document, fetched again unless the last refresh was within the last `PAUSE`.

        Raises:
            SignInFailed: it cannot be fetched.
        """
        async with self._lock:
            if self._value is not None and _is_within(self._refreshed, PAUSE):
                return self._value
            self._refreshed = clock.monotonic()
            return await self._load()

    async def _load(self) -> Value:
        try:
            value = await self._fetch()
        except SignInFailed as failure:
            self._failure, self._failed = failure, clock.monotonic()
            raise
        self._value, self._failure, self._fetched = value, None, clock.monotonic()
        return value


def _is_within(instant: float, period: timedelta) -> bool:
    return clock.monotonic() - instant < period.total_seconds()


if TYPE_CHECKING:
    from jwt import PyJWK

_MAX_CODE = 4_096
_MAX_GROUPS = 2_000
_MAX_NAME = 100
_OAUTH_ERROR = re.compile(r"[a-z_]{1,60}")


@dataclass(frozen=True, slots=True)
class IdentifiedPerson:
    """Who has signed in, as the provider says."""

    issuer: str
    subject: str
    """The person's id at the provider, which never changes."""
    email: str | None
    """Normalised. None if the provider has not sent a valid one."""
    is_email_verified: bool
    name: str | None
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class AuthorizationResponse:
    """The parameters with which a provider sends the browser back."""

    code: str | None
    error: str | None
    issuer: str | None


class IdentityProvider:
    """A configured provider, with its cached documents."""

    def __init__(
        self, name: str, settings: OidcSettings, http: GuardedClient, redirect_uri: str
    ) -> None:
        self.name = name
        self.settings = settings
        self.redirect_uri = redirect_uri
        self._http = http
        self._metadata = Cached(lambda: documents.discover(http, settings.issuer))
        self._keys = Cached(self._fetch_keys)

    @property
    def label(self) -> str:
        """The name for people."""
        return self.settings.name or self.name

    async def authorization_url(self, *, state: str, nonce: str, challenge: str) -> str:
        """The URL of the provider's sign-in page.

        Raises:
            SignInFailed: the provider cannot be reached or is not configured correctly.
        """
        endpoint = (await self._metadata.get()).authorization_endpoint
        query = urlencode(
            {
                "response_type": "code",
                "response_mode": "query",
                "client_id": self.settings.client_id,
                "redirect_uri": self.redirect_uri,
                "scope": " ".join(self.settings.scopes),
                "state": state,
                "nonce": nonce,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            }
        )
        parts = urlsplit(endpoint)
        joined = f"{parts.query}&{query}" if parts.query else query
        return parts._replace(query=joined, fragment="").geturl()

    async def identify(
        self, response: AuthorizationResponse, *, nonce: str, verifier: str
    ) -> IdentifiedPerson:
        """Exchange the code of a response, and check the ID token.

        Raises:
            SignInFailed: the provider declines, cannot be reached, or its answer is not valid.
        """
        metadata = await self._metadata.get()
        _check_issuer(response.issuer, metadata)
        if response.error is not None:
            _raise_error(response.error)
        if not response.code or len(response.code) > _MAX_CODE:
            raise SignInFailed(SignInFailure.EXPIRED, "the response has no code")
        tokens = await self._redeem(metadata, response.code, verifier)
        token, access = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(token, str):
            raise SignInFailed(
                SignInFailure.PROVIDER_MISCONFIGURED, "the provider sent no ID token"
            )
        access_token = access if isinstance(access, str) and access else None
        header = id_tokens.header_of(token)
        key = await self._key(header.key_id, header.algorithm)
        expected = ExpectedToken(self.settings.issuer, self.settings.client_id, nonce)
        claims = id_tokens.verify(token, key, expected, access_token)
        return self._person(await self._completed(metadata, claims, access_token))

    async def check(self) -> Metadata:
        """Fetch the documents of the provider, for `stepiq doctor`.

        Raises:
            SignInFailed: they cannot be fetched, or are not valid.
        """
        metadata = await self._metadata.get()
        await self._keys.get()
        self._authentication(metadata)
        return metadata

    async def _fetch_keys(self) -> list[dict[str, Any]]:
        return await documents.fetch_keys(self._http, (await self._metadata.get()).jwks_uri)

    async def _key(self, key_id: str | None, algorithm: str) -> "PyJWK":
        found = documents.key_of(await self._keys.get(), key_id, algorithm)
        if found is None:
            # The provider may have begun to sign with a new key.
            found = documents.key_of(await self._keys.refresh(), key_id, algorithm)
        if found is None:
            raise SignInFailed(
                SignInFailure.TOKEN_INVALID, "the provider does not publish the key of the ID token"
            )
        return found

    async def _redeem(self, metadata: Metadata, code: str, verifier: str) -> dict[str, Any]:
        headers, fields = self._authentication(metadata)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
            **fields,
        }
        return await documents.call(
            self._http,
            "POST",
            metadata.token_endpoint,
            what="the tokens",
            headers={"Content-Type": "application/x-www-form-urlencoded", **headers},
            content=urlencode(form).encode(),
        )

    def _authentication(self, metadata: Metadata) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """The headers and form fields that authenticate this server."""
        client_id, secret = self.settings.client_id, self.settings.secret
        if secret is None:
            if self.settings.client_secret_env is not None:
                raise SignInFailed(
                    SignInFailure.PROVIDER_MISCONFIGURED,
                    f"the variable {self.settings.client_secret_env} is not set",
                )
            return {}, {"client_id": client_id}
        if "client_secret_basic" in metadata.token_auth_methods:
            pair = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}, {}
        if "client_secret_post" in metadata.token_auth_methods:
            return {}, {"client_id": client_id, "client_secret": secret}
        raise SignInFailed(
            SignInFailure.PROVIDER_MISCONFIGURED,
            "the provider accepts neither client_secret_basic nor client_secret_post",
        )

    async def _completed(
        self, metadata: Metadata, claims: dict[str, Any], access_token: str | None
    ) -> dict[str, Any]:
        """The claims, with those that only the userinfo endpoint returns."""
        needs_groups = bool(self.settings.groups or self.settings.admin_groups)
        lacks = "email" not in claims or (needs_groups and self._groups_of(claims) is None)
        if not lacks or metadata.userinfo_endpoint is None or access_token is None:
            return claims
        found = await documents.call(
            self._http,
            "GET",
            metadata.userinfo_endpoint,
            what="the userinfo",
            headers={"Authorization": f"Bearer {access_token}"},
        )
        if found.get("sub") != claims["sub"]:
            raise SignInFailed(
                SignInFailure.TOKEN_INVALID, "the userinfo belongs to another person"
            )
        return {**found, **claims}

    def _person(self, claims: dict[str, Any]) -> IdentifiedPerson:
        groups = self._groups_of(claims)
        names = claims.get("_claim_names")
        if groups is None and isinstance(names, dict) and self.settings.group_claim in names:
            # Without the groups, the person would lose all roles.
            raise SignInFailed(
                SignInFailure.PROVIDER_MISCONFIGURED,
                "the person has so many groups that the provider does not send them",
            )
        verified = claims.get("email_verified")
        name = claims.get("name")
        return IdentifiedPerson(
            issuer=self.settings.issuer,
            subject=claims["sub"],
            email=_email(claims.get("email")),
            # The number 1 is equal to True.
            is_email_verified=verified is True
            or verified == "true"
            or (verified is None and self.settings.assume_verified_email),
            name=(name.strip()[:_MAX_NAME].strip() or None) if isinstance(name, str) else None,
            groups=frozenset() if groups is None else groups,
        )

    def _groups_of(self, claims: dict[str, Any]) -> frozenset[str] | None:
        """The groups in the claims. None without the claim."""
        path = self.settings.group_claim
        found: Any = claims.get(path)
        if found is None and "." in path:
            found = claims
            for part in path.split("."):
                found = cast(dict[str, Any], found).get(part) if isinstance(found, dict) else None
        if isinstance(found, str):
            return frozenset({found})
        if not isinstance(found, list):
            return None
        groups = cast(list[Any], found)
        if len(groups) > _MAX_GROUPS:
            raise SignInFailed(
                SignInFailure.PROVIDER_MISCONFIGURED, "the person has too many groups"
            )
        return frozenset(each for each in groups if isinstance(each, str))


def _check_issuer(given: str | None, metadata: Metadata) -> None:
    if given is None and not metadata.sends_issuer:
        return
    if given is None or not hmac.compare_digest(
        given.encode(errors="replace"), metadata.issuer.encode()
    ):
        raise SignInFailed(SignInFailure.WRONG_ISSUER, "the response names a different issuer")


def _raise_error(error: str) -> None:
    code = error if _OAUTH_ERROR.fullmatch(error) else "another error"
    if code == "access_denied":
        raise SignInFailed(SignInFailure.DENIED, "access_denied")
    failure = (
        SignInFailure.PROVIDER_UNREACHABLE
        if code in ("server_error", "temporarily_unavailable")
        else SignInFailure.PROVIDER_MISCONFIGURED
    )
    raise SignInFailed(failure, f"the provider responded with {code}")


def _email(value: object) -> str | None:
    try:
        return normalise_email(value) if isinstance(value, str) else None
    except ValueError:
        return None
