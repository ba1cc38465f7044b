"""Checks whether a PostgreSQL server keeps what it confirms, stores every text, and lets its role do what stepIQ needs."""

from dataclasses import dataclass

from sqlalchemy.engine import URL

from stepiq.core import logging
from stepiq.core.errors import Unavailable
from stepiq.store import migrate, refusals, rights
from stepiq.store.database import UnsafeStore
from stepiq.store.refusals import StoreRefused, shown

OLDEST_POSTGRES = 15

_PARAMETERS = (
    "server_version_num",
    "server_encoding",
    "transaction_read_only",
    "fsync",
    "full_page_writes",
)
_ASKED = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"


_ACCEPT = "To accept the loss of runs when its machine fails, set STEPIQ_ALLOW_UNSAFE_STORE=true."

log = logging.get(__name__)


class StoreUnsupported(Unavailable):
    """The database server is too old, or the database has another encoding than UTF-8."""

    code = "store_unsupported"


@dataclass(frozen=True, slots=True)
class Flaw:
    """A problem with a database server, and how to fix it."""

    problem: str
    advice: str
    error: type[Unavailable] = StoreUnsupported
    """What a start on it ends with."""

    @property
    def is_unsafe(self) -> bool:
        """Whether the database can be used, but may lose what it has confirmed."""
        return self.error is UnsafeStore


def check(url: URL, *, allow_unsafe: bool) -> None:
    """Refuse a PostgreSQL that cannot be used, or that may lose runs. SQLite is checked at every connection instead.

    Args:
        url: the database.
        allow_unsafe: whether to accept one that may lose runs.

    Raises:
        StoreRefused: it refuses the connection, or its role lacks rights.
        StoreUnsupported: it is too old, or not in UTF-8.
        UnsafeStore: it may lose what it has confirmed.
        StoreUnavailable: nothing answers.
    """
    found: list[Flaw] = []
    for flaw in flaws(url):
        if allow_unsafe and flaw.is_unsafe:
            log.warning("store_unsafe", problem=flaw.problem)
        else:
            found.append(flaw)
    if not found:
        return
    text = "\n  ".join(f"{flaw.problem} {flaw.advice}" for flaw in found)
    if len(found) > 1:
        text = f"The database {shown(url)} cannot be used:\n  {text}"
    raise found[0].error(text)


def flaws(url: URL) -> list[Flaw]:
    """Everything that is wrong with the database server, the worst first; nothing on SQLite.

    Raises:
        StoreRefused: it refuses the connection.
        StoreUnavailable: nothing answers.
    """
    if url.get_backend_name() == "sqlite":
        return []
    with refusals.connect(url) as connection:
        rows = connection.execute(_ASKED, [list(_PARAMETERS)]).fetchall()
        values = dict(rows)
        found = judge(
            version=int(values["server_version_num"]) // 10_000,
            encoding=values["server_encoding"],
            is_read_only=values["transaction_read_only"] == "on",
            off=[name for name in ("fsync", "full_page_writes") if values[name] == "off"],
        )
        connection.rollback()
        if all(flaw.is_unsafe for flaw in found):
            is_current = rights.revision(connection) == migrate.known_revisions()[0]
            found = [
                _refused(each, url) for each in rights.missing(connection, is_current=is_current)
            ] + found
    return found


def judge(*, version: int, encoding: str, is_read_only: bool, off: list[str]) -> list[Flaw]:
    """What is wrong with a server of a major version, a database of an encoding, and parameters that are off."""
    found: list[Flaw] = []
    if version < OLDEST_POSTGRES:
        advice = f"Use PostgreSQL {OLDEST_POSTGRES} or newer."
        found.append(Flaw(f"The database server is PostgreSQL {version}.", advice))
    if encoding != "UTF8":
        problem = f"The encoding of the database is {encoding}, which cannot store every text."
        advice = (
            "Create one with: CREATE DATABASE name OWNER role ENCODING 'UTF8' TEMPLATE template0;"
        )
        found.append(Flaw(problem, advice))
    if is_read_only:
        problem = "The database accepts no writes: it is read-only."
        found.append(Flaw(problem, refusals.READ_ONLY_ADVICE, StoreRefused))
    for name in off:
        problem = f"PostgreSQL runs with {name}=off: a power failure can lose or destroy what it has confirmed."
        advice = f"Run as a superuser: ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();"
        found.append(Flaw(problem, f"{advice} {_ACCEPT}", UnsafeStore))
    return found


def _refused(missing: rights.Missing, url: URL) -> Flaw:
    name = refusals.quoted(url.database or url.username or "stepiq")
    advice = f"Run as a superuser, connected to {name}: {missing.sql}"
    return Flaw(missing.problem, advice, StoreRefused)
