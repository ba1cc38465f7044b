"""Requests to a provider, and the documents that it publishes: discovery and signing keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stepiq.accounts.oidc.errors import SignInFailed, SignInFailure
from stepiq.core import json
from stepiq.core.http import GuardedClient, NetworkFailure, RequestInvalid, Timeouts
from stepiq.core.json import Json, MalformedJson

if TYPE_CHECKING:
    from jwt import PyJWK

WELL_KNOWN = "/.well-known/openid-configuration"
MAX_BYTES = 256 * 1024
"""Longest answer of a provider."""
MAX_KEYS = 50

_TIMEOUTS = Timeouts(
    connect=timedelta(seconds=5), read=timedelta(seconds=8), total=timedelta(seconds=10)
)
_SHOWN = 200
_EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))


def provider_client() -> GuardedClient:
    """The client for providers. It can call private addresses, because only the operator configures providers."""
    return GuardedClient(allowed=_EVERYWHERE)


@dataclass(frozen=True, slots=True)
class Metadata:
    """The parts of a discovery document that a sign-in needs."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    token_auth_methods: frozenset[str]
    sends_issuer: bool
    """Whether every authorization response has `iss` (RFC 9207)."""


async def discover(http: GuardedClient, issuer: str) -> Metadata:
    """Fetch and check the discovery document of an issuer.

    Raises:
        SignInFailed: it cannot be fetched, is not valid, or names a different issuer.
    """
    found = await call(http, "GET", issuer.rstrip("/") + WELL_KNOWN, what="the discovery document")
    if found.get("issuer") != issuer:
        named = str(found.get("issuer"))[:_SHOWN]
        raise SignInFailed(
            SignInFailure.WRONG_ISSUER,
            f"the discovery document names a different issuer: {named!r}",
        )
    methods = found.get("token_endpoint_auth_methods_supported")
    userinfo = found.get("userinfo_endpoint")
    return Metadata(
        issuer=issuer,
        authorization_endpoint=_endpoint(found, "authorization_endpoint", issuer),
        token_endpoint=_endpoint(found, "token_endpoint", issuer),
        jwks_uri=_endpoint(found, "jwks_uri", issuer),
        userinfo_endpoint=None
        if userinfo is None
        else _endpoint(found, "userinfo_endpoint", issuer),
        token_auth_methods=frozenset(map(str, methods))
        if isinstance(methods, list)
        else frozenset({"client_secret_basic"}),
        sends_issuer=found.get("authorization_response_iss_parameter_supported") is True,
    )


def _endpoint(found: Mapping[str, Json], name: str, issuer: str) -> str:
    url = found.get(name)
    if isinstance(url, str):
        try:
            parts = urlsplit(url)
            is_complete = bool(parts.hostname) and parts.username is None
        except ValueError:
            is_complete = False
        else:
            # A provider with TLS must not lead to requests without it.
            schemes = ("https",) if issuer.startswith("https:") else ("http", "https")
            is_complete = is_complete and parts.scheme in schemes
        if is_complete:
            return url
    raise _misconfigured(f"`{name}` of the discovery document is not a URL that can be used")


async def fetch_keys(http: GuardedClient, url: str) -> list[dict[str, Any]]:
    """Fetch the signing keys of a provider, without those for other uses.

    Raises:
        SignInFailed: they cannot be fetched, or there are none.
    """
    found = (await call(http, "GET", url, what="the signing keys")).get("keys")
    keys = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    usable = [each for each in keys[:MAX_KEYS] if each.get("use") in (None, "sig")]
    if not usable:
        raise _misconfigured("the provider publishes no signing keys")
    return usable


def key_of(keys: list[dict[str, Any]], key_id: object, algorithm: str) -> "PyJWK | None":
    """The key with an id, for an algorithm. Without an id, the only key for the algorithm."""
    found = [
        each
        for each in keys
        if (key_id is None or each.get("kid") == key_id)
        and each.get("alg") in (None, algorithm)
        and each.get("kty") == _KEY_TYPES.get(algorithm[:2])
    ]
    if len(found) != 1:
        return None
    import jwt

    try:
        return jwt.PyJWK(found[0], algorithm)
    except jwt.PyJWTError:
        return None


_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


async def call(
    http: GuardedClient,
    method: str,
    url: str,
    *,
    what: str,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> dict[str, Json]:
    """Send a request, and read the JSON object of the response. Redirects are not followed.

    Raises:
        SignInFailed: there is no such response. `what` names it in the reason.
    """
    try:
        reply = await http.send(
            method,
            url,
            headers={"Accept": "application/json", **(headers or {})},
            content=content,
            timeouts=_TIMEOUTS,
            max_bytes=MAX_BYTES,
        )
    except RequestInvalid as error:
        raise _misconfigured(f"{what} cannot be requested: {error.message}") from None
    if isinstance(reply, NetworkFailure):
        raise SignInFailed(
            SignInFailure.PROVIDER_UNREACHABLE, f"no answer for {what}: {reply.message}"
        )
    body = _object(reply.body) if not reply.is_cut else None
    if reply.status_code != 200:
        # The code of an OAuth error is one of a few words. The description can contain anything.
        code = "" if body is None else str(body.get("error", ""))[:_SHOWN]
        raise SignInFailed(
            _failure_of(reply.status_code, code),
            f"status {reply.status_code} {code!r} for {what}",
        )
    if body is None:
        raise _misconfigured(f"{what} is not a JSON object of at most {MAX_BYTES} bytes")
    return body


def _failure_of(status: int, code: str) -> SignInFailure:
    if code == "invalid_grant":
        return SignInFailure.EXPIRED
    return (
        SignInFailure.PROVIDER_UNREACHABLE
        if status >= 500
        else SignInFailure.PROVIDER_MISCONFIGURED
    )


def _object(body: bytes) -> dict[str, Json] | None:
    try:
        found = json.loads(body)
    except MalformedJson:
        return None
    return found if isinstance(found, dict) else None


def _misconfigured(reason: str) -> SignInFailed:
    return SignInFailed(SignInFailure.PROVIDER_MISCONFIGURED, reason)
