"""Query plans, and the queries that were executed."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from stepiq.store.database import Database
from stepiq.store.tables import metadata
from tests.support.watched_sql import watched

_READS_OR_CHANGES = re.compile(r"\s*(SELECT|UPDATE|DELETE|INSERT|WITH)\b")

# Plan types that read whole tables. PostgreSQL prefers them for tables as small as those of tests.
_READ_AT_ONCE = ("enable_seqscan", "enable_bitmapscan", "enable_mergejoin", "enable_hashjoin")

# Partial indexes that contain only rows of runs in progress. Reading one of them completely takes little time.
_OF_RUNS_IN_PROGRESS = {"ix_run_steps_reserved", "ix_runs_of_executor"}


async def query_plan(database: Database, statement: sa.ClauseElement) -> str:
    """The plan on empty tables, one line for each node.

    PostgreSQL would scan such tables. Its settings allow scans and sorts here only if no index can be used.
    """
    dialect = sqlite.dialect() if database.is_sqlite else postgresql.dialect()
    compiled = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    text = str(compiled)
    return await plan_of(
        database, text, (), off=("enable_seqscan", "enable_bitmapscan", "enable_sort")
    )


async def plan_of(
    database: Database,
    text: str,
    parameters: Any,
    *,
    off: Sequence[str] = _READ_AT_ONCE,
) -> str:
    """The plan of a statement as the store prints it. PostgreSQL avoids the plan types in `off` if it can."""
    if database.is_sqlite:
        async with database.reading() as session:
            execute = session.connection.execute
            found = await execute(f"EXPLAIN QUERY PLAN {text}", parameters)
            return "\n".join(row[3] for row in found.rows)
    async with database.transaction() as session:
        execute = session.connection.execute
        for setting in off:
            await execute(f"SET LOCAL {setting} = off")
        found = await execute(f"EXPLAIN (COSTS OFF) {text}", parameters)
        return "\n".join(row[0] for row in found.rows)


@contextmanager
def statements() -> Iterator[dict[str, Any]]:
    """The statements executed in the block, with the parameters of their first execution."""
    seen: dict[str, Any] = {}

    def note(_connection: Any, text: str, values: Any) -> None:
        if _READS_OR_CHANGES.match(text):
            seen.setdefault(text, values)

    with watched(note):
        yield seen


@contextmanager
def executions() -> Iterator[list[str]]:
    """All statements executed in the block, in order. One that is executed for several rows together counts once."""
    seen: list[str] = []

    def note(_connection: Any, text: str, _values: Any) -> None:
        if text not in ("BEGIN", "COMMIT"):
            seen.append(text)

    with watched(note):
        yield seen


@contextmanager
def rest_of_transaction(first: re.Pattern[str]) -> Iterator[list[str]]:
    """The first statement in the block that matches, and those after it in its transaction."""
    found: list[str] = []
    inside: list[Any] = []

    def note(connection: Any, text: str, _values: Any) -> None:
        if text == "COMMIT" and connection in inside:
            inside.remove(connection)
        if not found and first.match(text):
            inside.append(connection)
        if connection in inside:
            found.append(text)

    with watched(note):
        yield found


def walked_whole(plan: str) -> set[str]:
    """The tables of stepIQ that a plan reads completely, directly or through an index of more than runs in progress."""
    lines = [line.strip().removeprefix("->").strip() for line in plan.splitlines()]
    found: set[str] = set()
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        whole = re.match(r"(?:SCAN|Seq Scan on) (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", line)
        index = re.match(r"Index (?:Only )?Scan (?:Backward )?using (\w+) on (\w+)", line)
        if whole and whole[2] not in _OF_RUNS_IN_PROGRESS:
            found.add(whole[1])
        elif (
            index
            and index[1] not in _OF_RUNS_IN_PROGRESS
            and not following.startswith("Index Cond:")
        ):
            found.add(index[2])
    return found & set(metadata.tables)
