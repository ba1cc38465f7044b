"""The listeners of runs, and of lists of runs, in this process.

A run with listeners has one channel, and so has a list. It receives each event once, serializes it once, and passes the
same bytes to every listener. A listener's buffer is bounded: a listener that falls too far behind drops it and reads
the log instead.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from fastapi.sse import format_sse_event

from stepiq.core import json
from stepiq.core.concurrency.fairness import FairSemaphore
from stepiq.core.json import Json
from stepiq.core.observability import logging, metrics
from stepiq.execution.records.events import EventType
from stepiq.runs.errors import TooManyStreams
from stepiq.store.pubsub import GAP, Changes, run_topic
from stepiq.store.states import FINAL_RUN_STATUSES, FINAL_STEP_STATUSES

MAX_STREAMS_PER_WORKSPACE = 50
MAX_STREAMS = 1_000
"""Maximum open streams of the process."""
RESERVED_STREAMS = 200
"""Part of `MAX_STREAMS` that is reserved for workspaces without a stream."""
KEEPALIVE_SECONDS = 15.0
MAX_WAITING = 1_000
MAX_WAITING_BYTES = 256 * 1024
"""Maximum size of one listener's buffer. A single event may be larger."""

_TURN = 100
"""Number of listeners that receive an event before the channel yields to the event loop."""

log = logging.get(__name__)


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a run, as listeners receive it."""

    type: str
    seq: int | None
    data: dict[str, Any]
    frame: bytes
    """The event in server-sent events format."""

    @classmethod
    def of(cls, event_type: str, seq: int | None, data: dict[str, Any]) -> "StreamEvent":
        """Serialize an event. Streamed text has no `seq`."""
        number = None if seq is None else str(seq)
        # `json.dumps` writes no line breaks, so the data cannot end the frame.
        frame = format_sse_event(data_str=json.dumps(data), event=event_type, id=number)
        return cls(event_type, seq, data, frame)

    @property
    def is_final(self) -> bool:
        """Whether it is the last event of its run."""
        return self.type == EventType.RUN_STATUS and self.data.get("status") in FINAL_RUN_STATUSES

    @property
    def ends_step(self) -> bool:
        """Whether it ends the execution of a step."""
        return self.type == EventType.STEP_STATUS and self.data.get("status") in FINAL_STEP_STATUSES

    @property
    def execution(self) -> tuple[Json, Json, Json]:
        """The step execution it belongs to: step id, branch and iteration."""
        return self.data.get("step_id"), self.data.get("branch"), self.data.get("iteration")


class Framed(Protocol):
    """An event for listeners."""

    @property
    def frame(self) -> bytes:
        """The event in server-sent events format."""
        ...


Heard = TypeVar("Heard", bound=Framed)


class Listener(Generic[Heard]):
    """The buffer of one listener: events received and not yet taken."""

    def __init__(self) -> None:
        self._heard: list[Heard] = []
        self._size = 0
        self._woken = asyncio.Event()
        self._is_missing = False
        self.is_closed = False
        """Whether no more events will arrive."""
        # A repeating timer has no cost per event, unlike a timeout for each wait.
        self._timer = asyncio.get_running_loop().call_later(KEEPALIVE_SECONDS, self._remind)

    @property
    def has_missed(self) -> bool:
        """Whether events were dropped since `catch_up`. The log contains them."""
        return self._is_missing

    def offer(self, told: Heard) -> None:
        """Add an event to the buffer without waiting."""
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
        """Clear the buffer, and drop events until `catch_up`."""
        self._is_missing = True
        self._heard, self._size = [], 0
        self._woken.set()

    def catch_up(self) -> None:
        """Buffer events again. Read the log afterwards to get the dropped ones."""
        self._is_missing = False

    async def take(self) -> list[Heard]:
        """Wait for events and return all; empty after dropped events, when closed, and every 15 seconds."""
        await self._woken.wait()
        if not self.is_closed:
            self._woken.clear()
        heard, self._heard, self._size = self._heard, [], 0
        return heard

    def close(self) -> None:
        """Stop receiving, and wake `take`."""
        self._timer.cancel()
        self.is_closed = True
        self._woken.set()

    def _remind(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(KEEPALIVE_SECONDS, self._remind)
        self._woken.set()


class Channel(ABC, Generic[Heard]):
    """The listeners of one topic in this process, and the task that receives its changes for all of them."""

    def __init__(self, topic: str) -> None:
        self.listeners: set[Listener[Heard]] = set()
        self.is_open = asyncio.Event()
        self._topic = topic
        # The task outlives the request that created it, so it does not use that request's log context.
        self.task = asyncio.create_task(self._follow(), context=Context())

    async def _follow(self) -> None:
        try:
            await self._receive()
        except Exception:
            log.exception("channel_broke", topic=self._topic)
            for listener in self.listeners:
                listener.close()
        finally:
            self.is_open.set()

    @abstractmethod
    async def _receive(self) -> None:
        """Subscribe, set `is_open`, and hand out events until cancelled."""

    def _miss(self) -> None:
        for listener in self.listeners:
            listener.miss()

    async def _hand_out(self, told: Heard) -> None:
        for count, listener in enumerate(tuple(self.listeners), start=1):
            listener.offer(told)
            if count % _TURN == 0:
                await asyncio.sleep(0)


class _RunChannel(Channel[StreamEvent]):
    """The listeners of one run."""

    def __init__(self, changes: Changes, run_id: UUID) -> None:
        self._changes = changes
        super().__init__(run_topic(run_id))

    async def _receive(self) -> None:
        async with self._changes.subscribe(self._topic) as subscription:
            self.is_open.set()
            while True:
                change = await subscription.next()
                if subscription.missed:
                    subscription.missed = False
                    self._miss()
                if change is not GAP:
                    await self._hand_out(
                        StreamEvent.of(
                            change.payload["type"], change.payload["seq"], change.payload["data"]
                        )
                    )


class Streams:
    """The streams that are open in this process."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._places = FairSemaphore(MAX_STREAMS, reserve=RESERVED_STREAMS)
        self._channels: dict[UUID, Channel[Any]] = {}
        self._is_closing = False

    def enter(self, workspace_id: UUID) -> None:
        """Count a stream. The caller must call `leave` when the stream ends.

        Raises:
            TooManyStreams: the workspace or the process has reached its limit.
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
        """Stop counting a stream."""
        self._places.release(workspace_id)
        metrics.streams_open.dec()

    def count(self, workspace_id: UUID) -> int:
        """The number of open streams of a workspace."""
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

    def listening(self, run_id: UUID) -> AbstractAsyncContextManager[Listener[StreamEvent]]:
        """Subscribe to a run's events until the block ends."""
        return self.joined(run_id, lambda: _RunChannel(self._changes, run_id))

    @asynccontextmanager
    async def joined(
        self, key: UUID, create: Callable[[], Channel[Heard]]
    ) -> AsyncGenerator[Listener[Heard]]:
        """Join the channel of `key`, which is created if there is none, until the block ends."""
        channel: Channel[Heard] | None = self._channels.get(key)
        if channel is None or channel.task.done():
            channel = self._channels[key] = create()
        listener = Listener[Heard]()
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
                if self._channels.get(key) is channel:
                    del self._channels[key]
                channel.task.cancel()
                await asyncio.wait({channel.task})

    def close(self) -> None:
        """End all streams, including those opened later: the process stops, and clients reconnect to another one."""
        self._is_closing = True
        for channel in self._channels.values():
            for listener in channel.listeners:
                listener.close()
