"""In-memory records of runs and of executions of steps, which the journal reads and writes."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from uuid import UUID

from stepiq.core import clock
from stepiq.core.json import Json, SerializedJson
from stepiq.core.observability.trace_context import TraceParent
from stepiq.execution.limits.plans import Plan
from stepiq.execution.limits.usage import Meter
from stepiq.store.states import (
    FINAL_STEP_STATUSES,
    CallerType,
    OperationStatus,
    RunStatus,
    StepStatus,
    TriggerType,
    is_draft_version,
)

MAX_RECORDED_BYTES = 8 * 1024 * 1024
"""Maximum length of the requests and responses that the calls of a step record, over all its attempts."""


@dataclass(frozen=True, slots=True)
class RunCaller:
    """What started or retried a run."""

    type: CallerType
    id: UUID | None
    """Id of the user, the API key or the schedule."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be accepted."""

    id: UUID
    workspace_id: UUID
    pipeline_id: UUID
    pipeline_version: int
    trigger_type: TriggerType
    input_data: dict[str, Json]
    timeout: timedelta
    """Time limit of the whole run, from `created_at`."""
    plan: Plan
    """The workspace's plan."""
    spends_credits: bool
    """Whether it may call a model that the server pays for."""
    own_keys: Collection[str] = ()
    """Names of the secrets that hold the workspace's own provider keys."""
    retry_of: UUID | None = None
    schedule_id: UUID | None = None
    """The schedule that started it."""
    caller: RunCaller | None = None
    """None for runs without a server."""
    reuse: "Reuse" = field(default_factory=lambda: NOTHING)
    """The steps that it reuses from `retry_of`."""
    only_step: str | None = None
    """Id of the only step to execute; None for all steps."""
    parent: TraceParent | None = None
    """The span of the request that starts it."""
    created_at: datetime = field(default_factory=clock.now)


StepKey = tuple[str, str, int]
"""Identifies an execution of a step: step id, branch, iteration."""


@dataclass(slots=True)
class ClaimedRun:
    """A run that this worker holds until a later claim."""

    id: UUID
    workspace_id: UUID
    pipeline_id: UUID
    pipeline_version: int
    trigger_type: TriggerType
    input_data: Json
    """A `SerializedJson` until `recorded_values.read_input`, if it comes from the store."""
    claim: int
    started_at: datetime
    created_at: datetime
    deadline_at: datetime
    is_taken_over: bool = False
    """Whether an earlier claim of the run's ticket neither ended nor parked the run."""
    crashes: int = 0
    """Number of consecutive earlier claims whose process died before it recorded any progress."""
    crashes_in_total: int = 0
    """Number of all earlier claims whose process died."""
    steps: dict["StepKey", "StepRecord"] = field(default_factory=dict["StepKey", "StepRecord"])
    """All executions of steps so far."""
    models: set[str] = field(default_factory=set[str])
    """Models that the run has used. Usage counts a run once per model. Maintained by the journal."""

    own_keys: Collection[str] = ()
    """Names of the secrets that held the workspace's own provider keys when the run was accepted."""

    only_step: str | None = None
    """Id of the only step to execute; None for all steps."""
    caller_id: UUID | None = None
    """Id of what started it; None if it is unknown."""
    parent: TraceParent | None = None
    """The span of the request that started it."""
    last_ordinal: int = 0
    """Highest `ordinal` of its steps."""
    prompt_bytes: int | None = None
    """Total size of the prompts that its steps record; None if it is not counted yet."""
    _within: "defaultdict[str, list[StepRecord]]" = field(
        default_factory=lambda: defaultdict[str, list[StepRecord]](list), repr=False
    )
    """Its steps by each branch that contains them, in order."""

    @property
    def is_draft(self) -> bool:
        """Whether it executes a draft. It then has no deliveries, and usage does not count it as a run."""
        return is_draft_version(self.pipeline_version)

    def add(self, record: "StepRecord") -> None:
        """Add an execution of a step. Executions must be added in the order of their ordinals."""
        self.steps[record.key] = record
        self.last_ordinal = max(self.last_ordinal, record.ordinal)
        branch = record.branch
        self._within[branch].append(record)
        while branch:
            branch = branch.rpartition("/")[0]
            self._within[branch].append(record)

    def failed_steps(self) -> int:
        """The number of steps whose last execution failed, in each branch; not those that only a branch made fail.

        Branches that a limit stopped count, too. A run of one step counts only its own executions.
        """
        last = {(record.step_id, record.branch): record for record in self.steps.values()}
        return sum(
            record.stopped_branches or self._failed_itself(record)
            for record in last.values()
            if self.only_step is None or not record.is_reused
        )

    def _failed_itself(self, record: "StepRecord") -> bool:
        is_failed = record.status is StepStatus.FAILED
        return is_failed and not any(
            inner.status is StepStatus.FAILED for inner in self.inside(record)
        )

    def inside(self, record: "StepRecord") -> Iterator["StepRecord"]:
        """The executions in the branches of an execution, nested ones included, in order.

        Takes time only for these, because a resumed run can have thousands of others.
        """
        around = self._within[record.branch]
        first = bisect_right(around, record.ordinal, key=attrgetter("ordinal"))
        for index in range(first, len(around)):
            # The steps of a sequence are executed one after the other.
            if around[index].branch == record.branch:
                return
            yield around[index]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended."""

    status: RunStatus
    output: Json = None
    written: SerializedJson | None = field(default=None, repr=False)
    """`output` as JSON, if it is already serialised."""
    error: dict[str, Json] | None = None
    failed_steps: int = 0
    """Of a completed run: the failures that it passed over."""
    at: datetime = field(default_factory=clock.now)
    """The same value in the row, the event and the deliveries."""


@dataclass(frozen=True, slots=True)
class NewReview:
    """A human review that is not recorded yet."""

    id: UUID
    step_id: str
    iteration: int
    message: str
    input: Json
    editable: bool
    assignees: tuple[str, ...]
    requested_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Parking:
    """A long wait, during which the run uses no worker."""

    wake_at: datetime
    review: NewReview | None = None
    """None if the review is already recorded, or if the run waits for a time."""


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A recorded delivery that has no ticket yet."""

    id: UUID
    priority: int
    """Its position in the backlog of its workspace, which determines the priority of its ticket."""
    ticket: int = 1
    """Number of its ticket."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why a call could not reserve its tokens."""

    plan: str
    limit: int
    """Tokens per month. All numbers of this class are tokens."""
    used: int
    reserved: int
    """Reserved by other calls in progress."""

    def passes(self, wanted: int) -> bool:
        """Whether the call may fit once other calls have finished."""
        return self.used + wanted <= self.limit


@dataclass(slots=True)
class Reservation:
    """The maximum tokens of a step's next or current model call, if the call costs credits of a limited plan."""

    asked: int = 0
    """Tokens to reserve with the next write; 0 for none."""
    held: int = 0
    """Tokens reserved in the store. Maintained by the journal."""
    is_used: bool = False
    """Whether a call uses it. Otherwise, the next write releases it."""
    is_unlimited: bool = False
    """Whether the plan had no limit at the last request."""
    shortage: Shortage | None = None
    """Why the last request was refused; None if it was not."""

    def ask(self, tokens: int) -> None:
        """Reserve tokens with the next write, in place of those held now."""
        self.asked, self.is_used, self.is_unlimited, self.shortage = tokens, False, False, None


@dataclass(slots=True)
class Operation:
    """One call out of the process, as in its row, or as the next write of its step stores it."""

    id: UUID
    kind: str
    """An `OperationKind`. Text, because a worker of a later version can have recorded another one."""
    attempt: int
    number: int
    """Counts the calls of an attempt from 1."""
    key: str
    """The idempotency key that was sent."""
    request: SerializedJson | None = None
    """Masked. None if it is not recorded, or already written."""
    request_is_omitted: bool = False
    """Whether it is not recorded because of `MAX_RECORDED_BYTES`."""
    request_hash: str | None = None
    """Set when the next call of the attempt begins; see `calls.replay`."""
    response: SerializedJson | None = None
    """Masked. Set when the next call of the attempt begins; that of the last call is the step's output."""
    response_is_omitted: bool = False
    """As `request_is_omitted`."""
    recorded_bytes: int = 0
    """Length of request and response as JSON."""
    status: OperationStatus = OperationStatus.RUNNING
    starts: int = 0
    """How often it was performed. A crash makes it more than 1."""
    error: dict[str, Json] | None = None
    outcome: str | None = None
    """The status of the HTTP response, or why the model stopped."""
    reported_model: str | None = None
    """The model that the provider reports. Masked."""
    model: str | None = None
    paid_by: str | None = None
    meter: Meter = field(default_factory=Meter)
    sent: Meter = field(default_factory=Meter)
    """The usage to count if the process dies during the call. It is in the row until the call has ended."""
    queued_at: datetime | None = None
    """When it was recorded."""
    started_at: datetime | None = None
    """When it was sent."""
    first_piece_at: datetime | None = None
    """When the first piece of a streamed reply arrived."""
    ended_at: datetime | None = None
    changes: int = 0
    """How often it has changed in this process."""
    stored_changes: int = -1
    """`changes` when its row was written; -1 if it has no row. Maintained by the journal, after the commit."""

    @property
    def is_stored(self) -> bool:
        return self.stored_changes >= 0

    @property
    def is_changed(self) -> bool:
        """Whether it differs from its row."""
        return self.changes != self.stored_changes

    @property
    def is_ended(self) -> bool:
        return self.status is not OperationStatus.RUNNING

    def begin(self, now: datetime, *, counts: bool = True) -> None:
        """It is about to be performed. `counts` is false if it may only continue to wait for an answer."""
        self.status, self.error, self.ended_at = OperationStatus.RUNNING, None, None
        self.outcome, self.reported_model, self.meter = None, None, Meter()
        self.queued_at = self.queued_at or now
        self.starts += counts or self.starts == 0
        self.changes += 1

    def end(
        self, status: OperationStatus, now: datetime, error: dict[str, Json] | None = None
    ) -> None:
        """It has been performed, or stopped."""
        self.status, self.error, self.ended_at = status, error, now
        self.changes += 1

    def keep_request(self, request: SerializedJson, fits: Callable[[int], bool]) -> None:
        """Keep its request, which the next write records, if `StepRecord.fits` allows it."""
        size = request.size_bytes
        if fits(size):
            self.request, self.recorded_bytes = request, size
        else:
            self.request_is_omitted = True

    def reply(
        self,
        response: SerializedJson | None,
        request_hash: str | None,
        fits: Callable[[int], bool],
    ) -> None:
        """Keep what is needed to replay it, which the next write records. `fits` is as for `keep_request`."""
        self.request_hash = request_hash
        self.changes += 1
        size = 0 if response is None else response.size_bytes
        if fits(size):
            self.response = response
            self.recorded_bytes += size
        else:
            self.response_is_omitted = True

    @property
    def can_be_replayed(self) -> bool:
        """Whether its reply is recorded. A process can stop between the end of a call and the record of its reply."""
        return self.response is not None or self.request_hash is not None


@dataclass(slots=True)
class StepRecord:
    """One execution of a step, as in its row, or as the next write stores it."""

    id: UUID
    step_id: str
    name: str
    type: str
    ordinal: int
    iteration: int = 1
    branch: str = ""
    status: StepStatus = StepStatus.PENDING
    has_waited: bool = False
    """Whether it has waited for a time or a person."""
    attempts: int = 0
    failures: int = 0
    """Failed attempts, without attempts that a crash interrupted."""
    stopped_branches: int = 0
    """Branches that failed at a step without a record, because of a limit of the run, and did not fail this step."""
    model: str | None = None
    paid_by: str | None = None
    """The key that calls of `model` use: `account_key`, `server_key` or `local`."""
    prompt: str | None = None
    system_prompt: str | None = None
    output: Json = None
    """A `SerializedJson` until `recorded_values.read_outputs`, if it comes from `load`."""
    output_bytes: int | None = None
    """Length of a recorded output as JSON; None if it is not known."""
    written: SerializedJson | None = field(default=None, repr=False)
    """`output` as JSON, if it is already serialised."""
    error: dict[str, Json] | None = None
    jump: str | None = None
    """The field that decided the next step, such as `on_condition[0]`; `stop` if the sequence cannot continue."""
    is_reused: bool = False
    """Whether it was executed by the run that this run retries."""
    meter: Meter = field(default_factory=Meter)
    reservation: Reservation = field(default_factory=Reservation)
    operations: list[Operation] = field(default_factory=list[Operation])
    """Its calls in the current attempt. Those of earlier attempts remain until they are written."""
    recorded_bytes: int = 0
    """Length of the recorded requests and responses of all its calls."""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    is_stored: bool = False
    """Whether the row exists. Maintained by the journal."""
    stored_meter: Meter = field(default_factory=Meter)
    """Usage that the run's totals already include. Maintained by the journal."""

    @property
    def key(self) -> StepKey:
        return self.step_id, self.branch, self.iteration

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_STEP_STATUSES

    def operation(self, attempt: int, number: int) -> Operation | None:
        """The n-th call of an attempt, if it is recorded."""
        for each in self.operations:
            if (each.attempt, each.number) == (attempt, number):
                return each
        return None

    @property
    def omitted_reply(self) -> int | None:
        """The number of the first call of the attempt whose reply is omitted; None if there is none."""
        numbers = (
            each.number
            for each in self.operations
            if each.response_is_omitted and each.attempt == self.failures + 1
        )
        return next(numbers, None)

    def fits(self, size: int) -> bool:
        """Whether its calls can record this number of bytes more. Counts them if so."""
        if self.recorded_bytes + size > MAX_RECORDED_BYTES:
            return False
        self.recorded_bytes += size
        return True

    @property
    def has_progress(self) -> bool:
        """Whether it has finished, or a call that is not written yet has."""
        return self.is_final or any(
            each.is_changed and each.status is OperationStatus.COMPLETED for each in self.operations
        )

    def forget_operations(self) -> None:
        """Keep only the calls that are needed: those of the current attempt, and those that are not written yet."""
        current = self.failures + 1
        self.operations = [
            each
            for each in self.operations
            if each.is_changed or not (self.is_final or (each.attempt != current and each.is_ended))
        ]

    def cancel_operations(self, now: datetime) -> None:
        """End the calls that are still running, because the step ends."""
        for each in self.operations:
            if not each.is_ended:
                each.end(OperationStatus.CANCELLED, now)


@dataclass(frozen=True, slots=True)
class Reuse:
    """What a retry reuses from the original run."""

    steps: tuple[StepRecord, ...] = ()
    saved: dict[str, int] | None = None
    """Number of reused steps and their tokens and cost, as the API shows them; None if nothing is reused."""


NOTHING = Reuse()
