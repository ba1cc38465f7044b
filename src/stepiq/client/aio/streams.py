"""Streams of events that connect again after failures."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from stepiq.client import retries
from stepiq.client.aio.transport import AsyncTransport
from stepiq.client.base import adapter_of, with_type
from stepiq.client.errors import ClientError, RunTimeoutError, error_of
from stepiq.client.list_events import RunListEvent
from stepiq.client.models import RunStatusEvent, StreamedEvent
from stepiq.client.requests import ApiRequest
from stepiq.client.sse import EventParser, ServerSentEvent

ENDED = frozenset({"completed", "failed", "cancelled"})
"""The final statuses of a run."""
PATIENCE = 300.0
"""Seconds without a connection after which a stream that has worked fails."""

_SILENCE = 45.0
"""Seconds without a byte after which a connection is given up. The server sends a comment every 15 seconds."""
_LEAST = 0.05


@dataclass
class _Progress:
    """What a stream has received, over all of its connections."""

    last: int
    """Number of the last event."""
    deadline: float | None
    run_id: str = ""
    is_empty: bool = True
    """Whether the present connection has sent no event."""

    def silence(self) -> float:
        """Seconds without a byte that are accepted."""
        if self.deadline is None:
            return _SILENCE
        return min(_SILENCE, max(_LEAST, self.deadline - monotonic()))

    def check(self) -> None:
        """Raise `RunTimeoutError` after the deadline."""
        if self.deadline is not None and monotonic() >= self.deadline:
            raise RunTimeoutError(f"Run {self.run_id} has not ended in time.", self.run_id)


async def follow_run(
    transport: AsyncTransport,
    request: ApiRequest,
    *,
    after: int | None = None,
    deadline: float | None = None,
) -> AsyncGenerator[StreamedEvent]:
    """The events of a run after number `after`, without gap or repeat, until the run ends."""
    run_path = request.path.removesuffix("/stream")
    progress = _Progress(after or 0, deadline, run_path.rpartition("/")[2])
    adapter = adapter_of(StreamedEvent)
    while True:
        async for received in _connections(transport, request, progress):
            number = int(received.id) if received.id else None
            if number is not None and number <= progress.last:
                continue
            progress.last = number or progress.last
            event: StreamedEvent = adapter.validate_python(with_type(received, seq=number))
            yield event
            if isinstance(event, RunStatusEvent) and event.data.status in ENDED:
                return
        if progress.is_empty and await _has_ended(transport, run_path, progress.last):
            return


async def _has_ended(transport: AsyncTransport, run_path: str, last: int) -> bool:
    """Whether a run has ended with an event that the caller knows: its stream is then empty."""
    run = (await transport.send(ApiRequest("GET", run_path, query={"steps": False}))).json()
    if run["status"] not in ENDED:
        return False
    query = {"after": last, "limit": 1}
    found = await transport.send(ApiRequest("GET", f"{run_path}/events", query=query))
    return not found.json()["data"]


async def follow_list(
    transport: AsyncTransport, request: ApiRequest
) -> AsyncGenerator[RunListEvent]:
    """The changes of a list of runs. It does not end by itself."""
    adapter = adapter_of(RunListEvent)
    while True:
        async for received in _connections(transport, request, _Progress(0, None)):
            event: RunListEvent = adapter.validate_python(with_type(received))
            yield event


async def follow_any(
    transport: AsyncTransport, request: ApiRequest
) -> AsyncGenerator[ServerSentEvent]:
    """The events of one connection."""
    async for received in _events(transport, request, _Progress(0, None)):
        if not received.is_comment:
            yield received


async def _connections(
    transport: AsyncTransport, request: ApiRequest, progress: _Progress
) -> AsyncGenerator[ServerSentEvent]:
    """The events of one connection after the other, until the server ends one regularly."""
    repeats, heard = 0, None
    while True:
        try:
            async for received in _events(transport, request, progress):
                repeats, heard = 0, monotonic()
                if not received.is_comment:
                    yield received
                progress.check()
            if progress.is_empty:
                await asyncio.sleep(retries.backoff(0))
        except RunTimeoutError:
            raise
        except ClientError as failure:
            progress.check()
            is_patient = heard is not None and monotonic() - heard < PATIENCE
            pause = retries.pause_before_repeating(
                request,
                failure,
                repeats=repeats,
                max_retries=repeats + 1 if is_patient else transport.connection.max_retries,
            )
            if pause is None:
                raise
        else:
            return
        await asyncio.sleep(pause)
        repeats += 1


async def _events(
    transport: AsyncTransport, request: ApiRequest, progress: _Progress
) -> AsyncGenerator[ServerSentEvent]:
    """The events and comments of one connection."""
    headers: dict[str, Any] = {**request.headers, "accept": "text/event-stream"}
    if progress.last:
        headers["last-event-id"] = str(progress.last)
    parser = EventParser()
    progress.is_empty = True
    opened = transport.open(replace(request, headers=headers), timeout=progress.silence())
    async with opened as response:
        if response.status_code != 200:
            content = await response.aread()
            received = {name.lower(): value for name, value in response.headers.items()}
            raise error_of(response.status_code, received, content)
        async for piece in response.aiter_bytes():
            for event in parser.feed(piece):
                progress.is_empty = progress.is_empty and event.is_comment
                yield event
