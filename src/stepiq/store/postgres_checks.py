"""Compares the rights of a PostgreSQL role with those that a server needs.

The check creates tables and schemas in a transaction that it rolls back, because a list of privileges does not include
everything that PostgreSQL checks, such as event triggers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import psycopg
from psycopg import errors

from stepiq.store.connections.refusals import another_database, quoted
from stepiq.store.tables import metadata

QUEUE_SCHEMA = "dbos"
"""Schema of the queue's own tables."""

_TRIAL = "stepiq_trial"
_BOOTSTRAP_ROLE = 10
_FACTS = """
SELECT current_user, current_database(), current_schema(), to_regnamespace('public') IS NOT NULL,
    to_regnamespace(%(queue)s) IS NOT NULL,
    coalesce(has_schema_privilege(to_regnamespace(%(queue)s), 'USAGE'), false),
    EXISTS (SELECT FROM pg_class WHERE relname = 'workflow_status' AND relnamespace = to_regnamespace(%(queue)s))
"""
_TABLES = """
SELECT relname, coalesce(relnamespace = to_regnamespace(%(queue)s), false), relowner, pg_get_userbyid(relowner),
    pg_has_role(relowner, 'USAGE'),
    has_table_privilege(pg_class.oid, 'SELECT')
    AND has_table_privilege(pg_class.oid, 'INSERT') AND has_table_privilege(pg_class.oid, 'UPDATE')
    AND has_table_privilege(pg_class.oid, 'DELETE')
FROM pg_class
WHERE relkind IN ('r', 'p') AND (
    relnamespace = to_regnamespace(%(queue)s)
    OR relnamespace = to_regnamespace(coalesce(current_schema(), 'public')) AND relname = ANY(%(ours)s)
)
ORDER BY relname
"""
# Not REASSIGN OWNED: it would also take what is not stepIQ's from the owner, and fails for the bootstrap role.
_CHANGE_OWNER = """\
DO $$ DECLARE t record; BEGIN FOR t IN SELECT 'TABLE ' || oid::regclass AS name FROM pg_class \
WHERE relkind IN ('r', 'p') AND relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ({schemas})) \
UNION ALL SELECT 'ROUTINE ' || oid::regprocedure FROM pg_proc WHERE pronamespace = to_regnamespace('{queue}') \
LOOP EXECUTE 'ALTER ' || t.name || ' OWNER TO {role}'; END LOOP; END $$;"""


@dataclass(frozen=True, slots=True)
class MissingRight:
    """A right that the role lacks."""

    problem: str
    sql: str
    """SQL that grants it to the role."""


class _Facts(NamedTuple):
    """The row of `_FACTS`."""

    role: str
    database: str
    schema: str | None
    """Schema of new tables; None if the role cannot use any schema of its search path."""
    has_public: bool
    has_queue_schema: bool
    may_use_queue: bool
    has_queue: bool


class _Table(NamedTuple):
    """A row of `_TABLES`."""

    name: str
    is_of_queue: bool
    owner_id: int
    owner: str
    is_owned: bool
    is_usable: bool


def revision(connection: psycopg.Connection) -> str | None:
    """The revision of the schema; None if the database has none, or the role cannot read it."""
    try:
        with connection.transaction(force_rollback=True):
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except (errors.UndefinedTable, errors.InsufficientPrivilege):
        return None
    return None if row is None else str(row[0])


def missing(connection: psycopg.Connection, *, is_current: bool) -> list[MissingRight]:
    """The rights that the role of a connection lacks to start a server. Changes nothing.

    Args:
        connection: a connection to a primary server, outside a transaction.
        is_current: whether the schema has the revision of this version, so that no tables must be created.
    """
    names = {"queue": QUEUE_SCHEMA, "ours": [*metadata.tables, "alembic_version"]}
    with connection.transaction(force_rollback=True):
        row = connection.execute(_FACTS, names).fetchone()
        assert row is not None  # noqa: S101 - a SELECT without FROM
        facts = _Facts(*row)
        found = [] if is_current else list(_schema(connection, facts))
        found += _queue(connection, facts)
        tables = [_Table(*row) for row in connection.execute(_TABLES, names)]
        return found + list(_tables(tables, facts, is_current))


def _schema(connection: psycopg.Connection, facts: _Facts) -> Iterator[MissingRight]:
    role = quoted(facts.role)
    if facts.schema is None:
        problem = f"The role {role} has no right to use any schema of the database {quoted(facts.database)}."
        grant = f"GRANT USAGE, CREATE ON SCHEMA public TO {role};"
        yield MissingRight(
            problem, grant if facts.has_public else f"CREATE SCHEMA public AUTHORIZATION {role};"
        )
    elif not _may(connection, f"CREATE TABLE {quoted(facts.schema)}.{_TRIAL} ()"):
        schema = quoted(facts.schema)
        yield MissingRight(
            f"The role {role} may not create tables in the schema {schema}.",
            f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {role};",
        )


def _queue(connection: psycopg.Connection, facts: _Facts) -> Iterator[MissingRight]:
    role, database = quoted(facts.role), quoted(facts.database)
    if not facts.has_queue_schema:
        if not _may(connection, f"CREATE SCHEMA {QUEUE_SCHEMA}"):
            yield MissingRight(
                f"The role {role} may not create the schema {QUEUE_SCHEMA} in the database {database}.",
                f"GRANT CREATE ON DATABASE {database} TO {role};",
            )
    elif not facts.may_use_queue:
        yield MissingRight(
            f"The role {role} may not use the schema {QUEUE_SCHEMA}.",
            f"ALTER SCHEMA {QUEUE_SCHEMA} OWNER TO {role};",
        )
    elif not facts.has_queue and not _may(connection, f"CREATE TABLE {QUEUE_SCHEMA}.{_TRIAL} ()"):
        yield MissingRight(
            f"The role {role} may not create tables in the schema {QUEUE_SCHEMA}.",
            f"ALTER SCHEMA {QUEUE_SCHEMA} OWNER TO {role};",
        )


def _tables(found: Sequence[_Table], facts: _Facts, is_current: bool) -> Iterator[MissingRight]:
    role, database = quoted(facts.role), quoted(facts.database)
    ours = [table for table in found if not table.is_of_queue]
    if ours and not any(table.name == "alembic_version" for table in ours):
        yield MissingRight(
            f"Another program created the table {ours[0].name} of the database {database}, but stepIQ needs its own database.",
            another_database(role, database),
        )
        return
    wrong = [
        table for table in found if not table.is_owned and not (is_current and table.is_usable)
    ]
    if wrong:
        count = f"{len(wrong)} table" + ("" if len(wrong) == 1 else "s")
        owner = quoted(wrong[0].owner)
        advice = ""
        owners = {table.owner_id for table in wrong}
        if len(owners) == 1 and _BOOTSTRAP_ROLE not in owners:
            advice = f" If {owner} is the role of the server, use it in STEPIQ_DATABASE_URL. Otherwise, change the owner."
        yield MissingRight(
            f"The role {role} does not own {count} of the database {database}, such as {wrong[0].name}, which {owner} owns.{advice}",
            _new_owner(facts),
        )


def _new_owner(facts: _Facts) -> str:
    role = quoted(facts.role)
    schemas = [facts.schema or "public"]
    change = ""
    if facts.has_queue_schema:
        schemas.append(QUEUE_SCHEMA)
        change = f"ALTER SCHEMA {QUEUE_SCHEMA} OWNER TO {role}; "
    listed = ", ".join(f"'{schema}'" for schema in schemas)
    return change + _CHANGE_OWNER.format(schemas=listed, role=role, queue=QUEUE_SCHEMA)


def _may(connection: psycopg.Connection, statement: str) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement.encode())
    except errors.InsufficientPrivilege:
        return False
    return True
