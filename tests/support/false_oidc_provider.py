"""An OpenID provider that does what a real one refuses to do: wrong, old, foreign and unsigned tokens, and no answers."""

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from stepiq.core import clock
from tests.support.serving import serving

CLIENT_ID = "stepiq"
CLIENT_SECRET = "false secret"


class Key:
    """A signing key of the provider."""

    def __init__(self, key_id: str) -> None:
        self.id = key_id
        self.private = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> dict[str, Any]:
        algorithm = ECAlgorithm(ECAlgorithm.SHA256)
        made = json.loads(algorithm.to_jwk(self.private.public_key()))
        return {**made, "kid": self.id, "use": "sig", "alg": "ES256"}


@dataclass
class FalseOidcProvider:
    """Its fields decide what it answers. `requests` counts requests by path."""

    issuer: str = ""
    """Its address, once it listens."""
    claims: dict[str, Any] = field(default_factory=dict)
    """Added to the ID token, or replace its claims. None removes a claim."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Added to the discovery document, or replace its fields. None removes a field."""
    response: dict[str, str | None] = field(default_factory=dict)
    """Added to the authorization response, or replace its parameters. None removes one."""
    answers: dict[str, Callable[[], Response]] = field(default_factory=dict)
    """Answers of paths instead of the usual ones."""
    sign: Callable[[dict[str, Any]], str] | None = None
    """Makes the ID token instead of the usual way."""
    keys: list[Key] = field(default_factory=lambda: [Key("first")])
    """The first one signs; all are published."""
    signs_with: Key | None = None
    """A key that signs without being published."""
    requests: list[str] = field(default_factory=list)
    token_requests: list[dict[str, str]] = field(default_factory=list)
    nonces: dict[str, str] = field(default_factory=dict)
    """Nonces by code."""
    last_token: str = ""

    def settings(self, **changes: Any) -> dict[str, Any]:
        """The table `[oidc.NAME]` for this provider."""
        return {
            "issuer": self.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            **changes,
        }

    def count(self, path: str) -> int:
        return self.requests.count(path)

    def signed(self, claims: dict[str, Any], **header: Any) -> str:
        """A token with the signing key."""
        key = self.signs_with or self.keys[0]
        return jwt.encode(claims, key.private, "ES256", headers={"kid": key.id, **header})

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._answering(self._discovery)),
                Route("/auth", self._answering(self._authorize)),
                Route("/token", self._answering(self._token), methods=["POST"]),
                Route("/jwks", self._answering(self._jwks)),
                Route("/userinfo", self._answering(self._userinfo)),
            ]
        )

    def _answering(self, usual: Callable[..., Any]) -> Callable[..., Any]:
        async def answer(request: Request) -> Response:
            path = request.url.path
            self.requests.append(path)
            if path in self.answers:
                return self.answers[path]()
            return await usual(request)

        return answer

    async def _discovery(self, request: Request) -> Response:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
        }
        return JSONResponse(_changed(document, self.metadata))

    async def _authorize(self, request: Request) -> Response:
        query = request.query_params
        code = secrets.token_urlsafe(16)
        self.nonces[code] = query["nonce"]
        parameters = _changed({"code": code, "state": query["state"]}, self.response)
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(parameters)}", 302)

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        self.token_requests.append(
            {**form, "authorization": request.headers.get("authorization", "")}
        )
        access_token = secrets.token_urlsafe(16)
        now = int(clock.now().timestamp())
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims = _changed(
            {
                "iss": self.issuer,
                "aud": CLIENT_ID,
                "sub": "ada",
                "iat": now,
                "exp": now + 300,
                "nonce": self.nonces.get(form["code"], ""),
                "at_hash": base64.urlsafe_b64encode(half).decode().rstrip("="),
                "email": "ada@example.com",
                "email_verified": True,
                "name": "Ada Lovelace",
            },
            self.claims,
        )
        token = self.signed(claims) if self.sign is None else self.sign(claims)
        self.last_token = token
        body = {"access_token": access_token, "token_type": "Bearer", "id_token": token}
        return JSONResponse(body)

    async def _jwks(self, request: Request) -> Response:
        return JSONResponse({"keys": [key.public for key in self.keys]})

    async def _userinfo(self, request: Request) -> Response:
        return JSONResponse({"sub": "ada", "email": "ada@example.com", "email_verified": True})


def _changed(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**values, **changes}.items() if value is not None}


@asynccontextmanager
async def running_false_provider() -> AsyncIterator[FalseOidcProvider]:
    """A provider in the loop of the test, on a free port of loopback."""
    provider = FalseOidcProvider()
    async with serving(provider.app()) as port:
        provider.issuer = f"http://127.0.0.1:{port}"
        yield provider
