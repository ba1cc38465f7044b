"""Word of what has changed, from whoever committed it to whoever listens.

A listener subscribes to a topic and then waits; nobody polls the store. In one process word goes straight
from hand to hand; between processes on PostgreSQL it travels by `store.postgres_changes`.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from stepiq.core.json import Json

_BACKLOG = 1_000


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened under a topic."""

    topic: str
    payload: Json


GAP = Change("", None)
"""Says nothing but that something was missed; `missed` of the subscription is set, too."""


class Subscription:
    """What one listener has not heard yet."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Change] = asyncio.Queue(_BACKLOG)
        self.missed = False
        """Set when the listener fell more than 1,000 changes behind, or when word from another process may have been lost:
        what it holds has a gap, so it must read the store."""

    def offer(self, change: Change) -> None:
        """Hand over a change without waiting for the listener."""
        if self._waiting.full():
            self._waiting.get_nowait()
            self.missed = True
        self._waiting.put_nowait(change)

    def miss(self) -> None:
        """Have the listener know that something was missed."""
        self.missed = True
        self.offer(GAP)

    async def next(self) -> Change:
        """The next change, when there is one."""
        return await self._waiting.get()


class Changes(Protocol):
    """How word travels: in-process on SQLite, through the database between processes."""

    def publish(self, topic: str, payload: Json) -> None:
        """Tell everyone who listens to `topic`; never waits, never fails."""

    @asynccontextmanager
    def subscribe(self, topic: str) -> AsyncGenerator[Subscription]:
        """Listen to `topic` from now on."""
        ...

    def hear(self, topic: str, action: Callable[[Json], None]) -> None:
        """Call `action` with what is told under `topic`, as long as the process lives; with None when something was missed.

        A change of this process is heard before its `publish` returns. The action must neither wait nor fail.
        """
        ...

    def may_have_missed(self) -> None:
        """Tell everyone who listens, to whatever topic, that word may have been lost: they read the store."""


class LocalChanges:
    """Word within one process."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Subscription]] = defaultdict(set)
        self._actions: dict[str, list[Callable[[Json], None]]] = defaultdict(list)

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

    def hear(self, topic: str, action: Callable[[Json], None]) -> None:
        self._actions[topic].append(action)

    def is_awaited(self, topic: str) -> bool:
        """Whether anybody listens to a topic."""
        return topic in self._listeners or topic in self._actions

    def may_have_missed(self) -> None:
        for topic in {*self._listeners, *self._actions}:
            self.miss(topic)

    def miss(self, topic: str) -> None:
        """Tell those who listen to a topic that something was missed."""
        for action in self._actions.get(topic, ()):
            action(None)
        for listener in self._listeners.get(topic, ()):
            listener.miss()


def run_topic(run_id: UUID) -> str:
    """Topic of a run's events and text as it comes."""
    return f"run:{run_id}"


PIPELINE_CHANGED = "pipelines:changed"
"""Topic of pipelines that were saved or archived; the payload is the pipeline's id."""

RUN_CANCELLED = "runs:cancelled"
"""Topic of cancelled runs; the payload is the run's id."""

TICKETS_WAITING = "tickets:waiting"
"""Topic of tickets that were put into a queue; the payload names the queue's lane."""
