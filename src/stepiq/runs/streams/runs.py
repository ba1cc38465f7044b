"""Live events of a run: first those of its log, then new ones, without gaps and duplicates.

The follower subscribes before it reads the log, so no event is lost in between. It detects duplicates by their `seq`.
No database connection is held while there is nothing to read. Clients that do not read are handled by
`server.connections.protocol`, and credentials that end by `accounts.authentication.expiry`.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Protocol
from uuid import UUID

from fastapi.sse import KEEPALIVE_COMMENT
from starlette.types import Receive, Scope, Send

from stepiq.accounts.actor import Actor
from stepiq.accounts.authentication.expiry import ExpiryWatch, WatchedResponse
from stepiq.core.json import Json
from stepiq.runs import queries
from stepiq.runs.streams.listeners import Listener, StreamEvent, Streams
from stepiq.store.database import Database, StoreUnavailable

_BATCH = 200
_OUTAGE_SECONDS = 1.0
"""Pause before a stream retries to read the log. The response has begun, so it cannot report an error."""
_SILENCES = 4
"""Keep-alives before the log is read again. An event is lost if its process dies between commit and publishing."""


class FrameSource(Protocol):
    """Makes the frames of a stream."""

    @property
    def caller(self) -> Actor:
        """For whose workspace the stream counts, and with whose credential it ends."""
        ...

    def frames(self) -> AsyncGenerator[bytes]:
        """Complete frames, until the stream ends."""
        ...

    def end(self) -> None:
        """Make no more frames."""
        ...


class EventStream(WatchedResponse):
    """Server-sent events. The caller has called `Streams.enter`; the response calls `leave` when it ends."""

    media_type = "text/event-stream"

    def __init__(self, follower: FrameSource, streams: Streams, watch: ExpiryWatch) -> None:
        self._workspace_id = follower.caller.workspace_id
        self._streams = streams
        # Disables response buffering in proxies.
        headers = {"X-Accel-Buffering": "no"}
        frames, end = follower.frames(), follower.end
        super().__init__(frames, follower.caller, watch, finish=end, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.leave(self._workspace_id)


class Follower:
    """Follows one run for one listener."""

    def __init__(
        self,
        database: Database,
        streams: Streams,
        *,
        caller: Actor,
        run_id: UUID,
        last_seq: int,
    ) -> None:
        self.caller = caller
        self._database = database
        self._streams = streams
        self._run_id = run_id
        self._last_seq = last_seq
        self._is_over = False
        self._listener: Listener[StreamEvent] | None = None
        self._ended_steps: set[tuple[Json, Json, Json]] = set()

    def end(self) -> None:
        """Make no more frames. After `Streams.close`, in contrast, events that were recorded before it are sent."""
        self._is_over = True
        if self._listener is not None:
            self._listener.close()

    async def frames(self) -> AsyncGenerator[bytes]:
        """Complete frames, one or more at a time, until the run ends, `Streams.close`, or `end`."""
        async with self._streams.listening(self._run_id) as listener:
            self._listener = listener
            while not self._is_over:
                listener.catch_up()
                try:
                    async for frames in self._log(listener):
                        yield frames
                except StoreUnavailable:
                    yield KEEPALIVE_COMMENT
                    await asyncio.sleep(_OUTAGE_SECONDS)
                    self._is_over = listener.is_closed
                    continue
                async for frames in self._live(listener):
                    yield frames

    async def _log(self, listener: Listener[StreamEvent]) -> AsyncGenerator[bytes]:
        while not self._is_over:
            async with self._database.reading() as session:
                progress = await queries.progress(session, self.caller.workspace_id, self._run_id)
                statement = queries.events_statement(
                    self._run_id, after=self._last_seq, limit=_BATCH
                )
                found = await queries.events(session, statement)
            if self._is_over:
                return
            if found:
                told = (
                    StreamEvent.of(each.type, each.seq, each.shown(self._run_id)) for each in found
                )
                yield b"".join([self._recorded(each) for each in told])
            if len(found) < _BATCH:
                # None: retention has deleted the run, so no more events will arrive.
                self._is_over = self._is_over or progress is None or progress.status.is_final
                return
            if listener.is_closed:
                return

    async def _live(self, listener: Listener[StreamEvent]) -> AsyncGenerator[bytes]:
        """New events, until the run ends or an event may have been missed."""
        silences = 0
        while not self._is_over and silences < _SILENCES:
            heard = await listener.take()
            if self._is_over:
                return
            frames, has_gap = self._unsent(heard)
            if frames:
                yield frames
            if has_gap or listener.has_missed:
                # Events are committed before they are published, so the log contains the missed ones.
                return
            if listener.is_closed:
                self._is_over = True
            elif not heard:
                yield KEEPALIVE_COMMENT
            silences = 0 if heard else silences + 1

    def _unsent(self, heard: list[StreamEvent]) -> tuple[bytes, bool]:
        """Frames of new events up to the first gap, and whether there is a gap."""
        frames: list[bytes] = []
        for told in heard:
            if told.seq is None:
                # Streamed text is skipped if the log has already shown the end of its step.
                if told.execution not in self._ended_steps:
                    frames.append(told.frame)
            elif told.seq > self._last_seq + 1:
                return b"".join(frames), True
            elif told.seq > self._last_seq:
                frames.append(self._recorded(told))
        return b"".join(frames), False

    def _recorded(self, told: StreamEvent) -> bytes:
        if told.seq is not None:
            self._last_seq = told.seq
        if told.is_final:
            self._is_over = True
        elif told.ends_step:
            self._ended_steps.add(told.execution)
        return told.frame
