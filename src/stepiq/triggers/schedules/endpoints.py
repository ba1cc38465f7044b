"""Routes of schedules."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.authentication import current_rights
from stepiq.accounts.errors import CredentialInvalid, EmailUnverified, ScopeMissing
from stepiq.accounts.http import needs
from stepiq.billing.errors import PlanCronDisabled
from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.execution.limits.plans import Plan
from stepiq.execution.limits.quotas import PlanSchedulesExceeded
from stepiq.execution.limits.runs import PlanCreditsExhausted, PlanRunsExhausted, QueueFull
from stepiq.language.definitions.inputs import InputInvalid
from stepiq.language.schedules import cron, descriptions
from stepiq.language.schedules.cron import CronInvalid, TimezoneUnknown
from stepiq.pipelines import service as pipelines
from stepiq.pipelines.errors import PipelineArchived, PipelineNotFound, PipelinePaused
from stepiq.runs import service as runs
from stepiq.runs.examining import Examined, examine
from stepiq.runs.schemas import RunBrief, RunView, view_for
from stepiq.store.database import Session
from stepiq.triggers.schedules import queries, schemas, service
from stepiq.triggers.schedules.errors import (
    ScheduleNotFound,
    ScheduleOfDefinition,
    TooManySchedules,
)
from stepiq.triggers.schedules.records import ListedSchedule
from stepiq.web.bodies import Instant
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import MAX_LIMIT, Page, PageQuery, PageRequest
from stepiq.web.problems import problems
from stepiq.web.routing import PipelineFilter
from stepiq.web.services import Services, ServicesDep
from stepiq.web.transactions import OwnTx, Read, RepeatableTx, Tx

router = new_router("Schedules")

Reader = Annotated[Actor, needs(Scope.PIPELINES_READ)]
Writer = Annotated[Actor, needs(Scope.PIPELINES_WRITE)]
_ALSO_READS = needs(Scope.PIPELINES_READ)
"""For routes of writers that return an input which the caller did not send."""
Executor = Annotated[Actor, needs(Scope.PIPELINES_EXECUTE)]


def _plan(services: Services, caller: Actor) -> Plan:
    return services.plans.get(caller.plan)


@router.get("/schedules", responses=problems(ScopeMissing))
async def list_all_schedules(
    caller: Reader,
    read: Read,
    page: PageQuery,
    pipeline_id: PipelineFilter,
    enabled: Annotated[
        bool | None, Query(description="Only schedules that are enabled, or only disabled ones.")
    ] = None,
) -> Page[schemas.ListedScheduleView]:
    """Schedules of all pipelines, newest first."""
    page, rows = await _listed(read, caller, page, pipeline_id=pipeline_id, enabled=enabled)
    return page.page(rows, schemas.ListedScheduleView.model_validate, lambda row: row.id)


async def _listed(
    read: Session,
    caller: Actor,
    page: PageRequest,
    *,
    pipeline_id: UUID | None,
    enabled: bool | None,
) -> tuple[PageRequest, list[ListedSchedule]]:
    """The rows of a page that are not too large together, and the page with its new limit."""
    statement = queries.page_statement(
        caller.workspace_id,
        pipeline_id=pipeline_id,
        enabled=enabled,
        before=page.before,
        limit=page.limit,
    )
    page = page.fitting(await queries.sizes(read, statement))
    return page, await queries.page(read, statement.limit(page.fetch))


@router.get("/schedules/upcoming", responses=problems(ScopeMissing))
async def list_upcoming(
    caller: Reader,
    services: ServicesDep,
    read: Read,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Maximum number of entries.")] = 20,
    until: Annotated[Instant | None, Query(description="End of the period.")] = None,
) -> Page[schemas.UpcomingView]:
    """The next runs of all schedules of the workspace, soonest first.

    A schedule has an entry for each time that it fires. There is only one page: use a later `until` or a larger `limit`.
    """
    ticks = await service.upcoming(
        read, caller, plan=_plan(services, caller), limit=limit, until=until
    )
    return Page(
        data=[schemas.UpcomingView.model_validate(tick) for tick in ticks], next_cursor=None
    )


@router.get("/schedules/density", responses=problems(ScopeMissing))
async def get_density(
    caller: Reader,
    services: ServicesDep,
    pipeline_id: PipelineFilter,
    start: Annotated[
        Instant | None, Query(alias="from", description="Start of the first hour. Default: now.")
    ] = None,
    hours: Annotated[int, Query(ge=1, le=200, description="Number of hours.")] = 168,
) -> schemas.DensityView:
    """How many runs the schedules of the workspace will start in each hour. Past times do not count."""
    found = await service.density(
        services.database,
        caller,
        plan=_plan(services, caller),
        start=clock.now() if start is None else start,
        hours=hours,
        pipeline_id=pipeline_id,
    )
    return schemas.DensityView.model_validate(found)


@router.post("/schedules/preview", responses=problems(CronInvalid, TimezoneUnknown, ScopeMissing))
async def preview_schedule(_caller: Reader, body: schemas.PreviewRequest) -> schemas.PreviewView:
    """When an expression fires next, in words and times."""
    after = clock.now() if body.after is None else body.after
    found = cron.firings(body.cron_expression, body.timezone, after, body.count)
    return schemas.PreviewView(
        description=descriptions.describe(body.cron_expression),
        timezone=body.timezone,
        next=[
            schemas.FiringView(run_at=each.run_at, local=each.local.isoformat(), note=each.note)
            for each in found
        ],
    )


@router.get(
    "/pipelines/{pipeline_id}/schedules", responses=problems(PipelineNotFound, ScopeMissing)
)
async def list_schedules(
    caller: Reader, read: Read, page: PageQuery, pipeline_id: UUID
) -> Page[schemas.ScheduleView]:
    """Schedules of a pipeline, newest first."""
    await pipelines.get(read, caller, pipeline_id)
    page, rows = await _listed(read, caller, page, pipeline_id=pipeline_id, enabled=None)
    return page.page(rows, schemas.ScheduleView.model_validate, lambda row: row.id)


@router.post(
    "/pipelines/{pipeline_id}/schedules",
    status_code=201,
    response_model=schemas.ScheduleView,
    responses=problems(
        PipelineNotFound,
        PipelineArchived,
        PlanCronDisabled,
        PlanSchedulesExceeded,
        CronInvalid,
        TimezoneUnknown,
        InputInvalid,
        TooManySchedules,
        EmailUnverified,
        CredentialInvalid,
        ScopeMissing,
    ),
)
async def create_schedule(
    caller: Writer,
    services: ServicesDep,
    own_tx: OwnTx,
    pipeline_id: UUID,
    body: schemas.ScheduleRequest,
) -> Response:
    """Create a schedule for a pipeline."""
    input_data = body.input_data or {}
    examined = await examine(
        services.database,
        partial(
            runs.to_validate,
            actor=caller,
            pipeline_id=pipeline_id,
            engine=services.engine,
            input_data=input_data,
        ),
    )
    async with own_tx() as tx:
        await current_rights.require_verified(tx, services.settings, caller)
        schedule = await service.create(
            tx,
            caller,
            pipeline_id,
            engine=services.engine,
            plan=_plan(services, caller),
            name=body.name,
            cron_expression=body.cron_expression,
            timezone=body.timezone,
            input_data=input_data,
            enabled=body.enabled,
            overlap=body.overlap,
            catch_up=body.catch_up,
            examined=examined,
        )
        return await own_tx.answer(schemas.ScheduleView.model_validate(schedule), 201)


@router.get("/schedules/{schedule_id}", responses=problems(ScheduleNotFound, ScopeMissing))
async def get_schedule(caller: Reader, read: Read, schedule_id: UUID) -> schemas.ScheduleView:
    """One schedule."""
    return schemas.ScheduleView.model_validate(await service.get(read, caller, schedule_id))


@router.patch(
    "/schedules/{schedule_id}",
    dependencies=[_ALSO_READS],
    responses=problems(
        ScheduleNotFound,
        ScheduleOfDefinition,
        PlanCronDisabled,
        CronInvalid,
        TimezoneUnknown,
        InputInvalid,
        EmailUnverified,
        CredentialInvalid,
        ScopeMissing,
    ),
)
async def update_schedule(
    caller: Writer,
    services: ServicesDep,
    own_tx: OwnTx,
    schedule_id: UUID,
    body: schemas.SchedulePatch,
) -> schemas.ScheduleView:
    """Change a schedule. If its times change, it next fires at the first new time from now on."""
    examined = None
    if body.input_data is not None:
        examined = await _examined(services, caller, schedule_id, body.input_data)
    async with own_tx() as tx:
        return await _patch(tx, caller, services, schedule_id, body, examined)


@router.delete(
    "/schedules/{schedule_id}",
    responses=problems(ScheduleNotFound, ScheduleOfDefinition, ScopeMissing),
)
async def delete_schedule(caller: Writer, tx: Tx, schedule_id: UUID) -> schemas.DeletedScheduleView:
    """Delete a schedule and the results of its ticks. Its runs remain, and active ones continue."""
    await service.delete(tx, caller, schedule_id)
    return schemas.DeletedScheduleView(id=schedule_id)


@router.post(
    "/schedules/{schedule_id}/enable",
    dependencies=[_ALSO_READS],
    responses=problems(
        ScheduleNotFound, PlanCronDisabled, EmailUnverified, CredentialInvalid, ScopeMissing
    ),
)
async def enable_schedule(
    caller: Writer, services: ServicesDep, tx: RepeatableTx, schedule_id: UUID
) -> schemas.ScheduleView:
    """Enable a schedule from its next time on. Ticks missed while it was disabled are not made up for."""
    return await _patch(tx, caller, services, schedule_id, schemas.SchedulePatch(enabled=True))


@router.post(
    "/schedules/{schedule_id}/disable",
    dependencies=[_ALSO_READS],
    responses=problems(ScheduleNotFound, ScopeMissing),
)
async def disable_schedule(
    caller: Writer, services: ServicesDep, tx: RepeatableTx, schedule_id: UUID
) -> schemas.ScheduleView:
    """Disable a schedule. Its active runs continue."""
    return await _patch(tx, caller, services, schedule_id, schemas.SchedulePatch(enabled=False))


@router.post(
    "/schedules/{schedule_id}/run-now",
    status_code=202,
    response_model=RunView | RunBrief,
    responses=problems(
        ScheduleNotFound,
        PipelineNotFound,
        PipelinePaused,
        InputInvalid,
        PlanRunsExhausted,
        PlanCreditsExhausted,
        QueueFull,
        ScopeMissing,
    ),
)
async def run_schedule_now(
    caller: Executor, services: ServicesDep, own_tx: OwnTx, schedule_id: UUID
) -> Response:
    """Start a run with the schedule's input now, even if it is disabled. The caller counts as its trigger."""
    examined = await _examined(services, caller, schedule_id)
    async with own_tx() as tx:
        run = await service.run_now(
            tx,
            caller,
            schedule_id,
            engine=services.engine,
            plan=_plan(services, caller),
            examined=examined,
        )
        return await own_tx.answer(view_for(caller, run), 202, is_limited=False)


@router.get("/schedules/{schedule_id}/ticks", responses=problems(ScheduleNotFound, ScopeMissing))
async def list_ticks(
    caller: Reader, read: Read, page: PageQuery, schedule_id: UUID
) -> Page[schemas.TickView]:
    """The results of a schedule's ticks in the last 30 days."""
    await service.get(read, caller, schedule_id)
    before = None if page.before is None else queries.tick_moment(page.before)
    rows = await queries.ticks(read, schedule_id, before=before, limit=page.fetch)
    return page.page(rows, schemas.TickView.model_validate, queries.tick_key)


async def _examined(
    services: Services,
    caller: Actor,
    schedule_id: UUID,
    input_data: dict[str, Json] | None = None,
) -> Examined | None:
    find = partial(
        service.to_validate,
        actor=caller,
        schedule_id=schedule_id,
        engine=services.engine,
        input_data=input_data,
    )
    return await examine(services.database, find)


async def _patch(
    tx: Tx,
    caller: Actor,
    services: Services,
    schedule_id: UUID,
    body: schemas.SchedulePatch,
    examined: Examined | None = None,
) -> schemas.ScheduleView:
    if body.enabled is not False:
        await current_rights.require_verified(tx, services.settings, caller)
    changed = await service.patch(
        tx,
        caller,
        schedule_id,
        engine=services.engine,
        plan=_plan(services, caller),
        changes={name: value for name, value in body if value is not None},
        examined=examined,
    )
    return schemas.ScheduleView.model_validate(changed)
