"""Streams of events that connect again after failures."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from time import monotonic

from stepiq.client import retries
from stepiq.client.aio.transport import AsyncTransport
from stepiq.client.base import ApiModel, Json, ListPage, adapter_of, event_of, number_of, page_of
from stepiq.client.errors import ClientError, RunTimeoutError
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


class _RunState(ApiModel):
    status: str


@dataclass
class _Progress:
    """What a stream has received, over all of its connections."""

    last: int = 0
    """Number of the last event."""
    deadline: float | None = None
    run_id: str = ""
    is_empty: bool = True
    """Whether the present connection has sent no event."""
    heard: float | None = None
    """When a connection has worked last. None if none has."""
    repeats: int = 0
    """Failures since then."""

    def hear(self) -> None:
        """Note that the connection works."""
        self.repeats, self.heard = 0, monotonic()

    def silence(self) -> float:
        """Seconds without a byte that are accepted."""
        return max(_LEAST, self.limited(_SILENCE))

    def limited(self, seconds: float) -> float:
        """These seconds, or those until the deadline if they are fewer."""
        if self.deadline is None:
            return seconds
        return max(0.0, min(seconds, self.deadline - monotonic()))

    def check(self) -> None:
        """Raise `RunTimeoutError` after the deadline."""
        if self.deadline is not None and monotonic() >= self.deadline:
            raise RunTimeoutError(f"Run {self.run_id} has not ended in time.", self.run_id)

    def pause_after(
        self, request: ApiRequest, failure: ClientError, *, max_retries: int
    ) -> float | None:
        """Seconds to wait before the next connection; None if the stream has failed."""
        is_patient = self.heard is not None and monotonic() - self.heard < PATIENCE
        pause = retries.pause_before_repeating(
            request,
            failure,
            repeats=self.repeats,
            max_retries=self.repeats + 1 if is_patient else max_retries,
        )
        self.repeats += 1
        return pause


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
    async for received in _connections(transport, request, progress, run_path):
        number = number_of(received)
        if number is not None and number <= progress.last:
            continue
        progress.last = number or progress.last
        event: StreamedEvent = event_of(adapter, received, seq=number)
        yield event
        if isinstance(event, RunStatusEvent) and event.data.status in ENDED:
            return


async def follow_list(
    transport: AsyncTransport, request: ApiRequest
) -> AsyncGenerator[RunListEvent]:
    """The changes of a list of runs. It does not end by itself."""
    adapter = adapter_of(RunListEvent)
    async for received in _connections(transport, request, _Progress()):
        event: RunListEvent = event_of(adapter, received)
        yield event


async def _connections(
    transport: AsyncTransport, request: ApiRequest, progress: _Progress, run_path: str | None = None
) -> AsyncGenerator[ServerSentEvent]:
    """The events of one connection after the other, also after regular ends, such as that of a server that stops.

    Args:
        transport: the connections to the server.
        request: opens the stream.
        progress: of the stream.
        run_path: of a run. A stream without events then ends if the run has.
    """
    while True:
        try:
            async for received in _events(transport, request, progress):
                if not received.is_comment:
                    yield received
                # The caller may have used much time for the event.
                progress.hear()
                progress.check()
            progress.check()
            if run_path and progress.is_empty and await _has_ended(transport, run_path, progress):
                return
            pause = retries.backoff(0)
        except RunTimeoutError:
            raise
        except ClientError as failure:
            progress.check()
            wanted = progress.pause_after(
                request, failure, max_retries=transport.connection.max_retries
            )
            if wanted is None:
                raise
            pause = wanted
        await asyncio.sleep(progress.limited(pause))


async def _has_ended(transport: AsyncTransport, run_path: str, progress: _Progress) -> bool:
    """Whether a run has ended with an event that the caller knows: its stream is then empty.

    The requests are not repeated here, because the caller does so until its deadline.
    """
    get = ApiRequest("GET", run_path, query={"steps": False}, timeout=progress.silence())
    run = (await transport.send_once(get)).parse(adapter_of(_RunState))
    if run.status not in ENDED:
        return False
    query = {"after": progress.last, "limit": 1}
    events = ApiRequest("GET", f"{run_path}/events", query=query, timeout=progress.silence())
    found: ListPage[Json] = (await transport.send_once(events)).parse(adapter_of(page_of(Json)))
    return not found.data


async def _events(
    transport: AsyncTransport, request: ApiRequest, progress: _Progress
) -> AsyncGenerator[ServerSentEvent]:
    """The events and comments of one connection."""
    if progress.last:
        headers = {**request.headers, "last-event-id": str(progress.last)}
        request = replace(request, headers=headers)
    parser = EventParser()
    progress.is_empty = True
    async with transport.open_events(request, timeout=progress.silence()) as pieces:
        progress.heard = monotonic()
        async for piece in pieces:
            for event in parser.feed(piece):
                progress.is_empty = progress.is_empty and event.is_comment
                yield event
