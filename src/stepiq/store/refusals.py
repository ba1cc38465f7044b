"""Why a database server refuses, and what the operator does about it: the cause, and the SQL that removes it."""

import re
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from string import Template

import psycopg
from psycopg import errors
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from stepiq.core.errors import Unavailable
from stepiq.store.database import StoreUnavailable

READ_ONLY_ADVICE = "Use the primary server, and a role without `default_transaction_read_only`."

_CONNECT_SECONDS = 10
# Of a statement: what the operator has set up. Any other error is a fault of the statement.
_FIXABLE = (
    psycopg.OperationalError,
    errors.InsufficientPrivilege,
    errors.InvalidSchemaName,
    errors.ReadOnlySqlTransaction,
    errors.DuplicateTable,
)
_FILE_ADVICE = {
    "NOTADB": "Set STEPIQ_DATABASE_URL or STEPIQ_DATA_DIR to another file.",
    "CORRUPT": "Restore a backup: stepiq restore FILE",
    "READONLY": "Make the file and its folder writable for the user that runs stepIQ.",
    "CANTOPEN": "Make sure that its folder exists and that the user that runs stepIQ may write to it.",
    "BUSY": "Another process is writing to it. Stop that process, or try again.",
    "FULL": "Free some disk space.",
}
# What libpq writes in front of the server's own sentence.
_PREAMBLE = re.compile(
    r"^(connection failed: |connection is bad: |connection to server .*? failed: |FATAL:\s+|ERROR:\s+)+"
)
_RELATION = re.compile(r"relation \"([^\"]+)\"")


class StoreRefused(Unavailable):
    """The database server answers, but refuses what stepIQ needs. The message contains the SQL that allows it."""

    code = "store_refused"


@dataclass(frozen=True, slots=True)
class _Cause:
    """A reason for which connecting fails."""

    words: re.Pattern[str]
    """Part of the message of libpq or the server, which give no code for a connection that fails."""
    advice: str
    was_answered: bool = True


_CAUSES = (
    _Cause(
        re.compile("password authentication failed|no password supplied", re.IGNORECASE),
        "Correct the user and password in STEPIQ_DATABASE_URL. To set the password, run as a superuser:"
        " ALTER ROLE $role LOGIN PASSWORD '…'; If the role does not exist: CREATE ROLE $role LOGIN PASSWORD '…';",
    ),
    _Cause(
        re.compile("role .* does not exist", re.IGNORECASE),
        "Run as a superuser: CREATE ROLE $role LOGIN PASSWORD '…';",
    ),
    _Cause(
        re.compile("not permitted to log in", re.IGNORECASE),
        "Run as a superuser: ALTER ROLE $role LOGIN;",
    ),
    _Cause(
        re.compile("database .* does not exist", re.IGNORECASE),
        "Run as a superuser: CREATE DATABASE $database OWNER $role ENCODING 'UTF8' TEMPLATE template0;",
    ),
    _Cause(
        re.compile("permission denied for database", re.IGNORECASE),
        "Run as a superuser: GRANT CONNECT ON DATABASE $database TO $role;",
    ),
    _Cause(
        re.compile("not currently accepting connections", re.IGNORECASE),
        "Run as a superuser: ALTER DATABASE $database ALLOW_CONNECTIONS true;",
    ),
    _Cause(
        re.compile("no pg_hba.conf entry", re.IGNORECASE),
        "Add a line for this client to the server's pg_hba.conf, such as `host $database $role ADDRESS scram-sha-256`, then"
        " run as a superuser: SELECT pg_reload_conf(); If the server accepts encrypted connections only, add"
        " `?sslmode=require` to STEPIQ_DATABASE_URL.",
    ),
    _Cause(
        re.compile("does not support SSL", re.IGNORECASE),
        "Remove `sslmode` from STEPIQ_DATABASE_URL, or turn on `ssl` in the server's postgresql.conf.",
    ),
    _Cause(
        re.compile("certificate", re.IGNORECASE),
        "Add `sslrootcert=FILE` with the certificate of your authority to the query of STEPIQ_DATABASE_URL.",
    ),
    _Cause(
        re.compile("too many (connections|clients)|connection slots", re.IGNORECASE),
        "Raise `max_connections` of the server, or the limit of the role: ALTER ROLE $role CONNECTION LIMIT -1;",
    ),
    _Cause(
        re.compile(
            "invalid (URI query parameter|connection option|port|sslmode)|missing .* in URI",
            re.IGNORECASE,
        ),
        "Correct STEPIQ_DATABASE_URL.",
    ),
    _Cause(
        re.compile("starting up|shutting down|recovery", re.IGNORECASE),
        "Try again in a moment.",
        was_answered=False,
    ),
    _Cause(
        re.compile("resolve host|translate host name", re.IGNORECASE),
        "Correct the host in STEPIQ_DATABASE_URL.",
        was_answered=False,
    ),
    _Cause(
        re.compile("time(d )?out", re.IGNORECASE),
        "Check the host and port in STEPIQ_DATABASE_URL, and that no firewall is in between.",
        was_answered=False,
    ),
    # Any other refusal, such as one in the language of the server.
    _Cause(
        re.compile("FATAL", re.IGNORECASE),
        "Correct STEPIQ_DATABASE_URL, or the configuration of the server.",
    ),
    _Cause(
        re.compile("", re.IGNORECASE),
        "Start PostgreSQL, or correct the host and port in STEPIQ_DATABASE_URL.",
        was_answered=False,
    ),
)


@contextmanager
def explaining(url: URL) -> Generator[None]:
    """Turn errors of the database that the operator can fix into errors that say how; all others pass.

    Raises:
        StoreRefused: the server refuses a connection or a statement.
        StoreUnavailable: nothing answers, or the SQLite file cannot be used.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _explained(url, error) from error
    except DBAPIError as error:
        if error.orig is None or not _is_fixable(error.orig):
            raise
        raise _explained(url, error.orig) from error


def connect(url: URL) -> psycopg.Connection:
    """A connection for a few questions; its user closes it.

    Raises:
        StoreRefused: the server refuses the connection.
        StoreUnavailable: nothing answers.
    """
    target = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with explaining(url):
        # Not through an engine: one cannot read the version from a database without an encoding.
        return psycopg.connect(target, client_encoding="utf8", connect_timeout=_CONNECT_SECONDS)


def _is_fixable(error: BaseException) -> bool:
    if isinstance(error, sqlite3.Error):
        # SQLite uses the same class for a wrong statement.
        return getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR
    return isinstance(error, _FIXABLE)


def _explained(url: URL, error: BaseException) -> StoreRefused | StoreUnavailable:
    where, reason = f"The database {shown(url)}", _reason(error)
    if isinstance(error, sqlite3.Error):
        name = str(getattr(error, "sqlite_errorname", "")).removeprefix("SQLITE_")
        advice = next((text for start, text in _FILE_ADVICE.items() if name.startswith(start)), "")
        return StoreUnavailable(f"{where} cannot be used: {reason}. {advice}".rstrip())
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        advice = _statement_advice(error, url)
        return StoreRefused(f"{where} refused a statement: {reason}. {advice}")
    found = next(each for each in _CAUSES if each.words.search(str(error)))
    advice = Template(found.advice).substitute(role=_role(url), database=_database(url))
    if found.was_answered:
        return StoreRefused(f"{where} refuses the connection: {reason}. {advice}")
    return StoreUnavailable(f"{where} cannot be reached: {reason}. {advice}")


def _statement_advice(error: psycopg.Error, url: URL) -> str:
    if isinstance(error, errors.InsufficientPrivilege):
        return (
            f"Make the role {_role(url)} the owner of the database and of all tables in it. `stepiq doctor` prints the SQL for"
            " what is missing."
        )
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return READ_ONLY_ADVICE
    if isinstance(error, errors.DuplicateTable):
        found = _RELATION.search(str(error))
        name = f"`{found[1]}`" if found else "it"
        return (
            f"Another program created {name}. Give stepIQ its own database:"
            f" {another_database(_role(url), _database(url))}"
        )
    return "See the log of the database server."


def shown(url: URL) -> str:
    """The address of a database as people read it, without its password."""
    bare = url.difference_update_query(["password"]).set(drivername=url.get_backend_name())
    return bare.render_as_string(hide_password=True)


def another_database(role: str, database: str) -> str:
    """SQL that makes a database for a role beside one that belongs to another program."""
    name = "stepiq" if database != "stepiq" else "stepiq_server"
    return f"CREATE DATABASE {name} OWNER {role} ENCODING 'UTF8' TEMPLATE template0;"


def quoted(name: str) -> str:
    """A name as SQL takes it, in quotes only where it needs them."""
    return postgresql.dialect().identifier_preparer.quote(name)


def _reason(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return _PREAMBLE.sub("", lines[0]).rstrip(".")


def _role(url: URL) -> str:
    return quoted(url.username or "stepiq")


def _database(url: URL) -> str:
    return quoted(url.database or url.username or "stepiq")
