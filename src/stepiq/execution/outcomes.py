"""How one execution of a step ends, as a value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from stepiq.core.json import Json
from stepiq.language.definitions.step import Step
from stepiq.store.states import ReviewDecision

STOP = "stop"
"""The jump of a record after which its sequence cannot continue, in place of the field that decided the next step."""


class FailureCode(StrEnum):
    """Why a step or a run failed: part of the API, explained in `docs/errors.md`."""

    TEMPLATE_UNRESOLVED = "template_unresolved"
    """A template uses a value that does not exist at run time."""
    EXPRESSION_ERROR = "expression_error"
    """An expression, a JSONPath or a pattern could not be evaluated."""
    INPUT_INVALID = "input_invalid"
    """The input of a step has the wrong type, such as a `for_each` that does not get a list."""
    OUTPUT_INVALID = "output_invalid"
    """The model's response is not the JSON that the step requires, even after a correction prompt."""
    OUTPUT_TOO_LARGE = "output_too_large"
    """An output exceeds 1 MiB or 150 levels, or all outputs of the run exceed 16 MiB."""
    STEP_TIMEOUT = "step_timeout"
    """One attempt took longer than the step's `timeout_seconds`."""
    RUN_TIMEOUT = "run_timeout"
    """The run took longer than the pipeline's `timeout_seconds`."""
    STEP_LIMIT = "step_limit"
    """The run executed more than 1,000 steps, or a step made too many calls, or calls with too much data."""
    LOOP_LIMIT = "loop_limit"
    """A jump back to an earlier step exceeded its `max_loops`."""
    HTTP_STATUS = "http_status"
    """A `webhook` step got an unexpected status."""
    HTTP_ERROR = "http_error"
    """A `webhook` step got no usable response."""
    EGRESS_BLOCKED = "egress_blocked"
    """A `webhook` step uses an address that pipelines may not call."""
    CODE_ERROR = "code_error"
    """The code of a `code` step raised an error, or did not return JSON."""
    CODE_LIMIT = "code_limit"
    """The code of a `code` step used too much time or memory."""
    REVIEW_REJECTED = "review_rejected"
    """A person rejected a `human_review`."""
    REVIEW_TIMEOUT = "review_timeout"
    """No person decided a `human_review` in time."""
    PROVIDER_AUTH = "provider_auth"
    """The provider rejected the key, or no key is set."""
    PROVIDER_RATE_LIMITED = "provider_rate_limited"
    """The provider returned 429 for every attempt."""
    PROVIDER_ERROR = "provider_error"
    """The provider failed or could not be reached."""
    MODEL_UNKNOWN = "model_unknown"
    """No provider has a model of this name."""
    PLAN_CREDITS_EXHAUSTED = "plan_credits_exhausted"
    """The credits that are left of the month do not cover a model call."""
    SECRET_MISSING = "secret_missing"  # noqa: S105 - a code, not a credential
    """A template uses a secret that is not stored, or a key that the run was accepted with has been deleted."""
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - a code, not a credential
    """The server does not have the master key of a stored secret."""
    SECRET_HOST_REFUSED = "secret_host_refused"  # noqa: S105 - a code, not a credential
    """A step would send a secret to a host that is not in the secret's `hosts`."""
    REPLAY_MISMATCH = "replay_mismatch"
    """After an interruption, a step made another call than before, so the recorded reply does not apply."""
    DEFINITION_INVALID = "definition_invalid"
    """The server cannot execute the stored definition, for example because the package of a step type is missing."""
    POISONED = "poisoned"
    """The worker died or stopped responding several times while it executed the run."""
    INTERNAL = "internal"
    """A bug in stepIQ. The server's log has the details."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The step did what it is for."""

    output: Json


@dataclass(frozen=True, slots=True)
class Failed:
    """The step could not do it."""

    code: FailureCode
    message: str
    """For the run's owner: what happened and what to do; never a secret. The step is added when it is recorded."""
    is_retryable: bool = False
    """Whether trying again may help: network, 408, 429, 5xx, and timeouts where the step says so."""
    retry_after: timedelta | None = None
    """How long the other side asked to wait."""
    field: str | None = None
    """The field of the step at which it happened, such as `set.total`."""
    origin: str | None = None
    """The step inside this one in which it happened; the message names it already."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """The step's `if` is false."""


@dataclass(frozen=True, slots=True)
class ReviewResult:
    """What became of a question to a person."""

    output: Json
    """The data under review, as the reviewer left it."""
    decision: ReviewDecision | None
    """None: nobody decided in time."""
    comment: str | None
    reviewer: str | None
    decided_at: datetime
    """Without a decision, when the time was over."""


Outcome = Completed | Failed
"""How an attempt ends."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The step continues at a moment."""

    until: datetime
    resume: Callable[[], Outcome]
    """How the step ends then."""


@dataclass(frozen=True, slots=True)
class ForkBranch:
    """A sequence of steps that is executed beside others."""

    steps: tuple[Step, ...]
    names: Mapping[str, Json]
    """What only its templates and expressions see."""
    item: str = ""
    """Its item in words, for messages; empty if it has none."""


@dataclass(frozen=True, slots=True)
class Fork:
    """The step executes sequences of steps at the same time."""

    branches: Sequence[ForkBranch]
    max_concurrency: int
    merge: Callable[[list[Json]], Json]
    """Makes the output of the step from those of the branches. A failed one has none."""
    stops_at_failure: bool
    """Whether the first failure stops the other branches and fails the step."""
    state_names: Sequence[str] = ()
    """Names under which later steps see the branches; empty if they do not."""
    counts_each: bool = False
    """Whether the limit of steps applies to each branch, instead of all together."""


Result = Completed | Failed | Waiting | Fork
"""What the handler of a step type returns."""
Ended = Completed | Failed | Skipped
"""How a step ends."""
