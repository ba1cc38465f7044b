"""Compares the rights of a PostgreSQL role with those that a server needs.

The check creates tables and schemas in a transaction that it rolls back, because a list of privileges does not include
everything that PostgreSQL checks, such as event triggers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import psycopg
from psycopg import errors
from sqlalchemy.engine import URL

from stepiq.core.errors import Unavailable
from stepiq.store import migrate
from stepiq.store.connections import refusals
from stepiq.store.connections.faults import UnsafeStore
from stepiq.store.connections.refusals import StoreRefused, another_database, quoted, shown
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


def missing_rights(connection: psycopg.Connection, *, is_current: bool) -> list[MissingRight]:
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


OLDEST_POSTGRES = 15

_PARAMETERS = (
    "server_version_num",
    "server_encoding",
    "transaction_read_only",
    "fsync",
    "full_page_writes",
)
_ASKED = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"


class StoreUnsupported(Unavailable):
    """The database server is too old, or the database has another encoding than UTF-8."""

    code = "store_unsupported"


def check(url: URL, *, allow_unsafe: bool) -> None:
    """Refuse a PostgreSQL server that cannot be used or may lose runs. SQLite is checked at each connection instead.

    Args:
        url: the database.
        allow_unsafe: whether to accept a server that may lose runs.

    Raises:
        StoreRefused: it refuses the connection, is read-only, or its role lacks rights.
        StoreUnsupported: it is too old, or the encoding is not UTF-8.
        UnsafeStore: it may lose confirmed commits.
        StoreUnavailable: no server answers.
    """
    found = [flaw for flaw in flaws(url) if not (allow_unsafe and isinstance(flaw, UnsafeStore))]
    if not found:
        return
    if len(found) == 1:
        raise found[0]
    lines = [f"The database {shown(url)} cannot be used.", *(flaw.message for flaw in found)]
    raise type(found[0])("\n  ".join(lines))


def flaws(url: URL) -> list[Unavailable]:
    """All problems of the database server, the worst first; empty for SQLite.

    A server whose only problems are `UnsafeStore` can be used, but may lose confirmed commits.

    Raises:
        StoreRefused: it refuses the connection.
        StoreUnavailable: no server answers.
    """
    if url.get_backend_name() == "sqlite":
        return []
    with refusals.explaining(url), refusals.connect(url) as connection:
        rows = connection.execute(_ASKED, [list(_PARAMETERS)]).fetchall()
        values = dict(rows)
        found = judge(
            version=int(values["server_version_num"]) // 10_000,
            encoding=values["server_encoding"],
            is_read_only=values["transaction_read_only"] == "on",
            off=[name for name in ("fsync", "full_page_writes") if values[name] == "off"],
            new_database=refusals.another_database(
                refusals.quoted(connection.info.user), connection.info.dbname
            ),
        )
        connection.rollback()
        if all(isinstance(flaw, UnsafeStore) for flaw in found):
            is_current = revision(connection) == migrate.known_revisions()[0]
            name = refusals.quoted(connection.info.dbname)
            missing = missing_rights(connection, is_current=is_current)
            found = [*(_refused(each, name) for each in missing), *found]
    return found


def judge(
    *, version: int, encoding: str, is_read_only: bool, off: list[str], new_database: str
) -> list[Unavailable]:
    """The problems of a server, from its major version, encoding, read-only state and parameters that are off.

    `new_database` is the SQL that creates another database for the role.
    """
    found: list[Unavailable] = []
    if version < OLDEST_POSTGRES:
        found.append(
            StoreUnsupported(
                f"The database server is PostgreSQL {version}. Use PostgreSQL {OLDEST_POSTGRES} or newer."
            )
        )
    if encoding != "UTF8":
        found.append(
            StoreUnsupported(
                f"The encoding of the database is {encoding}, which cannot store every text. Create another one, and use it in"
                f" STEPIQ_DATABASE_URL. Run as a superuser: {new_database}"
            )
        )
    if is_read_only:
        found.append(
            StoreRefused(
                f"The database accepts no writes: it is read-only. {refusals.READ_ONLY_ADVICE}"
            )
        )
    found += [
        UnsafeStore(
            f"PostgreSQL runs with {name}=off: a power failure can lose or damage committed data. Run as a superuser:"
            f" ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf(); To accept that runs can be lost when its machine fails, set"
            " STEPIQ_ALLOW_UNSAFE_STORE=true."
        )
        for name in off
    ]
    return found


def _refused(missing: MissingRight, name: str) -> StoreRefused:
    return StoreRefused(f"{missing.problem} Run as a superuser, connected to {name}: {missing.sql}")
