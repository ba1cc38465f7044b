"""What people are told when connecting fails."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors, sql
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError, ProgrammingError

from stepiq.core.errors import Unavailable
from stepiq.store import migrate
from stepiq.store.connections import engines
from stepiq.store.connections.refusals import StoreRefused, connect, explaining, quoted, shown
from stepiq.store.database import StoreUnavailable

only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@contextmanager
def refusing(message: str, severity: str = "FATAL") -> Iterator[URL]:
    """A server that refuses every connection with one error, as PostgreSQL does."""
    content = f"S{severity}\0CXX000\0M{message}\0\0".encode()
    with answering(b"E" + (len(content) + 4).to_bytes(4) + content) as url:
        yield url


@contextmanager
def answering(answer: bytes) -> Iterator[URL]:
    """A server that answers the start of every session with some bytes, and closes the connection."""

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            # Requests for encryption have eight bytes; the start of a session has more.
            while len(connection.recv(1024)) == 8:
                connection.sendall(b"N")
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        yield make_url(f"postgresql://ada:geheim@127.0.0.1:{listener.getsockname()[1]}/flows")
        thread.join()


def message_of(url: URL, error: type[Unavailable] = StoreRefused) -> str:
    with pytest.raises(error) as raised:
        connect(url)
    assert "geheim" not in raised.value.message
    return raised.value.message


class TestConnect:
    @pytest.mark.parametrize(
        ("words", "advice"),
        [
            ('password authentication failed for user "ada"', "ALTER ROLE ada LOGIN PASSWORD '…';"),
            ('role "ada" does not exist', "CREATE ROLE ada LOGIN PASSWORD '…';"),
            ('no pg_hba.conf entry for host "127.0.0.1"', "`host flows ada ADDRESS scram-sha-256`"),
            ('pg_hba.conf rejects connection for host "127.0.0.1"', "`host flows ada ADDRESS scram-sha-256`"),
            ('database "flows" does not exist', "CREATE DATABASE flows OWNER ada"),
            ('permission denied for database "flows"', "GRANT CONNECT ON DATABASE flows TO ada;"),
            ("sorry, too many clients already", "max_connections"),
            ('too many connections for role "ada"', "CONNECTION LIMIT -1;"),
            ('database "flows" is not currently accepting connections', "ALTER DATABASE flows ALLOW_CONNECTIONS true;"),
            ("unsupported startup parameter", "Correct STEPIQ_DATABASE_URL, or the configuration"),
        ],
    )  # fmt: skip
    def test_a_refusal_has_what_removes_it(self, words: str, advice: str):
        with refusing(words) as url:
            message = message_of(url)

        assert f"refuses the connection: {words}. " in message
        assert advice in message

    def test_a_refusal_in_another_language_is_no_missing_server(self):
        with refusing("роль «ada» не существует", severity="ВАЖНО") as url:
            message = message_of(url)

        assert "refuses the connection: роль «ada» не существует. Correct STEPIQ_DATABASE_URL" in (
            message
        )

    def test_a_server_that_asks_for_a_password_is_explained(self):
        with answering(b"R" + (8).to_bytes(4) + (3).to_bytes(4)) as url:
            message = message_of(make_url(f"postgresql://ada@127.0.0.1:{url.port}/flows"))

        assert "refuses the connection: PostgreSQL asks for a password" in message
        assert "`postgresql://ada:PASSWORD@HOST/flows`" in message
        assert "fe_sendauth" not in message

    def test_a_server_that_starts_is_not_refusing(self):
        with refusing("the database system is starting up") as url:
            assert "Try again in a moment." in message_of(url, StoreUnavailable)

    @only_postgresql
    def test_a_server_that_stops_during_a_statement_is_not_refusing(self, database_url: str):
        url = make_url(database_url)
        with connect(url) as ours, connect(url) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [ours.info.backend_pid])

            with pytest.raises(StoreUnavailable) as raised, explaining(url):
                ours.execute("SELECT 1")

        assert "cannot be reached: terminating connection due to adm" in raised.value.message

    @pytest.mark.parametrize(
        ("wrapper", "ended"),
        [
            (InternalError, errors.IdleInTransactionSessionTimeout("terminating connection")),
            (OperationalError, errors.IdleSessionTimeout("terminating connection")),
        ],
    )
    def test_a_session_that_ended_because_the_process_was_suspended_is_not_refused(
        self, wrapper: type[DBAPIError], ended: psycopg.Error
    ):
        url = make_url("postgresql://ada@127.0.0.1:9/flows")

        # A real server may also close the session before the client reads this.
        with pytest.raises(StoreUnavailable) as raised, explaining(url):
            raise wrapper("SELECT 1", None, ended)

        assert "cannot be reached: terminating connection. " in raised.value.message
        assert raised.value.message.endswith("Start the process again.")

    def test_a_server_that_is_not_there_is_named(self):
        url = make_url("postgresql://ada:geheim@127.0.0.1:9/flows")

        assert "127.0.0.1:9/flows cannot be reached: Connection refused. Start PostgreSQL" in (
            message_of(url, StoreUnavailable)
        )

    def test_a_password_in_the_query_is_not_repeated(self):
        message_of(make_url("postgresql://ada@127.0.0.1:9/flows?password=geheim"), StoreUnavailable)

    @only_postgresql
    @pytest.mark.parametrize(
        ("change", "advice"),
        [
            ({"database": "none"}, "CREATE DATABASE none OWNER postgres ENCODING 'UTF8'"),
            ({"username": "nobody"}, "CREATE ROLE nobody LOGIN PASSWORD '…';"),
            ({"query": {"colour": "red"}}, "Correct STEPIQ_DATABASE_URL."),
        ],
    )
    def test_a_real_server_is_understood(
        self, database_url: str, change: dict[str, str], advice: str
    ):
        assert advice in message_of(make_url(database_url).set(**change))  # pyright: ignore[reportArgumentType]

    @only_postgresql
    def test_an_option_that_the_server_does_not_have_is_named(self, database_url: str):
        url = make_url(database_url).set(query={"sslmode": "require"})

        message = message_of(url, StoreUnavailable)

        assert "server does not support SSL, but SSL was required" in message
        assert "correct the host, port and options in STEPIQ_DATABASE_URL" in message

    @only_postgresql
    def test_a_role_that_may_not_log_in_is_told_how_it_may(self, database_url: str):
        url, role = make_url(database_url), f"role_{uuid4().hex}"
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
            try:
                assert f"ALTER ROLE {role} LOGIN;" in message_of(url.set(username=role))
            finally:
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


class TestExplaining:
    def test_a_file_that_is_no_database_is_no_fault(self, tmp_path):
        (tmp_path / "letter.db").write_text("a letter, not a database " * 100)

        with pytest.raises(StoreUnavailable, match="is damaged: file is not a database"):
            migrate.upgrade(make_url(f"sqlite:///{tmp_path}/letter.db"))

    async def test_a_wrong_statement_stays_a_fault(self, database_url: str):
        engine = engines.create(make_url(database_url))
        try:
            with (
                pytest.raises((OperationalError, ProgrammingError)),
                explaining(engine.url),
                engine.connect() as connection,
            ):
                connection.exec_driver_sql("SELECT nothing FROM nowhere")
        finally:
            engine.dispose()


class TestShown:
    def test_it_has_neither_driver_nor_password(self):
        url = make_url(
            "postgresql+psycopg://ada:geheim@db:5433/flows?password=geheim&sslmode=require"
        )

        assert shown(url) == "postgresql://ada:***@db:5433/flows?sslmode=require"


class TestQuoted:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [("ada", "ada"), ("Ada", '"Ada"'), ("user", '"user"'), ("a-b", '"a-b"')],
    )
    def test_names_are_in_quotes_where_sql_needs_them(self, name: str, expected: str):
        assert quoted(name) == expected
