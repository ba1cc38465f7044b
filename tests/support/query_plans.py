"""How a store would carry out a query."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from stepiq.store.database import Database


async def query_plan(database: Database, statement: sa.ClauseElement) -> str:
    """The plan, one line for each part.

    PostgreSQL would read tables without rows as a whole: it is told to do that, or to sort, only where no index will do.
    """
    dialect = sqlite.dialect() if database.is_sqlite else postgresql.dialect()
    compiled = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    async with database.reading() as session:
        if not database.is_sqlite:
            for setting in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
                await session.connection.exec_driver_sql(f"SET LOCAL {setting} = off")
            rows = await session.connection.exec_driver_sql(f"EXPLAIN (COSTS OFF) {compiled}")
            return "\n".join(row[0] for row in rows)
        rows = await session.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")
        return "\n".join(row.detail for row in rows)
