"""Requests that start a run and wait for its end. They count as streams, and hold no database connection."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from starlette.types import Receive

from stepiq.language.definitions.compiled import Definition
from stepiq.runs import queries
from stepiq.runs.streams.listeners import Listener, StreamEvent, Streams
from stepiq.store.database import Database

LONGEST_SECONDS = 60
"""Maximum time that a caller can wait."""
SECONDS_OF_API_TARGET = 30
"""Default time to wait for a pipeline with an `api` target."""


def seconds(asked: int | None, definition: Definition | None) -> int:
    """Seconds to wait: as requested, else the definition's default; 0 to return immediately."""
    if asked is not None:
        return asked
    is_awaited = definition is not None and definition.answers_caller
    return SECONDS_OF_API_TARGET if is_awaited else 0


@dataclass(frozen=True, slots=True)
class Waited:
    """The run to wait for, and the maximum time."""

    workspace_id: UUID
    run_id: UUID
    longest: timedelta


async def until_ended(
    waited: Waited, database: Database, streams: Streams, *, receive: Receive
) -> None:
    """Wait until a run ends, the maximum time is over, the caller disconnects, or the server stops.

    `receive` belongs to the request, whose body has been read. It detects the disconnect.

    Raises:
        TooManyStreams: the workspace or the process has reached its limit.
        StoreUnavailable: the run's status cannot be read.
    """

    async def is_over() -> bool:
        async with database.reading() as session:
            progress = await queries.progress(session, waited.workspace_id, waited.run_id)
        return progress is None or progress.status.is_final

    streams.enter(waited.workspace_id)
    try:
        async with streams.listening(waited.run_id) as listener:
            # Subscribe first, so that an end during the query is not missed.
            if not await is_over():
                await _either(waited.longest, _final_event(listener, is_over), _hung_up(receive))
    finally:
        streams.leave(waited.workspace_id)


async def _either(longest: timedelta, *wanted: Coroutine[Any, Any, None]) -> None:
    waits = [asyncio.ensure_future(each) for each in wanted]
    try:
        await asyncio.wait(
            waits, timeout=longest.total_seconds(), return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def _final_event(
    listener: Listener[StreamEvent], is_over: Callable[[], Awaitable[bool]]
) -> None:
    while not listener.is_closed:
        if any(told.is_final for told in await listener.take()):
            return
        if listener.has_missed:
            listener.catch_up()
            if await is_over():
                return


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
