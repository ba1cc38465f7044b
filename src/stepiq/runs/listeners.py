"""Who listens to which run in this process.

A run that anybody listens to has one channel, which hears each of its events once, draws it once, and hands the same
bytes to every listener. What a listener has not taken is bounded: who falls too far behind forgets it and reads the log.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi.sse import format_sse_event

from stepiq.core import json, logging, metrics
from stepiq.core.fairness import FairSemaphore
from stepiq.core.json import Json
from stepiq.runs.errors import TooManyStreams
from stepiq.store.pubsub import GAP, Changes, run_topic
from stepiq.store.states import FINAL_RUN_STATUSES, FINAL_STEP_STATUSES

MAX_STREAMS_PER_WORKSPACE = 50
MAX_STREAMS = 1_000
"""Of the whole process."""
RESERVED_STREAMS = 200
"""Places for workspaces that have no stream, among those of the process."""
KEEPALIVE_SECONDS = 15.0
MAX_WAITING = 1_000
MAX_WAITING_BYTES = 256 * 1024
"""What one listener may have waiting; a single event may be larger."""

_TURN = 100
"""How many listeners are handed an event before others have a turn on the event loop."""

log = logging.get(__name__)


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a run, as listeners get it."""

    type: str
    seq: int | None
    data: dict[str, Any]
    frame: bytes
    """The event as server-sent events have it."""

    @classmethod
    def of(cls, event_type: str, seq: int | None, data: dict[str, Any]) -> "StreamEvent":
        """Draw an event; text that passes has no number."""
        number = None if seq is None else str(seq)
        # JSON as we write it has no line ends, so nothing in it can end the frame.
        frame = format_sse_event(data_str=json.dumps(data), event=event_type, id=number)
        return cls(event_type, seq, data, frame)

    @property
    def is_final(self) -> bool:
        """Whether it is the last of its run."""
        return self.type == "run.status" and self.data.get("status") in FINAL_RUN_STATUSES

    @property
    def ends_step(self) -> bool:
        """Whether the execution of a step is over with it."""
        return self.type == "step.status" and self.data.get("status") in FINAL_STEP_STATUSES

    @property
    def execution(self) -> tuple[Json, Json, Json]:
        """Which execution of a step it is about."""
        return self.data.get("step_id"), self.data.get("branch"), self.data.get("iteration")


class Listener:
    """What one listener has heard and not taken yet."""

    def __init__(self) -> None:
        self._heard: list[StreamEvent] = []
        self._size = 0
        self._woken = asyncio.Event()
        self._is_missing = False
        self.is_closed = False
        """Set when the server stops: nothing more will come."""
        # A timer that runs on costs nothing while events come, unlike a time limit on each wait.
        self._timer = asyncio.get_running_loop().call_later(KEEPALIVE_SECONDS, self._remind)

    @property
    def has_missed(self) -> bool:
        """Whether something was lost since `catch_up`: the log has it."""
        return self._is_missing

    def offer(self, told: StreamEvent) -> None:
        """Hand over an event without waiting for the listener."""
        if self._is_missing:
            return
        size = self._size + len(told.frame)
        if self._heard and (size > MAX_WAITING_BYTES or len(self._heard) >= MAX_WAITING):
            self.miss()
            return
        self._heard.append(told)
        self._size = size
        self._woken.set()

    def miss(self) -> None:
        """Forget what waits, and hear no more until `catch_up`."""
        self._is_missing = True
        self._heard, self._size = [], 0
        self._woken.set()

    def catch_up(self) -> None:
        """Hear again. Whoever then reads the log has missed nothing."""
        self._is_missing = False

    async def take(self) -> list[StreamEvent]:
        """All that has come, as soon as something has; nothing when something was missed, or after 15 seconds, or at the end."""
        await self._woken.wait()
        if not self.is_closed:
            self._woken.clear()
        heard, self._heard, self._size = self._heard, [], 0
        return heard

    def close(self) -> None:
        """Nothing more will come."""
        self._timer.cancel()
        self.is_closed = True
        self._woken.set()

    def _remind(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(KEEPALIVE_SECONDS, self._remind)
        self._woken.set()


class _Channel:
    """Everybody who listens to one run."""

    def __init__(self, changes: Changes, run_id: UUID) -> None:
        self.listeners: set[Listener] = set()
        self.is_open = asyncio.Event()
        # It outlives the request that made it, and is nothing of that request's log lines.
        self.task = asyncio.create_task(self._follow(changes, run_id), context=Context())

    async def _follow(self, changes: Changes, run_id: UUID) -> None:
        try:
            await self._hear(changes, run_id)
        except Exception:
            log.exception("channel_broke", run_id=str(run_id))
            for listener in self.listeners:
                listener.close()
        finally:
            self.is_open.set()

    async def _hear(self, changes: Changes, run_id: UUID) -> None:
        async with changes.subscribe(run_topic(run_id)) as subscription:
            self.is_open.set()
            while True:
                change = await subscription.next()
                if subscription.missed:
                    subscription.missed = False
                    for listener in self.listeners:
                        listener.miss()
                if change is not GAP:
                    await self._hand_out(
                        StreamEvent.of(
                            change.payload["type"], change.payload["seq"], change.payload["data"]
                        )
                    )

    async def _hand_out(self, told: StreamEvent) -> None:
        for count, listener in enumerate(tuple(self.listeners), start=1):
            listener.offer(told)
            if count % _TURN == 0:
                await asyncio.sleep(0)


class Streams:
    """The streams that are open in this process."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._places = FairSemaphore(MAX_STREAMS, reserve=RESERVED_STREAMS)
        self._channels: dict[UUID, _Channel] = {}
        self._is_closing = False

    def enter(self, workspace_id: UUID) -> None:
        """Count a stream in; whoever does counts it out again with `leave`.

        Raises:
            TooManyStreams: the workspace or the process has as many as it may.
        """
        if self._places.held(workspace_id) >= MAX_STREAMS_PER_WORKSPACE:
            limit = MAX_STREAMS_PER_WORKSPACE
            raise TooManyStreams(
                f"Your workspace has {limit} open streams, which is the maximum.", limit
            )
        if not self._places.take(workspace_id):
            raise self._refusal()
        metrics.streams_open.inc()

    def leave(self, workspace_id: UUID) -> None:
        """Count a stream out."""
        self._places.release(workspace_id)
        metrics.streams_open.dec()

    def count(self, workspace_id: UUID) -> int:
        """How many streams a workspace has open."""
        return self._places.held(workspace_id)

    def _refusal(self) -> TooManyStreams:
        if not self._places.free:
            limit = self._places.size
            return TooManyStreams(
                f"This server has {limit:,} open streams, which is the maximum.", limit
            )
        limit = self._places.size - self._places.reserve
        return TooManyStreams(
            f"This server has {limit:,} open streams. Its other places are for workspaces without a stream.",
            limit,
        )

    @asynccontextmanager
    async def listening(self, run_id: UUID) -> AsyncGenerator[Listener]:
        """Hear a run from now on."""
        channel = self._channels.get(run_id)
        if channel is None or channel.task.done():
            channel = self._channels[run_id] = _Channel(self._changes, run_id)
        listener = Listener()
        if self._is_closing:
            listener.close()
        channel.listeners.add(listener)
        try:
            await channel.is_open.wait()
            yield listener
        finally:
            listener.close()
            channel.listeners.discard(listener)
            if not channel.listeners:
                if self._channels.get(run_id) is channel:
                    del self._channels[run_id]
                channel.task.cancel()
                await asyncio.wait({channel.task})

    def close(self) -> None:
        """End every stream, those that open from now on too: the process stops, and listeners connect to another."""
        self._is_closing = True
        for channel in self._channels.values():
            for listener in channel.listeners:
                listener.close()
