"""Lists of what one owner has, newest first, that no other owner's rows slow down."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _Only(FunctionElement[Any]):
    inherit_cache = True


@compiles(_Only)
def _plain(element: _Only, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(_Only, "postgresql")
def _one_of_an_array(element: _Only, compiler: SQLCompiler, **options: Any) -> str:
    return f"ANY (ARRAY[{compiler.process(element.clauses, **options)}]::uuid[])"


def belongs_to(
    owner: sa.Column[Any], value: UUID | sa.ColumnElement[UUID]
) -> sa.ColumnElement[bool]:
    """Whether a row is of this owner, in a list that `newest_first` puts in order.

    Where a column equals a value, PostgreSQL takes it out of the order, and may then walk the primary key instead, past
    the rows of everybody else: without an end where the owner's own are old. It leaves a column in the order that is one
    of an array, and that order has only the index that begins with the owner.
    """
    return owner == _Only(sa.literal(value, owner.type) if isinstance(value, UUID) else value)


def newest_first(owner: sa.Column[Any]) -> tuple[sa.ColumnElement[Any], ...]:
    """The order of a list by `belongs_to`: by id, which grows with time."""
    return owner.desc(), owner.table.c.id.desc()
