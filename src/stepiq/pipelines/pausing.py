"""Pauses and resumes pipelines. While a pipeline is paused, no runs of it can start, except tests of its drafts.

A transaction that starts a run locks the pipeline (`runnable`, `lock_to_trigger`), and a transaction that pauses it
waits for that lock. After the answer to a pause, no run of the pipeline is accepted in any process.
"""

from collections.abc import Collection
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.core import clock
from stepiq.pipelines import queries, service
from stepiq.pipelines.errors import PipelineArchived, PipelineNotFound, PipelinePaused
from stepiq.pipelines.records import Pipeline, Target
from stepiq.pipelines.service import Rules
from stepiq.store.database import Session
from stepiq.store.states import PipelineStatus


async def pause(
    session: Session, actor: Actor, pipeline_id: UUID, rules: Rules, *, reason: str | None
) -> tuple[Pipeline, Pipeline]:
    """Pause a pipeline; returns it before and after. Unfinished runs continue.

    A paused one only gets the new reason, if there is one.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline.
        PipelineArchived: it must be restored first.
    """
    # The first lock of this transaction. With a weaker one before it, changes of the pipeline would wait for runs, too.
    locked = await queries.lock_to_pause(session, actor.workspace_id, pipeline_id)
    is_paused = _kept(locked, pipeline_id).status is PipelineStatus.PAUSED
    before = await service.get(session, actor, pipeline_id)
    now = clock.now()
    if not is_paused:
        values = {"paused_at": now, "paused_by": actor.user_id, "pause_reason": reason}
        await queries.update(session, pipeline_id, values, now)
        service.publish_change(session, rules.changes, pipeline_id)
    elif before.pause is not None and reason not in (None, before.pause.reason):
        await queries.update(session, pipeline_id, {"pause_reason": reason}, now)
    return before, await service.get(session, actor, pipeline_id)


async def resume(session: Session, actor: Actor, pipeline_id: UUID, rules: Rules) -> Pipeline:
    """Resume a paused pipeline. One that is not paused does not change.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline.
        PipelineArchived: it must be restored first.
    """
    found = _kept(await queries.lock(session, actor.workspace_id, pipeline_id), pipeline_id)
    if found.paused_at is not None:
        if rules.watcher is not None:
            await rules.watcher.resuming(session, pipeline_id, found.paused_at)
        await queries.update(session, pipeline_id, queries.NOT_PAUSED, clock.now())
        service.publish_change(session, rules.changes, pipeline_id)
    return await service.get(session, actor, pipeline_id)


async def runnable(session: Session, actor: Actor, pipeline_id: UUID) -> Target:
    """The pipeline that a trigger starts. It cannot be paused until this transaction ends.

    Raises:
        PipelineNotFound: the actor's workspace has no such pipeline, or it is archived.
        PipelinePaused: it must be resumed first.
    """
    found = await queries.lock_to_run(session, actor.workspace_id, pipeline_id)
    if found is None or found.status is PipelineStatus.ARCHIVED:
        raise PipelineNotFound(pipeline_id, is_archived=found is not None)
    if found.status is PipelineStatus.PAUSED:
        raise PipelinePaused(pipeline_id, found.pause_reason)
    return found


async def lock_to_trigger(
    session: Session, pipeline_ids: Collection[UUID]
) -> dict[UUID, PipelineStatus]:
    """The statuses of pipelines that triggers start. Active ones cannot be paused until this transaction ends."""
    return await queries.lock_to_trigger(session, pipeline_ids)


def _kept(found: Target | None, pipeline_id: UUID) -> Target:
    if found is None:
        raise PipelineNotFound(pipeline_id)
    if found.status is PipelineStatus.ARCHIVED:
        raise PipelineArchived(pipeline_id)
    return found
