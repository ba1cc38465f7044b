"""Records actions on schedules in the audit log. Their input is not recorded, only that it was changed."""

from stepiq.accounts.actor import Actor
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget
from stepiq.core.json import Json
from stepiq.store.database import Session
from stepiq.triggers.schedules.records import Schedule

_FIELDS = ("name", "cron_expression", "timezone", "enabled", "overlap", "catch_up")


async def created(session: Session, actor: Actor, schedule: Schedule) -> None:
    """Record a new schedule."""
    await audit.record(
        session, actor, Action.SCHEDULE_CREATED, _target(schedule), after=_facts(schedule)
    )


async def updated(session: Session, actor: Actor, before: Schedule, after: Schedule) -> None:
    """Record the changed fields of a schedule."""
    old, new = audit.changes(_facts(before), _facts(after))
    if before.input_data != after.input_data:
        new["input_changed"] = True
    if new:
        await audit.record(
            session, actor, Action.SCHEDULE_UPDATED, _target(after), before=old, after=new
        )


async def deleted(session: Session, actor: Actor, schedule: Schedule) -> None:
    """Record that a schedule was deleted."""
    await audit.record(
        session, actor, Action.SCHEDULE_DELETED, _target(schedule), before=_facts(schedule)
    )


def _target(schedule: Schedule) -> AuditTarget:
    return AuditTarget(AuditTargetType.SCHEDULE, schedule.id, schedule.name)


def _facts(schedule: Schedule) -> dict[str, Json]:
    facts: dict[str, Json] = {name: getattr(schedule, name) for name in _FIELDS}
    return {"pipeline_id": str(schedule.pipeline_id), **facts}
