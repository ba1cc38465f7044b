"""Publishes committed changes to subscribers.

A listener subscribes to a topic and waits, so it does not have to poll the store. Within one process, changes are
delivered directly; between processes on PostgreSQL, `store.postgres_pubsub` delivers them.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from stepiq.core.json import Json

_BACKLOG = 1_000


@dataclass(frozen=True, slots=True)
class Change:
    """One change published to a topic."""

    topic: str
    payload: Any
    """JSON in the shape that the topic defines."""


GAP = Change("", None)
"""Marks missed changes. `missed` of the subscription is set too."""


class Subscription:
    """The changes that one listener has not received yet."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Change] = asyncio.Queue(_BACKLOG)
        self.missed = False
        """Set if the listener fell more than 1,000 changes behind, or a change from another process may have been lost.
        Its changes then have a gap, so it must read the store."""

    def offer(self, change: Change) -> None:
        """Queue a change without waiting for the listener. If the queue is full, drop the oldest change."""
        if self._waiting.full():
            self._waiting.get_nowait()
            self.missed = True
        self._waiting.put_nowait(change)

    def miss(self) -> None:
        """Notify the listener that it missed changes."""
        self.missed = True
        self.offer(GAP)

    async def next(self) -> Change:
        """Wait for the next change, and return it."""
        return await self._waiting.get()

    def rest(self) -> list[Change]:
        """Take all further changes that have arrived, without waiting."""
        return [self._waiting.get_nowait() for _ in range(self._waiting.qsize())]


class Changes(Protocol):
    """Publishes changes: within the process on SQLite, through the database between processes on PostgreSQL."""

    def publish(self, topic: str, payload: Json) -> None:
        """Send a change to all listeners of `topic`. Never waits, never fails."""

    @asynccontextmanager
    def subscribe(self, topic: str) -> AsyncGenerator[Subscription]:
        """Listen to `topic` from now on."""
        ...

    def call_on(self, topic: str, action: Callable[[Any], None]) -> None:
        """Call `action` with each payload of `topic`, until the process ends; with None if changes were missed.

        For a change of this process, `action` is called before `publish` returns. It must neither wait nor fail.
        """
        ...

    def may_have_missed(self) -> None:
        """Notify the listeners of all topics that changes may have been lost, so that they read the store."""


class LocalChanges:
    """Publishes changes within one process."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Subscription]] = defaultdict(set)
        self._actions: dict[str, list[Callable[[Any], None]]] = defaultdict(list)

    def publish(self, topic: str, payload: Json) -> None:
        for action in self._actions.get(topic, ()):
            action(payload)
        listeners = self._listeners.get(topic)
        if listeners:
            change = Change(topic, payload)
            for listener in listeners:
                listener.offer(change)

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncGenerator[Subscription]:
        subscription = Subscription()
        self._listeners[topic].add(subscription)
        try:
            yield subscription
        finally:
            listeners = self._listeners[topic]
            listeners.discard(subscription)
            if not listeners:
                del self._listeners[topic]

    def call_on(self, topic: str, action: Callable[[Any], None]) -> None:
        self._actions[topic].append(action)

    def is_awaited(self, topic: str) -> bool:
        """Whether a topic has a listener."""
        return topic in self._listeners or topic in self._actions

    def may_have_missed(self) -> None:
        for topic in {*self._listeners, *self._actions}:
            self.miss(topic)

    def miss(self, topic: str) -> None:
        """Notify the listeners of a topic that they missed changes."""
        for action in self._actions.get(topic, ()):
            action(None)
        for listener in self._listeners.get(topic, ()):
            listener.miss()


def run_topic(run_id: UUID) -> str:
    """Topic of a run's events and streamed text."""
    return f"run:{run_id}"


def runs_topic(workspace_id: UUID) -> str:
    """Topic of changed runs of a workspace, including new ones; the payload is the run's id."""
    return f"runs:{workspace_id}"


PIPELINE_CHANGED = "pipelines:changed"
"""Topic of pipelines with a new version or status; the payload is the pipeline's id."""

RUN_CANCELLED = "runs:cancelled"
"""Topic of cancelled runs; the payload is the run's id."""

TICKETS_WAITING = "tickets:waiting"
"""Topic of newly queued tickets; the payload is the name of the queue's lane."""

AUDIT_RECORDED = "audit:recorded"
"""Topic of new entries of the audit log, which must be sealed; without a payload."""
