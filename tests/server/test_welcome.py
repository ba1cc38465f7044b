from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stepiq.accounts.signing_in.registration import setup_token
from stepiq.core.keys import files as keys
from stepiq.server.welcome import Welcome, welcome
from tests.support.stores import SqliteStores

SECRET = b"x" * 32
TOKEN = setup_token(SECRET)


@pytest.fixture
def database_url(sqlite_stores: SqliteStores, tmp_path: Path) -> str:
    return sqlite_stores.create(tmp_path)


class TestWelcome:
    async def test_a_new_server_shows_the_link_that_creates_its_administrator(self, services):
        ready = await welcome(services, SECRET)

        assert ready.needs_setup
        assert ready.text.splitlines()[0].endswith(f" is ready at {ready.url}")
        assert f"\n  {ready.url}/register#setup={TOKEN}\n" in ready.text
        assert "Keep the link secret" in ready.text

    async def test_the_token_in_the_link_creates_the_administrator(self, client, services):
        ready = await welcome(services, keys.jwt_secret(services.settings))
        token = ready.text.partition("#setup=")[2].split()[0]
        account = {"email": "ada@example.com", "password": "correct horse"}

        answer = await client.post("/api/auth/register", json={**account, "setup_token": token})

        assert answer.json()["user"]["is_admin"]

    async def test_where_others_can_read_it_it_names_the_command_that_shows_the_link(
        self, services
    ):
        ready = await welcome(services, None)

        assert TOKEN not in ready.text
        assert "#setup=" not in ready.text
        assert "\n  stepiq setup-token\n" in ready.text

    async def test_with_an_account_it_names_the_administrator_and_where_to_sign_in(
        self, services, make
    ):
        admin = await make.user(is_admin=True)

        ready = await welcome(services, SECRET)

        assert not ready.needs_setup
        assert "#setup=" not in ready.text
        assert f"Sign in at {ready.url}/login\n" in ready.text
        assert f"Administrator: {admin.email}." in ready.text
        assert f"{ready.url}/forgot-password" in ready.text

    @pytest.mark.parametrize("has_account", [False, True])
    async def test_it_says_where_the_api_reference_is(self, services, client, make, has_account):
        if has_account:
            await make.user(is_admin=True)

        ready = await welcome(services, SECRET)

        line = ready.text.splitlines()[1]
        assert line == f"API reference: {ready.url}/docs"
        assert (await client.get("/docs")).status_code == 200

    async def test_it_names_the_worker_if_the_server_executes_runs(self, services):
        idle = await welcome(services, SECRET)
        await services.engine.start()
        try:
            working = await welcome(services, SECRET)
            async with services.database.reading() as session:
                (listed,) = await services.engine.workers(session)
        finally:
            await services.engine.stop()

        assert idle.worker is None
        assert working.worker == listed.name


class TestShow:
    def test_programs_get_the_facts_and_where_to_find_the_token(self):
        with capture_logs() as lines:
            Welcome("http://127.0.0.1:1", "text", needs_setup=True, worker="w").show(None)
            Welcome("http://127.0.0.1:1", "text", needs_setup=False).show(None)

        assert [line["event"] for line in lines] == ["server_ready", "no_account", "server_ready"]
        assert lines[0]["url"] == "http://127.0.0.1:1"
        assert [line.get("worker") for line in lines] == ["w", None, None]
        assert "`stepiq setup-token`" in lines[1]["advice"]

    def test_people_get_the_text(self):
        shown: list[str] = []

        Welcome("http://127.0.0.1:1", "text", needs_setup=True).show(shown.append)

        assert shown == ["text"]
