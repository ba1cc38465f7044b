"""Operations on drafts."""

import hashlib
from dataclasses import replace
from uuid import UUID

from stepiq.accounts.actor import Actor
from stepiq.core import clock, ids
from stepiq.core.errors import NotFound
from stepiq.core.json import Json
from stepiq.execution.limits import quotas
from stepiq.execution.limits.plans import Plan
from stepiq.execution.limits.quotas import Quota
from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines import queries as pipeline_queries
from stepiq.pipelines.drafts import queries
from stepiq.pipelines.drafts.records import EditorDraft, OtherDraft, as_json
from stepiq.pipelines.errors import PipelineNotFound
from stepiq.pipelines.records import Draft, Target, Version
from stepiq.store.database import Session
from stepiq.store.states import FIRST_DRAFT_VERSION, PipelineStatus
from stepiq.web.errors import PreconditionFailed


class DraftNotFound(NotFound):
    """The caller has no draft of this pipeline."""

    code = "draft_not_found"

    def __init__(self, pipeline_id: UUID) -> None:
        super().__init__(
            f"You have no draft of pipeline {pipeline_id}. To keep a text, use PUT /api/pipelines/{pipeline_id}/draft, or "
            "POST /api/drafts for a new pipeline.",
            pipeline_id=pipeline_id,
        )


class DraftChanged(PreconditionFailed):
    """The draft was changed or deleted elsewhere, for example in another tab."""

    code = "draft_changed"

    def __init__(self, pipeline_id: UUID, current: Json) -> None:
        what = "was deleted" if current is None else "was changed"
        super().__init__(
            f"The draft of pipeline {pipeline_id} {what} elsewhere. Compare it with your text, and send the request again "
            "with the revision in `current`, or with null if the draft was deleted.",
            current,
            pipeline_id=pipeline_id,
        )


async def create(
    session: Session, actor: Actor, plan: Plan, text: str, source_format: SourceFormat
) -> EditorDraft:
    """Keep the text of a new pipeline, and reserve an id for the pipeline.

    Raises:
        PlanDraftsExceeded: the plan does not allow another draft.
    """
    pipeline_id = ids.uuid7()
    await _insert(session, actor, plan, _state(pipeline_id, text, source_format, None))
    return await get(session, actor, pipeline_id)


async def get(session: Session, actor: Actor, pipeline_id: UUID) -> EditorDraft:
    """The actor's draft of a pipeline.

    Raises:
        DraftNotFound: the actor has none.
    """
    found = await find(session, actor, pipeline_id)
    if found is None:
        raise DraftNotFound(pipeline_id)
    others = await queries.others(session, actor.workspace_id, actor.user_id, pipeline_id)
    return replace(found, others=tuple(others))


async def others(session: Session, actor: Actor, pipeline_id: UUID) -> list[OtherDraft]:
    """Drafts that other members have of a saved pipeline.

    Raises:
        PipelineNotFound: the workspace has no such pipeline.
    """
    if not await pipeline_queries.target(session, actor.workspace_id, pipeline_id):
        raise PipelineNotFound(pipeline_id)
    return await queries.others(session, actor.workspace_id, actor.user_id, pipeline_id)


async def find(session: Session, actor: Actor, pipeline_id: UUID) -> EditorDraft | None:
    """The actor's draft of a pipeline, if there is one."""
    return await queries.find(session, actor.workspace_id, actor.user_id, pipeline_id)


async def write(
    session: Session,
    actor: Actor,
    plan: Plan,
    pipeline_id: UUID,
    *,
    text: str,
    source_format: SourceFormat,
    base_version: int | None,
    revision: UUID | None,
) -> EditorDraft:
    """Keep the next state of the actor's draft of a pipeline.

    `revision` is the state that the caller knows; None if the caller knows of no draft.

    Raises:
        PipelineNotFound: the workspace has no such pipeline, and the actor has no draft of a new one with this id.
        DraftChanged: the stored draft is not the one that the caller knows.
        PlanDraftsExceeded: the plan does not allow another draft.
    """
    stored = await queries.lock(session, actor.workspace_id, actor.user_id, pipeline_id)
    if stored is None and not await pipeline_queries.target(
        session, actor.workspace_id, pipeline_id
    ):
        raise PipelineNotFound(pipeline_id)
    if stored != revision:
        raise await _changed(session, actor, pipeline_id)
    state = _state(pipeline_id, text, source_format, base_version)
    if stored is not None:
        await queries.update(session, actor.workspace_id, actor.user_id, state)
    elif not await _insert(session, actor, plan, state):
        raise await _changed(session, actor, pipeline_id)
    return await get(session, actor, pipeline_id)


async def delete(session: Session, actor: Actor, pipeline_id: UUID, revision: UUID | None) -> None:
    """Delete the actor's draft of a pipeline; with `revision`, only in this state.

    Raises:
        DraftNotFound: the actor has none.
        DraftChanged: it is in another state.
    """
    stored = await queries.lock(session, actor.workspace_id, actor.user_id, pipeline_id)
    if stored is None:
        raise DraftNotFound(pipeline_id)
    if revision is not None and stored != revision:
        raise await _changed(session, actor, pipeline_id)
    await queries.delete(session, actor.workspace_id, actor.user_id, pipeline_id)


async def reserves(session: Session, actor: Actor, pipeline_id: UUID) -> bool:
    """Whether the actor's draft has reserved this id for a pipeline that is not saved yet. Locks the draft."""
    stored = await queries.lock(session, actor.workspace_id, actor.user_id, pipeline_id)
    return stored is not None and not await pipeline_queries.target(
        session, actor.workspace_id, pipeline_id
    )


async def saved(
    session: Session, actor: Actor, pipeline_id: UUID, text: str, revision: UUID | None
) -> None:
    """Delete the actor's draft after its text was saved. A draft with later changes is kept.

    Args:
        session: the transaction that saves the pipeline.
        actor: the person.
        pipeline_id: the saved pipeline.
        text: the saved text.
        revision: the state of the draft that was saved; None if the caller does not know it.
    """
    stored = await queries.lock(session, actor.workspace_id, actor.user_id, pipeline_id)
    if stored is None or (revision is not None and stored != revision):
        return
    await queries.delete(
        session,
        actor.workspace_id,
        actor.user_id,
        pipeline_id,
        text=text if revision is None else None,
    )


async def keep_version(
    session: Session, actor: Actor, plan: Plan, pipeline_id: UUID | None, draft: Draft
) -> Target:
    """Store an accepted text so that runs can refer to it; returns the pipeline with the number of that version.

    Equal texts share a version, which is deleted with its last run. Until then, it counts for the quotas of versions.
    Call this in the transaction that accepts a run.

    Args:
        session: the transaction.
        actor: the person who runs it.
        plan: the plan of the actor's workspace.
        pipeline_id: a pipeline, or one that a draft has reserved; None for a pipeline of its own.
        draft: the text, without errors.

    Raises:
        PipelineNotFound: the workspace has no such pipeline, or it is archived.
        PlanVersionsExceeded, PlanBytesExceeded: the plan does not allow another version, or one of this size.
    """
    name = "" if draft.loaded.definition is None else draft.loaded.definition.name
    target = await _target(session, actor, pipeline_id, name)
    version = Version(
        pipeline_id=target.id,
        version=_number_of(draft),
        definition=draft.loaded.document,
        text=draft.text,
        source_format=draft.source_format,
        created_by=actor.user_id,
        created_at=clock.now(),
    )
    while (counted := await queries.insert_version(session, actor.workspace_id, version)) is None:
        # Another text of this pipeline has the same number.
        number = FIRST_DRAFT_VERSION + (version.version + 1) % FIRST_DRAFT_VERSION
        version = replace(version, version=number)
    if not counted:
        size_bytes = len(draft.text.encode())
        await quotas.take_draft_version(session, actor.workspace_id, plan, size_bytes)
        await queries.count_version(session, version, size_bytes)
    return replace(target, version=version.version)


async def unsaved(session: Session, actor: Actor, pipeline_id: UUID) -> Target | None:
    """A pipeline of the workspace that was run, but never saved."""
    return await pipeline_queries.lock_unsaved(session, actor.workspace_id, pipeline_id)


async def _target(session: Session, actor: Actor, pipeline_id: UUID | None, name: str) -> Target:
    """The pipeline of a draft to run. A pipeline that was never saved gets a row."""
    if pipeline_id is not None:
        found = await pipeline_queries.target(session, actor.workspace_id, pipeline_id)
        if found is not None and found.status is PipelineStatus.ARCHIVED:
            raise PipelineNotFound(pipeline_id, is_archived=True)
        found = found or await unsaved(session, actor, pipeline_id)
        if found is not None:
            return found
        if await find(session, actor, pipeline_id) is None:
            raise PipelineNotFound(pipeline_id)
    # Archived: nothing else can start it.
    new = Target(pipeline_id or ids.uuid7(), name, PipelineStatus.ARCHIVED, 1)
    await pipeline_queries.insert_unsaved(session, actor.workspace_id, new)
    return new


def _number_of(draft: Draft) -> int:
    digest = hashlib.sha256(f"{draft.source_format}\n{draft.text}".encode()).digest()
    return FIRST_DRAFT_VERSION + int.from_bytes(digest[:8]) % FIRST_DRAFT_VERSION


def _state(
    pipeline_id: UUID, text: str, source_format: SourceFormat, base_version: int | None
) -> EditorDraft:
    now = clock.now()
    return EditorDraft(pipeline_id, text, source_format, base_version, ids.uuid7(), now, now)


async def _insert(session: Session, actor: Actor, plan: Plan, draft: EditorDraft) -> bool:
    await quotas.require_room(session, actor.workspace_id, plan, Quota.DRAFTS)
    return await queries.insert(session, actor.workspace_id, actor.user_id, draft)


async def _changed(session: Session, actor: Actor, pipeline_id: UUID) -> DraftChanged:
    current: Json = None
    if await find(session, actor, pipeline_id) is not None:
        current = as_json(await get(session, actor, pipeline_id))
    return DraftChanged(pipeline_id, current)
