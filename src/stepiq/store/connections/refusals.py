"""Explains why a database refuses a connection or a statement, and which SQL allows it."""

import re
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

import psycopg
from psycopg import errors
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from stepiq.core.errors import Unavailable
from stepiq.store.connections import faults
from stepiq.store.connections.faults import StoreUnavailable

READ_ONLY_ADVICE = "Use the primary server, and a role without `default_transaction_read_only`."

_CONNECT_SECONDS = 10
# Errors of statements that the operator's configuration causes. All others are bugs in the statement.
_FIXABLE = (
    psycopg.OperationalError,
    errors.InsufficientPrivilege,
    errors.InvalidSchemaName,
    errors.ReadOnlySqlTransaction,
    errors.DuplicateTable,
    errors.IdleInTransactionSessionTimeout,
)
_FILE_ADVICE = {
    "READONLY": "Make the file and its folder writable for the user that runs stepIQ.",
    "CANTOPEN": "Make sure that its folder exists and that the user that runs stepIQ may write to it.",
    "BUSY": "Another process is writing to it. Stop that process, or try again.",
}
# Text that libpq adds before the server's message. The severity, such as FATAL, can be in any language.
_PREAMBLE = re.compile(
    r"^(connection failed: |connection is bad: |connection to server .*? failed: |\S+:  )+"
)

_SERVER_MESSAGE = re.compile(r"(^|: )\S+:  ", re.MULTILINE)
"""The severity, after which libpq adds two spaces. Messages of libpq itself have none."""


class StoreRefused(Unavailable):
    """The database server refuses what stepIQ needs."""

    code = "store_refused"


@dataclass(frozen=True, slots=True)
class _Cause:
    """A reason why a connection fails."""

    advice: str
    is_temporary: bool = False
    """Whether the server is missing or busy, as opposed to refusing the connection."""
    reason: str = ""
    """What happened, if the driver's message is unclear."""


_NO_ROLE = _Cause(
    "Run as a superuser: CREATE ROLE $role LOGIN PASSWORD '…'; If the role exists: ALTER ROLE $role LOGIN;"
)
_NO_HBA_LINE = _Cause(
    "Add a line for this client to the server's pg_hba.conf, such as `host $database $role ADDRESS scram-sha-256`, then"
    " run as a superuser: SELECT pg_reload_conf(); If the server accepts encrypted connections only, add"
    " `?sslmode=require` to STEPIQ_DATABASE_URL."
)
_NOT_READY = _Cause("Try again in a moment.", is_temporary=True)
_SUSPENDED = _Cause(
    "The process did not use the connection for longer than the server allows, for example because the machine was"
    " suspended. Start the process again.",
    is_temporary=True,
)
_WRONG_PASSWORD = _Cause(
    "Correct the user and password in STEPIQ_DATABASE_URL. To set the password, run as a superuser:"
    " ALTER ROLE $role LOGIN PASSWORD '…'; If the role does not exist: CREATE ROLE $role LOGIN PASSWORD '…';"
)
_NO_PASSWORD = _Cause(
    "Add the password to STEPIQ_DATABASE_URL: `postgresql://$role:PASSWORD@HOST/$database`. To set it, run as a superuser:"
    " ALTER ROLE $role LOGIN PASSWORD '…';",
    reason="PostgreSQL asks for a password, and STEPIQ_DATABASE_URL has none",
)
# What a server says in English. The driver has no SQLSTATE of a failed connection.
_REFUSALS = {
    "password authentication failed": _WRONG_PASSWORD,
    "role .* does not exist|is not permitted to log in": _NO_ROLE,
    "no pg_hba.conf entry|pg_hba.conf rejects connection": _NO_HBA_LINE,
    "database .* does not exist": _Cause(
        "Run as a superuser: CREATE DATABASE $database OWNER $role ENCODING 'UTF8' TEMPLATE template0;"
    ),
    "permission denied for database": _Cause(
        "Run as a superuser: GRANT CONNECT ON DATABASE $database TO $role;"
    ),
    "is not currently accepting connections": _Cause(
        "Run as a superuser: ALTER DATABASE $database ALLOW_CONNECTIONS true;"
    ),
    "too many (clients|connections)|connection slots are reserved": _Cause(
        "Raise `max_connections` of the server, or the limit of the role: ALTER ROLE $role CONNECTION LIMIT -1;"
    ),
    "the database system is": _NOT_READY,
}
# By the SQLSTATE with which a server ends a session.
_ENDED = {
    "25P03": _SUSPENDED,
    "57P01": _NOT_READY,
    "57P02": _NOT_READY,
    "57P03": _NOT_READY,
    "57P05": _SUSPENDED,
}
_OTHER_REFUSAL = _Cause("Correct STEPIQ_DATABASE_URL, or the configuration of the server.")
_INVALID_URL = _Cause("Correct STEPIQ_DATABASE_URL.")
_NO_SERVER = _Cause(
    "Start PostgreSQL, or correct the host, port and options in STEPIQ_DATABASE_URL.",
    is_temporary=True,
)


@contextmanager
def explaining(url: URL) -> Generator[None]:
    """Replace errors that the operator can fix by errors that explain how; all others pass unchanged.

    Raises:
        StoreRefused: the server refuses a connection or a statement.
        StoreUnavailable: no server answers, or the SQLite file cannot be used.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _explained(url, error) from error
    except DBAPIError as error:
        path = Path(str(url.database)) if url.get_backend_name() == "sqlite" else None
        if (fault := faults.fault(error.orig, path)) is not None:
            raise fault from error
        if error.orig is None or not _is_fixable(error.orig):
            raise
        raise _explained(url, error.orig) from error


def connect(url: URL) -> psycopg.Connection:
    """A connection for a few queries. The caller closes it.

    Raises:
        StoreRefused: the server refuses the connection.
        StoreUnavailable: no server answers.
    """
    with explaining(url):
        # No SQLAlchemy engine: it cannot read the version from a database without an encoding.
        return psycopg.connect(
            _conninfo(url), client_encoding="utf8", connect_timeout=_CONNECT_SECONDS
        )


def _is_fixable(error: BaseException) -> bool:
    if isinstance(error, sqlite3.Error):
        # SQLite also uses this class for invalid statements.
        return getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_ERROR
    return isinstance(error, _FIXABLE)


def _explained(url: URL, error: BaseException) -> StoreRefused | StoreUnavailable:
    where, reason = f"The database {shown(url)}", _reason(error)
    if isinstance(error, sqlite3.Error):
        name = str(getattr(error, "sqlite_errorname", "")).removeprefix("SQLITE_")
        advice = next((text for start, text in _FILE_ADVICE.items() if name.startswith(start)), "")
        return StoreUnavailable(f"{where} cannot be used: {reason}. {advice}".rstrip())
    ended = _ENDED.get(error.sqlstate or "") if isinstance(error, psycopg.Error) else None
    if ended is not None:
        return StoreUnavailable(f"{where} cannot be reached: {reason}. {ended.advice}")
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        advice = _statement_advice(error, url)
        return StoreRefused(f"{where} refused a statement: {reason}. {advice}")
    found = _cause(error)
    advice = Template(found.advice).substitute(role=_role(url), database=_database(url))
    reason = found.reason or reason
    if found.is_temporary:
        return StoreUnavailable(f"{where} cannot be reached: {reason}. {advice}")
    return StoreRefused(f"{where} refuses the connection: {reason}. {advice}")


def _cause(error: BaseException) -> _Cause:
    message = str(error)
    if _SERVER_MESSAGE.search(message):
        known = (cause for words, cause in _REFUSALS.items() if re.search(words, message))
        return next(known, _OTHER_REFUSAL)
    if isinstance(error, psycopg.ProgrammingError):
        return _INVALID_URL
    needs_password = (
        isinstance(error, psycopg.Error) and error.pgconn and error.pgconn.needs_password
    )
    return _NO_PASSWORD if needs_password else _NO_SERVER


def _statement_advice(error: psycopg.Error, url: URL) -> str:
    if isinstance(error, errors.InsufficientPrivilege):
        return (
            f"Make the role {_role(url)} the owner of the database and of all tables in it. `stepiq doctor` prints the SQL for"
            " what is missing."
        )
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return READ_ONLY_ADVICE
    if isinstance(error, errors.DuplicateTable):
        return (
            "Another program created it. Give stepIQ its own database:"
            f" {another_database(_role(url), _database(url))}"
        )
    return "See the log of the database server."


def _conninfo(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def shown(url: URL) -> str:
    """The URL of a database without its driver and password."""
    bare = url.difference_update_query(["password"]).set(drivername=url.get_backend_name())
    return bare.render_as_string(hide_password=True)


def another_database(role: str, database: str) -> str:
    """SQL that creates a separate database for a role, because another program uses the first one."""
    name = "stepiq" if database != "stepiq" else "stepiq_server"
    return f"CREATE DATABASE {name} OWNER {role} ENCODING 'UTF8' TEMPLATE template0;"


def quoted(name: str) -> str:
    """A name as an SQL identifier, quoted only if necessary."""
    return postgresql.dialect().identifier_preparer.quote(name)


def _reason(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return _PREAMBLE.sub("", lines[0]).rstrip(".")


def _role(url: URL) -> str:
    return quoted(url.username or "stepiq")


def _database(url: URL) -> str:
    return quoted(url.database or url.username or "stepiq")
