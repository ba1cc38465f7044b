"""Synchronizes schedules with their pipelines: the `schedule` of a definition, archiving and pauses."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.accounts.authentication import current_rights
from stepiq.core import clock, ids
from stepiq.core.settings.model import Settings
from stepiq.execution.limits import quotas
from stepiq.execution.limits.plans import Plans
from stepiq.execution.limits.quotas import Quota
from stepiq.language.definitions.compiled import Definition, ScheduleSpec
from stepiq.store.database import Session
from stepiq.store.states import CatchUp, Overlap
from stepiq.triggers.schedules import queries
from stepiq.triggers.schedules.records import MAX_PER_PIPELINE, Schedule, TickReason

_CHANGED = ("cron_expression", "timezone", "enabled", "next_run_at", "updated_at")

NAME = "Schedule of the definition"
"""Initial name of a schedule that a definition creates."""


class ScheduleSync:
    """A `pipelines.protocols.Watcher`. It runs in the transaction that changes the pipeline."""

    def __init__(self, plans: Plans, settings: Settings) -> None:
        self._plans = plans
        self._settings = settings

    async def version_saved(
        self, session: Session, actor: Actor, pipeline_id: UUID, definition: Definition
    ) -> None:
        """Create, change or delete the schedule of the definition.

        Sets its cron expression, timezone and whether it is enabled. Keeps its name, input, overlap and catch-up.

        Raises:
            PlanSchedulesExceeded: the plan does not allow another schedule.
            EmailUnverified, CredentialInvalid: the schedule is new or changes, and as for `current_rights.require_verified`.
        """
        spec = definition.schedule
        if spec is not None:
            # A reset of the password locks the account before schedules.
            await current_rights.require_session(session, actor)
        found = await queries.of_definition(session, pipeline_id)
        if spec is not None and (found is None or _set_by(found, spec) != found):
            await current_rights.require_verified(session, self._settings, actor)
        if spec is None:
            if found is not None:
                await queries.delete(session, found.id)
        elif found is None:
            plan = self._plans.get(actor.plan)
            await quotas.require_room(session, actor.workspace_id, plan, Quota.SCHEDULES)
            await queries.insert(session, _new(actor, pipeline_id, spec))
        else:
            await _change(session, found, spec)

    async def resuming(self, session: Session, pipeline_id: UUID, paused_at: datetime) -> None:
        """Let schedules with `catch_up: last` make up for the last tick that the pause has skipped.

        The tick becomes due again, without an outcome, so the ticker handles it like one that was missed.
        """
        # Waits for tickers that are skipping ticks.
        await queries.lock_enabled(session, pipeline_id)
        skipped = await queries.last_skipped(
            session, pipeline_id, TickReason.PIPELINE_PAUSED, paused_at
        )
        now = clock.now()
        again = [
            (schedule.id, due_at) for schedule, due_at in skipped if _is_last(schedule, due_at, now)
        ]
        await queries.forget(session, again)
        await queries.advance(
            session, [(schedule_id, due_at, None) for schedule_id, due_at in again]
        )

    async def archived(self, session: Session, pipeline_id: UUID) -> None:
        """Stop its schedules from firing. Each keeps whether it is enabled."""
        await queries.lock_all(session, pipeline_id)
        await queries.stop(session, pipeline_id)

    async def restoring(self, session: Session, pipeline_id: UUID) -> None:
        """Lock its schedules.

        A transaction that enables one has locked it, too, and reads the status of the pipeline without a lock.
        """
        await queries.lock_all(session, pipeline_id)

    async def restored(self, session: Session, actor: Actor, pipeline_id: UUID) -> None:
        """Let its enabled schedules fire again from now on.

        Raises:
            PlanSchedulesExceeded: with its schedules, the workspace has more than the plan allows.
        """
        now = clock.now()
        own = await queries.count(session, pipeline_id, MAX_PER_PIPELINE)
        if own:
            plan = self._plans.get(actor.plan)
            await quotas.require_room(session, actor.workspace_id, plan, Quota.SCHEDULES, added=own)
        enabled = await queries.lock_enabled(session, pipeline_id)
        moves = [(schedule.id, schedule.next_after(now), None) for schedule in enabled]
        if moves:
            await queries.advance(session, moves)


def _is_last(schedule: Schedule, due_at: datetime, now: datetime) -> bool:
    """Whether a tick is the last one before now.

    It is not if another one is due and not yet handled, or if the times of the schedule have been changed since then.
    """
    is_tick = schedule.next_after(due_at - timedelta(seconds=1)) == due_at
    return is_tick and schedule.next_run_at is not None and schedule.next_run_at > now


def _new(actor: Actor, pipeline_id: UUID, spec: ScheduleSpec) -> Schedule:
    now = clock.now()
    schedule = Schedule(
        id=ids.uuid7(),
        workspace_id=actor.workspace_id,
        pipeline_id=pipeline_id,
        created_by=actor.user_id,
        name=NAME,
        cron_expression=spec.cron,
        timezone=spec.timezone,
        input_data={},
        enabled=spec.enabled,
        overlap=Overlap.ALLOW,
        catch_up=CatchUp.NONE,
        from_definition=True,
        next_run_at=None,
        last_run_at=None,
        created_at=now,
        updated_at=now,
    )
    return replace(schedule, next_run_at=schedule.next_after(now))


async def _change(session: Session, found: Schedule, spec: ScheduleSpec) -> None:
    changed = _set_by(found, spec)
    if changed == found:
        # A tick that is due now must not be skipped if the schedule has not changed.
        return
    now = clock.now()
    changed = replace(changed, next_run_at=changed.next_after(now), updated_at=now)
    values = {name: getattr(changed, name) for name in _CHANGED}
    await queries.update(session, found.id, values)


def _set_by(found: Schedule, spec: ScheduleSpec) -> Schedule:
    return replace(found, cron_expression=spec.cron, timezone=spec.timezone, enabled=spec.enabled)
