"""The state of a run in progress: shared by all branches, and of each sequence of steps."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from stepiq.core import clock
from stepiq.core.json import Json, SerializedJson
from stepiq.execution.calls.requests import AskPerson
from stepiq.execution.dependencies import Dependencies
from stepiq.execution.interpreter.journal_buffer import JournalBuffer
from stepiq.execution.outcomes import Failed, FailureCode
from stepiq.execution.records.run import ClaimedRun, StepRecord
from stepiq.execution.run_secrets import RunSecrets
from stepiq.execution.scope import shown
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.step import Step

MAX_EXECUTIONS = 1_000
"""Maximum number of steps per run; steps inside a `for_each` count separately for each item."""
MAX_ROWS = 50_000
"""Maximum number of steps per run, items included: each is a row, and resuming the run reads all rows."""
_PARK_SECONDS = 0.05
_REPLAYED_IN_A_TURN = 50
"""So many steps are replayed within a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A sequence failed and cannot continue."""

    step_id: str
    failed: Failed
    is_recorded: bool = True
    """Whether the step has a record. A step beyond a limit of the run has none."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A sequence continues after a long wait."""

    record: StepRecord
    until: datetime
    question: AskPerson | None = None
    """The question to record, if the run waits for a person."""


@dataclass(slots=True)
class Allowance:
    """The number of steps that may still be executed."""

    left: int = MAX_EXECUTIONS

    def spend(self, executions: int = 1) -> Failed | None:
        """Count executions; returns a failure if the limit is exceeded."""
        self.left -= executions
        if self.left >= 0:
            return None
        return Failed(
            FailureCode.STEP_LIMIT,
            f"The run has executed {MAX_EXECUTIONS:,} steps, which is the maximum. Check for a loop that does not end, such "
            "as an `on_condition` that is always true.",
        )


class Sleepers:
    """Detects when all branches of a run are waiting for a time.

    A branch that waits inside a `parallel` sleeps in place, because other branches may continue. When all branches
    sleep, the result of `asleep` is the earliest wake-up time.
    """

    def __init__(self) -> None:
        self._busy = 1
        self._wakes: list[datetime] = []
        self.asleep: asyncio.Future[datetime] = asyncio.get_running_loop().create_future()

    def begin(self) -> None:
        """Count one more busy branch."""
        self._busy += 1

    def done(self) -> None:
        """Count one busy branch less."""
        self._busy -= 1
        self._look_later()

    async def sleep(self, until: datetime) -> None:
        """Wait until a time; the branch is not busy meanwhile."""
        self._wakes.append(until)
        self.done()
        try:
            await sleep_until(until)
        finally:
            self._wakes.remove(until)
            self.begin()

    def _look_later(self) -> None:
        # The branch that finished last may start another in the next iteration of the event loop.
        if self._busy == 0 and self._wakes:
            asyncio.get_running_loop().call_later(_PARK_SECONDS, self._look)

    def _look(self) -> None:
        if self._busy == 0 and self._wakes and not self.asleep.done():
            self.asleep.set_result(min(self._wakes))


async def pass_time(length: timedelta) -> None:
    """Wait for a duration by the monotonic clock, unaffected by changes of the system clock."""
    end = clock.monotonic() + length.total_seconds()
    while True:
        left = end - clock.monotonic()
        if left <= 0:
            return
        await asyncio.sleep(min(left, 60.0))


async def sleep_until(moment: datetime) -> None:
    """Wait for a time by the system clock."""
    while True:
        left = (moment - clock.now()).total_seconds()
        if left <= 0:
            return
        await asyncio.sleep(min(left, 60.0))


@dataclass(slots=True)
class RunContext:
    """State that all branches of a run share."""

    run: ClaimedRun
    definition: Definition
    secrets: RunSecrets
    buffer: JournalBuffer
    dependencies: Dependencies
    sleepers: Sleepers
    executions: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """Number of executions by step id and branch."""
    jumps: Counter[tuple[str, str, str]] = field(default_factory=Counter[tuple[str, str, str]])
    """Number of jumps by branch, step id and the field that caused them."""
    output_bytes: int = 0
    waited_seconds: float = 0.0
    """How long the run has recorded nothing before it was taken over. Its replay has turns before other runs."""
    has_turn: bool = True
    """Whether the run has a turn that no step has used. A claimed run has taken one."""
    _replayed: int = 0
    """Number of steps that were replayed since the run last took a turn for it."""
    ends_at: float = field(init=False)
    """End of the run's time by the monotonic clock, so that changes of the system clock do not affect it."""

    def __post_init__(self) -> None:
        # If the clock was set back, a run still gets no more than its full time limit.
        allowed = self.run.deadline_at - self.run.created_at
        left = min(self.run.deadline_at - clock.now(), allowed)
        self.ends_at = clock.monotonic() + left.total_seconds()

    @property
    def left(self) -> timedelta:
        """The time that the run has left; negative after its end."""
        return timedelta(seconds=self.ends_at - clock.monotonic())

    def too_late(self) -> Failed | None:
        """The failure if the run has used up its time, otherwise None."""
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

    async def replayed(self) -> None:
        """Count one replayed step. After some, wait for a turn, because replaying does not wait for anything else."""
        self._replayed += 1
        # While one branch waits, the others wait, too.
        if self._replayed >= _REPLAYED_IN_A_TURN:
            await self.dependencies.turns.take(self.run.workspace_id, self.waited_seconds)
            self._replayed = 0

    def count_output(self, record: StepRecord) -> None:
        """Count the output of a replayed step for the limit of the run."""
        if record.output_bytes is None:
            record.output_bytes = SerializedJson.of(record.output).size_bytes
        self.output_bytes += record.output_bytes

    def count(self, record: StepRecord) -> None:
        """Count the jump of an ended execution."""
        if record.jump is not None:
            self.jumps[record.branch, record.step_id, record.jump] += 1


@dataclass(slots=True)
class SequenceState:
    """The state of one sequence of steps."""

    run_context: RunContext
    steps: tuple[Step, ...]
    scope: dict[str, Any]
    """The names for templates and expressions. The `steps` mapping belongs to this sequence."""
    allowance: Allowance
    previous: Json = None
    """Output of the previous step; at the start of a `for_each` branch, the item."""
    branch: str = ""
    items: str = ""
    """The current items, for messages: `item 2` inside a `for_each`."""
    output: Json = None
    """Output of the last step that was not skipped."""

    only: int | None = None
    """Index of the only step to execute; None for all steps."""

    @property
    def is_top(self) -> bool:
        return self.branch == ""

    def show(self, name: str, record: StepRecord) -> None:
        """Add the result of a step to the scope."""
        self.scope["steps"][name] = shown(record)

    def position(self, step_id: str) -> int:
        """Index of a step in this sequence."""
        return next(index for index, step in enumerate(self.steps) if step.id == step_id)
