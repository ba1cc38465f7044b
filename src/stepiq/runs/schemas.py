"""Shapes of runs, steps and events in the API."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from pydantic import Field
from typing_extensions import TypeAliasType

from stepiq.accounts.actor import Actor, Scope
from stepiq.core.json import Json, SerializedJson, read_trusted
from stepiq.execution.records.run import StepRecord
from stepiq.runs.records import LoggedEvent, Outline, Run, StepOutline
from stepiq.store.states import CallerType, RunStatus, StepStatus, TriggerType
from stepiq.web.bodies import JsonInteger, StrictModel, Timestamp, View

INPUT_NAMES = {"input": "input_data"}
PaidBy = TypeAliasType("PaidBy", Literal["account_key", "server_key", "local"])
_TOKENS_PER_CREDIT = 1_000


class HasCost(Protocol):
    """What a cost is shown for."""

    @property
    def cost(self) -> Mapping[str, int] | None: ...
    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...


class RunRequest(StrictModel):
    """The input and the version of a new run."""

    other_names = INPUT_NAMES

    input_data: dict[str, Any] | None = None
    """Must match the pipeline's `input.schema`, if it has one. Default: an empty object. `input` is another name."""
    version: Annotated[JsonInteger, Field(ge=1, le=2**31 - 1)] | None = None
    """Default: the newest version."""


class RetryRequest(StrictModel):
    """Where a retry starts, and with which data."""

    other_names = INPUT_NAMES

    from_: Annotated[str, Field(alias="from", min_length=1, max_length=64)] = "start"
    """A step id, `failed` for the step that failed, or `start`. Steps recorded before the last start of that step are reused,
    not executed again. If the step is inside a `parallel`, the whole `parallel` is executed again."""
    version: Literal["same", "latest"] = "same"
    """The version of the pipeline to run."""
    input_data: dict[str, Any] | None = None
    """Default: the input of the original run. `input` is another name."""
    outputs: dict[str, Any] | None = None
    """Replacements for the outputs of reused steps, by step id."""


class ReusedView(View):
    """What a retry reused from the original run, and its original cost."""

    steps: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cost_usd_micros: int


class CostView(View):
    """A cost by kind of token, in micro-dollars."""

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
    paid_by: PaidBy | None
    """Whose key the calls to `model` used: the workspace's, the server's (costs credits), or none (`local`). Null if no
    model was used."""
    prompt: str | None
    """As it was sent, with secrets masked."""
    system_prompt: str | None
    output: Json
    error: Json
    input_tokens: int
    cached_tokens: int
    """The part of `input_tokens` that the provider read from its cache."""
    output_tokens: int
    tokens_estimated: bool
    """Whether stepIQ estimated the tokens from the text, for example after a cancellation."""
    cost_usd_micros: int | None
    """Null if the price of the model is unknown."""
    cost_usd_micros_by_part: CostView | None
    is_reused: bool
    """Whether it was reused from the original run: then it cost nothing in this one."""
    started_at: Timestamp | None
    completed_at: Timestamp | None
    duration_ms: int | None


class CallerView(View):
    """What started or retried a run."""

    type: CallerType
    id: UUID | None
    """Id of the user, the API key or the schedule. For a webhook, that of its API key."""
    name: str | None
    """Name of the user, the API key or the schedule. Null if it has been deleted."""


class RunCountView(View):
    """How many runs match a filter."""

    count: int | None
    """At most 10,000. Null if they were not counted."""
    has_more: bool
    """Whether there may be more: the server counts a limited number of runs."""


class RunView(View):
    """A run without its steps."""

    id: UUID
    pipeline_id: UUID
    pipeline_version: int
    """Of a draft: the number under which `GET /api/pipelines/ID/versions/N` shows its text."""
    is_draft: bool
    """Whether it executes a draft. Such runs send no deliveries, and usage does not count them in `runs`."""
    only_step: str | None
    """The only step that it executes. Null: all steps."""
    pipeline_name: str
    pipeline_tags: list[str]
    trigger_type: TriggerType
    caller: CallerView | None
    """Null for runs of earlier versions of stepIQ."""
    status: RunStatus
    input_data: Json
    output: Json
    """Null in lists if it is larger than 64 KiB: read the run instead."""
    output_is_large: bool
    error: Json
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    total_tokens: int
    cost_usd_micros: int
    """Steps whose model has no known price count as 0."""
    cost_complete: bool
    """False if the price of a model is unknown."""
    failed_steps: int
    """Of a completed run: the steps and branches that failed, although the run went on."""
    credits_used: float
    """One credit is 1,000 tokens of models that the server pays for."""
    retry_of: UUID | None
    """The original run, if this run is a retry."""
    reused: ReusedView | None
    created_at: Timestamp
    started_at: Timestamp | None
    completed_at: Timestamp | None


class RunDetail(RunView):
    """A run with its steps in the order of execution. Steps that did not start are not included."""

    steps: list[StepView]


class RunBrief(View):
    """A run as a key without the scope `pipelines:read` sees it."""

    id: UUID
    status: RunStatus


class RunLink(StrictModel):
    """A request to see a run with the link from an email."""

    token: Annotated[str, Field(max_length=256)]
    """The part of the link after `#`."""


class LinkedStep(View):
    """One execution of a step, without its input and output."""

    step_id: str
    iteration: int
    branch: str
    status: StepStatus
    error: Json
    duration_ms: int | None


class LinkedRun(View):
    """A run for the holder of a link, without inputs, prompts and outputs."""

    id: UUID
    pipeline_name: str
    pipeline_version: int
    status: RunStatus
    error: Json
    created_at: Timestamp
    started_at: Timestamp | None
    completed_at: Timestamp | None
    steps: list[LinkedStep]
    """Up to 200 steps, in the order of execution. Of steps in branches, only those that failed."""
    more_steps: bool
    """Whether there are more steps."""
    link_expires_at: Timestamp


class EventView(View):
    """One event of a run's log, as its stream sent it."""

    seq: int
    type: str
    data: dict[str, Json]


def run_view(run: Run, *, with_data: bool = True) -> RunView:
    """A run as lists show it. Without data, `input_data` and `output` are null."""
    view = RunView(**_fields(run))
    return view if with_data else view.model_copy(update={"input_data": None, "output": None})


def run_detail(run: Run) -> RunDetail:
    """A run as it is shown by itself."""
    return RunDetail(**_fields(run), steps=[step_view(step) for step in run.steps])


def view_for(actor: Actor, run: Run) -> RunView | RunBrief:
    """The answer to a command that changed a run. The caller may have no right to read runs."""
    return run_view(run) if Scope.PIPELINES_READ in actor.scopes else brief(run)


def brief(run: Run) -> RunBrief:
    """A run for a caller without the right to read runs."""
    return RunBrief(id=run.id, status=run.status)


def _fields(run: Run) -> dict[str, Any]:
    shown = {name: getattr(run, name) for name in RunView.model_fields if hasattr(run, name)}
    return {
        **shown,
        "total_tokens": run.input_tokens + run.output_tokens,
        "reused": None if run.reused is None else ReusedView(**run.reused),
        "credits_used": run.credit_tokens / _TOKENS_PER_CREDIT,
    }


def step_view(step: StepRecord) -> StepView:
    """One execution of a step."""
    return StepView(**step_fields(step))


def step_fields(step: StepRecord) -> dict[str, Any]:
    """The fields of a `StepView`."""
    parts = (step.meter, step)
    names = StepView.model_fields
    shown = {name: getattr(part, name) for part in parts for name in names if hasattr(part, name)}
    if isinstance(step.output, SerializedJson):
        shown["output"] = read_trusted(step.output)
    return {
        **shown,
        **cost_fields(step.meter),
        "duration_ms": duration_ms(step.started_at, step.completed_at),
    }


def cost_fields(of: HasCost) -> dict[str, Any]:
    """The fields that show a cost, in total and by part."""
    if of.cost is None:
        # Without tokens, the cost is zero whatever the price.
        total = 0 if of.input_tokens + of.output_tokens == 0 else None
        return {"cost_usd_micros": total, "cost_usd_micros_by_part": None}
    by_part = {name: of.cost.get(name, 0) for name in CostView.model_fields}
    return {
        "cost_usd_micros": sum(of.cost.values()),
        "cost_usd_micros_by_part": CostView(**by_part),
    }


def duration_ms(started_at: datetime | None, completed_at: datetime | None) -> int | None:
    """Milliseconds between two times; None if one of them is unknown."""
    if started_at is None or completed_at is None:
        return None
    return round((completed_at - started_at).total_seconds() * 1000)


def linked_run(run: Outline, link_expires_at: datetime) -> LinkedRun:
    """A run as the holder of a link sees it."""
    names = LinkedRun.model_fields.keys() - {"steps", "link_expires_at"}
    shown: dict[str, Any] = {name: getattr(run, name) for name in names}
    steps = [_linked_step(step) for step in run.steps]
    return LinkedRun(**shown, steps=steps, link_expires_at=link_expires_at)


def _linked_step(step: StepOutline) -> LinkedStep:
    return LinkedStep(
        step_id=step.step_id,
        iteration=step.iteration,
        branch=step.branch,
        status=step.status,
        error=step.error,
        duration_ms=duration_ms(step.started_at, step.completed_at),
    )


def event_view(run_id: UUID, event: LoggedEvent) -> EventView:
    """An event of the log, its data as the stream sends it."""
    return EventView(seq=event.seq, type=event.type, data=event.shown(run_id))
