"""Operations on runs."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from stepiq.accounts.actor import Actor, Credential
from stepiq.accounts.secrets import service as secrets
from stepiq.core import ids
from stepiq.core.json import Json
from stepiq.core.observability.trace_context import TraceParent
from stepiq.execution.admission.statements import lock_run
from stepiq.execution.definitions import VersionNotFound
from stepiq.execution.limits.plans import Plan
from stepiq.execution.records.run import NOTHING, NewRun, Reuse, RunCaller
from stepiq.execution.runtime import Engine
from stepiq.language.definitions.compiled import Definition
from stepiq.pipelines import pausing
from stepiq.pipelines import service as pipelines
from stepiq.pipelines.drafts import service as drafts
from stepiq.pipelines.records import Target
from stepiq.runs import examining, queries
from stepiq.runs.errors import (
    RunAlreadyFinished,
    RunLinkInvalid,
    RunNotFinished,
    RunNotFound,
)
from stepiq.runs.examining import Examined, Unvalidated
from stepiq.runs.records import Outline, Prepared, Progress, Run, RunRetry
from stepiq.store.database import Database, Session
from stepiq.store.states import CallerType, TriggerType, is_draft_version
from stepiq.web import requests

_LINKED_STEPS = 200
"""Maximum number of steps shown to the holder of a link."""


@dataclass(frozen=True, slots=True)
class Payment:
    """Who pays for the models of a run."""

    spends_credits: bool
    """Whether it may call a model that the server pays for."""
    own_keys: frozenset[str]
    """Names of the secrets that hold the workspace's own provider keys."""


def trigger_type(actor: Actor) -> TriggerType:
    """The trigger type of a run that this caller starts: `manual` for a session, `api` for an API key."""
    return TriggerType.MANUAL if actor.credential is Credential.SESSION else TriggerType.API


def caller_of(actor: Actor) -> RunCaller:
    """What starts a run, for a run that this caller starts."""
    if actor.credential is Credential.SESSION:
        return RunCaller(CallerType.USER, actor.user_id)
    return RunCaller(CallerType.API_KEY, actor.key_id)


async def new_run(
    session: Session,
    run_id: UUID,
    definition: Definition,
    *,
    engine: Engine,
    plan: Plan,
    workspace_id: UUID,
    pipeline_id: UUID,
    version: int,
    trigger: TriggerType,
    input_data: dict[str, Json],
    caller: RunCaller,
    schedule_id: UUID | None = None,
    retry_of: UUID | None = None,
    reuse: Reuse = NOTHING,
    only_step: str | None = None,
    parent: TraceParent | None = None,
) -> NewRun:
    """Build a run to accept. The caller has validated the input."""
    paid = await payment(session, definition, workspace_id, pipeline_id, engine=engine)
    return NewRun(
        id=run_id,
        workspace_id=workspace_id,
        pipeline_id=pipeline_id,
        pipeline_version=version,
        trigger_type=trigger,
        input_data=input_data,
        timeout=definition.timeout,
        plan=plan,
        spends_credits=paid.spends_credits,
        own_keys=paid.own_keys,
        caller=caller,
        retry_of=retry_of,
        schedule_id=schedule_id,
        reuse=reuse,
        only_step=only_step,
        parent=parent,
    )


async def payment(
    session: Session,
    definition: Definition,
    workspace_id: UUID,
    pipeline_id: UUID,
    *,
    engine: Engine,
) -> Payment:
    """Who pays for the models of a run that starts now."""
    if not engine.spends_credits(definition):
        # The account's keys matter only if the server would pay for a model.
        return Payment(spends_credits=False, own_keys=frozenset())
    own_keys = await secrets.stored_names(session, workspace_id, engine.key_names, pipeline_id)
    return Payment(engine.spends_credits(definition, own_keys), own_keys)


async def to_validate(
    session: Session,
    actor: Actor,
    pipeline_id: UUID,
    *,
    engine: Engine,
    input_data: dict[str, Json],
    version: int | None = None,
) -> Unvalidated:
    """The input of a pipeline and the version that validates it: by default, the newest one. For `examining.examine`.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline.
        VersionNotFound: the pipeline has no such version.
    """
    pipeline = await pipelines.get(session, actor, pipeline_id)
    number = pipeline.version if version is None else version
    return Unvalidated(await engine.definitions.get(session, pipeline_id, number), input_data)


async def prepare(
    session: Session,
    actor: Actor,
    pipeline_id: UUID,
    *,
    engine: Engine,
    plan: Plan,
    input_data: dict[str, Json],
    version: int | None,
    examined: Examined | None = None,
) -> Prepared:
    """Prepare a run of a pipeline. `examined` is used as in `prepare_target`.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline, or it is archived.
        PipelinePaused: it is paused.
        VersionNotFound, InputInvalid: as for `prepare_target`.
    """
    target = await pausing.runnable(session, actor, pipeline_id)
    if version is not None and is_draft_version(version):
        raise VersionNotFound(pipeline_id, version)
    return await prepare_target(
        session,
        actor,
        target,
        engine=engine,
        plan=plan,
        input_data=input_data,
        version=version,
        examined=examined,
    )


async def prepare_target(
    session: Session,
    actor: Actor,
    target: Target,
    *,
    engine: Engine,
    plan: Plan,
    input_data: dict[str, Json],
    version: int | None = None,
    schedule_id: UUID | None = None,
    examined: Examined | None = None,
) -> Prepared:
    """Prepare a run of a pipeline that the caller has locked.

    `examined` is used as in `examining.valid_input`.

    Raises:
        VersionNotFound: the pipeline has no such version.
        InputInvalid: the input does not match the pipeline's schema; one issue per field.
    """
    number = target.version if version is None else version
    definition = await engine.definitions.get(session, target.id, number)
    new = await new_run(
        session,
        ids.uuid7(),
        definition,
        engine=engine,
        plan=plan,
        workspace_id=actor.workspace_id,
        pipeline_id=target.id,
        version=number,
        trigger=trigger_type(actor),
        input_data=await examining.valid_input(definition, input_data, examined),
        caller=caller_of(actor),
        schedule_id=schedule_id,
        parent=requests.trace_parent(),
    )
    return await with_view(session, new)


async def prepare_retry(
    session: Session,
    actor: Actor,
    run_id: UUID,
    wanted: RunRetry,
    *,
    engine: Engine,
    plan: Plan,
    examined: Examined | None = None,
) -> Prepared:
    """Prepare a run that repeats another one, from its start or from one of its steps.

    `examined` belongs to the same request. It is used as in `examining.valid_input`.

    Raises:
        RunNotFound: the actor's workspace has no such run.
        RunNotFinished: it has not ended yet.
        PipelineNotFound: its pipeline is archived.
        PipelinePaused: its pipeline is paused.
        RetryInvalid: it cannot be repeated from that step.
        StepRunInvalid: it is a run of one step, which the version does not have, or which cannot use these outputs.
        InputInvalid: the input does not match the version's schema.
    """
    earlier = await _ended(session, actor, run_id)
    target = await _target_of_retry(session, actor, earlier, wanted)
    version = target.version if wanted.latest_version else earlier.pipeline_version
    definition = await engine.definitions.get(session, target.id, version)
    input_data = _input_of_retry(earlier, wanted)
    checked = examining.checked_outputs(definition, examined)
    if earlier.only_step is not None:
        only_step, reuse = await engine.plan_step(
            session, run_id, definition, earlier.only_step, wanted.outputs, checked
        )
    else:
        only_step = None
        reuse = await engine.plan_retry(
            session,
            run_id,
            earlier.error,
            definition,
            start=wanted.start,
            outputs=wanted.outputs,
            checked=checked,
        )
    new = await new_run(
        session,
        ids.uuid7(),
        definition,
        engine=engine,
        plan=plan,
        workspace_id=actor.workspace_id,
        pipeline_id=target.id,
        version=version,
        trigger=TriggerType.RETRY,
        input_data=await examining.valid_input(definition, input_data, examined),
        caller=caller_of(actor),
        retry_of=run_id,
        reuse=reuse,
        only_step=only_step,
        parent=requests.trace_parent(),
    )
    return await with_view(session, new)


async def retry_to_validate(
    session: Session, actor: Actor, run_id: UUID, wanted: RunRetry, *, engine: Engine
) -> Unvalidated:
    """What `prepare_retry` validates, for `examining.examine`.

    Raises:
        RunNotFound, RunNotFinished, PipelineNotFound: as for `prepare_retry`.
    """
    earlier = await _ended(session, actor, run_id)
    version = earlier.pipeline_version
    if wanted.latest_version:
        version = (await pipelines.get(session, actor, earlier.pipeline_id)).version
    definition = await engine.definitions.get(session, earlier.pipeline_id, version)
    return Unvalidated(definition, _input_of_retry(earlier, wanted), wanted.outputs)


async def _ended(session: Session, actor: Actor, run_id: UUID) -> Run:
    run = await get(session, actor, run_id)
    if not run.status.is_final:
        raise RunNotFinished(run_id, run.status)
    return run


def _input_of_retry(earlier: Run, wanted: RunRetry) -> dict[str, Json]:
    return earlier.input_data if wanted.input_data is None else wanted.input_data


async def _target_of_retry(
    session: Session, actor: Actor, earlier: Run, wanted: RunRetry
) -> Target:
    if earlier.is_draft and not wanted.latest_version:
        unsaved = await drafts.unsaved(session, actor, earlier.pipeline_id)
        if unsaved is not None:
            return unsaved
    return await pausing.runnable(session, actor, earlier.pipeline_id)


async def with_view(session: Session, new: NewRun) -> Prepared:
    """A run that the caller has validated, with what is shown of it."""
    return Prepared(new, await queries.when_accepted(session, new))


async def accept(session: Session, run: Prepared, *, engine: Engine) -> None:
    """Accept a run. It starts within milliseconds of the commit, or when the plan has a free slot.

    Call it last: until the transaction ends, no other run of the workspace can start or end.

    Raises:
        VersionNotFound: the version was deleted after it had been read.
        PlanRunsExhausted, PlanCreditsExhausted, QueueFull: the plan allows no more.
    """
    await engine.accept(session, run.new)


async def progress(session: Session, actor: Actor, run_id: UUID) -> Progress:
    """Status and last event number of a run. Much cheaper than `get`.

    Raises:
        RunNotFound: the actor's workspace has no such run.
    """
    found = await queries.progress(session, actor.workspace_id, run_id)
    if found is None:
        raise RunNotFound(run_id)
    return found


async def get(session: Session, actor: Actor, run_id: UUID) -> Run:
    """A run without its steps.

    Raises:
        RunNotFound: the actor's workspace has no such run.
    """
    run = await queries.find(session, actor.workspace_id, run_id)
    if run is None:
        raise RunNotFound(run_id)
    return run


async def read(database: Database, actor: Actor, run_id: UUID, *, urgent: bool = False) -> Run:
    """A run with its steps, whose outputs are JSON, in a transaction of its own. `urgent` as in `Database.reading`.

    Raises:
        RunNotFound: the actor's workspace has no such run.
    """
    async with database.reading(urgent=urgent) as session:
        run = await get(session, actor, run_id)
        found = await queries.steps(session, run_id)
    return replace(run, steps=queries.step_records(found))


async def cancel(session: Session, actor: Actor, run_id: UUID, *, engine: Engine) -> None:
    """Stop a run and abort the calls it has in flight. Recorded steps keep their results.

    Raises:
        RunNotFound: the actor's workspace has no such run.
        RunAlreadyFinished: the run has reached a final state.
    """
    status = await lock_run(session, actor.workspace_id, run_id)
    if status is None:
        raise RunNotFound(run_id)
    if status.is_final:
        raise RunAlreadyFinished(run_id, status)
    await engine.cancel(session, actor.workspace_id, run_id)


async def outline(session: Session, run_id: UUID) -> Outline:
    """The outline of a run, for the holder of a link. The workspace is not checked.

    Raises:
        RunLinkInvalid: the run has been deleted.
    """
    found = await queries.outline(session, run_id, limit=_LINKED_STEPS)
    if found is None:
        raise RunLinkInvalid
    return found


async def sweep(session: Session, now: datetime, *, kept: timedelta) -> int:
    """Delete a batch of runs that ended longer ago than `kept`, with all that belongs to them; returns the number of rows.

    A run with a pending delivery is kept until the delivery ends.
    """
    # The number of rows of a run grows with its events.
    return await queries.delete_ended(session, now - kept, runs_limit=100, events_limit=500)
