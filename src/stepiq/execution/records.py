"""What the journal keeps of a run and of each execution of a step, while a worker holds it in its hands."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from stepiq.core import clock
from stepiq.core.json import Json, Text
from stepiq.execution.limits import RunLimits
from stepiq.store.states import FINAL_STEP_STATUSES, RunStatus, StepStatus, TriggerType


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that somebody asked for."""

    id: UUID
    workspace_id: UUID
    pipeline_id: UUID
    pipeline_version: int
    trigger_type: TriggerType
    input_data: Json
    timeout: timedelta
    """The whole run's, counted from acceptance."""
    plan: RunLimits
    """The workspace's."""
    spends_credits: bool
    """Whether it may ask a model that the server pays for."""
    own_keys: Collection[str] = ()
    """Names of the secrets that are the account's own keys of providers."""
    retry_of: UUID | None = None
    schedule_id: UUID | None = None
    """The schedule that started it."""
    reuse: "Reuse" = field(default_factory=lambda: NOTHING)
    """What it takes over from `retry_of`."""


StepKey = tuple[str, str, int]
"""What an execution of a step is found by: step id, branch, iteration."""


@dataclass(slots=True)
class ClaimedRun:
    """A run that this worker carries, until a later claim says otherwise."""

    id: UUID
    workspace_id: UUID
    pipeline_id: UUID
    pipeline_version: int
    trigger_type: TriggerType
    input_data: Json
    claim: int
    started_at: datetime
    created_at: datetime
    deadline_at: datetime
    is_taken_over: bool = False
    """Another worker began it and stopped without giving it back."""
    crashes: int = 0
    """How many claims before this one, in a row, ended because their process died before anything was recorded."""
    steps: dict["StepKey", "StepRecord"] = field(default_factory=dict["StepKey", "StepRecord"])
    """Every execution of a step so far."""
    models: set[str] = field(default_factory=set[str])
    """Models that it has used, so that usage counts it once for each; the journal keeps this."""

    own_keys: Collection[str] = ()
    """The account's own keys of providers when the run was accepted, by the names of their secrets."""

    last_ordinal: int = 0
    """Place of the last step in the order in which steps began."""

    def add(self, record: "StepRecord") -> None:
        """Take an execution of a step up."""
        self.steps[record.key] = record
        self.last_ordinal = max(self.last_ordinal, record.ordinal)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended."""

    status: RunStatus
    output: Json = None
    written: Text | None = field(default=None, repr=False)
    """`output` as JSON, if somebody has written it already."""
    error: dict[str, Json] | None = None
    at: datetime = field(default_factory=clock.now)
    """The same in the row, in the event and in what is delivered."""


@dataclass(frozen=True, slots=True)
class NewReview:
    """A question to a person, about to be recorded."""

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
    """Why nobody works on a run for a while."""

    wake_at: datetime
    review: NewReview | None = None
    """None where the review has been recorded before, or where a moment is waited for."""


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery that was just recorded and has no ticket yet."""

    id: UUID
    priority: int
    """Of its ticket; lower ones go first."""
    ticket: int = 1
    """The number of its ticket."""


@dataclass(slots=True)
class Meter:
    """Tokens and money of one execution of a step, over all its attempts."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    credit_tokens: int = 0
    """Tokens of models that the server pays for."""
    tokens_estimated: bool = False
    cost: dict[str, int] | None = None
    """Micro-dollars by `input`, `cached` and `output`; None while nothing is known."""
    cost_complete: bool = True
    """False once a model without a known price was used."""

    @property
    def cost_usd_micros(self) -> int:
        """Sum of what is known."""
        return sum(self.cost.values()) if self.cost else 0

    def add_cost(self, parts: dict[str, int] | None) -> None:
        """Add one call's cost; None says that its price is unknown."""
        if parts is None:
            self.cost_complete = False
            return
        found = self.cost or {}
        self.cost = {part: found.get(part, 0) + value for part, value in parts.items()}

    def since(self, earlier: "Meter") -> "Meter":
        """What was added since `earlier`, for the run's totals."""
        return Meter(
            input_tokens=self.input_tokens - earlier.input_tokens,
            cached_tokens=self.cached_tokens - earlier.cached_tokens,
            output_tokens=self.output_tokens - earlier.output_tokens,
            credit_tokens=self.credit_tokens - earlier.credit_tokens,
            cost={"total": self.cost_usd_micros - earlier.cost_usd_micros},
            cost_complete=self.cost_complete,
        )


@dataclass(frozen=True, slots=True)
class Shortage:
    """Why a call could not reserve its tokens."""

    plan: str
    limit: int
    """Of the month, in tokens, like all numbers here."""
    used: int
    reserved: int
    """By other calls in progress."""

    def passes(self, wanted: int) -> bool:
        """Whether the call may fit once other calls have finished."""
        return self.used + wanted <= self.limit


@dataclass(slots=True)
class Reservation:
    """The tokens that a step's next or current model call may use at most, if it costs credits of a limited plan."""

    asked: int = 0
    """To be reserved with the next write; 0 for nothing."""
    held: int = 0
    """Reserved in the store; the journal keeps this."""
    is_used: bool = False
    """Whether a call relies on it. Otherwise, the next write releases it."""
    is_unlimited: bool = False
    """The plan had no limit when a reservation was last asked for."""
    shortage: Shortage | None = None
    """Why it was refused last."""

    def ask(self, tokens: int) -> None:
        """Have tokens reserved with the next write, in place of those that are held."""
        self.asked, self.is_used, self.is_unlimited, self.shortage = tokens, False, False, None


@dataclass(slots=True)
class StepRecord:
    """One execution of a step, as its row says or will say."""

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
    """Attempts that failed; an attempt cut off by a crash is not one."""
    model: str | None = None
    paid_by: str | None = None
    """Whose key the calls of `model` use: `account_key`, `server_key` or `local`."""
    prompt: str | None = None
    system_prompt: str | None = None
    output: Json = None
    written: Text | None = field(default=None, repr=False)
    """`output` as JSON, if somebody has written it already."""
    error: dict[str, Json] | None = None
    jump: str | None = None
    """The field that led on to another step, such as `on_condition[0]`; `stop` where nothing may lead on."""
    is_reused: bool = False
    """It was done by the run that this one repeats."""
    meter: Meter = field(default_factory=Meter)
    reservation: Reservation = field(default_factory=Reservation)
    started_at: datetime | None = None
    completed_at: datetime | None = None
    is_stored: bool = False
    """Whether the row exists; the journal keeps this."""
    stored_meter: Meter = field(default_factory=Meter)
    """What the run's totals already include; the journal keeps this."""

    @property
    def key(self) -> StepKey:
        return self.step_id, self.branch, self.iteration

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_STEP_STATUSES


@dataclass(frozen=True, slots=True)
class Reuse:
    """What a new run takes over from the one that it repeats."""

    steps: tuple[StepRecord, ...] = ()
    saved: dict[str, Json] | None = None
    """As the API shows it: how many steps, and what they had cost; None where nothing is taken over."""


NOTHING = Reuse()
