"""Queries of stored secrets."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.queries.last_used import LastUses
from stepiq.accounts.queries.sealed import SealedTable, columns_of
from stepiq.core.keys.encryption import Owner, Sealed
from stepiq.store.database import Database, Session
from stepiq.store.statements.workspaces import newest
from stepiq.store.states import PipelineStatus
from stepiq.store.tables import pipeline_versions, pipelines, secrets

Row = sa.Row[Any]

_STORED = (
    sa.select(secrets)
    .where(
        secrets.c.workspace_id == sa.bindparam("workspace", type_=secrets.c.workspace_id.type),
        secrets.c.scope_id.in_(
            sa.bindparam("scopes", expanding=True, type_=secrets.c.scope_id.type)
        ),
        secrets.c.name.in_(sa.bindparam("names", expanding=True, type_=sa.Text)),
    )
    .order_by(secrets.c.pipeline_id.is_not(None))
)


async def page(
    session: Session,
    workspace_id: UUID,
    pipeline_id: UUID | None,
    *,
    before: UUID | None,
    limit: int,
) -> Sequence[Row]:
    """A pipeline's own secrets, or those of the workspace, newest first."""
    statement = sa.select(secrets).where(
        secrets.c.workspace_id == workspace_id, secrets.c.pipeline_id == pipeline_id
    )
    page = newest(statement, secrets.c.id, before, limit)
    return (await session.execute(page)).all()


async def lock(session: Session, workspace_id: UUID, scope_id: UUID, name: str) -> Row | None:
    """Lock and return the secret with a name."""
    statement = (
        sa.select(secrets)
        .where(
            secrets.c.workspace_id == workspace_id,
            secrets.c.scope_id == scope_id,
            secrets.c.name == name,
        )
        .with_for_update()
    )
    return (await session.execute(statement)).one_or_none()


async def count(session: Session, workspace_id: UUID) -> int:
    """The number of secrets of a workspace, including those of its pipelines."""
    statement = sa.select(sa.func.count()).where(secrets.c.workspace_id == workspace_id)
    return await session.scalar(statement)


async def insert(
    session: Session,
    *,
    secret_id: UUID,
    owner: Owner,
    pipeline_id: UUID | None,
    sealed: Sealed,
    hosts: Sequence[str] | None,
    now: datetime,
) -> Row | None:
    """Store a new secret; None if one with that name exists."""
    values = {
        "id": secret_id,
        "workspace_id": owner.workspace_id,
        "pipeline_id": pipeline_id,
        "scope_id": owner.scope_id,
        "name": owner.name,
        "version": owner.version,
        "hosts": hosts,
        "created_at": now,
        "updated_at": now,
        **columns_of(sealed),
    }
    statement = (
        session.insert(secrets)
        .values(values)
        .on_conflict_do_nothing(index_elements=["scope_id", "name"])
        .returning(secrets)
    )
    return (await session.execute(statement)).one_or_none()


async def update(
    session: Session,
    secret_id: UUID,
    *,
    version: int,
    sealed: Sealed,
    hosts: Sequence[str] | None,
    now: datetime,
) -> Row:
    """Store the next value of a locked secret."""
    statement = (
        sa.update(secrets)
        .where(secrets.c.id == secret_id)
        .values(version=version, updated_at=now, hosts=hosts, **columns_of(sealed))
        .returning(secrets)
    )
    return (await session.execute(statement)).one()


async def delete(
    session: Session,
    workspace_id: UUID,
    pipeline_id: UUID | None,
    *,
    secret_id: UUID | None,
    name: str,
) -> Row | None:
    """Delete a secret by its id or, without one, by its name; None if it does not exist in this scope."""
    wanted = secrets.c.name == name if secret_id is None else secrets.c.id == secret_id
    statement = (
        sa.delete(secrets)
        .where(secrets.c.workspace_id == workspace_id, secrets.c.pipeline_id == pipeline_id, wanted)
        .returning(secrets)
    )
    return (await session.execute(statement)).one_or_none()


async def stored(
    session: Session, workspace_id: UUID, pipeline_id: UUID | None, names: Collection[str]
) -> Sequence[Row]:
    """Secrets with these names: the workspace's, then the pipeline's."""
    scopes = [workspace_id] if pipeline_id is None else [workspace_id, pipeline_id]
    values = {"workspace": workspace_id, "scopes": scopes, "names": sorted(names)}
    return (await session.execute(_STORED, values)).all()


async def names(session: Session, workspace_id: UUID) -> set[tuple[UUID | None, str]]:
    """Pipeline and name of every secret of a workspace. The pipeline is None for secrets of the workspace."""
    rows = await session.execute(
        sa.select(secrets.c.pipeline_id, secrets.c.name).where(
            secrets.c.workspace_id == workspace_id
        )
    )
    return {(row.pipeline_id, row.name) for row in rows}


async def using_pipelines(session: Session, workspace_id: UUID, limit: int) -> Sequence[Row]:
    """The newest active pipelines, each with the names of the secrets that its newest version uses."""
    statement = (
        sa.select(pipelines.c.id, pipelines.c.name, pipeline_versions.c.secret_names)
        .join(
            pipeline_versions,
            sa.and_(
                pipeline_versions.c.pipeline_id == pipelines.c.id,
                pipeline_versions.c.version == pipelines.c.version,
            ),
        )
        .where(
            pipelines.c.workspace_id == workspace_id, pipelines.c.status == PipelineStatus.ACTIVE
        )
        .order_by(pipelines.c.id.desc())
        .limit(limit)
    )
    return (await session.execute(statement)).all()


def last_uses(database: Database) -> LastUses:
    """Notes the uses of secrets."""
    return LastUses(database, secrets)


def owner_of(row: Row) -> Owner:
    """The owner that a row's value is bound to."""
    return Owner(row.workspace_id, row.scope_id, row.name, row.version)


SEALED = SealedTable(secrets, owner_of, value_columns=("version",))
"""What the rotation of the master key needs."""
