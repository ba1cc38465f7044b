"""Queries of the administration of workspaces. Usage comes from daily rollups of the listed workspaces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import ids
from stepiq.execution.limits import usage
from stepiq.execution.limits.usage import TOKENS_PER_CREDIT
from stepiq.store.database import Session
from stepiq.store.statements.workspaces import PLAN, WorkspacePlan, newest
from stepiq.store.tables import memberships, usage_days, users, workspaces
from stepiq.store.types import contains

LimitValue = int | bool | str
"""A limit as in the config file: a number, true or false, or `unlimited`."""


@dataclass(frozen=True, slots=True)
class WorkspaceFilter:
    """Which workspaces a list has. None: any."""

    q: str | None = None
    """A part of the name, or an id."""
    plan: str | None = None
    has_members: bool | None = None


@dataclass(frozen=True, slots=True)
class ListedWorkspace:
    """A workspace with its usage in this month (UTC)."""

    id: UUID
    name: str
    plan: WorkspacePlan
    overrides: Mapping[str, LimitValue]
    """Limits that replace those of the plan, as in the config file."""
    members: int
    created_at: datetime
    deleted_at: datetime | None
    """Set while its data is being erased."""
    runs: int = 0
    tokens: int = 0
    credits_used: int = 0
    cost_usd_micros: int = 0
    cost_complete: bool = True


_is_member = sa.and_(
    memberships.c.workspace_id == workspaces.c.id, memberships.c.removed_at.is_(None)
)
_members = (
    sa.select(sa.func.count()).select_from(memberships).where(_is_member).correlate(workspaces)
).scalar_subquery()
_select = sa.select(
    workspaces.c.id,
    workspaces.c.name,
    PLAN,
    workspaces.c.limit_overrides,
    workspaces.c.credit_month,
    workspaces.c.credit_tokens,
    workspaces.c.created_at,
    workspaces.c.deleted_at,
    _members.label("members"),
)


async def page(
    session: Session, wanted: WorkspaceFilter, now: datetime, *, before: UUID | None, limit: int
) -> list[ListedWorkspace]:
    """Workspaces that match a filter, newest first."""
    statement = newest(_select, workspaces.c.id, before, limit)
    if wanted.q is not None:
        matches = contains(workspaces.c.name_folded, wanted.q)
        if (workspace_id := ids.parse(wanted.q)) is not None:
            matches |= workspaces.c.id == workspace_id
        statement = statement.where(matches)
    if wanted.plan is not None:
        statement = statement.where(workspaces.c.plan == wanted.plan)
    if wanted.has_members is not None:
        has_members = sa.exists().where(_is_member).correlate(workspaces)
        statement = statement.where(has_members if wanted.has_members else ~has_members)
    return await _with_usage(session, (await session.execute(statement)).all(), now)


async def find(session: Session, workspace_id: UUID, now: datetime) -> ListedWorkspace | None:
    """A workspace."""
    rows = (await session.execute(_select.where(workspaces.c.id == workspace_id))).all()
    found = await _with_usage(session, rows, now)
    return found[0] if found else None


async def lock(
    session: Session, workspace_id: UUID, *, to_delete: bool = False
) -> Mapping[str, LimitValue] | None:
    """Lock a workspace; returns its overrides, or None if it does not exist.

    Only `to_delete` waits for transactions that have added rows of the workspace, such as an idempotency key.
    """
    statement = (
        sa.select(workspaces.c.limit_overrides)
        .where(workspaces.c.id == workspace_id)
        .with_for_update(key_share=not to_delete)
    )
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else row.limit_overrides or {}


async def count_members(session: Session, workspace_id: UUID) -> int:
    """The number of members of a workspace, with disabled accounts or not."""
    return await session.scalar(sa.select(_members).where(workspaces.c.id == workspace_id))


async def update(session: Session, workspace_id: UUID, values: Mapping[str, Any]) -> None:
    """Change columns of a workspace."""
    await session.execute(
        sa.update(workspaces).where(workspaces.c.id == workspace_id).values(**values)
    )


async def members(session: Session, workspace_id: UUID, limit: int) -> Sequence[sa.Row[Any]]:
    """Members of a workspace, those who joined first come first."""
    is_disabled = users.c.disabled_at.is_not(None).label("disabled")
    statement = (
        sa.select(users.c.id, users.c.email, users.c.name, is_disabled, memberships.c.role)
        .join(users, users.c.id == memberships.c.user_id)
        .where(memberships.c.workspace_id == workspace_id, memberships.c.removed_at.is_(None))
        .order_by(memberships.c.joined_at, users.c.id)
        .limit(limit)
    )
    return (await session.execute(statement)).all()


def usage_statement(workspace_ids: Sequence[UUID], first_day: date) -> sa.Select[Any]:
    """Sums of the usage of workspaces since a day."""
    used = usage_days.c
    # The row without a model counts runs.
    runs = sa.case((used.model == usage.RUNS, used.runs), else_=0)
    sums = {
        "runs": runs,
        "tokens": used.input_tokens + used.output_tokens,
        "cost_usd_micros": used.cost_usd_micros,
    }
    columns: list[sa.ColumnElement[Any]] = [
        # PostgreSQL returns sums of large integers as decimals, and has no minimum of booleans.
        sa.cast(sa.func.sum(column), sa.BigInteger).label(name)
        for name, column in sums.items()
    ]
    complete = sa.func.min(sa.cast(used.cost_complete, sa.Integer)).label("cost_complete")
    return (
        sa.select(used.workspace_id, *columns, complete)
        .where(used.workspace_id.in_(workspace_ids), used.day >= first_day.isoformat())
        .group_by(used.workspace_id)
    )


async def _with_usage(
    session: Session, rows: Sequence[sa.Row[Any]], now: datetime
) -> list[ListedWorkspace]:
    found = {row.id: _workspace(row, now) for row in rows}
    if found:
        statement = usage_statement(list(found), now.date().replace(day=1))
        for row in await session.execute(statement):
            found[row.workspace_id] = replace(
                found[row.workspace_id],
                runs=row.runs,
                tokens=row.tokens,
                cost_usd_micros=row.cost_usd_micros,
                cost_complete=row.cost_complete != 0,
            )
    return list(found.values())


def _workspace(row: sa.Row[Any], now: datetime) -> ListedWorkspace:
    tokens = usage.tokens_of_month(row.credit_month, row.credit_tokens, now)
    return ListedWorkspace(
        id=row.id,
        name=row.name,
        plan=row.plan,
        overrides=row.limit_overrides or {},
        members=row.members,
        created_at=row.created_at,
        deleted_at=row.deleted_at,
        credits_used=tokens // TOKENS_PER_CREDIT,
    )
