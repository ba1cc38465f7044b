"""The route that runs drafts."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Response
from pydantic import Field

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.errors import MemberRequired, ScopeMissing
from stepiq.accounts.http import needs, require_scope
from stepiq.core.errors import StepIQError
from stepiq.execution.admission.pinning import StepRunInvalid
from stepiq.execution.limits.quotas import PlanBytesExceeded, PlanVersionsExceeded
from stepiq.execution.limits.runs import PlanCreditsExhausted, PlanRunsExhausted, QueueFull
from stepiq.language import offload
from stepiq.language.definitions.inputs import InputInvalid
from stepiq.language.definitions.loading import QUICK_BYTES, Loaded, load
from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines.drafts.endpoints import Format, Text
from stepiq.pipelines.drafts.service import DraftNotFound
from stepiq.pipelines.endpoints import RulesDep
from stepiq.pipelines.errors import DefinitionInvalid, DefinitionMalformed, PipelineNotFound
from stepiq.pipelines.records import Draft
from stepiq.pipelines.references import Reference, id_of
from stepiq.runs import recorded
from stepiq.runs import schemas as run_schemas
from stepiq.runs import service as runs
from stepiq.runs.draft_runs import service
from stepiq.runs.errors import RunNotFound
from stepiq.runs.examining import examine
from stepiq.runs.schemas import INPUT_NAMES
from stepiq.web.bodies import FROM_TEXT, StrictModel
from stepiq.web.bodies import router as new_router
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep
from stepiq.web.transactions import OwnTx


class DraftRunRequest(StrictModel):
    """The text to run, and its input. With `step_id`, only that step is executed."""

    other_names = INPUT_NAMES

    pipeline_id: Reference | None = None
    """Id or slug of the pipeline that is edited. Null: the text belongs to no pipeline."""
    text: Text | None = None
    """The definition. Default: your draft of the pipeline."""
    format: Format = SourceFormat.YAML
    """Format of `text`."""
    input_data: dict[str, Any] | None = None
    """Must match the `input.schema` of the text. Default: the input of `from_run`, else an empty object. `input` is another
    name."""
    step_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """The only step to execute. If it is inside a `parallel`, the whole `parallel` is executed."""
    outputs: dict[str, Any] | None = None
    """With `step_id`: outputs of other steps, by step id."""
    from_run: Annotated[UUID | None, FROM_TEXT] = None
    """With `step_id`: a run of the same pipeline that has the outputs of the other steps. `outputs` replace them."""


router = new_router("Drafts")

Executor = Annotated[Actor, needs(Scope.PIPELINES_EXECUTE)]


@router.post(
    "/runs/draft",
    status_code=202,
    dependencies=[needs(Scope.PIPELINES_WRITE)],
    response_model=run_schemas.RunView | run_schemas.RunBrief,
    responses=problems(
        DefinitionMalformed,
        DefinitionInvalid,
        StepRunInvalid,
        InputInvalid,
        PipelineNotFound,
        DraftNotFound,
        RunNotFound,
        PlanVersionsExceeded,
        PlanBytesExceeded,
        PlanRunsExhausted,
        PlanCreditsExhausted,
        QueueFull,
        ScopeMissing,
        MemberRequired,
    ),
)
async def run_draft(
    caller: Executor,
    services: ServicesDep,
    rules: RulesDep,
    own_tx: OwnTx,
    body: DraftRunRequest,
) -> Response:
    """Run a text, or one of its steps, without saving it.

    The run has the limits of any other, but sends no deliveries. `is_draft` is true. `from_run` and a stored draft also need
    `pipelines:read`.
    """
    # The step can return everything that it gets from that run, and errors quote the draft.
    if body.from_run is not None or body.text is None:
        require_scope(caller, Scope.PIPELINES_READ)
    step = _step(body)
    try:
        async with services.database.reading() as read:
            pipeline_id = await id_of(read, caller, body.pipeline_id)
            text, source_format = body.text, body.format
            if text is None:
                text, source_format = await service.stored_text(read, caller, pipeline_id)
    except StepIQError as error:
        await own_tx.refuse(error)
    draft = Draft(await _loaded(text, source_format), text, source_format)
    examined = await examine(
        services.database,
        partial(
            service.to_validate, actor=caller, draft=draft, input_data=body.input_data, step=step
        ),
    )
    async with own_tx() as tx:
        prepared = await service.prepare(
            tx,
            caller,
            pipeline_id,
            draft,
            engine=services.engine,
            plan=services.plans.get(caller.plan),
            rules=rules,
            input_data=body.input_data,
            step=step,
            examined=examined,
        )
        await recorded.started(tx, caller, prepared.run)
        view = run_schemas.view_for(caller, prepared.run)
        accepted = await own_tx.answer(view, 202, is_limited=False)
        await runs.accept(tx, prepared, engine=services.engine)
    return accepted


def _step(body: DraftRunRequest) -> service.StepWanted | None:
    if body.step_id is not None:
        return service.StepWanted(body.step_id, body.outputs or {}, body.from_run)
    if body.outputs is not None or body.from_run is not None:
        raise service.step_missing()
    return None


async def _loaded(text: str, source_format: SourceFormat) -> Loaded:
    if len(text) <= QUICK_BYTES:
        return load(text, source_format)
    return await offload.compute(load, text, source_format)
