"""Queries of drafts, and of their texts that runs need."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines.drafts.records import NAME_WITHIN, EditorDraft, OtherDraft
from stepiq.pipelines.queries import version_row
from stepiq.pipelines.records import Version
from stepiq.store.database import Session
from stepiq.store.statements.workspaces import membership_of
from stepiq.store.tables import drafts, memberships, pipeline_versions, pipelines, users

_OTHERS = 10


def _select(text: sa.ColumnElement[str]) -> sa.Select[Any]:
    saved = sa.and_(
        pipelines.c.id == drafts.c.pipeline_id,
        pipelines.c.workspace_id == drafts.c.workspace_id,
        pipelines.c.is_unsaved.is_(False),
    )
    columns: list[sa.ColumnElement[Any]] = [
        drafts.c.pipeline_id,
        text.label("text"),
        drafts.c.source_format,
        drafts.c.base_version,
        drafts.c.revision,
        drafts.c.created_at,
        drafts.c.updated_at,
        pipelines.c.name.label("pipeline_name"),
        pipelines.c.version.label("current_version"),
    ]
    return sa.select(*columns).select_from(drafts.outerjoin(pipelines, saved))


def _of(workspace_id: UUID, user_id: UUID, pipeline_id: UUID) -> sa.ColumnElement[bool]:
    return sa.and_(
        drafts.c.pipeline_id == pipeline_id,
        drafts.c.user_id == user_id,
        drafts.c.workspace_id == workspace_id,
    )


async def find(
    session: Session, workspace_id: UUID, user_id: UUID, pipeline_id: UUID
) -> EditorDraft | None:
    """The draft of a person for a pipeline."""
    statement = _select(drafts.c.text).where(_of(workspace_id, user_id, pipeline_id))
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else _draft(row)


async def lock(
    session: Session, workspace_id: UUID, user_id: UUID, pipeline_id: UUID
) -> UUID | None:
    """Lock the draft that a person has of a pipeline, and return its revision; None if they have none."""
    return await session.scalar(
        sa.select(drafts.c.revision)
        .where(_of(workspace_id, user_id, pipeline_id))
        .with_for_update()
    )


async def page(
    session: Session, workspace_id: UUID, user_id: UUID, *, before: UUID | None, limit: int
) -> list[EditorDraft]:
    """The drafts of a person, the last changed first, with the beginnings of their texts."""
    statement = _select(sa.func.substr(drafts.c.text, 1, NAME_WITHIN)).where(
        drafts.c.workspace_id == workspace_id, drafts.c.user_id == user_id
    )
    if before is not None:
        statement = statement.where(drafts.c.revision < before)
    statement = statement.order_by(drafts.c.revision.desc()).limit(limit)
    return [_draft(row) for row in await session.execute(statement)]


async def others(
    session: Session, workspace_id: UUID, user_id: UUID, pipeline_id: UUID
) -> list[OtherDraft]:
    """Drafts of other members for a pipeline."""
    rows = await session.execute(
        sa.select(drafts.c.user_id, users.c.name, drafts.c.base_version, drafts.c.updated_at)
        .join(users, users.c.id == drafts.c.user_id)
        .join(memberships, membership_of(drafts.c.user_id))
        .where(
            memberships.c.workspace_id == workspace_id,
            drafts.c.pipeline_id == pipeline_id,
            drafts.c.workspace_id == workspace_id,
            drafts.c.user_id != user_id,
        )
        .limit(_OTHERS)
    )
    return [OtherDraft(*row) for row in rows]


async def insert(session: Session, workspace_id: UUID, user_id: UUID, draft: EditorDraft) -> bool:
    """Store a new draft; False, without a change, if the person has one for this pipeline."""
    added = await session.execute(
        session.insert(drafts)
        .values(
            pipeline_id=draft.pipeline_id,
            user_id=user_id,
            workspace_id=workspace_id,
            text=draft.text,
            source_format=draft.source_format,
            base_version=draft.base_version,
            revision=draft.revision,
            created_at=draft.created_at,
            updated_at=draft.updated_at,
        )
        .on_conflict_do_nothing(index_elements=["pipeline_id", "user_id"])
        .returning(drafts.c.revision)
    )
    return added.one_or_none() is not None


async def update(session: Session, workspace_id: UUID, user_id: UUID, draft: EditorDraft) -> None:
    """Store the next state of a locked draft."""
    await session.execute(
        sa.update(drafts)
        .where(_of(workspace_id, user_id, draft.pipeline_id))
        .values(
            text=draft.text,
            source_format=draft.source_format,
            base_version=draft.base_version,
            revision=draft.revision,
            updated_at=draft.updated_at,
        )
    )


async def delete(
    session: Session,
    workspace_id: UUID,
    user_id: UUID,
    pipeline_id: UUID,
    *,
    text: str | None = None,
) -> None:
    """Delete the draft of a person for a pipeline; with `text`, only if it has exactly this text."""
    statement = sa.delete(drafts).where(_of(workspace_id, user_id, pipeline_id))
    if text is not None:
        statement = statement.where(drafts.c.text == text)
    await session.execute(statement)


async def insert_version(session: Session, workspace_id: UUID, version: Version) -> int | None:
    """Insert the text of a draft as a version, or lock the version; returns its bytes that count for the quotas.

    0: it does not count until `count_version`. None: the number belongs to another text.
    """
    new = session.insert(pipeline_versions).values(version_row(workspace_id, version))
    statement = new.on_conflict_do_update(
        index_elements=["pipeline_id", "version"],
        set_={"created_at": new.excluded.created_at},
        where=sa.and_(
            pipeline_versions.c.source == new.excluded.source,
            pipeline_versions.c.source_format == new.excluded.source_format,
        ),
    ).returning(sa.func.coalesce(pipeline_versions.c.counted_bytes, 0))
    return (await session.execute(statement)).scalar_one_or_none()


async def count_version(session: Session, version: Version, size_bytes: int) -> None:
    """Store how many bytes of the text of a draft count for the quotas."""
    await session.execute(
        sa.update(pipeline_versions)
        .where(
            pipeline_versions.c.pipeline_id == version.pipeline_id,
            pipeline_versions.c.version == version.version,
        )
        .values(counted_bytes=size_bytes)
    )


def _draft(row: sa.Row[Any]) -> EditorDraft:
    return EditorDraft(
        pipeline_id=row.pipeline_id,
        text=row.text,
        source_format=SourceFormat(row.source_format),
        base_version=row.base_version,
        revision=row.revision,
        created_at=row.created_at,
        updated_at=row.updated_at,
        pipeline_name=row.pipeline_name,
        current_version=row.current_version,
    )
