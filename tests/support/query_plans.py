"""How SQLite would carry out a query."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from stepiq.store.database import Database


async def query_plan(database: Database, statement: sa.Select[Any]) -> str:
    """The plan, one line for each part."""
    compiled = statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    async with database.reading() as session:
        rows = await session.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")
        return "\n".join(row.detail for row in rows)
