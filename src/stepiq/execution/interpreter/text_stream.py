"""Streams the text of a step to the run's listeners."""

import asyncio
from uuid import UUID

from stepiq.core import clock
from stepiq.execution.records import events
from stepiq.execution.records.run import StepRecord
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
        self._sent = 0
        """Characters of the current call that were sent."""
        self._waiting: list[str] = []
        self._masked = masker.stream()
        self._timer: asyncio.TimerHandle | None = None
        self._batch: asyncio.Task[None] | None = None
        """Masks the batch that is sent next."""

    async def begin(self, call: int) -> None:
        """Send the text of the previous call of the attempt. The next text is that of the call with this number."""
        await self.flush()
        self._call, self._sent = call, 0

    def add(self, text: str) -> None:
        """Add text to the next batch."""
        self._waiting.append(text)
        self._send_later()

    async def flush(self) -> None:
        """Send all buffered text, so that no text follows the event that ends its step."""
        while self._waiting or self._batch is not None:
            # Cancelling the caller must not leave a batch in a thread to which the next one is added.
            await asyncio.wait({self._send_batch()})
        rest = self._masked
        self._send(await masked(lambda _: rest.flush(), "", apart=rest.is_slow("")))

    def _send_later(self) -> None:
        if self._timer is None and self._batch is None:
            self._timer = asyncio.get_running_loop().call_later(DELTA_SECONDS, self._send_batch)

    def _send_batch(self) -> asyncio.Task[None]:
        """Send the next batch, unless one is being sent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._batch is None:
            self._batch = asyncio.create_task(self._mask_and_send())
        return self._batch

    async def _mask_and_send(self) -> None:
        text = self._take()
        try:
            # The masker keeps back text that may be the beginning of a secret.
            self._send(await masked(self._masked.feed, text, apart=self._masked.is_slow(text)))
        finally:
            self._batch = None
        if self._waiting:
            self._send_later()

    def _take(self) -> str:
        """The next batch. The rest of a longer text stays buffered."""
        text = "".join(self._waiting)
        rest = text[DELTA_CHARACTERS:]
        self._waiting = [rest] if rest else []
        return text[:DELTA_CHARACTERS]

    def _send(self, text: str) -> None:
        if not text:
            return
        record = self._record
        which = events.execution(record.step_id, record.branch, record.iteration)
        offset, self._sent = self._sent, self._sent + len(text)
        event = events.step_delta(which, record.attempts, text, offset=offset, call=self._call)
        self._changes.publish(
            run_topic(self._run_id), events.payload(self._run_id, event, None, clock.now())
        )
