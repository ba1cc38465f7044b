"""Operations on schedules."""

import heapq
from dataclasses import replace
from datetime import MAXYEAR, datetime, timedelta
from typing import Any
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget
from stepiq.billing import service as billing
from stepiq.core import clock, ids
from stepiq.core.concurrency import pauses
from stepiq.core.errors import Issue
from stepiq.core.json import Json
from stepiq.execution.limits import quotas
from stepiq.execution.limits.plans import Plan
from stepiq.execution.limits.quotas import Quota
from stepiq.execution.runtime import Engine
from stepiq.language import offload
from stepiq.language.schedules import cron
from stepiq.language.schedules.cron import CronInvalid
from stepiq.pipelines import pausing
from stepiq.pipelines import service as pipelines
from stepiq.runs import examining
from stepiq.runs import recorded as run_records
from stepiq.runs import service as runs
from stepiq.runs.examining import Examined, Unvalidated
from stepiq.runs.records import Run
from stepiq.store.database import Database, Session
from stepiq.store.states import CatchUp, Overlap, PipelineStatus
from stepiq.triggers.schedules import queries
from stepiq.triggers.schedules.errors import (
    ScheduleNotFound,
    ScheduleOfDefinition,
    TooManySchedules,
)
from stepiq.triggers.schedules.records import (
    MAX_COUNTED,
    MAX_PER_PIPELINE,
    Density,
    HourlyRuns,
    Planned,
    Schedule,
    Upcoming,
)

_FIELDS = ("name", "cron_expression", "timezone", "enabled", "overlap", "catch_up")


async def record_created(session: Session, actor: Actor, schedule: Schedule) -> None:
    """Record a new schedule."""
    await audit.record(
        session, actor, Action.SCHEDULE_CREATED, _target(schedule), after=_facts(schedule)
    )


async def record_updated(session: Session, actor: Actor, before: Schedule, after: Schedule) -> None:
    """Record the changed fields of a schedule."""
    old, new = audit.changes(_facts(before), _facts(after))
    if before.input_data != after.input_data:
        new["input_changed"] = True
    if new:
        await audit.record(
            session, actor, Action.SCHEDULE_UPDATED, _target(after), before=old, after=new
        )


async def record_deleted(session: Session, actor: Actor, schedule: Schedule) -> None:
    """Record that a schedule was deleted."""
    await audit.record(
        session, actor, Action.SCHEDULE_DELETED, _target(schedule), before=_facts(schedule)
    )


def _target(schedule: Schedule) -> AuditTarget:
    return AuditTarget(AuditTargetType.SCHEDULE, schedule.id, schedule.name)


def _facts(schedule: Schedule) -> dict[str, Json]:
    facts: dict[str, Json] = {name: getattr(schedule, name) for name in _FIELDS}
    return {"pipeline_id": str(schedule.pipeline_id), **facts}


async def create(
    session: Session,
    actor: Actor,
    pipeline_id: UUID,
    *,
    engine: Engine,
    plan: Plan,
    name: str,
    cron_expression: str,
    timezone: str,
    input_data: dict[str, Json],
    enabled: bool,
    overlap: Overlap,
    catch_up: CatchUp,
    examined: Examined | None = None,
) -> Schedule:
    """Create a schedule of a pipeline. `examined` is used as in `examining.valid_input`.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline.
        PipelineArchived: it must be restored first.
        PlanCronDisabled: the plan has no schedules.
        CronInvalid, TimezoneUnknown: the expression or the timezone is not valid.
        InputInvalid: the input does not match the pipeline's schema; one issue per field.
        TooManySchedules: the pipeline has 10,000 schedules, the maximum.
        PlanSchedulesExceeded: the plan does not allow another schedule.
    """
    pipeline = await pipelines.lock_kept(session, actor, pipeline_id)
    billing.require_cron(plan)
    _check_time(cron_expression, timezone)
    definition = await engine.definitions.get(session, pipeline_id, pipeline.version)
    await examining.valid_input(definition, input_data, examined)
    if await queries.count(session, pipeline_id, MAX_PER_PIPELINE) == MAX_PER_PIPELINE:
        raise TooManySchedules(MAX_PER_PIPELINE)
    await quotas.require_room(session, actor.workspace_id, plan, Quota.SCHEDULES)
    now = clock.now()
    schedule = Schedule(
        id=ids.uuid7(),
        workspace_id=actor.workspace_id,
        pipeline_id=pipeline_id,
        created_by=actor.user_id,
        name=name,
        cron_expression=cron_expression,
        timezone=timezone,
        input_data=input_data,
        enabled=enabled,
        overlap=overlap,
        catch_up=catch_up,
        from_definition=False,
        next_run_at=None,
        last_run_at=None,
        created_at=now,
        updated_at=now,
    )
    schedule = replace(schedule, next_run_at=schedule.next_after(now))
    await queries.insert(session, schedule)
    await record_created(session, actor, schedule)
    return schedule


async def get(session: Session, actor: Actor, schedule_id: UUID) -> Schedule:
    """A schedule.

    Raises:
        ScheduleNotFound: the actor's workspace has no such schedule.
    """
    schedule = await queries.find(session, actor.workspace_id, schedule_id)
    if schedule is None:
        raise ScheduleNotFound(schedule_id)
    return schedule


async def patch(
    session: Session,
    actor: Actor,
    schedule_id: UUID,
    *,
    engine: Engine,
    plan: Plan,
    changes: dict[str, Any],
    examined: Examined | None = None,
) -> Schedule:
    """Change fields of a schedule. With a new time, it fires next at the first match from now on.

    `examined` is used as in `examining.valid_input`.

    Raises:
        ScheduleNotFound: the actor's workspace has no such schedule.
        ScheduleOfDefinition: the pipeline's definition sets when it fires.
        PlanCronDisabled: the change enables it, and the plan has no schedules.
        CronInvalid, TimezoneUnknown, InputInvalid: as for `create`.
    """
    found = await _lock(session, actor, schedule_id)
    changed = replace(found, **changes)
    if (changed.cron_expression, changed.timezone) != (found.cron_expression, found.timezone):
        if found.from_definition:
            raise ScheduleOfDefinition(schedule_id)
        _check_time(changed.cron_expression, changed.timezone)
    if changed.enabled and not found.enabled:
        billing.require_cron(plan)
    pipeline = await pipelines.get(session, actor, found.pipeline_id)
    if "input_data" in changes:
        definition = await engine.definitions.get(session, pipeline.id, pipeline.version)
        await examining.valid_input(definition, changed.input_data, examined)
    now = clock.now()
    changed = replace(changed, updated_at=now)
    if pipeline.status is not PipelineStatus.ARCHIVED and _timing(changed) != _timing(found):
        # Only if the timing has changed: a tick that is due now must not be skipped because of a new name.
        changed = replace(changed, next_run_at=changed.next_after(now))
    values = {key: getattr(changed, key) for key in (*changes, "next_run_at", "updated_at")}
    await queries.update(session, schedule_id, values)
    await record_updated(session, actor, found, changed)
    return changed


async def delete(session: Session, actor: Actor, schedule_id: UUID) -> None:
    """Delete a schedule and the outcomes of its ticks. Its runs are kept.

    Raises:
        ScheduleNotFound: the actor's workspace has no such schedule.
        ScheduleOfDefinition: it belongs to the pipeline's definition.
    """
    found = await _lock(session, actor, schedule_id)
    if found.from_definition:
        raise ScheduleOfDefinition(schedule_id)
    await queries.delete(session, schedule_id)
    await record_deleted(session, actor, found)


async def to_validate(
    session: Session,
    actor: Actor,
    schedule_id: UUID,
    *,
    engine: Engine,
    input_data: dict[str, Json] | None = None,
) -> Unvalidated:
    """The input of a schedule, or one for it, and the version that validates it. For `examining.examine`.

    Raises:
        ScheduleNotFound: the actor's workspace has no such schedule.
    """
    schedule = await get(session, actor, schedule_id)
    if input_data is None:
        input_data = schedule.input_data
    return await runs.to_validate(
        session, actor, schedule.pipeline_id, engine=engine, input_data=input_data
    )


async def run_now(
    session: Session,
    actor: Actor,
    schedule_id: UUID,
    *,
    engine: Engine,
    plan: Plan,
    examined: Examined | None = None,
) -> Run:
    """Start a run of a schedule now, with its input, whether it is enabled or not. Its next time does not change.

    `examined` is used as in `examining.valid_input`.

    Raises:
        ScheduleNotFound: the actor's workspace has no such schedule.
        PipelineNotFound: its pipeline is archived.
        PipelinePaused: its pipeline is paused.
        InputInvalid: its input does not match the pipeline's newest version.
        PlanRunsExhausted, PlanCreditsExhausted, QueueFull: the plan allows no more.
    """
    # The order of locks: saving and resuming lock a pipeline before its schedules, and tickers lock schedules before the
    # workspace, whose row the run changes.
    pipeline_id = (await get(session, actor, schedule_id)).pipeline_id
    target = await pausing.runnable(session, actor, pipeline_id)
    schedule = await _lock(session, actor, schedule_id)
    prepared = await runs.prepare_target(
        session,
        actor,
        target,
        engine=engine,
        plan=plan,
        input_data=schedule.input_data,
        schedule_id=schedule_id,
        examined=examined,
    )
    await queries.update(session, schedule_id, {"last_run_at": clock.now()})
    await run_records.started(session, actor, prepared.run, schedule_id=schedule_id)
    await runs.accept(session, prepared, engine=engine)
    return prepared.run


async def upcoming(
    session: Session, actor: Actor, *, plan: Plan, limit: int, until: datetime | None
) -> list[Upcoming]:
    """The next ticks of all schedules of the workspace, in order of time.

    Args:
        session: can be read-only.
        actor: the caller.
        plan: the workspace's plan. The result is empty if it has no schedules.
        limit: maximum number of ticks.
        until: the last moment to include; None for no end.
    """
    if not plan.cron:
        return []
    # The first `limit` ticks belong to the `limit` schedules that fire next: each of them has a tick as early.
    first = await queries.first_upcoming(session, actor.workspace_id, limit)
    waiting = [(schedule.next_run_at, number) for number, schedule in enumerate(first)]
    heapq.heapify(waiting)
    told: list[Upcoming] = []
    while waiting and len(told) < limit:
        moment, number = heapq.heappop(waiting)
        if until is not None and moment > until:
            break
        schedule = first[number]
        told.append(schedule.upcoming(moment))
        following = cron.next_after(schedule.cron_expression, schedule.timezone, moment)
        if following is not None:
            heapq.heappush(waiting, (following, number))
    return told


async def density(
    database: Database,
    actor: Actor,
    *,
    plan: Plan,
    start: datetime,
    hours: int,
    pipeline_id: UUID | None,
) -> Density:
    """How often schedules of the workspace fire in each hour of a period. The past does not count.

    At most `MAX_COUNTED` schedules are counted: those that fire next.

    Args:
        database: the store. Counting takes long, so it begins when the transaction has ended.
        actor: the caller.
        plan: the workspace's plan. The result is empty if it has no schedules.
        start: the beginning of the first hour. The result is empty in the last year of the calendar, in which the end of
            an hour may not exist.
        hours: number of hours.
        pipeline_id: count only schedules of this pipeline.
    """
    if not plan.cron or start.year == MAXYEAR:
        return Density([], is_complete=True)
    async with database.reading() as session:
        found = await queries.first_upcoming(
            session,
            actor.workspace_id,
            MAX_COUNTED + 1,
            pipeline_id=pipeline_id,
            before=start + timedelta(hours=hours),
        )
    counted = await offload.compute(_hourly_runs, found[:MAX_COUNTED], start, hours, clock.now())
    return Density(counted, is_complete=len(found) <= MAX_COUNTED)


def _hourly_runs(
    found: list[Planned], start: datetime, hours: int, now: datetime
) -> list[HourlyRuns]:
    told: list[HourlyRuns] = []
    for each in found:
        pauses.pause_if_due()
        runs = cron.hourly_counts(each.cron_expression, each.timezone, start, hours, after=now)
        if any(runs):
            told.append(HourlyRuns(each.id, each.pipeline_id, each.pipeline_name, each.name, runs))
    return told


async def _lock(session: Session, actor: Actor, schedule_id: UUID) -> Schedule:
    found = await queries.find(session, actor.workspace_id, schedule_id, lock=True)
    if found is None:
        raise ScheduleNotFound(schedule_id)
    return found


def _timing(schedule: Schedule) -> tuple[str, str, bool]:
    return schedule.cron_expression, schedule.timezone, schedule.enabled


def _check_time(cron_expression: str, timezone: str) -> None:
    problems = cron.problems(cron_expression, timezone)
    if not problems:
        return
    problems[0].issues = tuple(
        Issue(
            "cron_expression" if isinstance(problem, CronInvalid) else "timezone",
            problem.code,
            problem.message,
        )
        for problem in problems
    )
    raise problems[0]
