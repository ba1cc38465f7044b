import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import URL, make_url

from stepiq.core import clock, ids
from stepiq.queue import tickets
from stepiq.store import migrate, tables
from stepiq.store.connections import engines
from stepiq.store.database import StoreUnavailable
from stepiq.store.migrate import SchemaTooNew, SchemaTooOld
from tests.support.forked import ForkedProcess
from tests.support.later_version import add_migrations
from tests.support.locks import WAITING
from tests.support.process import config_file

OURS = frozenset(tables.metadata.tables)


@pytest.fixture
def url(database_url: str) -> URL:
    return make_url(database_url)


def _tables(url: URL) -> set[str]:
    engine = engines.create(url)
    try:
        return set(sa.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def _execute(url: URL, statement: str) -> None:
    engine = engines.create(url)
    try:
        with engine.begin() as connection:
            connection.execute(sa.text(statement))
    finally:
        engine.dispose()


def _empty(url: URL) -> None:
    """Remove all tables."""
    if url.get_backend_name() == "sqlite":
        Path(str(url.database)).unlink()
    else:
        _execute(url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")


def _columns(url: URL, table: str) -> set[str]:
    engine = engines.create(url)
    try:
        return {column["name"] for column in sa.inspect(engine).get_columns(table)}
    finally:
        engine.dispose()


def _waits_for_table(engine: sa.Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.scalar(WAITING))


def _rules(engine: sa.Engine) -> dict[str, object]:
    """What Alembic does not compare: check constraints, conditions of indexes, defaults."""
    found: dict[str, object] = {}
    inspector = sa.inspect(engine)
    for table in sorted(OURS):
        for check in inspector.get_check_constraints(table):
            found[f"{table} {check['name']}"] = check["sqltext"]
        for index in inspector.get_indexes(table):
            options = dict(index.get("dialect_options", {}))
            where = options.get("sqlite_where", options.get("postgresql_where"))
            found[f"{table} {index['name']}"] = str(where)
        for column in inspector.get_columns(table):
            found[f"{table}.{column['name']}"] = (column["nullable"], str(column["default"]))
    return found


class TestUpgrade:
    def test_it_leaves_what_the_tables_say(self, url: URL):
        migrate.check(url)

    def test_it_leaves_the_same_rules_as_the_tables_have(self, url: URL):
        engine = engines.create(url)
        try:
            migrated = _rules(engine)
            engine.dispose()
            _empty(url)
            tables.metadata.create_all(engine)
            declared = _rules(engine)
        finally:
            engine.dispose()

        assert migrated == declared

    def test_a_database_gets_the_migrations_of_a_later_version(
        self, url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        added = add_migrations(
            monkeypatch,
            tmp_path,
            "ALTER TABLE users ADD COLUMN first TEXT",
            "ALTER TABLE users RENAME COLUMN first TO second",
        )

        migrate.upgrade(url)
        upgraded = (migrate.current_revision(url), _columns(url, "users"))
        _empty(url)
        migrate.upgrade(url)

        assert upgraded[0] == added[-1]
        assert "second" in upgraded[1]
        assert (migrate.current_revision(url), _columns(url, "users")) == upgraded

    def test_on_a_current_database_it_does_nothing(self, url: URL):
        engine = engines.create(url)
        row = {"id": ids.uuid7(), "name": "w", "name_folded": "w", "plan": "free"}
        row |= {"created_at": clock.now()}
        with engine.begin() as connection:
            connection.execute(tables.workspaces.insert().values(row))

        migrate.upgrade(url)

        with engine.begin() as connection:
            assert connection.execute(sa.select(tables.workspaces.c.id)).scalars().all() == [
                row["id"]
            ]
        engine.dispose()

    def test_a_database_of_a_newer_version_is_refused_and_left_alone(self, url: URL):
        _execute(url, "UPDATE alembic_version SET version_num = '999912312359'")

        with pytest.raises(SchemaTooNew, match="999912312359"):
            migrate.upgrade(url)

        assert _tables(url) >= OURS

    def test_a_database_of_a_development_version_is_refused(self, url: URL):
        _execute(url, "UPDATE alembic_version SET version_num = '202611241552'")

        with pytest.raises(SchemaTooOld, match="202611241552 of a development version") as caught:
            migrate.upgrade(url)

        assert str(url.database) in caught.value.message
        assert _tables(url) >= OURS

    def test_the_queues_own_tables_are_nobodys_difference(self, url: URL):
        tickets.prepare(url)

        migrate.check(url)

    async def test_processes_that_start_at_once_leave_one_schema(self, url: URL, tmp_path: Path):
        _empty(url)
        log = tmp_path / "log"
        environment = {
            **os.environ,
            "STEPIQ_DATABASE_URL": url.render_as_string(hide_password=False),
            "STEPIQ_ALLOW_UNSAFE_STORE": "true",
            "STEPIQ_CONFIG_FILE": config_file(tmp_path),
        }

        starting = [ForkedProcess(["migrate"], tmp_path, environment, log) for _ in range(3)]
        ended = [await process.wait() for process in starting]

        assert ended == [0, 0, 0], log.read_text()
        migrate.check(url)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
class TestUpgradeInSteps:
    def test_it_waits_for_a_table_only_for_a_short_time(
        self, url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        first, _, last = add_migrations(
            monkeypatch,
            tmp_path,
            "ALTER TABLE pipelines ADD COLUMN later TEXT",
            "ALTER TABLE users ADD COLUMN later TEXT",
            "ALTER TABLE runs ADD COLUMN later TEXT",
        )
        engine, revisions, notices = engines.create(url), [], []

        with engine.connect() as dump:
            # As `pg_dump` does.
            dump.execute(sa.text("LOCK TABLE users IN ACCESS SHARE MODE"))

            def pause(_seconds: float) -> None:
                # No statement waits meanwhile.
                _execute(url, "SELECT count(*) FROM users")
                revisions.append(migrate.current_revision(url))
                if len(revisions) == 2:
                    dump.rollback()

            monkeypatch.setattr(migrate.time, "sleep", pause)
            migrate.upgrade(url, lambda: notices.append("waits"))

        engine.dispose()
        assert migrate.current_revision(url) == last
        # The migration before it was not repeated.
        assert revisions == [first] * 2
        assert notices == ["waits"]

    def test_after_a_deadlock_it_tries_again(
        self, url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        (last,) = add_migrations(
            monkeypatch,
            tmp_path,
            "ALTER TABLE users ADD COLUMN a TEXT; ALTER TABLE runs ADD COLUMN a TEXT",
        )
        monkeypatch.setattr(migrate.time, "sleep", lambda _seconds: None)
        # PostgreSQL ends the session that looks for a deadlock first.
        _execute(url, f"ALTER DATABASE {url.database} SET deadlock_timeout = '10ms'")
        engine, notices = engines.create(url, 2), []

        with ThreadPoolExecutor() as pool:
            with engine.connect() as other:
                other.execute(sa.text("SET deadlock_timeout = '30s'"))
                other.execute(sa.text("LOCK TABLE runs IN ACCESS SHARE MODE"))
                upgrading = pool.submit(migrate.upgrade, url, lambda: notices.append("waits"))
                while not _waits_for_table(engine):
                    assert not upgrading.done()
                other.execute(sa.text("SELECT count(*) FROM users"))
            upgrading.result(30)

        engine.dispose()
        assert notices == ["waits"]
        assert migrate.current_revision(url) == last


class TestCheck:
    def test_a_column_that_only_the_database_has_is_a_difference(self, url: URL):
        _execute(url, "ALTER TABLE runs ADD COLUMN surplus TEXT")

        with pytest.raises(CommandError, match="surplus"):
            migrate.check(url)


class TestUnreachable:
    def test_the_message_names_the_database_without_its_password(self):
        url = make_url("postgresql://someone:hunter2hunter2@127.0.0.1:1/nowhere")

        with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1") as caught:
            migrate.upgrade(url)

        assert "hunter2" not in str(caught.value)

    def test_a_folder_that_is_not_there_is_said_so(self, tmp_path):
        with pytest.raises(StoreUnavailable, match="unable to open"):
            migrate.upgrade(make_url(f"sqlite:///{tmp_path}/missing/stepiq.db"))
