"""Dependencies that open a transaction for a request.

With the scope `function`, the transaction ends after the endpoint returns and before anything is sent: a response only
reports durable changes, and a failed commit becomes a 503. An exception rolls back. A POST with a writing transaction
accepts an `Idempotency-Key`. Except with `RepeatableTx`, its response is stored.
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from typing import Annotated, Any, NoReturn

from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from stepiq.core.errors import StepIQError
from stepiq.store.database import Database, Session, StoreUnavailable
from stepiq.web import idempotency, requests
from stepiq.web.bodies import refuse_unreadable
from stepiq.web.idempotency import Replayed
from stepiq.web.services import SERVICES


def _database(request: Request) -> Database:
    return SERVICES.get(request.app).database


@asynccontextmanager
async def _transaction(
    request: Request, *, is_held: bool = False, is_limited: bool = True
) -> AsyncGenerator[Session]:
    # On SQLite, a writing transaction holds the write lock from its start, so bodies are refused before it.
    refuse_unreadable(request)
    claim = await idempotency.claim_of(request)
    if claim is None:
        async with _database(request).transaction() as session:
            yield session
        return
    claim.is_limited = is_limited
    with nullcontext() if is_held else claim.running():
        async with _database(request).transaction() as session:
            try:
                await claim.begin(session)
            except Replayed:
                requests.add_headers(request.scope, {"Idempotent-Replayed": "true"})
                raise
            with idempotency.claimed(request.scope, claim, session):
                yield session
            await claim.finish(session)


async def _writing(request: Request) -> AsyncGenerator[Session]:
    async with _transaction(request) as session:
        yield session


async def _unlimited(request: Request) -> AsyncGenerator[Session]:
    async with _transaction(request, is_limited=False) as session:
        yield session


async def _repeatable(request: Request) -> AsyncGenerator[Session]:
    refuse_unreadable(request)
    async with _database(request).transaction() as session:
        yield session


async def _reading(request: Request) -> AsyncGenerator[Session]:
    refuse_unreadable(request)
    async with _database(request).reading() as session:
        yield session


Tx = Annotated[Session, Depends(_writing, scope="function")]
"""A transaction that may write, committed before the response is sent."""

UnlimitedTx = Annotated[Session, Depends(_unlimited, scope="function")]
"""`Tx` for a POST whose response is stored whatever its size, because it creates something as large that stays."""

RepeatableTx = Annotated[Session, Depends(_repeatable, scope="function")]
"""`Tx` for a POST that has the same effect if it is repeated, so that its response does not have to be stored."""

Read = Annotated[Session, Depends(_reading, scope="function")]
"""A read-only transaction; on SQLite it does not wait for writers."""


class OwnTransaction:
    """A transaction like `Tx` for endpoints that open it themselves, because they work before it or after its commit."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._is_held = False

    def __call__(self) -> AbstractAsyncContextManager[Session]:
        """Open the transaction. Call it only once.

        Raises:
            Replayed: the request was answered before. It has the response that was passed to `keep`, which is sent
                again unless the endpoint catches the exception.
        """
        return _transaction(self._request, is_held=self._is_held)

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[None]:
        """Hold the request's key for longer than the transaction: meanwhile, a repetition gets 409 from this process."""
        claim = await idempotency.claim_of(self._request)
        with nullcontext() if claim is None else claim.running():
            self._is_held = True
            yield

    async def refuse(self, error: StepIQError) -> NoReturn:
        """Raise an error that was found before the transaction, unless the request was answered before.

        What has changed since then must not change the response to a repeated request.

        Raises:
            Replayed: see `__call__`.
        """
        claim = await idempotency.claim_of(self._request)
        if claim is not None:
            # Read first, because a write transaction blocks others on SQLite.
            async with _database(self._request).reading() as session:
                is_known = await claim.is_known(session)
            if is_known:
                async with self():
                    raise error
        raise error

    async def keep(self, response: Response) -> None:
        """Store the response for repetitions of the request, unless it is large. Call it inside the transaction."""
        await idempotency.keep(self._request.scope, response)

    async def answer(self, view: BaseModel, status: int, *, is_limited: bool = True) -> Response:
        """The response with this body, stored as by `keep`.

        A large one is stored only without `is_limited`: use this if the request itself stores as much.
        """
        response = JSONResponse(view.model_dump(mode="json"), status)
        await idempotency.keep(self._request.scope, response, is_limited=is_limited)
        return response

    async def replace(self, response: Response) -> Response:
        """Replace the stored response after the commit. The stored one stays if the store is away."""
        claim = await idempotency.claim_of(self._request)
        if claim is None:
            return response
        with suppress(StoreUnavailable):
            async with _database(self._request).transaction() as session:
                await claim.keep(session, response)
        return response


async def _own(request: Request) -> OwnTransaction:
    return OwnTransaction(request)


OwnTx = Annotated[OwnTransaction, Depends(_own)]
"""For `async with own_tx() as tx:` in an endpoint that does work before the transaction or after its commit."""

REPLAYS: frozenset[Any] = frozenset({_writing, _unlimited, _own})
"""Dependencies with which a POST sends the response to an earlier request with its `Idempotency-Key` again."""

TAKES_KEYS: frozenset[Any] = REPLAYS | {_repeatable}
"""Dependencies with which a POST accepts an `Idempotency-Key`."""
