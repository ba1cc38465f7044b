"""A run as it happens: first what its log holds, then what comes, with no gap and no repeat.

The listener subscribes before it reads the log, so nothing can fall between the two; what it then hears twice it
recognises by its number. No connection to the store is held while there is nothing to read.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from stepiq.core import json, metrics
from stepiq.core.json import Json
from stepiq.runs import queries
from stepiq.runs.errors import TooManyStreams
from stepiq.store.changes import Change, Changes, Subscription, run_topic
from stepiq.store.database import Database
from stepiq.store.states import FINAL_RUN_STATUSES, FINAL_STEP_STATUSES

MAX_STREAMS_PER_WORKSPACE = 50
MAX_STREAMS = 1_000
"""Of the whole process."""
KEEPALIVE_SECONDS = 15.0

_BATCH = 200
_SILENCES = 4
CLOSING = Change("", {"type": "closing", "seq": None, "data": {}})
"""What listeners hear when the server stops."""


class Streams:
    """The streams that are open in this process."""

    def __init__(self) -> None:
        self._by_workspace: Counter[UUID] = Counter()
        self._listening: set[Subscription] = set()
        self._is_closing = False

    def enter(self, workspace_id: UUID) -> None:
        """Count a stream in; whoever does counts it out again with `leave`.

        Raises:
            TooManyStreams: the workspace or the process has as many as it may.
        """
        if self._by_workspace[workspace_id] >= MAX_STREAMS_PER_WORKSPACE:
            raise TooManyStreams(MAX_STREAMS_PER_WORKSPACE, "Your workspace")
        if self._by_workspace.total() >= MAX_STREAMS:
            raise TooManyStreams(MAX_STREAMS, "This server")
        self._by_workspace[workspace_id] += 1
        metrics.streams_open.inc()

    def leave(self, workspace_id: UUID) -> None:
        """Count a stream out."""
        self._by_workspace[workspace_id] -= 1
        metrics.streams_open.dec()
        if not self._by_workspace[workspace_id]:
            del self._by_workspace[workspace_id]

    def count(self, workspace_id: UUID) -> int:
        """How many streams a workspace has open."""
        return self._by_workspace[workspace_id]

    def listen(self, subscription: Subscription) -> None:
        """Have a listener hear of `close`."""
        self._listening.add(subscription)
        if self._is_closing:
            subscription.offer(CLOSING)

    def unlisten(self, subscription: Subscription) -> None:
        """The listener has gone."""
        self._listening.discard(subscription)

    def close(self) -> None:
        """End every stream, those that open from now on too: the process stops, and listeners connect to another."""
        self._is_closing = True
        for subscription in self._listening:
            subscription.offer(CLOSING)


class EventStream(StreamingResponse):
    """Server-sent events of one run. Counted in by whoever makes it; counts itself out, however it ends."""

    media_type = "text/event-stream"

    def __init__(self, follower: "Follower", streams: Streams) -> None:
        self._frames = follower.frames()
        self._follower = follower
        self._streams = streams
        # Proxies must pass each event on at once and keep none.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(self._frames, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with aclosing(self._frames):
                await super().__call__(scope, receive, send)
        finally:
            self._streams.leave(self._follower.workspace_id)


class Follower:
    """Follows one run for one listener."""

    def __init__(
        self,
        database: Database,
        changes: Changes,
        streams: Streams,
        *,
        workspace_id: UUID,
        run_id: UUID,
        last_seq: int,
    ) -> None:
        self.workspace_id = workspace_id
        self._database = database
        self._changes = changes
        self._streams = streams
        self._run_id = run_id
        self._last_seq = last_seq
        self._is_over = False
        self._ended_steps: set[tuple[Json, Json, Json]] = set()

    async def frames(self) -> AsyncGenerator[bytes]:
        """Frames until the run's final event, or until `Streams.close`."""
        async with self._changes.subscribe(run_topic(self._run_id)) as subscription:
            self._streams.listen(subscription)
            try:
                while not self._is_over:
                    subscription.missed = False
                    async for frame in self._log():
                        yield frame
                    async for frame in self._live(subscription):
                        yield frame
            finally:
                self._streams.unlisten(subscription)

    async def _log(self) -> AsyncGenerator[bytes]:
        while not self._is_over:
            async with self._database.reading() as session:
                progress = await queries.progress(session, self.workspace_id, self._run_id)
                statement = queries.events_statement(
                    self._run_id, after=self._last_seq, limit=_BATCH
                )
                found = await queries.events(session, statement)
            for event in found:
                yield self._recorded(event.type, event.seq, event.shown(self._run_id))
            if len(found) < _BATCH:
                # A run that retention has deleted meanwhile has nothing more to say either.
                self._is_over = self._is_over or progress is None or progress.status.is_final
                return

    async def _live(self, subscription: Subscription) -> AsyncGenerator[bytes]:
        """What is heard, until the run is over or something may have been missed."""
        silences = 0
        while not self._is_over:
            try:
                async with asyncio.timeout(KEEPALIVE_SECONDS):
                    change = await subscription.next()
            except TimeoutError:
                yield KEEPALIVE_COMMENT
                silences += 1
                if silences >= _SILENCES:
                    # Word of the last event is lost where a process dies between its commit and telling of it.
                    return
                continue
            silences = 0
            if change is CLOSING:
                self._is_over = True
                return
            if subscription.missed:
                return
            seq: int | None = change.payload["seq"]
            if seq is not None and seq > self._last_seq + 1:
                # Whatever was missed was committed before it was told, so the log has it.
                return
            if seq is None:
                if frame := self._passing(change.payload):
                    yield frame
            elif seq > self._last_seq:
                yield self._recorded(change.payload["type"], seq, change.payload["data"])

    def _recorded(self, event_type: str, seq: int, data: dict[str, Any]) -> bytes:
        self._last_seq = seq
        status = data.get("status")
        if event_type == "run.status":
            self._is_over = status in FINAL_RUN_STATUSES
        elif event_type == "step.status" and status in FINAL_STEP_STATUSES:
            self._ended_steps.add(_execution(data))
        return format_sse_event(data_str=json.dumps(data), event=event_type, id=str(seq))

    def _passing(self, payload: Json) -> bytes | None:
        """Text as it comes, unless the log has told meanwhile that its step is done."""
        data: dict[str, Any] = payload["data"]
        if _execution(data) in self._ended_steps:
            return None
        return format_sse_event(data_str=json.dumps(data), event=payload["type"])


def _execution(data: dict[str, Any]) -> tuple[Json, Json, Json]:
    return data.get("step_id"), data.get("branch"), data.get("iteration")
