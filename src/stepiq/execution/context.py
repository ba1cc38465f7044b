"""The context that the handler of a step receives, and the streaming of its text."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID
from weakref import WeakValueDictionary

from stepiq.core import clock
from stepiq.core.http import GuardedClient
from stepiq.core.json import Json
from stepiq.execution import events
from stepiq.execution.maskers import Maskers
from stepiq.execution.records import ClaimedRun, StepRecord
from stepiq.execution.run_secrets import RunSecrets
from stepiq.execution.stubs import Stubs
from stepiq.language.specs import Step
from stepiq.providers.registry import Providers
from stepiq.redaction.masking import Masker
from stepiq.sandbox.sandbox import Sandbox
from stepiq.store.database import Database
from stepiq.store.pubsub import Changes, run_topic

DELTA_SECONDS = 0.05
"""Minimum interval between two messages of model text to listeners."""
DELTA_CHARACTERS = 16 * 1024
"""Maximum length of one such message."""


class CreditTurns:
    """Serialises the attempts of a workspace's waiting calls to reserve credits."""

    def __init__(self) -> None:
        self._locks = WeakValueDictionary[UUID, asyncio.Lock]()

    def of(self, workspace_id: UUID) -> asyncio.Lock:
        """The lock of a workspace."""
        return self._locks.setdefault(workspace_id, asyncio.Lock())


@dataclass(slots=True)
class Dependencies:
    """The shared services that steps use. One instance per process."""

    database: Database
    providers: Providers
    http: GuardedClient
    sandbox: Sandbox
    """Replaced at each start of the engine, and closed when it stops."""
    changes: Changes
    credit_turns: CreditTurns = field(default_factory=CreditTurns)
    maskers: Maskers = field(default_factory=Maskers)
    stubs: Stubs | None = None
    """Given results for steps, in tests of pipelines."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """One execution of a step, for its handler."""

    run: ClaimedRun
    step: Step
    record: StepRecord
    scope: dict[str, Json]
    """The names that templates and expressions may use."""
    previous: Json
    """Output of the previous step."""
    dependencies: Dependencies
    secrets: RunSecrets
    speak: Callable[[str], None]
    """Send a piece of text to listeners; batched and not recorded."""
    note: Callable[[str, str], None]
    """Add a line to the step's log: level, message. Written with the next write."""
    save: Callable[[], Awaitable[None]]
    """Record the progress and the usage of the step so far."""
    begin: Callable[[], Awaitable[None]]
    """Record that an attempt begins. Handlers must call it before any external effect."""

    @property
    def started_at(self) -> datetime:
        """When the step first started, also after a crash."""
        assert self.record.started_at is not None  # noqa: S101 - set before the handler is called
        return self.record.started_at

    @property
    def sending_scope(self) -> dict[str, Json]:
        """See `RunSecrets.sending`."""
        return self.secrets.sending(self.scope)

    @property
    def idempotency_key(self) -> str:
        """The same for all attempts of this execution: `run:step[:branch]:iteration`."""
        record = self.record
        parts = [str(self.run.id), record.step_id, record.branch, str(record.iteration)]
        return ":".join(part for part in parts if part)


class Speaker:
    """Sends a step's text to the run's listeners, at most every 50 ms and with secrets masked."""

    def __init__(self, changes: Changes, run_id: UUID, record: StepRecord, masker: Masker) -> None:
        self._changes = changes
        self._run_id = run_id
        self._record = record
        self._waiting: list[str] = []
        self._masked = masker.stream()
        self._timer: asyncio.TimerHandle | None = None

    def speak(self, text: str) -> None:
        """Add text to the next batch."""
        self._waiting.append(text)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DELTA_SECONDS, self._send_batch)

    async def flush(self) -> None:
        """Send all buffered text, so that no text follows the event that ends its step."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            self._send(self._masked.feed(self._take()))
            # Masking a batch takes a few milliseconds.
            await asyncio.sleep(0)
        self._send(self._masked.flush())

    def _send_batch(self) -> None:
        # The masker keeps back text that may be the beginning of a secret.
        self._send(self._masked.feed(self._take()))
        self._timer = None
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_later(DELTA_SECONDS, self._send_batch)

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
        event = events.step_delta(which, record.attempts, text)
        self._changes.publish(
            run_topic(self._run_id), events.payload(self._run_id, event, None, clock.now())
        )
