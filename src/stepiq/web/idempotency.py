"""`Idempotency-Key`: a repeated POST has one effect and one response.

The transaction that does the work also stores the key and the response, so that either all of them are durable or none.
Responses are stored encrypted, because they can contain a new API key.
"""

import hashlib
import hmac
import re
from collections.abc import Generator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from fastapi import Request, Response

from stepiq.core import clock, json
from stepiq.core.json import Json
from stepiq.core.keys import encryption
from stepiq.store.database import Session
from stepiq.web import queries, requests
from stepiq.web.errors import (
    IdempotencyInProgress,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    IdempotentAnswerLost,
)
from stepiq.web.queries import RequestName
from stepiq.web.services import AppKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
"""How long a key is stored."""

MAX_BYTES = 16 * 1024
"""Larger responses are not stored. Each request with another key stores one, also for an object that is soon deleted."""

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_LONGEST_PATH = 500
_CLAIM = "stepiq.claim"
_NOT_STORED = bytes(64)
"""Precedes an encrypted empty body in place of a response that is too large."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The response to a request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> dict[str, Json]:
        """The body, a JSON object."""
        return json.as_object(json.loads(self.body))

    def response(self) -> Response:
        """The response, to be sent again."""
        return Response(self.body, self.status, dict(self.headers))


class Replayed(Exception):
    """The request was answered before. The same response is sent again, and the request is not executed."""

    def __init__(self, answer: StoredAnswer) -> None:
        super().__init__()
        self.answer = answer


class Idempotency:
    """The keys in use in this process, and the encryption of responses."""

    def __init__(self, secret: bytes) -> None:
        self._answer_key = _derived(secret, b"stepiq idempotent answers")
        self._hash_key = _derived(secret, b"stepiq idempotent requests")
        self._running: set[RequestName] = set()

    @cached_property
    def _cipher(self) -> "AESGCM":
        return encryption.cipher(self._answer_key)

    @contextmanager
    def running(self, name: RequestName) -> Generator[None]:
        """Hold a key while its request is in progress.

        Raises:
            IdempotencyInProgress: another request of this process holds it.
        """
        if name in self._running:
            raise IdempotencyInProgress
        self._running.add(name)
        try:
            yield
        finally:
            self._running.remove(name)

    def digest(self, query: bytes, body: bytes, scopes: frozenset[str]) -> bytes:
        """A keyed hash that identifies a request. Without the key, it does not help to guess a secret in a body.

        It includes the scopes, because the first response may contain data that a caller with other scopes cannot read.
        """
        # The length prefixes make the encoding of the parts unambiguous.
        parts = b"".join(
            len(part).to_bytes(4) + part for part in (query, " ".join(sorted(scopes)).encode())
        )
        return hmac.digest(self._hash_key, parts + body, hashlib.sha256)

    def seal(self, name: RequestName, body: bytes) -> bytes:
        """Encrypt a body for storage. Only the server's secret decrypts it, and only for this request."""
        return encryption.encrypt(self._cipher, body, _bound(name))

    def unseal(self, name: RequestName, sealed: bytes) -> bytes:
        """Decrypt a stored body.

        Raises:
            IdempotentAnswerLost: it was encrypted with another secret.
        """
        try:
            return encryption.decrypt(self._cipher, sealed, _bound(name))
        except encryption.DecryptionFailed:
            raise IdempotentAnswerLost from None


IDEMPOTENCY = AppKey[Idempotency]("idempotency")


class KeyClaim:
    """A request's claim on its key, from before its work until its response."""

    def __init__(
        self, idempotency: Idempotency, name: RequestName, principal_id: UUID, request_hash: bytes
    ) -> None:
        self.name = name
        self._idempotency = idempotency
        self._principal_id = principal_id
        self._request_hash = request_hash
        self._is_kept = False
        self.is_limited = True
        """Whether a response larger than `MAX_BYTES` is not stored."""

    def running(self) -> AbstractContextManager[None]:
        """Hold the key against other requests of this process.

        Raises:
            IdempotencyInProgress: one of them holds it.
        """
        return self._idempotency.running(self.name)

    async def is_known(self, session: Session) -> bool:
        """Whether a request has used the key."""
        return await queries.find(session, self.name) is not None

    async def begin(self, session: Session) -> None:
        """Store the key in the transaction that will do the work.

        Raises:
            Replayed: the request was answered before.
            IdempotencyKeyReused: another request used the key, or another member of the workspace.
            IdempotentAnswerLost: the response was not stored, or cannot be decrypted.
        """
        now = clock.now()
        while not await queries.insert(
            session,
            self.name,
            principal_id=self._principal_id,
            request_hash=self._request_hash,
            created_at=now,
        ):
            found = await queries.find(session, self.name)
            if found is None or found.created_at <= now - KEPT:
                await queries.delete(session, self.name)
                continue
            # The response may contain a new API key, or a link for someone else.
            if found.principal_id != self._principal_id:
                raise IdempotencyKeyReused
            # Before the hash is compared: with another secret it differs too, and would look like a reused key.
            body = self._idempotency.unseal(self.name, found.body.removeprefix(_NOT_STORED))
            if found.request_hash != self._request_hash:
                raise IdempotencyKeyReused
            if found.body.startswith(_NOT_STORED):
                raise IdempotentAnswerLost
            raise Replayed(StoredAnswer(found.status, cast(dict[str, str], found.headers), body))

    async def keep(self, session: Session, response: Response) -> None:
        """Store the response if it is a success with a complete body. Otherwise, the key stays free."""
        body: object = getattr(response, "body", None)
        if not 200 <= response.status_code < 300 or not isinstance(body, bytes):
            return
        is_too_large = self.is_limited and len(body) > MAX_BYTES
        headers = {
            name: value for name, value in response.headers.items() if name != "content-length"
        }
        await queries.answer(
            session,
            self.name,
            status=response.status_code,
            headers=headers,
            body=_NOT_STORED + self._idempotency.seal(self.name, b"")
            if is_too_large
            else self._idempotency.seal(self.name, body),
        )
        self._is_kept = True

    async def finish(self, session: Session) -> None:
        """Free the key if no response was stored."""
        if not self._is_kept:
            await queries.delete(session, self.name)


async def claim_of(request: Request) -> KeyClaim | None:
    """The claim of a request with a key; None for other requests.

    Only a POST with a credential accepts keys: all other methods are idempotent or only read.

    Raises:
        IdempotencyKeyInvalid: the header is not a valid key.
    """
    key = request.headers.get(HEADER)
    workspace_id = requests.workspace_of(request.scope)
    if key is None or workspace_id is None or request.method != "POST":
        return None
    if not _KEY.fullmatch(key):
        raise IdempotencyKeyInvalid
    path = requests.path_of(request.scope)
    if len(path) > _LONGEST_PATH:
        # No route has such a path, and it may be too long for an index of PostgreSQL.
        return None
    name = RequestName(workspace_id, f"POST {path}", key)
    idempotency = IDEMPOTENCY.get(request.app)
    query, scopes = request.scope["query_string"], requests.scopes_of(request.scope)
    digest = idempotency.digest(query, await request.body(), scopes)
    return KeyClaim(idempotency, name, requests.principal_of(request.scope), digest)


@contextmanager
def claimed(scope: MutableMapping[str, Any], claim: KeyClaim, session: Session) -> Generator[None]:
    """Allow the route to store its response while the transaction is open."""
    scope[_CLAIM] = (claim, session)
    try:
        yield
    finally:
        del scope[_CLAIM]


async def keep(scope: Mapping[str, Any], response: Response, *, is_limited: bool = True) -> None:
    """Store the response of the request if it has a key and its transaction is open.

    Without `is_limited`, its size does not matter.
    """
    held: tuple[KeyClaim, Session] | None = scope.get(_CLAIM)
    if held is not None:
        claim, session = held
        claim.is_limited &= is_limited
        await claim.keep(session, response)


async def sweep(session: Session, now: datetime) -> int:
    """Delete a batch of expired keys. Returns their number; 0 if none is left."""
    return await queries.sweep(session, now - KEPT)


def _derived(secret: bytes, purpose: bytes) -> bytes:
    # HKDF with SHA-256 (RFC 5869), without a salt, and with one block of output.
    extracted = hmac.digest(bytes(hashlib.sha256().digest_size), secret, hashlib.sha256)
    return hmac.digest(extracted, purpose + b"\x01", hashlib.sha256)


def _bound(name: RequestName) -> bytes:
    return f"{name.workspace_id} {name.route} {name.key}".encode()
