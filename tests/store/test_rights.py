"""What is refused to a role that lacks rights, on a real server with real roles."""

from uuid import uuid4

import psycopg
import pytest

from stepiq.queue import tickets
from stepiq.store import migrate, postgres_checks
from stepiq.store.connections.refusals import StoreRefused
from tests.support.postgres_roles import Scene, scene

__all__ = ["scene"]


class TestCheck:
    def test_a_role_without_rights_starts_after_the_sql_of_the_message(self, scene: Scene):
        message = scene.refusal()

        assert f"GRANT USAGE, CREATE ON SCHEMA public TO {scene.role};" in message
        assert f"GRANT CREATE ON DATABASE {scene.url.database} TO {scene.role};" in message
        scene.follow(message)
        scene.start()

    @pytest.mark.slow
    def test_the_owner_of_the_database_needs_nothing(self, scene: Scene):
        scene.run("ALTER DATABASE {} OWNER TO {}", str(scene.url.database), scene.role)

        scene.start()

    def test_looking_changes_nothing(self, scene: Scene):
        scene.run("ALTER DATABASE {} OWNER TO {}", str(scene.url.database), scene.role)

        postgres_checks.check(scene.url, allow_unsafe=True)

        with psycopg.connect(scene.superuser.render_as_string(hide_password=False)) as connection:
            found = connection.execute(
                "SELECT relname FROM pg_class WHERE relowner = %s::regrole", [scene.role]
            ).fetchall()
        assert found == []

    def test_tables_of_the_superuser_change_hands_by_the_sql_of_the_message(self, scene: Scene):
        migrate.upgrade(scene.superuser)
        tickets.prepare(scene.superuser)

        message = scene.refusal()

        assert "does not own" in message
        assert "STEPIQ_DATABASE_URL" not in message
        scene.follow(message)
        scene.start()

    def test_tables_of_another_role_change_hands_unless_that_role_is_used(self, scene: Scene):
        other = f"role_{uuid4().hex}"
        scene.run("CREATE ROLE {} LOGIN", other)
        scene.run("ALTER DATABASE {} OWNER TO {}", str(scene.url.database), other)
        migrate.upgrade(scene.superuser.set(username=other))
        tickets.prepare(scene.superuser.set(username=other))

        message = scene.refusal()

        assert f"If {other} is the role of the server, use it in STEPIQ_DATABASE_URL." in message
        scene.follow(message)
        scene.start()
        scene.run("ALTER DATABASE {} OWNER TO {}", str(scene.url.database), scene.role)
        scene.run("DROP OWNED BY {0}; DROP ROLE {0}", other)

    def test_on_a_current_schema_the_rights_to_read_and_write_are_enough(self, scene: Scene):
        migrate.upgrade(scene.superuser)
        tickets.prepare(scene.superuser)
        scene.run("GRANT USAGE ON SCHEMA dbos TO {}", scene.role)
        for schema in ("public", "dbos"):
            scene.run(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {} TO {}",
                schema,
                scene.role,
            )

        scene.start()

    def test_tables_of_another_program_are_not_taken_over(self, scene: Scene):
        scene.run("ALTER DATABASE {} OWNER TO {}", str(scene.url.database), scene.role)
        scene.run("CREATE TABLE users (id integer)")

        assert "Another program created the table users" in scene.refusal()

    def test_a_database_that_accepts_no_writes_is_refused(self, scene: Scene):
        scene.run(
            "ALTER DATABASE {} SET default_transaction_read_only = on", str(scene.url.database)
        )

        assert "read-only" in scene.refusal()

    def test_a_role_that_may_use_no_schema_is_told_how_to_get_one(self, scene: Scene):
        scene.run("ALTER DATABASE {} OWNER TO {}", str(scene.url.database), scene.role)
        scene.run("REVOKE ALL ON SCHEMA public FROM pg_database_owner, PUBLIC")

        message = scene.refusal()

        assert "has no right to use any schema" in message
        scene.follow(message)
        scene.start()


class TestUpgrade:
    """The migrations themselves: what was not checked, or has changed since."""

    def test_a_refused_statement_is_no_fault(self, scene: Scene):
        with pytest.raises(StoreRefused, match="permission denied for schema public"):
            migrate.upgrade(scene.url)

    def test_a_refused_schema_of_the_queue_is_no_fault(self, scene: Scene):
        with pytest.raises(StoreRefused, match="permission denied for database"):
            tickets.prepare(scene.url)
