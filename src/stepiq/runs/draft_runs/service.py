"""Prepares runs of drafts."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.accounts.errors import MemberRequired
from stepiq.core import ids
from stepiq.core.errors import Issue
from stepiq.core.json import Json
from stepiq.execution.admission.pinning import StepRunInvalid
from stepiq.execution.limits.plans import Plan
from stepiq.execution.records.run import NOTHING
from stepiq.execution.runtime import Engine
from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines import service as pipelines
from stepiq.pipelines.drafts import service as drafts
from stepiq.pipelines.drafts.service import DraftNotFound
from stepiq.pipelines.records import Draft
from stepiq.pipelines.service import Rules
from stepiq.runs import examining
from stepiq.runs import service as runs
from stepiq.runs.errors import RunNotFound
from stepiq.runs.examining import Examined, Unvalidated
from stepiq.runs.records import Prepared
from stepiq.store.database import Session
from stepiq.web import requests


@dataclass(frozen=True, slots=True)
class StepWanted:
    """The only step to execute, and the outputs of the others."""

    step_id: str
    outputs: Mapping[str, Json]
    from_run: UUID | None


def step_missing() -> StepRunInvalid:
    """The error if outputs of steps are given, but all steps are to be executed."""
    message = "`outputs` and `from_run` need `step_id`, the only step to execute."
    return StepRunInvalid(Issue("step_id", "missing", message))


async def stored_text(
    session: Session, actor: Actor, pipeline_id: UUID | None
) -> tuple[str, SourceFormat]:
    """The text of the actor's draft of a pipeline.

    Raises:
        DraftNotFound: the actor has none.
        StepRunInvalid: no pipeline is given.
        MemberRequired: the actor is a service key, which has no drafts.
    """
    if actor.role is None:
        raise MemberRequired
    if pipeline_id is None:
        message = "Send `text`, or the `pipeline_id` of your draft."
        raise StepRunInvalid(Issue("text", "missing", message))
    found = await drafts.find(session, actor, pipeline_id)
    if found is None:
        raise DraftNotFound(pipeline_id)
    return found.text, found.source_format


async def to_validate(
    session: Session,
    actor: Actor,
    draft: Draft,
    *,
    input_data: dict[str, Json] | None,
    step: StepWanted | None,
) -> Unvalidated | None:
    """What `prepare` validates, for `examining.examine`. None if the text has no definition.

    Raises:
        RunNotFound: the workspace has no such run.
    """
    definition = draft.loaded.definition
    if definition is None:
        return None
    if input_data is None and step is not None and step.from_run is not None:
        input_data = (await runs.get(session, actor, step.from_run)).input_data
    return Unvalidated(definition, input_data or {}, {} if step is None else step.outputs)


async def prepare(
    session: Session,
    actor: Actor,
    pipeline_id: UUID | None,
    draft: Draft,
    *,
    engine: Engine,
    plan: Plan,
    rules: Rules,
    input_data: dict[str, Json] | None,
    step: StepWanted | None,
    examined: Examined | None = None,
) -> Prepared:
    """Prepare a run of a text that is not a version.

    `examined` belongs to the same request. It is used as in `examining.valid_input`.

    Raises:
        PipelineNotFound: the workspace has no such pipeline, or it is archived.
        RunNotFound: the pipeline has no such earlier run.
        StepRunInvalid: the step cannot be executed alone with these outputs.
        InputInvalid: the input does not match the schema of the text.
        PlanVersionsExceeded, PlanBytesExceeded: the text is new, and the plan does not allow another version, or one of this size.
        StepIQError: the text cannot be saved, as for `pipelines.service.accept`.
    """
    definition, _ = await pipelines.accept(session, actor, draft, rules, pipeline_id)
    target = await drafts.keep_version(session, actor, plan, pipeline_id, draft)
    only_step, reuse = None, NOTHING
    if step is not None:
        if step.from_run is not None:
            earlier = await runs.get(session, actor, step.from_run)
            if earlier.pipeline_id != target.id:
                raise RunNotFound(step.from_run)
            input_data = earlier.input_data if input_data is None else input_data
        checked = examining.checked_outputs(definition, examined)
        only_step, reuse = await engine.plan_step(
            session, step.from_run, definition, step.step_id, step.outputs, checked
        )
    new = await runs.new_run(
        session,
        ids.uuid7(),
        definition,
        engine=engine,
        plan=plan,
        workspace_id=actor.workspace_id,
        pipeline_id=target.id,
        version=target.version,
        trigger=runs.trigger_type(actor),
        input_data=await examining.valid_input(definition, input_data or {}, examined),
        caller=runs.caller_of(actor),
        reuse=reuse,
        only_step=only_step,
        parent=requests.trace_parent(),
    )
    return await runs.with_view(session, new)
