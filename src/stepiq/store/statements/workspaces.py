"""Parts of statements about workspaces: their rows, their members and their plan.

`newest_first` lists the rows of one owner at a cost that does not depend on the rows of others.

The row of a removed member stays in `memberships`, so every query of members needs `membership_of`.

`PLAN` is the one expression for the plan of a workspace: its name, with the limits that an administrator has set.
`execution.limits.plans.Plans.get` resolves it to limits. Wherever a plan is a string, it can be a `WorkspacePlan`, so
code that only shows or compares the name needs no change.
"""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

from stepiq.store.tables import memberships, users, workspaces


class _Only(FunctionElement[Any]):
    inherit_cache = True


_ARRAYS: tuple[tuple[type[Any], str], ...] = (
    (sa.Uuid, "uuid[]"),
    (sa.Integer, "integer[]"),
    (sa.Text, "text[]"),
)


@compiles(_Only)
def _plain(element: _Only, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(_Only, "postgresql")
def _one_of_an_array(element: _Only, compiler: SQLCompiler, **options: Any) -> str:
    (value,) = element.clauses
    array = next(name for kind, name in _ARRAYS if isinstance(value.type, kind))
    return f"ANY (ARRAY[{compiler.process(element.clauses, **options)}]::{array})"


def belongs_to(
    owner: sa.Column[Any], value: UUID | str | int | sa.ColumnElement[Any]
) -> sa.ColumnElement[bool]:
    """Whether a row belongs to this owner, for lists ordered by `newest_first`. Also for columns between owner and id.

    For `column = value`, PostgreSQL removes the column from the sort order. It may then scan the primary key instead,
    and read most rows of all other owners if the owner's rows are old. For `column = ANY (array)`, it keeps the column
    in the sort order, and only the index that begins with the owner has this order.
    """
    is_plain = isinstance(value, UUID | str | int)
    return owner == _Only(sa.literal(value, owner.type) if is_plain else value)


def newest_first(owner: sa.Column[Any], *more: sa.Column[Any]) -> tuple[sa.ColumnElement[Any], ...]:
    """The sort order of a list filtered by `belongs_to`: descending by id, which increases with time.

    `more` are the columns between the owner and the id in the index.
    """
    return *(column.desc() for column in (owner, *more)), owner.table.c.id.desc()


def membership_of(user_id: sa.ColumnElement[UUID] | UUID) -> sa.ColumnElement[bool]:
    """The condition that a row of `memberships` is the membership of a user who has not been removed."""
    return sa.and_(memberships.c.user_id == user_id, memberships.c.removed_at.is_(None))


def has_enabled_member(workspace_id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
    """The condition that a workspace has a member whose account is enabled. Without one, nothing starts in it."""
    member, user = memberships.alias("member"), users.alias("member_user")
    # Not EXISTS: PostgreSQL may read all members of all workspaces for it, and look the workspace up in the result.
    first = sa.select(member.c.user_id).where(
        member.c.workspace_id == workspace_id,
        member.c.removed_at.is_(None),
        user.c.id == member.c.user_id,
        user.c.disabled_at.is_(None),
    )
    return first.limit(1).scalar_subquery().is_not(None)


class WorkspacePlan(str):
    """The name of a plan, with limits of one workspace that replace those of the plan."""

    overrides: str
    """A JSON object of limits by name; empty if there are none."""

    def __new__(cls, name: str, overrides: str = "") -> "WorkspacePlan":
        plan = super().__new__(cls, name)
        plan.overrides = overrides
        return plan


class _PlanText(TypeDecorator[WorkspacePlan]):
    """Text that consists of the name of a plan, and of a JSON object if there are overrides."""

    impl = sa.Text
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> WorkspacePlan | None:
        if value is None:
            return None
        # The name of a plan has no brace.
        name, brace, rest = str(value).partition("{")
        return WorkspacePlan(name, brace + rest)


PLAN: sa.ColumnElement[WorkspacePlan] = sa.type_coerce(
    workspaces.c.plan + sa.func.coalesce(sa.type_coerce(workspaces.c.limit_overrides, sa.Text), ""),
    _PlanText(),
).label("plan")
"""The plan of a row of `workspaces`."""


def newest(statement: Any, key: sa.ColumnElement[UUID], before: UUID | None, limit: int) -> Any:
    """A page of the rows of a select, the newest first: those with a `key` before the last one of the page before."""
    if before is not None:
        statement = statement.where(key < before)
    return statement.order_by(key.desc()).limit(limit)
