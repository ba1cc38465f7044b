"""A transaction for each request that asks for one.

The scope `function` ends it when the endpoint returns and before anything is sent: an answer is only ever about what is
durable, and a commit that fails becomes a 503. An exception rolls back. A POST that writes in one takes an
`Idempotency-Key`.
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, Request, Response

from stepiq.store.database import Session
from stepiq.web import idempotency, requests
from stepiq.web.bodies import refuse_unreadable
from stepiq.web.idempotency import Replayed
from stepiq.web.services import Services, ServicesDep


@asynccontextmanager
async def _transaction(request: Request, services: Services) -> AsyncGenerator[Session]:
    # On SQLite a writing transaction holds the write lock from its start: no body that will be refused may take it.
    refuse_unreadable(request)
    claim = await idempotency.claim_of(request)
    if claim is None:
        async with services.database.transaction() as session:
            yield session
        return
    with claim.running():
        async with services.database.transaction() as session:
            try:
                await claim.begin(session)
            except Replayed:
                requests.add_headers(request.scope, {"Idempotent-Replayed": "true"})
                raise
            with idempotency.claimed(request.scope, claim, session):
                yield session
            await claim.finish(session)


async def _writing(request: Request, services: ServicesDep) -> AsyncGenerator[Session]:
    async with _transaction(request, services) as session:
        yield session


async def _reading(request: Request, services: ServicesDep) -> AsyncGenerator[Session]:
    refuse_unreadable(request)
    async with services.database.reading() as session:
        yield session


Tx = Annotated[Session, Depends(_writing, scope="function")]
"""A transaction that may write, committed before the answer leaves."""

Read = Annotated[Session, Depends(_reading, scope="function")]
"""A transaction that only reads; on SQLite it waits for no writer."""


class OwnTransaction:
    """A transaction like `Tx` for endpoints that open it themselves, since they go on after its commit."""

    def __init__(self, request: Request, services: Services) -> None:
        self._request = request
        self._services = services

    def __call__(self) -> AbstractAsyncContextManager[Session]:
        """Open it, once.

        Raises:
            Replayed: the request was answered before; its answer is what was given to `keep`. Left alone, that answer
                is sent again.
        """
        return _transaction(self._request, self._services)

    async def keep(self, response: Response) -> None:
        """Keep what a repetition of the request will be answered. Call it inside of the transaction."""
        await idempotency.keep(self._request.scope, response)


async def _own(request: Request, services: ServicesDep) -> OwnTransaction:
    return OwnTransaction(request, services)


OwnTx = Annotated[OwnTransaction, Depends(_own)]
"""`async with own_tx() as tx:` in an endpoint that has something to do after the commit."""

TAKES_KEYS: frozenset[Any] = frozenset({_writing, _own})
"""Dependencies by which a POST takes an `Idempotency-Key`."""
