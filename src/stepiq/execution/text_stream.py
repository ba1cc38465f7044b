"""Streams the text of a step to the run's listeners."""

import asyncio
from uuid import UUID

from stepiq.core import clock
from stepiq.execution import events
from stepiq.execution.records import StepRecord
from stepiq.redaction.masking import Masker, masked
from stepiq.store.pubsub import Changes, run_topic

DELTA_SECONDS = 0.05
"""Minimum interval between two messages of model text to listeners."""
DELTA_CHARACTERS = 16 * 1024
"""Maximum length of one such message."""


class TextStream:
    """Sends a step's text to the run's listeners, at most every 50 ms and with secrets masked."""

    def __init__(self, changes: Changes, run_id: UUID, record: StepRecord, masker: Masker) -> None:
        self._changes = changes
        self._run_id = run_id
        self._record = record
        self._call = 1
        self._waiting: list[str] = []
        self._masked = masker.stream()
        self._timer: asyncio.TimerHandle | None = None
        self._sending: asyncio.Task[None] | None = None

    async def begin(self, call: int) -> None:
        """Send the text of the previous call of the attempt. The next text is that of the call with this number."""
        await self.flush()
        self._call = call

    def add(self, text: str) -> None:
        """Add text to the next batch."""
        self._waiting.append(text)
        if self._timer is None and self._sending is None:
            self._start_timer()

    async def flush(self) -> None:
        """Send all buffered text, so that no text follows the event that ends its step."""
        if self._sending is not None:
            await self._sending
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            await self._send_next()
            # Masking a batch takes a few milliseconds.
            await asyncio.sleep(0)
        self._send(await masked(lambda _: self._masked.flush(), "", apart=self._masked.is_slow("")))

    def _start_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(DELTA_SECONDS, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._sending = asyncio.create_task(self._send_batch())

    async def _send_batch(self) -> None:
        await self._send_next()
        self._sending = None
        if self._waiting:
            self._start_timer()

    async def _send_next(self) -> None:
        # The masker keeps back text that may be the beginning of a secret.
        text = self._take()
        self._send(await masked(self._masked.feed, text, apart=self._masked.is_slow(text)))

    def _take(self) -> str:
        """The next batch. The rest of a longer text stays buffered, so that masking does not block the event loop."""
        text = "".join(self._waiting)
        rest = text[DELTA_CHARACTERS:]
        self._waiting = [rest] if rest else []
        return text[:DELTA_CHARACTERS]

    def _send(self, text: str) -> None:
        if not text:
            return
        record = self._record
        which = events.execution(record.step_id, record.branch, record.iteration)
        event = events.step_delta(which, record.attempts, text, call=self._call)
        self._changes.publish(
            run_topic(self._run_id), events.payload(self._run_id, event, None, clock.now())
        )
