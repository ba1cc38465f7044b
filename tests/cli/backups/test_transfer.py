"""A backup of SQLite, restored into PostgreSQL."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from psycopg.types.string import TextLoader
from sqlalchemy.engine import make_url

from stepiq.accounts.audit.sealing import seal
from stepiq.core import clock
from stepiq.core.settings.model import Settings
from stepiq.store import migrate
from stepiq.store.connections import engines
from stepiq.store.database import Database
from stepiq.store.states import RunStatus
from stepiq.store.tables import (
    asked_addresses,
    known_clients,
    metadata,
    pipelines,
    runs,
    spent_sign_ins,
    trace_exports,
)
from tests.cli.backups.conftest import (
    FILE,
    Kept,
    is_code_accepted,
    put,
    run_ids,
    secret_of,
)
from tests.cli.conftest import Cli, within
from tests.support.later_version import add_migrations
from tests.support.make import Make
from tests.support.stores import PostgresStores
from tests.support.whole_workspace import fill

pytestmark = pytest.mark.one_store

_VERSIONS = frozenset({"alembic_version", "dbos_migrations"})
_LARGE = {"Grüße": "世界 🌍" * 20_000, "numbers": [9_007_199_254_740_993, 2.5, None]}
"""Enough for several buffers of the driver."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Contents = dict[str, list[dict[str, Any]]]
"""The rows of each table."""


@pytest.fixture
def target(tmp_path: Path, postgres_stores: PostgresStores) -> Iterator[str]:
    """URL of an empty PostgreSQL database."""
    url = postgres_stores.create_empty()
    yield url
    postgres_stores.drop(url)


@pytest.fixture
def use_target(target: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Continue with PostgreSQL, on the same machine."""
    return lambda: monkeypatch.setenv("STEPIQ_DATABASE_URL", target)


def fill_every_table(kept: Kept, path: Path) -> None:
    """Insert rows into each table of the database, also into those of the queue."""

    async def add(database: Database, _: Settings) -> None:
        make = Make(database)
        await fill(database, make, kept.account)
        await make.reset(kept.account)
        member = await make.member(kept.account)
        await make.service_key(kept.account)
        for status in RunStatus:
            await make.run(kept.account, kept.pipeline_id, status=status, input_data=_LARGE)
        now = clock.now()
        values: list[tuple[sa.Table, dict[str, Any]]] = [
            (asked_addresses, {"email": "a@example.com", "day": "2026-11-27", "asked": 2}),
            (spent_sign_ins, {"digest": bytes(range(32)), "expires_at": now}),
            (trace_exports, {"run_id": kept.run_id, "due_at": now, "created_at": now}),
            (known_clients, {"digest": b"\xff" * 32, "user_id": member.id, "last_seen_at": now}),
        ]
        async with database.transaction() as session:
            for table, row in values:
                await session.execute(sa.insert(table).values(row))
            await session.execute(
                sa.update(pipelines).values(tags=["ä", "b"], managed_by="git", managed_source="a/b")
            )
            await seal(session)

    within(add)
    engine = engines.create(make_url(f"sqlite:///{path}"))
    queue = sa.MetaData()
    queue.reflect(engine)
    with engine.begin() as connection:
        for table in queue.sorted_tables:
            if table.name not in {*metadata.tables, *_VERSIONS}:
                row = {column.name: _example(column) for column in table.columns}
                connection.execute(table.insert().values(row))
    engine.dispose()


def _example(column: sa.Column[Any]) -> Any:
    if column.name == "status":
        return "PENDING"
    kinds = {"BOOLEAN": 1, "INTEGER": 2**31 - 1, "BIGINT": 2**53, "REAL": 0.5, "TEXT": "{}"}
    return kinds[str(column.type)]


def sqlite_contents(path: Path) -> Contents:
    """The rows as the driver reads them."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = [
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {
            name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")]  # noqa: S608 - names of our tables
            for name in names
            if name not in _VERSIONS
        }


def postgres_contents(url: str) -> Contents:
    """The rows, with values in the form that SQLite stores."""
    with psycopg.connect(url) as connection:
        connection.adapters.register_loader("jsonb", TextLoader)
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'dbos')"
        ).fetchall()
        found: Contents = {}
        for table in tables:
            cursor = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(*table)))
            names = [column.name for column in cursor.description or ()]
            found[table[1]] = [
                dict(zip(names, map(_as_stored_by_sqlite, row), strict=True)) for row in cursor
            ]
    return {name: rows for name, rows in found.items() if name not in _VERSIONS}


def _as_stored_by_sqlite(value: Any) -> Any:
    match value:
        case UUID():
            return value.hex
        case datetime():
            return (value - _EPOCH) // timedelta(microseconds=1)
        case bool():
            return int(value)
        case memoryview():
            return bytes(value)
        case _:
            return value


def sorted_rows(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in rows)


class TestTransfer:
    @pytest.mark.slow
    def test_every_row_of_every_table_is_the_same(
        self, cli: Cli, kept: Kept, tmp_path: Path, target: str, use_target: Callable[[], None]
    ):
        path = tmp_path / "stepiq.db"
        fill_every_table(kept, path)
        before = sqlite_contents(path)
        cli("backup", FILE)
        use_target()

        said = cli("restore", FILE)

        after = postgres_contents(target)
        assert said.code == 0, said.err
        assert {name for name in metadata.tables if not before[name]} == set()
        assert {name for name, rows in before.items() if not rows} == set()
        # PostgreSQL has tables of the queue that SQLite does not have.
        assert {name for name in after if name not in before and after[name]} == set()
        for name, rows in before.items():
            # The queue has columns for PostgreSQL only.
            columns = rows[0].keys()
            found = [{column: row[column] for column in columns} for row in after[name]]
            assert sorted_rows(found) == sorted_rows(rows), name
        count = sum(map(len, before.values()))
        assert f"Copied {count:,} rows of {len(before)} tables from SQLite to PostgreSQL." in said.err  # fmt: skip
        migrate.check(make_url(target).set(drivername="postgresql+psycopg"))

    def test_secrets_stay_readable_and_apps_stay_valid(
        self, cli: Cli, kept: Kept, use_target: Callable[[], None]
    ):
        secret = secret_of(kept)
        cli("backup", FILE)
        use_target()

        said = cli("restore", FILE)

        assert "which this server does not have" not in said.err
        assert secret_of(kept) == secret
        assert is_code_accepted(kept)

    def test_on_another_machine_the_missing_key_is_named(
        self,
        cli: Cli,
        kept: Kept,
        tmp_path: Path,
        use_target: Callable[[], None],
        monkeypatch: pytest.MonkeyPatch,
    ):
        cli("backup", FILE)
        use_target()
        monkeypatch.setenv("STEPIQ_DATA_DIR", str(tmp_path / "elsewhere"))

        said = cli("restore", FILE)

        assert said.code == 0
        assert "2 stored secrets are encrypted with the master key" in said.err

    def test_a_backup_of_an_earlier_version_is_upgraded(
        self,
        cli: Cli,
        kept: Kept,
        tmp_path: Path,
        target: str,
        use_target: Callable[[], None],
        monkeypatch: pytest.MonkeyPatch,
    ):
        cli("backup", FILE)
        (newest,) = add_migrations(monkeypatch, tmp_path, "SELECT 1")
        use_target()

        said = cli("restore", FILE)

        assert said.code == 0, said.err
        assert "The schema is from an older version" not in said.err
        url = make_url(target).set(drivername="postgresql+psycopg")
        assert migrate.current_revision(url) == newest
        assert run_ids() == [kept.run_id]


class TestRefuse:
    @pytest.mark.parametrize("content", [b"", b"\0"])
    def test_a_backup_without_data_replaces_nothing(
        self, cli: Cli, kept: Kept, target: str, use_target: Callable[[], None], content: bytes
    ):
        cli("backup", FILE)
        use_target()
        cli("restore", FILE)
        before = postgres_contents(target)
        put("stepiq.db", content)

        said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert f"{FILE} is damaged: its database " in said.err
        assert postgres_contents(target) == before

    def test_a_database_with_data_is_replaced_only_with_force(
        self, cli: Cli, kept: Kept, target: str, use_target: Callable[[], None]
    ):
        cli("backup", FILE)
        use_target()
        assert cli("restore", FILE).code == 0
        within(_mark_runs)

        refused = cli("restore", FILE)
        unchanged = within(_claims)
        replaced = cli("restore", FILE, "--force")

        assert refused.code == 1
        assert "is not empty. Restore into an empty database, or replace its data with --force." in refused.err  # fmt: skip
        assert unchanged == [41]
        assert replaced.code == 0, replaced.err
        assert within(_claims) == [0]

    def test_what_postgresql_cannot_store_changes_nothing(
        self, cli: Cli, kept: Kept, tmp_path: Path, target: str, use_target: Callable[[], None]
    ):
        cli("backup", FILE)
        good = Path(FILE).rename("good.zip")
        with closing(sqlite3.connect(tmp_path / "stepiq.db")) as connection:
            connection.execute("UPDATE pipelines SET description = 'a' || char(0)")
            connection.commit()
        cli("backup", FILE)
        use_target()

        said = cli("restore", FILE)

        assert said.code == 1
        assert "PostgreSQL cannot store a value of the table pipelines: " in said.err
        with psycopg.connect(target) as connection:
            found = connection.execute("SELECT FROM pg_tables WHERE schemaname = 'public'")
            assert found.fetchall() == []
        # The database counts as empty again.
        assert cli("restore", str(good)).code == 0
        assert run_ids() == [kept.run_id]

    def test_a_failure_keeps_the_data_that_would_be_replaced(
        self, cli: Cli, kept: Kept, tmp_path: Path, target: str, use_target: Callable[[], None]
    ):
        cli("backup", FILE)
        use_target()
        cli("restore", FILE)
        before = postgres_contents(target)
        with psycopg.connect(target) as connection:
            connection.execute(
                "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
                " IF tg_tag = 'CREATE INDEX' THEN RAISE 'no index here'; END IF; END $$"
            )
            connection.execute("CREATE EVENT TRIGGER refusing ON ddl_command_end EXECUTE FUNCTION refuse()")  # fmt: skip

        said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert "no index here" in said.err
        assert postgres_contents(target) == before

    def test_a_database_in_use(
        self, cli: Cli, kept: Kept, target: str, use_target: Callable[[], None]
    ):
        cli("backup", FILE)
        use_target()
        with psycopg.connect(target, application_name="stepiq worker"):
            said = cli("restore", FILE)

        assert said.code == 1
        assert "is in use by stepIQ" in said.err

    def test_a_full_disk(
        self,
        cli: Cli,
        kept: Kept,
        use_target: Callable[[], None],
        monkeypatch: pytest.MonkeyPatch,
    ):
        from stepiq.cli.backups.archive import Reader

        cli("backup", FILE)
        use_target()

        def fill_up(_self: Reader, target: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Reader, "copy_database", fill_up)

        said = cli("restore", FILE)

        assert said.code == 1
        assert "No space left on device" in said.err


async def _mark_runs(database: Database, _: Settings) -> None:
    async with database.transaction() as session:
        await session.execute(sa.update(runs).values(claim=41))


async def _claims(database: Database, _: Settings) -> list[int]:
    async with database.reading() as session:
        return list((await session.execute(sa.select(runs.c.claim))).scalars())
