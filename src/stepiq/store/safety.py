"""Checks that a PostgreSQL server keeps confirmed commits, can store every text, and grants the required rights."""

from sqlalchemy.engine import URL

from stepiq.core.errors import Unavailable
from stepiq.store import migrate
from stepiq.store import postgres_checks as rights
from stepiq.store.connections import refusals
from stepiq.store.connections.refusals import StoreRefused, shown
from stepiq.store.database import UnsafeStore

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
            is_current = rights.revision(connection) == migrate.known_revisions()[0]
            name = refusals.quoted(connection.info.dbname)
            missing = rights.missing(connection, is_current=is_current)
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


def _refused(missing: rights.MissingRight, name: str) -> StoreRefused:
    return StoreRefused(f"{missing.problem} Run as a superuser, connected to {name}: {missing.sql}")
