import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL, make_url

from stepiq.core import clock, ids
from stepiq.queue import tickets
from stepiq.store import migrate, tables
from stepiq.store.database import StoreUnavailable
from stepiq.store.migrate import SchemaTooNew
from tests.support.forked import ForkedProcess
from tests.support.locks import WAITING
from tests.support.process import config_file

OURS = frozenset(tables.metadata.tables)
COUNTED_DRAFTS, COUNTED_TEXTS, FOLDED_NAMES = "202611291015", "202611291330", "202611292100"
"""Revisions."""


@pytest.fixture
def url(database_url: str) -> URL:
    return make_url(database_url)


def _tables(url: URL) -> set[str]:
    engine = migrate.sync_engine(url)
    try:
        return set(sa.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def _execute(url: URL, statement: str) -> None:
    engine = migrate.sync_engine(url)
    try:
        with engine.begin() as connection:
            connection.execute(sa.text(statement))
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
        engine = migrate.sync_engine(url)
        try:
            migrated = _rules(engine)
            migrate.downgrade(url, "base")
            tables.metadata.create_all(engine)
            declared = _rules(engine)
        finally:
            engine.dispose()

        assert migrated == declared

    def test_down_and_up_again_ends_where_it_began(self, url: URL):
        migrate.downgrade(url, "base")
        assert not _tables(url) & OURS

        migrate.upgrade(url)

        migrate.check(url)
        assert _tables(url) >= OURS

    def test_pipelines_of_before_get_their_folded_names(self, url: URL):
        engine, now, workspace_id = migrate.sync_engine(url), clock.now(), ids.uuid7()
        workspace = {"id": workspace_id, "name": "w", "plan": "free", "created_at": now}
        pipeline = {
            "id": ids.uuid7(), "workspace_id": workspace_id, "slug": "a", "name": "ÖSTERREICH",
            "tags": [], "status": "active", "version": 1, "created_at": now, "updated_at": now,
        }  # fmt: skip
        with engine.begin() as connection:
            connection.execute(tables.workspaces.insert().values(workspace))
            connection.execute(tables.pipelines.insert().values(pipeline))
        migrate.downgrade(url, "202611251019")

        migrate.upgrade(url)

        with engine.begin() as connection:
            assert connection.scalar(sa.select(tables.pipelines.c.name_folded)) == "österreich"
        engine.dispose()

    @pytest.mark.parametrize("table", [tables.users, tables.workspaces])
    def test_accounts_of_before_get_their_folded_names(self, url: URL, table: sa.Table):
        engine = migrate.sync_engine(url)
        row = {"id": ids.uuid7(), "name": "ÖSTERREICH", "created_at": clock.now()}
        others = {
            "users": {"email": "ada@example.com", "password_hash": "x", "is_admin": False},
            "workspaces": {"plan": "free"},
        }
        with engine.begin() as connection:
            connection.execute(table.insert().values({**row, **others[table.name]}))
        migrate.downgrade(url, "202611291330")

        migrate.upgrade(url)

        with engine.begin() as connection:
            assert connection.scalar(sa.select(table.c.name_folded)) == "österreich"
        engine.dispose()

    def test_keys_of_former_members_are_revoked(self, url: URL):
        engine, now, workspace_id = migrate.sync_engine(url), clock.now(), ids.uuid7()
        workspace = {"id": workspace_id, "name": "w", "plan": "free", "created_at": now}
        people = {name: ids.uuid7() for name in ("member", "removed", "stranger")}
        keys = [(name, "personal") for name in people] + [("removed", "service")]
        with engine.begin() as connection:
            connection.execute(tables.workspaces.insert().values(workspace))
            for name, user_id in people.items():
                user = {
                    "id": user_id, "email": f"{name}@example.com", "name": name, "password_hash": "x",
                    "is_admin": False, "created_at": now,
                }  # fmt: skip
                connection.execute(tables.users.insert().values(user))
            for name, removed_at in (("member", None), ("removed", now)):
                membership = {
                    "workspace_id": workspace_id, "user_id": people[name], "role": "editor",
                    "removed_at": removed_at,
                }  # fmt: skip
                connection.execute(tables.memberships.insert().values(membership))
            for number, (name, kind) in enumerate(keys):
                key = {
                    "id": ids.uuid7(), "workspace_id": workspace_id, "user_id": people[name],
                    "kind": kind, "name": name, "prefix": "sk", "key_hash": bytes([number]) * 32,
                    "scopes": [], "created_at": now,
                }  # fmt: skip
                connection.execute(tables.api_keys.insert().values(key))
        migrate.downgrade(url, "202611301340")

        migrate.upgrade(url)

        with engine.begin() as connection:
            revoked = sa.select(tables.api_keys.c.name, tables.api_keys.c.kind).where(
                tables.api_keys.c.revoked_at.is_not(None)
            )
            found = {tuple(row) for row in connection.execute(revoked)}
        engine.dispose()
        assert found == {("removed", "personal"), ("stranger", "personal")}

    def test_recipients_of_before_count_as_asked(self, url: URL):
        engine, now, workspace_id = migrate.sync_engine(url), clock.now(), ids.uuid7()
        workspace = {"id": workspace_id, "name": "w", "plan": "free", "created_at": now}
        recipient = {
            "id": ids.uuid7(), "workspace_id": workspace_id, "email": "bob@example.com",
            "asked_at": now,
        }  # fmt: skip
        with engine.begin() as connection:
            connection.execute(tables.workspaces.insert().values(workspace))
            connection.execute(tables.recipients.insert().values(recipient))
        migrate.downgrade(url, "202611261251")

        migrate.upgrade(url)

        with engine.begin() as connection:
            assert connection.scalar(sa.select(tables.recipients.c.sent_at)) == now
        engine.dispose()

    def test_accounts_of_before_count_as_verified(self, url: URL):
        engine, now = migrate.sync_engine(url), clock.now()
        user = {
            "id": ids.uuid7(), "email": "ada@example.com", "name": "Ada", "password_hash": "x",
            "is_admin": False, "created_at": now,
        }  # fmt: skip
        with engine.begin() as connection:
            connection.execute(tables.users.insert().values(user))
            before = connection.scalar(sa.select(tables.users.c.email_verified_at))
        migrate.downgrade(url, "202611260422")

        migrate.upgrade(url)

        with engine.begin() as connection:
            after = connection.scalar(sa.select(tables.users.c.email_verified_at))
        engine.dispose()
        assert (before, after) == (None, now)

    def test_on_a_current_database_it_does_nothing(self, url: URL):
        engine = migrate.sync_engine(url)
        row = {"id": ids.uuid7(), "name": "w", "plan": "free", "created_at": clock.now()}
        with engine.begin() as connection:
            connection.execute(tables.workspaces.insert().values(row))

        migrate.upgrade(url)

        with engine.begin() as connection:
            assert connection.execute(sa.select(tables.workspaces.c.id)).scalars().all() == [
                row["id"]
            ]
        engine.dispose()

    def test_workspaces_of_every_earlier_version_keep_their_plan(self, url: URL):
        migrate.downgrade(url, migrate.known_revisions()[-1])
        engine = migrate.sync_engine(url)
        row = {"id": ids.uuid7(), "name": "w", "plan": "free", "created_at": clock.now()}
        # Without the columns of this version.
        columns = [sa.column(name, tables.workspaces.c[name].type) for name in row]
        with engine.begin() as connection:
            connection.execute(sa.table("workspaces", *columns).insert().values(row))

        migrate.upgrade(url)

        with engine.begin() as connection:
            assert connection.execute(sa.select(tables.workspaces.c.plan)).scalars().all() == [
                "free"
            ]
        engine.dispose()

    def test_a_database_of_a_newer_version_is_refused_and_left_alone(self, url: URL):
        _execute(url, "UPDATE alembic_version SET version_num = '999912312359'")

        with pytest.raises(SchemaTooNew, match="999912312359"):
            migrate.upgrade(url)

        assert _tables(url) >= OURS

    def test_the_queues_own_tables_are_nobodys_difference(self, url: URL):
        tickets.prepare(url)

        migrate.check(url)

    async def test_processes_that_start_at_once_leave_one_schema(self, url: URL, tmp_path: Path):
        migrate.downgrade(url, "base")
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
        self, url: URL, monkeypatch: pytest.MonkeyPatch
    ):
        migrate.downgrade(url, COUNTED_DRAFTS)
        monkeypatch.setattr(migrate, "_LOCK_TIMEOUT", "200ms")
        engine, revisions, notices = migrate.sync_engine(url), [], []

        with engine.connect() as dump:
            # As `pg_dump` does.
            dump.execute(sa.text("LOCK TABLE users IN ACCESS SHARE MODE"))

            def pause(_seconds: float) -> None:
                # No statement waits meanwhile.
                _execute(url, "SELECT count(*) FROM users")
                revisions.append(migrate.current_revision(url))
                assert len(revisions) < 10
                if revisions[-2:] == [COUNTED_TEXTS] * 2:
                    dump.rollback()

            monkeypatch.setattr(migrate.time, "sleep", pause)
            migrate.upgrade(url, lambda: notices.append("waits"))

        engine.dispose()
        assert migrate.current_revision(url) == migrate.known_revisions()[0]
        # The migrations before it were not repeated.
        assert revisions[-2:] == [COUNTED_TEXTS] * 2
        assert notices == ["waits"]
        migrate.check(url)

    def test_after_a_deadlock_it_tries_again(self, url: URL, monkeypatch: pytest.MonkeyPatch):
        migrate.downgrade(url, COUNTED_TEXTS)
        monkeypatch.setattr(migrate, "_LOCK_TIMEOUT", "30s")
        monkeypatch.setattr(migrate, "_LOCK_PAUSE_SECONDS", 0.0)
        engine, notices = migrate.sync_engine(url), []

        with ThreadPoolExecutor() as pool:
            with engine.connect() as other:
                # PostgreSQL ends the session that looks for a deadlock first.
                other.execute(sa.text("SET deadlock_timeout = '30s'"))
                other.execute(sa.text("LOCK TABLE workspaces IN ACCESS SHARE MODE"))
                upgrading = pool.submit(migrate.upgrade, url, lambda: notices.append("waits"))
                while not _waits_for_table(engine):
                    assert not upgrading.done()
                other.execute(sa.text("SELECT count(*) FROM users"))
            upgrading.result(30)

        engine.dispose()
        assert notices == ["waits"]
        migrate.check(url)

    @pytest.mark.parametrize("table", ["users", "workspaces"])
    def test_names_are_folded_while_others_read_the_table(
        self, url: URL, table: str, monkeypatch: pytest.MonkeyPatch
    ):
        migrate.downgrade(url, FOLDED_NAMES)
        monkeypatch.setattr(migrate, "_LOCK_PAUSE_SECONDS", 0.0)
        engine, notices = migrate.sync_engine(url), []

        with engine.connect() as other:
            other.execute(sa.text(f"LOCK TABLE {table} IN ACCESS SHARE MODE"))
            migrate.upgrade(url, lambda: notices.append("waits"))

        engine.dispose()
        assert not notices


class TestKnownRevisions:
    def test_they_are_those_that_alembic_finds_newest_first(self):
        config = Config()
        config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
        scripts = ScriptDirectory.from_config(config).walk_revisions()

        assert list(migrate.known_revisions()) == [script.revision for script in scripts]


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
