"""Whether a PostgreSQL server keeps what it has acknowledged, and can hold every text."""

from dataclasses import dataclass

import psycopg
from sqlalchemy.engine import URL

from stepiq.core import logging
from stepiq.core.errors import Unavailable
from stepiq.store.database import StoreUnavailable, UnsafeStore

OLDEST_POSTGRES = 15

_PARAMETERS = ("server_version_num", "server_encoding", "fsync", "full_page_writes")
_ASKED = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"

log = logging.get(__name__)


class StoreUnsupported(Unavailable):
    """The database server is too old, or the database has another encoding than UTF-8."""

    code = "store_unsupported"


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a database server, and what to do about it."""

    problem: str
    advice: str
    is_unsafe: bool
    """Whether it would lose what it has acknowledged; else it cannot be used at all."""


def check(url: URL, *, allow_unsafe: bool) -> None:
    """Refuse a PostgreSQL that cannot be used, or that would lose runs; does nothing on SQLite.

    Args:
        url: the database.
        allow_unsafe: whether one that would lose runs may pass, with a warning in the log.

    Raises:
        StoreUnsupported: it cannot be used.
        UnsafeStore: it would lose what it has acknowledged.
        StoreUnavailable: it cannot be reached.
    """
    for flaw in flaws(url):
        if not flaw.is_unsafe:
            raise StoreUnsupported(f"{flaw.problem} {flaw.advice}")
        if not allow_unsafe:
            raise UnsafeStore(
                f"{flaw.problem} {flaw.advice} To start all the same, and lose runs when its machine fails, set "
                "STEPIQ_ALLOW_UNSAFE_STORE=true."
            )
        log.warning("store_unsafe", problem=flaw.problem)


def flaws(url: URL) -> list[Flaw]:
    """Everything that is wrong with the database server; nothing is on SQLite, which is checked at every connection.

    Raises:
        StoreUnavailable: it cannot be reached.
    """
    if url.get_backend_name() == "sqlite":
        return []
    target = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        # Not through an engine: one cannot read the version from a database without an encoding.
        with psycopg.connect(target, client_encoding="utf8", connect_timeout=10) as connection:
            rows = connection.execute(_ASKED, [list(_PARAMETERS)]).fetchall()
    except psycopg.OperationalError as error:
        where = url.render_as_string(hide_password=True)
        reason = str(error).strip().splitlines()[0]
        raise StoreUnavailable(f"The database {where} cannot be used: {reason}") from None
    shown = dict(rows)
    return judge(
        version=int(shown["server_version_num"]) // 10_000,
        encoding=shown["server_encoding"],
        off=[name for name in ("fsync", "full_page_writes") if shown[name] == "off"],
    )


def judge(*, version: int, encoding: str, off: list[str]) -> list[Flaw]:
    """What is wrong with a server of a major version, a database of an encoding, and parameters that are off."""
    found: list[Flaw] = []
    if version < OLDEST_POSTGRES:
        advice = f"Use PostgreSQL {OLDEST_POSTGRES} or newer."
        found.append(Flaw(f"It is PostgreSQL {version}.", advice, is_unsafe=False))
    if encoding != "UTF8":
        problem = f"The database's encoding is {encoding}, which cannot hold every text."
        advice = "Make one with: createdb --encoding=UTF8 --template=template0 NAME"
        found.append(Flaw(problem, advice, is_unsafe=False))
    for name in off:
        problem = f"PostgreSQL runs with {name}=off: a power cut can lose or destroy what it has confirmed."
        advice = f"Run on it: ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();"
        found.append(Flaw(problem, advice, is_unsafe=True))
    return found
