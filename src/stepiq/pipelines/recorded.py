"""Records actions on pipelines in the audit log. Definitions are not recorded: their versions have them."""

from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget
from stepiq.core.json import Json
from stepiq.pipelines import queries, service
from stepiq.pipelines.records import Pipeline
from stepiq.store.database import Session


def pipeline_target(pipeline_id: UUID, name: str | None = None) -> AuditTarget:
    """A pipeline."""
    return AuditTarget(AuditTargetType.PIPELINE, pipeline_id, name)


def _facts(pipeline: Pipeline) -> dict[str, Json]:
    return {
        "name": pipeline.name,
        "slug": pipeline.slug,
        "description": pipeline.description,
        "tags": list(pipeline.tags),
        "version": pipeline.version,
        "managed_by": pipeline.managed_by,
        "source": pipeline.source,
    }


async def before(session: Session, actor: Actor, pipeline_id: UUID) -> Pipeline:
    """A pipeline, archived or not, before it is changed. No other transaction changes it until this one ends.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline.
    """
    await queries.lock(session, actor.workspace_id, pipeline_id)
    return await service.get(session, actor, pipeline_id)


async def created(session: Session, actor: Actor, pipeline: Pipeline) -> None:
    """Record a new pipeline."""
    target = pipeline_target(pipeline.id, pipeline.name)
    await audit.record(session, actor, Action.PIPELINE_CREATED, target, after=_facts(pipeline))


async def updated(
    session: Session,
    actor: Actor,
    old: Pipeline,
    new: Pipeline,
    *,
    restored_version: int | None = None,
) -> None:
    """Record the changed fields of a pipeline."""
    were, are = audit.changes(_facts(old), _facts(new))
    if restored_version is not None:
        are["restored_version"] = restored_version
    if are:
        target = pipeline_target(new.id, new.name)
        await audit.record(session, actor, Action.PIPELINE_UPDATED, target, before=were, after=are)


async def status_changed(
    session: Session, actor: Actor, action: Action, old: Pipeline, new: Pipeline
) -> None:
    """Record that a pipeline was archived or restored, unless it was already."""
    if old.status is not new.status:
        await audit.record(
            session,
            actor,
            action,
            pipeline_target(new.id, new.name),
            before={"status": old.status},
            after={"status": new.status},
        )


async def pause_changed(
    session: Session, actor: Actor, action: Action, old: Pipeline, new: Pipeline
) -> None:
    """Record that a pipeline was paused or resumed, or that the reason of its pause was changed."""
    were, are = audit.changes(_pause_facts(old), _pause_facts(new))
    if are:
        target = pipeline_target(new.id, new.name)
        await audit.record(session, actor, action, target, before=were, after=are)


def _pause_facts(pipeline: Pipeline) -> dict[str, Json]:
    return {"status": pipeline.status, "reason": pipeline.pause and pipeline.pause.reason}


async def version_deleted(session: Session, actor: Actor, pipeline_id: UUID, version: int) -> None:
    """Record that a version was deleted."""
    await audit.record(
        session,
        actor,
        Action.PIPELINE_VERSION_DELETED,
        pipeline_target(pipeline_id),
        before={"version": version},
    )
