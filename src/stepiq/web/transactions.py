"""A transaction for each request that asks for one.

The scope `function` ends it when the endpoint returns and before anything is sent: an answer is only ever about what is
durable, and a commit that fails becomes a 503. An exception rolls back.
"""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Depends, Request

from stepiq.store.database import Session
from stepiq.web.bodies import refuse_unreadable
from stepiq.web.services import ServicesDep


async def _writing(request: Request, services: ServicesDep) -> AsyncGenerator[Session]:
    # On SQLite a writing transaction holds the write lock from its start: no body that will be refused may take it.
    refuse_unreadable(request)
    async with services.database.transaction() as session:
        yield session


async def _reading(request: Request, services: ServicesDep) -> AsyncGenerator[Session]:
    refuse_unreadable(request)
    async with services.database.reading() as session:
        yield session


Tx = Annotated[Session, Depends(_writing, scope="function")]
"""A transaction that may write, committed before the answer leaves."""

Read = Annotated[Session, Depends(_reading, scope="function")]
"""A transaction that only reads; on SQLite it waits for no writer."""
