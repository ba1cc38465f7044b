"""Shapes of runs, steps and events in the API."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from stepiq.core.json import Json
from stepiq.runs.records import LoggedEvent, Run, Step
from stepiq.store.states import RunStatus, StepStatus, TriggerType
from stepiq.web.bodies import StrictModel, Timestamp, View

_TOKENS_PER_CREDIT = 1_000


class RunRequest(StrictModel):
    """What to run."""

    input_data: dict[str, Any] | None = None
    """Must fit the pipeline's `input.schema`, if it has one. Default: an empty object."""
    version: Annotated[int | None, Field(ge=1, le=2**31 - 1)] = None
    """Default: the newest."""


class RetryRequest(StrictModel):
    """From where to repeat a run, and with what."""

    from_: Annotated[str, Field(alias="from", min_length=1, max_length=64)] = "start"
    """A step id, `failed` for the step at which the run ended, or `start`. What was recorded before that step's last start is
    taken over and not done again; of a step inside a `parallel`, the whole `parallel` is done again."""
    version: Literal["same", "latest"] = "same"
    """Which version of the pipeline to follow."""
    input_data: dict[str, Any] | None = None
    """Default: the input of the run."""
    outputs: dict[str, Any] | None = None
    """Outputs of steps that are taken over, in place of what they gave, by step id."""


class ReusedView(View):
    """What a retry took over from the run that it repeats, and what that had cost."""

    steps: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cost_usd_micros: int


class CostView(View):
    """A cost by what was paid for, in micro-dollars."""

    input: int
    """Input tokens that the provider did not have in its cache."""
    cached: int
    output: int


class StepView(View):
    """One execution of a step."""

    id: UUID
    step_id: str
    name: str
    type: str
    iteration: int
    branch: str
    status: StepStatus
    attempts: int
    model: str | None
    prompt: str | None
    """As it was sent, secrets masked."""
    system_prompt: str | None
    output: Json
    error: Json
    input_tokens: int
    cached_tokens: int
    """The part of `input_tokens` that the provider read from its cache."""
    output_tokens: int
    tokens_estimated: bool
    """Whether the tokens were counted here from the text, as after a cancel."""
    cost_usd_micros: int | None
    """Null when the model's price is not known."""
    cost_usd_micros_by_part: CostView | None
    is_reused: bool
    """Whether the run that this one repeats did it: then it cost nothing here."""
    started_at: Timestamp | None
    completed_at: Timestamp | None
    duration_ms: int | None


class RunView(View):
    """A run without its steps."""

    id: UUID
    pipeline_id: UUID
    pipeline_version: int
    trigger_type: TriggerType
    status: RunStatus
    input_data: Json
    output: Json
    """In lists, null when it is larger than 64 KiB: read the run itself then."""
    output_is_large: bool
    error: Json
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    total_tokens: int
    cost_usd_micros: int
    """Steps whose model has no known price count as 0."""
    cost_complete: bool
    """False when there was such a step."""
    credits_used: float
    """1 credit is 1,000 tokens of models that the server pays for."""
    retry_of: UUID | None
    """The run that this one repeats."""
    reused: ReusedView | None
    created_at: Timestamp
    started_at: Timestamp | None
    completed_at: Timestamp | None


class RunDetail(RunView):
    """A run with its steps, in the order in which they ran. Steps that never began are not among them."""

    steps: list[StepView]


class EventView(View):
    """One event of a run's log, as its stream sent it."""

    seq: int
    type: str
    data: dict[str, Json]


def run_view(run: Run) -> RunView:
    """A run as lists show it."""
    return RunView(**_fields(run))


def run_detail(run: Run) -> RunDetail:
    """A run as it is shown by itself."""
    return RunDetail(**_fields(run), steps=[_step_view(step) for step in run.steps])


def _fields(run: Run) -> dict[str, Any]:
    shown = {name: getattr(run, name) for name in RunView.model_fields if hasattr(run, name)}
    return {
        **shown,
        "total_tokens": run.input_tokens + run.output_tokens,
        "reused": None if run.reused is None else ReusedView(**run.reused),
        "credits_used": run.credit_tokens / _TOKENS_PER_CREDIT,
    }


def _step_view(step: Step) -> StepView:
    shown = {name: getattr(step, name) for name in StepView.model_fields if hasattr(step, name)}
    by_part = None
    if step.cost is not None:
        by_part = CostView(
            input=step.cost.get("input", 0),
            cached=step.cost.get("cached", 0),
            output=step.cost.get("output", 0),
        )
    duration = None
    if step.started_at is not None and step.completed_at is not None:
        duration = round((step.completed_at - step.started_at).total_seconds() * 1000)
    return StepView(
        **shown,
        cost_usd_micros=_cost(step),
        cost_usd_micros_by_part=by_part,
        duration_ms=duration,
    )


def _cost(step: Step) -> int | None:
    if step.cost is not None:
        return sum(step.cost.values())
    # Without tokens nothing was bought, whatever the price.
    return 0 if step.input_tokens + step.output_tokens == 0 else None


def event_view(run_id: UUID, event: LoggedEvent) -> EventView:
    """An event of the log, its data as the stream sends it."""
    return EventView(seq=event.seq, type=event.type, data=event.shown(run_id))
