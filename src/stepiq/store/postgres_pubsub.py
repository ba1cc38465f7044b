"""Publishes changes to other processes through PostgreSQL's LISTEN and NOTIFY.

Changes are sent in batches after the commit, on a separate connection: a NOTIFY in the transaction itself would
serialize the commits of all processes. So a change can be lost if a process dies in between or a connection breaks.
A listener detects this by a gap in numbered changes, or by `may_have_missed`, and reads the store.
"""

import asyncio
import secrets
from collections import deque
from contextlib import suppress

import psycopg

from stepiq.core import json
from stepiq.core.concurrency.tasks import cancel
from stepiq.core.json import Json, SerializedJson
from stepiq.core.observability import logging
from stepiq.store.connections.postgresql import answering_within
from stepiq.store.database import Database, outages_reported
from stepiq.store.pubsub import LocalChanges

log = logging.get(__name__)

CHANNEL = "stepiq"
_LONGEST_BYTES = 7_900
"""PostgreSQL accepts payloads of less than 8,000 bytes."""
_BATCH = 500
_BACKLOG = 10_000
_RETRY_SECONDS = 0.5
_LAST_WORDS_SECONDS = 1.0
_SPEAK_SECONDS = 4.0
_EVERYTHING = "*"

# The driver writes a list as JSON in a twentieth of the time of an array, in which it escapes each text.
_NOTIFY = "SELECT pg_notify(%s, message) FROM json_array_elements_text(%s::json) AS message"


class PostgresChanges(LocalChanges):
    """Publishes changes in this process immediately, and in the other processes of the database within milliseconds."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database
        # Identifies the notifications of this process: it has delivered those already.
        self._origin = secrets.token_hex(4)
        self._waiting: deque[str] = deque()
        self._has_lost = False
        self._awake = asyncio.Event()
        self._silent = asyncio.Event()
        self._silent.set()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to receive and to send changes.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        connection = await self._database.connect_alone("changes")
        with outages_reported():
            await connection.execute(f"LISTEN {CHANNEL}".encode())
        self._tasks = [
            asyncio.create_task(self._listen(connection)),
            asyncio.create_task(self._send_batches()),
        ]

    async def stop(self) -> None:
        """Send the queued changes, for at most a second, and stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self._silent.wait()
        await cancel(self._tasks)
        self._tasks = []

    def publish(self, topic: str, payload: Json) -> None:
        super().publish(topic, payload)
        text = f"{self._origin} {topic} {SerializedJson.of(payload)}"
        if len(text.encode()) > _LONGEST_BYTES:
            # Without a payload, other processes report a gap to the topic's listeners, which read the store.
            text = f"{self._origin} {topic}"
        self._queue(text)

    def may_have_missed(self) -> None:
        super().may_have_missed()
        self._queue(f"{self._origin} {_EVERYTHING}")

    def _queue(self, text: str) -> None:
        if not self._tasks:
            return
        if len(self._waiting) >= _BACKLOG:
            self._waiting.clear()
            self._has_lost = True
        self._waiting.append(text)
        self._silent.clear()
        self._awake.set()

    async def _send_batches(self) -> None:
        is_reported = False
        while True:
            try:
                connection = await self._database.connect_alone("notify")
                async with connection:
                    # A crash of the database loses notifications anyway, so waiting for the disk is useless.
                    await connection.execute("SET synchronous_commit = off")
                    is_reported = False
                    await self._send_through(connection)
            except Exception as error:
                if not is_reported:
                    log.warning("changes_not_published", reason=type(error).__name__)
                is_reported = True
            await asyncio.sleep(_RETRY_SECONDS)

    async def _send_through(self, connection: psycopg.AsyncConnection) -> None:
        while True:
            while self._waiting or self._has_lost:
                batch = self._take()
                try:
                    with answering_within(_SPEAK_SECONDS):
                        await connection.execute(_NOTIFY, (CHANNEL, json.dumps(batch)))
                except BaseException:
                    self._has_lost = True
                    raise
            self._silent.set()
            self._awake.clear()
            await self._awake.wait()

    def _take(self) -> list[Json]:
        if self._has_lost:
            self._has_lost = False
            return [f"{self._origin} {_EVERYTHING}"]
        number = min(len(self._waiting), _BATCH)
        # Equal notifications, such as of waiting tickets, are sent once.
        return list(dict.fromkeys(self._waiting.popleft() for _ in range(number)))

    async def _listen(self, connection: psycopg.AsyncConnection | None) -> None:
        is_reported = False
        while True:
            try:
                if connection is None:
                    connection = await self._database.connect_alone("changes")
                    await connection.execute(f"LISTEN {CHANNEL}".encode())
                    super().may_have_missed()
                is_reported = False
                async with connection:
                    async for notification in connection.notifies():
                        self._receive(notification.payload)
            except Exception as error:
                if not is_reported:
                    log.warning("changes_not_received", reason=type(error).__name__)
                is_reported = True
            connection = None
            await asyncio.sleep(_RETRY_SECONDS)

    def _receive(self, text: str) -> None:
        origin, _, said = text.partition(" ")
        if origin == self._origin:
            return
        topic, _, payload = said.partition(" ")
        if topic == _EVERYTHING:
            super().may_have_missed()
        elif not self.is_awaited(topic):
            return
        elif payload:
            super().publish(topic, json.loads(payload.encode()))
        else:
            self.miss(topic)
