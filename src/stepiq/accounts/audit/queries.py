"""Queries of the audit log."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.audit.actions import ActorKind
from stepiq.accounts.audit.records import (
    FIRST,
    SERVER_CHAIN,
    AuditFilter,
    Chain,
    Entry,
    Head,
    NewEntry,
)
from stepiq.core import ids
from stepiq.store.database import Session
from stepiq.store.pubsub import AUDIT_RECORDED
from stepiq.store.statements import sweeping
from stepiq.store.statements.workspaces import belongs_to, newest_first
from stepiq.store.tables import (
    api_keys,
    audit_chains,
    audit_entries,
    pipelines,
    runs,
    users,
    workspaces,
)

_LOCK = 0x5E_A1_ED
"""Key of the advisory lock of sealing."""

_COLUMNS = tuple(getattr(audit_entries.c, name) for name in Entry.__dataclass_fields__)


async def insert(session: Session, entries: Sequence[NewEntry]) -> None:
    """Insert entries in one statement. An entry about a secret that the same run has read before is left out."""
    statement = session.insert(audit_entries).values([_values(entry) for entry in entries])
    await session.execute(statement.on_conflict_do_nothing())
    session.signal(AUDIT_RECORDED)


def _values(entry: NewEntry) -> dict[str, Any]:
    name: Any = entry.actor_name
    if name is None and entry.actor_id is not None:
        name = _name_of(entry.actor_kind, entry.actor_id)
    key_name: Any = None
    if entry.key_id is not None:
        key_name = _one(api_keys.c.name, api_keys.c.id, entry.key_id)
    return {
        "id": entry.id,
        "workspace_id": entry.workspace_id,
        "at": entry.at,
        "actor_kind": entry.actor_kind,
        "actor_id": entry.actor_id,
        "actor_name": name,
        "key_id": entry.key_id,
        "key_name": key_name,
        "client": entry.client,
        "action": entry.action,
        "target_type": entry.target.type,
        "target_id": None if entry.target.id is None else str(entry.target.id),
        "target_name": entry.target.name,
        "before": None if entry.before is None else dict(entry.before),
        "after": None if entry.after is None else dict(entry.after),
    }


def _name_of(kind: ActorKind, actor_id: UUID) -> sa.ScalarSelect[str]:
    if kind is ActorKind.RUN:
        statement = sa.select(pipelines.c.name).join(runs, runs.c.pipeline_id == pipelines.c.id)
        return statement.where(runs.c.id == actor_id).scalar_subquery()
    if kind is ActorKind.SERVICE_KEY:
        return _one(api_keys.c.name, api_keys.c.id, actor_id)
    return _one(users.c.email, users.c.id, actor_id)


def _one(wanted: sa.Column[str], key: sa.Column[UUID], value: UUID) -> sa.ScalarSelect[str]:
    return sa.select(wanted).where(key == value).scalar_subquery()


async def page(
    session: Session,
    workspace_id: UUID | None,
    wanted: AuditFilter,
    *,
    before: UUID | None,
    limit: int,
) -> list[Entry]:
    """Entries of one workspace, or without one of the whole server, newest first."""
    columns = audit_entries.c
    statement = sa.select(*_COLUMNS).where(*_conditions(wanted)).limit(limit)
    if before is not None:
        statement = statement.where(columns.id < before)
    if workspace_id is None:
        statement = statement.order_by(columns.id.desc())
    elif len(wanted.actions) == 1:
        statement = statement.where(
            belongs_to(columns.workspace_id, workspace_id),
            belongs_to(columns.action, str(wanted.actions[0])),
        ).order_by(*newest_first(columns.workspace_id, columns.action))
    else:
        statement = statement.where(belongs_to(columns.workspace_id, workspace_id)).order_by(
            *newest_first(columns.workspace_id)
        )
    return _entries(await session.execute(statement))


async def pipeline_id(session: Session, workspace_id: UUID, slug: str) -> UUID | None:
    """The id of the pipeline of the workspace with a slug, archived or not."""
    statement = sa.select(pipelines.c.id).where(
        pipelines.c.workspace_id == workspace_id, pipelines.c.slug == slug
    )
    return await session.scalar(statement)


async def exported(
    session: Session, workspace_id: UUID | None, wanted: AuditFilter, *, after: int, limit: int
) -> list[Entry]:
    """Sealed entries of one chain in its order, after a place."""
    columns = audit_entries.c
    statement = (
        sa.select(*_COLUMNS)
        .where(_in_chain(workspace_id), columns.sequence > after, *_conditions(wanted))
        .order_by(columns.sequence)
        .limit(limit)
    )
    return _entries(await session.execute(statement))


def _conditions(wanted: AuditFilter) -> list[sa.ColumnElement[bool]]:
    columns = audit_entries.c
    found: list[sa.ColumnElement[bool]] = []
    if wanted.actions:
        found.append(columns.action.in_(wanted.actions))
    if wanted.actor is not None:
        found.append(sa.or_(columns.actor_id == wanted.actor, columns.key_id == wanted.actor))
    if wanted.target is not None:
        found.append(columns.target_id == wanted.target)
    # Ids contain the time.
    if wanted.since is not None:
        found.append(columns.id >= ids.first_at(wanted.since))
    if wanted.until is not None:
        found.append(columns.id < ids.first_at(wanted.until))
    return found


def _in_chain(workspace_id: UUID | None) -> sa.ColumnElement[bool]:
    if workspace_id is None:
        return audit_entries.c.workspace_id.is_(None)
    return audit_entries.c.workspace_id == workspace_id


def _entries(found: sa.Result[Any]) -> list[Entry]:
    return [Entry(*row) for row in found]


async def lock_chains(session: Session) -> None:
    """Wait until no other transaction seals or deletes entries. On SQLite, a writing transaction is alone anyway."""
    if session.dialect != "sqlite":
        await session.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


async def is_unsealed(session: Session) -> bool:
    """Whether entries wait to be sealed."""
    statement = sa.select(audit_entries.c.id).where(audit_entries.c.sequence.is_(None)).limit(1)
    return await session.scalar(statement) is not None


async def unsealed(session: Session, limit: int) -> list[Entry]:
    """Entries that are not part of a chain yet, the oldest first."""
    columns = audit_entries.c
    statement = (
        sa.select(*_COLUMNS).where(columns.sequence.is_(None)).order_by(columns.id).limit(limit)
    )
    return _entries(await session.execute(statement))


async def count_unsealed(session: Session, workspace_id: UUID | None) -> int:
    """The number of entries of one chain that are not part of it yet."""
    statement = sa.select(sa.func.count()).where(
        audit_entries.c.sequence.is_(None), _in_chain(workspace_id)
    )
    return int(await session.scalar(statement))


async def chains(session: Session, wanted: Collection[UUID]) -> dict[UUID, Chain]:
    """The ends of chains, by id. Chains without entries are absent."""
    statement = sa.select(audit_chains).where(audit_chains.c.id.in_(wanted))
    return {row.id: _chain(row) for row in await session.execute(statement)}


async def is_erased(session: Session, chain_id: UUID) -> bool:
    """Whether a chain is being erased with its deleted workspace, or was erased."""
    # A join would read all deleted workspaces on SQLite.
    deleted_at = (
        sa.select(workspaces.c.deleted_at)
        .where(workspaces.c.id == audit_chains.c.id)
        .scalar_subquery()
    )
    statement = sa.select(deleted_at).where(audit_chains.c.id == chain_id)
    row = (await session.execute(statement)).one_or_none()
    return row is None or row[0] is not None


async def chain_ids(session: Session, after: UUID | None, limit: int) -> list[UUID]:
    """Ids of chains that have entries, in order."""
    statement = sa.select(audit_chains.c.id).order_by(audit_chains.c.id).limit(limit)
    if after is not None:
        statement = statement.where(audit_chains.c.id > after)
    return list((await session.execute(statement)).scalars())


def _chain(row: Any) -> Chain:
    return Chain(
        row.id,
        Head(row.sequence, row.hash),
        Head(row.deleted_sequence, row.deleted_hash or FIRST),
        row.sealed_at,
    )


async def seal(
    session: Session, sealed: Sequence[tuple[UUID, Head, datetime]], heads: Mapping[UUID, Chain]
) -> None:
    """Store the places and hashes of entries, given by id, and the new ends of their chains."""
    columns = audit_entries.c
    await session.execute(
        sa.update(audit_entries)
        .where(columns.id == sa.bindparam("entry_id"))
        .values(
            sequence=sa.bindparam("its_sequence"),
            hash=sa.bindparam("its_hash"),
            sealed_at=sa.bindparam("its_time"),
        ),
        [
            {"entry_id": id_, "its_sequence": head.sequence, "its_hash": head.hash, "its_time": at}
            for id_, head, at in sealed
        ],
    )
    statement = session.insert(audit_chains)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={name: statement.excluded[name] for name in ("sequence", "hash", "sealed_at")},
        ),
        [
            {
                "id": chain.id,
                "sequence": chain.head.sequence,
                "hash": chain.head.hash,
                "sealed_at": chain.sealed_at,
            }
            for chain in heads.values()
        ],
    )


async def delete_oldest(session: Session, before: datetime, limit: int) -> int:
    """Delete entries sealed before a time, the first of each chain, and remember the last deleted one of each."""
    await lock_chains(session)
    columns = audit_entries.c
    chosen = (
        sa.select(columns.id, columns.workspace_id, columns.sequence, columns.hash)
        .where(columns.sealed_at < before)
        .order_by(columns.sealed_at, columns.sequence)
        .limit(limit)
    )
    rows = (await session.execute(chosen)).all()
    last = {row.workspace_id or SERVER_CHAIN: row for row in rows}
    if last:
        await session.execute(
            sa.update(audit_chains)
            .where(audit_chains.c.id == sa.bindparam("chain_id"))
            .values(
                deleted_sequence=sa.bindparam("its_sequence"),
                deleted_hash=sa.bindparam("its_hash"),
            ),
            [
                {"chain_id": chain_id, "its_sequence": row.sequence, "its_hash": row.hash}
                for chain_id, row in last.items()
            ],
        )
    return await sweeping.delete(session, audit_entries, [(row.id,) for row in rows])
