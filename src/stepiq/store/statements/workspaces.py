"""Lists the rows of one owner, newest first, at a cost that does not depend on the rows of other owners."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


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
