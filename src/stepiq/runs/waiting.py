"""A call that starts a run and waits for its end. It counts as a stream, and holds no connection to the store meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from starlette.types import Receive

from stepiq.language.definition import Definition
from stepiq.runs import queries
from stepiq.runs.stream import CLOSING, Streams
from stepiq.store.changes import GAP, Changes, Subscription, run_topic
from stepiq.store.database import Database
from stepiq.store.states import FINAL_RUN_STATUSES

LONGEST_SECONDS = 60
"""How long a caller may wait."""
SECONDS_OF_API_TARGET = 30
"""How long the caller of a pipeline with an `api` target waits, unless they say otherwise."""


def seconds(asked: int | None, definition: Definition | None) -> int:
    """How long to wait: as the caller asked, else as the definition that runs says; 0 not to wait."""
    if asked is not None:
        return asked
    is_awaited = definition is not None and definition.answers_caller
    return SECONDS_OF_API_TARGET if is_awaited else 0


@asynccontextmanager
async def listening(
    streams: Streams, changes: Changes, *, workspace_id: UUID, run_id: UUID
) -> AsyncGenerator[Subscription]:
    """Listen for a run's end; what it misses before it is entered, the store knows.

    Raises:
        TooManyStreams: the workspace or the process has as many listeners as it may.
    """
    streams.enter(workspace_id)
    try:
        async with changes.subscribe(run_topic(run_id)) as subscription:
            streams.listen(subscription)
            try:
                yield subscription
            finally:
                streams.unlisten(subscription)
    finally:
        streams.leave(workspace_id)


@dataclass(frozen=True, slots=True)
class Waited:
    """Whose run is waited for, and how long at most."""

    workspace_id: UUID
    run_id: UUID
    longest: timedelta


async def until_ended(
    waited: Waited, database: Database, changes: Changes, streams: Streams, *, receive: Receive
) -> None:
    """Wait for a run's end, but no longer than its time, or than the caller or the server stays.

    `receive` is the request's, whose body has been read: it tells when the caller hangs up.

    Raises:
        TooManyStreams: the workspace or the process has as many listeners as it may.
        StoreUnavailable: the store cannot say whether the run has ended.
    """

    async def is_over() -> bool:
        async with database.reading() as session:
            progress = await queries.progress(session, waited.workspace_id, waited.run_id)
        return progress is None or progress.status.is_final

    ids = {"workspace_id": waited.workspace_id, "run_id": waited.run_id}
    async with listening(streams, changes, **ids) as subscription:
        # Listening first: an end that comes while the store is asked is heard.
        if await is_over():
            return
        waits = {
            asyncio.ensure_future(_final_event(subscription, is_over)),
            asyncio.ensure_future(_hung_up(receive)),
        }
        try:
            await asyncio.wait(
                waits,
                timeout=waited.longest.total_seconds(),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


async def _final_event(subscription: Subscription, is_over: Callable[[], Awaitable[bool]]) -> None:
    while True:
        change = await subscription.next()
        if change is CLOSING:
            return
        if subscription.missed:
            subscription.missed = False
            if await is_over():
                return
        if change is GAP:
            continue
        is_status = change.payload["type"] == "run.status"
        if is_status and change.payload["data"]["status"] in FINAL_RUN_STATUSES:
            return


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
