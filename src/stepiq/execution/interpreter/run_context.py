"""A run on its way: what all of its branches share, and what each of them knows for itself."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.execution.context import Dependencies
from stepiq.execution.interpreter.journal_buffer import JournalBuffer
from stepiq.execution.outcomes import Failed, FailureCode, Waiting
from stepiq.execution.records import ClaimedRun, StepRecord
from stepiq.execution.run_secrets import RunSecrets
from stepiq.execution.scope import shown
from stepiq.language.definition import Definition
from stepiq.language.specs import Step

MAX_EXECUTIONS = 1_000
"""Steps that a run may execute; those done for the items of a list count for each item by itself."""
MAX_ROWS = 50_000
"""Steps that a run may execute altogether: each is a row, and whoever takes the run up reads them all."""
_PARK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Stopped:
    """A sequence of steps cannot go on."""

    step_id: str
    failed: Failed


@dataclass(frozen=True, slots=True)
class Parked:
    """A sequence of steps goes on later."""

    record: StepRecord
    waiting: Waiting


@dataclass(slots=True)
class Allowance:
    """How many steps may still be executed."""

    left: int = MAX_EXECUTIONS

    def spend(self, executions: int = 1) -> Failed | None:
        """Count executions; gives why there can be no more."""
        self.left -= executions
        if self.left >= 0:
            return None
        return Failed(
            FailureCode.STEP_LIMIT,
            f"The run has executed {MAX_EXECUTIONS:,} steps, which is the maximum. Check for a loop that does not end, such "
            "as an `on_condition` that is always true.",
        )


class Sleepers:
    """Finds out when nobody works on a run any more because all of its branches wait for a moment.

    Who waits inside a `parallel` sleeps where it is, for others may go on. When all do, `asleep` holds the moment at which the
    first of them wakes.
    """

    def __init__(self) -> None:
        self._busy = 1
        self._wakes: list[datetime] = []
        self.asleep: asyncio.Future[datetime] = asyncio.get_running_loop().create_future()

    def begin(self) -> None:
        """One more has something to do."""
        self._busy += 1

    def done(self) -> None:
        """One has nothing more to do."""
        self._busy -= 1
        self._look_later()

    async def sleep(self, until: datetime) -> None:
        """Wait for a moment that is far away."""
        self._wakes.append(until)
        self.done()
        try:
            await sleep_until(until)
        finally:
            self._wakes.remove(until)
            self.begin()

    def _look_later(self) -> None:
        # Whoever was last may be about to hand over to another, a turn of the loop later.
        if self._busy == 0 and self._wakes:
            asyncio.get_running_loop().call_later(_PARK_SECONDS, self._look)

    def _look(self) -> None:
        if self._busy == 0 and self._wakes and not self.asleep.done():
            self.asleep.set_result(min(self._wakes))


async def pass_time(length: timedelta) -> None:
    """Wait for a length of time, even if the server's clock is set meanwhile."""
    end = clock.monotonic() + length.total_seconds()
    while True:
        left = end - clock.monotonic()
        if left <= 0:
            return
        await asyncio.sleep(min(left, 60.0))


async def sleep_until(moment: datetime) -> None:
    """Wait for a moment by the server's clock."""
    while True:
        left = (moment - clock.now()).total_seconds()
        if left <= 0:
            return
        await asyncio.sleep(min(left, 60.0))


@dataclass(slots=True)
class RunContext:
    """What all branches of a run share."""

    run: ClaimedRun
    definition: Definition
    secrets: RunSecrets
    buffer: JournalBuffer
    dependencies: Dependencies
    sleepers: Sleepers
    executions: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """How often each step of each branch has been executed."""
    jumps: Counter[tuple[str, str, str]] = field(default_factory=Counter[tuple[str, str, str]])
    """How often each field of a step of a branch has led to another step."""
    output_bytes: int = 0
    ends_at: float = field(init=False)
    """When the run's time is up, by the monotonic clock: setting the server's clock changes no time limit."""

    def __post_init__(self) -> None:
        # After the clock was set back, a run has no more time than it had at its start.
        allowed = self.run.deadline_at - self.run.created_at
        left = min(self.run.deadline_at - clock.now(), allowed)
        self.ends_at = clock.monotonic() + left.total_seconds()

    @property
    def left(self) -> timedelta:
        """How much time the run has left; negative if none."""
        return timedelta(seconds=self.ends_at - clock.monotonic())

    def too_late(self) -> Failed | None:
        """Why nothing more can be done, once the run has used up its time."""
        if self.left > timedelta(0):
            return None
        return self.out_of_time()

    def out_of_time(self) -> Failed:
        """The failure of a run that has used up its time."""
        limit = self.definition.timeout.total_seconds()
        return Failed(
            FailureCode.RUN_TIMEOUT,
            f"The run took longer than the pipeline's `timeout_seconds` ({limit:g}), waiting included. Raise it, or make "
            "the pipeline do less.",
        )

    def count(self, record: StepRecord) -> None:
        """Take notice of an execution that is over."""
        if record.jump is not None:
            self.jumps[record.branch, record.step_id, record.jump] += 1


@dataclass(slots=True)
class SequenceState:
    """One sequence of steps on its way."""

    run_context: RunContext
    steps: tuple[Step, ...]
    scope: dict[str, Any]
    """The names that its templates and expressions may use; `steps` is its own."""
    allowance: Allowance
    previous: Json = None
    """Output of the step before, for those that work on it."""
    branch: str = ""
    items: str = ""
    """The items that it works on, in words: `item 2` inside a `for_each`."""
    output: Json = None
    """Of the last step that ran."""

    @property
    def is_top(self) -> bool:
        return self.branch == ""

    def show(self, name: str, record: StepRecord) -> None:
        """Let later steps see what came of one."""
        self.scope["steps"][name] = shown(record)

    def position(self, step_id: str) -> int:
        """Where a step of this sequence stands."""
        return next(index for index, step in enumerate(self.steps) if step.id == step_id)
