"""Creates the schema of a database, and upgrades it to this version.

An empty database gets its tables from `baseline.sql`, on both stores. Migrations of Alembic change them afterwards.
"""

import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import URL

from stepiq.core.errors import NotFound, StepIQError, Unavailable
from stepiq.core.keys.files import create_private
from stepiq.core.observability import logging
from stepiq.store.connections import engines
from stepiq.store.connections.faults import check_not_emptied
from stepiq.store.connections.refusals import explaining, shown

if TYPE_CHECKING:
    from alembic.config import Config

SCRIPTS = Path(__file__).parent / "migrations"
_SQLITE_TYPES = {
    "UUID": "CHAR(32)",
    "TIMESTAMPTZ": "BIGINT",
    "BYTEA": "BLOB",
    "DEFAULT false": "DEFAULT 0",
    "DEFAULT true": "DEFAULT 1",
}
"""What `baseline.sql` says, and what SQLite gets instead: see `store.types`."""
_REVISIONS = """
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
"""
_REVISION = re.compile(r'^revision = "(\w+)"$', re.MULTILINE)
_BEFORE = re.compile(r'^down_revision = "(\w+)"$', re.MULTILINE)
ADVISORY_LOCK = 0x5354_4550_4952
"""Held while the schema on PostgreSQL changes. An arbitrary number: no other lock of stepIQ uses it or the next one."""
_RETRY_SECONDS = 0.2
_LOCK_TIMEOUT = "500ms"
"""How long a migration waits for a table. Requests that wait behind it have 3.5 seconds in total.

PostgreSQL looks for a deadlock after a second. With a shorter time, it is usually the migration that ends, not a request.
"""
_LOCK_PAUSE_SECONDS = 4.0
_IN_USE = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
"""Another program uses a table that a migration changes."""

log = logging.get(__name__)


class SchemaTooNew(Unavailable):
    """A newer version of stepIQ wrote the database."""

    code = "schema_too_new"

    def __init__(self, url: URL, revision: str) -> None:
        super().__init__(
            f"The database {shown(url)} has schema {revision} of a newer stepIQ. "
            "Install that version again, or restore a backup made before the upgrade."
        )


class SchemaTooOld(Unavailable):
    """A development version before 0.1.0 created the database."""

    code = "schema_too_old"

    def __init__(self, url: URL, revision: str) -> None:
        super().__init__(
            f"The database {shown(url)} has schema {revision} of a development version from before 0.1.0, which cannot be"
            " upgraded. Start with a new database: set STEPIQ_DATA_DIR to an empty folder, or STEPIQ_DATABASE_URL to an empty"
            " database. To read the old data, install the version that created it."
        )


class StoreMissing(NotFound):
    """The database that the settings name does not exist."""

    code = "store_missing"


def require(url: URL) -> str:
    """The revision of a database's schema. Refuses a database that does not exist or is empty.

    Raises:
        StoreMissing: it does not exist or is empty.
        StoreUnavailable, StoreRefused: it cannot be used.
    """
    is_file = url.get_backend_name() == "sqlite"
    # Connecting would create the file.
    if is_file and not Path(str(url.database)).exists():
        found = f"Database {url.database} does not exist."
    elif (revision := current_revision(url)) is None:
        found = f"The database {shown(url)} is empty."
    else:
        return revision
    raise StoreMissing(
        f"{found} Run this command in the working folder of the server, or set STEPIQ_DATA_DIR or STEPIQ_DATABASE_URL as for the"
        " server. To create a new database, run `stepiq migrate`."
    )


def _log_wait() -> None:
    log.warning("migration_waits_for_lock")


def upgrade(url: URL, on_wait: Callable[[], None] = _log_wait) -> None:
    """Apply all missing migrations; does nothing on a current database.

    Args:
        url: the database.
        on_wait: called once if another program uses a table. By default, this is logged.

    Raises:
        StoreUnavailable, StoreRefused: the database cannot be used.
        StoreDamaged: an SQLite file has lost its content.
        SchemaTooNew, SchemaTooOld: another version has created its schema.
    """
    if url.get_backend_name() == "sqlite":
        path = Path(str(url.database))
        check_not_emptied(path)
        # SQLite would create a file that all users can read. Its other files get the permissions of this one.
        create_private(path)
    if current_revision(url) == known_revisions()[0]:
        return
    engine = engines.create(url)
    try:
        with explaining(url):
            if url.get_backend_name() == "sqlite":
                with engine.begin() as connection:
                    upgrade_within(connection)
            else:
                _upgrade_in_steps(engine, on_wait)
    finally:
        engine.dispose()


def upgrade_within(connection: sa.Connection) -> None:
    """Apply all missing migrations in a transaction of the caller, which must end soon: servers wait for it.

    Raises:
        SchemaTooNew, SchemaTooOld: another version has created the schema.
    """
    if not _is_current(connection):
        from alembic import command

        command.upgrade(_config(connection), "head")


def _upgrade_in_steps(engine: sa.Engine, on_wait: Callable[[], None]) -> None:
    """Apply each missing migration in a transaction of its own, while servers use the database.

    A statement that waits for a table makes all later statements wait for it, too. So it waits only for a short time,
    and then the migration is applied again: for as long as `pg_dump` reads the table, for example.
    """
    is_current = has_waited = False
    while not is_current:
        try:
            is_current = _apply_next(engine)
        except exc.OperationalError as error:
            if not isinstance(error.orig, _IN_USE):
                raise
            if not has_waited:
                on_wait()
            has_waited = True
            time.sleep(_LOCK_PAUSE_SECONDS)


def _apply_next(engine: sa.Engine) -> bool:
    """Apply the next migration; returns True if there is none."""
    with engine.begin() as connection:
        if _is_current(connection):
            return True
        from alembic import command

        connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
        command.upgrade(_config(connection), "+1")
    return False


def check(url: URL) -> None:
    """Compare the migrated schema with `store.tables`.

    Raises:
        alembic.util.CommandError: they differ.
    """
    from alembic import command

    engine = engines.create(url)
    try:
        with engine.begin() as connection:
            command.check(_config(connection))
    finally:
        engine.dispose()


def current_revision(url: URL) -> str | None:
    """The revision of a database's schema; None for an empty database.

    Raises:
        StoreUnavailable, StoreRefused: it cannot be used.
    """
    engine = engines.create(url)
    try:
        with explaining(url), engine.connect() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


def known_revisions() -> tuple[str, ...]:
    """All revisions of this version, newest first."""
    texts = [path.read_text() for path in (SCRIPTS / "versions").glob("*.py")]
    before = {
        found[1]: earlier[1] if (earlier := _BEFORE.search(text)) else None
        for text in texts
        if (found := _REVISION.search(text))
    }
    (newest,) = before.keys() - before.values()
    history = [newest]
    while (revision := before[history[-1]]) is not None:
        history.append(revision)
    return tuple(history)


def unknown(url: URL, revision: str) -> StepIQError:
    """The error for a database whose schema is not one of `known_revisions`."""
    # Revisions are times.
    is_old = revision < known_revisions()[-1]
    return SchemaTooOld(url, revision) if is_old else SchemaTooNew(url, revision)


@contextmanager
def alone(url: URL) -> Generator[None]:
    """Allow one process at a time to upgrade the tables of the queue on PostgreSQL.

    Raises:
        StoreUnavailable, StoreRefused: the database cannot be used.
    """
    if url.get_backend_name() == "sqlite":
        yield
        return
    engine = engines.create(url)
    try:
        with (
            explaining(url),
            engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        ):
            # Polling avoids a deadlock that PostgreSQL does not detect: a statement that waits for the lock has a
            # snapshot, and the process with the lock may build an index CONCURRENTLY, which waits for all snapshots.
            while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(ADVISORY_LOCK + 1))):
                time.sleep(_RETRY_SECONDS)
            yield
    finally:
        engine.dispose()


def _is_current(connection: sa.Connection) -> bool:
    """Whether no migration is missing. Creates the tables of an empty database, and locks out other upgrades."""
    # Several processes can start on an empty database at the same time. On SQLite, BEGIN IMMEDIATE makes them wait.
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
    revision = _revision(connection) or _create_tables(connection)
    known = known_revisions()
    if revision not in known:
        raise unknown(connection.engine.url, revision)
    return revision == known[0]


def _create_tables(connection: sa.Connection) -> str:
    """Create the tables of the baseline. Returns its revision."""
    script, revision = (SCRIPTS / "baseline.sql").read_text("utf-8"), known_revisions()[-1]
    if connection.dialect.name == "sqlite":
        for ours, theirs in _SQLITE_TYPES.items():
            script = re.sub(rf"\b{ours}\b", theirs, script)
    recorded = f"INSERT INTO alembic_version VALUES ('{revision}')"  # noqa: S608 - ours
    for statement in f"{script}{_REVISIONS}{recorded}".split(";\n"):
        connection.exec_driver_sql(statement)
    return revision


def _config(connection: sa.Connection) -> "Config":
    from alembic.config import Config

    # By default, Alembic writes to what was the standard output when it was imported.
    config = Config(stdout=StringIO())
    config.set_main_option("script_location", str(SCRIPTS))
    config.attributes["connection"] = connection
    return config


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
