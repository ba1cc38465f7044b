from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.engine import make_url

from stepiq.store import postgres_checks
from stepiq.store.connections.faults import UnsafeStore
from stepiq.store.database import StoreUnavailable
from stepiq.store.postgres_checks import StoreUnsupported

only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

UNSAFE = UnsafeStore("fsync is off. Turn it on.")

GOOD = {
    "version": 15,
    "encoding": "UTF8",
    "is_read_only": False,
    "off": [],
    "new_database": "CREATE DATABASE other OWNER ada;",
}

OLD = StoreUnsupported("The database server is PostgreSQL 14. Use another.")


@pytest.fixture
def unsafe(monkeypatch):
    monkeypatch.setattr(postgres_checks, "flaws", lambda _: [UNSAFE])


class TestCheck:
    async def test_a_store_that_loses_things_is_refused(self, unsafe, database):
        with pytest.raises(UnsafeStore, match=r"Turn it on\."):
            postgres_checks.check(database.url, allow_unsafe=False)

    async def test_everything_that_is_wrong_is_told_at_once(self, monkeypatch, database):
        monkeypatch.setattr(postgres_checks, "flaws", lambda _: [OLD, UNSAFE])

        with pytest.raises(StoreUnsupported) as refused:
            postgres_checks.check(database.url, allow_unsafe=False)

        assert refused.value.message.splitlines()[1:] == [
            "  The database server is PostgreSQL 14. Use another.",
            "  fsync is off. Turn it on.",
        ]

    async def test_it_passes_where_that_is_allowed(self, unsafe, database):
        postgres_checks.check(database.url, allow_unsafe=True)

    @only_postgresql
    async def test_a_database_that_cannot_hold_every_text_is_never_allowed(self, database):
        name = f"ascii_{uuid4().hex}"
        ascii_only = "CREATE DATABASE {} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"
        server = database.url.set(drivername="postgresql", database="postgres")
        shown = server.render_as_string(hide_password=False)
        with psycopg.connect(shown, autocommit=True) as connection:
            connection.execute(sql.SQL(ascii_only).format(sql.Identifier(name)))
            try:
                with pytest.raises(StoreUnsupported, match="SQL_ASCII"):
                    postgres_checks.check(database.url.set(database=name), allow_unsafe=True)
            finally:
                connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


class TestFlaws:
    async def test_the_server_itself_is_asked(self, database):
        found = {flaw.message.partition("=")[0] for flaw in postgres_checks.flaws(database.url)}

        off = set()
        if not database.is_sqlite:
            async with database.reading() as session:
                for name in ("fsync", "full_page_writes"):
                    if await session.scalar(sa.text(f"SHOW {name}")) == "off":
                        off.add(f"PostgreSQL runs with {name}")
        assert found == off

    @pytest.mark.parametrize("off", ["fsync", "full_page_writes"])
    def test_what_is_unsafe_says_how_to_accept_it(self, off):
        (flaw,) = postgres_checks.judge(**{**GOOD, "off": [off]})

        assert f"ALTER SYSTEM SET {off} = on;" in flaw.message
        assert "STEPIQ_ALLOW_UNSAFE_STORE=true" in flaw.message

    def test_one_that_does_not_answer_is_unavailable(self):
        with pytest.raises(StoreUnavailable):
            postgres_checks.flaws(make_url("postgresql://u@127.0.0.1:9/none"))


class TestJudge:
    def test_another_encoding_gets_the_sql_for_another_database(self):
        (flaw,) = postgres_checks.judge(**{**GOOD, "encoding": "LATIN1"})

        assert flaw.message.endswith("Run as a superuser: CREATE DATABASE other OWNER ada;")

    @pytest.mark.parametrize(
        ("facts", "expected"),
        [
            ({}, []),
            ({"version": 14}, [("PostgreSQL 14", False)]),
            ({"encoding": "LATIN1"}, [("LATIN1", False)]),
            ({"is_read_only": True}, [("read-only", False)]),
            ({"off": ["fsync", "full_page_writes"]}, [("fsync", True), ("full_page", True)]),
        ],
    )
    def test_it_names_each_flaw(self, facts, expected):
        found = postgres_checks.judge(**{**GOOD, **facts})

        unsafe = [isinstance(flaw, UnsafeStore) for flaw in found]
        assert unsafe == [is_unsafe for _, is_unsafe in expected]
        assert all(word in flaw.message for flaw, (word, _) in zip(found, expected, strict=True))
